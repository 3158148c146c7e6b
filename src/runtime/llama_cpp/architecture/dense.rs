//! What decoders with one attention and one feed-forward network per layer have in common.

use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::{Attention, Extra};
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::projection::Qkv;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// The inputs of a decoder, in the order in which it makes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    /// The first hidden state.
    pub(super) x: Id,
    /// Positions.
    pub(super) positions: Id,
    /// The cache's.
    pub(super) attention: Attention,
    /// Tokens whose results are wanted.
    pub(super) ids: Id,
}

impl Inputs {
    /// The inputs of a model with so many positions per token.
    pub(super) fn of(build: &mut Build<'_>, positions: u64) -> Result<Inputs> {
        let x = build.embedding()?;
        Ok(Inputs::after(build, x, positions))
    }

    /// The inputs that come after the first hidden state.
    pub(super) fn after(build: &mut Build<'_>, x: Id, positions: u64) -> Inputs {
        let positions = build.positions(positions);
        let attention = build.attention_inputs();
        let ids = build.output_ids();
        Inputs { x, positions, attention, ids }
    }
}

/// Attention with rotary positions, after norms of queries and keys where the file has them.
pub(super) fn rotary_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    let factors = rope_factors(build);
    if build.layer_weight(layer, "attn_q_norm.weight").is_some() {
        qkv.q = build.layer_norm(qkv.q, Norm::Rms, layer, "attn_q_norm");
    }
    qkv.q = build.graph.rope(qkv.q, inputs.positions, factors);
    if build.layer_weight(layer, "attn_k_norm.weight").is_some() {
        qkv.k = build.layer_norm(qkv.k, Norm::Rms, layer, "attn_k_norm");
    }
    qkv.k = build.graph.rope(qkv.k, inputs.positions, factors);
    build.graph.name(qkv.q, "q_rope");
    build.graph.name(qkv.k, "k_rope");
    build.attention(&inputs.attention, qkv, layer, extra)
}

/// Factors of rotary positions, where the file has them.
///
/// Source: src/llama-model.cpp (`get_rope_factors`): long ones where a sequence's context is longer than the trained one.
pub(super) fn rope_factors(build: &mut Build<'_>) -> Option<Id> {
    let own = build.find_shared("rope_freqs.weight");
    let trained = build.model.number("rope.scaling.original_context_length");
    let trained = trained.unwrap_or(build.model.trained_context);
    let is_long = build.settings.context_of_sequence > trained;
    let name = if is_long { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
    own.or_else(|| build.find_shared(name))
}

/// A feed-forward network, or experts where the layer has them.
pub(super) fn feed_forward_or_experts(build: &mut Build<'_>, x: Id, layer: u64, kind: Mixture) -> Result<Id> {
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_some() {
        build.experts(x, layer, kind)
    } else {
        build.feed_forward(x, layer, Activation::Gated)
    }
}

/// Attention without positions in queries and keys: the file has an embedding of positions, or the mask a slope for each head.
pub(super) fn plain_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let qkv = build.qkv(x, layer)?;
    build.attention(&inputs.attention, qkv, layer, extra)
}

/// Attention whose queries and keys are normed after the rotary positions.
pub(super) fn late_norm_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    let factors = rope_factors(build);
    qkv.q = build.graph.rope(qkv.q, inputs.positions, factors);
    qkv.k = build.graph.rope(qkv.k, inputs.positions, factors);
    qkv.q = build.layer_norm(qkv.q, Norm::Rms, layer, "attn_q_norm");
    qkv.k = build.layer_norm(qkv.k, Norm::Rms, layer, "attn_k_norm");
    build.attention(&inputs.attention, qkv, layer, extra)
}

/// Attention whose queries and keys are normed over all heads at once, before the rotary positions.
pub(super) fn wide_norm_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let model = build.model;
    let (heads, kv_heads, tokens) = (model.heads(layer), model.kv_heads(layer), build.batch.tokens);
    let (head_k, head_v) = (model.head_k(layer), model.head_v(layer));
    let [q, k, v] = build.flat_qkv(x, layer, [head_k * heads, head_k * kv_heads, head_v * kv_heads])?;
    let q = build.layer_norm(q, Norm::Rms, layer, "attn_q_norm");
    let k = build.layer_norm(k, Norm::Rms, layer, "attn_k_norm");
    let q = build.graph.reshape_3d(q, head_k, heads, tokens);
    let k = build.graph.reshape_3d(k, head_k, kv_heads, tokens);
    let v = build.graph.reshape_3d(v, head_v, kv_heads, tokens);
    let q = build.graph.rope(q, inputs.positions, None);
    let k = build.graph.rope(k, inputs.positions, None);
    build.attention(&inputs.attention, Qkv { q, k, v }, layer, extra)
}

/// A network with a gate.
pub(super) fn gated_network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    build.feed_forward(x, layer, Activation::Gated)
}

/// A network without a gate.
pub(super) fn plain_network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    build.feed_forward(x, layer, Activation::Plain)
}

/// Experts, and a network for every token where the layer has one; a network alone in layers without experts.
pub(super) fn experts_and_shared(build: &mut Build<'_>, x: Id, layer: u64, kind: Mixture) -> Result<Id> {
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_none() {
        return build.feed_forward(x, layer, Activation::Gated);
    }
    let routed = build.experts(x, layer, kind)?;
    if build.layer_weight(layer, "ffn_up_shexp.weight").is_none() {
        return Ok(routed);
    }
    let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
    let shared = build.feed_forward_of(x, layer, Activation::Gated, names)?;
    Ok(build.graph.add(routed, shared))
}

/// In what decoders differ that have norm, attention, sum, norm, network, sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder {
    /// Kind of all norms.
    pub(super) norm: Norm,
    /// The norm before the network.
    pub(super) second_norm: &'static str,
    /// Attention of a layer.
    pub(super) attention: fn(&mut Build<'_>, &Inputs, Id, u64, Extra) -> Result<Id>,
    /// The network of a layer.
    pub(super) network: fn(&mut Build<'_>, Id, u64) -> Result<Id>,
}

impl Decoder {
    /// Root mean square norms, rotary positions and a network with a gate.
    pub(super) const USUAL: Decoder = Decoder {
        norm: Norm::Rms,
        second_norm: "ffn_norm",
        attention: rotary_attention,
        network: gated_network,
    };

    /// The whole graph of such a decoder.
    pub(super) fn build(&self, build: &mut Build<'_>) -> Result<()> {
        let inputs = Inputs::of(build, 1)?;
        self.finish(build, &inputs)
    }

    /// Its layers and the end, behind these inputs.
    pub(super) fn finish(&self, build: &mut Build<'_>, inputs: &Inputs) -> Result<()> {
        let x = self.layers(build, inputs)?;
        build.finish(x, self.norm, Logits::Plain)
    }

    /// Its layers.
    pub(super) fn layers(&self, build: &mut Build<'_>, inputs: &Inputs) -> Result<Id> {
        let mut x = inputs.x;
        for layer in 0..build.model.layers {
            build.graph.layer = Some(layer as u32);
            let normed = build.layer_norm(x, self.norm, layer, "attn_norm");
            let mut attended = (self.attention)(build, inputs, normed, layer, Extra::default())?;
            build.wanted(layer, &mut attended, &mut x, inputs.ids);
            let residual = build.graph.add(attended, x);
            build.graph.name(residual, "ffn_inp");
            let normed = build.layer_norm(residual, self.norm, layer, self.second_norm);
            let out = (self.network)(build, normed, layer)?;
            x = build.graph.add(out, residual);
            build.graph.name(x, "l_out");
        }
        Ok(x)
    }
}
