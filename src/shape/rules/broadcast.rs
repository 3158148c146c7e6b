//! Operators that repeat or surround their data.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/movement/broadcast-3.html>
//! (and `-1`), `movement/tile-1`, `movement/pad-12` (and `-1`); ONNX
//! <https://onnx.ai/onnx/operators/onnx__Expand.html> (8), `Tile` (1; 6), `Pad` (2; pads as an input since 11).
//!
//! * `Broadcast`, NumPy, PDPD, explicit: out = target. Bidirectional: out = data joined with target.
//! * `Tile`: outᵢ = dataᵢ · repeatsᵢ, the shorter list led by ones; negative repeats count as 0.
//!   `Tile` of ONNX 1: the one axis that is named.
//! * `Pad`: outᵢ = beginᵢ + dataᵢ + endᵢ; pads may be negative, and cut then.
//! * `CenterCropPad`: outᵢ = the size given, where i is an axis.

use crate::graph::op::{BroadcastMode, PadInputs, PadMode, TileInputs};
use crate::graph::{Dims, Elements, Op, Value};
use crate::shape::context::{
    Context, RuleResult, broadcast, dim, dim_of, mismatch, normalize_axes, normalize_axis, text,
};
use crate::shape::dim::{Dim, DimList, Element};
use crate::shape::layout;
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::Broadcast(mode) => expand(*mode, context),
        Op::Tile(TileInputs::Repeats) => tile(context),
        Op::Tile(TileInputs::OneAxis) => tile_axis(context),
        Op::Pad(mode, PadInputs::Separate) => pad(context.ints(1)?, context.ints(2)?, (*mode, 3), context),
        Op::Pad(mode, PadInputs::Joined) => pad_axes(*mode, context),
        Op::CenterCropPad { axes } => center_crop_pad(axes.as_deref(), context),
        _ => Err(mismatch!("not a broadcast")),
    }
}

fn expand(mode: BroadcastMode, context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let data = context.shape(0)?;
    let target: DimList = context.integers(1)?.into_iter().map(dim_of).collect::<RuleResult<_>>()?;
    let is_exact = context.is_exact();
    let (dims, is_numpy) = match mode {
        BroadcastMode::Bidirectional if is_exact => (broadcast(&data, &target)?, true),
        BroadcastMode::Bidirectional => (context.broadcast_to(0, &target)?, true),
        BroadcastMode::Numpy => {
            let is_larger = |(joined, target): (&Dim, &Dim)| joined.differs(*target);
            if is_exact {
                let joined = broadcast(&data, &target)?;
                if joined.len() != target.len() || joined.iter().zip(&target).any(is_larger) {
                    return Err(mismatch!("shape {} does not broadcast to {}", text(&data), text(&target)));
                }
            }
            (target, true)
        }
        BroadcastMode::Pdpd(_) | BroadcastMode::Explicit => (target, false),
    };
    context.emit_shape(input.dtype, dims.iter().copied());
    let count = input.elements().filter(|&count| context.has_elements(0) && (is_numpy || count == 1));
    let sizes: Option<Dims> = dims.iter().map(|dim| dim.known()).collect();
    if let (Some(count), Some(sizes), Some(own)) = (count, sizes, &input.dims) {
        let from = if count == 1 { &[][..] } else { own };
        if let Some(offsets) = layout::offsets(&sizes, 0, &layout::broadcast_strides(from, sizes.len())) {
            context.pick_elements(0, &offsets);
        }
    }
    Ok(())
}

fn tile_axis(context: &mut Context<'_>) -> RuleResult {
    let mut dims = context.shape(0)?;
    let count = context.int(1)?;
    dim(count)?;
    let axis = normalize_axis(context.int(2)?, dims.len())?;
    if let Some(slot) = dims.get_mut(axis) {
        *slot = repeated(*slot, Element::Known(count))?;
    }
    context.emit_shape(context.dtype(0), dims);
    Ok(())
}

fn tile(context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let data = context.shape(0)?;
    let repeats = context.integers(1)?;
    let rank = data.len().max(repeats.len());
    let data_dims = || std::iter::repeat_n(Dim::Known(1), rank - data.len()).chain(data.iter().copied());
    let repeats = std::iter::repeat_n(Element::Known(1), rank - repeats.len()).chain(repeats.iter().copied());
    let all: DimList =
        data_dims().zip(repeats).map(|(dim, count)| repeated(dim, count)).collect::<RuleResult<_>>()?;
    let value = input.value.as_ref().and_then(|value| {
        let dims: Dims = all.iter().map(|dim| dim.known()).collect::<Option<_>>()?;
        // Where an element of the output comes from: its index, modulo the data's dims.
        let count = layout::small_count(&dims)?;
        let sizes: Dims = data_dims().map(|dim| dim.known()).collect::<Option<_>>()?;
        let strides = layout::strides(&sizes);
        let source = |mut position: u64| {
            let axes = dims.iter().zip(&sizes).zip(&strides).rev();
            axes.map(|((&dim, &size), &stride)| {
                let index = position % dim;
                position /= dim;
                (index % size) as usize * stride as usize
            })
            .sum()
        };
        layout::pick(value, (0..count as u64).map(source))
    });
    context.emit_shape(input.dtype, all);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

/// A dim repeated `count` times; a negative count is none.
fn repeated(dim: Dim, count: Element) -> RuleResult<Dim> {
    let times = match count {
        Element::Known(count) => Dim::Known(u64::try_from(count).unwrap_or(0)),
        count => dim_of(count)?,
    };
    dim.times(times).ok_or_else(|| mismatch!("{times} repeats of a dim of {dim} are too many"))
}

/// Begins and ends of the axes named, none elsewhere.
fn pad_axes(mode: PadMode, context: &mut Context<'_>) -> RuleResult {
    let rank = context.rank(0)?;
    let pads = context.ints(1)?;
    let (given_begin, given_end) = pads.split_at(pads.len() / 2);
    if !context.has(3) {
        return pad(given_begin, given_end, (mode, 2), context);
    }
    let axes = normalize_axes(context.ints(3)?, rank)?;
    if pads.len() != 2 * axes.len() {
        return Err(mismatch!("{} pads are given for {} axes", pads.len(), axes.len()));
    }
    let mut begin: SmallVec<[i64; 6]> = SmallVec::from_elem(0, rank);
    let mut end = begin.clone();
    for (&axis, (&first, &last)) in axes.iter().zip(given_begin.iter().zip(given_end)) {
        if let (Some(begin), Some(end)) = (begin.get_mut(axis), end.get_mut(axis)) {
            (*begin, *end) = (first, last);
        }
    }
    pad(&begin, &end, (mode, 2), context)
}

fn center_crop_pad(axes: Option<&[i64]>, context: &mut Context<'_>) -> RuleResult {
    let mut dims = context.shape(0)?;
    let shape = context.integers(1)?;
    let axes = match axes {
        Some(axes) => normalize_axes(axes, dims.len())?,
        None => (0..dims.len()).collect(),
    };
    if shape.len() != axes.len() {
        return Err(mismatch!("{} sizes are given for {} axes", shape.len(), axes.len()));
    }
    for (&axis, size) in axes.iter().zip(shape) {
        if let Some(slot) = dims.get_mut(axis) {
            *slot = dim_of(size)?;
        }
    }
    context.emit_shape(context.dtype(0), dims);
    Ok(())
}

/// Pads by `begin` and `end`; the input of number `fill` holds what a constant mode surrounds with, 0 if it is absent.
fn pad(begin: &[i64], end: &[i64], (mode, fill): (PadMode, usize), context: &mut Context<'_>) -> RuleResult {
    let (input, data) = (context.input(0)?, context.shape(0)?);
    for pads in [begin, end] {
        if pads.len() != data.len() {
            return Err(mismatch!(
                "{} pads are given for the {} dims of {}",
                pads.len(),
                data.len(),
                text(&data)
            ));
        }
    }
    let dims: DimList = data
        .iter()
        .zip(begin.iter().zip(end))
        .map(|(&dim, (&begin, &end))| {
            let pads = i128::from(begin) + i128::from(end);
            let Dim::Known(size) = dim else { return Ok(if pads == 0 { dim } else { Dim::Unknown }) };
            let padded = i128::from(size) + pads;
            u64::try_from(padded)
                .map(Dim::Known)
                .map_err(|_| mismatch!("pads of {begin} and {end} leave {padded} of a dim of {dim}"))
        })
        .collect::<RuleResult<_>>()?;
    let value = input.value.as_ref().filter(|_| mode == PadMode::Constant && context.is_exact());
    let value = value.and_then(|value| {
        let dims: Dims = dims.iter().map(|dim| dim.known()).collect::<Option<_>>()?;
        let sources = sources(input.dims.as_deref()?, begin, &dims)?;
        match &value.elements {
            Elements::Int(elements) => {
                let fill = if context.has(fill) { *context.ints(fill).ok()?.first()? } else { 0 };
                let at = |source: &Option<usize>| source.map_or(Some(fill), |at| elements.get(at).copied());
                Some(Value::ints(sources.iter().map(at).collect::<Option<Vec<_>>>()?))
            }
            Elements::Float(elements) => {
                let fill = if context.has(fill) { *context.floats(fill).ok()?.first()? } else { 0.0 };
                let at = |source: &Option<usize>| source.map_or(Some(fill), |at| elements.get(at).copied());
                Some(Value::floats(sources.iter().map(at).collect::<Option<Vec<_>>>()?))
            }
        }
    });
    context.emit_shape(input.dtype, dims);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

/// Where in the data each element of the padded tensor is; `None` for those around it.
fn sources(data: &[u64], begin: &[i64], dims: &[u64]) -> Option<Vec<Option<usize>>> {
    let strides = layout::strides(data);
    let source = |mut position: u64| {
        let mut source = 0_usize;
        for ((&dim, &size), (&begin, &stride)) in dims.iter().zip(data).zip(begin.iter().zip(&strides)).rev()
        {
            let index = i64::try_from(position % dim).ok()?.checked_sub(begin)?;
            position /= dim;
            let index = u64::try_from(index).ok().filter(|&index| index < size)?;
            let step = index.checked_mul(u64::try_from(stride).ok()?)?;
            source = source.checked_add(usize::try_from(step).ok()?)?;
        }
        Some(source)
    };
    let count = layout::small_count(dims)?;
    Some((0..count as u64).map(source).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::shape::Bound;
    use crate::shape::testing::{infer, *};

    #[test]
    fn numpy_broadcast_takes_the_target() {
        let op = || Op::Broadcast(BroadcastMode::Numpy);
        assert_eq!(dims(op(), &[f32(&[1, 3]), vector(&[2, 2, 3])]), [2, 2, 3]);
        for target in [&[2, 3][..], &[3], &[-1, 3]] {
            assert!(infer(op(), &[f32(&[5, 3]), vector(target)], 1).is_err(), "{target:?}");
        }
    }

    #[test]
    fn bidirectional_broadcast_joins() {
        let op = Op::Broadcast(BroadcastMode::Bidirectional);
        assert_eq!(dims(op, &[f32(&[5, 3]), vector(&[2, 1, 3])]), [2, 5, 3]);
    }

    #[test]
    fn explicit_broadcast_takes_the_target() {
        let op = Op::Broadcast(BroadcastMode::Explicit);
        assert_eq!(dims(op, &[f32(&[5]), vector(&[2, 5, 3]), vector(&[1])]), [2, 5, 3]);
    }

    #[test]
    fn broadcast_values_repeat() {
        let op = || Op::Broadcast(BroadcastMode::Numpy);
        assert_eq!(int_values(op(), &[scalar(7), vector(&[3])]), Some(vec![7, 7, 7]));
        let column = ints(DType::I64, &[2, 1], &[1, 2]);
        assert_eq!(int_values(op(), &[column, vector(&[2, 2])]), Some(vec![1, 1, 2, 2]));
        assert_eq!(int_values(op(), &[scalar(7), vector(&[5000])]), None);
    }

    #[test]
    fn a_bounded_target_bounds_the_output() {
        let out = output(Op::Broadcast(BroadcastMode::Numpy), &[f32(&[1, 3]), bounded(vector(&[9, 3]))]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[9, 3][..], Bound::UpperBound));
    }

    #[test]
    fn tiles_multiply_dims_and_repeat_values() {
        // OpenVINO 2026.4, `op.tile`: recorded answers.
        let table: [(&[i64], &[u64]); 5] = [
            (&[2, -1], &[4, 0]),
            (&[2], &[2, 6]),
            (&[], &[2, 3]),
            (&[5, 1, 2], &[5, 2, 6]),
            (&[0, 1], &[0, 3]),
        ];
        for (repeats, expected) in table {
            assert_eq!(
                dims(Op::Tile(TileInputs::Repeats), &[f32(&[2, 3]), vector(repeats)]),
                expected,
                "{repeats:?}"
            );
        }
        let data = ints(DType::I64, &[2, 1], &[1, 2]);
        assert_eq!(
            int_values(Op::Tile(TileInputs::Repeats), &[data, vector(&[2, 2])]),
            Some(vec![1, 1, 2, 2, 1, 1, 2, 2])
        );
        assert!(infer(Op::Tile(TileInputs::Repeats), &[f32(&[u64::MAX]), vector(&[2])], 1).is_err());
    }

    #[test]
    fn one_axis_is_repeated() {
        assert_eq!(dims(Op::Tile(TileInputs::OneAxis), &[f32(&[2, 3]), scalar(4), scalar(-1)]), [2, 12]);
        assert!(infer(Op::Tile(TileInputs::OneAxis), &[f32(&[2, 3]), scalar(4), scalar(2)], 1).is_err());
        assert!(
            infer(Op::Tile(TileInputs::OneAxis), &[f32(&[2, u64::MAX]), scalar(2), scalar(1)], 1).is_err()
        );
    }

    #[test]
    fn pads_add_and_cut() {
        assert_eq!(
            dims(
                Op::Pad(PadMode::Constant, PadInputs::Separate),
                &[f32(&[5, 3]), vector(&[1, 0]), vector(&[2, -1])]
            ),
            [8, 2]
        );
        for begin in [&[-6, 0][..], &[1], &[i64::MAX, 0]] {
            let result = infer(
                Op::Pad(PadMode::Constant, PadInputs::Separate),
                &[f32(&[5, 3]), vector(begin), vector(&[0, 0])],
                1,
            );
            assert!(result.is_err(), "{begin:?}");
        }
    }

    #[test]
    fn known_data_stays_known_between_constant_pads() {
        let pad = |mode, data, begin: &[i64], end: &[i64], fill| {
            int_values(Op::Pad(mode, PadInputs::Separate), &[data, vector(begin), vector(end), fill])
        };
        let constant = PadMode::Constant;
        assert_eq!(pad(constant, vector(&[7, 8]), &[1], &[2], scalar(5)), Some(vec![5, 7, 8, 5, 5]));
        assert_eq!(pad(constant, vector(&[7, 8, 9]), &[-1], &[1], None), Some(vec![8, 9, 0]));
        assert_eq!(pad(PadMode::Other, vector(&[7, 8]), &[1], &[0], None), None);
        assert_eq!(pad(constant, vector(&[7]), &[1], &[0], tensor(DType::I64, &[])), None);
        let grid = ints(DType::I64, &[2, 2], &[1, 2, 3, 4]);
        assert_eq!(pad(constant, grid, &[0, 1], &[-1, 0], scalar(9)), Some(vec![9, 1, 2]));
        let inputs = [vector(&[7]), vector(&[0, 2]), scalar(3), vector(&[-1])];
        assert_eq!(int_values(Op::Pad(constant, PadInputs::Joined), &inputs), Some(vec![7, 3, 3]));
    }

    #[test]
    fn pads_may_name_their_axes() {
        let run = |pads: &[i64], axes: Option<&[i64]>| {
            dims(
                Op::Pad(PadMode::Other, PadInputs::Joined),
                &[f32(&[2, 3, 4]), vector(pads), None, axes.and_then(vector)],
            )
        };
        assert_eq!(run(&[1, 0, 0, 0, 2, -1], None), [3, 5, 3]);
        assert_eq!(run(&[1, 2], Some(&[-1])), [2, 3, 7]);
        assert_eq!(run(&[1, 2, 3, 4], Some(&[2, 0])), [8, 3, 8]);
        let error = message(
            Op::Pad(PadMode::Other, PadInputs::Joined),
            &[f32(&[2, 3]), vector(&[1, 2, 3]), None, vector(&[0])],
        );
        assert_eq!(error, "3 pads are given for 1 axes");
    }

    #[test]
    fn crops_and_pads_give_the_size_asked_for() {
        let op = |axes: Option<&[i64]>| Op::CenterCropPad { axes: axes.map(Into::into) };
        assert_eq!(dims(op(None), &[f32(&[20, 10]), vector(&[10, 30])]), [10, 30]);
        assert_eq!(dims(op(Some(&[-1])), &[f32(&[20, 10]), vector(&[3])]), [20, 3]);
        assert!(message(op(None), &[f32(&[20, 10]), vector(&[3])]).contains("1 sizes are given for 2 axes"));
    }
}
