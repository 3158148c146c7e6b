//! The graph while it is rewritten: nodes that fusions take apart and join.
//!
//! Made from the exported graph once, changed by one pass after the other, and frozen into an
//! [`ExecutionGraph`](crate::runtime::openvino_cpu::execution::ExecutionGraph). Readers of every node are kept up to date, and a node
//! that lost its last reader is gone with all that only it needed. Positions of nodes never change.

use crate::DType;
use crate::graph::op::Constant;
use crate::graph::{Dims, Graph, Op, Value};
use crate::ids::{NodeId, TensorId};
use crate::runtime::openvino_cpu::execution::{Attention, Kind, Layout};
use crate::shape::Shapes;
use smallvec::{SmallVec, smallvec};

/// One output of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Edge {
    /// Position of the node.
    pub node: usize,
    /// Which output.
    pub port: usize,
}

/// One dim of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dim {
    /// Its size in this run.
    pub size: u64,
    /// It was free when the model was compiled.
    pub is_free: bool,
}

/// What a node writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    /// Element type.
    pub dtype: DType,
    /// Dims.
    pub dims: SmallVec<[Dim; 6]>,
    /// Order in memory.
    pub layout: Layout,
}

/// A node on its way to be executed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// What it computes; after a fusion, what its first part computes.
    pub op: Op,
    /// What it is executed as.
    pub kind: Kind,
    /// Its name.
    pub name: Box<str>,
    /// Layers that were fused into it, in order; of a lone layer its name.
    pub originals: SmallVec<[Box<str>; 1]>,
    /// The node of the file that it stands for.
    pub source: NodeId,
    /// What it reads.
    pub inputs: SmallVec<[Option<Edge>; 4]>,
    /// What it writes.
    pub outputs: SmallVec<[Tensor; 1]>,
    /// The elements of a small constant.
    pub value: Option<Value>,
    /// A constant that lies in the file as it is used.
    pub is_mapped: bool,
    /// Number of activations and arithmetic fused behind the first part.
    pub n_fused: usize,
    /// Input overwritten by a fused sum.
    pub addend: Option<usize>,
    /// Outputs lie in the input's bytes.
    pub is_view: bool,
    /// Sizes of an attention.
    pub attention: Option<Box<Attention>>,
    /// Weights of products that compute a state inside it.
    pub inner: SmallVec<[Tensor; 1]>,
    /// Who reads it; kept by [`Work`].
    pub users: Vec<(usize, usize)>,
    /// Nobody needs it any more; kept by [`Work`].
    pub is_gone: bool,
}

/// The graph under rewriting.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// The file's graph.
    pub graph: &'a Graph,
    /// All nodes, those that are gone included.
    pub nodes: Vec<Node>,
    /// Model outputs, by number.
    pub results: Vec<usize>,
    /// Model inputs, by number.
    pub parameters: Vec<usize>,
    /// Readers of variables, in the file's order.
    pub reads: Vec<usize>,
    /// Writers of variables, in the file's order.
    pub assigns: Vec<usize>,
    /// Compiled with free dims.
    pub is_dynamic: bool,
    fresh: u32,
}

impl Edge {
    /// The first output of a node.
    pub(super) fn of(node: usize) -> Edge {
        Edge { node, port: 0 }
    }
}

impl Tensor {
    /// A tensor whose dims are all known when the model is compiled.
    pub(super) fn fixed(dtype: DType, dims: &[u64]) -> Tensor {
        let dims = dims.iter().map(|&size| Dim { size, is_free: false }).collect();
        Tensor { dtype, dims, layout: Layout::Plain }
    }

    /// Whether a dim was free when the model was compiled.
    pub(super) fn is_free(&self) -> bool {
        self.dims.iter().any(|dim| dim.is_free)
    }

    /// The dims of this run.
    pub(super) fn sizes(&self) -> Dims {
        self.dims.iter().map(|dim| dim.size).collect()
    }

    /// Number of elements; saturates.
    pub(super) fn elements(&self) -> u64 {
        self.dims.iter().fold(1, |product: u64, dim| product.saturating_mul(dim.size))
    }

    /// The last dim, where it is known when the model is compiled.
    pub(super) fn last(&self) -> Option<u64> {
        self.dims.last().filter(|dim| !dim.is_free).map(|dim| dim.size)
    }
}

impl Default for Node {
    fn default() -> Node {
        Node {
            op: Op::Opaque,
            kind: Kind::default(),
            name: "".into(),
            originals: SmallVec::new(),
            source: NodeId::new(0),
            inputs: SmallVec::new(),
            outputs: SmallVec::new(),
            value: None,
            is_mapped: false,
            n_fused: 0,
            addend: None,
            is_view: false,
            attention: None,
            inner: SmallVec::new(),
            users: Vec::new(),
            is_gone: false,
        }
    }
}

impl Node {
    /// A layer of this name, made of no other; it reads and writes nothing yet.
    pub(super) fn named(name: impl Into<Box<str>>, op: Op, kind: Kind, source: NodeId) -> Node {
        let name = name.into();
        Node { op, kind, originals: smallvec![name.clone()], name, source, ..Node::default() }
    }

    /// Whether it is a constant.
    pub(super) fn is_const(&self) -> bool {
        self.kind == Kind::Const
    }

    /// Input `index`, if it is there.
    pub(super) fn input(&self, index: usize) -> Option<Edge> {
        self.inputs.get(index).copied().flatten()
    }
}

impl<'a> Work<'a> {
    /// The nodes that a result or a variable needs, and all parameters.
    ///
    /// A dim is free if the file declares it so and `is_dynamic`: exports declare every tensor as the runtime's own
    /// inference of the exported model left it, so no second inference is needed.
    pub(super) fn new(graph: &'a Graph, shapes: &Shapes, is_dynamic: bool) -> Work<'a> {
        let is_dynamic = is_dynamic
            && graph.parameters().iter().any(|&node| {
                graph.output(node, 0).is_some_and(|tensor| graph.tensor(tensor).shape.as_known().is_none())
            });
        let mut work = Work {
            graph,
            nodes: Vec::with_capacity(graph.nodes().len() + graph.nodes().len() / 2),
            results: Vec::new(),
            parameters: Vec::new(),
            reads: Vec::new(),
            assigns: Vec::new(),
            is_dynamic,
            fresh: 0,
        };
        for index in 0..graph.nodes().len() {
            let node = work.node_of(NodeId::new(index), shapes);
            work.nodes.push(node);
        }
        for index in 0..work.nodes.len() {
            work.enlist(index);
        }
        for index in 0..work.nodes.len() {
            work.sweep(index);
        }
        work.reads.retain(|&index| !work.nodes[index].is_gone);
        work
    }

    fn node_of(&self, id: NodeId, shapes: &Shapes) -> Node {
        let graph = self.graph;
        let source = graph.node(id);
        let outputs = graph.outputs(id).map(|tensor| self.tensor_of(tensor, shapes)).collect();
        let value = match &source.op {
            Op::Constant(constant) => constant.value.clone(),
            _ => None,
        };
        let inputs = graph.inputs(id).iter().map(|slot| {
            slot.map(|tensor| {
                let tensor = graph.tensor(tensor);
                Edge { node: tensor.node.index(), port: tensor.port as usize }
            })
        });
        let op = match &source.op {
            Op::If(_) | Op::Loop(_) => Op::Opaque,
            op => op.clone(),
        };
        let kind = super::kind::of(&op, graph.node_type(id));
        let name: Box<str> = graph.node_name(id).into();
        Node {
            inputs: inputs.collect(),
            outputs,
            value,
            is_mapped: matches!(&op, Op::Constant(Constant { range: Some(_), .. })),
            ..Node::named(name, op, kind, id)
        }
    }

    fn tensor_of(&self, id: TensorId, shapes: &Shapes) -> Tensor {
        let info = shapes.tensor(id);
        let declared = self.graph.tensor(id).shape.dims.as_deref();
        let dims = info.dims.as_deref().unwrap_or_default().iter().enumerate().map(|(axis, &size)| {
            let declared = declared.and_then(|dims| dims.get(axis));
            let is_known = declared.is_some_and(|dim| dim.as_known().is_some());
            Dim { size, is_free: self.is_dynamic && !is_known }
        });
        Tensor { dtype: info.dtype, dims: dims.collect(), layout: Layout::Plain }
    }

    /// Registers a node's reads, and the node itself where it is a root.
    fn enlist(&mut self, index: usize) {
        for input in 0..self.nodes[index].inputs.len() {
            if let Some(edge) = self.nodes[index].inputs[input] {
                self.nodes[edge.node].users.push((index, input));
            }
        }
        let roots = match self.nodes[index].op {
            Op::Result => &mut self.results,
            Op::Parameter => &mut self.parameters,
            Op::ReadValue(_) => &mut self.reads,
            Op::Assign(_) => &mut self.assigns,
            _ => return,
        };
        roots.push(index);
    }

    /// Adds a node; its name is made up if it has none.
    pub(super) fn add(&mut self, mut node: Node) -> usize {
        if node.name.is_empty() {
            self.fresh += 1;
            node.name = format!("{}#{}", node.kind.name(), self.fresh).into();
            if node.originals.is_empty() && node.kind != Kind::Reorder {
                node.originals = smallvec![node.name.clone()];
            }
        }
        let index = self.nodes.len();
        self.nodes.push(node);
        self.enlist(index);
        index
    }

    /// A made-up name of a layer whose type is `word`.
    pub(super) fn fresh_name(&mut self, word: &str) -> Box<str> {
        self.fresh += 1;
        format!("{word}#{}", self.fresh).into()
    }

    /// Adds a constant of integers; a list, or with `dims` empty a scalar.
    pub(super) fn add_ints(&mut self, values: &[i64], source: NodeId) -> Edge {
        let tensor = Tensor::fixed(DType::I32, &[values.len() as u64]);
        self.add_constant(tensor, Some(Value::ints(values.iter().copied())), source)
    }

    /// Adds a constant number.
    pub(super) fn add_number(&mut self, number: f64, source: NodeId) -> Edge {
        self.add_constant(Tensor::fixed(DType::F32, &[1]), Some(Value::floats([number])), source)
    }

    /// Adds a constant that no file holds as it is used.
    pub(super) fn add_constant(&mut self, tensor: Tensor, value: Option<Value>, source: NodeId) -> Edge {
        Edge::of(self.add(Node {
            op: Op::Constant(Constant { range: None, value: None }),
            kind: Kind::Const,
            outputs: smallvec![tensor],
            value,
            source,
            ..Node::default()
        }))
    }

    /// Adds a Reorder of what `edge` holds to `tensor`, for the node of the file that `source` is.
    pub(super) fn add_reorder(&mut self, edge: Edge, tensor: Tensor, source: NodeId) -> Edge {
        Edge::of(self.add(Node {
            kind: Kind::Reorder,
            inputs: smallvec![Some(edge)],
            outputs: smallvec![tensor],
            source,
            ..Node::default()
        }))
    }

    /// Who reads a node: (reader, input), each only while it exists.
    pub(super) fn users(&self, index: usize) -> &[(usize, usize)] {
        &self.nodes[index].users
    }

    /// The only reader of a node, and which of its inputs.
    pub(super) fn only_user(&self, index: usize) -> Option<(usize, usize)> {
        match self.users(index) {
            [user] => Some(*user),
            _ => None,
        }
    }

    /// Whether the node still exists.
    pub(super) fn is_alive(&self, index: usize) -> bool {
        !self.nodes[index].is_gone
    }

    /// What an output holds.
    pub(super) fn tensor(&self, edge: Edge) -> &Tensor {
        &self.nodes[edge.node].outputs[edge.port]
    }

    /// The node that writes input `index` of a node.
    pub(super) fn producer(&self, node: usize, index: usize) -> Option<usize> {
        self.nodes[node].input(index).map(|edge| edge.node)
    }

    /// Whether an input of a node is a constant.
    pub(super) fn reads_const(&self, node: usize, index: usize) -> bool {
        self.producer(node, index).is_some_and(|producer| self.nodes[producer].is_const())
    }

    /// The integers of a constant input.
    pub(super) fn ints(&self, node: usize, index: usize) -> Option<&[i64]> {
        let producer = &self.nodes[self.producer(node, index)?];
        producer.value.as_ref().filter(|_| producer.is_const())?.as_ints()
    }

    /// The number of a constant input of one element, or of equal ones.
    pub(super) fn number(&self, node: usize, index: usize) -> Option<f64> {
        let producer = &self.nodes[self.producer(node, index)?];
        let values = producer.value.as_ref().filter(|_| producer.is_const())?.to_floats();
        let first = *values.first()?;
        values.iter().all(|&value| value == first).then_some(first)
    }

    /// Changes one input of a node.
    pub(super) fn set_input(&mut self, node: usize, input: usize, edge: Edge) {
        let old = self.nodes[node].inputs[input].replace(edge);
        self.nodes[edge.node].users.push((node, input));
        if let Some(old) = old {
            self.forget(old.node, (node, input));
        }
    }

    /// Changes all inputs of a node.
    pub(super) fn set_inputs(&mut self, node: usize, inputs: impl IntoIterator<Item = Edge>) {
        let inputs: SmallVec<[Option<Edge>; 4]> = inputs.into_iter().map(Some).collect();
        let old = std::mem::replace(&mut self.nodes[node].inputs, inputs);
        for input in 0..self.nodes[node].inputs.len() {
            if let Some(edge) = self.nodes[node].inputs[input] {
                self.nodes[edge.node].users.push((node, input));
            }
        }
        for (input, edge) in old.iter().enumerate() {
            if let Some(edge) = edge {
                self.forget(edge.node, (node, input));
            }
        }
    }

    /// Makes everyone who reads `old` read `new`.
    pub(super) fn replace(&mut self, old: Edge, new: Edge) {
        self.replace_for(old, new, |_| true);
    }

    /// Makes those readers of `old` that pass `wants` read `new`.
    pub(super) fn replace_for(&mut self, old: Edge, new: Edge, wants: impl Fn(usize) -> bool) {
        if old == new {
            return;
        }
        let users = std::mem::take(&mut self.nodes[old.node].users);
        let mut kept = Vec::new();
        for (user, input) in users {
            if self.nodes[user].inputs[input] == Some(old) && wants(user) {
                self.nodes[user].inputs[input] = Some(new);
                self.nodes[new.node].users.push((user, input));
            } else {
                kept.push((user, input));
            }
        }
        self.nodes[old.node].users.extend(kept);
        self.sweep(old.node);
    }

    /// Takes away a writer of a variable, with whatever only it needed.
    pub(super) fn remove_assign(&mut self, assign: usize) {
        self.assigns.retain(|&other| other != assign);
        self.nodes[assign].is_gone = true;
        for (input, edge) in std::mem::take(&mut self.nodes[assign].inputs).into_iter().enumerate() {
            if let Some(edge) = edge {
                self.forget(edge.node, (assign, input));
            }
        }
    }

    fn forget(&mut self, node: usize, user: (usize, usize)) {
        let users = &mut self.nodes[node].users;
        if let Some(position) = users.iter().position(|&known| known == user) {
            users.remove(position);
        }
        self.sweep(node);
    }

    /// Removes a node that nobody reads, and whatever only it needed.
    fn sweep(&mut self, index: usize) {
        let mut pending = vec![index];
        while let Some(index) = pending.pop() {
            let node = &mut self.nodes[index];
            let is_root = matches!(node.op, Op::Result | Op::Parameter | Op::Assign(_));
            if node.is_gone || is_root || !node.users.is_empty() {
                continue;
            }
            node.is_gone = true;
            for (input, edge) in std::mem::take(&mut node.inputs).into_iter().enumerate() {
                let Some(edge) = edge else { continue };
                let users = &mut self.nodes[edge.node].users;
                if let Some(position) = users.iter().position(|&known| known == (index, input)) {
                    users.swap_remove(position);
                }
                pending.push(edge.node);
            }
        }
    }

    /// Every node that exists, inputs before users.
    ///
    /// Source: `Graph::SortTopologically`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp: a walk from
    /// MemoryInputs, then Outputs by number, then all that is left; inputs by port, a node after its inputs.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut is_seen = vec![false; self.nodes.len()];
        let roots = self.reads.iter().chain(&self.results).chain(&self.assigns).chain(&self.parameters);
        for &root in roots {
            self.walk(root, &mut is_seen, &mut order);
        }
        order
    }

    /// As [`order`](Self::order), from results, then assigns: the order of the model before it is a plugin's graph.
    pub(super) fn model_order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut is_seen = vec![false; self.nodes.len()];
        for &root in self.results.iter().chain(&self.assigns).chain(&self.parameters) {
            self.walk(root, &mut is_seen, &mut order);
        }
        order
    }

    fn walk(&self, root: usize, is_seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut is_seen[root], true) {
            return;
        }
        let mut stack = vec![(root, 0)];
        while let Some((node, input)) = stack.last_mut() {
            match self.nodes[*node].inputs.get(*input) {
                None => {
                    order.push(*node);
                    stack.pop();
                }
                Some(edge) => {
                    *input += 1;
                    if let Some(edge) = edge
                        && !std::mem::replace(&mut is_seen[edge.node], true)
                    {
                        stack.push((edge.node, 0));
                    }
                }
            }
        }
    }
}
