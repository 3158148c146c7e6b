//! The type that each FakeQuantize of activations writes.
//!
//! Readers restrict it: a convolution with quantized filters takes u8, a product u8 or i8 first and i8 second, a
//! recurrence u8. Restrictions hold for all FakeQuantizes that the same data-moving operators join. Of what is left,
//! limits of both signs that are symmetric around 0 want i8, limits from 0 up u8, others take the first, with a zero point.
//!
//! Source: `MarkupPrecisions`, `PropagatePrecisions`, `FakeQuantizeDecompositionTransformation` and
//! `LayerTransformation::getPrecisionDetails`, OpenVINO 2026.4, src/common/low_precision_transformations/src; the
//! restrictions are those of `Transformations::Lpt` without AMX and AVX2-VNNI-2.

use super::super::quantized::{Quantized, is_supported};
use super::super::work::Work;
use super::intervals;
use super::preserved::{data, has_constant_limits, is_grouped, is_preserved, keep_bytes, rank};
use super::sets::Sets;
use super::weights;
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// u8, as a member of a set.
const U8: u8 = 1;
/// i8.
const I8: u8 = 2;

/// Chooses types, for all FakeQuantizes of activations.
pub(in super::super) fn choose(work: &mut Work<'_>) {
    let order = work.model_order();
    work.keeps_bytes = keep_bytes(work, &order);
    let mut sets = Sets::new(work.nodes.len());
    let mut allowed = vec![U8 | I8; work.nodes.len()];
    let mut is_constant = vec![false; work.nodes.len()];
    for &node in order.iter() {
        let of = &work.nodes[node];
        let mut inputs = of.inputs().iter().flatten();
        is_constant[node] =
            of.is_const() || !of.inputs().is_empty() && inputs.all(|edge| is_constant[edge.node()]);
        if is_preserved(work, node) {
            data(work, node).for_each(|edge| sets.join(edge.node(), node));
        }
    }
    for &node in order.iter() {
        for input in 0..work.nodes[node].inputs().len().min(2) {
            if let (Some(edge), Some(found)) = (work.nodes[node].input(input), restriction(work, node, input))
            {
                allowed[sets.find(edge.node())] &= found;
            }
        }
    }
    let intervals = intervals::shared(work, &order, &mut sets);
    let mut chosen = vec![None; work.nodes.len()];
    for &node in order.iter() {
        let of = &work.nodes[node];
        let is_activation = of.input(0).is_some_and(|edge| !is_constant[edge.node()]);
        if is_activation && is_supported(&of.op) && has_constant_limits(work, node) {
            let set = sets.find(node);
            let found = quantized(own_type(work, node), allowed[set]);
            if let Some(found) = found {
                allowed[set] = if found.dtype == DType::U8 { U8 } else { I8 };
            }
            chosen[node] = found.and_then(|found| intervals::apply(found, intervals[node]));
        }
    }
    work.quantized = chosen;
}

/// What is written, where `own` is what the limits want.
fn quantized(own: Option<DType>, allowed: u8) -> Option<Quantized> {
    let is_allowed = |dtype| allowed & (if dtype == DType::U8 { U8 } else { I8 }) != 0;
    let first = [DType::U8, DType::I8].into_iter().find(|&dtype| is_allowed(dtype))?;
    let dtype = own.filter(|&dtype| is_allowed(dtype)).unwrap_or(first);
    Some(Quantized { dtype, has_zero_point: own != Some(dtype), shared: None })
}

/// The type that the output limits want; `None` if they need a zero point in any.
fn own_type(work: &Work<'_>, node: usize) -> Option<DType> {
    let Op::FakeQuantize { levels, .. } = work.nodes[node].op else { return None };
    let values = |input: usize| {
        let producer = &work.nodes[work.producer(node, input)?];
        producer.value.as_ref().map(|value| value.to_floats())
    };
    let (low, high) = (values(3)?, values(4)?);
    let expected = if levels == 255 { -1.0 } else { -(levels as f64) / (levels as f64 - 2.0) };
    let (mut is_signed, mut is_unsigned, mut has_zero_point) = (true, true, false);
    let n = low.len().max(high.len());
    for at in 0..n {
        let (Some(&low), Some(&high)) =
            (low.get(at.min(low.len().max(1) - 1)), high.get(at.min(high.len().max(1) - 1)))
        else {
            return None;
        };
        if low.abs() < 1e-6 && high.abs() < 1e-6 {
            continue;
        }
        let crosses = low.is_sign_negative() != high.is_sign_negative() && low.abs() >= 1e-6;
        if crosses {
            is_unsigned = false;
            let ratio = low / high;
            has_zero_point |= high == 0.0 || ((ratio - expected) / ratio.min(expected)).abs() > 0.002;
        } else {
            is_signed = false;
            has_zero_point |= low.abs() >= 1e-6;
        }
    }
    match (has_zero_point, is_signed, is_unsigned) {
        (false, true, false) => Some(DType::I8),
        (false, false, true) => Some(DType::U8),
        // Nothing but zeros.
        (false, true, true) => Some(DType::U8),
        _ => None,
    }
}

/// What a reader takes; `None` for anything.
fn restriction(work: &Work<'_>, node: usize, input: usize) -> Option<u8> {
    match (&work.nodes[node].kind, input) {
        (Kind::Convolution, 0) => weights::of(work, node)
            .map(|_| if rank(work, node) == 5 && is_grouped(work, node) { U8 | I8 } else { U8 }),
        (Kind::MatMul, 1) => Some(I8),
        _ if matches!(work.nodes[node].op, Op::Recurrent(_)) => Some(U8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_readers_do_not_take_needs_a_zero_point() {
        let of = |own, allowed| quantized(own, allowed).map(|found| (found.dtype, found.has_zero_point));
        assert_eq!(of(Some(DType::I8), U8 | I8), Some((DType::I8, false)));
        assert_eq!(of(Some(DType::I8), U8), Some((DType::U8, true)));
        assert_eq!(of(None, U8 | I8), Some((DType::U8, true)));
        assert_eq!(of(Some(DType::U8), 0), None);
    }
}
