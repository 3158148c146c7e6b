//! One scale for FakeQuantizes whose bytes one convolution reads.
//!
//! A convolution takes data with one scale. Where operators that only move data are between it and several FakeQuantizes,
//! at least one of them a direct reader of FakeQuantizes alone, those FakeQuantizes write bytes of one common interval: from
//! the lowest of their output limits to the highest. One whose own limits are 2 steps of it or fewer is not quantized. Its
//! dequantization has its name. This is done in models with a Concat only.
//!
//! Source: `AlignQuantizationIntervals`, `AlignQuantizationParameters`, `IntervalsAlignmentAttribute`,
//! `QuantizationAlignmentAttribute` and `fq_decomposition::decomposeFakeQuantize`, OpenVINO 2026.4,
//! src/common/low_precision_transformations/src.

use super::super::quantized::{Quantized, is_supported};
use super::super::work::Work;
use super::preserved::{data, has_constant_limits, is_grouped, is_preserved};
use super::sets::Sets;
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// The interval of a FakeQuantize that shares its scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shared {
    /// From the lowest limit of all to the highest.
    whole: [f64; 2],
    /// The narrowest of all.
    narrowest: f64,
}

/// The shared interval of each node, where it has one; `joined` are the nodes between which bytes are only moved.
pub(super) fn shared(work: &Work<'_>, order: &[usize], joined: &mut Sets) -> Vec<Option<Shared>> {
    let mut found = vec![None; work.nodes.len()];
    if !order.iter().any(|&node| matches!(work.nodes[node].op, Op::Concat { .. })) {
        return found;
    }
    let mut by_set: Vec<Option<Shared>> = found.clone();
    for &node in order {
        if let Some([low, high]) = limits(work, node) {
            let set = &mut by_set[joined.find(node)];
            let own = Shared { whole: [low, high], narrowest: high - low };
            *set = Some(set.map_or(own, |set| set.with(own)));
        }
    }
    let is_aligned = aligned(work, order);
    for &node in order {
        let is_read = work.users(node).iter().any(|&(user, _)| is_aligned[user]);
        if is_read && is_quantize(&work.nodes[node].op) {
            found[node] = by_set[joined.find(node)];
        }
    }
    found
}

/// What is written with a shared interval; `None` if it is too wide.
pub(super) fn apply(own: Quantized, shared: Option<Shared>) -> Option<Quantized> {
    let Some(shared) = shared else { return Some(own) };
    let [low, high] = shared.whole;
    let step = (high - low) / 255.0;
    let least = if own.dtype == DType::U8 { 0.0 } else { -128.0 };
    let levels = (shared.narrowest / step).round() + 1.0;
    let zero_point = (least - low / step).round();
    (levels > 2.0).then_some(Quantized {
        has_zero_point: zero_point != 0.0,
        shared: Some(shared.whole),
        ..own
    })
}

impl Shared {
    fn with(self, other: Shared) -> Shared {
        let [low, high] = self.whole;
        let [other_low, other_high] = other.whole;
        Shared {
            whole: [low.min(other_low), high.max(other_high)],
            narrowest: self.narrowest.min(other.narrowest),
        }
    }
}

/// Per node, whether it moves bytes of FakeQuantizes to a convolution that wants one scale.
fn aligned(work: &Work<'_>, order: &[usize]) -> Vec<bool> {
    let mut moves = vec![false; work.nodes.len()];
    let mut sets = Sets::new(work.nodes.len());
    let mut wants = vec![false; work.nodes.len()];
    for &node in order {
        if !is_preserved(work, node) {
            continue;
        }
        let mut inputs =
            data(work, node).map(|edge| edge.node()).filter(|&from| !work.nodes[from].is_const());
        let is_first = data(work, node).any(|edge| is_quantize(&work.nodes[edge.node()].op))
            && inputs.all(|from| is_quantize(&work.nodes[from].op));
        moves[node] = is_first || data(work, node).any(|edge| moves[edge.node()]);
        for edge in data(work, node) {
            if moves[edge.node()] {
                sets.join(edge.node(), node);
            }
        }
    }
    for &node in order {
        let of = &work.nodes[node];
        let is_convolution = matches!(of.kind, Kind::Convolution | Kind::Deconvolution);
        if let Some(from) = of.input(0).filter(|edge| moves[edge.node()])
            && is_convolution
            && !is_grouped(work, node)
        {
            wants[sets.find(from.node())] = true;
        }
    }
    let roots: Vec<usize> = (0..moves.len()).map(|node| sets.find(node)).collect();
    (0..moves.len()).map(|node| moves[node] && wants[roots[node]]).collect()
}

fn is_quantize(op: &Op) -> bool {
    matches!(op, Op::FakeQuantize { .. })
}

/// The output limits of a FakeQuantize, where they are two numbers.
fn limits(work: &Work<'_>, node: usize) -> Option<[f64; 2]> {
    if !is_supported(&work.nodes[node].op) || !has_constant_limits(work, node) {
        return None;
    }
    let (low, high) = (work.number(node, 3)?, work.number(node, 4)?);
    (low < high).then_some([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_interval_has_one_zero_point() {
        let own = Quantized { dtype: DType::U8, has_zero_point: false, shared: None };
        let positive = Shared { whole: [0.0, 2.55], narrowest: 1.0 };
        let mixed = positive.with(Shared { whole: [-1.0, 2.0], narrowest: 3.0 });
        assert_eq!(apply(own, Some(positive)).map(|found| found.has_zero_point), Some(false));
        assert_eq!(apply(own, Some(mixed)).map(|found| found.has_zero_point), Some(true));
        assert_eq!(apply(own, None), Some(own));
    }

    #[test]
    fn what_would_be_two_steps_is_not_quantized() {
        let own = Quantized { dtype: DType::U8, has_zero_point: false, shared: None };
        let narrow = Shared { whole: [0.0, 255.0], narrowest: 1.0 };
        assert_eq!(apply(own, Some(narrow)), None);
    }
}
