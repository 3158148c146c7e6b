//! Trip counts, carried values and outputs of loops.

use super::super::testing::{apply, body, constant, flag};
use super::*;
use crate::DType;
use crate::graph::op::{Binary, Broadcast, LoopInput, LoopKind};
use crate::graph::{Builder, Format, NodeSpec, TensorSpec};
use crate::shape::engine::infer_graph;
use crate::shape::testing::{self, Input, all_dims, f32, output, scalar, tensor};

fn whole(axis: i64, part_size: i64, drops_axis: bool) -> LoopSlice {
    LoopSlice { axis, start: 0, end: -1, stride: part_size, part_size, drops_axis }
}

/// Inputs: sequence (sliced along axis 0) and state; outputs: last state, all states.
fn scan(part_size: i64, drops_axis: bool) -> Op {
    let body = body(2, |builder, inputs| {
        vec![apply(builder, Op::Binary(Binary::Add, Broadcast::Numpy), &[inputs[1], inputs[0]])]
    });
    Op::Loop(Box::new(Loop {
        kind: LoopKind::Loop,
        body,
        inputs: vec![
            LoopInput {
                input: 0,
                parameter: 0,
                kind: LoopInputKind::Sliced(whole(0, part_size, drops_axis)),
            },
            LoopInput { input: 1, parameter: 1, kind: LoopInputKind::Carried { result: 0 } },
        ],
        outputs: vec![
            LoopOutput { result: 0, output: 0, concat: None },
            LoopOutput { result: 0, output: 1, concat: Some(whole(0, part_size, drops_axis)) },
        ],
        trip_count: None,
        condition: None,
        iteration_parameter: None,
        condition_result: None,
    }))
}

#[test]
fn slices_enter_and_results_are_joined() {
    assert_eq!(all_dims(scan(1, false), &[f32(&[7, 4]), f32(&[1, 4])], 2), [[1, 4], [7, 4]]);
    assert_eq!(all_dims(scan(2, false), &[f32(&[8, 4]), f32(&[2, 4])], 2), [[2, 4], [8, 4]]);
    let outputs = all_dims(scan(1, true), &[f32(&[7, 4]), f32(&[4])], 2);
    assert_eq!(outputs, [&[4][..], &[7, 4]]);
    let outputs = testing::infer(scan(1, false), &[f32(&[7, 4]), f32(&[1, 4])], 2).unwrap();
    assert!(outputs.iter().all(|output| output.bound == Bound::Exact));
}

/// Inputs: trip count, condition, state, piece; each trip appends the piece to the state.
fn appending(goes_on: bool) -> Op {
    let body = body(2, move |builder, inputs| {
        let joined = apply(builder, Op::Concat { axis: 0 }, &[inputs[0], inputs[1]]);
        vec![joined, constant(builder, DType::Boolean, &[i64::from(goes_on)])]
    });
    Op::Loop(Box::new(Loop {
        kind: LoopKind::Loop,
        body,
        inputs: vec![
            LoopInput { input: 2, parameter: 0, kind: LoopInputKind::Carried { result: 0 } },
            LoopInput { input: 3, parameter: 1, kind: LoopInputKind::Invariant },
        ],
        outputs: vec![LoopOutput { result: 0, output: 0, concat: None }],
        trip_count: Some(0),
        condition: Some(1),
        iteration_parameter: None,
        condition_result: Some(1),
    }))
}

#[test]
fn growing_state_is_followed_and_then_extrapolated() {
    let apply = |count, condition: Input| {
        let out = output(appending(true), &[scalar(count), condition, f32(&[10, 4]), f32(&[3, 4])]);
        (out.dims.unwrap().to_vec(), out.bound)
    };
    assert_eq!(apply(0, flag(true)), (vec![10, 4], Bound::Exact));
    assert_eq!(apply(1, flag(true)), (vec![13, 4], Bound::Exact));
    assert_eq!(apply(5, flag(true)), (vec![25, 4], Bound::Exact));
    assert_eq!(apply(1000, flag(true)), (vec![3010, 4], Bound::UpperBound));
    assert_eq!(apply(5, flag(false)), (vec![10, 4], Bound::Exact));
    assert_eq!(apply(5, tensor(DType::Boolean, &[])), (vec![25, 4], Bound::UpperBound));
}

#[test]
fn a_condition_that_fails_at_once_ends_the_loop_after_one_trip() {
    let inputs = [scalar(5), flag(true), f32(&[10, 4]), f32(&[3, 4])];
    assert_eq!(testing::dims(appending(false), &inputs), [13, 4]);
}

/// Inputs: trip count, condition, i, n, state, piece; each trip appends the piece, and goes on while i + 1 < n.
fn counting() -> Op {
    let body = body(4, move |builder, inputs| {
        let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
        let one = constant(builder, DType::I64, &[1]);
        let next = apply(builder, binary(Binary::Add), &[inputs[0], one]);
        let goes_on = apply(builder, binary(Binary::Less), &[next, inputs[1]]);
        let joined = apply(builder, Op::Concat { axis: 0 }, &[inputs[2], inputs[3]]);
        vec![next, joined, goes_on]
    });
    let carried =
        |input, parameter, result| LoopInput { input, parameter, kind: LoopInputKind::Carried { result } };
    let invariant = |input, parameter| LoopInput { input, parameter, kind: LoopInputKind::Invariant };
    Op::Loop(Box::new(Loop {
        kind: LoopKind::Loop,
        body,
        inputs: vec![carried(2, 0, 0), invariant(3, 1), carried(4, 2, 1), invariant(5, 3)],
        outputs: vec![LoopOutput { result: 1, output: 0, concat: None }],
        trip_count: Some(0),
        condition: Some(1),
        iteration_parameter: None,
        condition_result: Some(2),
    }))
}

#[test]
fn a_condition_of_known_numbers_is_run() {
    let of = |count: Input, last: Input| {
        let inputs = [count, flag(true), scalar(0), last, f32(&[10, 4]), f32(&[3, 4])];
        testing::infer(counting(), &inputs, 1).map(|outputs| outputs[0].dims.clone().unwrap().to_vec())
    };
    let endless = || scalar(i64::MAX);
    assert_eq!(of(endless(), scalar(7)).unwrap(), [10 + 7 * 3, 4]);
    // A trip is made before the condition is first asked.
    assert_eq!(of(endless(), scalar(0)).unwrap(), [13, 4]);
    assert_eq!(of(scalar(2), scalar(7)).unwrap(), [16, 4]);
    assert!(of(endless(), tensor(DType::I64, &[])).is_err());
    // Longer than is run to the end.
    assert!(of(endless(), scalar(1 << 20)).is_err());
}

#[test]
fn a_loop_that_repeats_itself_is_not_run_on() {
    // The counter is not read, and the condition is handed through: the second trip is the first again.
    let steady = body(3, |builder, inputs| {
        let twice = apply(builder, Op::Binary(Binary::Add, Broadcast::Numpy), &[inputs[2], inputs[2]]);
        vec![apply(builder, Op::Identity, &[inputs[1]]), twice]
    });
    let carried =
        |input, parameter, result| LoopInput { input, parameter, kind: LoopInputKind::Carried { result } };
    let spec = Loop {
        kind: LoopKind::Loop,
        body: steady,
        inputs: vec![carried(1, 1, 0), carried(2, 2, 1)],
        outputs: vec![LoopOutput { result: 1, output: 0, concat: None }],
        trip_count: Some(0),
        condition: Some(1),
        iteration_parameter: Some(0),
        condition_result: Some(0),
    };
    assert!(!is_read(&spec.body, 0) && is_read(&spec.body, 1));
    assert_eq!(handed_through(&spec.body), [parameter_tensor(&spec.body, 1), None]);
    let inputs = [tensor(DType::I64, &[]), flag(true), f32(&[10, 4])];
    let out = output(Op::Loop(Box::new(spec)), &inputs);
    assert_eq!(out.dims.unwrap().as_slice(), &[10, 4]);
}

#[test]
fn loops_are_run_up_to_a_number_of_nodes_in_all() {
    let inputs = [scalar(i64::MAX), flag(true), scalar(0), scalar(7), f32(&[10, 4]), f32(&[3, 4])];
    let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
    let mut slots = Vec::new();
    for _ in &inputs {
        let node = builder.node(NodeSpec { op: Op::Parameter, name: "p", ..NodeSpec::default() });
        slots.push(Some(builder.output(node, TensorSpec::default())));
    }
    let node = builder.node(NodeSpec { op: counting(), name: "loop", ..NodeSpec::default() });
    let out = builder.output(node, TensorSpec::default());
    builder.connect(node, &slots);
    let graph = builder.finish().unwrap();
    let parameters: Vec<TensorInfo> = inputs.into_iter().flatten().collect();
    let infer = |evaluated| {
        let start = Start { parameters: parameters.clone(), ..Start::default() };
        start.evaluated.set(evaluated);
        infer_graph(&graph, &start, Options::default()).map(|shapes| shapes.tensor(out).dims.clone())
    };
    assert_eq!(infer(0).unwrap().as_deref(), Some(&[10 + 7 * 3, 4][..]));
    assert!(infer(MOST_EVALUATED_IN_ALL).unwrap_err().is_unbound_dim());
}

#[test]
fn growth_without_a_trip_count_has_no_size() {
    for count in [tensor(DType::I64, &[]), scalar(i64::MAX), scalar(-1)] {
        let inputs = [count, flag(true), f32(&[10, 4]), f32(&[3, 4])];
        assert!(testing::infer(appending(true), &inputs, 1).unwrap_err().is_unbound_dim());
    }
}
