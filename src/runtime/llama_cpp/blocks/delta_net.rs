//! The gated delta rule of Qwen 3 Next and Qwen 3.5, and their attention with a gate.
//!
//! Source: llama.cpp 0.5.0, src/models/delta-net-base.cpp, qwen3next.cpp, qwen35.cpp, models.h (`build_gdn_l2_norm`).

use super::attention::{Attention, Extra};
use super::norm::Norm;
use super::projection::Qkv;
use super::recurrent::{StateSizes, States};
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// Layers that are recurrent: as a list in the file says, else all but every fourth.
pub(in crate::runtime::llama_cpp) fn recurrent_layers(model: &Model<'_>) -> Vec<bool> {
    let list = model.numbers("attention.recurrent_layers");
    let interval = model.number("full_attention_interval").unwrap_or(4).max(1);
    let by_interval = |layer: u64| !(layer + 1).is_multiple_of(interval);
    let is_recurrent = |layer: u64| match &list {
        Some(list) => list.get(layer as usize).is_some_and(|&value| value != 0),
        None => by_interval(layer),
    };
    (0..model.layers).map(is_recurrent).collect()
}

/// What a layer of the gated delta rule starts with.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct DeltaInputs {
    /// Queries, keys and values of all heads, side by side.
    pub(in crate::runtime::llama_cpp) mixed: Id,
    /// The gate of the result.
    pub(in crate::runtime::llama_cpp) gate: Id,
    /// How much of a new value is stored.
    pub(in crate::runtime::llama_cpp) beta: Id,
    /// The decay of the state.
    pub(in crate::runtime::llama_cpp) decay: Id,
    /// Queries and keys are repeated for each head of values.
    pub(in crate::runtime::llama_cpp) repeats: bool,
}

/// Sizes of the gated delta rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime::llama_cpp) struct DeltaSizes {
    /// Width of a head of keys and values.
    pub(in crate::runtime::llama_cpp) head: u64,
    /// Heads of queries and keys.
    pub(in crate::runtime::llama_cpp) key_heads: u64,
    /// Heads of values.
    pub(in crate::runtime::llama_cpp) value_heads: u64,
}

impl DeltaSizes {
    /// The sizes that a file gives.
    ///
    /// # Errors
    ///
    /// If they are not those of such a model.
    pub(in crate::runtime::llama_cpp) fn of(model: &Model<'_>) -> Result<DeltaSizes> {
        let sizes = StateSizes::of(model);
        sizes.check()?;
        let StateSizes { inner, state, steps, groups, .. } = sizes;
        let is_whole = steps > 0 && groups > 0 && steps.is_multiple_of(groups);
        if !is_whole || state == 0 || inner != state.saturating_mul(steps) {
            let message = format!("{inner} channels are not {steps} heads of {state}, in {groups} groups");
            return Err(Error::new(ErrorKind::Malformed, message));
        }
        Ok(DeltaSizes { head: state, key_heads: groups, value_heads: steps })
    }
}

impl Build<'_> {
    /// Rows of length one.
    fn unit_rows(&mut self, x: Id) -> Id {
        let normed = self.graph.apply(Op::RmsNorm, x);
        self.graph.scale(normed)
    }

    /// One row of queries or keys for each head of values.
    fn repeated_heads(&mut self, x: Id, sizes: DeltaSizes) -> Id {
        let DeltaSizes { head, key_heads, value_heads } = sizes;
        let [_, _, tokens, sequences] = self.graph.ne(x);
        let apart = self.graph.reshape(x, [head, 1, key_heads, tokens * sequences]);
        let ne = [head, value_heads / key_heads, key_heads, tokens * sequences];
        let repeated = self.graph.repeat(apart, ne);
        self.graph.reshape(repeated, [head, value_heads, tokens, sequences])
    }

    /// A layer of the gated delta rule.
    pub(in crate::runtime::llama_cpp) fn delta_net(
        &mut self,
        inputs: DeltaInputs,
        layer: u64,
        states: States,
    ) -> Result<Id> {
        let sizes = DeltaSizes::of(self.model)?;
        let DeltaSizes { head, key_heads, value_heads } = sizes;
        let sequences = self.batch.sequences;
        let tokens = self.batch.tokens / sequences;
        let [convolution, recurrence] = self.state_tensors(layer)?;
        let mixed = self.convolve(convolution, states, inputs.mixed, layer, StateSizes::of(self.model))?;
        let state = self.load_rows(recurrence, states);
        let state = self.graph.reshape(state, [head, head, value_heads, sequences]);
        let row = (2 * key_heads + value_heads) * head * 4;
        let mut part = |heads: u64, before: u64| {
            let strides = [head * 4, row, row * tokens];
            self.graph.view(mixed, [head, heads, tokens, sequences], strides, before * head * 4)
        };
        let (q, k, v) = (part(key_heads, 0), part(key_heads, key_heads), part(value_heads, 2 * key_heads));
        let [mut q, mut k] = [q, k].map(|x| self.unit_rows(x));
        if inputs.repeats && key_heads != value_heads {
            [q, k] = [q, k].map(|x| self.repeated_heads(x, sizes));
        }
        let rows = tokens * sequences + head * sequences;
        let sources = [q, k, v, inputs.decay, inputs.beta, state];
        let width = head * value_heads;
        let made = self.graph.make(Op::GatedDeltaNet, GgmlType::F32, [width, rows, 1, 1], &sources);
        let ne = [head, value_heads, tokens, sequences];
        let y = self.graph.view(made, ne, [head * 4, width * 4, width * tokens * 4], 0);
        let square = head * head * 4;
        let last = self.graph.view(
            made,
            [head, head, value_heads, sequences],
            [head * 4, square, square * value_heads],
            width * tokens * sequences * 4,
        );
        let stride = self.graph.get(recurrence).nb[1];
        let target = self.graph.view_2d(recurrence, [head * width, sequences], stride, 0);
        let stored = self.graph.copy_to(last, target);
        self.graph.expand(stored);
        let gate = self.graph.reshape(inputs.gate, ne);
        let normed = self.layer_norm(y, Norm::Rms, layer, "ssm_norm");
        let gate = self.graph.unary(gate);
        let y = self.graph.mul(normed, gate);
        let y = self.graph.reshape_3d(y, width, tokens, sequences);
        let out = self.linear(y, layer, "ssm_out")?;
        let width = self.model.width;
        Ok(self.graph.reshape_2d(out, width, tokens * sequences))
    }

    /// Attention whose queries come with a gate of the result; `is_reshaped`: their product is given its heads first.
    pub(in crate::runtime::llama_cpp) fn gated_attention(
        &mut self,
        inputs: &Attention,
        (x, positions): (Id, Id),
        layer: u64,
        is_reshaped: bool,
    ) -> Result<Id> {
        let model = self.model;
        let (head, heads, kv_heads) = (model.head_k(layer), model.heads(layer), model.kv_heads(layer));
        let tokens = self.batch.tokens;
        let [mut both, k, v] =
            self.flat_qkv(x, layer, [2 * head * heads, head * kv_heads, head * kv_heads])?;
        if is_reshaped {
            both = self.graph.reshape_3d(both, 2 * head, heads, tokens);
        }
        let strides = [2 * head * 4, 2 * head * heads * 4];
        let q = self.graph.view_3d(both, [head, heads, tokens], strides, 0);
        let gate = self.graph.view_3d(both, [head, heads, tokens], strides, head * 4);
        let q = self.layer_norm(q, Norm::Rms, layer, "attn_q_norm");
        let k = self.graph.reshape_3d(k, head, kv_heads, tokens);
        let k = self.layer_norm(k, Norm::Rms, layer, "attn_k_norm");
        let v = self.graph.reshape_3d(v, head, kv_heads, tokens);
        let q = self.graph.rope(q, positions, None);
        let k = self.graph.rope(k, positions, None);
        let extra = Extra { has_no_output: true, ..Extra::default() };
        let out = self.attention(inputs, Qkv { q, k, v }, layer, extra)?;
        let gate = self.graph.cont_2d(gate, head * heads, tokens);
        let gate = self.graph.unary(gate);
        let out = self.graph.mul(out, gate);
        self.linear(out, layer, "attn_output")
    }
}
