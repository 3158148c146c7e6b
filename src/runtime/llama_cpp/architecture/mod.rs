//! The architectures whose graphs are known: one file each, which builds the graph as llama.cpp's code does.

mod bert;
mod dense;
mod gemma2;
mod gemma3;
mod llama;
mod phi3;
mod qwen2;
mod qwen2moe;
mod qwen3;

use super::build::Build;
use super::cache::Layout;
use super::model::Model;
use crate::error::{Error, ErrorKind, Result};

/// How a graph is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Architecture {
    /// `general.architecture`.
    pub(super) name: &'static str,
    /// Sets what the architecture knows of the model: its windows.
    pub(super) prepare: fn(&mut Model<'_>),
    /// What is cached.
    pub(super) layout: fn(&Model<'_>) -> Layout,
    /// Builds the graph.
    pub(super) build: fn(&mut Build<'_>) -> Result<()>,
    /// The model has no logits, and its passes are whole texts.
    pub(super) is_encoder: bool,
}

impl Architecture {
    /// An architecture that caches keys and values of all tokens in every layer.
    const fn decoder(name: &'static str, build: fn(&mut Build<'_>) -> Result<()>) -> Architecture {
        Architecture { name, prepare: |_| {}, layout: Layout::attention, build, is_encoder: false }
    }
}

/// Every architecture.
const ALL: &[Architecture] = &[
    llama::LLAMA,
    qwen2::QWEN2,
    qwen2::QWEN2VL,
    qwen2moe::QWEN2MOE,
    qwen3::QWEN3,
    qwen3::QWEN3MOE,
    gemma2::GEMMA2,
    gemma3::GEMMA3,
    phi3::PHI3,
    bert::BERT,
];

/// The architecture of a model.
///
/// # Errors
///
/// If its graph is not known.
pub(super) fn of(name: &str) -> Result<&'static Architecture> {
    ALL.iter().find(|found| found.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|found| found.name).collect();
        Error::new(ErrorKind::Unsupported, format!("the graph of architecture \"{name}\" is not known"))
            .note(format!("known are {}", names.join(", ")))
            .help("use `memgraph quick FILE` for rules of thumb")
    })
}
