//! Recurrent cells and sequences.

use super::OpKind;

/// RNN, GRU, LSTM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrent {
    /// Which kind.
    pub kind: RecurrentKind,
    /// One step, or a sequence.
    pub is_sequence: bool,
    /// H.
    pub hidden_size: i64,
    /// Number of directions (1 or 2).
    pub directions: i64,
    /// Whose input order and layout.
    pub form: RecurrentForm,
}

/// Kind of recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the standard ones of the field.
#[non_exhaustive]
pub enum RecurrentKind {
    Rnn,
    Gru,
    Lstm,
    /// GRU with an attention's score per step (OpenVINO, internal).
    AuGru,
}

impl Recurrent {
    /// Which operator [`Op::Recurrent`](super::Op::Recurrent) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        match (self.kind, self.is_sequence) {
            (RecurrentKind::Rnn, false) => OpKind::RnnCell,
            (RecurrentKind::Rnn, true) => OpKind::RnnSequence,
            (RecurrentKind::Gru, false) => OpKind::GruCell,
            (RecurrentKind::Gru, true) => OpKind::GruSequence,
            (RecurrentKind::Lstm, false) => OpKind::LstmCell,
            (RecurrentKind::Lstm, true) => OpKind::LstmSequence,
            (RecurrentKind::AuGru, false) => OpKind::AuGruCell,
            (RecurrentKind::AuGru, true) => OpKind::AuGruSequence,
        }
    }
}

/// Input order and layout of [`Op::Recurrent`](super::Op::Recurrent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecurrentForm {
    /// OpenVINO: X [B, T, I], H0 [B, D, H], …; Y [B, D, T, H].
    OpenVino,
    /// ONNX: X [T, B, I]; Y [T, D, B, H], Y_h [D, B, H]; `layout` 1 puts the batch first.
    Onnx {
        /// Batch is the first dim of everything.
        batch_first: bool,
    },
}
