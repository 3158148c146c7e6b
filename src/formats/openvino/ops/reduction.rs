//! Reductions.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::op::Reduce;

pub(super) const TABLE: &[Entry] = &[
    op("ReduceL1", 4, |layer| reduce(layer, Reduce::L1)),
    op("ReduceL2", 4, |layer| reduce(layer, Reduce::L2)),
    op("ReduceLogicalAnd", 1, |layer| reduce(layer, Reduce::LogicalAnd)),
    op("ReduceLogicalOr", 1, |layer| reduce(layer, Reduce::LogicalOr)),
    op("ReduceMax", 1, |layer| reduce(layer, Reduce::Max)),
    op("ReduceMean", 1, |layer| reduce(layer, Reduce::Mean)),
    op("ReduceMin", 1, |layer| reduce(layer, Reduce::Min)),
    op("ReduceProd", 1, |layer| reduce(layer, Reduce::Prod)),
    op("ReduceSum", 1, |layer| reduce(layer, Reduce::Sum)),
];

fn reduce(layer: &Attributes<'_, '_>, kind: Reduce) -> Result<Op> {
    Ok(Op::Reduce { kind, keep_dims: layer.flag("keep_dims", false)?, noop_with_empty_axes: true })
}
