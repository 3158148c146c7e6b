//! The graph while ONNX Runtime's optimizer rewrites it.
//!
//! Nodes and uses are those of [`crate::rewrite`]: a new node comes after all others, as in the runtime, whose execution
//! order depends on it. Uses are counted by value: values keep their numbers while nodes that write them come and go.

use super::kernel::Kernel;
use super::known_dims::{self, Shape};
use super::options::OnnxRuntimeCpu;
use crate::DType;
use crate::graph::op::Binary;
use crate::graph::{Dims, Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::rewrite::{self, Arithmetic, Body, Dialect, Inputs, Source, WorkGraph};
use crate::shape::{Bound, Dim, Shapes, Symbols, TensorInfo};
use smallvec::{SmallVec, smallvec};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// One tensor.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The tensor of the file that it represents.
    pub tensor: TensorId,
    /// Element type.
    pub dtype: DType,
    /// Dims of this run.
    pub dims: Option<Dims>,
    /// Dims that are an upper bound.
    pub is_bound: bool,
    /// The dims that the runtime knows when it plans.
    pub shape: Shape,
    /// An initializer: of the file, or folded.
    pub is_constant: bool,
    /// It is the file's own: not folded.
    pub is_stored: bool,
    /// The integers of a constant that the optimizer made.
    pub numbers: Option<Rc<[i64]>>,
}

/// One operator.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The kernel that runs.
    pub kind: Kernel,
    /// The node of the file that it represents.
    pub source: NodeId,
    /// What it writes.
    pub outputs: SmallVec<[usize; 1]>,
    /// Its axis, or that of a Shape from which on dims are taken, if a transposition was moved through it: then that of the
    /// file's node is not its own.
    pub axis: Option<u32>,
}

impl Node {
    fn new(kind: Kernel, source: NodeId, outputs: SmallVec<[usize; 1]>) -> Node {
        Node { kind, source, outputs, axis: None }
    }
}

/// The graph under rewriting.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// The file's graph, or a body of it.
    pub graph: &'a Graph,
    /// Shapes of this run.
    pub shapes: &'a Shapes,
    /// All values; the first are the file's tensors.
    pub values: Vec<Value>,
    /// Symbols of the names of free dims: one table for a graph and all of its bodies.
    symbols: Rc<RefCell<Symbols>>,
    /// How the session optimizes.
    pub options: OnnxRuntimeCpu,
    /// What has no kernel in half precision was put into single.
    pub is_widened: bool,
    rewritten: WorkGraph<Node>,
}

/// A rule of this runtime.
pub(super) type Rule = rewrite::Rule<OnnxRuntime>;
/// A pass of this runtime.
pub(super) type Pass = rewrite::Pass<OnnxRuntime>;
/// What a rule wants changed.
pub(super) type Patch = rewrite::Patch<Node>;

/// ONNX Runtime's way of rewriting.
#[derive(Clone, Copy, Debug)]
pub(super) enum OnnxRuntime {}

/// The order in which rules visit nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By position, the file's nodes before new ones.
    Position,
}

impl Source for usize {
    fn origin(self) -> usize {
        self
    }
}

impl Body for Node {
    type Source = usize;
    const SWEEPS: bool = false;

    fn origins(&self, _own: usize) -> SmallVec<[usize; 1]> {
        self.outputs.clone()
    }

    fn absorb(&mut self, _other: &Node) {}

    fn rename(&mut self, other: &Node) {
        self.source = other.source;
    }
}

impl Dialect for OnnxRuntime {
    type Body = Node;
    type Work<'a> = Work<'a>;
    type Order = Order;

    fn order(work: &Work<'_>, Order::Position: Order) -> Rc<Vec<usize>> {
        Rc::new(work.alive().collect())
    }
}

impl Deref for Work<'_> {
    type Target = WorkGraph<Node>;

    fn deref(&self) -> &WorkGraph<Node> {
        &self.rewritten
    }
}

impl DerefMut for Work<'_> {
    fn deref_mut(&mut self) -> &mut WorkGraph<Node> {
        &mut self.rewritten
    }
}

impl Arithmetic for Work<'_> {
    type Source = usize;

    fn operands(&self, node: usize, kind: Binary) -> Option<(usize, usize)> {
        let kernel = match kind {
            Binary::Add => Kernel::Add,
            Binary::Multiply => Kernel::Mul,
            Binary::Divide => Kernel::Div,
            Binary::Power => Kernel::Pow,
            _ => return None,
        };
        self.is(node, kernel).then_some(())?;
        Some((self.input(node, 0)?, self.input(node, 1)?))
    }

    fn constant_number(&self, source: usize) -> Option<f64> {
        self.number(source)
    }

    fn constant_operand(&self, node: usize, kind: Binary) -> Option<(usize, usize)> {
        self.operands(node, kind)?;
        self.constant_and_other(node)
    }
}

impl Patch {
    /// Replaces nodes by a new one that writes the outputs of the last of them; returns its position.
    pub(super) fn fuse(
        &mut self,
        work: &Work<'_>,
        gone: &[usize],
        kind: Kernel,
        inputs: Inputs<usize>,
    ) -> usize {
        let (source, outputs) = outputs_of_last(work, gone);
        gone.iter().for_each(|&node| self.remove(node));
        self.insert(Node::new(kind, source, outputs), inputs)
    }
}

/// The patch that puts one node in the place of some.
pub(super) fn fused(work: &Work<'_>, gone: &[usize], kind: Kernel, inputs: Inputs<usize>) -> Patch {
    let mut patch = Patch::new(work);
    patch.fuse(work, gone, kind, inputs);
    patch
}

fn outputs_of_last(work: &Work<'_>, gone: &[usize]) -> (NodeId, SmallVec<[usize; 1]>) {
    let last = gone.last().map(|&last| &work.nodes[last]);
    last.map_or((NodeId::new(0), smallvec![]), |last| (last.source, last.outputs.clone()))
}

impl<'a> Work<'a> {
    /// The graph as the file has it, with what the runtime infers of its shapes.
    pub(super) fn new(graph: &'a Graph, shapes: &'a Shapes) -> Work<'a> {
        let mut work = Work::plain(graph, shapes);
        work.infer_dims(&[]);
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
        work.symbols = Rc::clone(&outer.symbols);
        let mut is_passed = vec![false; work.values.len()];
        for &(given, inner) in passed {
            is_passed[inner] = true;
            work.values[inner].is_constant = outer.values[given].is_constant;
            work.values[inner].shape.clone_from(&outer.values[given].shape);
        }
        work.infer_dims(&is_passed);
        work
    }

    /// Fills the shape of every value; `is_passed` says which values of a body are known outside.
    fn infer_dims(&mut self, is_passed: &[bool]) {
        let shared = Rc::clone(&self.symbols);
        let mut shared = shared.borrow_mut();
        // The inference has a table of its own, of the names that this graph has.
        let mut symbols = Symbols::default();
        let given = |&node: &NodeId| {
            let value = self.graph.output(node, 0)?.index();
            is_passed.get(value).is_some_and(|&is_passed| is_passed).then(|| {
                let own = &self.values[value];
                match &own.shape {
                    _ if own.is_constant => self.shapes.tensor(own.tensor).clone(),
                    Some(dims) => {
                        let dims = dims.iter().map(|&dim| renamed(dim, &shared, &mut symbols));
                        TensorInfo::of_shape(own.dtype, dims)
                    }
                    None => TensorInfo::unknown(own.dtype),
                }
            })
        };
        let parameters = self.graph.parameters().iter().map(given).collect();
        let found = known_dims::infer(self.graph, parameters, symbols);
        for (value, info) in self.values.iter_mut().zip(found.tensors()) {
            value.shape = info.shape();
            for dim in value.shape.iter_mut().flatten() {
                *dim = renamed(*dim, found.symbols(), &mut shared);
            }
        }
    }

    fn plain(graph: &'a Graph, shapes: &'a Shapes) -> Work<'a> {
        let values = graph.tensors().iter().enumerate().map(|(index, tensor)| {
            let info = shapes.tensor(TensorId::new(index));
            let is_constant = matches!(graph.node(tensor.node).op, Op::Constant(_));
            Value {
                tensor: TensorId::new(index),
                dtype: info.dtype,
                dims: info.dims.clone(),
                is_bound: info.bound != Bound::Exact,
                shape: None,
                is_constant,
                is_stored: is_constant,
                numbers: None,
            }
        });
        let ids = || (0..graph.nodes().len()).map(NodeId::new);
        let is_run =
            |&id: &NodeId| !matches!(graph.node(id).op, Op::Constant(_) | Op::Parameter | Op::Result);
        let nodes = ids().filter(is_run).map(|id| {
            let kind = Kernel::of(graph.node(id).op.kind());
            let outputs = graph.outputs(id).map(TensorId::index).collect();
            let inputs = graph.inputs(id).iter().map(|tensor| tensor.map(TensorId::index)).collect();
            (Node::new(kind, id, outputs), inputs)
        });
        let results = ids().filter(|&id| matches!(graph.node(id).op, Op::Result));
        let returned = results.flat_map(|id| graph.inputs(id).iter().flatten().map(|tensor| tensor.index()));
        Work {
            graph,
            shapes,
            values: values.collect(),
            symbols: Rc::default(),
            options: OnnxRuntimeCpu::default(),
            is_widened: false,
            rewritten: WorkGraph::new(nodes, graph.tensors().len(), returned),
        }
    }

    /// Adds a node behind all others.
    pub(super) fn add(
        &mut self,
        kind: Kernel,
        source: NodeId,
        inputs: Inputs<usize>,
        output: usize,
    ) -> usize {
        self.insert(Node::new(kind, source, smallvec![output]), inputs)
    }

    /// Adds a value that nothing writes or reads yet.
    pub(super) fn add_value(&mut self, value: Value) -> usize {
        self.values.push(Value { is_constant: false, is_stored: false, numbers: None, ..value });
        let count = self.values.len();
        self.add_origins(count);
        count - 1
    }

    /// A new value like another, in single precision, that nothing writes or reads yet.
    pub(super) fn single(&mut self, value: usize) -> usize {
        let single = self.like(value);
        self.values[single].dtype = DType::F32;
        single
    }

    /// A new value like another that nothing writes or reads yet.
    pub(super) fn like(&mut self, value: usize) -> usize {
        self.add_value(self.values[value].clone())
    }

    /// A new constant of integers; `tensor` is one that it takes the place of. It is stored if it is an attribute that the
    /// reader would make a constant of.
    pub(super) fn constant_of(&mut self, tensor: TensorId, numbers: &[i64], is_stored: bool) -> usize {
        let count = numbers.len() as u64;
        let new = self.add_value(Value {
            tensor,
            dtype: DType::I64,
            dims: Some(smallvec![count]),
            is_bound: false,
            shape: Some(smallvec![Dim::Known(count)]),
            is_constant: false,
            is_stored: false,
            numbers: None,
        });
        let own = &mut self.values[new];
        (own.is_constant, own.is_stored, own.numbers) = (true, is_stored, Some(numbers.into()));
        new
    }

    /// Gives a node an axis of its own.
    pub(super) fn set_axis(&mut self, node: usize, axis: usize) {
        self.nodes[node].axis = u32::try_from(axis).ok();
    }

    /// Lets a node write another value in the place of one.
    pub(super) fn write(&mut self, node: usize, port: usize, value: usize) {
        let old = self.nodes[node].outputs[port];
        self.rewritten.set_writer(old, None);
        self.rewritten.set_writer(value, Some(node));
        self.nodes[node].outputs[port] = value;
    }

    /// Replaces nodes by a new one that writes the outputs of the last of them.
    pub(super) fn fuse(&mut self, gone: &[usize], kind: Kernel, inputs: Inputs<usize>) -> usize {
        let (source, outputs) = outputs_of_last(self, gone);
        gone.iter().for_each(|&node| self.remove(node));
        self.insert(Node::new(kind, source, outputs), inputs)
    }

    /// The nodes that read a value, once per use.
    pub(super) fn readers(&self, value: usize) -> impl Iterator<Item = usize> {
        self.uses(value).iter().map(|&(reader, _)| reader)
    }

    /// Whether no node reads a value.
    pub(super) fn is_unread(&self, value: usize) -> bool {
        self.uses(value).is_empty()
    }

    /// Whether the model returns a value.
    pub(super) fn is_output(&self, value: usize) -> bool {
        self.is_kept(value)
    }

    /// Whether a node reads a value, or the model returns it.
    pub(super) fn is_read(&self, value: usize) -> bool {
        !self.is_unread(value) || self.is_output(value)
    }

    /// Whether one use of a value is all there is, by this node.
    pub(super) fn is_only_reader(&self, value: usize, node: usize) -> bool {
        self.only_use(value).is_some_and(|(reader, _)| reader == node)
    }

    /// The nodes that are left, by position.
    pub(super) fn alive(&self) -> impl Iterator<Item = usize> + use<> {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|&node| self.is_alive(node)).collect();
        alive.into_iter()
    }

    /// The node that represents one of the file, if it is still there.
    pub(super) fn node_of(&self, source: NodeId) -> Option<usize> {
        let writer = self.graph.outputs(source).find_map(|tensor| self.writer(tensor.index()))?;
        (self.is_alive(writer) && self.nodes[writer].source == source).then_some(writer)
    }

    /// The version of the standard operator set that the file's node is of.
    pub(super) fn opset(&self, node: usize) -> Option<u32> {
        let opset = self.graph.text(self.graph.node(self.nodes[node].source).opset);
        opset.strip_prefix("opset")?.parse().ok()
    }

    /// Whether a node is of this type and still there.
    pub(super) fn is(&self, node: usize, kind: Kernel) -> bool {
        self.is_alive(node) && self.nodes[node].kind == kind
    }

    /// Input `index` of a node.
    pub(super) fn input(&self, node: usize, index: usize) -> Option<usize> {
        self.nodes[node].input(index)
    }

    /// The first output of a node.
    pub(super) fn output(&self, node: usize) -> Option<usize> {
        self.nodes[node].outputs.first().copied()
    }

    /// The only reader of a node's only used output, if it is of this type and the model does not return the value.
    pub(super) fn only_reader(&self, node: usize, kind: Kernel) -> Option<usize> {
        let (reader, _) = self.only_use(self.output(node)?)?;
        (self.is_private(node) && self.is(reader, kind)).then_some(reader)
    }

    /// Whether one node alone reads what a node writes.
    pub(super) fn is_private(&self, node: usize) -> bool {
        let outputs = || self.nodes[node].outputs.iter().copied();
        outputs().all(|value| !self.is_output(value))
            && outputs().map(|value| self.uses(value).len()).sum::<usize>() == 1
    }

    /// The node of this type that writes an input.
    pub(super) fn producer(&self, node: usize, index: usize, kind: Kernel) -> Option<usize> {
        let writer = self.writer(self.input(node, index)?)?;
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
            Op::Constant(constant) => constant.value.as_deref(),
            Op::Parameter => None,
            _ => return None,
        };
        let known = own.or(self.shapes.tensor(value.tensor).value.as_ref())?;
        match known.to_floats()[..] {
            [number] if value.is_constant && value.numbers.is_none() => Some(number),
            _ => None,
        }
    }

    /// The integers of a small constant.
    pub(super) fn ints(&self, value: usize) -> Option<&[i64]> {
        let value = &self.values[value];
        if let Some(numbers) = &value.numbers {
            return Some(numbers);
        }
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

/// A dim with the symbol that another table has for its name.
///
/// A symbol without a name becomes unknown: it is not known to equal any other.
fn renamed(dim: Dim, from: &Symbols, to: &mut Symbols) -> Dim {
    let Some(symbol) = dim.symbol() else { return dim };
    from.name(symbol).map_or(Dim::Unknown, |name| Dim::Symbol(to.named(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dims_of_one_name_are_equal_in_all_graphs() {
        let (mut outer, mut inner) = (Symbols::default(), Symbols::default());
        let (first, batch) = (outer.named("tokens"), outer.named("batch"));
        let (own, free) = (inner.named("batch"), inner.fresh());
        assert_eq!(renamed(Dim::Symbol(own), &inner, &mut outer), Dim::Symbol(batch));
        assert_eq!(renamed(Dim::Symbol(free), &inner, &mut outer), Dim::Unknown);
        assert_eq!(renamed(Dim::Known(3), &inner, &mut outer), Dim::Known(3));
        let tokens = renamed(Dim::Symbol(first), &outer, &mut inner);
        assert_eq!(renamed(tokens, &inner, &mut outer), Dim::Symbol(first));
    }
}
