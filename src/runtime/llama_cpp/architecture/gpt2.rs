//! GPT-2 and StarCoder 2: layer norms, and networks without a gate.
//!
//! Source: llama.cpp 0.5.0, src/models/gpt2.cpp, starcoder2.cpp.

use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `gpt2`: positions have an embedding.
pub(super) const GPT2: Architecture = Architecture::decoder("gpt2", |build| layers(build, false));

/// `starcoder2`: positions are rotary.
pub(super) const STARCODER2: Architecture = Architecture::decoder("starcoder2", |build| layers(build, true));

fn layers(build: &mut Build<'_>, is_rotary: bool) -> Result<()> {
    let mut x = build.embedding()?;
    let positions = build.positions(1);
    let attention = build.attention_inputs();
    if !is_rotary {
        let table = build.need("position_embd.weight")?;
        let rows = build.graph.get_rows(table, positions);
        x = build.graph.add(x, rows);
    }
    let ids = build.output_ids();
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Layer, layer, "attn_norm");
        let mut qkv = build.qkv(normed, layer)?;
        if is_rotary {
            qkv.q = build.graph.rope(qkv.q, positions, None);
            qkv.k = build.graph.rope(qkv.k, positions, None);
        }
        let mut attended = build.attention(&attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, ids);
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Layer, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Plain)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Layer, Logits::Plain)
}
