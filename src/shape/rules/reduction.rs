//! Reductions over axes.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/reduction/reduce-sum-1.html>
//! and its siblings; ONNX <https://onnx.ai/onnx/operators/onnx__ReduceSum.html>, `ArgMax`, `ArgMin`.
//! Opsets: OpenVINO opset1 (`ReduceL1`, `ReduceL2`: 4); ONNX 1, axes as an input since 13 (`ReduceSum`) and 18, with
//! `noop_with_empty_axes`.
//!
//! outᵢ = 1 (or dropped, without `keep_dims`) if i is an axis, else dataᵢ. An axis given twice counts once.
//! A loss is a scalar, or unreduced as its labels; ONNX 12, <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>.

use crate::DType;
use crate::graph::op::Reduce;
use crate::graph::{Op, Value};
use crate::shape::context::{Context, RuleError, RuleResult, mismatch, normalize_axis};
use crate::shape::dim::{Dim, DimList};
use crate::shape::{TensorInfo, arithmetic, integers, layout};
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::Reduce { kind, keep_dims, noop_with_empty_axes } => {
            reduce(*kind, *keep_dims, *noop_with_empty_axes, context)
        }
        Op::ArgExtreme { axis, keep_dims, to, .. } => {
            let rank = context.rank(0)?;
            let mut is_reduced: SmallVec<[bool; 8]> = SmallVec::from_elem(false, rank);
            mark(&mut is_reduced, *axis)?;
            emit(context, *to, &is_reduced, *keep_dims)
        }
        Op::Loss { is_reduced, .. } => {
            let scores = context.shape(0)?;
            let labels = context.shape(1)?;
            let kept = if *is_reduced { DimList::new() } else { labels };
            context.emit_shape(context.dtype(0), kept);
            context.emit_shape(context.dtype(0), scores);
            Ok(())
        }
        _ => Err(mismatch!("not a reduction")),
    }
}

fn reduce(kind: Reduce, keep_dims: bool, noop: bool, context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let rank = context.rank(0)?;
    let axes = match context.has(1).then(|| context.ints(1)) {
        None => &[],
        Some(Ok(axes)) => axes,
        // Whatever the axes are, no dim grows.
        Some(Err(RuleError::UnknownValue(_))) if keep_dims => {
            context.depends_on_data();
            context.emit_like(0)?;
            return Ok(());
        }
        Some(Err(error)) => return Err(error),
    };
    let mut is_reduced: SmallVec<[bool; 8]> = SmallVec::from_elem(axes.is_empty() && !noop, rank);
    for &axis in axes {
        mark(&mut is_reduced, axis)?;
    }
    emit(context, input.dtype, &is_reduced, keep_dims)?;
    if let Some(value) = &input.value
        && let Some(value) = fold(kind, input, value, &is_reduced)
    {
        context.set_value(value);
    } else if let (None, Some(elements), [true]) = (&input.value, input.integers(), &is_reduced[..]) {
        context.set_integers([integers::reduce(kind, &elements, input.dtype)].into_iter().collect());
    }
    Ok(())
}

fn mark(is_reduced: &mut [bool], axis: i64) -> RuleResult {
    let axis = normalize_axis(axis, is_reduced.len())?;
    if let Some(slot) = is_reduced.get_mut(axis) {
        *slot = true;
    }
    Ok(())
}

fn emit(context: &mut Context<'_>, dtype: DType, is_reduced: &[bool], keep_dims: bool) -> RuleResult {
    let dims = context.shape(0)?;
    let kept = dims.iter().zip(is_reduced).filter(|(_, reduced)| keep_dims || !**reduced);
    context.emit_shape(dtype, kept.map(|(&dim, &reduced)| if reduced { Dim::Known(1) } else { dim }));
    Ok(())
}

fn fold(kind: Reduce, input: &TensorInfo, value: &Value, is_reduced: &[bool]) -> Option<Value> {
    let dims = input.dims.as_deref()?;
    let folded: SmallVec<[u64; 4]> =
        dims.iter().zip(is_reduced).map(|(&dim, &reduced)| if reduced { 1 } else { dim }).collect();
    let groups = layout::offsets(dims, 0, &layout::broadcast_strides(&folded, dims.len()))?;
    arithmetic::reduce(kind, value, &groups, layout::small_count(&folded)?, input.dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Bound;
    use crate::shape::testing::{infer, *};

    fn sum(keep_dims: bool) -> Op {
        Op::Reduce { kind: Reduce::Sum, keep_dims, noop_with_empty_axes: false }
    }

    #[test]
    fn axes_are_dropped_or_kept_as_one() {
        let table: [(&[i64], bool, &[u64]); 5] = [
            (&[1], false, &[2, 4]),
            (&[1], true, &[2, 1, 4]),
            (&[-1, 0], false, &[3]),
            (&[1, -2], true, &[2, 1, 4]),
            (&[], false, &[]),
        ];
        for (axes, keep_dims, expected) in table {
            assert_eq!(dims(sum(keep_dims), &[f32(&[2, 3, 4]), vector(axes)]), expected, "{axes:?}");
        }
        assert_eq!(dims(sum(true), &[f32(&[2, 3])]), [1, 1]);
    }

    #[test]
    fn no_axes_may_mean_no_reduction() {
        let op = Op::Reduce { kind: Reduce::Sum, keep_dims: false, noop_with_empty_axes: true };
        assert_eq!(dims(op.clone(), &[f32(&[2, 3]), vector(&[])]), [2, 3]);
        assert_eq!(dims(op, &[f32(&[2, 3]), None]), [2, 3]);
    }

    #[test]
    fn values_are_folded_along_their_axes() {
        let data = || ints(DType::I64, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        let apply = |kind, axis| {
            let op = Op::Reduce { kind, keep_dims: false, noop_with_empty_axes: false };
            int_values(op, &[data(), scalar(axis)])
        };
        assert_eq!(apply(Reduce::Sum, 0), Some(vec![5, 7, 9]));
        assert_eq!(apply(Reduce::Prod, 1), Some(vec![6, 120]));
        assert_eq!(apply(Reduce::Max, 1), Some(vec![3, 6]));
        assert_eq!(apply(Reduce::Min, 0), Some(vec![1, 2, 3]));
        assert_eq!(apply(Reduce::Mean, 1), Some(vec![2, 5]));
        assert_eq!(apply(Reduce::LogSum, 1), None);
    }

    #[test]
    fn nothing_folds_to_the_neutral_element() {
        let empty = || ints(DType::I64, &[0], &[]);
        assert_eq!(int_values(sum(false), &[empty()]), Some(vec![0]));
        let prod = Op::Reduce { kind: Reduce::Prod, keep_dims: false, noop_with_empty_axes: false };
        assert_eq!(int_values(prod, &[empty()]), Some(vec![1]));
        let max = Op::Reduce { kind: Reduce::Max, keep_dims: false, noop_with_empty_axes: false };
        assert_eq!(int_values(max, &[empty()]), None);
    }

    #[test]
    fn unknown_axes_bound_the_output_by_the_input() {
        let out = output(sum(true), &[f32(&[2, 3]), tensor(DType::I64, &[1])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[2, 3][..], Bound::UpperBound));
        assert!(infer(sum(false), &[f32(&[2, 3]), tensor(DType::I64, &[1])], 1).is_err());
    }

    #[test]
    fn axes_outside_of_the_rank_are_refused() {
        for axis in [2, -3, i64::MAX, i64::MIN] {
            assert_eq!(
                message(sum(true), &[f32(&[2, 3]), scalar(axis)]),
                format!("axis {axis} is outside of rank 2")
            );
        }
    }

    #[test]
    fn arg_extremes_are_indices() {
        let op = Op::ArgExtreme { axis: -1, is_largest: true, keep_dims: false, to: DType::I64 };
        let out = output(op, &[f32(&[2, 3])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.dtype), (&[2][..], DType::I64));
    }

    #[test]
    fn losses_are_one_or_one_per_label() {
        let run = |is_reduced| {
            all_dims(
                Op::Loss { has_softmax: true, is_reduced },
                &[f32(&[3, 5, 6]), tensor(DType::I64, &[3, 6])],
                2,
            )
        };
        assert_eq!(run(true), [&[][..], &[3, 5, 6]]);
        assert_eq!(run(false), [&[3, 6][..], &[3, 5, 6]]);
    }
}
