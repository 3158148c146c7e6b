//! What a table makes of a node: a canonical operator, and where its inputs come from.

use crate::graph::Op;
use crate::graph::op::Ints;
use smallvec::SmallVec;

/// One input of a canonical operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    /// The node's input of this number; absent if the node has no such input.
    Input(usize),
    /// No input.
    Absent,
    /// A vector of i64, for what older sets have as attribute.
    Ints(Ints),
    /// A scalar of i64.
    Int(i64),
    /// A vector of f32.
    Floats(SmallVec<[f64; 4]>),
}

/// A canonical operator with its inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub op: Op,
    /// In the operator's order; `None`: the node's own inputs.
    pub slots: Option<SmallVec<[Slot; 6]>>,
}

impl From<Op> for Made {
    fn from(op: Op) -> Made {
        Made { op, slots: None }
    }
}

/// An operator whose inputs are these.
pub(super) fn with(op: Op, slots: impl IntoIterator<Item = Slot>) -> Made {
    Made { op, slots: Some(slots.into_iter().collect()) }
}

/// The node's inputs of these numbers.
pub(super) fn inputs(numbers: impl IntoIterator<Item = usize>) -> impl Iterator<Item = Slot> {
    numbers.into_iter().map(Slot::Input)
}
