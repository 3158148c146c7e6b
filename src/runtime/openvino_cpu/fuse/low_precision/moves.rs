//! Operators that a dequantization moves through.
//!
//! | operator | condition | then writes |
//! |---|---|---|
//! | Reshape, Squeeze, Unsqueeze, Transpose, Slice, StridedSlice, Pad, DepthToSpace, ShuffleChannels | one scale for all, or the channels stay where they are | bytes |
//! | Split, VariadicSplit | likewise; each output has its own | bytes |
//! | MaxPool, ReduceMax, ReduceMin, Interpolate (nearest) | one scale, or one per channel | bytes |
//! | Relu | no zero point, else that stays above | bytes |
//! | AvgPool, ReduceMean | likewise | floats |
//!
//! Source: the file of each operator in OpenVINO 2026.4, src/common/low_precision_transformations/src;
//! `LayerTransformation::moveDequantizationAfter`.

use super::super::work::{Edge, Patch, Rule, Tensor, Work};
use super::dequantization::{Dequantization, constant, copy};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{PadMode, PoolKind, Reduce, Unary};

/// Moves dequantizations down.
pub(super) const RULE: Rule = Rule {
    name: "move-dequantization",
    source: "LayerTransformation::moveDequantizationAfter, src/common/low_precision_transformations/src",
    on: |node| moved(&node.op).is_some(),
    apply,
    repeats: false,
};

/// What an operator writes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    /// The elements that it reads, in another order or shape.
    Elements,
    /// Some of the elements, channel by channel.
    Channels,
    /// Sums of them.
    Sums,
}

fn moved(op: &Op) -> Option<Moved> {
    match op {
        Op::Reshape(_)
        | Op::Squeeze { .. }
        | Op::Unsqueeze
        | Op::Transpose
        | Op::Slice
        | Op::StridedSlice(_)
        | Op::DepthToSpace { .. }
        | Op::ShuffleChannels { .. } => Some(Moved::Elements),
        Op::Split { .. } | Op::VariadicSplit => Some(Moved::Channels),
        Op::Pad(PadMode::Constant, _) => Some(Moved::Channels),
        Op::Interpolate(spec) if spec.is_nearest => Some(Moved::Channels),
        Op::Unary(Unary::Relu) => Some(Moved::Channels),
        Op::Pool(pool) if pool.kind == PoolKind::Max => Some(Moved::Channels),
        Op::Pool(pool) if pool.kind == PoolKind::Average => Some(Moved::Sums),
        Op::Reduce { kind: Reduce::Max | Reduce::Min, .. } => Some(Moved::Channels),
        Op::Reduce { kind: Reduce::Mean, .. } => Some(Moved::Sums),
        _ => None,
    }
}

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let moved = moved(&of.op)?;
    let mut data = Dequantization::above(work, of.input(0)?)?;
    let is_uniform = data.is_per_tensor(work);
    let fits = match (moved, &of.op) {
        (Moved::Elements, _) => is_uniform,
        (_, Op::Reduce { .. }) => is_uniform || (data.is_per_channel(work) && !reduces_channels(work, node)),
        _ => is_uniform || data.is_per_channel(work),
    };
    // Zeros that are added must be the zero point.
    if !fits || matches!(of.op, Op::Pad(..)) && data.subtract.is_some() {
        return None;
    }
    let mut patch = Patch::new(work);
    let mut input = data.data;
    if let Some(subtract) = data.subtract.filter(|_| matches!(of.op, Op::Unary(Unary::Relu))) {
        input = Edge::of(subtract.node);
        data.subtract = None;
    }
    let dtype = if moved == Moved::Sums { DType::F32 } else { work.tensor(input).dtype };
    for (port, tensor) in of.outputs.iter().enumerate() {
        if port > 0 && !matches!(of.op, Op::Split { .. } | Op::VariadicSplit) {
            break;
        }
        let edge = Edge::new(node, port);
        let is_read =
            work.users(node).iter().any(|&(user, input)| work.nodes[user].input(input) == Some(edge));
        if !is_read {
            continue;
        }
        let mut own = |of_data: Edge| along(work, of_data, tensor, &mut patch);
        let constants = (data.subtract.map(|step| own(step.constant)), own(data.multiply.constant));
        let below = data.add_below(work, &mut patch, edge, tensor, constants);
        patch.replace_except(edge, below.last, &[below.first]);
    }
    // Last: the constants above are gone with their last reader.
    patch.set_input(node, 0, input);
    patch.change(node, move |node| {
        node.outputs.iter_mut().for_each(|tensor| tensor.dtype = retyped(tensor.dtype, dtype))
    });
    Some(patch)
}

/// The type of an output: indices stay what they are.
fn retyped(old: DType, new: DType) -> DType {
    if old.is_float() { new } else { old }
}

fn reduces_channels(work: &Work<'_>, node: usize) -> bool {
    work.ints(node, 1).is_none_or(|axes| axes.contains(&1) || axes.iter().any(|&axis| axis < 0))
}

/// The constant for another tensor: the same number, or one number per channel of it.
fn along(work: &Work<'_>, old: Edge, tensor: &Tensor, patch: &mut Patch) -> Edge {
    let channels = tensor.dims.get(1).map_or(1, |dim| dim.size);
    let is_same = work.tensor(old).elements() == channels && work.tensor(old).dims.len() == tensor.dims.len();
    if work.tensor(old).elements() == 1 || is_same {
        return copy(work, patch, old);
    }
    let mut dims = vec![1; tensor.dims.len()];
    dims.iter_mut().skip(1).take(1).for_each(|dim| *dim = channels);
    constant(patch, &dims, work.nodes[old.node()].source)
}
