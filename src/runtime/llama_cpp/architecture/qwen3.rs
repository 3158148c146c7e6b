//! Qwen 3, dense and with experts: norms of queries and keys.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen3.cpp, qwen3moe.cpp.

use super::dense::Decoder;
use super::rules::Architecture;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::build::Build;

/// `qwen3`.
pub(super) const QWEN3: Architecture = Architecture::decoder("qwen3", |build| Decoder::USUAL.build(build));

/// `qwen3moe`.
pub(super) const QWEN3MOE: Architecture = Architecture::decoder("qwen3moe", |build| {
    let network = |build: &mut Build<'_>, x, layer| build.experts(x, layer, Mixture::USUAL);
    Decoder { network, ..Decoder::USUAL }.build(build)
});
