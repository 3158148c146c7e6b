//! `TopK`: the k largest or smallest elements along an axis, and where they are.
//!
//! Sources: OpenVINO
//! <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/sort/top-k-11.html> (and
//! `-1`, `-3`); ONNX <https://onnx.ai/onnx/operators/onnx__TopK.html> (1; k as an input since 10, `largest` and `sorted`
//! since 11).
//!
//! Both outputs are data with k at the axis. Numbers are carried where their order is specified: ONNX gives equal elements by
//! their index, OpenVINO where it is asked to be stable.

use crate::DType;
use crate::graph::{Dims, Elements, Op, Value};
use crate::shape::context::{Context, RuleError, RuleResult, dim, mismatch, normalize_axis};
use crate::shape::dim::Dim;
use crate::shape::layout;
use std::cmp::Ordering;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let &Op::TopK { axis, index_type, largest_first } = op else { return Err(mismatch!("not TopK")) };
    let mut dims = context.shape(0)?;
    let axis = normalize_axis(axis, dims.len())?;
    match context.int(1) {
        Ok(k) => {
            if let Some(slot) = dims.get_mut(axis) {
                *slot = Dim::Known(dim(k)?);
            }
        }
        Err(RuleError::UnknownValue(_)) if context.is_symbolic() => {
            if let Some(slot) = dims.get_mut(axis) {
                *slot = Dim::Unknown;
            }
        }
        // However many are asked for, there are no more than all.
        Err(RuleError::UnknownValue(_)) => context.depends_on_data(),
        Err(error) => return Err(error),
    }
    let input = context.input(0)?;
    let value = input.value.as_ref().filter(|value| !value.is_upper_bound && context.is_exact());
    // Values are kept as i64, in which large u64 are negative.
    let value = value.filter(|_| input.dtype != DType::U64);
    let found = value.zip(largest_first).and_then(|(value, is_largest)| {
        let known: Dims = dims.iter().map(|dim| dim.known()).collect::<Option<_>>()?;
        let lane = Lane::of(input.dims.as_deref()?, &known, axis)?;
        lane.sorted(value, is_largest)
    });
    context.emit_shape(input.dtype, dims.iter().copied());
    if let (Some(value), Some((positions, _))) = (value, &found)
        && let Some(picked) = layout::pick(value, positions.iter().copied())
    {
        context.set_value(picked);
    }
    context.emit_shape(index_type, dims);
    if let Some((_, indices)) = found {
        context.set_value(Value::ints(indices));
    }
    Ok(())
}

/// The layout of the elements along the axis in row-major order.
struct Lane {
    outer: usize,
    size: usize,
    inner: usize,
    k: usize,
}

impl Lane {
    /// `None`: too many elements, or fewer than are asked for.
    fn of(data: &[u64], dims: &[u64], axis: usize) -> Option<Lane> {
        let count = |dims: Option<&[u64]>| layout::small_count(dims?);
        layout::small_count(data)?;
        let size = usize::try_from(*data.get(axis)?).ok()?;
        let k = usize::try_from(*dims.get(axis)?).ok().filter(|&k| k <= size)?;
        Some(Lane { outer: count(data.get(..axis))?, size, inner: count(data.get(axis + 1..))?, k })
    }

    /// For every element of the result, its position in the data and its index along the axis.
    fn sorted(&self, value: &Value, is_largest: bool) -> Option<(Vec<usize>, Vec<i64>)> {
        let compare = |a: usize, b: usize| -> Option<Ordering> {
            match &value.elements {
                Elements::Int(values) => Some(values.get(a)?.cmp(values.get(b)?)),
                Elements::Float(values) => values.get(a)?.partial_cmp(values.get(b)?),
            }
        };
        let total = self.outer * self.k * self.inner;
        let (mut positions, mut indices) = (vec![0; total], vec![0; total]);
        for outer in 0..self.outer {
            for inner in 0..self.inner {
                let at = |index: usize| (outer * self.size + index) * self.inner + inner;
                let mut order: Vec<usize> = (0..self.size).collect();
                // A NaN is not even equal to itself.
                if order.iter().any(|&index| compare(at(index), at(index)).is_none()) {
                    return None;
                }
                order.sort_by(|&a, &b| {
                    let found = compare(at(a), at(b)).unwrap_or(Ordering::Equal);
                    if is_largest { found.reverse() } else { found }
                });
                for (rank, &index) in order.iter().take(self.k).enumerate() {
                    let to = (outer * self.k + rank) * self.inner + inner;
                    *positions.get_mut(to)? = at(index);
                    *indices.get_mut(to)? = i64::try_from(index).ok()?;
                }
            }
        }
        Some((positions, indices))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{f32, floats, infer, ints, scalar, tensor};
    use super::*;
    use crate::graph::Op;
    use crate::shape::Bound;

    fn op(axis: i64, largest_first: Option<bool>) -> Op {
        Op::TopK { axis, index_type: DType::I64, largest_first }
    }

    #[test]
    fn k_stands_at_the_axis() {
        let outputs = infer(op(-1, Some(true)), &[f32(&[2, 30]), scalar(5)], 2).unwrap();
        assert_eq!(outputs[0].dims.as_deref(), Some(&[2, 5][..]));
        assert_eq!((outputs[0].dtype, outputs[1].dtype), (DType::F32, DType::I64));
        let outputs = infer(op(-1, None), &[f32(&[2, 30]), tensor(DType::I64, &[])], 2).unwrap();
        assert_eq!((outputs[1].dims.as_deref(), outputs[1].bound), (Some(&[2, 30][..]), Bound::UpperBound));
        assert!(infer(op(-1, None), &[f32(&[2, 30]), scalar(-1)], 2).is_err());
    }

    #[test]
    fn known_numbers_are_sorted_along_the_axis() {
        // Columns (4, 1, 4) and (2, 9, 5).
        let data = || ints(DType::I64, &[3, 2], &[4, 2, 1, 9, 4, 5]);
        let sorted = |axis, largest, k| -> Vec<Option<Vec<i64>>> {
            let outputs = infer(op(axis, largest), &[data(), scalar(k)], 2).unwrap();
            outputs.iter().map(|output| Some(output.value.as_ref()?.as_ints()?.to_vec())).collect()
        };
        assert_eq!(sorted(0, Some(true), 2), [Some(vec![4, 9, 4, 5]), Some(vec![0, 1, 2, 2])]);
        assert_eq!(sorted(0, Some(false), 1), [Some(vec![1, 2]), Some(vec![1, 0])]);
        assert_eq!(sorted(1, Some(true), 1), [Some(vec![4, 9, 5]), Some(vec![0, 1, 1])]);
        assert_eq!(sorted(0, None, 2), [None, None]);
        assert_eq!(sorted(0, Some(true), 4), [None, None]);
        let outputs =
            infer(op(0, Some(true)), &[floats(DType::F32, &[3], &[0.5, f64::NAN, 2.0]), scalar(1)], 2);
        assert_eq!(outputs.unwrap()[0].value, None);
    }
}
