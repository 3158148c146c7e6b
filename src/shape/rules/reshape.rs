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
use crate::shape::context::{
    Context, RuleError, RuleResult, dim_of, mismatch, normalize_axes, normalize_axis, text,
};
use crate::shape::dim::{Dim, DimList, Element, Product};
use crate::shape::layout;
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let dims = match op {
        Op::Transpose => return transpose(context),
        Op::Reshape(zero) => reshape(*zero, context)?,
        Op::Squeeze { allow_axis_skip } => squeeze(*allow_axis_skip, context)?,
        Op::Unsqueeze | Op::ExpandDims => unsqueeze(context)?,
        Op::Flatten { axis } => flatten(*axis, context)?,
        _ => return Err(mismatch!("not a reshape")),
    };
    context.emit_shape(context.dtype(0), dims);
    context.carry_elements(0);
    Ok(())
}

fn reshape(zero: ReshapeZero, context: &mut Context<'_>) -> RuleResult<DimList> {
    let pattern = context.integers(1)?;
    let data = match context.shape(0) {
        // The numbers of the pattern are known whatever the data is.
        Err(RuleError::UnknownShape(_)) if context.is_symbolic() => {
            DimList::from_elem(Dim::Unknown, pattern.len())
        }
        data => data?,
    };
    reshaped(&data, &pattern, zero, context.is_exact())
}

/// The dims of data of dims `data` in the shape `pattern`; what is not exact may be smaller in a run.
///
/// # Errors
///
/// If both are known and contradict each other.
pub(crate) fn reshaped(
    data: &[Dim],
    pattern: &[Element],
    zero: ReshapeZero,
    is_exact: bool,
) -> RuleResult<DimList> {
    let mut dims = DimList::new();
    let mut rest = None;
    let mut is_copied: SmallVec<[bool; 8]> = SmallVec::from_elem(false, data.len());
    let mut product = Product::of([]);
    for (index, &size) in pattern.iter().enumerate() {
        let dim = match size {
            Element::Known(-1) if rest.is_some() => {
                return Err(mismatch!("the pattern {} has more than one -1", list(pattern)));
            }
            Element::Known(-1) => {
                rest = Some(index);
                Dim::Known(1)
            }
            Element::Known(0) if zero == ReshapeZero::CopiesDim => {
                let (Some(&copied), Some(mark)) = (data.get(index), is_copied.get_mut(index)) else {
                    return Err(mismatch!(
                        "the pattern {} copies dim {index}, and the data {} has {} dims",
                        list(pattern),
                        text(data),
                        data.len()
                    ));
                };
                *mark = true;
                dims.push(copied);
                continue;
            }
            _ => dim_of(size)?,
        };
        product.multiply(dim);
        dims.push(dim);
    }
    if product.known.is_none() {
        return Err(mismatch!("the pattern {} is too large", list(pattern)));
    }
    let left = data.iter().zip(&is_copied).filter(|(_, copied)| !**copied);
    let mut left = Product::of(left.map(|(&dim, _)| dim));
    left.cancel(&mut product);
    if left.is_known() && product.is_known() {
        let sizes = (left.known.unwrap_or(u64::MAX), product.known.unwrap_or(u64::MAX));
        if let Some(quotient) = rest_of(sizes, rest, (data, pattern, &dims), is_exact)? {
            rest.and_then(|index| dims.get_mut(index))
                .into_iter()
                .for_each(|slot| *slot = Dim::Known(quotient));
        }
    } else if let Some(slot) = rest.and_then(|index| dims.get_mut(index)) {
        *slot = left.over(&product);
    }
    Ok(dims)
}

/// The size that a -1 at `rest` represents, where all others are known.
fn rest_of(
    (left, product): (u64, u64),
    rest: Option<usize>,
    (data, pattern, dims): (&[Dim], &[Element], &[Dim]),
    is_exact: bool,
) -> RuleResult<Option<u64>> {
    let fits = |quotient: u64| quotient.checked_mul(product) == Some(left);
    if rest.is_none() {
        if is_exact && !fits(1) {
            return Err(mismatch!(
                "the data {} has {left} elements, and the shape {} has {product}",
                text(data),
                text(dims)
            ));
        }
        return Ok(None);
    }
    let quotient = match (left, product) {
        // OpenVINO leaves 1 here: nothing times anything is nothing.
        (0, 0) => 1,
        (_, 0) => {
            return Err(mismatch!(
                "the pattern {} has no elements, and the data {} has {left}",
                list(pattern),
                text(data)
            ));
        }
        _ if is_exact => left / product,
        _ => left.div_ceil(product),
    };
    if is_exact && !fits(quotient) {
        return Err(mismatch!("the pattern {} does not divide the data {}", list(pattern), text(data)));
    }
    Ok(Some(quotient))
}

/// A pattern as text: `[-1, 64]`.
fn list(pattern: &[Element]) -> String {
    let elements: Vec<String> = pattern.iter().map(Element::to_string).collect();
    format!("[{}]", elements.join(", "))
}

fn squeeze(allow_axis_skip: bool, context: &mut Context<'_>) -> RuleResult<DimList> {
    let data = context.shape(0)?;
    let axes = if context.has(1) { context.ints(1)? } else { &[] };
    if axes.is_empty() {
        if data.iter().any(|dim| dim.known().is_none()) {
            return Err(RuleError::UnknownShape(0));
        }
        return Ok(data.into_iter().filter(|&dim| dim != Dim::Known(1)).collect());
    }
    let mut is_dropped: SmallVec<[bool; 8]> = SmallVec::from_elem(false, data.len());
    for &axis in axes {
        let axis = normalize_axis(axis, data.len())?;
        let (Some(&dim), Some(mark)) = (data.get(axis), is_dropped.get_mut(axis)) else { continue };
        // A bound above 1 may well be 1 in the run: the axis is dropped only where it surely can.
        if dim.differs(Dim::Known(1)) && !allow_axis_skip && context.is_exact() {
            return Err(mismatch!("axis {axis} of {} is squeezed, and is {dim} instead of 1", text(&data)));
        }
        if dim.known().is_none() && allow_axis_skip {
            return Err(RuleError::UnknownShape(0));
        }
        *mark = !dim.differs(Dim::Known(1)) || !context.is_exact();
    }
    Ok(data.iter().zip(&is_dropped).filter(|(_, dropped)| !**dropped).map(|(&dim, _)| dim).collect())
}

fn unsqueeze(context: &mut Context<'_>) -> RuleResult<DimList> {
    let data = context.shape(0)?;
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
        .map(|new| if new { Some(Dim::Known(1)) } else { old.next() })
        .collect::<Option<_>>()
        .ok_or_else(|| mismatch!("{rank} dims cannot be made of {}", text(&data)))
}

fn flatten(axis: i64, context: &mut Context<'_>) -> RuleResult<DimList> {
    let data = context.shape(0)?;
    // The axis may be behind the last dim.
    let axis = if axis == data.len() as i64 { data.len() } else { normalize_axis(axis, data.len())? };
    let (outer, inner) = data.split_at(axis.min(data.len()));
    let product = |dims: &[Dim]| {
        let start = Some(Dim::Known(1));
        let product = dims.iter().fold(start, |product, &dim| product?.times(dim));
        product.unwrap_or(Dim::Known(u64::MAX))
    };
    Ok(DimList::from_slice(&[product(outer), product(inner)]))
}

fn transpose(context: &mut Context<'_>) -> RuleResult {
    let data = context.shape(0)?;
    let order = if context.has(1) { context.ints(1)? } else { &[] };
    let order: SmallVec<[usize; 6]> =
        if order.is_empty() { (0..data.len()).rev().collect() } else { normalize_axes(order, data.len())? };
    if order.len() != data.len() {
        return Err(mismatch!("the order {order:?} does not name each axis of {} once", text(&data)));
    }
    let input = context.input(0)?;
    let dims: DimList = order.iter().filter_map(|&axis| data.get(axis)).copied().collect();
    context.emit_shape(input.dtype, dims);
    if context.has_elements(0)
        && let Some(from) = input.dims.as_deref()
    {
        let strides = layout::strides(from);
        let strides: layout::Strides = order.iter().filter_map(|&axis| strides.get(axis)).copied().collect();
        let dims: Dims = order.iter().filter_map(|&axis| from.get(axis)).copied().collect();
        if let Some(offsets) = layout::offsets(&dims, 0, &strides) {
            context.pick_elements(0, &offsets);
        }
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
