//! A row of the tables.

use crate::formats::openvino::attributes::{Attributes, Result};
use crate::graph::{Op, OpKind};

/// Stands for "no operator set": internal operators, which only a runtime's own files hold.
pub(super) const INTERNAL: u8 = 0;

/// Makes the canonical operator of a layer.
pub(super) type MakeOp = fn(&Attributes<'_, '_>) -> Result<Op>;

/// One version of one operator.
#[derive(Debug)]
pub(in crate::formats::openvino) struct Entry {
    /// The canonical operators that it becomes.
    pub(super) kinds: &'static [OpKind],
    pub(super) type_name: &'static str,
    /// The operator set that introduced this version.
    pub(super) since: u8,
    pub make: Make,
    /// For each canonical input, the IR's input; empty where the order is the same.
    pub order: &'static [usize],
}

impl Entry {
    /// Whether the table lists `op` as what such a layer becomes.
    pub(in crate::formats::openvino) fn lists(&self, op: &Op) -> bool {
        op.is_opaque() || self.kinds.contains(&op.kind())
    }
}

/// How a layer becomes a node.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats::openvino) enum Make {
    /// From its attributes alone.
    Op(MakeOp),
    /// With what the reader keeps for the graph.
    Parameter,
    Result,
    Constant,
    ReadValue,
    Assign,
    If,
    Loop,
    TensorIterator,
}

/// An entry made from attributes.
pub(super) const fn op(kinds: &'static [OpKind], type_name: &'static str, since: u8, make: MakeOp) -> Entry {
    Entry { kinds, type_name, since, make: Make::Op(make), order: &[] }
}
