//! Gemma 4: windows with heads of their own, values that may be the keys, caches that late layers share, embeddings for each
//! layer, and experts next to a network.
//!
//! Source: llama.cpp 0.5.0, src/models/gemma4.cpp.

use super::dense::Inputs;
use super::per_layer;
use super::rules::Architecture;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// `gemma4`.
pub(super) const GEMMA4: Architecture = Architecture {
    prepare: |model| model.set_window(0, 0),
    layout,
    is_output_first: true,
    ..Architecture::decoder("gemma4", build)
};

/// Layers with keys and values of their own.
fn own_caches(model: &Model<'_>) -> u64 {
    model.all_layers.saturating_sub(model.number("attention.shared_kv_layers").unwrap_or(0))
}

/// Source: src/llama-model.cpp (`create_memory`): late layers read the last but one own layer with a window, or the last.
fn layout(model: &Model<'_>) -> Layout {
    let mut layout = Layout::attention(model);
    let own = own_caches(model);
    for layer in own..model.layers {
        let read = own.saturating_sub(if model.is_window(layer) { 2 } else { 1 });
        layout.attention[layer as usize] = false;
        layout.shared[layer as usize] = Some(read as u32);
    }
    layout
}

fn build(build: &mut Build<'_>) -> Result<()> {
    check(build.model)?;
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let inputs = Inputs::after(build, x, 1);
    let width = build.model.number("embedding_length_per_layer_input").unwrap_or(0);
    let all = if width > 0 { Some(per_layer::embeddings(build, x, width)?) } else { None };
    let mut x = x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let attended = attention(build, &inputs, normed, layer)?;
        let attended = build.layer_norm(attended, Norm::Rms, layer, "post_attention_norm");
        let residual = build.graph.add(attended, x);
        let out = network(build, residual, layer)?;
        let out = build.free_norm(out, Norm::Rms, layer, "post_ffw_norm");
        x = build.graph.add(out, residual);
        if let Some(all) = all {
            x = with_own_embedding(build, x, all, layer)?;
        }
        if let Some(scale) = build.layer_weight(layer, "layer_output_scale.weight") {
            x = build.graph.mul(x, scale);
        }
        build.graph.name(x, "l_out");
    }
    let is_capped = build.model.float("final_logit_softcapping").is_some_and(|limit| limit != 0.0);
    build.finish_all(x, inputs.ids, if is_capped { Logits::SoftCapped } else { Logits::Plain })
}

/// Refuses what llama.cpp refuses.
fn check(model: &Model<'_>) -> Result<()> {
    let wrong = if model.window.tokens == 0 || model.number("attention.sliding_window_pattern").is_some() {
        "the file has no window, or no list of the layers with it"
    } else if !reads_its_kind(model) {
        "layers read the keys and values of a layer that has none, or another window"
    } else if (0..model.layers).any(|layer| model.head_k(layer) != model.head_v(layer)) {
        "heads of keys and of values have different widths"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Malformed, format!("{wrong}, which Gemma 4 needs")))
}

/// Whether each layer without keys and values reads those of a layer with the same window.
fn reads_its_kind(model: &Model<'_>) -> bool {
    let own = own_caches(model);
    let reads = |layer: u64| match model.is_window(layer) {
        true => own >= 2 && model.is_window(own - 2),
        false => own >= 1 && !model.is_window(own - 1),
    };
    (own..model.layers).all(reads)
}

fn attention(build: &mut Build<'_>, inputs: &Inputs, x: Id, layer: u64) -> Result<Id> {
    let model = build.model;
    let (head, heads, kv_heads) = (model.head_k(layer), model.heads(layer), model.kv_heads(layer));
    let tokens = build.batch.tokens;
    // Layers with a window have rotations of all dims.
    let factors = if model.is_window(layer) { None } else { build.find_shared("rope_freqs.weight") };
    let has_own = layer < own_caches(model);
    let is_fused = build.layer_weight(layer, "attn_qkv.weight").is_some();
    let (q, own) = if is_fused {
        let [q, k, v] = build.flat_qkv(x, layer, [head * heads, head * kv_heads, head * kv_heads])?;
        (q, has_own.then_some((k, v)))
    } else {
        let q = build.linear(x, layer, "attn_q")?;
        (q, if has_own { Some(keys_and_values(build, x, layer)?) } else { None })
    };
    let q = build.graph.reshape_3d(q, head, heads, tokens);
    let q = build.layer_norm(q, Norm::Rms, layer, "attn_q_norm");
    let q = build.graph.rope(q, inputs.positions, factors);
    let Some((k, v)) = own else {
        return build.attend(&inputs.attention, (q, None, None), layer, Extra::default());
    };
    let k = build.graph.reshape_3d(k, head, kv_heads, tokens);
    let v = build.graph.reshape_3d(v, head, kv_heads, tokens);
    let k = build.layer_norm(k, Norm::Rms, layer, "attn_k_norm");
    let v = build.graph.apply(Op::RmsNorm, v);
    let k = build.graph.rope(k, inputs.positions, factors);
    build.attend(&inputs.attention, (q, Some(k), Some(v)), layer, Extra::default())
}

/// Keys and values, which are one where the file has no weight of values.
fn keys_and_values(build: &mut Build<'_>, x: Id, layer: u64) -> Result<(Id, Id)> {
    let k = build.linear(x, layer, "attn_k")?;
    let v = match build.layer_weight(layer, "attn_v.weight") {
        Some(_) => build.linear(x, layer, "attn_v")?,
        None => k,
    };
    Ok((k, v))
}

/// A network, and experts next to it where the layer has them.
fn network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    let normed = build.layer_norm(x, Norm::Rms, layer, "ffn_norm");
    let out = build.feed_forward(normed, layer, Activation::Gated)?;
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_none() {
        return Ok(out);
    }
    let out = build.layer_norm(out, Norm::Rms, layer, "post_ffw_norm_1");
    let normed = build.layer_norm(x, Norm::Rms, layer, "pre_ffw_norm_2");
    // The experts are chosen by what comes before the norm.
    let routed = build.graph.apply(Op::RmsNorm, x);
    let routed = build.graph.scale(routed);
    let scale = build.need_part(layer, "ffn_gate_inp", "scale")?;
    let routed = build.graph.mul(routed, scale);
    let weight = build.need_part(layer, "ffn_gate_inp", "weight")?;
    let logits = build.graph.mul_mat(weight, routed);
    let kind = Mixture { is_scaled: false, ..Mixture::USUAL };
    let routed = build.experts_of(normed, logits, layer, kind)?;
    let routed = build.layer_norm(routed, Norm::Rms, layer, "post_ffw_norm_2");
    Ok(build.graph.add(out, routed))
}

/// The hidden state, and what a layer's own embedding adds to it.
fn with_own_embedding(build: &mut Build<'_>, x: Id, all: Id, layer: u64) -> Result<Id> {
    let gate = build.linear(x, layer, "inp_gate")?;
    let gate = build.graph.unary(gate);
    let own = per_layer::of_layer(build, all, layer);
    let gated = build.graph.mul(gate, own);
    let made = build.linear(gated, layer, "proj")?;
    let made = build.layer_norm(made, Norm::Rms, layer, "post_norm");
    Ok(build.graph.add(x, made))
}
