//! Phi 3 and Phi 3.5 MoE: queries are scaled, and the network's first weight holds the gate.
//!
//! Source: llama.cpp 0.5.0, src/models/phi3.cpp, phimoe.cpp.

use super::dense::{Inputs, rope_factors};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `phi3`.
pub(super) const PHI3: Architecture = Architecture::decoder("phi3", build);

/// `phimoe`.
pub(super) const PHIMOE: Architecture = Architecture::decoder("phimoe", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let factors = rope_factors(build);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut qkv = build.qkv(normed, layer)?;
        qkv.q = build.graph.rope(qkv.q, inputs.positions, factors);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, factors);
        qkv.q = build.graph.scale(qkv.q);
        let mut attended = build.attention(&inputs.attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = match build.layer_weight(layer, "ffn_gate_inp.weight") {
            Some(_) => build.experts(normed, layer, Mixture::USUAL)?,
            None => build.feed_forward(normed, layer, Activation::Halves)?,
        };
        x = build.graph.add(residual, out);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
