//! RNN, GRU, LSTM: cells and sequences.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Recurrent, RecurrentForm, RecurrentKind};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::RnnCell], "RNNCell", 1, |layer| cell(layer, RecurrentKind::Rnn)),
    op(&[K::GruCell], "GRUCell", 3, |layer| cell(layer, RecurrentKind::Gru)),
    op(&[K::LstmCell], "LSTMCell", 1, |layer| cell(layer, RecurrentKind::Lstm)),
    op(&[K::LstmCell], "LSTMCell", 4, |layer| cell(layer, RecurrentKind::Lstm)),
    op(&[K::AuGruCell], "AUGRUCell", super::INTERNAL, |layer| cell(layer, RecurrentKind::AuGru)),
    op(&[K::RnnSequence], "RNNSequence", 5, |layer| sequence(layer, RecurrentKind::Rnn)),
    op(&[K::GruSequence], "GRUSequence", 5, |layer| sequence(layer, RecurrentKind::Gru)),
    op(&[K::LstmSequence], "LSTMSequence", 1, |layer| sequence(layer, RecurrentKind::Lstm)),
    op(&[K::LstmSequence], "LSTMSequence", 5, |layer| sequence(layer, RecurrentKind::Lstm)),
    op(&[K::AuGruSequence], "AUGRUSequence", super::INTERNAL, |layer| sequence(layer, RecurrentKind::AuGru)),
];

fn cell(layer: &Attributes<'_, '_>, kind: RecurrentKind) -> Result<Op> {
    let hidden_size = layer.int("hidden_size")?;
    let form = RecurrentForm::OpenVino;
    Ok(Op::Recurrent(Box::new(Recurrent { kind, is_sequence: false, hidden_size, directions: 1, form })))
}

fn sequence(layer: &Attributes<'_, '_>, kind: RecurrentKind) -> Result<Op> {
    let words = [("forward", 1), ("reverse", 1), ("bidirectional", 2)];
    let directions = layer.word("direction", &words, 1, "forward, reverse or bidirectional")?;
    let hidden_size = layer.int("hidden_size")?;
    let form = RecurrentForm::OpenVino;
    Ok(Op::Recurrent(Box::new(Recurrent { kind, is_sequence: true, hidden_size, directions, form })))
}
