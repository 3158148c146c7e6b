//! Operators that give the same elements other dims, or another order of dims.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/shape/reshape-1.html>,
//! `Squeeze-1` and `-15`, `Unsqueeze-1`, `movement/transpose-1`; ONNX <https://onnx.ai/onnx/operators/onnx__Reshape.html>,
//! `Flatten`. Opsets: OpenVINO opset1 (`allow_axis_skip` of `Squeeze` since 15); ONNX 1, the shape as an input since 5,
//! `allowzero` since 14, axes of `Squeeze` and `Unsqueeze` as an input since 13.
//!
//! * `Reshape`: outᵢ = patternᵢ; 0 copies dataᵢ; -1 is what is left of ∏ data, copied dims left out on both sides.
//! * `Squeeze`: data without the axes; without axes, without every dim of 1.
//! * `Unsqueeze`: 1 at each axis of the output, data's dims in between.
//! * `Flatten`: [∏ᵢ₍axis₎ data, ∏ rest]. `Transpose`: outᵢ = data[orderᵢ].
//!
//! Where the data is an upper bound, a -1 is rounded up, so that the bytes stay a bound.

use crate::graph::op::ReshapeZero;
use crate::graph::{Dims, Op};
use crate::shape::context::{Context, RuleResult, dim, mismatch, normalize_axes, normalize_axis, text};
use crate::shape::layout;
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let dims = match op {
        Op::Transpose => return transpose(context),
        Op::Reshape(zero) => reshape(*zero, context)?,
        Op::Squeeze { allow_axis_skip } => squeeze(*allow_axis_skip, context)?,
        Op::Unsqueeze => unsqueeze(context)?,
        Op::Flatten { axis } => flatten(*axis, context)?,
        _ => return Err(mismatch!("not a reshape")),
    };
    let input = context.input(0)?;
    context.emit(input.dtype, dims);
    if let Some(value) = &input.value {
        context.set_value(value.clone());
    }
    Ok(())
}

fn reshape(zero: ReshapeZero, context: &mut Context<'_>) -> RuleResult<Dims> {
    let data = context.dims(0)?;
    let pattern = context.ints(1)?;
    let mut dims = Dims::new();
    let mut rest = None;
    let mut is_copied: SmallVec<[bool; 8]> = SmallVec::from_elem(false, data.len());
    let mut product = 1_u64;
    for (index, &size) in pattern.iter().enumerate() {
        let dim = match size {
            -1 if rest.is_some() => return Err(mismatch!("the pattern {pattern:?} has more than one -1")),
            -1 => {
                rest = Some(index);
                1
            }
            0 if zero == ReshapeZero::CopiesDim => {
                let (Some(&copied), Some(mark)) = (data.get(index), is_copied.get_mut(index)) else {
                    return Err(mismatch!(
                        "the pattern {pattern:?} copies dim {index}, and the data {} has {} dims",
                        text(data),
                        data.len()
                    ));
                };
                *mark = true;
                dims.push(copied);
                continue;
            }
            _ => dim(size)?,
        };
        product =
            product.checked_mul(dim).ok_or_else(|| mismatch!("the pattern {pattern:?} is too large"))?;
        dims.push(dim);
    }
    let left = data.iter().zip(&is_copied).filter(|(_, copied)| !**copied);
    let left = left.fold(1_u64, |left, (&dim, _)| left.saturating_mul(dim));
    let fits = |quotient: u64| quotient.checked_mul(product) == Some(left);
    match rest {
        Some(index) => {
            let quotient = match (left, product) {
                // OpenVINO leaves 1 here: nothing times anything is nothing.
                (0, 0) => 1,
                (_, 0) => {
                    return Err(mismatch!(
                        "the pattern {pattern:?} has no elements, and the data {} has {left}",
                        text(data)
                    ));
                }
                _ if context.is_exact() => left / product,
                _ => left.div_ceil(product),
            };
            if context.is_exact() && !fits(quotient) {
                return Err(mismatch!("the pattern {pattern:?} does not divide the data {}", text(data)));
            }
            if let Some(slot) = dims.get_mut(index) {
                *slot = quotient;
            }
        }
        None if context.is_exact() && !fits(1) => {
            return Err(mismatch!(
                "the data {} has {left} elements, and the shape {} has {product}",
                text(data),
                text(&dims)
            ));
        }
        None => {}
    }
    Ok(dims)
}

fn squeeze(allow_axis_skip: bool, context: &mut Context<'_>) -> RuleResult<Dims> {
    let data = context.dims(0)?;
    let axes = if context.has(1) { context.ints(1)? } else { &[] };
    if axes.is_empty() {
        return Ok(data.iter().copied().filter(|&dim| dim != 1).collect());
    }
    let mut is_dropped: SmallVec<[bool; 8]> = SmallVec::from_elem(false, data.len());
    for &axis in axes {
        let axis = normalize_axis(axis, data.len())?;
        let (Some(&dim), Some(mark)) = (data.get(axis), is_dropped.get_mut(axis)) else { continue };
        // A bound above 1 may well be 1 in the run: the axis is dropped only where it surely can.
        if dim != 1 && !allow_axis_skip && context.is_exact() {
            return Err(mismatch!("axis {axis} of {} is squeezed, and is {dim} instead of 1", text(data)));
        }
        *mark = dim == 1 || !context.is_exact();
    }
    Ok(data.iter().zip(&is_dropped).filter(|(_, dropped)| !**dropped).map(|(&dim, _)| dim).collect())
}

fn unsqueeze(context: &mut Context<'_>) -> RuleResult<Dims> {
    let data = context.dims(0)?;
    let mut axes: SmallVec<[i64; 4]> = context.ints(1)?.into();
    axes.dedup();
    let rank = data.len() + axes.len();
    let axes = normalize_axes(&axes, rank)?;
    let mut is_new: SmallVec<[bool; 8]> = SmallVec::from_elem(false, rank);
    for axis in axes {
        if let Some(mark) = is_new.get_mut(axis) {
            *mark = true;
        }
    }
    let mut old = data.iter().copied();
    is_new
        .into_iter()
        .map(|new| if new { Some(1) } else { old.next() })
        .collect::<Option<_>>()
        .ok_or_else(|| mismatch!("{rank} dims cannot be made of {}", text(data)))
}

fn flatten(axis: i64, context: &mut Context<'_>) -> RuleResult<Dims> {
    let data = context.dims(0)?;
    // The axis may stand behind the last dim.
    let axis = if axis == data.len() as i64 { data.len() } else { normalize_axis(axis, data.len())? };
    let (outer, inner) = data.split_at(axis.min(data.len()));
    let product = |dims: &[u64]| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    Ok(Dims::from_slice(&[product(outer), product(inner)]))
}

fn transpose(context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let data = context.dims(0)?;
    let order = if context.has(1) { context.ints(1)? } else { &[] };
    let order: SmallVec<[usize; 6]> =
        if order.is_empty() { (0..data.len()).rev().collect() } else { normalize_axes(order, data.len())? };
    if order.len() != data.len() {
        return Err(mismatch!("the order {order:?} does not name each axis of {} once", text(data)));
    }
    let dims: Dims = order.iter().filter_map(|&axis| data.get(axis)).copied().collect();
    let value = input.value.as_ref().and_then(|value| {
        let strides = layout::strides(data);
        let strides: layout::Strides = order.iter().filter_map(|&axis| strides.get(axis)).copied().collect();
        layout::pick(value, layout::offsets(&dims, 0, &strides)?)
    });
    context.emit(input.dtype, dims);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::shape::Bound;
    use crate::shape::testing::{infer, *};

    fn reshaped(data: &[u64], pattern: &[i64]) -> Vec<u64> {
        dims(Op::Reshape(ReshapeZero::CopiesDim), &[f32(data), vector(pattern)])
    }

    #[test]
    fn reshape_copies_zeros_and_fills_minus_one() {
        // OpenVINO 2026.4, `op.reshape(…, special_zero=True)`: recorded answers.
        let table: [(&[u64], &[i64], &[u64]); 8] = [
            (&[2, 3, 4], &[-1, 0], &[8, 3]),
            (&[0, 3], &[0, -1], &[0, 3]),
            (&[2, 3, 1], &[6, -1, 0], &[6, 1, 1]),
            (&[2, 3], &[3, 2], &[3, 2]),
            (&[2, 3], &[0, 0, 1], &[2, 3, 1]),
            (&[1], &[], &[]),
            (&[], &[1, 1], &[1, 1]),
            (&[4, 0], &[-1, 4], &[0, 4]),
        ];
        for (data, pattern, expected) in table {
            assert_eq!(reshaped(data, pattern), expected, "{data:?} {pattern:?}");
        }
    }

    #[test]
    fn a_literal_zero_is_an_empty_dim() {
        let op = Op::Reshape(ReshapeZero::IsZero);
        assert_eq!(dims(op.clone(), &[f32(&[0, 3]), vector(&[0, -1])]), [0, 1]);
        assert!(infer(op, &[f32(&[2, 3]), vector(&[0, -1])], 1).is_err());
    }

    #[test]
    fn reshape_refuses_what_does_not_fit() {
        let op = || Op::Reshape(ReshapeZero::CopiesDim);
        for pattern in [&[4, 2][..], &[-1, -1], &[-1, 4], &[6, 1, 0], &[-2, 3], &[i64::MAX, i64::MAX]] {
            assert!(infer(op(), &[f32(&[2, 3]), vector(pattern)], 1).is_err(), "{pattern:?}");
        }
        assert_eq!(
            message(op(), &[f32(&[2, 3]), vector(&[4, 2])]),
            "the data [2,3] has 6 elements, and the shape [4,2] has 8"
        );
    }

    #[test]
    fn reshaped_bounds_stay_bounds() {
        let op = Op::Reshape(ReshapeZero::CopiesDim);
        let out = output(op, &[at_most(DType::F32, &[10]), vector(&[-1, 4])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[3, 4][..], Bound::UpperBound));
    }

    #[test]
    fn squeeze_drops_ones() {
        let op = || Op::Squeeze { allow_axis_skip: false };
        assert_eq!(dims(op(), &[f32(&[1, 3, 1])]), [3]);
        assert_eq!(dims(op(), &[f32(&[1, 3, 1]), vector(&[])]), [3]);
        assert_eq!(dims(op(), &[f32(&[1, 3, 1]), vector(&[-1])]), [1, 3]);
        assert_eq!(dims(op(), &[f32(&[1, 3, 1]), vector(&[0, 0])]), [3, 1]);
        assert!(infer(op(), &[f32(&[1, 3, 1]), vector(&[1])], 1).is_err());
        let skip = Op::Squeeze { allow_axis_skip: true };
        assert_eq!(dims(skip, &[f32(&[1, 3, 1]), vector(&[1])]), [1, 3, 1]);
    }

    #[test]
    fn unsqueeze_counts_axes_in_the_output() {
        let table: [(&[i64], &[u64]); 4] =
            [(&[0], &[1, 3]), (&[-1], &[3, 1]), (&[0, 2], &[1, 3, 1]), (&[2, 0], &[1, 3, 1])];
        for (axes, expected) in table {
            assert_eq!(dims(Op::Unsqueeze, &[f32(&[3]), vector(axes)]), expected);
        }
        assert!(infer(Op::Unsqueeze, &[f32(&[3]), vector(&[5])], 1).is_err());
    }

    #[test]
    fn flatten_splits_at_its_axis() {
        let table: [(i64, &[u64]); 4] = [(0, &[1, 24]), (1, &[2, 12]), (3, &[24, 1]), (-1, &[6, 4])];
        for (axis, expected) in table {
            assert_eq!(dims(Op::Flatten { axis }, &[f32(&[2, 3, 4])]), expected, "{axis}");
        }
        assert!(infer(Op::Flatten { axis: 4 }, &[f32(&[2, 3, 4])], 1).is_err());
    }

    #[test]
    fn transpose_permutes_dims_and_values() {
        assert_eq!(dims(Op::Transpose, &[f32(&[2, 3, 4]), vector(&[0, 2, 1])]), [2, 4, 3]);
        assert_eq!(dims(Op::Transpose, &[f32(&[2, 3, 4])]), [4, 3, 2]);
        let data = ints(DType::I64, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        assert_eq!(int_values(Op::Transpose, &[data, vector(&[1, 0])]), Some(vec![1, 4, 2, 5, 3, 6]));
        for order in [&[0, 0][..], &[0], &[0, 2], &[0, 1, 2]] {
            assert!(infer(Op::Transpose, &[f32(&[2, 3]), vector(order)], 1).is_err(), "{order:?}");
        }
    }
}
