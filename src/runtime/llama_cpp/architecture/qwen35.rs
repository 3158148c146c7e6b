//! Qwen 3.5 and 3.6, dense and with experts: as Qwen 3 Next, with positions in four parts.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen35.cpp, qwen35moe.cpp.

use super::qwen3next::{Rules, decay, decoder, layout};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::delta_net::{DeltaInputs, DeltaSizes};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// `qwen35`.
pub(super) const QWEN35: Architecture = Architecture { layout, ..Architecture::decoder("qwen35", build) };

/// `qwen35moe`.
pub(super) const QWEN35MOE: Architecture =
    Architecture { layout, ..Architecture::decoder("qwen35moe", build) };

fn build(build: &mut Build<'_>) -> Result<()> {
    decoder(build, Rules { positions: 4, is_reshaped: false, inputs })
}

fn inputs(build: &mut Build<'_>, x: Id, layer: u64, sizes: DeltaSizes) -> Result<DeltaInputs> {
    let heads = sizes.value_heads;
    let sequences = build.batch.sequences;
    let tokens = build.batch.tokens / sequences;
    let mixed = build.linear(x, layer, "attn_qkv")?;
    let width = build.graph.ne(mixed)[0];
    let mixed = build.graph.reshape_3d(mixed, width, tokens, sequences);
    let gate = build.linear(x, layer, "attn_gate")?;
    let beta = build.linear(x, layer, "ssm_beta")?;
    let beta = build.graph.reshape(beta, [1, heads, tokens, sequences]);
    let beta = build.graph.unary(beta);
    let alpha = build.linear(x, layer, "ssm_alpha")?;
    let alpha = build.graph.reshape_3d(alpha, heads, tokens, sequences);
    let decay = decay(build, alpha, layer, heads)?;
    // The operator reads one head of keys for several of values.
    Ok(DeltaInputs { mixed, gate, beta, decay, repeats: false })
}
