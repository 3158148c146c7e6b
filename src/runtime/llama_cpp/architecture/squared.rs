//! Networks whose activation is squared, or has parameters of its own: Arcee, Nemotron and Apertus.
//!
//! Source: llama.cpp 0.5.0, src/models/arcee.cpp, nemotron.cpp, apertus.cpp.

use super::dense::{Decoder, plain_network};
use super::rules::Architecture;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

const SQUARED: Decoder = Decoder {
    network: |build: &mut Build<'_>, x, layer| build.feed_forward(x, layer, Activation::Squared),
    ..Decoder::USUAL
};

/// `arcee`.
pub(super) const ARCEE: Architecture = Architecture::decoder("arcee", |build| SQUARED.build(build));

/// `nemotron`: layer norms.
pub(super) const NEMOTRON: Architecture =
    Architecture::decoder("nemotron", |build| Decoder { norm: Norm::Layer, ..SQUARED }.build(build));

/// `apertus`.
pub(super) const APERTUS: Architecture = Architecture::decoder("apertus", |build| {
    Decoder { network: plain_network, ..Decoder::USUAL }.build(build)
});
