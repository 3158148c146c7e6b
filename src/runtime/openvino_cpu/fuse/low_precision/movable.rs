//! Whether a dequantization can move through an operator.
//!
//! One scale moves through all of them, a zero point too but where the table says otherwise. One scale per channel, along the
//! second dim:
//!
//! | operator | condition |
//! |---|---|
//! | Reshape, Squeeze, Unsqueeze | the channels stay the second dim, whole or in equal parts |
//! | Transpose | the first two dims stay |
//! | Gather | of channels only by constant indices of one dim |
//! | Broadcast, Slice, DepthToSpace, BatchToSpace, SpaceToBatch, Clamp, NormalizeL2 | never |
//! | Reduce, MVN | the channels are kept |
//! | Pad | reflections of other dims only |
//! | others | always |
//!
//! A Relu, a PRelu, an MVN and a NormalizeL2 take no zero point, a Pad of zeros none either, and a Pad with another number
//! nothing. A NormalizeL2 is over channels, or over all dims but the first.
//!
//! Source: `canBeTransformed` of each operator's file, OpenVINO 2026.4, src/common/low_precision_transformations/src.

use super::super::work::Work;
use super::dequantization::Dequantization;
use crate::graph::Op;
use crate::graph::op::{PadMode, Unary};

/// Whether the dequantization of an operator's data can be behind it.
pub(super) fn fits(work: &Work<'_>, node: usize, data: &Dequantization) -> bool {
    let of = &work.nodes[node];
    let has_zero_point = data.subtract.is_some();
    if !data.is_per_tensor(work) {
        return data.is_per_channel(work) && fits_channels(work, node, data);
    }
    match &of.op {
        Op::Unary(Unary::Relu) | Op::PRelu | Op::Mvn(_) => !has_zero_point,
        Op::NormalizeL2 { .. } => !has_zero_point && is_over_channels(work, node),
        Op::Pad(mode, _) => fits_pad(work, node, *mode, has_zero_point),
        Op::Transpose => work.ints(node, 1).is_some(),
        Op::Reduce { .. } => work.ints(node, 1).is_some(),
        _ => true,
    }
}

/// The same with one scale per channel.
fn fits_channels(work: &Work<'_>, node: usize, data: &Dequantization) -> bool {
    let of = &work.nodes[node];
    let has_zero_point = data.subtract.is_some();
    match &of.op {
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze => keeps_channels(work, node),
        Op::Transpose => matches!(work.ints(node, 1), Some([0, 1, ..])),
        Op::Gather { .. } => {
            let is_of_others = matches!(work.ints(node, 2), Some(&[axis]) if !(-1..=1).contains(&axis));
            let indices = of.input(1).map_or(0, |edge| work.tensor(edge).dims.len());
            is_of_others || work.reads_const(node, 1) && indices == 1
        }
        Op::Slice
        | Op::Broadcast(_)
        | Op::DepthToSpace { .. }
        | Op::BatchToSpace
        | Op::SpaceToBatch
        | Op::Unary(Unary::Clamp)
        | Op::NormalizeL2 { .. } => false,
        Op::StridedSlice(_) => (1..3).all(|input| work.ints(node, input).is_some()),
        Op::Reduce { .. } => !reduces_channels(work, node),
        Op::Mvn(_) => !has_zero_point && !reduces_channels(work, node),
        Op::Unary(Unary::Relu) | Op::PRelu => !has_zero_point,
        Op::Pad(mode, _) => {
            let pads_channels = [1, 2].iter().any(|&input| {
                work.ints(node, input).is_none_or(|pads| pads.get(1).is_some_and(|&pad| pad != 0))
            });
            fits_pad(work, node, *mode, has_zero_point) && !pads_channels
        }
        _ => true,
    }
}

/// Whether a Pad adds what bytes can be: edges and reflections, or zeros where there is no zero point.
///
/// Source: `PadTransformation::canBeTransformed`; pads of one dim are left out, whose zero point would be along it.
fn fits_pad(work: &Work<'_>, node: usize, mode: PadMode, has_zero_point: bool) -> bool {
    let adds = [1, 2].iter().any(|&input| {
        let pads = work.ints(node, input);
        pads.is_none_or(|pads| pads.iter().any(|&pad| pad > 0))
    });
    let is_zero = work.nodes[node].input(3).is_none() || work.number(node, 3) == Some(0.0);
    mode == PadMode::Other || !adds || is_zero && !has_zero_point
}

/// Whether an output's second dim is that of the data, or parts of it of equal size.
///
/// Source: `ReshapeTransformation::canBeTransformed`, src/common/low_precision_transformations/src/reshape.cpp.
fn keeps_channels(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let (Some(from), Some(to)) = (of.input(0).map(|edge| work.tensor(edge)), of.outputs.first()) else {
        return false;
    };
    let (Some(channels), Some(own)) = (from.dims.get(1), to.dims.get(1)) else { return false };
    let is_first_kept = from.dims.first() == to.dims.first();
    let is_multiple =
        channels.size() > 0 && own.size() >= channels.size() && own.size() % channels.size() == 0;
    is_first_kept && !own.is_free() && is_multiple
}

fn reduces_channels(work: &Work<'_>, node: usize) -> bool {
    work.ints(node, 1).is_none_or(|axes| axes.contains(&1) || axes.iter().any(|&axis| axis < 0))
}

/// Whether an L2 norm is over channels, alone or with two more dims.
fn is_over_channels(work: &Work<'_>, node: usize) -> bool {
    matches!(work.ints(node, 1), Some([1] | [1, 2, 3]))
}
