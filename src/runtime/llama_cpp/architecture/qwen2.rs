//! Qwen 2, and the language model of Qwen 2 VL.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen2.cpp, qwen2vl.cpp.

use super::dense::{Inputs, layers};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `qwen2`.
pub(super) const QWEN2: Architecture = Architecture::decoder("qwen2", |build| decoder(build, 1));

/// `qwen2vl`: a position has four parts.
pub(super) const QWEN2VL: Architecture = Architecture::decoder("qwen2vl", |build| decoder(build, 4));

fn decoder(build: &mut Build<'_>, positions: u64) -> Result<()> {
    let inputs = Inputs::of(build, positions)?;
    let x = layers(build, &inputs, |build, x, layer| build.feed_forward(x, layer, Activation::Gated))?;
    build.finish(x, Norm::Rms, Logits::Plain)
}
