//! Jamba: layers of Mamba and layers of attention without positions.
//!
//! Source: llama.cpp 0.5.0, src/models/jamba.cpp.

use super::granite::by_heads;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `jamba`.
pub(super) const JAMBA: Architecture =
    Architecture { layout: by_heads, ..Architecture::decoder("jamba", build) };

fn build(build: &mut Build<'_>) -> Result<()> {
    let mut x = build.embedding()?;
    let states = build.states();
    let attention = build.attention_inputs();
    let ids = build.output_ids();
    let kind = Mixture { is_normalized: false, is_scaled: false, ..Mixture::USUAL };
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = match build.model.kv_heads(layer) {
            0 => build.mamba(normed, layer, states)?,
            _ => {
                let qkv = build.qkv(normed, layer)?;
                build.attention(&attention, qkv, layer, Extra::default())?
            }
        };
        build.wanted(layer, &mut out, &mut x, ids);
        let residual = build.graph.add(x, out);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = match build.layer_weight(layer, "ffn_gate_inp.weight") {
            Some(_) => build.experts(normed, layer, kind)?,
            None => build.feed_forward(normed, layer, Activation::Gated)?,
        };
        x = build.graph.add(residual, out);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
