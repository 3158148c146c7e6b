//! Granite 3 and 4, and MiniCPM: scaled embeddings, residuals and logits; with experts, and with Mamba 2 layers.
//!
//! Source: llama.cpp 0.5.0, src/models/granite.cpp, granite-moe.cpp, granite-hybrid.cpp, minicpm.cpp.

use super::dense::{feed_forward_or_experts, rope_factors};
use super::rules::Architecture;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::attention::{Attention, Extra};
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::recurrent::StateSizes;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::Id;

/// `granite`.
pub(super) const GRANITE: Architecture = Architecture::decoder("granite", granite);

/// `granitemoe`.
pub(super) const GRANITEMOE: Architecture = Architecture::decoder("granitemoe", granite);

/// `minicpm`: everything is scaled, whether the file has the factors or not.
pub(super) const MINICPM: Architecture = Architecture::decoder("minicpm", |build| {
    let mut x = build.embedding()?;
    if build.model.float("embedding_scale").is_none() {
        x = build.graph.scale(x);
    }
    let positions = Some(build.positions(1));
    let is_scaled = build.model.float("residual_scale") != Some(0.0);
    decoder(build, x, positions, is_scaled)
});

/// `granitehybrid`.
pub(super) const GRANITEHYBRID: Architecture =
    Architecture { layout: by_heads, ..Architecture::decoder("granitehybrid", hybrid) };

/// Layers without heads of keys are recurrent, and have no keys and values.
pub(super) fn by_heads(model: &Model<'_>) -> Layout {
    let recurrent: Vec<bool> = (0..model.layers).map(|layer| model.kv_heads(layer) == 0).collect();
    let attention = recurrent.iter().map(|is_recurrent| !is_recurrent).collect();
    Layout { attention, recurrent, state: StateSizes::of(model).elements(), ..Layout::attention(model) }
}

/// Positions are rotary unless the file says otherwise.
fn is_rotary(build: &Build<'_>) -> bool {
    build.model.flag("rope.scaling.finetuned").unwrap_or(true)
}

/// Whether the file has factors of the residuals.
fn is_scaled(build: &Build<'_>) -> bool {
    build.model.float("residual_scale").is_some_and(|scale| scale != 0.0)
}

fn granite(build: &mut Build<'_>) -> Result<()> {
    if build.model.numbers("deepstack_mapping").is_some_and(|map| map.iter().any(|&at| at != 0)) {
        let message = "the model adds features of images in several layers, which is not modelled";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let x = build.embedding()?;
    let positions = is_rotary(build).then(|| build.positions(1));
    let is_scaled = is_scaled(build);
    decoder(build, x, positions, is_scaled)
}

fn decoder(build: &mut Build<'_>, x: Id, positions: Option<Id>, is_scaled: bool) -> Result<()> {
    let mut x = x;
    let inputs = build.attention_inputs();
    let ids = build.output_ids();
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = attention(build, normed, (&inputs, positions), layer)?;
        build.wanted(layer, &mut out, &mut x, ids);
        x = network(build, (out, x), layer, is_scaled)?;
    }
    build.finish(x, Norm::Rms, Logits::Scaled)
}

fn hybrid(build: &mut Build<'_>) -> Result<()> {
    let is_residual_scaled = is_scaled(build);
    let mut x = build.embedding()?;
    let states = build.states();
    let inputs = build.attention_inputs();
    let ids = build.output_ids();
    let positions = is_rotary(build).then(|| build.positions(1));
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = match build.model.kv_heads(layer) {
            0 => build.mamba2(normed, layer, states)?,
            _ => attention(build, normed, (&inputs, positions), layer)?,
        };
        build.wanted(layer, &mut out, &mut x, ids);
        x = network(build, (out, x), layer, is_residual_scaled)?;
    }
    let is_scaled = build.model.float("logit_scale").is_some_and(|scale| scale != 0.0);
    build.finish(x, Norm::Rms, if is_scaled { Logits::Scaled } else { Logits::Plain })
}

fn attention(
    build: &mut Build<'_>,
    x: Id,
    (inputs, positions): (&Attention, Option<Id>),
    layer: u64,
) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    if let Some(positions) = positions {
        let factors = rope_factors(build);
        qkv.q = build.graph.rope(qkv.q, positions, factors);
        qkv.k = build.graph.rope(qkv.k, positions, factors);
    }
    build.attention(inputs, qkv, layer, Extra::default())
}

fn network(build: &mut Build<'_>, (out, x): (Id, Id), layer: u64, is_scaled: bool) -> Result<Id> {
    let scaled = |build: &mut Build<'_>, id: Id| if is_scaled { build.graph.scale(id) } else { id };
    let out = scaled(build, out);
    let residual = build.graph.add(out, x);
    let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
    let mut out = feed_forward_or_experts(build, normed, layer, Mixture::USUAL)?;
    let has_experts = build.layer_weight(layer, "ffn_gate_inp.weight").is_some();
    if has_experts && build.model.number("expert_shared_feed_forward_length").is_some_and(|width| width > 0) {
        let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
        let shared = build.feed_forward_of(normed, layer, Activation::Gated, names)?;
        out = build.graph.add(out, shared);
    }
    let out = scaled(build, out);
    let x = build.graph.add(out, residual);
    Ok(build.graph.name(x, "l_out"))
}
