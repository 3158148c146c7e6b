//! Operators that write the elements that they read.
//!
//! Source: `MarkupPrecisions::isPrecisionPreserved`, `MarkupAvgPoolPrecisionPreserved` and `UpdateSharedPrecisionPreserved`,
//! OpenVINO 2026.4, src/common/low_precision_transformations.

use super::super::work::{Edge, Work};
use crate::graph::Op;
use crate::graph::op::{PoolKind, Reduce, Unary};

/// Whether an operator writes the elements that it reads.
///
/// Source: `MarkupPrecisions::isPrecisionPreserved`.
pub(super) fn is_preserved(work: &Work<'_>, node: usize) -> bool {
    match &work.nodes[node].op {
        Op::Interpolate(spec) => spec.is_nearest,
        Op::Pool(pool) if pool.kind == PoolKind::Average => {
            work.keeps_bytes.get(node).copied().unwrap_or(false)
        }
        Op::Pool(pool) => pool.kind == PoolKind::Max,
        Op::Reduce { kind, .. } => matches!(kind, Reduce::Max | Reduce::Min),
        Op::Unary(unary) => *unary == Unary::Relu,
        op => matches!(
            op,
            Op::Concat { .. }
                | Op::Broadcast(_)
                | Op::DepthToSpace { .. }
                | Op::Gather { .. }
                | Op::Pad(..)
                | Op::Reshape(_)
                | Op::Squeeze { .. }
                | Op::Unsqueeze
                | Op::Split { .. }
                | Op::VariadicSplit
                | Op::StridedSlice(_)
                | Op::Slice
                | Op::ShuffleChannels { .. }
                | Op::Transpose
                | Op::BatchToSpace
                | Op::SpaceToBatch
        ),
    }
}

/// The inputs of an operator that writes elements of several, or of one.
pub(super) fn data<'w>(work: &'w Work<'_>, node: usize) -> impl Iterator<Item = Edge> + 'w {
    let of = &work.nodes[node];
    let n_data = if matches!(of.op, Op::Concat { .. }) { of.inputs().len() } else { 1 };
    of.inputs().iter().take(n_data).flatten().copied()
}

/// Whether an operator is an average pool.
pub(super) fn is_average(op: &Op) -> bool {
    matches!(op, Op::Pool(pool) if pool.kind == PoolKind::Average)
}

/// Per node, whether something reads it that is not a FakeQuantize or a Result, perhaps through what keeps bytes: then an
/// average pool counts as one of the operators that write bytes that they read.
pub(super) fn keep_bytes(work: &Work<'_>, order: &[usize]) -> Vec<bool> {
    let mut keeps = vec![false; work.nodes.len()];
    for &node in order.iter().rev() {
        keeps[node] = work.users(node).iter().any(|&(user, _)| {
            let op = &work.nodes[user].op;
            match op {
                Op::FakeQuantize { .. } | Op::Result => false,
                _ if is_average(op) || is_preserved(work, user) => keeps[user],
                _ => true,
            }
        });
    }
    keeps
}

/// Whether a FakeQuantize has constants for limits.
pub(super) fn has_constant_limits(work: &Work<'_>, node: usize) -> bool {
    (1..5).all(|input| work.reads_const(node, input))
}

/// Whether a convolution is of groups.
pub(super) fn is_grouped(work: &Work<'_>, node: usize) -> bool {
    let weight = work.nodes[node].input(1).map_or(0, |edge: Edge| work.tensor(edge).dims.len());
    weight > rank(work, node)
}

/// The rank of what a node writes.
pub(super) fn rank(work: &Work<'_>, node: usize) -> usize {
    work.nodes[node].outputs.first().map_or(0, |tensor| tensor.dims.len())
}
