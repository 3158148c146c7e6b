//! Gemma 3: all but every sixth layer have a window, where the file has one.
//!
//! Source: llama.cpp 0.5.0, src/models/gemma3.cpp.

use super::dense::Inputs;
use super::gemma2::layers;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;

/// `gemma3`.
pub(super) const GEMMA3: Architecture = Architecture { prepare, ..Architecture::decoder("gemma3", build) };

fn prepare(model: &mut Model<'_>) {
    if model.number("attention.sliding_window").is_some_and(|tokens| tokens > 0) {
        model.set_window(0, 6);
    }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let inputs = Inputs::after(build, x, 1);
    let x = layers(build, &inputs, Extra::default())?;
    let is_capped = build.model.float("final_logit_softcapping").is_some_and(|limit| limit != 0.0);
    build.finish(x, Norm::Rms, if is_capped { Logits::SoftCapped } else { Logits::Plain })
}
