//! Hunyuan, dense, with images and with experts: queries and keys are normed after the rotary positions.
//!
//! Source: llama.cpp 0.5.0, src/models/hunyuan-dense.cpp, hunyuan-vl.cpp, hunyuan-moe.cpp.

use super::deepseek::unscaled;
use super::dense::{Decoder, Inputs, late_norm_attention};
use super::glm4::positions;
use super::rules::Architecture;

const LAYERS: Decoder = Decoder { attention: late_norm_attention, ..Decoder::USUAL };

/// `hunyuan-dense`.
pub(super) const HUNYUAN_DENSE: Architecture =
    Architecture::decoder("hunyuan-dense", |build| LAYERS.build(build));

/// `hunyuan_vl`: a position may have four parts.
pub(super) const HUNYUAN_VL: Architecture = Architecture::decoder("hunyuan_vl", |build| {
    let inputs = Inputs::of(build, positions(build.model))?;
    LAYERS.finish(build, &inputs)
});

/// `hunyuan-moe`.
pub(super) const HUNYUAN_MOE: Architecture =
    Architecture::decoder("hunyuan-moe", |build| Decoder { network: unscaled, ..LAYERS }.build(build));
