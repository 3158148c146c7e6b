//! Recurrent sequences of bytes.
//!
//! An LSTM or a GRU of one direction whose data are u8, whose weights are quantized, and whose hidden state is a constant or
//! u8 reads them as they are. It writes f32, and the hidden state in its type, which is dequantized behind it.
//! With a hidden state that is not quantized it stays in floats.
//!
//! Source: `RecurrentCellTransformation`, src/common/low_precision_transformations/src/recurrent_cell.cpp, and
//! `ConvertFqRnnToQuantizedRnn`, OpenVINO 2026.4, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass.

use super::super::work::{Build, Edge, Patch, Rule, Work};
use super::dequantization::{Dequantization, add, copy};
use super::weights;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{RecurrentForm, RecurrentKind};

/// Lets sequences compute in 8 bits.
pub(super) const RULE: Rule = Rule {
    name: "quantized-sequence",
    source: "ConvertFqRnnToQuantizedRnn, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass",
    on: |node| matches!(node.op, Op::Recurrent(_)),
    apply,
    repeats: false,
};

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Recurrent(spec) = &of.op else { return None };
    let is_known = matches!(spec.kind, RecurrentKind::Lstm | RecurrentKind::Gru)
        && spec.is_sequence
        && spec.form == RecurrentForm::OpenVino;
    if !is_known || spec.directions != 1 {
        return None;
    }
    let is_u8 = |data: &Dequantization| work.tensor(data.data).dtype == DType::U8;
    let data = Dequantization::above(work, of.input(0)?).filter(is_u8)?;
    let hidden = of.input(1)?;
    let state = match work.nodes[hidden.node()].is_const() {
        true => None,
        false => Some(Dequantization::above(work, hidden).filter(is_u8)?),
    };
    let n_inputs = of.inputs().len();
    if !work.reads_const(node, n_inputs.checked_sub(1)?) {
        return None;
    }
    let mut patch = Patch::new(work);
    for input in [n_inputs.checked_sub(3)?, n_inputs.checked_sub(2)?] {
        let weights = weights::behind(work, of.input(input)?)?.stored?;
        patch.set_input(node, input, weights);
    }
    patch.set_input(node, 0, data.data);
    if let Some(state) = state {
        patch.set_input(node, 1, state.data);
        add_behind(work, &mut patch, node, &state);
        patch.change(node, |node| {
            node.outputs.iter_mut().skip(1).take(1).for_each(|last| last.dtype = DType::U8)
        });
    }
    Some(patch)
}

/// Dequantizes the last hidden state as the first, if anything reads it.
fn add_behind(work: &Work<'_>, patch: &mut Patch, node: usize, state: &Dequantization) {
    let last = Edge::new(node, 1);
    let is_read = work.users(node).iter().any(|&(user, input)| work.nodes[user].input(input) == Some(last));
    let Some(tensor) = work.nodes[node].outputs.get(1).filter(|_| is_read) else { return };
    let zero = state.subtract.map(|step| (patch.fresh_name("Subtract"), copy(work, patch, step.constant)));
    let name = format!("{}.1", work.nodes[node].name).into();
    let scale = copy(work, patch, state.multiply.constant);
    let below = add(patch, work, last, tensor, zero, (name, scale));
    patch.replace_except(last, below.last, &[below.first]);
}
