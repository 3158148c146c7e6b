//! The graph while OpenVINO's passes rewrite it: nodes that fusions take apart and join.
//!
//! Made from the exported graph once, changed by one pass after the other, and frozen into an
//! [`ExecutionGraph`](crate::runtime::openvino_cpu::execution::ExecutionGraph). Nodes, uses and liveness are those of
//! [`crate::rewrite`]; here is what this runtime knows of a node, and the roots of its graph.

use super::attention_dims::AttentionDims;
pub(super) use super::dim::Dim;
use super::dim::Place;
pub(super) use super::edge::Edge;
use super::options::Options;
use super::quantized::{Quantized, is_quantized};
use super::roots::{LastWalk, Roots};
pub(super) use super::tensor::Tensor;
use crate::DType;
use crate::graph::op::Constant;
use crate::graph::{Graph, Op, OpKind, Value};
use crate::ids::{NodeId, TensorId};
use crate::rewrite::{self, Body, Dialect, Uses, Vertices, WorkGraph};
use crate::runtime::openvino_cpu::execution::{Kind, Layout, ZeroPoints};
use crate::shape::{Shapes, Symbol, SymbolicShapes};
use smallvec::{SmallVec, smallvec};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;

/// A rule of this runtime.
pub(super) type Rule = rewrite::Rule<OpenVino>;
/// A pass of this runtime.
pub(super) type Pass = rewrite::Pass<OpenVino>;
/// What a rule wants changed.
pub(super) type Patch = rewrite::Patch<Node>;

/// OpenVINO's way of rewriting.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpenVino {}

/// The order in which a pass visits nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// That of the model: [`Work::model_order`].
    Model,
    /// That of the plugin's graph: [`Work::order`].
    Execution,
    /// Parameters alone, by number.
    Parameters,
}

/// A node on its way to be executed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// What it computes; after a fusion, what its first part computes.
    pub op: Op,
    /// What it is executed as.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Layers that were fused into it, in order; of a lone layer its name.
    pub originals: SmallVec<[Arc<str>; 1]>,
    /// The node of the file that it represents.
    pub source: NodeId,
    /// What it writes.
    pub outputs: SmallVec<[Tensor; 1]>,
    /// The elements of a small constant.
    pub value: Option<Box<Value>>,
    /// A constant that is in the file as it is used.
    pub is_mapped: bool,
    /// Number of activations and arithmetic fused behind the first part.
    pub n_fused: u32,
    /// Input overwritten by a fused sum.
    pub addend: Option<u32>,
    /// The zero points of its data, which are an attribute.
    pub zero_points: ZeroPoints,
    /// Numbers of what was fused are part of its kernel.
    pub has_own_numbers: bool,
    /// Outputs are in the input's bytes.
    pub is_view: bool,
    /// Sizes of an attention.
    pub attention: Option<Box<AttentionDims>>,
    /// Weights of products that compute a state inside it.
    pub inner: Box<[Tensor]>,
}

/// What is known of the free dims of the exported graph, by default nothing; `free_dims` finds and reads it.
#[derive(Debug, Default)]
pub(super) struct FreeDims {
    /// The symbolic shapes of the exported graph; `None`: no dim is free.
    pub shapes: Option<SymbolicShapes>,
    /// For every symbol, the one that represents all that are equal to it.
    pub roots: Vec<Symbol>,
}

/// The graph under rewriting.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// The file's graph.
    pub graph: &'a Graph,
    /// Shapes of this run.
    pub shapes: &'a Shapes,
    /// How the model is compiled.
    pub options: Options,
    /// Compiled with free dims.
    pub is_dynamic: bool,
    /// Element-wise nodes are channels-last where nothing decides.
    pub prefers_channels_last: bool,
    /// What the symbols pass found of free dims.
    pub free_dims: FreeDims,
    /// By node of the file, whether shape inference asks for its numbers; empty before symbols are found.
    pub is_asked: Vec<bool>,
    /// Attention is converted to read a cache of blocks.
    pub is_paged: bool,
    /// It has a FakeQuantize that the low-precision transformations take.
    pub is_quantized: bool,
    /// By node, whether an average of bytes counts as bytes; empty before types are chosen.
    pub keeps_bytes: Vec<bool>,
    /// By node, what a FakeQuantize of activations writes; empty before types are chosen.
    pub quantized: Vec<Option<Quantized>>,
    /// By node, whether it is left out of Subgraphs; empty before the pass that finds them.
    pub is_skipped: Vec<bool>,
    /// By node, whether it stays f32; empty before types are settled.
    pub keeps_f32: Vec<bool>,
    /// By node, the type that readers want where its kernel writes another; empty before types are settled.
    pub read_as: Vec<Option<DType>>,
    roots: Roots,
    rewritten: WorkGraph<Node>,
    /// The last order of the plugin's graph.
    executed: LastWalk,
    /// The last order of the model.
    modelled: LastWalk,
}

impl Body for Node {
    type Source = Edge;
    const SWEEPS: bool = true;

    fn origins(&self, own: usize) -> SmallVec<[usize; 1]> {
        smallvec![own]
    }

    fn absorb(&mut self, other: &Node) {
        self.originals.extend(other.originals.iter().cloned());
    }

    fn rename(&mut self, other: &Node) {
        self.name.clone_from(&other.name);
        self.originals.clone_from(&other.originals);
    }
}

impl Dialect for OpenVino {
    type Body = Node;
    type Work<'a> = Work<'a>;
    type Order = Order;

    fn order(work: &Work<'_>, order: Order) -> Rc<Vec<usize>> {
        match order {
            Order::Model => work.model_order(),
            Order::Execution => work.order(),
            Order::Parameters => Rc::new(work.parameters().to_vec()),
        }
    }

    fn is_of_all(order: Order) -> bool {
        order != Order::Parameters
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

impl Default for Node {
    fn default() -> Node {
        Node {
            op: Op::Opaque,
            kind: Kind::default(),
            name: "".into(),
            originals: SmallVec::new(),
            source: NodeId::new(0),
            outputs: SmallVec::new(),
            value: None,
            is_mapped: false,
            n_fused: 0,
            addend: None,
            zero_points: ZeroPoints::None,
            has_own_numbers: false,
            is_view: false,
            attention: None,
            inner: Box::default(),
        }
    }
}

impl Node {
    /// A layer of this name, made of no other; it reads and writes nothing yet.
    pub(super) fn named(name: impl Into<Arc<str>>, op: Op, kind: Kind, source: NodeId) -> Node {
        let name = name.into();
        Node { op, kind, originals: smallvec![name.clone()], name, source, ..Node::default() }
    }

    /// Whether it is a constant.
    pub(super) fn is_const(&self) -> bool {
        self.kind == Kind::Const
    }

    /// A node in the place of another: under its name, writing what it wrote.
    pub(super) fn in_place_of(old: &Node, op: Op, kind: Kind) -> Node {
        Node { outputs: old.outputs.clone(), ..Node::named(old.name.clone(), op, kind, old.source) }
    }

    /// A node whose name is made up where it is added.
    pub(super) fn nameless(op: Op, kind: Kind, source: NodeId) -> Node {
        Node { op, kind, source, ..Node::default() }
    }

    /// The same node, writing this.
    pub(super) fn writing(self, tensor: Tensor) -> Node {
        Node { outputs: smallvec![tensor], ..self }
    }
}

/// What nodes can be added to: the graph itself, and a patch for it.
pub(super) trait Build {
    /// Adds a node that has its name.
    fn insert_named(&mut self, node: Node, inputs: SmallVec<[Option<Edge>; 4]>) -> usize;

    /// A number for a made-up name.
    fn name_number(&mut self) -> u32;

    /// Adds a node; its name is made up if it has none.
    fn add(&mut self, mut node: Node, inputs: impl IntoIterator<Item = Edge>) -> usize {
        if node.name.is_empty() {
            node.name = format!("{}#{}", node.kind.name(), self.name_number()).into();
            if node.originals.is_empty() && node.kind != Kind::Reorder {
                node.originals = smallvec![node.name.clone()];
            }
        }
        self.insert_named(node, inputs.into_iter().map(Some).collect())
    }

    /// A made-up name of a layer whose type is `word`.
    fn fresh_name(&mut self, word: &str) -> Arc<str> {
        format!("{word}#{}", self.name_number()).into()
    }

    /// Adds a constant list of integers.
    fn add_ints(&mut self, values: &[i64], source: NodeId) -> Edge {
        let tensor = Tensor::fixed(DType::I32, &[values.len() as u64]);
        self.add_constant(tensor, Some(Value::ints(values.iter().copied())), source)
    }

    /// Adds a constant number.
    fn add_number(&mut self, number: f64, source: NodeId) -> Edge {
        self.add_constant(Tensor::fixed(DType::F32, &[1]), Some(Value::floats([number])), source)
    }

    /// Adds a constant that no file holds as it is used.
    fn add_constant(&mut self, tensor: Tensor, value: Option<Value>, source: NodeId) -> Edge {
        let constant =
            Node::nameless(Op::Constant(Constant { range: None, value: None }), Kind::Const, source);
        Edge::of(self.add(Node { value: value.map(Box::new), ..constant.writing(tensor) }, []))
    }

    /// Adds a Reorder that leaves the bytes of `edge` where they are.
    fn add_view_reorder(&mut self, edge: Edge, tensor: Tensor, source: NodeId) -> Edge {
        let name = format!("{}_fake", self.fresh_name("Reorder")).into();
        let reorder = Node { name, ..Node::nameless(Op::Opaque, Kind::Reorder, source) };
        Edge::of(self.add(reorder.writing(tensor), [edge]))
    }

    /// Adds a Reorder of `edge` to `tensor`, for the node of the file that `source` is.
    fn add_reorder(&mut self, edge: Edge, tensor: Tensor, source: NodeId) -> Edge {
        Edge::of(self.add(Node::nameless(Op::Opaque, Kind::Reorder, source).writing(tensor), [edge]))
    }
}

impl Build for Work<'_> {
    fn insert_named(&mut self, node: Node, inputs: SmallVec<[Option<Edge>; 4]>) -> usize {
        let is_root = is_root(&node.op);
        let index = self.rewritten.insert(node, inputs);
        if is_root {
            self.keep(index);
        }
        self.enlist(index);
        index
    }

    fn name_number(&mut self) -> u32 {
        self.n_named += 1;
        self.n_named
    }
}

impl Build for Patch {
    fn insert_named(&mut self, node: Node, inputs: SmallVec<[Option<Edge>; 4]>) -> usize {
        self.insert(node, inputs)
    }

    fn name_number(&mut self) -> u32 {
        Patch::name_number(self)
    }
}

impl<'a> Work<'a> {
    /// The nodes that a result or a variable needs, and all parameters.
    ///
    /// A dim is free if the file declares it so and `is_dynamic`: exports declare every tensor as the runtime's own
    /// inference of the exported model left it, so no second inference is needed.
    pub(super) fn new(graph: &'a Graph, shapes: &'a Shapes, options: Options) -> Work<'a> {
        let is_dynamic = is_dynamic(graph, options);
        let nodes =
            (0..graph.nodes().len()).map(|index| node_of(graph, NodeId::new(index), shapes, is_dynamic));
        let is_listed = |op: &Op| is_root(op) || matches!(op, Op::ReadValue(_));
        let op = |index: usize| &graph.node(NodeId::new(index)).op;
        let listed: Vec<usize> = (0..graph.nodes().len()).filter(|&index| is_listed(op(index))).collect();
        let roots = listed.iter().copied().filter(|&index| is_root(op(index)));
        let mut work = Work {
            graph,
            shapes,
            options,
            is_dynamic,
            prefers_channels_last: prefers_channels_last(graph),
            free_dims: FreeDims::default(),
            is_asked: Vec::new(),
            is_paged: false,
            is_quantized: is_quantized(graph),
            keeps_bytes: Vec::new(),
            quantized: Vec::new(),
            is_skipped: Vec::new(),
            keeps_f32: Vec::new(),
            read_as: Vec::new(),
            roots: Roots::default(),
            rewritten: WorkGraph::new(nodes, graph.nodes().len(), roots),
            executed: LastWalk::default(),
            modelled: LastWalk::default(),
        };
        for index in listed {
            work.enlist(index);
        }
        work.drop_unread();
        work
    }

    /// The nodes alone; everything else is freed.
    pub(super) fn into_nodes(self) -> Vertices<Node> {
        self.rewritten.into_nodes()
    }

    /// Drops readers of variables that are gone.
    pub(super) fn drop_unread(&mut self) {
        let mut reads = std::mem::take(&mut self.roots_mut().reads);
        reads.retain(|&read| self.is_alive(read));
        self.roots_mut().reads = reads;
    }

    /// Lists a node where it is a root.
    fn enlist(&mut self, index: usize) {
        let list: fn(&mut Roots) -> &mut Vec<usize> = match self.nodes[index].op {
            Op::Result => |roots| &mut roots.results,
            Op::Parameter => |roots| &mut roots.parameters,
            Op::ReadValue(_) => |roots| &mut roots.reads,
            Op::Assign(_) => |roots| &mut roots.assigns,
            _ => return,
        };
        list(self.roots_mut()).push(index);
    }

    /// Model outputs, by number.
    pub(super) fn results(&self) -> &[usize] {
        &self.roots.results
    }

    /// Model inputs, by number.
    pub(super) fn parameters(&self) -> &[usize] {
        &self.roots.parameters
    }

    /// Readers of variables, in the file's order.
    pub(super) fn reads(&self) -> &[usize] {
        &self.roots.reads
    }

    /// Writers of variables, in the file's order.
    pub(super) fn assigns(&self) -> &[usize] {
        &self.roots.assigns
    }

    /// The roots, to be changed.
    pub(super) fn roots_mut(&mut self) -> &mut Roots {
        self.rewritten.touch();
        &mut self.roots
    }

    /// Who reads a node: (reader, input), each only while it exists.
    pub(super) fn users(&self, index: usize) -> &Uses {
        self.uses(index)
    }

    /// The only reader of a node, and which of its inputs.
    pub(super) fn only_user(&self, index: usize) -> Option<(usize, usize)> {
        self.only_use(index)
    }

    /// Whether shape inference asks for the numbers that a node writes; what a pass made is always followed.
    pub(super) fn is_asked(&self, node: usize) -> bool {
        self.is_asked.get(node).copied().unwrap_or(true)
    }

    /// What an output holds.
    pub(super) fn tensor(&self, edge: Edge) -> &Tensor {
        &self.nodes[edge.node()].outputs[edge.port()]
    }

    /// The node that writes input `index` of a node.
    pub(super) fn producer(&self, node: usize, index: usize) -> Option<usize> {
        self.nodes[node].input(index).map(|edge| edge.node())
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

    /// Changes all inputs of a node.
    pub(super) fn read(&mut self, node: usize, inputs: impl IntoIterator<Item = Edge>) {
        self.set_inputs(node, inputs.into_iter().map(Some).collect());
    }

    /// Removes the writers of variables that pass, and all nodes that only they need. Readers of a removed writer read its
    /// input instead.
    pub(super) fn remove_assigns(&mut self, goes: impl Fn(&Self, usize) -> bool) {
        let (gone, left): (Vec<usize>, Vec<usize>) =
            self.assigns().iter().partition(|&&assign| goes(self, assign));
        if !gone.is_empty() {
            self.roots_mut().assigns = left;
            for assign in gone {
                if let Some(written) = self.nodes[assign].input(0) {
                    self.replace(Edge::of(assign), written);
                }
                self.remove(assign);
            }
        }
    }

    /// Every node that exists, inputs before users.
    ///
    /// Source: `Graph::SortTopologically`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp: a walk from
    /// MemoryInputs, then Outputs by number, then all that is left; inputs by port, a node after its inputs.
    ///
    /// Cost: nothing while the graph stays as it was; else linear in nodes and edges.
    pub(super) fn order(&self) -> Rc<Vec<usize>> {
        let Roots { results, parameters, reads, assigns } = &self.roots;
        let roots = reads.iter().chain(results).chain(assigns).chain(parameters);
        self.executed.of(self.state(), || self.walk(roots.copied()))
    }

    /// As [`order`](Self::order), from results, then assigns: the order of the model before it is a plugin's graph.
    pub(super) fn model_order(&self) -> Rc<Vec<usize>> {
        let Roots { results, parameters, assigns, .. } = &self.roots;
        let roots = results.iter().chain(assigns).chain(parameters);
        self.modelled.of(self.state(), || self.walk(roots.copied()))
    }
}

/// Whether a model is compiled with free dims.
pub(super) fn is_dynamic(graph: &Graph, options: Options) -> bool {
    let mut inputs = graph.parameters().iter().filter_map(|&node| graph.output(node, 0));
    options.is_dynamic && inputs.any(|tensor| graph.tensor(tensor).shape.as_known().is_none())
}

/// Whether a layout is preferred to the other where both have the same cost: the model has convolutions and no attention.
///
/// Source: `getModelType`, src/plugins/intel_cpu/src/utils/model_utils.cpp, OpenVINO 2026.4.
fn prefers_channels_last(graph: &Graph) -> bool {
    let mut convolves = false;
    for node in graph.nodes() {
        match node.op.kind() {
            OpKind::ScaledDotProductAttention => return false,
            OpKind::Convolution | OpKind::ConvolutionBackpropData => convolves = true,
            _ => {}
        }
    }
    convolves
}

/// Whether a node stays although nothing reads it.
fn is_root(op: &Op) -> bool {
    matches!(op, Op::Result | Op::Parameter | Op::Assign(_))
}

/// A node of the file, and what it reads.
fn node_of(
    graph: &Graph,
    id: NodeId,
    shapes: &Shapes,
    is_dynamic: bool,
) -> (Node, SmallVec<[Option<Edge>; 4]>) {
    let source = graph.node(id);
    let outputs = graph.outputs(id).map(|tensor| tensor_of(graph, tensor, shapes, is_dynamic)).collect();
    let value = match &source.op {
        Op::Constant(constant) => constant.value.clone(),
        _ => None,
    };
    let inputs = graph.inputs(id).iter().map(|slot| {
        slot.map(|tensor| {
            let tensor = graph.tensor(tensor);
            Edge::new(tensor.node.index(), tensor.port as usize)
        })
    });
    let op = super::kind::imported(&source.op);
    let kind = super::kind::of(&op, graph.node_type(id));
    let stored = graph.outputs(id).next().map(|tensor| shapes.tensor(tensor).dtype);
    let is_converted = stored.is_some_and(|dtype| computed_type(graph, dtype, false) != dtype);
    let is_mapped = !is_converted && matches!(&op, Op::Constant(Constant { range: Some(_), .. }));
    let node = Node { outputs, value, is_mapped, ..Node::named(graph.node_name(id), op, kind, id) };
    (node, inputs.collect())
}

/// The type that the plugin imports a type as: f64 as f32, and f16 too in an IR of version 10, where it is not a compression and
/// whose interface is f32.
///
/// Source: `ConvertPrecision` in src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp, and
/// `ReadPreprocessing` of old models, src/inference/src/model_reader.cpp, OpenVINO 2026.4.
fn computed_type(graph: &Graph, dtype: DType, is_input: bool) -> DType {
    match dtype {
        DType::F64 if !is_input => DType::F32,
        DType::F16 if graph.info("ir_version") == Some("10") => DType::F32,
        dtype => dtype,
    }
}

/// Whether the file declares the size of a dim.
pub(super) fn is_declared(dims: Option<&[crate::graph::Dim]>, axis: usize) -> bool {
    dims.and_then(|dims| dims.get(axis)).is_some_and(|dim| dim.as_known().is_some())
}

/// A tensor of the file.
fn tensor_of(graph: &Graph, id: TensorId, shapes: &Shapes, is_dynamic: bool) -> Tensor {
    let info = shapes.tensor(id);
    let declared = graph.tensor(id).shape.dims.as_deref();
    // A tensor of unknown size has no bytes here; the runtime counts it, and the total is a lower bound.
    let dims = info.dims.as_deref().unwrap_or(&[0]).iter().enumerate().map(|(axis, &size)| {
        match (is_dynamic && !is_declared(declared, axis), u16::try_from(axis)) {
            (true, Ok(axis)) => Dim::free(size, Place { tensor: id, axis }),
            _ => Dim::fixed(size),
        }
    });
    let is_input = matches!(graph.node(graph.tensor(id).node).op, Op::Parameter);
    let dtype = computed_type(graph, info.dtype, is_input);
    Tensor { dtype, dims: dims.collect(), layout: Layout::Plain }
}
