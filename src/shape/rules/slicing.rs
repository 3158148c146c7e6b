//! Operators that join tensors along an axis, or cut pieces out of one.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/movement/strided-slice-1.html>,
//! `movement/slice-8`, `concat-1`, `split-1`, `variadic-split-1`; ONNX
//! <https://onnx.ai/onnx/operators/onnx__Slice.html> (inputs since 10), `Concat`, `Split` (`num_outputs` since 18).
//!
//! * `Concat`: out[axis] = ∑ in[axis], all other dims equal.
//! * `Split`: out[axis] = data[axis] / parts; uneven: ceil, the last takes what is left.
//! * `VariadicSplit`: out[axis] = lengths; -1 is what is left; ≤ data[axis] where lengths depend on data.
//! * `Slice`: out[axis] = max(0, ceil((stop - start) / step)), negative bounds counted from the back, then clamped to
//!   [0, dim], or [-1, dim - 1] where the step is negative.
//! * `StridedSlice`: the same, per dim of the slice spec, with its masks.

use super::routing;
use crate::graph::op::StridedSlice;
use crate::graph::{Dims, Elements, Op, Value};
use crate::shape::context::{
    Context, MAX_VALUE_ELEMENTS, RuleError, RuleResult, dim, dim_of, mismatch, normalize_axis, text,
};
use crate::shape::dim::{Dim, DimList, Element, Symbol};
use crate::shape::{Bound, layout};
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::Concat { axis } => concat(*axis, context),
        Op::Split { parts, allow_uneven } => split(*parts, *allow_uneven, context),
        Op::VariadicSplit => variadic_split(context),
        Op::Slice => slice(context),
        Op::StridedSlice(masks) => strided_slice(masks, context),
        _ => Err(mismatch!("not a slice")),
    }
}

fn concat(axis: i64, context: &mut Context<'_>) -> RuleResult {
    let mut dims = context.shape(0)?;
    let axis = normalize_axis(axis, dims.len())?;
    for index in 1..context.n_inputs() {
        let own_bound = context.input(index)?.bound;
        let other = context.shape(index)?;
        if other.len() != dims.len() {
            return Err(mismatch!(
                "input {index} has the shape {}, and those before {}",
                text(&other),
                text(&dims)
            ));
        }
        for (position, (dim, &other_dim)) in dims.iter_mut().zip(&other).enumerate() {
            if position == axis {
                let sum = dim.plus(other_dim);
                *dim = sum.ok_or_else(|| mismatch!("the sum of dims {dim} and {other_dim} is too large"))?;
            } else if dim.differs(other_dim) {
                if context.is_exact() {
                    return Err(mismatch!(
                        "input {index} has {other_dim} at axis {position}, and those before {dim}; only axis {axis} may differ"
                    ));
                }
                *dim = if own_bound == Bound::Exact { other_dim } else { (*dim).max(other_dim) };
            } else {
                *dim = dim.meet(other_dim);
            }
        }
    }
    if let Some(most) = routing::most_of_parts(context, axis)
        && let Some(Dim::Known(sum)) = dims.get_mut(axis)
    {
        *sum = (*sum).min(most);
    }
    let known: Option<Dims> = dims.iter().map(|dim| dim.known()).collect();
    let value = known.as_ref().and_then(|dims| joined_values(context, dims, axis));
    let is_line = dims.len() == 1;
    context.emit_shape(context.dtype(0), dims);
    if let Some(value) = value {
        context.set_value(value);
    } else if context.is_symbolic() && is_line && known.is_some() {
        let parts = (0..context.n_inputs()).map(|index| context.integers(index).ok());
        if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
            context.set_integers(parts.into_iter().flatten().collect());
        }
    }
    Ok(())
}

fn joined_values(context: &Context<'_>, dims: &[u64], axis: usize) -> Option<Value> {
    layout::small_count(dims)?;
    let outer: u64 = dims.get(..axis)?.iter().product();
    let mut inputs = SmallVec::<[&Value; 8]>::new();
    for index in 0..context.n_inputs() {
        inputs.push(context.input(index).ok()?.value.as_ref()?);
    }
    let is_upper_bound = inputs.iter().any(|value| value.is_upper_bound);
    let chunk = |len: usize, row: u64| {
        let size = len.checked_div(usize::try_from(outer).ok()?)?;
        let start = size.checked_mul(row as usize)?;
        Some(start..start.checked_add(size)?)
    };
    let elements = if inputs.iter().all(|value| value.as_ints().is_some()) {
        let mut joined = SmallVec::new();
        for row in 0..outer {
            for value in &inputs {
                let values = value.as_ints()?;
                joined.extend_from_slice(values.get(chunk(values.len(), row)?)?);
            }
        }
        Elements::Int(joined)
    } else {
        let mut joined = SmallVec::new();
        for row in 0..outer {
            for value in &inputs {
                let values = value.to_floats();
                joined.extend_from_slice(values.get(chunk(values.len(), row)?)?);
            }
        }
        Elements::Float(joined)
    };
    Some(Value { elements, is_upper_bound })
}

fn split(parts: u32, allow_uneven: bool, context: &mut Context<'_>) -> RuleResult {
    let data = context.shape(0)?;
    let axis = normalize_axis(context.int(1)?, data.len())?;
    let (parts, whole) = (u64::from(parts), data.get(axis).copied().unwrap_or(Dim::Known(0)));
    let Dim::Known(whole) = whole else {
        let part = if parts == 1 { whole } else { Dim::Unknown };
        return emit_resized(context, axis, std::iter::repeat_n(part, context.n_outputs()));
    };
    if parts == 0 || (!allow_uneven && context.is_exact() && whole % parts != 0) {
        return Err(mismatch!("axis {axis} of {} cannot be split into {parts} equal parts", text(&data)));
    }
    let size = whole.div_ceil(parts);
    let mut start = 0;
    for _ in 0..parts.min(context.n_outputs() as u64) {
        let length = if allow_uneven { size.min(whole - start) } else { size };
        emit_part(context, axis, start, length)?;
        start += length;
    }
    Ok(())
}

fn variadic_split(context: &mut Context<'_>) -> RuleResult {
    let data = context.shape(0)?;
    let axis = normalize_axis(context.int(1)?, data.len())?;
    let whole = data.get(axis).copied().unwrap_or(Dim::Known(0));
    if let (Dim::Known(whole), true) = (whole, routing::lengths_depend_on_data(context)) {
        let parts: DimList =
            (0..context.n_outputs()).map(|_| Dim::Known(context.of_data(0, whole))).collect();
        return emit_resized(context, axis, parts);
    }
    let (Dim::Known(whole), Ok(lengths)) = (whole, context.ints(2)) else {
        let lengths = context.integers(2)?.into_iter().map(|length| match length {
            Element::Known(-1) => Ok(Dim::Unknown),
            length => dim_of(length),
        });
        let lengths = lengths.collect::<RuleResult<DimList>>()?;
        return emit_resized(context, axis, lengths.into_iter().take(context.n_outputs()));
    };
    let mut given = lengths.iter().filter(|&&length| length != -1);
    let given = given.try_fold(0_u64, |sum, &length| sum.checked_add(dim(length).ok()?));
    let n_free = lengths.iter().filter(|&&length| length == -1).count();
    let rest = given.and_then(|given| whole.checked_sub(given));
    let rest = match rest {
        Some(rest) if n_free == 1 || (n_free == 0 && rest == 0) => rest,
        // A bound may be shorter or longer than the parts together.
        _ if !context.is_exact() && n_free < 2 => rest.unwrap_or(0),
        _ => {
            return Err(mismatch!(
                "parts of {lengths:?} do not make up {whole}, axis {axis} of {}",
                text(&data)
            ));
        }
    };
    let mut start = 0_u64;
    for &length in lengths.iter().take(context.n_outputs()) {
        let length = if length == -1 { rest } else { dim(length)? };
        emit_part(context, axis, start, length)?;
        start = start.saturating_add(length);
    }
    Ok(())
}

/// Emits `length` indices of `axis` from `start`.
fn emit_part(context: &mut Context<'_>, axis: usize, start: u64, length: u64) -> RuleResult {
    let input = context.input(0)?;
    emit_resized(context, axis, [Dim::Known(length)])?;
    let picked = || {
        let data = input.dims.as_deref().filter(|_| context.has_elements(0))?;
        let mut dims = Dims::from_slice(data);
        *dims.get_mut(axis)? = length;
        let strides = layout::strides(data);
        let start = i64::try_from(start).ok()?.checked_mul(*strides.get(axis)?)?;
        layout::offsets(&dims, start, &strides)
    };
    if let Some(offsets) = picked() {
        context.pick_elements(0, &offsets);
    }
    Ok(())
}

/// Emits outputs like input 0, `axis` of which has one of `sizes`.
fn emit_resized(context: &mut Context<'_>, axis: usize, sizes: impl IntoIterator<Item = Dim>) -> RuleResult {
    let (dtype, data) = (context.dtype(0), context.shape(0)?);
    for size in sizes {
        let dims = data.iter().enumerate().map(|(index, &dim)| if index == axis { size } else { dim });
        context.emit_shape(dtype, dims);
    }
    Ok(())
}

/// What a slice keeps of one dim: `length` indices from `start` by `step`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cut {
    start: i64,
    step: i64,
    length: Dim,
}

impl Cut {
    fn whole(size: Dim) -> Cut {
        Cut { start: 0, step: 1, length: size }
    }
}

/// One bound of a slice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edge {
    /// The dim's own end in the direction of the step.
    Open,
    /// At this index; negative counts from the back.
    At(i64),
    /// At the size of this symbol.
    AtSymbol(Symbol),
    /// Unknown, or known as a bound only: it may be anywhere.
    Anywhere,
}

/// `start..stop` by `step` of a dim of which not all is a number.
///
/// The whole dim, or as much of a symbol as that symbol, is a symbol; so is what a symbol leaves of one that starts
/// at 0 and ends at a bound beyond any dim.
fn cut_symbol(size: Dim, start: Edge, stop: Edge, step: i64) -> RuleResult<Cut> {
    if step == 0 {
        return Err(mismatch!("the step of a slice must not be 0"));
    }
    let is_first = matches!(start, Edge::Open | Edge::At(0));
    let is_last = match stop {
        Edge::Open => true,
        Edge::At(stop) => stop >= NO_STOP,
        Edge::AtSymbol(symbol) => size == Dim::Symbol(symbol),
        Edge::Anywhere => false,
    };
    let is_empty = matches!(stop, Edge::At(0)) && start != Edge::Anywhere && step > 0;
    let length = match (start, stop) {
        _ if step == 1 && is_first && is_last => size,
        _ if is_empty => Dim::Known(0),
        _ => Dim::Unknown,
    };
    Ok(Cut { start: 0, step, length })
}

/// A stop that no dim reaches. Source: exports write the largest number of the index type.
const NO_STOP: i64 = i32::MAX as i64;

/// `start..stop` by `step` of a dim of `size`.
fn cut(size: Dim, start: Edge, stop: Edge, step: i64, is_symbolic: bool) -> RuleResult<Cut> {
    let is_open = |edge| matches!(edge, Edge::Anywhere | Edge::AtSymbol(_));
    let size = match size {
        Dim::Known(size) if !(is_symbolic && (is_open(start) || is_open(stop))) => size,
        _ => return cut_symbol(size, start, stop, step),
    };
    if step == 0 {
        return Err(mismatch!("the step of a slice must not be 0"));
    }
    let size = i64::try_from(size).map_err(|_| mismatch!("a dim of {size} is too large to be sliced"))?;
    let settle = |index: i64| if index < 0 { index.saturating_add(size) } else { index };
    let (first, last) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let start = match start {
        Edge::At(index) => settle(index).clamp(first, last),
        _ if step > 0 => 0,
        _ => size - 1,
    };
    let stop = match stop {
        Edge::At(index) => settle(index).clamp(first, last),
        _ if step > 0 => size,
        _ => -1,
    };
    let distance = if step > 0 { stop - start } else { start - stop };
    let length = u64::try_from(distance).map_or(0, |distance| distance.div_ceil(step.unsigned_abs()));
    Ok(Cut { start: start.max(0), step, length: Dim::Known(length) })
}

/// [`cut`], of length 0 at least where a bound depends on data.
fn kept(size: Dim, start: Edge, stop: Edge, step: i64, context: &mut Context<'_>) -> RuleResult<Cut> {
    let cut = cut(size, start, stop, step, context.is_symbolic())?;
    match (start == Edge::Anywhere || stop == Edge::Anywhere, cut.length) {
        (true, Dim::Known(most)) => Ok(Cut { length: Dim::Known(context.of_data(0, most)), ..cut }),
        _ => Ok(cut),
    }
}

/// The bounds in input `index`, one per spelt-out dim; [`Edge::Anywhere`] where they are unknown.
fn edges(context: &mut Context<'_>, index: usize, count: usize) -> RuleResult<SmallVec<[Edge; 6]>> {
    let is_bound = context.input(index)?.value.as_ref().is_some_and(|value| value.is_upper_bound);
    let edges: SmallVec<[Edge; 6]> = match context.ints(index) {
        // A stop that is at most n cuts no later than n; a bound on a start says nothing.
        Ok(values) if is_bound && index == STOP => {
            values.iter().map(|&value| if value >= 0 { Edge::At(value) } else { Edge::Anywhere }).collect()
        }
        Ok(values) if !is_bound => values.iter().map(|&value| Edge::At(value)).collect(),
        Ok(values) => values.iter().map(|_| Edge::Anywhere).collect(),
        Err(RuleError::UnknownValue(_)) if context.is_symbolic() => {
            let edge = |element| match element {
                Element::Known(value) => Edge::At(value),
                Element::Symbol(symbol) => Edge::AtSymbol(symbol),
                Element::Unknown => Edge::Anywhere,
            };
            context.integers(index)?.into_iter().map(edge).collect()
        }
        // `kept` determines the least length.
        Err(RuleError::UnknownValue(_)) => {
            context.of_data(0, 0);
            SmallVec::from_elem(Edge::Anywhere, count)
        }
        Err(error) => return Err(error),
    };
    if edges.len() != count {
        return Err(mismatch!("input {index} has {} elements instead of {count}", edges.len()));
    }
    Ok(edges)
}

const STOP: usize = 2;

/// Number of elements of the vector (or scalar) at input `index`.
fn length(context: &Context<'_>, index: usize) -> RuleResult<usize> {
    let count = context.input(index)?.elements().ok_or(RuleError::UnknownShape(index))?;
    match usize::try_from(count) {
        Ok(count) if count as u64 <= MAX_VALUE_ELEMENTS => Ok(count),
        _ => Err(mismatch!("input {index} has {count} elements, more than a tensor has dims")),
    }
}

fn slice(context: &mut Context<'_>) -> RuleResult {
    let data = context.shape(0)?;
    let count = length(context, 1)?;
    let axes: SmallVec<[usize; 6]> = if context.has(4) {
        crate::shape::context::normalize_axes(context.ints(4)?, data.len())?
    } else if count <= data.len() {
        (0..count).collect()
    } else {
        return Err(mismatch!("{count} bounds are given for the {} dims of {}", data.len(), text(&data)));
    };
    if axes.len() != count {
        return Err(mismatch!("{} axes and {count} bounds are given", axes.len()));
    }
    let (starts, stops) = (edges(context, 1, count)?, edges(context, STOP, count)?);
    let steps = if context.has(3) { context.ints(3)? } else { &[] };
    if context.has(3) && steps.len() != count {
        return Err(mismatch!("{} steps and {count} bounds are given", steps.len()));
    }
    let mut cuts: SmallVec<[Cut; 6]> = data.iter().map(|&size| Cut::whole(size)).collect();
    for (index, (&axis, (&start, &stop))) in axes.iter().zip(starts.iter().zip(&stops)).enumerate() {
        let step = steps.get(index).copied().unwrap_or(1);
        if let (Some(slot), Some(&size)) = (cuts.get_mut(axis), data.get(axis)) {
            *slot = kept(size, start, stop, step, context)?;
        }
    }
    let dims = cuts.iter().map(|cut| cut.length).collect();
    emit_cuts(context, dims, &cuts)
}

fn strided_slice(masks: &StridedSlice, context: &mut Context<'_>) -> RuleResult {
    let data = context.shape(0)?;
    let count = length(context, 1)?;
    let (begins, ends) = (edges(context, 1, count)?, edges(context, STOP, count)?);
    let strides = if context.has(3) { context.ints(3)? } else { &[] };
    if context.has(3) && strides.len() != count {
        return Err(mismatch!("{} strides and {count} bounds are given", strides.len()));
    }
    let is_set = |mask: &[i64], index: usize| mask.get(index) == Some(&1);
    let is_new = |index: usize| is_set(&masks.new_axis_mask, index);
    let ellipsis = (0..count).filter(|&index| is_set(&masks.ellipsis_mask, index));
    let ellipsis: SmallVec<[usize; 2]> = ellipsis.collect();
    if ellipsis.len() > 1 {
        return Err(mismatch!("a slice may have one ellipsis, and has {}", ellipsis.len()));
    }
    let n_spelt = (0..count).filter(|&index| !is_new(index) && !ellipsis.contains(&index)).count();
    let n_hidden = data.len().checked_sub(n_spelt).ok_or_else(|| {
        mismatch!("the slice spells out {n_spelt} dims, and the data {} has {}", text(&data), data.len())
    })?;

    let is_symbolic = context.is_symbolic();
    let mut dims = DimList::new();
    let mut cuts = SmallVec::<[Cut; 6]>::new();
    let mut sizes = data.iter().copied();
    for index in 0..count {
        if ellipsis.contains(&index) {
            for size in sizes.by_ref().take(n_hidden) {
                dims.push(size);
                cuts.push(Cut::whole(size));
            }
            continue;
        }
        if is_new(index) {
            dims.push(Dim::Known(1));
            continue;
        }
        let Some(size) = sizes.next() else { continue };
        let edge = |edges: &[Edge]| edges.get(index).copied().unwrap_or(Edge::Anywhere);
        let begin = if is_set(&masks.begin_mask, index) { Edge::Open } else { edge(&begins) };
        if is_set(&masks.shrink_axis_mask, index) {
            let start = match begin {
                Edge::At(start) => cut(size, Edge::At(start), Edge::Open, 1, is_symbolic)?.start,
                _ => 0,
            };
            let is_placed = !is_symbolic || matches!(begin, Edge::At(_) | Edge::Open);
            let length = if is_placed { Dim::Known(1) } else { Dim::Unknown };
            cuts.push(Cut { start, step: 1, length });
            continue;
        }
        let end = if is_set(&masks.end_mask, index) { Edge::Open } else { edge(&ends) };
        let kept = kept(size, begin, end, strides.get(index).copied().unwrap_or(1), context)?;
        dims.push(kept.length);
        cuts.push(kept);
    }
    for size in sizes {
        dims.push(size);
        cuts.push(Cut::whole(size));
    }
    emit_cuts(context, dims, &cuts)
}

/// Emits what the cuts keep of input 0, in a tensor of `dims` (the cuts' lengths, with ones put in or left out).
fn emit_cuts(context: &mut Context<'_>, dims: DimList, cuts: &[Cut]) -> RuleResult {
    let input = context.input(0)?;
    let picked = || {
        if !context.has_elements(0) || !context.is_exact() {
            return None;
        }
        let lengths: Dims = cuts.iter().map(|cut| cut.length.known()).collect::<Option<_>>()?;
        let mut start = 0_i64;
        let mut steps = layout::Strides::new();
        for (cut, stride) in cuts.iter().zip(layout::strides(input.dims.as_deref()?)) {
            start = start.checked_add(cut.start.checked_mul(stride)?)?;
            steps.push(cut.step.checked_mul(stride)?);
        }
        layout::offsets(&lengths, start, &steps)
    };
    let picked = picked();
    context.emit_shape(input.dtype, dims);
    if let Some(offsets) = picked {
        context.pick_elements(0, &offsets);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
