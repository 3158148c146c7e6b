//! The boxes of the line as data, for `memgraph dump`.

use serde::Serialize;

/// A graph as it was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Graph {
    /// The model's own name.
    pub name: String,
    /// The file's format.
    pub format: String,
    /// All nodes, in the file's order.
    pub nodes: Vec<Node>,
    /// Node names in execution order.
    pub execution_order: Vec<u64>,
    /// Bodies of control-flow nodes.
    pub graphs: Vec<Body<Graph>>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// Position in the list.
    pub id: u64,
    /// The file's name of it.
    pub name: String,
    /// The file's operator type.
    pub r#type: String,
    /// The operator set.
    pub opset: String,
    /// The canonical operator with its attributes.
    pub op: String,
    /// Where each input comes from; `null` for an absent one.
    pub inputs: Vec<Option<Source>>,
    /// The outputs as declared.
    pub outputs: Vec<Declared>,
}

/// The origin of an input.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Source {
    /// Position of the node.
    pub node: u64,
    /// Which output of it.
    pub port: u64,
}

/// A declared output.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Declared {
    /// Tensor names.
    pub names: Vec<String>,
    /// Shape, as OpenVINO writes it: `[?,1..8,3]`.
    pub shape: String,
    /// Element type.
    pub dtype: String,
}

/// A body of a control-flow node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Body<T> {
    /// The control-flow node's name.
    pub node: String,
    /// `then`, `else` or `body`.
    pub body: String,
    /// The body.
    #[serde(flatten)]
    pub content: T,
}

/// Every tensor's shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Shapes {
    /// Every output port of every node, in execution order.
    pub tensors: Vec<Tensor>,
    /// The model's inputs.
    pub inputs: Vec<Port>,
    /// The model's outputs.
    pub outputs: Vec<Port>,
    /// Bodies of control-flow nodes.
    pub graphs: Vec<Body<Shapes>>,
}

/// One output port.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tensor {
    /// The file's name of the node.
    pub node: String,
    /// The file's operator type.
    pub r#type: String,
    /// Which output.
    pub port: u64,
    /// Dims; `null` where they are unknown.
    pub shape: Option<Vec<u64>>,
    /// Element type.
    pub dtype: String,
    /// Whether the elements are known.
    pub value_known: bool,
    /// `exact` or `upper_bound`.
    pub bound: String,
}

/// A model input or output.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Port {
    /// Its first tensor name, else its node's.
    pub name: String,
    /// Dims; `null` where they are unknown.
    pub shape: Option<Vec<u64>>,
    /// Element type.
    pub dtype: String,
    /// `exact` or `upper_bound`.
    pub bound: String,
}

/// The graph that a plugin executes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Execution {
    /// The nodes, in execution order.
    pub nodes: Vec<Executed>,
    /// Compiled with free dims.
    pub is_dynamic: bool,
    /// What was assumed.
    pub assumptions: Vec<String>,
}

/// One node that is executed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Executed {
    /// Its name; one with `#` was made up.
    pub name: String,
    /// Its kind, in the runtime's words.
    pub r#type: String,
    /// The layers that were fused into it.
    pub originals: Vec<String>,
    /// What it reads: positions in the list, and outputs.
    pub inputs: Vec<Source>,
    /// What it writes.
    pub outputs: Vec<Stored>,
    /// Its outputs are in its input's bytes.
    pub is_view: bool,
}

/// One output of a node that is executed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stored {
    /// Element type.
    pub dtype: String,
    /// Dims.
    pub shape: Vec<u64>,
    /// `plain` or `channels_last`.
    pub layout: String,
    /// A dim was free when the model was compiled.
    pub is_dynamic: bool,
    /// The tensor of the file that it represents (ONNX Runtime).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Lowered {
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// What steps read and write.
    pub values: Vec<Value>,
    /// Where values are.
    pub storages: Vec<Storage>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its number.
    pub index: u64,
    /// The node's name.
    pub node: String,
    /// The node's operator type.
    pub r#type: String,
    /// Positions of values.
    pub reads: Vec<u64>,
    /// Positions of values.
    pub writes: Vec<u64>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Value {
    /// Position of its storage.
    pub storage: u64,
    /// Its place there.
    pub offset_bytes: u64,
    /// Its length.
    pub size_bytes: u64,
    /// `written`, `resident`, `view` or `joined`.
    pub origin: String,
    /// Values whose bytes it shares.
    pub of: Vec<u64>,
    /// Its tensor name, if the file gives one.
    pub tensor: Option<String>,
}

/// One storage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Storage {
    /// Its class.
    pub class: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its alignment.
    pub alignment: u64,
    /// The node that it belongs to.
    pub node: String,
    /// How its length is known.
    pub known: String,
}

/// A planning problem, and its plan if there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// The highest pressure.
    pub lower_bound_bytes: u64,
    /// The arena of the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arena_bytes: Option<u64>,
    /// The planner of the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planner: Option<String>,
}

/// One buffer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Buffer {
    /// Its number.
    pub id: u64,
    /// First step.
    pub start: u64,
    /// Step after the last.
    pub end: u64,
    /// Its length.
    pub size_bytes: u64,
    /// Its alignment.
    pub alignment: u64,
    /// Its place in the arena.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_bytes: Option<u64>,
}
