//! Llama 2 and 3, Mistral, Mixtral, SmolLM, and decoders that have the same graph: Qwen 1, InternLM 2, XVERSE, EXAONE 3, ERNIE
//! 4.5, Pangu and Seed-OSS; as an encoder, Llama's embeddings and EuroBERT.
//!
//! Source: llama.cpp 0.5.0, src/models/llama.cpp, qwen.cpp, internlm2.cpp, xverse.cpp, exaone.cpp, ernie4-5.cpp, pangu-embed.cpp,
//! seed-oss.cpp, llama-embed.cpp, eurobert.cpp.

use super::dense::{Decoder, Inputs, feed_forward_or_experts};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;

const LAYERS: Decoder = Decoder {
    network: |build, x, layer| feed_forward_or_experts(build, x, layer, Mixture::USUAL),
    ..Decoder::USUAL
};

/// `llama`.
pub(super) const LLAMA: Architecture = Architecture::decoder("llama", |build| LAYERS.build(build));

/// `llama-embed`: it has a cache, and does not read it.
pub(super) const LLAMA_EMBED: Architecture = Architecture::decoder("llama-embed", encoder);

/// `eurobert`.
pub(super) const EUROBERT: Architecture =
    Architecture { layout: Layout::none, ..Architecture::decoder("eurobert", encoder) };

/// `qwen`.
pub(super) const QWEN: Architecture = usual("qwen");

/// `internlm2`.
pub(super) const INTERNLM2: Architecture = usual("internlm2");

/// `xverse`.
pub(super) const XVERSE: Architecture = usual("xverse");

/// `exaone`.
pub(super) const EXAONE: Architecture = usual("exaone");

/// `ernie4_5`.
pub(super) const ERNIE4_5: Architecture = usual("ernie4_5");

/// `pangu-embedded`.
pub(super) const PANGU: Architecture = usual("pangu-embedded");

/// `seed_oss`: the second norm has another name.
pub(super) const SEED_OSS: Architecture = Architecture::decoder("seed_oss", |build| {
    Decoder { second_norm: "post_attention_norm", ..Decoder::USUAL }.build(build)
});

const fn usual(name: &'static str) -> Architecture {
    Architecture::decoder(name, |build| Decoder::USUAL.build(build))
}

/// The layers without a cache, and hidden states as the result.
fn encoder(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let positions = build.positions(1);
    let attention = build.attention_inputs_without_cache();
    let ids = build.output_ids();
    let x = LAYERS.layers(build, &Inputs { x, positions, attention, ids })?;
    build.finish_hidden(x, Norm::Rms)
}
