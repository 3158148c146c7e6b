//! MiniCPM 3: keys and values from a latent state, written out, and scaled residuals.
//!
//! Source: llama.cpp 0.5.0, src/models/minicpm3.cpp.

use super::deepseek2::{Widths, written_out};
use super::dense::{Inputs, rope_factors};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// `minicpm3`.
pub(super) const MINICPM3: Architecture = Architecture::decoder("minicpm3", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let widths = Widths::of(build.model)?;
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let inputs = Inputs::after(build, x, 1);
    let mut x = x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = attention(build, &inputs, normed, layer, widths)?;
        build.wanted(layer, &mut out, &mut x, inputs.ids);
        let out = build.graph.scale(out);
        let residual = build.graph.add(out, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = build.feed_forward(normed, layer, Activation::Gated)?;
        let out = build.graph.scale(out);
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    let hidden = build.last_norm(x, Norm::Rms);
    let scaled = build.graph.scale(hidden);
    build.logits(scaled, Logits::Plain)
}

fn attention(build: &mut Build<'_>, inputs: &Inputs, x: Id, layer: u64, widths: Widths) -> Result<Id> {
    let Widths { key, rotary, rank, heads, .. } = widths;
    let tokens = build.batch.tokens;
    let factors = rope_factors(build);
    let low = build.linear(x, layer, "attn_q_a")?;
    let low = build.layer_norm(low, Norm::Rms, layer, "attn_q_a_norm");
    let q = build.linear(low, layer, "attn_q_b")?;
    let q = build.graph.reshape_3d(q, key, heads, tokens);
    let both = build.linear(x, layer, "attn_kv_a_mqa")?;
    let row = (rank + rotary) * 4;
    let latent = build.graph.view_2d(both, [rank, tokens], row, 0);
    let turned = build.graph.view_3d(both, [rotary, 1, tokens], [row, row], rank * 4);
    let latent = build.layer_norm(latent, Norm::Rms, layer, "attn_kv_a_norm");
    let turned = build.graph.rope(turned, inputs.positions, factors);
    let qkv = written_out(build, [q, latent, turned], (inputs.positions, factors), layer, widths)?;
    build.attention(&inputs.attention, qkv, layer, Extra::default())
}
