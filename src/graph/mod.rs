//! The graph as exported, in canonical operators.
//!
//! Knows no format and no runtime. A [`Graph`] is made by a [`Builder`], which
//! checks it (`validate`) and fixes the execution order (`order`); it never
//! changes afterwards. Texts are in one arena, ports in one list, so a graph of
//! thousands of nodes is a handful of allocations.

mod builder;
mod kept;
pub mod op;
mod order;
mod partial_shape;
mod stored;
mod validate;
mod value;

pub use builder::{Builder, NodeSpec, TensorSpec};
pub use op::{Op, OpKind, Variable, WeightRange};
pub use partial_shape::{Dim, Dims, PartialShape};
pub use stored::{Setting, Stored, StoredTensor};
pub use value::{Elements, Value};

use crate::DType;
use crate::error::{Layer, Location, Port, Position};
use crate::ids::{NodeId, TensorId, VariableId};
use std::path::PathBuf;
use std::sync::Arc;

/// A text in the graph's arena; read it with [`Graph::text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u32,
    len: u32,
}

/// A model, or the body of a control-flow node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    name: Text,
    file: PathBuf,
    format: Format,
    texts: String,
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
    input_slots: Vec<Option<TensorId>>,
    parameters: Vec<NodeId>,
    results: Vec<NodeId>,
    assigns: Vec<NodeId>,
    variables: Vec<Variable>,
    /// Those of the whole model where a body shares them.
    weight_files: Arc<Vec<WeightFile>>,
    /// How many of these, from the first on, are this graph's.
    n_weight_files: usize,
    info: Vec<(Text, Text)>,
    node_info: Vec<(NodeId, Text, Text)>,
    message: MessageCounts,
    stored: Option<Arc<Stored>>,
    number: u32,
    has_bodies: bool,
    order: Vec<NodeId>,
    kept: kept::Kept,
}

/// What a file's message holds apart from nodes and tensors, bodies included: a runtime that keeps the message takes memory for
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Attributes of nodes.
    pub attributes: u64,
    /// Stated types of intermediate results.
    pub value_infos: u64,
    /// Notes on nodes (`metadata_props`).
    pub properties: u64,
    /// Bytes of these.
    pub property_bytes: u64,
    /// Bytes of the names of initializers and results that have more than a short text.
    pub result_name_bytes: u64,
    /// The same of the names of nodes.
    pub node_name_bytes: u64,
    /// The same of the names under which nodes read.
    pub input_name_bytes: u64,
}

/// The format a graph was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// OpenVINO IR, or an execution graph in its form.
    #[default]
    OpenVino,
    /// ONNX.
    Onnx,
    /// GGUF.
    Gguf,
}

impl Format {
    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::OpenVino => "openvino-ir",
            Format::Onnx => "onnx",
            Format::Gguf => "gguf",
        }
    }

    /// The words in messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Format::OpenVino => "an OpenVINO IR",
            Format::Onnx => "an ONNX model",
            Format::Gguf => "a GGUF",
        }
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// The file's name of it.
    pub name: Text,
    /// The file's operator type.
    pub type_name: Text,
    /// The operator set, such as `opset1`.
    pub opset: Text,
    /// The file's own id; -1 for nodes that the reader added.
    pub source_id: i64,
    /// Its position in the file.
    pub position: Option<Position>,
    /// Marked as part of a weight's decompression (`decompression` in rt_info): never an activation.
    pub is_decompression: bool,
    inputs: (u32, u32),
    outputs: (u32, u32),
}

/// One output of one node, as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The node that writes it.
    pub node: NodeId,
    /// Which output of the node, from 0.
    pub port: u32,
    /// Declared element type.
    pub dtype: DType,
    /// Declared shape; informative, except on parameters and constants.
    pub shape: PartialShape,
    /// Tensor names, separated by NUL, which no format allows within a name.
    pub names: Text,
    /// Names of symbolic dims, separated by commas; an empty entry has no name (ONNX `dim_param`).
    pub symbols: Text,
}

/// A file that holds constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightFile {
    /// The file.
    pub path: PathBuf,
    /// Its length on disk; `None`: the file is missing, or is a git-lfs pointer.
    pub len: Option<u64>,
    /// The file is a git-lfs pointer.
    pub is_pointer: bool,
}

impl Graph {
    /// The model's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text(self.name)
    }

    /// The file it was read from.
    #[must_use]
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// The format it was read from.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The text behind a handle.
    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        &self.texts[text.start as usize..(text.start + text.len) as usize]
    }

    /// All nodes, in the file's order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All tensors, those of one node side by side.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The tensor with this id.
    #[must_use]
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.index()]
    }

    /// The name of a node.
    #[must_use]
    pub fn node_name(&self, id: NodeId) -> &str {
        self.text(self.node(id).name)
    }

    /// The file's operator type of a node.
    #[must_use]
    pub fn node_type(&self, id: NodeId) -> &str {
        self.text(self.node(id).type_name)
    }

    /// The inputs of a node in its operator's order; `None` is an optional input that is absent.
    #[must_use]
    pub fn inputs(&self, id: NodeId) -> &[Option<TensorId>] {
        let (start, end) = self.node(id).inputs;
        &self.input_slots[start as usize..end as usize]
    }

    /// Input `index` of a node, if it is there.
    #[must_use]
    pub fn input(&self, id: NodeId, index: usize) -> Option<TensorId> {
        self.inputs(id).get(index).copied().flatten()
    }

    /// The outputs of a node.
    pub fn outputs(&self, id: NodeId) -> impl ExactSizeIterator<Item = TensorId> + use<> {
        let (start, end) = self.node(id).outputs;
        (start as usize..end as usize).map(TensorId::new)
    }

    /// Output `index` of a node, if it has so many.
    #[must_use]
    pub fn output(&self, id: NodeId, index: usize) -> Option<TensorId> {
        let (start, end) = self.node(id).outputs;
        let tensor = start.checked_add(u32::try_from(index).ok()?)?;
        (tensor < end).then(|| TensorId::new(tensor as usize))
    }

    /// The tensor's names, in the file's order.
    pub fn tensor_names(&self, id: TensorId) -> impl Iterator<Item = &str> {
        self.text(self.tensor(id).names).split('\0').filter(|name| !name.is_empty())
    }

    /// Names of the tensor's dims, `""` where a dim has none; empty if no dim has a name.
    pub fn symbols(&self, id: TensorId) -> impl Iterator<Item = &str> {
        let text = self.text(self.tensor(id).symbols);
        text.split(',').take(if text.is_empty() { 0 } else { usize::MAX })
    }

    /// Model inputs, in the file's order.
    #[must_use]
    pub fn parameters(&self) -> &[NodeId] {
        &self.parameters
    }

    /// Model outputs, in the file's order.
    #[must_use]
    pub fn results(&self) -> &[NodeId] {
        &self.results
    }

    /// Writers of variables, in the file's order.
    #[must_use]
    pub fn assigns(&self) -> &[NodeId] {
        &self.assigns
    }

    /// The variables.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variable with this id.
    #[must_use]
    pub fn variable(&self, id: VariableId) -> &Variable {
        &self.variables[id.index()]
    }

    /// Files that hold constants; a [`WeightRange`] names one by position.
    #[must_use]
    pub fn weight_files(&self) -> &[WeightFile] {
        self.weight_files.get(..self.n_weight_files).unwrap_or_default()
    }

    /// What the export says under `name` to the runtime that loads it, such as OpenVINO's `runtime_options`.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.iter().find(|(own, _)| self.text(*own) == name).map(|&(_, value)| self.text(value))
    }

    /// What the whole file's message holds apart from nodes and tensors; of a format that is not a message, nothing.
    #[must_use]
    pub fn message(&self) -> MessageCounts {
        self.message
    }

    /// What a file without a graph contains; `None` where the file has a graph.
    #[must_use]
    pub fn stored(&self) -> Option<&Arc<Stored>> {
        self.stored.as_ref()
    }

    /// What the file of a runtime's own graph says of a node under `name`.
    ///
    /// Cost: logarithmic in all such notes, linear in those of the node.
    #[must_use]
    pub fn node_info(&self, node: NodeId, name: &str) -> Option<&str> {
        let start = self.node_info.partition_point(|&(own, ..)| own < node);
        let own = self.node_info.get(start..)?.iter().take_while(|&&(own, ..)| own == node);
        own.into_iter().find(|(_, own, _)| self.text(*own) == name).map(|&(_, _, value)| self.text(value))
    }

    /// The number of this graph among the model's: its place in [`Graph::with_bodies`] of the whole model, which is 0.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Every node in execution order: inputs before users, as OpenVINO's `get_ordered_ops` walks
    /// (results, then assigns, then the rest; inputs by port). Nodes that nothing needs come last.
    #[must_use]
    pub fn execution_order(&self) -> &[NodeId] {
        &self.order
    }

    /// What others keep with this graph, one value of each type; its default at first.
    pub(crate) fn kept<T: std::any::Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.kept.get()
    }

    /// The position of a node, for errors.
    #[must_use]
    pub fn location(&self, id: NodeId, port: Option<Port>) -> Location {
        let node = self.node(id);
        Location {
            file: (!self.file.as_os_str().is_empty()).then(|| self.file.display().to_string()),
            position: node.position,
            layer: Some(Layer {
                name: self.text(node.name).to_owned(),
                id: (node.source_id >= 0).then_some(node.source_id),
                type_name: self.text(node.type_name).to_owned(),
                opset: self.text(node.opset).to_owned(),
            }),
            port,
        }
    }

    /// This graph and all bodies below it, in node order, breadth first: a body's position is its number in
    /// [`NodeRef`](crate::schedule::NodeRef).
    #[must_use]
    pub fn with_bodies(&self) -> Vec<&Graph> {
        let mut graphs = vec![self];
        let mut next = 0;
        while let Some(graph) = graphs.get(next).copied() {
            next += 1;
            // Most graphs have none, and a look at a million nodes takes a while.
            let nodes = if graph.has_bodies { &graph.nodes[..] } else { &[] };
            graphs.extend(nodes.iter().flat_map(|node| Graph::bodies(&node.op)).map(|(_, body)| body));
        }
        graphs
    }

    /// The bodies of a control-flow node, with the words for them.
    #[must_use]
    pub fn bodies(op: &Op) -> Vec<(&'static str, &Graph)> {
        match op {
            Op::If(branches) => vec![("then", &branches.then_body), ("else", &branches.else_body)],
            Op::Loop(spec) => vec![("body", &spec.body)],
            _ => Vec::new(),
        }
    }
}
