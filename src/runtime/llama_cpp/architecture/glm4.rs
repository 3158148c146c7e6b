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

/// `glm4`.
pub(super) const GLM4: Architecture = Architecture::decoder("glm4", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let sections = build.model.numbers("rope.dimension_sections");
    let list = build.model.stored.numbers("glm4.rope.dimension_sections").map(<[f64]>::to_vec);
    let is_sectioned =
        sections.is_some() || list.is_some_and(|list| list.iter().take(2).all(|&size| size > 0.0));
    let inputs = Inputs::of(build, if is_sectioned { 4 } else { 1 })?;
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
