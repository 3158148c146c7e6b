//! A row of the tables.

use crate::formats::onnx::attributes::{Layer, Result};
use crate::formats::onnx::made::Made;
use crate::graph::{Op, OpKind};

/// The standard operators.
pub(super) const STANDARD: &str = "";
/// ONNX Runtime's own.
pub(super) const MICROSOFT: &str = "com.microsoft";

/// Makes the canonical operator of a node.
pub(super) type MakeOp = fn(&Layer<'_>) -> Result<Made>;

/// One version of one operator.
#[derive(Debug)]
pub(in crate::formats::onnx) struct Entry {
    /// The canonical operators that it becomes; a node that no rule covers is opaque as well.
    pub(super) kinds: &'static [OpKind],
    pub(super) domain: &'static str,
    pub(super) type_name: &'static str,
    /// The version of the operator set that introduced this form.
    pub(super) since: i64,
    pub make: Make,
}

impl Entry {
    /// Whether the table lists `op` as what such a node becomes.
    pub(in crate::formats::onnx) fn lists(&self, op: &Op) -> bool {
        op.is_opaque() || self.kinds.contains(&op.kind())
    }
}

/// How a node is made.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats::onnx) enum Make {
    /// From its attributes and the number of its ports alone.
    Op(MakeOp),
    /// With what the reader keeps for the graph.
    Constant,
    FilledShape,
    If,
    Loop,
    Scan,
    SequenceMap,
}

impl Make {
    /// The attributes that hold bodies.
    pub(in crate::formats::onnx) fn body_names(self) -> &'static [&'static str] {
        match self {
            Make::If => &["then_branch", "else_branch"],
            _ => &["body"],
        }
    }
}

/// A standard operator made from attributes.
pub(super) const fn op(kinds: &'static [OpKind], type_name: &'static str, since: i64, make: MakeOp) -> Entry {
    Entry { kinds, domain: STANDARD, type_name, since, make: Make::Op(make) }
}

/// An operator of ONNX Runtime.
pub(super) const fn ms(kinds: &'static [OpKind], type_name: &'static str, make: MakeOp) -> Entry {
    Entry { kinds, domain: MICROSOFT, type_name, since: 1, make: Make::Op(make) }
}
