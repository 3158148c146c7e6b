//! The graph that a runtime executes, in a form that does not depend on the runtime: for dumps and comparisons.

use crate::dtype::DType;
use crate::graph::Dims;

/// The graph that a runtime executes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Executed {
    /// Its nodes, in execution order.
    pub nodes: Vec<ExecutedNode>,
    /// At least one dim is free when the model is compiled.
    pub is_dynamic: bool,
    /// Assumptions of the rules that made it.
    pub assumptions: Vec<String>,
    /// Node `i` is step `i` of the schedule and carries the names of all exported nodes that it represents.
    pub nodes_are_steps: bool,
    /// The model's file is the executed graph itself.
    pub is_from_file: bool,
}

/// A node of an executed graph.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExecutedNode {
    /// Its name.
    pub name: String,
    /// The runtime's word for what it does.
    pub kind: String,
    /// Names of the exported nodes that it represents.
    pub originals: Vec<String>,
    /// Node and output of each input.
    pub inputs: Vec<(usize, usize)>,
    /// What it writes.
    pub outputs: Vec<ExecutedOutput>,
    /// Its output is a view of its input.
    pub is_view: bool,
    /// Whether it computes something: it is not a constant, an input or an output.
    pub computes: bool,
}

/// An output of a node of an executed graph.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExecutedOutput {
    /// Element type as executed.
    pub dtype: DType,
    /// Dims of this run.
    pub dims: Dims,
    /// Order of the dims in memory.
    pub layout: &'static str,
    /// At least one dim was free when the model was compiled.
    pub is_dynamic: bool,
    /// The file's name of the tensor, where there is one.
    pub tensor: Option<String>,
}
