//! Operators that make shapes, indices and fresh tensors.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/shape/shape-of-3.html>,
//! `generation/range-4` (and `-1`), `condition/nonzero-3`, `movement/unique-10`, `sort/top-k-11` (and `-1`, `-3`),
//! `sequence/one-hot-1`, `generation/eye-9`, `generation/random-uniform-8`, `generation/multinomial-13`,
//! `condition/bucketize-3`, `sort/search-sorted-15`; ONNX <https://onnx.ai/onnx/operators/onnx__Shape.html> (`start` and
//! `end` since 15), `Size`, `Range` (11), `NonZero` (9), `Unique` (11), `OneHot` (9),
//! `EyeLike`, `ConstantOfShape` (9), `Random*`, `Multinomial`.
//!
//! * `ShapeOf`: [rank], the dims as value. `SizeOf`: scalar, ∏ dims.
//! * `Range`: [max(0, ceil((stop - start) / step))], inputs cut to the output's type first if that is integral.
//! * `NonZero`: [rank, ≤ ∏ data], of one expert's part of a router's choice ≤ tokens; a scalar counts as a vector of one.
//! * `Unique`: [≤ ∏ data], or data with ≤ dim at the axis; the inverse has one index per element. `UniqueOfVector`:
//!   the same without first indices, ONNX Runtime's.
//! * `OneHot`: indices with depth put in at the axis. `Eye`: batch ++ [rows, columns].
//! * `MelWeightMatrix`: [dft_length / 2 + 1, bins].
//! * `FromShape`: the shape given. `Multinomial`: [batch, samples]. `Bucketize`, `SearchSorted`: as what is looked up.

use super::routing;
use crate::DType;
use crate::graph::{Dims, Elements, Op, Value};
use crate::shape::context::{
    Context, MAX_VALUE_ELEMENTS, RuleError, RuleResult, dim, dim_of, mismatch, normalize_axis,
};
use crate::shape::dim::{Dim, DimList, Element};
use crate::shape::{Bound, TensorInfo, arithmetic, integers, layout};
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::ShapeOf { to, start, end } => shape_of(*to, *start, *end, context),
        Op::SizeOf => size_of(context),
        Op::Range { to } => range(*to, context),
        Op::NonZero { to } => non_zero(*to, context),
        Op::Unique { index_type, count_type } => unique([*index_type, *count_type], true, context),
        Op::UniqueOfVector => unique([DType::I64; 2], false, context),
        Op::OneHot { axis } => one_hot(*axis, context),
        Op::Eye { to } => eye(*to, context),
        Op::FromShape { to, fill } => from_shape(*to, fill.value(), context),
        Op::Multinomial { to } => multinomial(*to, context),
        Op::Bucketize { to } => {
            context.emit_like(0)?;
            context.set_dtype(*to);
            Ok(())
        }
        Op::MelWeightMatrix { to } => {
            let (bins, length) = (dim(context.int(0)?)?, dim(context.int(1)?)?);
            context.emit(*to, [length / 2 + 1, bins]);
            Ok(())
        }
        Op::SearchSorted { to } => {
            context.emit_like(1)?;
            context.set_dtype(*to);
            Ok(())
        }
        _ => Err(mismatch!("not a source")),
    }
}

fn shape_of(to: DType, start: i64, end: Option<i64>, context: &mut Context<'_>) -> RuleResult {
    let dims = context.shape(0)?;
    let rank = dims.len() as i64;
    let settle = |index: i64| {
        let settled = if index < 0 { index.saturating_add(rank) } else { index };
        settled.clamp(0, rank) as usize
    };
    let (start, end) = (settle(start), settle(end.unwrap_or(rank)));
    let kept = dims.get(start..end).unwrap_or(&[]);
    context.emit_exact(to, [kept.len() as u64]);
    set_sizes(context, to, kept)
}

fn size_of(context: &mut Context<'_>) -> RuleResult {
    let dims = context.shape(0)?;
    let elements = match context.input(0)?.elements() {
        Some(elements) => Dim::Known(elements),
        None => {
            dims.iter().try_fold(Dim::Known(1), |product, &dim| product.times(dim)).unwrap_or(Dim::Unknown)
        }
    };
    context.emit_exact(DType::I64, []);
    set_sizes(context, DType::I64, &[elements])
}

/// Gives the output emitted last sizes of input 0 as value.
fn set_sizes(context: &mut Context<'_>, to: DType, sizes: &[Dim]) -> RuleResult {
    let is_upper_bound = context.input(0)?.bound == Bound::UpperBound;
    let wrapped = |&size: &Dim| arithmetic::wrap(to, i64::try_from(size.known()?).ok()?);
    if let Some(elements) = sizes.iter().map(wrapped).collect::<Option<_>>() {
        context.set_value(Value { elements: Elements::Int(elements), is_upper_bound });
    } else if context.is_symbolic() && !is_upper_bound {
        let element = |&size: &Dim| size.element().map(|element| integers::convert(element, to));
        if let Some(elements) = sizes.iter().map(element).collect() {
            context.set_integers(elements);
        }
    }
    Ok(())
}

fn range(to: Option<DType>, context: &mut Context<'_>) -> RuleResult {
    let dtype = to.unwrap_or(context.dtype(0));
    if context.is_symbolic() && (0..3).any(|index| context.value(index).is_none()) {
        return symbolic_range(dtype, context);
    }
    let mut bounds = SmallVec::<[Value; 3]>::new();
    for index in 0..3 {
        let value = context.value(index).ok_or(RuleError::UnknownValue(index))?;
        if value.len() != 1 {
            return Err(mismatch!("input {index} must have one element, and has {}", value.len()));
        }
        let cut = if dtype.is_integral() { arithmetic::convert(value, dtype) } else { Some(value.clone()) };
        bounds.push(cut.ok_or_else(|| mismatch!("input {index} does not fit the type {dtype}"))?);
    }
    let [start, stop, step] = bounds.as_slice() else { return Err(RuleError::UnknownValue(0)) };
    let is_ascending = step.to_floats().first().is_some_and(|&step| step > 0.0);
    // Only the end that a larger number moves outwards may be a bound.
    let (fixed, at) = if is_ascending { (start, 0) } else { (stop, 1) };
    if fixed.is_upper_bound || step.is_upper_bound {
        return Err(RuleError::UnknownValue(at));
    }
    let count = match (start.as_ints(), stop.as_ints(), step.as_ints()) {
        (Some(&[start]), Some(&[stop]), Some(&[step])) => count_ints(start, stop, step)?,
        _ => count_floats(start, stop, step)?,
    };
    context.emit(dtype, [count]);
    if context.is_exact() && count <= MAX_VALUE_ELEMENTS {
        let value = match (start.as_ints(), step.as_ints()) {
            (Some(&[start]), Some(&[step])) => {
                let element = |index: u64| start.wrapping_add(step.wrapping_mul(index as i64));
                arithmetic::convert(&Value::ints((0..count).map(element)), dtype)
            }
            _ => {
                let (start, step) = (only(start)?, only(step)?);
                let element = |index: u64| dtype.round_float(start + step * index as f64);
                Some(Value::floats((0..count).map(element)))
            }
        };
        if let Some(value) = value {
            context.set_value(value);
        }
    }
    Ok(())
}

/// A range of which a bound is not known: from 0 by 1 it is as long as its end.
fn symbolic_range(dtype: DType, context: &mut Context<'_>) -> RuleResult {
    let only = |index| match context.integers(index).as_deref() {
        Ok(&[element]) => element,
        _ => Element::Unknown,
    };
    let count = match [only(0), only(1), only(2)] {
        [Element::Known(0), Element::Symbol(symbol), Element::Known(1)] => Dim::Symbol(symbol),
        _ => Dim::Unknown,
    };
    context.emit_shape(dtype, [count]);
    Ok(())
}

fn only(value: &Value) -> RuleResult<f64> {
    value.to_floats().first().copied().ok_or_else(|| mismatch!("a bound of a range has no element"))
}

fn count_ints(start: i64, stop: i64, step: i64) -> RuleResult<u64> {
    if step == 0 {
        return Err(mismatch!("the step of a range must not be 0"));
    }
    let distance = (i128::from(stop) - i128::from(start)) * i128::from(step.signum());
    let count = distance.max(0).unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
    u64::try_from(count).map_err(|_| mismatch!("a range of {count} elements is too long"))
}

fn count_floats(start: &Value, stop: &Value, step: &Value) -> RuleResult<u64> {
    let (start, stop, step) = (only(start)?, only(stop)?, only(step)?);
    let count = ((stop - start) / step).ceil();
    if step == 0.0 || !count.is_finite() {
        return Err(mismatch!("a range from {start} to {stop} by {step} does not end"));
    }
    Ok(count.max(0.0) as u64)
}

fn non_zero(to: DType, context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let rank = context.rank(0)?.max(1);
    if input.dims.is_none() {
        context.emit_shape(to, [Dim::Known(rank as u64), Dim::Unknown]);
        return Ok(());
    }
    let data = context.dims(0)?;
    if let Some(value) = input.value.as_ref().filter(|value| !value.is_upper_bound) {
        let found: SmallVec<[usize; 8]> = match &value.elements {
            Elements::Int(values) => positions(values, |&value| value != 0),
            Elements::Float(values) => positions(values, |&value| value != 0.0),
        };
        let mut coordinates: SmallVec<[i64; 4]> = SmallVec::new();
        let line = [value.len() as u64];
        let data = if data.is_empty() { &line } else { data };
        for (stride, &size) in layout::strides(data).into_iter().zip(data) {
            coordinates.extend(found.iter().map(|&at| at as i64 / stride.max(1) % (size as i64).max(1)));
        }
        context.emit(to, [rank as u64, found.len() as u64]);
        context.set_value(Value { elements: Elements::Int(coordinates), is_upper_bound: false });
        return Ok(());
    }
    let elements = input.elements().ok_or(RuleError::UnknownShape(0))?;
    let most = routing::most_of_one_expert(context).map_or(elements, |most| most.min(elements));
    let found = context.of_data(0, most);
    context.emit(to, [rank as u64, found]);
    Ok(())
}

fn positions<T>(values: &[T], test: impl Fn(&T) -> bool) -> SmallVec<[usize; 8]> {
    values.iter().enumerate().filter(|(_, value)| test(value)).map(|(at, _)| at).collect()
}

/// With `gives_first` the second output is where each value occurs first; without it that output is not there.
fn unique([index_type, count_type]: [DType; 2], gives_first: bool, context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let data = context.dims(0)?;
    let axis = if context.has(1) { Some(normalize_axis(context.int(1)?, data.len())?) } else { None };
    let whole = match axis.and_then(|axis| data.get(axis)) {
        Some(&size) => size,
        None => input.elements().ok_or(RuleError::UnknownShape(0))?,
    };
    let is_line = axis.is_none() || data.len() == 1;
    let known = input.value.as_ref().filter(|value| is_line && !value.is_upper_bound);
    let inverse_bound = if context.is_exact() { Bound::Exact } else { Bound::UpperBound };
    let count = match known {
        Some(value) => distinct(value),
        None => context.of_data(whole.min(1), whole),
    };
    let mut dims: Dims = if axis.is_some() { data.into() } else { Dims::from_slice(&[count]) };
    if let Some(slot) = axis.and_then(|axis| dims.get_mut(axis)) {
        *slot = count;
    }
    context.emit(input.dtype, dims);
    if gives_first {
        context.emit(index_type, [count]);
    }
    context.emit_info(TensorInfo { bound: inverse_bound, ..TensorInfo::known(index_type, [whole]) });
    context.emit(count_type, [count]);
    Ok(())
}

fn distinct(value: &Value) -> u64 {
    let mut bits: Vec<u64> = match &value.elements {
        Elements::Int(values) => values.iter().map(|&value| value as u64).collect(),
        // Both zeros are one number.
        Elements::Float(values) => values.iter().map(|&value| (value + 0.0).to_bits()).collect(),
    };
    bits.sort_unstable();
    bits.dedup();
    bits.len() as u64
}

fn one_hot(axis: i64, context: &mut Context<'_>) -> RuleResult {
    let indices = context.shape(0)?;
    let axis = normalize_axis(axis, indices.len() + 1)?;
    let rank = indices.len();
    let mut dims = indices;
    // ONNX takes a depth of any number type.
    let depth = context.input(1)?.value.as_ref().and_then(|value| arithmetic::convert(value, DType::I64));
    let depth = depth.as_ref().and_then(Value::as_ints).ok_or(RuleError::UnknownValue(1))?;
    let &[depth] = depth else {
        return Err(mismatch!("input 1 must have one element, and has {}", depth.len()));
    };
    // If the depth is a bound, it is reported as one.
    context.value(1);
    dims.insert(axis.min(rank), Dim::Known(dim(depth)?));
    let known: Option<Dims> = dims.iter().map(|dim| dim.known()).collect();
    let value = known.and_then(|dims| one_hot_value(context, &dims, axis));
    context.emit_shape(context.dtype(2), dims);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

/// The integers of a `OneHot`, where indices and both levels are known.
fn one_hot_value(context: &Context<'_>, dims: &[u64], axis: usize) -> Option<Value> {
    let ints =
        |index| context.input(index).ok()?.value.as_ref().filter(|value| !value.is_upper_bound)?.as_ints();
    // ONNX gives [off, on] in one input, OpenVINO on and off in two.
    let (on, off) = match (ints(2)?, context.has(3)) {
        (&[off, on], false) => (on, off),
        (&[on], true) => (on, *ints(3)?.first()?),
        _ => return None,
    };
    let (indices, depth) = (ints(0)?, i64::try_from(*dims.get(axis)?).ok()?);
    let elements = layout::small_count(dims)?;
    let inner = layout::small_count(dims.get(axis + 1..)?)?.max(1);
    let stride = inner.checked_mul(usize::try_from(depth).ok()?)?;
    let settle = |index: i64| if index < 0 { index.saturating_add(depth) } else { index };
    let level = |at: usize| {
        let index = indices.get(at / stride.max(1) * inner + at % inner)?;
        let position = (at / inner) as i64 % depth.max(1);
        // What does not count from either end is not the same in all runtimes.
        (-depth..depth).contains(index).then(|| if settle(*index) == position { on } else { off })
    };
    (0..elements).map(level).collect::<Option<Vec<_>>>().map(Value::ints)
}

fn eye(to: DType, context: &mut Context<'_>) -> RuleResult {
    let mut dims = Dims::new();
    if context.has(3) {
        for &size in context.ints(3)? {
            dims.push(dim(size)?);
        }
    }
    let rows = dim(context.int(0)?)?;
    let columns = if context.has(1) { dim(context.int(1)?)? } else { rows };
    dims.extend([rows, columns]);
    context.emit(to, dims);
    Ok(())
}

fn from_shape(to: Option<DType>, fill: Option<&Value>, context: &mut Context<'_>) -> RuleResult {
    let dims: DimList = context.integers(0)?.into_iter().map(dim_of).collect::<RuleResult<_>>()?;
    let known: Option<Dims> = dims.iter().map(|dim| dim.known()).collect();
    let fill = fill.filter(|fill| fill.len() == 1).zip(known);
    let value = fill.and_then(|(fill, dims)| layout::broadcast(fill, &[], &dims));
    context.emit_shape(to.unwrap_or(context.dtype(1)), dims);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

fn multinomial(to: DType, context: &mut Context<'_>) -> RuleResult {
    let probabilities = context.shape(0)?;
    let batch = probabilities.split_last().map_or(&[][..], |(_, batch)| batch);
    let samples = Dim::Known(dim(context.int(1)?)?);
    context.emit_shape(to, batch.iter().copied().chain([samples]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op;
    use crate::shape::testing::{infer, *};

    #[test]
    fn shapes_become_values() {
        let op = |start, end| Op::ShapeOf { to: DType::I32, start, end };
        let out = output(op(0, None), &[f32(&[2, 3, 4])]);
        assert_eq!((out.dtype, out.value), (DType::I32, Some(Value::ints([2, 3, 4]))));
        assert_eq!(int_values(op(-2, Some(100)), &[f32(&[2, 3, 4])]), Some(vec![3, 4]));
        assert_eq!(int_values(op(2, Some(1)), &[f32(&[2, 3, 4])]), Some(vec![]));
        assert_eq!(int_values(op(i64::MIN, Some(i64::MIN)), &[f32(&[2])]), Some(vec![]));
        assert_eq!(int_values(Op::SizeOf, &[f32(&[2, 3, 4])]), Some(vec![24]));
    }

    #[test]
    fn the_shape_of_a_bound_is_exact_and_its_value_a_bound() {
        let out = output(Op::ShapeOf { to: DType::I64, start: 0, end: None }, &[at_most(DType::F32, &[9])]);
        assert_eq!(out.bound, Bound::Exact);
        assert_eq!(out.value, Some(Value { is_upper_bound: true, ..Value::ints([9]) }));
    }

    #[test]
    fn ranges_count_and_list() {
        // OpenVINO 2026.4, `op.range`: recorded answers.
        let table = [(0, 5, 2, 3), (0, -5, 1, 0), (10, 0, -3, 4), (0, 5, 5, 1)];
        for (start, stop, step, expected) in table {
            let inputs = [scalar(start), scalar(stop), scalar(step)];
            assert_eq!(dims(Op::Range { to: None }, &inputs), [expected], "{start} {stop} {step}");
        }
        let inputs = [scalar(10), scalar(0), scalar(-3)];
        assert_eq!(int_values(Op::Range { to: None }, &inputs), Some(vec![10, 7, 4, 1]));
        assert!(infer(Op::Range { to: None }, &[scalar(0), scalar(1), scalar(0)], 1).is_err());
        let inputs = [scalar(i64::MIN), scalar(i64::MAX), scalar(1)];
        assert!(infer(Op::Range { to: None }, &inputs, 1).unwrap_err().is_limit());
    }

    #[test]
    fn ranges_of_floats_are_cut_only_for_integral_results() {
        let inputs = |start: f64, stop: f64, step: f64, dtype: DType| {
            [start, stop, step].map(|value| floats(dtype, &[], &[dtype.round_float(value)]))
        };
        let op = |to| Op::Range { to: Some(to) };
        assert_eq!(dims(op(DType::I64), &inputs(0.5, 5.6, 1.0, DType::F32)), [5]);
        assert_eq!(dims(op(DType::F32), &inputs(0.5, 5.6, 1.0, DType::F32)), [6]);
        assert_eq!(dims(op(DType::I64), &inputs(0.9, 5.9, 1.9, DType::F32)), [5]);
        assert_eq!(dims(op(DType::F16), &inputs(0.0, 1.0, 0.1, DType::F16)), [11]);
        assert_eq!(dims(op(DType::F32), &inputs(0.0, 1.0, 0.1, DType::F32)), [10]);
        assert!(infer(op(DType::F32), &inputs(0.0, 1.0, 0.0, DType::F32), 1).is_err());
        assert!(infer(op(DType::F32), &inputs(0.0, f64::NAN, 1.0, DType::F32), 1).is_err());
    }

    #[test]
    fn a_bounded_stop_bounds_the_range() {
        let out = output(Op::Range { to: None }, &[scalar(0), bounded(scalar(9)), scalar(1)]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound, out.value), (&[9][..], Bound::UpperBound, None));
        assert!(infer(Op::Range { to: None }, &[bounded(scalar(3)), scalar(9), scalar(1)], 1).is_err());
    }

    #[test]
    fn non_zero_is_exact_for_known_data() {
        let op = || Op::NonZero { to: DType::I64 };
        let out = output(op(), &[f32(&[2, 3])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[2, 6][..], Bound::UpperBound));
        let out = output(op(), &[ints(DType::I64, &[2, 2], &[0, 5, 6, 7])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[2, 3][..], Bound::Exact));
        assert_eq!(out.value, Some(Value::ints([0, 1, 1, 1, 0, 1])));
        assert_eq!(dims(op(), &[scalar(5)]), [1, 1]);
        assert_eq!(dims(op(), &[scalar(0)]), [1, 0]);
    }

    #[test]
    fn unique_bounds_all_but_the_inverse() {
        let op = || Op::Unique { index_type: DType::I64, count_type: DType::I32 };
        let outputs = infer(op(), &[f32(&[2, 3])], 4).unwrap();
        let bounds: Vec<_> = outputs.iter().map(|output| output.bound).collect();
        assert_eq!(bounds, [Bound::UpperBound, Bound::UpperBound, Bound::Exact, Bound::UpperBound]);
        assert_eq!(all_dims(op(), &[f32(&[2, 3]), scalar(1)], 4), [&[2, 3][..], &[3], &[3], &[3]]);
        assert_eq!(all_dims(op(), &[vector(&[1, 2, 2])], 4), [[2], [2], [3], [2]]);
        assert_eq!(outputs[3].dtype, DType::I32);
        // As ONNX Runtime 1.31.1 gives them.
        assert_eq!(all_dims(Op::UniqueOfVector, &[vector(&[1, 2, 2])], 3), [[2], [3], [2]]);
    }

    #[test]
    fn fresh_tensors_take_their_shape_from_values() {
        let one_hot = |axis| Op::OneHot { axis };
        let inputs = [tensor(DType::I64, &[3, 5]), scalar(4), floats(DType::F32, &[], &[1.0]), f32(&[])];
        assert_eq!(dims(one_hot(-2), &inputs), [3, 4, 5]);
        assert_eq!(output(one_hot(-1), &inputs).dtype, DType::F32);
        assert!(infer(one_hot(3), &inputs, 1).is_err());
        let eye = Op::Eye { to: DType::F32 };
        assert_eq!(dims(eye, &[scalar(3), scalar(4), scalar(0), vector(&[2, 5])]), [2, 5, 3, 4]);
        let multinomial = Op::Multinomial { to: DType::I64 };
        assert_eq!(dims(multinomial, &[f32(&[2, 5]), scalar(7)]), [2, 7]);
        let filled = Op::FromShape {
            to: Some(DType::I64),
            fill: op::Fill::Constant(Some(Box::new(Value::ints([7])))),
        };
        assert_eq!(int_values(filled.clone(), &[vector(&[2, 1])]), Some(vec![7, 7]));
        assert!(infer(filled, &[vector(&[-1])], 1).is_err());
    }

    #[test]
    fn lookups_follow_what_is_looked_up() {
        let out = output(Op::Bucketize { to: DType::I32 }, &[f32(&[3, 2]), f32(&[5])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.dtype), (&[3, 2][..], DType::I32));
        assert_eq!(dims(Op::SearchSorted { to: DType::I64 }, &[f32(&[3, 5]), f32(&[3, 2])]), [3, 2]);
    }

    #[test]
    fn known_indices_give_known_one_hots() {
        let one_hot = |axis| Op::OneHot { axis };
        let inputs = [vector(&[2, -3]), scalar(3), vector(&[1, 7])];
        assert_eq!(int_values(one_hot(-1), &inputs), Some(vec![1, 1, 7, 7, 1, 1]));
        assert_eq!(int_values(one_hot(0), &inputs), Some(vec![1, 7, 1, 1, 7, 1]));
        let apart = [vector(&[0]), scalar(2), scalar(5), scalar(4)];
        assert_eq!(int_values(one_hot(-1), &apart), Some(vec![5, 4]));
        let outside = [vector(&[3]), scalar(3), vector(&[0, 1])];
        assert_eq!(int_values(one_hot(-1), &outside), None);
    }

    #[test]
    fn depths_of_any_number_type() {
        let inputs = [tensor(DType::I64, &[3]), floats(DType::F32, &[], &[10.0]), f32(&[2])];
        assert_eq!(dims(Op::OneHot { axis: -1 }, &inputs), [3, 10]);
    }

    #[test]
    fn mel_weights_are_a_matrix_of_half_spectra() {
        let op = Op::MelWeightMatrix { to: DType::F32 };
        assert_eq!(dims(op, &[scalar(8), scalar(16), scalar(8192)]), [9, 8]);
    }
}
