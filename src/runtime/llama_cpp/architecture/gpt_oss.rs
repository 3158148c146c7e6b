//! gpt-oss: sinks, windows in every second layer, and experts with biases.
//!
//! Source: llama.cpp 0.5.0, src/models/openai-moe.cpp.

use super::dense::Inputs;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::{Gating, Mixture};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `gpt-oss`.
pub(super) const GPT_OSS: Architecture =
    Architecture { prepare: |model| model.set_window(0, 2), ..Architecture::decoder("gpt-oss", build) };

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let kind =
        Mixture { gating: Gating::SoftmaxOfUsed, is_normalized: false, is_scaled: true, is_squared: false };
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut qkv = build.qkv(normed, layer)?;
        qkv.q = build.graph.rope(qkv.q, inputs.positions, None);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, None);
        let sinks = build.layer_weight(layer, "attn_sinks.weight");
        let attended = build.attention(&inputs.attention, qkv, layer, Extra { sinks, ..Extra::default() })?;
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "post_attention_norm");
        let out = build.experts(normed, layer, kind)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    // The last layer runs on all tokens, whose hidden states are read after the run.
    build.graph.layer = None;
    build.graph.set_output(x);
    let x = build.graph.get_rows(x, inputs.ids);
    build.finish(x, Norm::Rms, Logits::Plain)
}
