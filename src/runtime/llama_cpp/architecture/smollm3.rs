//! SmolLM 3: every fourth layer has no rotary positions.
//!
//! Source: llama.cpp 0.5.0, src/models/smollm3.cpp.

use super::dense::{Decoder, plain_attention, rotary_attention};
use super::rules::Architecture;

/// `smollm3`.
pub(super) const SMOLLM3: Architecture = Architecture::decoder("smollm3", |build| {
    Decoder {
        attention: |build, inputs, x, layer, extra| match (layer + 1) % 4 {
            0 => plain_attention(build, inputs, x, layer, extra),
            _ => rotary_attention(build, inputs, x, layer, extra),
        },
        ..Decoder::USUAL
    }
    .build(build)
});
