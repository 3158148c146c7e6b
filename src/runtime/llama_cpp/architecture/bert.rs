//! BERT and Nomic's: encoders without a cache.
//!
//! Source: llama.cpp 0.5.0, src/models/bert.cpp.

use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;

/// `bert`: positions have an embedding.
pub(super) const BERT: Architecture =
    Architecture { layout: Layout::none, ..Architecture::decoder("bert", bert) };

/// `nomic-bert`: positions are rotary.
pub(super) const NOMIC_BERT: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("nomic-bert", |build| encoder(build, true))
};

fn bert(build: &mut Build<'_>) -> Result<()> {
    encoder(build, false)
}

fn encoder(build: &mut Build<'_>, is_rotary: bool) -> Result<()> {
    let positions = build.positions(1);
    let mut x = build.embedding()?;
    if let Some(types) = build.find("token_types.weight") {
        let row = build.graph.view_1d(types, build.model.width, 0);
        x = build.graph.add(x, row);
    }
    if !is_rotary {
        let table = build.need("position_embd.weight")?;
        let rows = build.graph.get_rows(table, positions);
        x = build.graph.add(rows, x);
    }
    x = build.norm(x, Norm::Layer, "token_embd_norm");
    let attention = build.attention_inputs_without_cache();
    let ids = build.output_ids();
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut qkv = build.qkv(x, layer)?;
        if is_rotary {
            qkv.q = build.graph.rope(qkv.q, positions, None);
            qkv.k = build.graph.rope(qkv.k, positions, None);
        }
        let mut attended = build.attention(&attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, ids);
        let sum = build.graph.add(attended, x);
        let residual = build.layer_norm(sum, Norm::Layer, layer, "attn_output_norm");
        let kind = if is_rotary { Activation::Gated } else { Activation::Plain };
        let out = build.feed_forward(residual, layer, kind)?;
        let sum = build.graph.add(out, residual);
        x = build.layer_norm(sum, Norm::Layer, layer, "layer_output_norm");
    }
    build.graph.layer = None;
    build.graph.name(x, "result_embd");
    build.hidden_is(x);
    build.graph.expand(x);
    Ok(())
}
