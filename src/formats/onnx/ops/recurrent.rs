//! RNN, GRU, LSTM.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{ElementType, Quantized, QuantizedForm, Recurrent, RecurrentForm, RecurrentKind};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::RnnSequence], "RNN", 1, |layer| sequence(layer, RecurrentKind::Rnn)),
    op(&[K::GruSequence], "GRU", 1, |layer| sequence(layer, RecurrentKind::Gru)),
    op(&[K::LstmSequence], "LSTM", 1, |layer| sequence(layer, RecurrentKind::Lstm)),
    ms(&[K::DynamicQuantizeLstm], "DynamicQuantizeLSTM", |layer| {
        let Made { op, .. } = sequence(layer, RecurrentKind::Lstm)?;
        let (form, to) = (QuantizedForm::Dynamic, ElementType::OfInput(0));
        Ok(Op::Quantized(Box::new(Quantized { form, op, to })).into())
    }),
];

fn sequence(layer: &Layer<'_>, kind: RecurrentKind) -> Result<Made> {
    let words = [("forward", 1), ("reverse", 1), ("bidirectional", 2)];
    let directions = layer.word("direction", &words, 1, "forward, reverse or bidirectional")?;
    let hidden_size = layer.int("hidden_size")?.ok_or(AttributeError::Missing("hidden_size"))?;
    let form = RecurrentForm::Onnx { batch_first: layer.flag("layout", false)? };
    Ok(Op::Recurrent(Box::new(Recurrent { kind, is_sequence: true, hidden_size, directions, form })).into())
}
