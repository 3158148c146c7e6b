//! Gemma 2: every second layer has a window, and scores and logits are bounded.
//!
//! Source: llama.cpp 0.5.0, src/models/gemma2.cpp.

use super::dense::Inputs;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `gemma2`.
pub(super) const GEMMA2: Architecture =
    Architecture { prepare: |model| model.set_window(4096, 2), ..Architecture::decoder("gemma2", build) };

fn build(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let inputs = Inputs::after(build, x, 1);
    let extra = Extra { is_capped: true, ..Extra::default() };
    let x = layers(build, &inputs, extra)?;
    build.finish(x, Norm::Rms, Logits::SoftCapped)
}

/// Layers with norms before and after both parts, and queries that are scaled.
pub(super) fn layers(
    build: &mut Build<'_>,
    inputs: &Inputs,
    extra: Extra,
) -> Result<crate::runtime::llama_cpp::tensor::Id> {
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut qkv = build.qkv(normed, layer)?;
        if build.layer_weight(layer, "attn_q_norm.weight").is_some() {
            qkv.q = build.layer_norm(qkv.q, Norm::Rms, layer, "attn_q_norm");
        }
        qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
        if build.layer_weight(layer, "attn_k_norm.weight").is_some() {
            qkv.k = build.layer_norm(qkv.k, Norm::Rms, layer, "attn_k_norm");
        }
        qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
        qkv.q = build.graph.scale(qkv.q);
        let mut attended = build.attention(&inputs.attention, qkv, layer, extra)?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let attended = build.layer_norm(attended, Norm::Rms, layer, "post_attention_norm");
        let residual = build.graph.add(attended, x);
        build.graph.name(residual, "sa_out");
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Gated)?;
        let out = build.free_norm(out, Norm::Rms, layer, "post_ffw_norm");
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    Ok(x)
}
