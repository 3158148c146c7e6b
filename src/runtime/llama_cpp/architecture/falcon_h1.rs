//! Falcon H1: attention and Mamba 2 side by side in every layer.
//!
//! Source: llama.cpp 0.5.0, src/models/falcon-h1.cpp.

use super::dense::{Inputs, rotary_attention};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::recurrent::StateSizes;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;

/// `falcon-h1`.
pub(super) const FALCON_H1: Architecture =
    Architecture { layout: both, ..Architecture::decoder("falcon-h1", build) };

fn both(model: &Model<'_>) -> Layout {
    let recurrent = vec![true; model.layers as usize];
    Layout { recurrent, state: StateSizes::of(model).elements(), ..Layout::attention(model) }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let mut x = build.embedding()?;
    let positions = build.positions(1);
    let states = build.states();
    let attention = build.attention_inputs();
    let ids = build.output_ids();
    let inputs = Inputs { x, positions, attention, ids };
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let attended = rotary_attention(build, &inputs, normed, layer, Extra::default())?;
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mixed = build.mamba2(normed, layer, states)?;
        let mut sum = build.graph.add(attended, mixed);
        let mut residual = build.graph.add(sum, x);
        build.wanted(layer, &mut sum, &mut residual, ids);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Gated)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
