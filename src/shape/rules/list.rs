//! Sequences of tensors.
//!
//! Specifications: <https://onnx.ai/onnx/operators/onnx__SequenceConstruct.html>, `SequenceEmpty`, `SequenceInsert`,
//! `SequenceErase`, `SequenceAt`, `SequenceLength`, `ConcatFromSequence` (11), `SplitToSequence` (11, 24).
//!
//! A sequence of n tensors is shown as one tensor `[n, d…]`, where each d is the largest of all elements: exact if all are
//! alike, else an upper bound. Elements of different ranks have no such form.
//!
//! * Construct, Insert, Erase: n inputs, n + 1, n - 1. At: `[d…]`. Length: n.
//! * Concat: d with n put in at a new axis, or n·d at an old one.
//! * Split: ceil(dim / length) parts of `length`, or as many as there are lengths, of the largest.

use crate::DType;
use crate::graph::op::List;
use crate::graph::{Dims, Op, Value};
use crate::shape::context::{Context, RuleError, RuleResult, dim, mismatch, normalize_axis, text, times};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let &Op::List(kind) = op else { return Err(mismatch!("not a list operator")) };
    match kind {
        List::Empty { to } => {
            context.emit(to, [0]);
            Ok(())
        }
        List::Construct => {
            let mut elements: Option<Dims> = None;
            for index in 0..context.n_inputs() {
                elements = Some(joined(elements.as_deref(), context.dims(index)?, context)?);
            }
            let dtype = context.dtype(0);
            emit(context, dtype, context.n_inputs() as u64, &elements.unwrap_or_default());
            Ok(())
        }
        List::Insert => {
            let (count, elements) = split(context.dims(0)?)?;
            let count = count.checked_add(1).ok_or_else(|| mismatch!("a sequence is too long"))?;
            let elements = joined((count > 1).then_some(elements), context.dims(1)?, context)?;
            let dtype = context.dtype(1);
            emit(context, dtype, count, &elements);
            Ok(())
        }
        List::Erase => {
            let (count, elements) = split(context.dims(0)?)?;
            let left = count
                .checked_sub(1)
                .ok_or_else(|| mismatch!("nothing can be taken out of an empty sequence"))?;
            let dtype = context.dtype(0);
            emit(context, dtype, left, elements);
            Ok(())
        }
        List::At => {
            let (_, elements) = split(context.dims(0)?)?;
            let dtype = context.dtype(0);
            context.emit(dtype, elements.iter().copied());
            Ok(())
        }
        List::Length => {
            let (count, _) = split(context.dims(0)?)?;
            let is_upper_bound = !context.is_exact();
            context.emit_exact(DType::I64, []);
            if let Ok(count) = i64::try_from(count) {
                context.set_value(Value { is_upper_bound, ..Value::ints([count]) });
            }
            Ok(())
        }
        List::Concat { axis, is_new } => concat(axis, is_new, context),
        List::Split { axis, keeps_dim } => split_tensor(axis, keeps_dim, context),
    }
}

fn split(sequence: &[u64]) -> RuleResult<(u64, &[u64])> {
    let split = sequence.split_first().map(|(&count, elements)| (count, elements));
    split.ok_or_else(|| mismatch!("a sequence is expected, and a scalar is given"))
}

fn emit(context: &mut Context<'_>, dtype: DType, count: u64, elements: &[u64]) {
    context.emit(dtype, std::iter::once(count).chain(elements.iter().copied()));
}

/// The largest dims; from then on a bound, if they differ.
fn joined(known: Option<&[u64]>, other: &[u64], context: &mut Context<'_>) -> RuleResult<Dims> {
    match known {
        None => Ok(other.into()),
        Some(known) if known == other => Ok(other.into()),
        Some(known) if known.len() == other.len() => {
            context.depends_on_data();
            Ok(known.iter().zip(other).map(|(&known, &other)| known.max(other)).collect())
        }
        Some(_) => Err(RuleError::UnknownShape(0)),
    }
}

fn concat(axis: i64, is_new: bool, context: &mut Context<'_>) -> RuleResult {
    let (count, elements) = split(context.dims(0)?)?;
    let mut dims = Dims::from_slice(elements);
    let axis = normalize_axis(axis, dims.len() + usize::from(is_new))?;
    if is_new {
        dims.insert(axis, count);
    } else if let Some(slot) = dims.get_mut(axis) {
        *slot = times(*slot, count)?;
    }
    let dtype = context.dtype(0);
    context.emit(dtype, dims);
    Ok(())
}

fn split_tensor(axis: i64, keeps_dim: bool, context: &mut Context<'_>) -> RuleResult {
    let data = context.dims(0)?;
    let axis = normalize_axis(axis, data.len())?;
    let mut elements = Dims::from_slice(data);
    let whole = data.get(axis).copied().unwrap_or(0);
    let count = if !context.has(1) {
        if keeps_dim {
            elements[axis] = 1;
        } else {
            elements.remove(axis);
        }
        whole
    } else if context.dims(1)?.is_empty() {
        let length = dim(context.int(1)?)?;
        if length == 0 {
            return Err(mismatch!("parts of {} have no length", text(data)));
        }
        elements[axis] = length.min(whole);
        if whole % length != 0 {
            context.depends_on_data();
        }
        whole.div_ceil(length)
    } else {
        let lengths = context.ints(1)?;
        let (least, most) = (lengths.iter().min(), lengths.iter().max());
        elements[axis] = dim(most.copied().unwrap_or(0))?;
        if least != most {
            context.depends_on_data();
        }
        lengths.len() as u64
    };
    let dtype = context.dtype(0);
    emit(context, dtype, count, &elements);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Op;
    use crate::shape::Bound;
    use crate::shape::testing::{self, Input, f32, int_values, output, scalar, tensor, vector};

    fn run(kind: List, inputs: &[Input]) -> (Vec<u64>, Bound) {
        let out = output(Op::List(kind), inputs);
        (out.dims.unwrap().to_vec(), out.bound)
    }

    #[test]
    fn sequences_are_as_large_as_their_largest_element() {
        assert_eq!(run(List::Construct, &[f32(&[2, 3]), f32(&[2, 3])]), (vec![2, 2, 3], Bound::Exact));
        assert_eq!(run(List::Construct, &[f32(&[2, 3]), f32(&[1, 4])]), (vec![2, 2, 4], Bound::UpperBound));
        assert!(testing::infer(Op::List(List::Construct), &[f32(&[2]), f32(&[1, 4])], 1).is_err());
        assert_eq!(
            run(List::Insert, &[tensor(DType::F32, &[0]), f32(&[2, 3])]),
            (vec![1, 2, 3], Bound::Exact)
        );
        assert_eq!(run(List::Insert, &[f32(&[2, 2, 3]), f32(&[2, 3])]), (vec![3, 2, 3], Bound::Exact));
        assert_eq!(run(List::Erase, &[f32(&[2, 2, 3])]), (vec![1, 2, 3], Bound::Exact));
        assert!(testing::infer(Op::List(List::Erase), &[f32(&[0])], 1).is_err());
        assert_eq!(run(List::At, &[f32(&[2, 2, 3]), scalar(0)]), (vec![2, 3], Bound::Exact));
        assert_eq!(int_values(Op::List(List::Length), &[f32(&[2, 2, 3])]), Some(vec![2]));
        assert_eq!(run(List::Empty { to: DType::I64 }, &[]), (vec![0], Bound::Exact));
    }

    #[test]
    fn sequences_are_made_of_tensors_and_joined_again() {
        let split = |axis, keeps_dim| List::Split { axis, keeps_dim };
        assert_eq!(run(split(0, true), &[f32(&[6, 4])]), (vec![6, 1, 4], Bound::Exact));
        assert_eq!(run(split(0, false), &[f32(&[6, 4])]), (vec![6, 4], Bound::Exact));
        assert_eq!(run(split(-1, true), &[f32(&[6, 4]), scalar(2)]), (vec![2, 6, 2], Bound::Exact));
        assert_eq!(run(split(0, true), &[f32(&[7, 4]), scalar(3)]), (vec![3, 3, 4], Bound::UpperBound));
        assert_eq!(run(split(0, true), &[f32(&[6, 4]), vector(&[4, 2])]), (vec![2, 4, 4], Bound::UpperBound));
        assert_eq!(
            run(List::Concat { axis: 0, is_new: false }, &[f32(&[3, 2, 4])]),
            (vec![6, 4], Bound::Exact)
        );
        assert_eq!(
            run(List::Concat { axis: 1, is_new: true }, &[f32(&[3, 2, 4])]),
            (vec![2, 3, 4], Bound::Exact)
        );
        assert!(testing::infer(Op::List(split(0, true)), &[f32(&[6, 4]), scalar(0)], 1).is_err());
    }
}
