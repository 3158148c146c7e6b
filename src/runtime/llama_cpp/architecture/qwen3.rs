//! Qwen 3, dense and with experts: norms of queries and keys.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen3.cpp, qwen3moe.cpp.

use super::dense::{Inputs, layers};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `qwen3`.
pub(super) const QWEN3: Architecture = Architecture::decoder("qwen3", dense);

/// `qwen3moe`.
pub(super) const QWEN3MOE: Architecture = Architecture::decoder("qwen3moe", mixture);

fn dense(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let x = layers(build, &inputs, |build, x, layer| build.feed_forward(x, layer, Activation::Gated))?;
    build.finish(x, Norm::Rms, Logits::Plain)
}

fn mixture(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let x = layers(build, &inputs, |build, x, layer| build.experts(x, layer, Mixture::USUAL))?;
    build.finish(x, Norm::Rms, Logits::Plain)
}
