//! What decoders with one attention and one feed-forward network per layer have in common.

use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::{Attention, Extra};
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
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

/// The layers of a decoder that has norm, attention, sum, norm, network, sum; `network` makes the network.
pub(super) fn layers(
    build: &mut Build<'_>,
    inputs: &Inputs,
    network: fn(&mut Build<'_>, Id, u64) -> Result<Id>,
) -> Result<Id> {
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut attended = rotary_attention(build, inputs, normed, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let residual = build.graph.add(attended, x);
        build.graph.name(residual, "ffn_inp");
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = network(build, normed, layer)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    Ok(x)
}
