//! OpenELM: heads and networks of another size in each layer.
//!
//! Source: llama.cpp 0.5.0, src/models/openelm.cpp.

use super::dense::Inputs;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::projection::Qkv;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// `openelm`.
pub(super) const OPENELM: Architecture = Architecture::decoder("openelm", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut attended = attention(build, &inputs, normed, layer)?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let residual = build.graph.add(x, attended);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Gated)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}

fn attention(build: &mut Build<'_>, inputs: &Inputs, x: Id, layer: u64) -> Result<Id> {
    let model = build.model;
    let (head, heads, kv_heads) = (model.head_k(layer), model.heads(layer), model.kv_heads(layer));
    let tokens = build.batch.tokens;
    let all = build.linear(x, layer, "attn_qkv")?;
    let all = build.graph.reshape_3d(all, head, heads + 2 * kv_heads, tokens);
    let [_, nb1, nb2, _] = build.graph.get(all).nb;
    let mut part = |count: u64, before: u64| {
        build.graph.view_3d(all, [head, count, tokens], [nb1, nb2], nb1.saturating_mul(before))
    };
    let (q, k, v) = (part(heads, 0), part(kv_heads, heads), part(kv_heads, heads + kv_heads));
    let q = build.layer_norm(q, Norm::Rms, layer, "attn_q_norm");
    let k = build.layer_norm(k, Norm::Rms, layer, "attn_k_norm");
    let q = build.graph.rope(q, inputs.positions, None);
    let k = build.graph.rope(k, inputs.positions, None);
    build.attention(&inputs.attention, Qkv { q, k, v }, layer, Extra::default())
}
