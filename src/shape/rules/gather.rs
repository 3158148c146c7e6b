//! Operators that read or write elements at given indices.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/movement/gather-8.html>
//! (and `-1`, `-7`), `movement/gather-elements-6`, `movement/gather-nd-8` (and `-5`), `movement/gather-tree-1`,
//! `movement/scatter-update-3`, `-elements-update-3` and `-12`, `-nd-update-3` and `-15`; ONNX
//! <https://onnx.ai/onnx/operators/onnx__Gather.html>, `GatherElements`, `GatherND`, `Scatter*`.
//!
//! * `Gather`: out = data[..axis] ++ indices[batch..] ++ data[axis + 1..].
//! * `GatherBlockQuantized` of ONNX Runtime: the same along data whose last dim holds bytes of several elements.
//! * `GatherElements`: out = indices. `GatherTree`: out = step_ids. `Scatter*`: out = data.
//! * `Compress`: out[axis] = the number of true conditions, at most those that there are.
//! * `GatherND`: n = indices[last]; out = indices[..last] ++ data[batch + n..]; flattened, its batch dims are one.

use crate::graph::op::Scatter;
use crate::graph::{self, Dims, Elements, Op, Value};
use crate::shape::context::{Context, RuleError, RuleResult, dim, mismatch, normalize_axis, text};
use crate::shape::dim::{Dim, DimList};
use crate::shape::{TensorInfo, layout};
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::Gather { batch_dims } => gather(*batch_dims, context),
        Op::GatherElements => gather_elements(context),
        Op::GatherNd { batch_dims, flatten_batch_dims } => {
            gather_nd(*batch_dims, *flatten_batch_dims, context)
        }
        Op::Scatter(kind) => scatter(*kind, context),
        Op::Compress { axis } => compress(*axis, context),
        Op::GatherQuantized { axis, bits } => gather_quantized(*axis, *bits, context),
        // GatherTree.
        _ => {
            context.emit_like(0)?;
            Ok(())
        }
    }
}

fn gather(batch_dims: i64, context: &mut Context<'_>) -> RuleResult {
    let (data, indices) = (context.shape(0)?, context.shape(1)?);
    let axis = match context.int(2) {
        // A list has one axis, known or not.
        Err(RuleError::UnknownValue(_)) if data.len() == 1 => 0,
        Err(RuleError::UnknownValue(index)) => {
            declared_axis(context, indices.len()).ok_or(RuleError::UnknownValue(index))?
        }
        axis => normalize_axis(axis?, data.len())?,
    };
    let batch = match usize::try_from(batch_dims) {
        Ok(batch) if batch == indices.len() => batch,
        _ => normalize_axis(batch_dims, indices.len().max(1))?,
    };
    let (Some(outer), Some(own), Some(inner)) =
        (data.get(..axis), indices.get(batch..), data.get(axis + 1..))
    else {
        return Err(mismatch!("{batch} batch dims are more than the indices {} have", text(&indices)));
    };
    if batch > axis {
        return Err(mismatch!("{batch} batch dims reach beyond the axis {axis}"));
    }
    let differ = |(a, b): (&Dim, &Dim)| a.differs(*b);
    if context.is_exact() && data.iter().take(batch).zip(&indices).any(differ) {
        return Err(mismatch!(
            "the first {batch} dims of the data {} and of the indices {} differ",
            text(&data),
            text(&indices)
        ));
    }
    let dims: DimList = outer.iter().chain(own).chain(inner).copied().collect();
    let (values, positions) = (context.input(0)?, context.input(1)?);
    let offsets = if context.has_elements(0) { gathered(values, positions, axis, batch) } else { None };
    context.emit_shape(values.dtype, dims);
    if let Some(offsets) = offsets {
        context.pick_elements(0, &offsets);
    }
    Ok(())
}

/// The one axis for which the declared dims of the data and of the output fit each other: a table of an IR whose `.bin` is not
/// there. Exporters declare what the runtime inferred, so a dim is known on both sides or on neither.
fn declared_axis(context: &Context<'_>, n_indices: usize) -> Option<usize> {
    let (graph, node) = (context.graph(), context.node());
    let declared = |tensor| graph.tensor(tensor).shape.dims.as_deref();
    let data = declared(graph.input(node, 0)?)?;
    let output = declared(graph.output(node, 0)?)?;
    if output.len() + 1 != data.len() + n_indices {
        return None;
    }
    let fits = |axis: usize| {
        let same = |own: &[graph::Dim], other: &[graph::Dim]| {
            own.iter().zip(other).all(|(own, other)| own.as_known() == other.as_known())
        };
        same(&data[..axis], output) && same(&data[axis + 1..], &output[axis + n_indices..])
    };
    let mut axes = (0..data.len()).filter(|&axis| fits(axis));
    let first = axes.next()?;
    axes.next().is_none().then_some(first)
}

fn gather_quantized(axis: i64, bits: i64, context: &mut Context<'_>) -> RuleResult {
    let mut data = context.shape(0)?;
    let axis = normalize_axis(axis, data.len())?;
    let stored = context.dtype(0).bits().unwrap_or(0);
    let per_element = stored.checked_div(dim(bits)?).unwrap_or(1).max(1);
    if let Some(last) = data.last_mut() {
        let unpacked = last.times(Dim::Known(per_element));
        *last = unpacked.ok_or_else(|| mismatch!("{last} times {per_element} is out of range"))?;
    }
    let (outer, inner) = data.split_at(axis);
    let indices = context.shape(1)?;
    let dims = outer.iter().chain(&indices).chain(inner.iter().skip(1)).copied();
    let dims: DimList = dims.collect();
    context.emit_shape(context.dtype(2), dims);
    Ok(())
}

/// Where in the data each element gathered is, if there are few.
fn gathered(data: &TensorInfo, indices: &TensorInfo, axis: usize, batch: usize) -> Option<layout::Offsets> {
    let positions = exact_ints(indices)?;
    let (data, indices) = (data.dims.as_deref()?, indices.dims.as_deref()?);
    let own = indices.get(batch..)?.iter().chain(data.get(axis + 1..)?);
    let dims: Dims = data.get(..axis)?.iter().chain(own).copied().collect();
    if layout::small_count(&dims)? == 0 {
        return Some(layout::Offsets::new());
    }
    let size = i64::try_from(*data.get(axis)?).ok()?;
    let middle = layout::small_count(data.get(batch..axis)?)?;
    let inner = layout::small_count(data.get(axis + 1..)?)?;
    let per_batch = layout::small_count(indices.get(batch..)?)?;
    let mut offsets = layout::Offsets::new();
    for (row, chunk) in positions.chunks(per_batch.max(1)).enumerate() {
        for step in 0..middle {
            for &index in chunk {
                let index = usize::try_from(settled(index, size)?).ok()?;
                let start = ((row * middle + step) * size as usize + index) * inner;
                offsets.extend(start..start + inner);
            }
        }
    }
    Some(offsets)
}

/// An index that may count from the back, within `0..size`.
fn settled(index: i64, size: i64) -> Option<i64> {
    let settled = if index < 0 { index.checked_add(size)? } else { index };
    (0..size).contains(&settled).then_some(settled)
}

fn exact_ints(info: &TensorInfo) -> Option<&[i64]> {
    info.value.as_ref().filter(|value| !value.is_upper_bound)?.as_ints()
}

fn gather_elements(context: &mut Context<'_>) -> RuleResult {
    let (data, indices) = (context.shape(0)?, context.shape(1)?);
    if data.len() != indices.len() {
        return Err(mismatch!("data {} and indices {} must have the same rank", text(&data), text(&indices)));
    }
    let value = elements_gathered(context);
    context.emit_shape(context.dtype(0), indices);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

fn elements_gathered(context: &Context<'_>) -> Option<Value> {
    let input = |index: usize| context.input(index).ok();
    let (data, indices) = (input(0)?, input(1)?);
    let (value, positions) = (data.value.as_ref()?, exact_ints(indices)?);
    let dims = data.dims.as_deref()?;
    let axis = normalize_axis(*exact_ints(input(2)?)?.first()?, dims.len()).ok()?;
    let size = i64::try_from(*dims.get(axis)?).ok()?;
    let mut along = layout::strides(dims);
    let step = std::mem::replace(along.get_mut(axis)?, 0);
    let mut offsets = layout::offsets(indices.dims.as_deref()?, 0, &along)?;
    for (offset, &index) in offsets.iter_mut().zip(positions) {
        *offset = offset.checked_add(usize::try_from(settled(index, size)?.checked_mul(step)?).ok()?)?;
    }
    layout::pick(value, offsets)
}

fn gather_nd(batch_dims: i64, flatten: bool, context: &mut Context<'_>) -> RuleResult {
    let (data, indices) = (context.shape(0)?, context.shape(1)?);
    let Some((&depth, leading)) = indices.split_last() else {
        return Err(mismatch!("the indices are a scalar"));
    };
    let depth = depth.known().ok_or(RuleError::UnknownShape(1))?;
    let batch = usize::try_from(batch_dims).unwrap_or(usize::MAX);
    let first_kept = usize::try_from(depth).ok().and_then(|depth| depth.checked_add(batch));
    let (Some(batches), Some(own), Some(slice)) =
        (leading.get(..batch), leading.get(batch..), first_kept.and_then(|first| data.get(first..)))
    else {
        return Err(mismatch!(
            "tuples of {depth} and {batch_dims} batch dims do not index the data {} by {}",
            text(&data),
            text(&indices)
        ));
    };
    let differ = |(a, b): (&Dim, &Dim)| a.differs(*b);
    if context.is_exact() && data.iter().zip(batches).any(differ) {
        return Err(mismatch!(
            "the first {batch} dims of the data {} and of the indices {} differ",
            text(&data),
            text(&indices)
        ));
    }
    let mut dims = DimList::new();
    if flatten && batch > 1 {
        let product = batches.iter().try_fold(Dim::Known(1), |product, &dim| product.times(dim));
        dims.push(product.unwrap_or(Dim::Known(u64::MAX)));
    } else {
        dims.extend(batches.iter().copied());
    }
    dims.extend(own.iter().chain(slice).copied());
    let value = slices_gathered(batch, context);
    context.emit_shape(context.dtype(0), dims);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

fn slices_gathered(batch: usize, context: &Context<'_>) -> Option<Value> {
    let (data, indices) = (context.input(0).ok()?, context.input(1).ok()?);
    let (value, positions) = (data.value.as_ref()?, exact_ints(indices)?);
    let (dims, index_dims) = (data.dims.as_deref()?, indices.dims.as_deref()?);
    let depth = usize::try_from(*index_dims.last()?).ok().filter(|&depth| depth > 0)?;
    let per_batch = layout::small_count(index_dims.get(batch..index_dims.len() - 1)?)?.max(1);
    let of_batch = layout::small_count(dims.get(batch..)?)?;
    let slice = layout::small_count(dims.get(batch.checked_add(depth)?..)?)?;
    let (sizes, strides) = (dims.get(batch..)?, layout::strides(dims.get(batch..)?));
    let mut offsets = layout::Offsets::new();
    for (row, tuple) in positions.chunks(depth).enumerate() {
        let mut start = (row / per_batch).checked_mul(of_batch)?;
        for ((&index, &size), &stride) in tuple.iter().zip(sizes).zip(&strides) {
            let index = settled(index, i64::try_from(size).ok()?)?;
            start = start.checked_add(usize::try_from(index.checked_mul(stride)?).ok()?)?;
        }
        offsets.extend(start..start.checked_add(slice)?);
    }
    layout::pick(value, offsets)
}

/// At most as many as the condition has entries, or the axis indices.
fn compress(axis: Option<i64>, context: &mut Context<'_>) -> RuleResult {
    let input = context.input(0)?;
    let data = context.dims(0)?;
    let axis = axis.map(|axis| normalize_axis(axis, data.len())).transpose()?;
    let whole = match axis.and_then(|axis| data.get(axis)) {
        Some(&whole) => whole,
        None => input.elements().ok_or(RuleError::UnknownShape(0))?,
    };
    let kept = match exact_ints(context.input(1)?) {
        Some(condition) => condition.iter().filter(|&&kept| kept != 0).count() as u64,
        None => {
            let most = context.input(1)?.elements().unwrap_or(whole);
            context.of_data(0, most)
        }
    };
    let mut dims: Dims = if axis.is_some() { data.into() } else { Dims::from_slice(&[whole]) };
    if let Some(slot) = dims.get_mut(axis.unwrap_or(0)) {
        *slot = kept.min(whole);
    }
    context.emit(input.dtype, dims);
    Ok(())
}

fn scatter(kind: Scatter, context: &mut Context<'_>) -> RuleResult {
    let data = context.emit_like(0)?;
    if data.value.is_some()
        && let Some(value) = scattered(kind, context)
    {
        context.set_value(value);
    }
    Ok(())
}

fn scattered(kind: Scatter, context: &Context<'_>) -> Option<Value> {
    let input = |index: usize| context.input(index).ok();
    let (data, indices, updates) = (input(0)?, input(1)?, input(2)?);
    let (value, new) = (data.value.as_ref()?, updates.value.as_ref()?);
    let positions = exact_ints(indices)?;
    let (dims, index_dims) = (data.dims.as_deref()?, indices.dims.as_deref()?);
    let strides = layout::strides(dims);
    let axis = || -> Option<(usize, usize, i64)> {
        let axis = exact_ints(input(3)?)?.first().copied()?;
        let axis = normalize_axis(axis, dims.len()).ok()?;
        let step = usize::try_from(*strides.get(axis)?).ok()?;
        Some((axis, step, i64::try_from(*dims.get(axis)?).ok()?))
    };
    // Where each element of the updates goes, in their order.
    let mut targets = layout::Offsets::new();
    match kind {
        Scatter::Slices => {
            let (axis, step, size) = axis()?;
            for row in 0..layout::small_count(dims.get(..axis)?)? {
                for &index in positions {
                    let index = usize::try_from(settled(index, size)?).ok()?;
                    let start = row.checked_mul(size as usize)?.checked_add(index)?.checked_mul(step)?;
                    targets.extend(start..start.checked_add(step)?);
                }
            }
        }
        Scatter::Elements => {
            let (axis, step, size) = axis()?;
            let mut along = strides.clone();
            *along.get_mut(axis)? = 0;
            let starts = layout::offsets(index_dims, 0, &along)?;
            for (start, &index) in starts.into_iter().zip(positions) {
                targets.push(start + usize::try_from(settled(index, size)?).ok()? * step);
            }
        }
        Scatter::Nd => {
            let depth = usize::try_from(*index_dims.last()?).ok()?;
            let slice = layout::small_count(dims.get(depth..)?)?;
            for tuple in positions.chunks(depth.max(1)) {
                let mut start = 0_usize;
                for ((&index, &size), &stride) in tuple.iter().zip(dims).zip(&strides) {
                    let index = settled(index, i64::try_from(size).ok()?)?;
                    start = start.checked_add(usize::try_from(index.checked_mul(stride)?).ok()?)?;
                }
                targets.extend(start..start.checked_add(slice)?);
            }
        }
        Scatter::ReducedElements | Scatter::ReducedNd => return None,
    }
    let elements = match (&value.elements, &new.elements) {
        (Elements::Int(old), Elements::Int(new)) => Elements::Int(overwritten(old, new, &targets)?),
        (Elements::Float(old), Elements::Float(new)) => Elements::Float(overwritten(old, new, &targets)?),
        _ => return None,
    };
    Some(Value { elements, is_upper_bound: value.is_upper_bound || new.is_upper_bound })
}

fn overwritten<T: Copy>(old: &[T], new: &[T], targets: &[usize]) -> Option<SmallVec<[T; 4]>>
where
    [T; 4]: smallvec::Array<Item = T>,
{
    if new.len() != targets.len() {
        return None;
    }
    let mut elements = SmallVec::from_slice(old);
    for (&target, &element) in targets.iter().zip(new) {
        *elements.get_mut(target)? = element;
    }
    Some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::shape::testing::{infer, *};

    fn indices(dims: &[u64]) -> Input {
        tensor(DType::I32, dims)
    }

    #[test]
    fn gather_puts_the_indices_in_place_of_the_axis() {
        let op = |batch_dims| Op::Gather { batch_dims };
        // OpenVINO 2026.4, `op.gather` of [2,3,4]: recorded answers.
        let table: [(&[u64], i64, i64, &[u64]); 6] = [
            (&[2, 7], 1, 1, &[2, 7, 4]),
            (&[2, 7], 1, -1, &[2, 7, 4]),
            (&[], -1, 0, &[2, 3]),
            (&[5], 1, 0, &[2, 5, 4]),
            (&[5, 6], 0, 0, &[5, 6, 3, 4]),
            (&[2], 1, 1, &[2, 4]),
        ];
        for (own, axis, batch_dims, expected) in table {
            let inputs = [f32(&[2, 3, 4]), indices(own), scalar(axis)];
            assert_eq!(dims(op(batch_dims), &inputs), expected, "{own:?} {axis} {batch_dims}");
        }
    }

    #[test]
    fn a_list_has_one_axis_whatever_its_value() {
        let gathered = |data: &[u64]| {
            let axis = tensor(DType::I64, &[]);
            infer(Op::Gather { batch_dims: 0 }, &[f32(data), indices(&[2]), axis], 1)
        };
        assert_eq!(dims(Op::Gather { batch_dims: 0 }, &[f32(&[7]), indices(&[2]), scalar(0)]), [2]);
        assert!(gathered(&[7]).is_ok());
        assert!(gathered(&[7, 3]).is_err());
    }

    #[test]
    fn gather_refuses_hostile_axes() {
        for (axis, batch_dims) in [(3, 0), (i64::MIN, 0), (0, 1), (1, 5), (1, i64::MIN), (1, i64::MAX)] {
            let inputs = [f32(&[2, 3, 4]), indices(&[2]), scalar(axis)];
            assert!(infer(Op::Gather { batch_dims }, &inputs, 1).is_err(), "{axis} {batch_dims}");
        }
    }

    #[test]
    fn gathered_values_may_be_indexed_from_the_back() {
        let op = || Op::Gather { batch_dims: 0 };
        assert_eq!(int_values(op(), &[vector(&[5, 6, 7]), scalar(-1), scalar(0)]), Some(vec![7]));
        let data = || ints(DType::I64, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        assert_eq!(int_values(op(), &[data(), vector(&[2, 0]), scalar(1)]), Some(vec![3, 1, 6, 4]));
        assert_eq!(int_values(op(), &[data(), scalar(1), scalar(0)]), Some(vec![4, 5, 6]));
        assert_eq!(int_values(op(), &[vector(&[5]), scalar(1), scalar(0)]), None);
        let batched = Op::Gather { batch_dims: 1 };
        assert_eq!(int_values(batched, &[data(), vector(&[2, 0]), scalar(1)]), Some(vec![3, 4]));
    }

    #[test]
    fn gather_nd_flattens_batches_in_opset5() {
        let op = |batch_dims, flatten_batch_dims| Op::GatherNd { batch_dims, flatten_batch_dims };
        let data = || f32(&[2, 3, 4, 5]);
        assert_eq!(dims(op(2, false), &[data(), indices(&[2, 3, 2])]), [2, 3]);
        assert_eq!(dims(op(2, false), &[data(), indices(&[2, 3, 1])]), [2, 3, 5]);
        assert_eq!(dims(op(2, true), &[data(), indices(&[2, 3, 2])]), [6]);
        assert_eq!(dims(op(2, true), &[data(), indices(&[2, 3, 1])]), [6, 5]);
        assert_eq!(dims(op(0, false), &[data(), indices(&[7, 2])]), [7, 4, 5]);
        for batch_dims in [3, -1, i64::MAX] {
            assert!(infer(op(batch_dims, false), &[data(), indices(&[2, 3, 2])], 1).is_err());
        }
        assert!(infer(op(0, false), &[data(), indices(&[5])], 1).is_err());
        assert!(infer(op(0, false), &[data(), indices(&[u64::MAX])], 1).is_err());
    }

    #[test]
    fn gather_elements_and_trees_follow_their_indices() {
        assert_eq!(dims(Op::GatherElements, &[f32(&[2, 3]), indices(&[7, 3]), scalar(0)]), [7, 3]);
        assert_eq!(dims(Op::GatherTree, &[f32(&[4, 2, 3])]), [4, 2, 3]);
        assert!(infer(Op::GatherElements, &[f32(&[2, 3]), indices(&[7])], 1).is_err());
    }

    #[test]
    fn elements_and_slices_of_known_data_are_known() {
        let grid = || ints(DType::I64, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        let table = |dims: &[u64], values: &[i64]| ints(DType::I64, dims, values);
        let elements = |indices, axis| int_values(Op::GatherElements, &[grid(), indices, scalar(axis)]);
        assert_eq!(elements(table(&[2, 2], &[2, 0, -1, 1]), 1), Some(vec![3, 1, 6, 5]));
        assert_eq!(elements(table(&[1, 3], &[1, 0, 1]), 0), Some(vec![4, 2, 6]));
        assert_eq!(elements(table(&[1, 3], &[2, 0, 1]), 0), None);
        let slices = |batch_dims, indices| {
            int_values(Op::GatherNd { batch_dims, flatten_batch_dims: false }, &[grid(), indices])
        };
        assert_eq!(slices(0, table(&[2, 2], &[1, 2, 0, -3])), Some(vec![6, 1]));
        assert_eq!(slices(0, table(&[1, 1], &[1])), Some(vec![4, 5, 6]));
        assert_eq!(slices(1, table(&[2, 1], &[2, 0])), Some(vec![3, 4]));
        assert_eq!(slices(0, table(&[1, 2], &[0, 3])), None);
        assert_eq!(slices(0, indices(&[1, 2])), None);
    }

    #[test]
    fn scatters_write_into_known_values() {
        let op = Op::Scatter;
        let line = || vector(&[1, 2, 3]);
        let inputs = [line(), vector(&[-1]), vector(&[9]), scalar(0)];
        assert_eq!(int_values(op(Scatter::Slices), &inputs), Some(vec![1, 2, 9]));
        assert_eq!(int_values(op(Scatter::Elements), &inputs), Some(vec![1, 2, 9]));
        assert_eq!(int_values(op(Scatter::ReducedElements), &inputs), None);
        let grid = ints(DType::I64, &[2, 2], &[1, 2, 3, 4]);
        let tuple = ints(DType::I64, &[1, 2], &[1, 0]);
        assert_eq!(int_values(op(Scatter::Nd), &[grid.clone(), tuple, vector(&[9])]), Some(vec![1, 2, 9, 4]));
        let inputs = [grid, vector(&[1]), ints(DType::I64, &[2, 1], &[8, 9]), scalar(1)];
        assert_eq!(int_values(op(Scatter::Slices), &inputs), Some(vec![1, 8, 3, 9]));
        let inputs = [line(), vector(&[3]), vector(&[9]), scalar(0)];
        assert_eq!(int_values(op(Scatter::Slices), &inputs), None);
    }

    #[test]
    fn conditions_keep_at_most_what_there_is() {
        use crate::shape::Bound;
        let run = |axis, condition| output(Op::Compress { axis }, &[f32(&[3, 2]), condition]);
        let known = run(Some(0), ints(DType::Boolean, &[3], &[0, 1, 1]));
        assert_eq!((known.dims.as_deref(), known.bound), (Some(&[2, 2][..]), Bound::Exact));
        let flat = run(None, ints(DType::Boolean, &[5], &[0, 1, 1, 0, 1]));
        assert_eq!(flat.dims.as_deref(), Some(&[3][..]));
        let unknown = run(Some(-1), tensor(DType::Boolean, &[2]));
        assert_eq!((unknown.dims.as_deref(), unknown.bound), (Some(&[3, 2][..]), Bound::UpperBound));
    }

    #[test]
    fn rows_of_packed_blocks_are_spelt_out() {
        let op = |axis, bits| Op::GatherQuantized { axis, bits };
        let inputs = |data| [data, tensor(DType::I64, &[2, 5]), tensor(DType::F16, &[100, 2])];
        let packed = output(op(0, 4), &inputs(tensor(DType::U8, &[100, 32])));
        assert_eq!((packed.dims.as_deref(), packed.dtype), (Some(&[2, 5, 64][..]), DType::F16));
        assert_eq!(dims(op(0, 4), &inputs(tensor(DType::U4, &[100, 64]))), [2, 5, 64]);
        assert_eq!(dims(op(1, 8), &inputs(tensor(DType::U8, &[100, 64]))), [100, 2, 5]);
    }
}
