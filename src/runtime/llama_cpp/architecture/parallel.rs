//! Command R, Falcon, StableLM, Phi 2, GPT-NeoX and PLaMo: attention and network are side by side.
//!
//! Source: llama.cpp 0.5.0, src/models/command-r.cpp, cohere2.cpp, falcon.cpp, stablelm.cpp, phi2.cpp, gptneox.cpp, plamo.cpp.

use super::dense::{Decoder, Inputs, plain_network, rotary_attention};
use super::exaone::windowed_rope_attention;
use super::gemma::scaled_attention;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// `command-r`.
pub(super) const COMMAND_R: Architecture =
    Architecture::decoder("command-r", |build| command_r(build, attention));

/// `cohere2`: rotary positions in layers with a window only.
pub(super) const COHERE2: Architecture = Architecture {
    prepare: |model| model.set_window(0, 4),
    ..Architecture::decoder("cohere2", |build| {
        command_r(build, |build, inputs, x, layer| {
            windowed_rope_attention(build, inputs, x, layer, Extra::default())
        })
    })
};

/// `phi2`.
pub(super) const PHI2: Architecture = Architecture::decoder("phi2", phi2);

/// `gptneox`: one after the other, where the file says so.
pub(super) const GPTNEOX: Architecture = Architecture::decoder("gptneox", gptneox);

/// `plamo`.
pub(super) const PLAMO: Architecture = Architecture::decoder("plamo", plamo);

/// `falcon`.
pub(super) const FALCON: Architecture = Architecture::decoder("falcon", falcon);

/// `stablelm`.
pub(super) const STABLELM: Architecture = Architecture::decoder("stablelm", stablelm);

/// Attention with layer norms of queries and keys where the file has them.
fn attention(build: &mut Build<'_>, inputs: &Inputs, x: Id, layer: u64) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    if build.layer_weight(layer, "attn_q_norm.weight").is_some() {
        qkv.q = build.layer_norm(qkv.q, Norm::Layer, layer, "attn_q_norm");
    }
    if build.layer_weight(layer, "attn_k_norm.weight").is_some() {
        qkv.k = build.layer_norm(qkv.k, Norm::Layer, layer, "attn_k_norm");
    }
    qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
    qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
    build.attention(&inputs.attention, qkv, layer, Extra::default())
}

fn command_r(
    build: &mut Build<'_>,
    attention: fn(&mut Build<'_>, &Inputs, Id, u64) -> Result<Id>,
) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut normed = build.layer_norm(x, Norm::Layer, layer, "attn_norm");
        let mut attended = attention(build, &inputs, normed, layer)?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        if build.is_last(layer) {
            normed = build.graph.get_rows(normed, inputs.ids);
        }
        let out = build.feed_forward(normed, layer, Activation::Gated)?;
        let sum = build.graph.add(out, x);
        x = build.graph.add(sum, attended);
        build.graph.name(x, "l_out");
    }
    let is_scaled = build.model.float("logit_scale").is_some_and(|scale| scale != 0.0);
    build.finish(x, Norm::Layer, if is_scaled { Logits::Scaled } else { Logits::Plain })
}

fn falcon(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut normed = build.layer_norm(x, Norm::Layer, layer, "attn_norm");
        let own = match build.layer_weight(layer, "attn_norm_2.weight") {
            Some(_) => build.layer_norm(x, Norm::Layer, layer, "attn_norm_2"),
            None => normed,
        };
        let mut attended = attention(build, &inputs, own, layer)?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        if build.is_last(layer) {
            normed = build.graph.get_rows(normed, inputs.ids);
        }
        let out = build.feed_forward(normed, layer, Activation::Plain)?;
        let sum = build.graph.add(out, attended);
        x = build.graph.add(sum, x);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Layer, Logits::Plain)
}

fn stablelm(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut normed = build.layer_norm(x, Norm::Layer, layer, "attn_norm");
        let mut attended = attention(build, &inputs, normed, layer)?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        if build.is_last(layer) {
            normed = build.graph.get_rows(normed, inputs.ids);
        }
        let residual = build.graph.add(attended, x);
        let read = match build.layer_weight(layer, "ffn_norm.weight") {
            Some(_) => build.layer_norm(residual, Norm::Layer, layer, "ffn_norm"),
            None => normed,
        };
        let out = build.feed_forward(read, layer, Activation::Gated)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Layer, Logits::Plain)
}

fn phi2(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut normed = build.layer_norm(x, Norm::Layer, layer, "attn_norm");
        let mut attended = scaled_attention(build, &inputs, normed, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        if build.is_last(layer) {
            normed = build.graph.get_rows(normed, inputs.ids);
        }
        let out = build.feed_forward(normed, layer, Activation::Plain)?;
        let sum = build.graph.add(attended, out);
        x = build.graph.add(sum, x);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Layer, Logits::Plain)
}

fn gptneox(build: &mut Build<'_>) -> Result<()> {
    if !build.model.flag("use_parallel_residual").unwrap_or(false) {
        return Decoder { norm: Norm::Layer, network: plain_network, ..Decoder::USUAL }.build(build);
    }
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Layer, layer, "attn_norm");
        let mut attended = rotary_attention(build, &inputs, normed, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let normed = build.layer_norm(x, Norm::Layer, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Plain)?;
        let sum = build.graph.add(out, x);
        x = build.graph.add(sum, attended);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Layer, Logits::Plain)
}

fn plamo(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut attended = rotary_attention(build, &inputs, normed, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        if build.is_last(layer) {
            normed = build.graph.get_rows(normed, inputs.ids);
        }
        let out = build.feed_forward(normed, layer, Activation::Gated)?;
        let sum = build.graph.add(out, attended);
        x = build.graph.add(sum, x);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
