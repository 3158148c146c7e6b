//! ModernBERT and NeoBERT: encoders with norms before both parts of a layer.
//!
//! Source: llama.cpp 0.5.0, src/models/modern-bert.cpp, neo-bert.cpp.

use super::dense::Inputs;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;

/// `modern-bert`: the first of every three layers reads all tokens.
pub(super) const MODERN_BERT: Architecture = Architecture {
    prepare,
    layout: Layout::none,
    ..Architecture::decoder("modern-bert", |build| encoder(build, Norm::Layer))
};

/// `neo-bert`.
pub(super) const NEO_BERT: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("neo-bert", |build| encoder(build, Norm::Rms))
};

fn prepare(model: &mut Model<'_>) {
    if model.number("attention.sliding_window").is_some_and(|tokens| tokens > 0) {
        model.set_window_after_first(3);
    }
}

fn encoder(build: &mut Build<'_>, norm: Norm) -> Result<()> {
    // Of the activations that llama.cpp knows one has no gate in the first weight.
    let is_plain = norm == Norm::Layer && build.model.text("hidden_activation") == Some("relu");
    let kind = if is_plain { Activation::Plain } else { Activation::Halves };
    let positions = build.positions(1);
    let mut x = build.embedding()?;
    if norm == Norm::Layer {
        build.graph.layer = Some(0);
        x = build.norm(x, norm, "token_embd_norm");
    }
    let attention = build.attention_inputs_without_cache();
    let ids = build.output_ids();
    let inputs = Inputs { x, positions, attention, ids };
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let has_norm = build.layer_weight(layer, "attn_norm.weight").is_some();
        let normed = if has_norm { build.layer_norm(x, norm, layer, "attn_norm") } else { x };
        let mut qkv = build.qkv(normed, layer)?;
        qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
        let mut attended = build.attention(&inputs.attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, ids);
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, norm, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, kind)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.graph.layer = None;
    let name = if norm == Norm::Layer { "output_norm" } else { "enc.output_norm" };
    let hidden = build.norm(x, norm, name);
    build.hidden_only(hidden);
    Ok(())
}
