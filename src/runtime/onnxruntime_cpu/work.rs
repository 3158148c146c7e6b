//! The graph while ONNX Runtime's optimizer rewrites it.
//!
//! Positions of nodes and values never change; a node that goes leaves its place empty. A new node comes after all
//! others, as in the runtime, whose execution order depends on it.

use super::kernel::Kernel;
use super::symbolic::{self, Shape};
use crate::DType;
use crate::graph::{Dims, Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::shape::{Bound, Shapes};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

/// One tensor.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The tensor of the file that it stands for.
    pub tensor: TensorId,
    /// Element type.
    pub dtype: DType,
    /// Dims of this run.
    pub dims: Option<Dims>,
    /// Dims that are an upper bound.
    pub is_bound: bool,
    /// The dims that the runtime knows when it plans.
    pub shape: Shape,
    /// The node that writes it; `None`: an input or an initializer.
    pub writer: Option<usize>,
    /// An initializer: of the file, or folded.
    pub is_constant: bool,
    /// It is the file's own: not folded.
    pub is_stored: bool,
    /// The model returns it.
    pub is_output: bool,
    /// The nodes that read it, once per use.
    pub readers: SmallVec<[usize; 2]>,
}

/// One operator.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The kernel that runs.
    pub kind: Kernel,
    /// The node of the file that it stands for.
    pub source: NodeId,
    /// What it reads; an absent optional input is `None`.
    pub inputs: SmallVec<[Option<usize>; 4]>,
    /// What it writes.
    pub outputs: SmallVec<[usize; 1]>,
    /// It was folded or fused away.
    pub is_gone: bool,
}

/// The graph under rewriting.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// The file's graph, or a body of it.
    pub graph: &'a Graph,
    /// Shapes of this run.
    pub shapes: &'a Shapes,
    /// All nodes, those that are gone included.
    pub nodes: Vec<Node>,
    /// All values; the first are the file's tensors.
    pub values: Vec<Value>,
    /// Names of free dims, as [`symbolic::Dim::Named`] counts them; a body shares those of the graph around it.
    pub names: FxHashMap<String, u32>,
}

impl<'a> Work<'a> {
    /// The graph as the file has it, with what the runtime infers of its shapes.
    pub(super) fn new(graph: &'a Graph, shapes: &'a Shapes) -> Work<'a> {
        let mut work = Work::plain(graph, shapes);
        symbolic::infer(&mut work);
        work
    }

    /// A body of a node of `outer`: `passed` says which of its parameters are outer values.
    ///
    /// What is constant outside is so inside, and has the shape that is known there.
    pub(super) fn body(
        graph: &'a Graph,
        shapes: &'a Shapes,
        outer: &Work<'_>,
        passed: &[(usize, usize)],
    ) -> Work<'a> {
        let mut work = Work::plain(graph, shapes);
        work.names.clone_from(&outer.names);
        for &(given, inner) in passed {
            work.values[inner].is_constant = outer.values[given].is_constant;
            work.values[inner].shape.clone_from(&outer.values[given].shape);
        }
        symbolic::infer(&mut work);
        work
    }

    fn plain(graph: &'a Graph, shapes: &'a Shapes) -> Work<'a> {
        let values = graph.tensors().iter().enumerate().map(|(index, tensor)| {
            let info = shapes.tensor(TensorId::new(index));
            Value {
                tensor: TensorId::new(index),
                dtype: info.dtype,
                dims: info.dims.clone(),
                is_bound: info.bound != Bound::Exact,
                shape: None,
                writer: None,
                is_constant: matches!(graph.node(tensor.node).op, Op::Constant(_)),
                is_stored: matches!(graph.node(tensor.node).op, Op::Constant(_)),
                is_output: false,
                readers: SmallVec::new(),
            }
        });
        let names = FxHashMap::default();
        let mut work = Work { graph, shapes, values: values.collect(), nodes: Vec::new(), names };
        for (index, node) in graph.nodes().iter().enumerate() {
            let id = NodeId::new(index);
            let inputs = graph.inputs(id).iter().map(|tensor| tensor.map(TensorId::index));
            match node.op {
                Op::Constant(_) | Op::Parameter => {}
                Op::Result => {
                    for value in inputs.flatten() {
                        work.values[value].is_output = true;
                    }
                }
                _ => {
                    let kind = Kernel::from_type(graph.node_type(id));
                    let outputs = graph.outputs(id).map(TensorId::index).collect();
                    work.add(Node { kind, source: id, inputs: inputs.collect(), outputs, is_gone: false });
                }
            }
        }
        work
    }

    /// Adds a node behind all others.
    pub(super) fn add(&mut self, node: Node) -> usize {
        let index = self.nodes.len();
        for &value in node.inputs.iter().flatten() {
            self.values[value].readers.push(index);
        }
        for &value in &node.outputs {
            self.values[value].writer = Some(index);
        }
        self.nodes.push(node);
        index
    }

    /// A new value like another, in single precision, that nothing writes or reads yet.
    pub(super) fn single(&mut self, value: usize) -> usize {
        let single = self.like(value);
        self.values[single].dtype = DType::F32;
        single
    }

    /// A new value like another that nothing writes or reads yet.
    pub(super) fn like(&mut self, value: usize) -> usize {
        let like = &self.values[value];
        let new = Value {
            is_constant: false,
            is_stored: false,
            is_output: false,
            writer: None,
            readers: SmallVec::new(),
            ..like.clone()
        };
        self.values.push(new);
        self.values.len() - 1
    }

    /// Lets an input of a node be another value.
    pub(super) fn read(&mut self, node: usize, index: usize, value: usize) {
        if let Some(old) = self.nodes[node].inputs.get_mut(index).and_then(|input| input.replace(value)) {
            let readers = &mut self.values[old].readers;
            if let Some(at) = readers.iter().position(|&reader| reader == node) {
                readers.swap_remove(at);
            }
        }
        self.values[value].readers.push(node);
    }

    /// Takes a node out; its outputs have no writer until another node takes them.
    pub(super) fn remove(&mut self, node: usize) {
        let old = &mut self.nodes[node];
        old.is_gone = true;
        for value in std::mem::take(&mut old.inputs).into_iter().flatten() {
            let readers = &mut self.values[value].readers;
            if let Some(at) = readers.iter().position(|&reader| reader == node) {
                readers.swap_remove(at);
            }
        }
    }

    /// Lets a node read an input no longer: it knows the numbers.
    pub(super) fn drop_input(&mut self, node: usize, index: usize) {
        let Some(value) = self.nodes[node].inputs.get_mut(index).and_then(Option::take) else { return };
        let readers = &mut self.values[value].readers;
        if let Some(at) = readers.iter().position(|&reader| reader == node) {
            readers.swap_remove(at);
        }
    }

    /// Replaces nodes by a new one that writes the outputs of the last of them.
    pub(super) fn fuse(
        &mut self,
        gone: &[usize],
        kind: Kernel,
        inputs: SmallVec<[Option<usize>; 4]>,
    ) -> usize {
        let (source, outputs) = gone.last().map_or((NodeId::new(0), smallvec![]), |&last| {
            (self.nodes[last].source, self.nodes[last].outputs.clone())
        });
        gone.iter().for_each(|&node| self.remove(node));
        self.add(Node { kind, source, inputs, outputs, is_gone: false })
    }

    /// Lets every reader of `old` read `new`.
    pub(super) fn redirect(&mut self, old: usize, new: usize) {
        for reader in std::mem::take(&mut self.values[old].readers) {
            // A node that reads it twice is listed twice.
            if let Some(input) = self.nodes[reader].inputs.iter_mut().find(|input| **input == Some(old)) {
                *input = Some(new);
            }
            self.values[new].readers.push(reader);
        }
    }

    /// The nodes that are left, by position.
    pub(super) fn alive(&self) -> impl Iterator<Item = usize> + use<> {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|&node| !self.nodes[node].is_gone).collect();
        alive.into_iter()
    }

    /// The node that stands for one of the file, if it is still there.
    pub(super) fn node_of(&self, source: NodeId) -> Option<usize> {
        let writer = self.graph.outputs(source).find_map(|tensor| self.values[tensor.index()].writer)?;
        (!self.nodes[writer].is_gone && self.nodes[writer].source == source).then_some(writer)
    }

    /// Whether a node is of this type and still there.
    pub(super) fn is(&self, node: usize, kind: Kernel) -> bool {
        !self.nodes[node].is_gone && self.nodes[node].kind == kind
    }

    /// Input `index` of a node.
    pub(super) fn input(&self, node: usize, index: usize) -> Option<usize> {
        self.nodes[node].inputs.get(index).copied().flatten()
    }

    /// The first output of a node.
    pub(super) fn output(&self, node: usize) -> Option<usize> {
        self.nodes[node].outputs.first().copied()
    }

    /// The only reader of a node's only used output, if it is of this type and the model does not return the value.
    pub(super) fn only_reader(&self, node: usize, kind: Kernel) -> Option<usize> {
        let &[reader] = &self.values[self.output(node)?].readers[..] else { return None };
        (self.is_private(node) && self.is(reader, kind)).then_some(reader)
    }

    /// Whether one node alone reads what a node writes.
    pub(super) fn is_private(&self, node: usize) -> bool {
        let mut outputs = self.nodes[node].outputs.iter().map(|&value| &self.values[value]);
        outputs.all(|value| !value.is_output)
            && self.nodes[node].outputs.iter().map(|&value| self.values[value].readers.len()).sum::<usize>()
                == 1
    }

    /// The node of this type that writes an input.
    pub(super) fn producer(&self, node: usize, index: usize, kind: Kernel) -> Option<usize> {
        let writer = self.values[self.input(node, index)?].writer?;
        self.is(writer, kind).then_some(writer)
    }

    /// Of two inputs, a constant one and the other.
    pub(super) fn constant_and_other(&self, node: usize) -> Option<(usize, usize)> {
        let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
        match (self.values[a].is_constant, self.values[b].is_constant) {
            (_, true) => Some((b, a)),
            (true, false) => Some((a, b)),
            _ => None,
        }
    }

    /// The number of a constant of one element.
    pub(super) fn number(&self, value: usize) -> Option<f64> {
        let value = &self.values[value];
        let own = match &self.graph.node(self.graph.tensor(value.tensor).node).op {
            Op::Constant(constant) => constant.value.as_ref(),
            Op::Parameter => None,
            _ => return None,
        };
        let known = own.or(self.shapes.tensor(value.tensor).value.as_ref())?;
        match known.to_floats()[..] {
            [number] if value.is_constant => Some(number),
            _ => None,
        }
    }

    /// The integers of a small constant.
    pub(super) fn ints(&self, value: usize) -> Option<&[i64]> {
        let value = &self.values[value];
        let is_given = || matches!(self.graph.node(self.graph.tensor(value.tensor).node).op, Op::Parameter);
        if !(value.is_stored || value.is_constant && is_given()) {
            return None;
        }
        self.shapes.tensor(value.tensor).value.as_ref()?.as_ints()
    }

    /// Bytes of a value in this run; `None`: unknown.
    pub(super) fn bytes(&self, value: usize) -> Option<u64> {
        let value = &self.values[value];
        let elements =
            value.dims.as_ref()?.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim))?;
        if elements == 0 { Some(0) } else { value.dtype.bytes(elements).map(|bytes| bytes.0) }
    }
}
