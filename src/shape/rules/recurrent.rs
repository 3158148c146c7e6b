//! RNN, GRU and LSTM, one step or a sequence.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/sequence/lstm-sequence-1.html>
//! (also `lstm-cell-1`, `gru-cell-3`, `gru-sequence-5`, `rnn-cell-3`, `rnn-sequence-5`); ONNX `RNN`, `GRU`,
//! `LSTM`, <https://onnx.ai/onnx/operators/>.
//! Opset history: outputs have the same shapes in all versions; ONNX 14 adds `layout`.
//!
//! Shapes, with D directions and H hidden units; an LSTM repeats the state's output for its cell state:
//!
//! * cell: `X [B, I] → [B, H]`;
//! * OpenVINO sequence: `X [B, T, I] → [B, D, T, H], [B, D, H]`;
//! * ONNX: `X [T, B, I] → [T, D, B, H], [D, B, H]`, or batch first `X [B, T, I] → [B, T, D, H], [B, D, H]`.

use crate::graph::Op;
use crate::graph::op::{Recurrent, RecurrentForm, RecurrentKind};
use crate::shape::context::{Context, RuleResult, dim, mismatch, text};
use crate::shape::dim::Dim;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let Op::Recurrent(spec) = op else { return Err(mismatch!("not a recurrent operator")) };
    let data = context.shape(0)?;
    let hidden = positive(spec.hidden_size, "hidden_size")?;
    let directions = positive(spec.directions, "the number of directions")?;
    if spec.form == RecurrentForm::OpenVino && context.has(1) {
        check_state(&context.shape(1)?, hidden)?;
    }
    let dtype = context.dtype(0);
    let n_states = if spec.kind == RecurrentKind::Lstm { 2 } else { 1 };
    let state: &[Dim] = match (&data[..], sequence_form(spec)) {
        (&[batch, _], None) => &[batch, hidden],
        (&[batch, steps, _], Some(RecurrentForm::OpenVino)) => {
            context.emit_shape(dtype, [batch, directions, steps, hidden]);
            &[batch, directions, hidden]
        }
        (&[steps, batch, _], Some(RecurrentForm::Onnx { batch_first: false })) => {
            context.emit_shape(dtype, [steps, directions, batch, hidden]);
            &[directions, batch, hidden]
        }
        (&[batch, steps, _], Some(RecurrentForm::Onnx { batch_first: true })) => {
            context.emit_shape(dtype, [batch, steps, directions, hidden]);
            &[batch, directions, hidden]
        }
        (_, form) => {
            let rank = if form.is_none() { 2 } else { 3 };
            return Err(mismatch!("data must have {rank} dims, and is {}", text(&data)));
        }
    };
    for _ in 0..n_states {
        context.emit_shape(dtype, state.iter().copied());
    }
    Ok(())
}

/// The layout of a sequence; `None`: one step.
fn sequence_form(spec: &Recurrent) -> Option<RecurrentForm> {
    spec.is_sequence.then_some(spec.form)
}

fn check_state(state: &[Dim], hidden: Dim) -> RuleResult {
    match state.last() {
        Some(last) if !last.differs(hidden) => Ok(()),
        _ => Err(mismatch!("the state is {}, and hidden_size is {hidden}", text(state))),
    }
}

fn positive(value: i64, what: &str) -> RuleResult<Dim> {
    match dim(value)? {
        0 => Err(mismatch!("{what} must be at least 1, and is 0")),
        value => Ok(Dim::Known(value)),
    }
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes; ONNX: its specification.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::shape::testing::{all_dims, f32, infer, message, tensor};

    fn op(kind: RecurrentKind, is_sequence: bool, directions: i64, form: RecurrentForm) -> Op {
        Op::Recurrent(Box::new(Recurrent { kind, is_sequence, hidden_size: 7, directions, form }))
    }

    #[test]
    fn a_cell_gives_its_states() {
        let run = |kind, outputs| {
            let inputs = [f32(&[2, 5]), f32(&[2, 7]), f32(&[2, 7])];
            all_dims(op(kind, false, 1, RecurrentForm::OpenVino), &inputs, outputs)
        };
        assert_eq!(run(RecurrentKind::Rnn, 1), [[2, 7]]);
        assert_eq!(run(RecurrentKind::Gru, 1), [[2, 7]]);
        assert_eq!(run(RecurrentKind::Lstm, 2), [[2, 7], [2, 7]]);
    }

    #[test]
    fn a_sequence_gives_every_step_and_the_last_states() {
        let run = |kind, directions: u64, form, outputs| {
            let inputs = [f32(&[2, 4, 5]), f32(&[2, directions, 7]), f32(&[2, directions, 7])];
            all_dims(op(kind, true, directions as i64, form), &inputs, outputs)
        };
        let openvino = RecurrentForm::OpenVino;
        assert_eq!(run(RecurrentKind::Lstm, 2, openvino, 3), [&[2, 2, 4, 7][..], &[2, 2, 7], &[2, 2, 7]]);
        assert_eq!(run(RecurrentKind::Gru, 1, openvino, 2), [&[2, 1, 4, 7][..], &[2, 1, 7]]);
        let onnx = |batch_first| RecurrentForm::Onnx { batch_first };
        assert_eq!(run(RecurrentKind::Lstm, 2, onnx(false), 3), [&[2, 2, 4, 7][..], &[2, 4, 7], &[2, 4, 7]]);
        assert_eq!(run(RecurrentKind::Rnn, 1, onnx(true), 2), [&[2, 4, 1, 7][..], &[2, 1, 7]]);
    }

    #[test]
    fn outputs_have_the_type_of_the_data() {
        let half = |dims: &[u64]| tensor(DType::F16, dims);
        let node = op(RecurrentKind::Rnn, true, 1, RecurrentForm::OpenVino);
        for output in infer(node, &[half(&[2, 4, 5]), half(&[2, 1, 7])], 2).unwrap() {
            assert_eq!(output.dtype, DType::F16);
        }
    }

    #[test]
    fn wrong_sizes_are_mismatches() {
        let sequence = || op(RecurrentKind::Rnn, true, 1, RecurrentForm::OpenVino);
        assert_eq!(
            message(sequence(), &[f32(&[2, 4, 5]), f32(&[2, 1, 8])]),
            "the state is [2,1,8], and hidden_size is 7"
        );
        assert_eq!(message(sequence(), &[f32(&[2, 4])]), "data must have 3 dims, and is [2,4]");
        let cell = op(RecurrentKind::Rnn, false, 1, RecurrentForm::OpenVino);
        assert_eq!(message(cell, &[f32(&[2, 4, 5])]), "data must have 2 dims, and is [2,4,5]");
        let none = op(RecurrentKind::Rnn, true, 0, RecurrentForm::OpenVino);
        assert_eq!(
            message(none, &[f32(&[2, 4, 5])]),
            "the number of directions must be at least 1, and is 0"
        );
    }
}
