//! Gemma 1, and the encoder of EmbeddingGemma.
//!
//! Source: llama.cpp 0.5.0, src/models/gemma.cpp, gemma-embedding.cpp.

use super::dense::{Decoder, Inputs};
use super::gemma2;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::tensor::Id;

/// `gemma`.
pub(super) const GEMMA: Architecture = Architecture::decoder("gemma", |build| {
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let inputs = Inputs::after(build, x, 1);
    Decoder { attention: scaled_attention, ..Decoder::USUAL }.finish(build, &inputs)
});

/// `gemma-embedding`: every token sees those around it.
pub(super) const GEMMA_EMBEDDING: Architecture = Architecture {
    prepare: |model| {
        model.is_causal = false;
        model.set_window(0, 6);
    },
    layout: Layout::none,
    ..Architecture::decoder("gemma-embedding", encoder)
};

fn encoder(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let positions = build.positions(1);
    let attention = build.attention_inputs_without_cache();
    let ids = build.output_ids();
    let x = gemma2::layers(build, &Inputs { x, positions, attention, ids }, Extra::default())?;
    build.finish_hidden(x, Norm::Rms)
}

/// Attention whose queries are scaled behind the rotary positions.
pub(super) fn scaled_attention(
    build: &mut Build<'_>,
    inputs: &Inputs,
    x: Id,
    layer: u64,
    extra: Extra,
) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
    qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
    qkv.q = build.graph.scale(qkv.q);
    build.attention(&inputs.attention, qkv, layer, extra)
}
