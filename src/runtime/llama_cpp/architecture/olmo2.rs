//! OLMo 2 and 3: norms of all queries and all keys, and after both parts of a layer.
//!
//! Source: llama.cpp 0.5.0, src/models/olmo2.cpp.

use super::dense::Inputs;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::projection::Qkv;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::Id;

/// `olmo2`.
pub(super) const OLMO2: Architecture = Architecture { prepare, ..Architecture::decoder("olmo2", build) };

fn prepare(model: &mut Model<'_>) {
    if model.number("attention.sliding_window").is_some_and(|tokens| tokens > 0) {
        model.set_window(0, 4);
    }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut qkv = heads(build, x, layer)?;
        qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
        let mut attended = build.attention(&inputs.attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let attended = build.layer_norm(attended, Norm::Rms, layer, "post_attention_norm");
        let residual = build.graph.add(attended, x);
        let out = build.feed_forward(residual, layer, Activation::Gated)?;
        let out = build.free_norm(out, Norm::Rms, layer, "post_ffw_norm");
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}

/// Queries, keys and values, which become heads after the norms.
fn heads(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Qkv> {
    let model = build.model;
    let (head, heads, kv_heads) = (model.head_k(layer), model.heads(layer), model.kv_heads(layer));
    let tokens = build.batch.tokens;
    let q = build.linear(x, layer, "attn_q")?;
    let k = build.linear(x, layer, "attn_k")?;
    let v = build.linear(x, layer, "attn_v")?;
    let q = build.layer_norm(q, Norm::Rms, layer, "attn_q_norm");
    let k = build.layer_norm(k, Norm::Rms, layer, "attn_k_norm");
    let q = build.graph.reshape_3d(q, head, heads, tokens);
    let k = build.graph.reshape_3d(k, head, kv_heads, tokens);
    let v = build.graph.reshape_3d(v, head, kv_heads, tokens);
    Ok(Qkv { q, k, v })
}
