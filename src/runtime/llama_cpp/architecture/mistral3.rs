//! Mistral 3 and Ministral: attention may be scaled with the position.
//!
//! Source: llama.cpp 0.5.0, src/models/mistral3.cpp.

use super::dense::{Inputs, feed_forward_or_experts, rope_factors};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `mistral3`.
pub(super) const MISTRAL3: Architecture = Architecture::decoder("mistral3", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let positions = build.positions(1);
    let is_tempered = build.model.float("attention.temperature_scale").is_some_and(|scale| scale != 0.0);
    let scales = is_tempered.then(|| build.attention_scales());
    let attention = build.attention_inputs();
    let ids = build.output_ids();
    let inputs = Inputs { x, positions, attention, ids };
    let mut x = x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let factors = rope_factors(build);
        let mut qkv = build.qkv(normed, layer)?;
        qkv.q = build.graph.rope(qkv.q, inputs.positions, factors);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, factors);
        if let Some(scales) = scales {
            qkv.q = build.graph.mul(qkv.q, scales);
        }
        let mut attended = build.attention(&inputs.attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = feed_forward_or_experts(build, normed, layer, Mixture::USUAL)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
