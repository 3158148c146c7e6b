//! Llama 2 and 3, Mistral, Mixtral, SmolLM.
//!
//! Source: llama.cpp 0.5.0, src/models/llama.cpp.

use super::dense::{Inputs, feed_forward_or_experts, layers};
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `llama`.
pub(super) const LLAMA: Architecture = Architecture::decoder("llama", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 1)?;
    let x =
        layers(build, &inputs, |build, x, layer| feed_forward_or_experts(build, x, layer, Mixture::USUAL))?;
    build.finish(x, Norm::Rms, Logits::Plain)
}
