//! Reductions; axes are an attribute up to opset 12 (`ReduceSum`) or 17, an input after.

use super::super::attributes::{Layer, Result};
use super::super::made::{Made, Slot, with};
use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Reduce;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::ReduceL1], "ReduceL1", 1, |layer| by_attribute(layer, Reduce::L1)),
    op(&[K::ReduceL1], "ReduceL1", 18, |layer| by_input(layer, Reduce::L1)),
    op(&[K::ReduceL2], "ReduceL2", 1, |layer| by_attribute(layer, Reduce::L2)),
    op(&[K::ReduceL2], "ReduceL2", 18, |layer| by_input(layer, Reduce::L2)),
    op(&[K::ReduceLogSum], "ReduceLogSum", 1, |layer| by_attribute(layer, Reduce::LogSum)),
    op(&[K::ReduceLogSum], "ReduceLogSum", 18, |layer| by_input(layer, Reduce::LogSum)),
    op(&[K::ReduceLogSumExp], "ReduceLogSumExp", 1, |layer| by_attribute(layer, Reduce::LogSumExp)),
    op(&[K::ReduceLogSumExp], "ReduceLogSumExp", 18, |layer| by_input(layer, Reduce::LogSumExp)),
    op(&[K::ReduceMax], "ReduceMax", 1, |layer| by_attribute(layer, Reduce::Max)),
    op(&[K::ReduceMax], "ReduceMax", 18, |layer| by_input(layer, Reduce::Max)),
    op(&[K::ReduceMean], "ReduceMean", 1, |layer| by_attribute(layer, Reduce::Mean)),
    op(&[K::ReduceMean], "ReduceMean", 18, |layer| by_input(layer, Reduce::Mean)),
    op(&[K::ReduceMin], "ReduceMin", 1, |layer| by_attribute(layer, Reduce::Min)),
    op(&[K::ReduceMin], "ReduceMin", 18, |layer| by_input(layer, Reduce::Min)),
    op(&[K::ReduceProd], "ReduceProd", 1, |layer| by_attribute(layer, Reduce::Prod)),
    op(&[K::ReduceProd], "ReduceProd", 18, |layer| by_input(layer, Reduce::Prod)),
    op(&[K::ReduceSum], "ReduceSum", 1, |layer| by_attribute(layer, Reduce::Sum)),
    op(&[K::ReduceSum], "ReduceSum", 13, |layer| by_input(layer, Reduce::Sum)),
    op(&[K::ReduceSumSquare], "ReduceSumSquare", 1, |layer| by_attribute(layer, Reduce::SumSquare)),
    op(&[K::ReduceSumSquare], "ReduceSumSquare", 18, |layer| by_input(layer, Reduce::SumSquare)),
    op(&[K::NegativeLogLikelihoodLoss], "NegativeLogLikelihoodLoss", 12, |layer| loss(layer, false)),
    op(&[K::SoftmaxCrossEntropyLoss], "SoftmaxCrossEntropyLoss", 12, |layer| loss(layer, true)),
    op(&[K::ArgMax], "ArgMax", 1, |layer| extreme(layer, true)),
    op(&[K::ArgMin], "ArgMin", 1, |layer| extreme(layer, false)),
];

fn by_attribute(layer: &Layer<'_>, kind: Reduce) -> Result<Made> {
    let keep_dims = layer.flag("keepdims", true)?;
    let axes = layer.ints("axes")?.filter(|axes| !axes.is_empty()).map_or(Slot::Absent, Slot::Ints);
    Ok(with(Op::Reduce { kind, keep_dims, noop_with_empty_axes: false }, [Slot::Input(0), axes]))
}

fn by_input(layer: &Layer<'_>, kind: Reduce) -> Result<Made> {
    let keep_dims = layer.flag("keepdims", true)?;
    let noop_with_empty_axes = layer.flag("noop_with_empty_axes", false)?;
    Ok(Op::Reduce { kind, keep_dims, noop_with_empty_axes }.into())
}

fn loss(layer: &Layer<'_>, has_softmax: bool) -> Result<Made> {
    Ok(Op::Loss { has_softmax, is_reduced: layer.text("reduction")? != Some("none") }.into())
}

fn extreme(layer: &Layer<'_>, is_largest: bool) -> Result<Made> {
    let (axis, keep_dims) = (layer.int_or("axis", 0)?, layer.flag("keepdims", true)?);
    Ok(Op::ArgExtreme { axis, is_largest, keep_dims, to: DType::I64 }.into())
}
