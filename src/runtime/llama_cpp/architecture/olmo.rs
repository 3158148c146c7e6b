//! Decoders with few differences: OLMo 1, whose norms have no weights, Orion, Refact, Baichuan and ChatGLM.
//!
//! Source: llama.cpp 0.5.0, src/models/olmo.cpp, orion.cpp, refact.cpp, baichuan.cpp, chatglm.cpp.

use super::dense::{Decoder, plain_attention};
use super::rules::Architecture;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// Layers of the Baichuan with rotary positions; larger ones have slopes.
const ROTARY_BAICHUAN: u64 = 32;

/// `olmo`.
pub(super) const OLMO: Architecture =
    Architecture::decoder("olmo", |build| Decoder { norm: Norm::Bare, ..Decoder::USUAL }.build(build));

/// `orion`.
pub(super) const ORION: Architecture =
    Architecture::decoder("orion", |build| Decoder { norm: Norm::Layer, ..Decoder::USUAL }.build(build));

/// `refact`: slopes.
pub(super) const REFACT: Architecture = Architecture::decoder("refact", |build| {
    Decoder { attention: plain_attention, ..Decoder::USUAL }.build(build)
});

/// `baichuan`.
pub(super) const BAICHUAN: Architecture = Architecture::decoder("baichuan", |build| {
    match build.model.layers {
        ROTARY_BAICHUAN => Decoder::USUAL,
        _ => Decoder { attention: plain_attention, ..Decoder::USUAL },
    }
    .build(build)
});

/// `chatglm`: the network's first weight holds the gate.
pub(super) const CHATGLM: Architecture = Architecture::decoder("chatglm", |build| {
    let network = |build: &mut Build<'_>, x, layer| build.feed_forward(x, layer, Activation::Halves);
    Decoder { network, ..Decoder::USUAL }.build(build)
});
