//! EXAONE 4 and K-EXAONE, and Command R 7B: rotary positions in layers with a window only.
//!
//! Source: llama.cpp 0.5.0, src/models/exaone4.cpp, exaone-moe.cpp.

use super::dense::{Decoder, Inputs, experts_and_shared, rope_factors};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::Id;

/// Layers of the model that has windows.
const WITH_WINDOWS: u64 = 64;

/// `exaone4`: norms behind both parts of a layer.
pub(super) const EXAONE4: Architecture =
    Architecture { prepare, ..Architecture::decoder("exaone4", exaone4) };

/// `exaone-moe`.
pub(super) const EXAONE_MOE: Architecture = Architecture {
    prepare: |model| model.set_window(128, 4),
    ..Architecture::decoder("exaone-moe", |build| {
        let network = |build: &mut Build<'_>, x, layer| {
            let kind = Mixture::by_file(build.model, None)?;
            experts_and_shared(build, x, layer, kind)
        };
        Decoder { attention: windowed_rope_attention, network, ..Decoder::USUAL }.build(build)
    })
};

fn prepare(model: &mut Model<'_>) {
    if model.layers == WITH_WINDOWS {
        model.set_window(4096, 4);
    }
}

fn exaone4(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut attended = windowed_rope_attention(build, &inputs, x, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let attended = build.layer_norm(attended, Norm::Rms, layer, "post_attention_norm");
        let residual = build.graph.add(attended, x);
        let out = build.feed_forward(residual, layer, Activation::Gated)?;
        let out = build.free_norm(out, Norm::Rms, layer, "post_ffw_norm");
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}

/// Attention with rotary positions in layers that have a window, or in all of a model without windows.
pub(super) fn windowed_rope_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    if build.layer_weight(layer, "attn_q_norm.weight").is_some() {
        qkv.q = build.layer_norm(qkv.q, Norm::Rms, layer, "attn_q_norm");
        qkv.k = build.layer_norm(qkv.k, Norm::Rms, layer, "attn_k_norm");
    }
    if build.model.is_window(layer) || !build.model.has_window() {
        let factors = rope_factors(build);
        qkv.q = build.graph.rope(qkv.q, inputs.positions, factors);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, factors);
    }
    build.attention(&inputs.attention, qkv, layer, extra)
}
