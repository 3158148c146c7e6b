//! Llama 4: attention in chunks, some layers without rotary positions, and experts whose inputs are weighed.
//!
//! Source: llama.cpp 0.5.0, src/models/llama4.cpp.

use super::dense::{Inputs, rope_factors};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::{Gating, Mixture};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// Experts of the model whose queries and keys are not normed.
const WITHOUT_NORMS: u64 = 128;

/// Tokens of a chunk.
const CHUNK: u64 = 8192;

/// `llama4`.
pub(super) const LLAMA4: Architecture = Architecture { prepare, ..Architecture::decoder("llama4", build) };

fn prepare(model: &mut Model<'_>) {
    if model.number("attention.sliding_window") != Some(0) {
        model.set_window(CHUNK, 4);
        model.window.tokens = CHUNK;
    }
}

/// Every fourth layer has no rotary positions; without windows, the last.
fn is_rotary(model: &Model<'_>, layer: u64) -> bool {
    let step = if model.has_window() { 4 } else { model.layers };
    !(layer + 1).is_multiple_of(step)
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let positions = build.positions(1);
    let scales = build.attention_scales();
    let attention = build.attention_inputs();
    let ids = build.output_ids();
    let inputs = Inputs { x, positions, attention, ids };
    let mut x = x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut attended = attend(build, &inputs, (normed, scales), layer)?;
        build.wanted(layer, &mut attended, &mut x, ids);
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = network(build, normed, layer)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}

fn attend(build: &mut Build<'_>, inputs: &Inputs, (x, scales): (Id, Id), layer: u64) -> Result<Id> {
    let mut qkv = build.qkv(x, layer)?;
    if is_rotary(build.model, layer) {
        let factors = rope_factors(build);
        qkv.q = build.graph.rope(qkv.q, inputs.positions, factors);
        qkv.k = build.graph.rope(qkv.k, inputs.positions, factors);
        if build.model.experts != WITHOUT_NORMS {
            qkv.q = build.graph.apply(Op::RmsNorm, qkv.q);
            qkv.k = build.graph.apply(Op::RmsNorm, qkv.k);
        }
    } else {
        qkv.q = build.graph.mul(qkv.q, scales);
    }
    build.attention(&inputs.attention, qkv, layer, Extra::default())
}

fn network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_none() {
        return build.feed_forward(x, layer, Activation::Gated);
    }
    let kind =
        Mixture { gating: Gating::SigmoidBefore, is_normalized: false, is_scaled: false, ..Mixture::USUAL };
    let routed = build.experts(x, layer, kind)?;
    let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
    let shared = build.feed_forward_of(x, layer, Activation::Gated, names)?;
    Ok(build.graph.add(routed, shared))
}
