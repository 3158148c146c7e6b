//! GLM 4: norms after both parts of a layer, and a network whose first weight holds the gate.
//!
//! Source: llama.cpp 0.5.0, src/models/glm4.cpp.

use super::dense::Inputs;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;

/// `glm4`.
pub(super) const GLM4: Architecture = Architecture::decoder("glm4", build);

/// Parts of a position: four where the file has sections of the rotary dims.
///
/// Source: src/llama-hparams.cpp (`use_mrope`).
pub(super) fn positions(model: &Model<'_>) -> u64 {
    let key = format!("{}.rope.dimension_sections", model.architecture);
    let sections = model.stored.numbers(&key).unwrap_or_default();
    if sections.len() > 1 && sections.iter().take(2).all(|&size| size > 0.0) { 4 } else { 1 }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, positions(build.model))?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut qkv = build.qkv(normed, layer)?;
        qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
        let mut attended = build.attention(&inputs.attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let attended = build.layer_norm(attended, Norm::Rms, layer, "post_attention_norm");
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Halves)?;
        let out = build.layer_norm(out, Norm::Rms, layer, "post_ffw_norm");
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
