//! Qwen 2, and the language model of Qwen 2 VL.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen2.cpp, qwen2vl.cpp.

use super::dense::{Decoder, Inputs};
use super::rules::Architecture;

/// `qwen2`.
pub(super) const QWEN2: Architecture = Architecture::decoder("qwen2", |build| Decoder::USUAL.build(build));

/// `qwen2vl`: a position has four parts.
pub(super) const QWEN2VL: Architecture = Architecture::decoder("qwen2vl", |build| {
    let inputs = Inputs::of(build, 4)?;
    Decoder::USUAL.finish(build, &inputs)
});
