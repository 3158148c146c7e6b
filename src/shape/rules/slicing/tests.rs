//! Slices by bounds, masks and steps.

use super::*;
use crate::DType;
use crate::shape::testing::{infer, *};

#[test]
fn concat_adds_along_its_axis() {
    let op = |axis| Op::Concat { axis };
    assert_eq!(dims(op(1), &[f32(&[2, 3]), f32(&[2, 4]), f32(&[2, 0])]), [2, 7]);
    assert_eq!(dims(op(-2), &[f32(&[2, 3]), f32(&[5, 3])]), [7, 3]);
    assert_eq!(
        message(op(0), &[f32(&[2, 3]), f32(&[2, 4])]),
        "input 1 has 4 at axis 1, and those before 3; only axis 0 may differ"
    );
    assert!(infer(op(0), &[f32(&[]), f32(&[])], 1).is_err());
    assert!(infer(op(0), &[f32(&[u64::MAX]), f32(&[2])], 1).is_err());
}

#[test]
fn concat_interleaves_values() {
    let op = |axis| Op::Concat { axis };
    assert_eq!(int_values(op(0), &[vector(&[1]), vector(&[2, 3])]), Some(vec![1, 2, 3]));
    let (a, b) = (ints(DType::I64, &[2, 1], &[1, 2]), ints(DType::I64, &[2, 2], &[3, 4, 5, 6]));
    assert_eq!(int_values(op(1), &[a, b]), Some(vec![1, 3, 4, 2, 5, 6]));
    assert_eq!(int_values(op(0), &[vector(&[1]), tensor(DType::I64, &[1])]), None);
    let out = output(op(0), &[vector(&[1]), bounded(vector(&[9]))]);
    assert_eq!(out.value, Some(Value { is_upper_bound: true, ..Value::ints([1, 9]) }));
}

#[test]
fn split_makes_equal_parts() {
    let op = |parts, allow_uneven| Op::Split { parts, allow_uneven };
    assert_eq!(all_dims(op(2, false), &[f32(&[6, 3]), scalar(0)], 2), [[3, 3], [3, 3]]);
    assert_eq!(all_dims(op(3, true), &[f32(&[7]), scalar(0)], 3), [[3], [3], [1]]);
    assert_eq!(all_dims(op(4, true), &[f32(&[2]), scalar(0)], 4), [[1], [1], [0], [0]]);
    assert!(infer(op(2, false), &[f32(&[5]), scalar(0)], 2).is_err());
    assert!(infer(op(0, false), &[f32(&[5]), scalar(0)], 1).is_err());
    let parts = infer(op(2, false), &[vector(&[1, 2, 3, 4]), scalar(0)], 2).unwrap();
    assert_eq!(parts[1].value, Some(Value::ints([3, 4])));
}

#[test]
fn variadic_split_takes_lengths() {
    let apply = |lengths: &[i64]| {
        let inputs = [f32(&[5, 3]), scalar(0), vector(lengths)];
        infer(Op::VariadicSplit, &inputs, lengths.len())
            .map(|outputs| outputs.iter().map(|output| output.dims.clone().unwrap()[0]).collect::<Vec<_>>())
    };
    assert_eq!(apply(&[2, -1]).unwrap(), [2, 3]);
    assert_eq!(apply(&[1, 0, 4]).unwrap(), [1, 0, 4]);
    for lengths in [&[6, -1][..], &[-1, -1], &[2, 2], &[-2, 7], &[i64::MAX, i64::MAX]] {
        assert!(apply(lengths).is_err(), "{lengths:?}");
    }
}

#[test]
fn slices_clamp_and_count() {
    // OpenVINO 2026.4, `op.slice` of 10 elements: recorded answers.
    let table: [(i64, i64, i64, u64); 9] = [
        (-100, i64::MAX, 3, 4),
        (100, i64::MIN, -3, 4),
        (2, 5, 1, 3),
        (-3, -1, 1, 2),
        (5, 2, 1, 0),
        (5, 2, -1, 3),
        (9, -100, -1, 10),
        (0, 10, 4, 3),
        (20, 30, 1, 0),
    ];
    for (start, stop, step, expected) in table {
        let inputs = [f32(&[10]), vector(&[start]), vector(&[stop]), vector(&[step])];
        assert_eq!(dims(Op::Slice, &inputs), [expected], "{start}:{stop}:{step}");
    }
    assert!(infer(Op::Slice, &[f32(&[10]), vector(&[0]), vector(&[5]), vector(&[0])], 1).is_err());
}

#[test]
fn slices_name_their_axes() {
    let inputs = [f32(&[4, 5, 6]), vector(&[1]), vector(&[3]), vector(&[1]), vector(&[-1])];
    assert_eq!(dims(Op::Slice, &inputs), [4, 5, 2]);
    let inputs = [f32(&[4, 5, 6]), vector(&[1, 2]), vector(&[3, 4])];
    assert_eq!(dims(Op::Slice, &inputs), [2, 2, 6]);
    let inputs = [f32(&[4]), vector(&[1]), vector(&[3]), vector(&[1]), vector(&[1])];
    assert!(infer(Op::Slice, &inputs, 1).is_err());
}

#[test]
fn sliced_values_are_picked() {
    let data = || ints(DType::I64, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    let inputs = [data(), vector(&[2]), vector(&[-100]), vector(&[-1]), vector(&[1])];
    assert_eq!(int_values(Op::Slice, &inputs), Some(vec![3, 2, 1, 6, 5, 4]));
    let inputs = [data(), vector(&[1, 1]), vector(&[2, 3])];
    assert_eq!(int_values(Op::Slice, &inputs), Some(vec![5, 6]));
}

#[test]
fn unknown_and_bounded_edges_bound_the_output() {
    let inputs = |stop| [f32(&[10]), vector(&[0]), stop, vector(&[1])];
    let out = output(Op::Slice, &inputs(tensor(DType::I64, &[1])));
    assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[10][..], Bound::UpperBound));
    let out = output(Op::Slice, &inputs(bounded(vector(&[7]))));
    assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[7][..], Bound::UpperBound));
}

fn strided(masks: StridedSlice, data: &[u64], begin: &[i64], end: &[i64], strides: &[i64]) -> Vec<u64> {
    let op = Op::StridedSlice(Box::new(masks));
    dims(op, &[f32(data), vector(begin), vector(end), vector(strides)])
}

fn mask(values: &[i64]) -> crate::graph::op::Ints {
    values.into()
}

#[test]
fn masks_open_bounds() {
    let masks = StridedSlice { begin_mask: mask(&[1, 0]), end_mask: mask(&[0, 1]), ..Default::default() };
    assert_eq!(strided(masks, &[4, 5, 6], &[9, 2], &[3, 0], &[1, 1]), [3, 3, 6]);
    let masks = StridedSlice { begin_mask: mask(&[1]), end_mask: mask(&[1]), ..Default::default() };
    assert_eq!(strided(masks, &[5], &[0], &[0], &[-2]), [3]);
}

#[test]
fn masks_shrink_insert_and_elide() {
    let masks = StridedSlice { shrink_axis_mask: mask(&[0, 1]), ..Default::default() };
    assert_eq!(strided(masks, &[4, 5, 6], &[0, 2], &[2, 3], &[1, 1]), [2, 6]);
    let masks = StridedSlice { new_axis_mask: mask(&[1, 0]), ..Default::default() };
    assert_eq!(strided(masks, &[4, 5], &[0, 1], &[0, 3], &[1, 1]), [1, 2, 5]);
    let masks = StridedSlice { ellipsis_mask: mask(&[1, 0]), ..Default::default() };
    assert_eq!(strided(masks, &[4, 5, 6], &[0, 1], &[0, 3], &[1, 1]), [4, 5, 2]);
    let masks = StridedSlice {
        ellipsis_mask: mask(&[0, 1, 0, 0]),
        new_axis_mask: mask(&[0, 0, 1, 0]),
        shrink_axis_mask: mask(&[1, 0, 0, 0]),
        ..Default::default()
    };
    assert_eq!(strided(masks, &[4, 5, 6], &[1, 0, 0, 2], &[2, 0, 0, 4], &[1; 4]), [5, 1, 2]);
}

#[test]
fn a_shrunk_dim_carries_its_element() {
    let masks = StridedSlice { shrink_axis_mask: mask(&[1]), ..Default::default() };
    let op = Op::StridedSlice(Box::new(masks));
    let out = output(op, &[vector(&[7, 8, 9]), vector(&[-1]), vector(&[0]), vector(&[1])]);
    assert_eq!((out.dims.unwrap().len(), out.value), (0, Some(Value::ints([9]))));
}

#[test]
fn a_slice_may_not_spell_out_more_dims_than_there_are() {
    let op = || Op::StridedSlice(Box::default());
    assert!(infer(op(), &[f32(&[4]), vector(&[0, 0]), vector(&[1, 1]), vector(&[1, 1])], 1).is_err());
    assert!(infer(op(), &[f32(&[4]), vector(&[0]), vector(&[1, 1]), vector(&[1])], 1).is_err());
}
