//! Control flow: bodies, and what enters and leaves them.

use super::OpKind;
use crate::graph::Graph;

/// Attributes of [`Op::If`](super::Op::If). Input 0 is the condition; each map gives, per body parameter, the node's input.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// Body of a true condition.
    pub then_body: Graph,
    /// Body of a false condition.
    pub else_body: Graph,
    /// (node input, then-body parameter number).
    pub then_inputs: Vec<(u32, u32)>,
    /// (node input, else-body parameter number).
    pub else_inputs: Vec<(u32, u32)>,
    /// (then-body result number, node output).
    pub then_outputs: Vec<(u32, u32)>,
    /// (else-body result number, node output).
    pub else_outputs: Vec<(u32, u32)>,
}

/// `Loop`, `TensorIterator` and `Scan`: a body run several times.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// Which operator it is.
    pub kind: LoopKind,
    /// The body.
    pub body: Graph,
    /// How each node input enters the body.
    pub inputs: Vec<LoopInput>,
    /// How body results leave.
    pub outputs: Vec<LoopOutput>,
    /// Node input with the trip count, if there is one.
    pub trip_count: Option<u32>,
    /// Node input with the first condition, if there is one.
    pub condition: Option<u32>,
    /// Body parameter that receives the iteration number, if there is one.
    pub iteration_parameter: Option<u32>,
    /// Body result with the condition to go on, if there is one.
    pub condition_result: Option<u32>,
}

/// The operators that are a [`Loop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are those of the operators.
#[non_exhaustive]
pub enum LoopKind {
    Loop,
    Scan,
    SequenceMap,
    TensorIterator,
}

impl Loop {
    /// Which operator [`Op::Loop`](super::Op::Loop) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        match self.kind {
            LoopKind::Loop => OpKind::Loop,
            LoopKind::Scan => OpKind::Scan,
            LoopKind::SequenceMap => OpKind::SequenceMap,
            LoopKind::TensorIterator => OpKind::TensorIterator,
        }
    }
}

/// One input of a [`Loop`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopInput {
    /// Node input.
    pub input: u32,
    /// Body parameter number.
    pub parameter: u32,
    /// How.
    pub kind: LoopInputKind,
}

/// How a value enters a loop's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoopInputKind {
    /// The same in every iteration.
    Invariant,
    /// The first from outside, then the body's result of this number.
    Carried {
        /// Body result number.
        result: u32,
    },
    /// A slice per iteration.
    Sliced(LoopSlice),
}

/// How a body's result leaves a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopOutput {
    /// Body result number.
    pub result: u32,
    /// Node output.
    pub output: u32,
    /// `None`: the value of the last iteration; else all iterations concatenated.
    pub concat: Option<LoopSlice>,
}

/// Slicing of a tensor over iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopSlice {
    /// Axis.
    pub axis: i64,
    /// First index; negative from the back.
    pub start: i64,
    /// Last index, OpenVINO's inclusive form; negative from the back.
    pub end: i64,
    /// Step; negative runs backwards.
    pub stride: i64,
    /// Indices per iteration.
    pub part_size: i64,
    /// The axis is dropped inside the body (ONNX Scan) instead of staying as `part_size`.
    pub drops_axis: bool,
}
