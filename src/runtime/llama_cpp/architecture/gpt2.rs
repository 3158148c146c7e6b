//! Layer norms and networks without a gate: GPT-2, StarCoder 1 and 2, CodeShell, BLOOM, MPT, and Jais, which has a gate.
//!
//! Source: llama.cpp 0.5.0, src/models/gpt2.cpp, starcoder.cpp, starcoder2.cpp, codeshell.cpp, bloom.cpp, mpt.cpp, jais.cpp.

use super::dense::{Decoder, Inputs, gated_network, plain_attention, plain_network, rotary_attention};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// Layers without rotary positions.
const LAYERS: Decoder =
    Decoder { norm: Norm::Layer, attention: plain_attention, network: plain_network, ..Decoder::USUAL };

/// `gpt2`: positions have an embedding.
pub(super) const GPT2: Architecture = Architecture::decoder("gpt2", |build| embedded(build, &LAYERS));

/// `starcoder`.
pub(super) const STARCODER: Architecture =
    Architecture::decoder("starcoder", |build| embedded(build, &LAYERS));

/// `starcoder2`: positions are rotary.
pub(super) const STARCODER2: Architecture = rotary("starcoder2");

/// `codeshell`.
pub(super) const CODESHELL: Architecture = rotary("codeshell");

/// `bloom`: the mask has a slope for each head, and the embedding is normed.
pub(super) const BLOOM: Architecture = Architecture::decoder("bloom", |build| {
    let x = build.embedding()?;
    build.graph.layer = Some(0);
    let x = build.norm(x, Norm::Layer, "token_embd_norm");
    let inputs = Inputs::after(build, x, 1);
    LAYERS.finish(build, &inputs)
});

/// `mpt`: slopes or an embedding of positions.
pub(super) const MPT: Architecture = Architecture::decoder("mpt", |build| {
    embedded(build, &Decoder { attention: flat_norm_attention, ..LAYERS })
});

/// `jais`: slopes.
pub(super) const JAIS: Architecture =
    Architecture::decoder("jais", |build| Decoder { network: gated_network, ..LAYERS }.build(build));

const fn rotary(name: &'static str) -> Architecture {
    Architecture::decoder(name, |build| Decoder { attention: rotary_attention, ..LAYERS }.build(build))
}

/// A decoder that adds an embedding of positions, where the file has one.
fn embedded(build: &mut Build<'_>, layers: &Decoder) -> Result<()> {
    let mut inputs = Inputs::of(build, 1)?;
    if let Some(table) = build.find("position_embd.weight") {
        let rows = build.graph.get_rows(table, inputs.positions);
        inputs.x = build.graph.add(inputs.x, rows);
    }
    layers.finish(build, &inputs)
}

/// Attention with layer norms over all heads of queries and keys, where the file has them.
fn flat_norm_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    if build.layer_weight(layer, "attn_q_norm.weight").is_some() {
        qkv.q = flat_norm(build, qkv.q, layer, "attn_q_norm");
        qkv.k = flat_norm(build, qkv.k, layer, "attn_k_norm");
    }
    build.attention(&inputs.attention, qkv, layer, extra)
}

/// A layer norm over all heads at once.
pub(super) fn flat_norm(build: &mut Build<'_>, x: Id, layer: u64, name: &'static str) -> Id {
    let [head, heads, tokens, _] = build.graph.ne(x);
    let flat = build.graph.reshape_2d(x, head * heads, tokens);
    let normed = build.layer_norm(flat, Norm::Layer, layer, name);
    build.graph.reshape_3d(normed, head, heads, tokens)
}
