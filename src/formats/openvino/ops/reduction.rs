//! Reductions.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Reduce;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::ReduceL1], "ReduceL1", 4, |layer| reduce(layer, Reduce::L1)),
    op(&[K::ReduceL2], "ReduceL2", 4, |layer| reduce(layer, Reduce::L2)),
    op(&[K::ReduceLogicalAnd], "ReduceLogicalAnd", 1, |layer| reduce(layer, Reduce::LogicalAnd)),
    op(&[K::ReduceLogicalOr], "ReduceLogicalOr", 1, |layer| reduce(layer, Reduce::LogicalOr)),
    op(&[K::ReduceMax], "ReduceMax", 1, |layer| reduce(layer, Reduce::Max)),
    op(&[K::ReduceMean], "ReduceMean", 1, |layer| reduce(layer, Reduce::Mean)),
    op(&[K::ReduceMin], "ReduceMin", 1, |layer| reduce(layer, Reduce::Min)),
    op(&[K::ReduceProd], "ReduceProd", 1, |layer| reduce(layer, Reduce::Prod)),
    op(&[K::ReduceSum], "ReduceSum", 1, |layer| reduce(layer, Reduce::Sum)),
];

fn reduce(layer: &Attributes<'_, '_>, kind: Reduce) -> Result<Op> {
    Ok(Op::Reduce { kind, keep_dims: layer.flag("keep_dims", false)?, noop_with_empty_axes: true })
}
