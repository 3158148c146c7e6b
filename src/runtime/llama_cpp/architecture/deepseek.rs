//! DeepSeek 1, dots.llm1, Ling 1 and 2, ERNIE 4.5, GLM 4.5 and MiniMax M2 with experts: some layers have experts, and a network
//! that every token uses.
//!
//! Source: llama.cpp 0.5.0, src/models/deepseek.cpp, dots1.cpp, bailingmoe.cpp, bailingmoe2.cpp, ernie4-5-moe.cpp, glm4-moe.cpp,
//! minimax-m2.cpp, olmoe.cpp, dbrx.cpp.

use super::dense::{Decoder, Inputs, experts_and_shared, wide_norm_attention};
use super::glm4::positions;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::mixture::{Gating, Mixture};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// `deepseek`.
pub(super) const DEEPSEEK: Architecture = Architecture::decoder("deepseek", |build| {
    let network = |build: &mut Build<'_>, x, layer| {
        experts_and_shared(build, x, layer, Mixture { is_normalized: false, ..Mixture::USUAL })
    };
    Decoder { network, ..Decoder::USUAL }.build(build)
});

/// `bailingmoe`.
pub(super) const BAILINGMOE: Architecture = Architecture::decoder("bailingmoe", |build| {
    let network = |build: &mut Build<'_>, x, layer| {
        let is_normalized = build.model.flag("expert_weights_norm").unwrap_or(false);
        experts_and_shared(build, x, layer, Mixture { is_normalized, ..Mixture::USUAL })
    };
    Decoder { network, ..Decoder::USUAL }.build(build)
});

/// `dots1`.
pub(super) const DOTS1: Architecture = by_file("dots1");

/// `bailingmoe2`.
pub(super) const BAILINGMOE2: Architecture = by_file("bailingmoe2");

/// `ernie4_5-moe`.
pub(super) const ERNIE4_5_MOE: Architecture = Architecture::decoder("ernie4_5-moe", |build| {
    Decoder { network: unscaled, ..Decoder::USUAL }.build(build)
});

/// `glm4moe`: the second norm has another name, and a position may have four parts.
pub(super) const GLM4MOE: Architecture = Architecture::decoder("glm4moe", |build| {
    let inputs = Inputs::of(build, positions(build.model))?;
    let network = |build: &mut Build<'_>, x, layer| {
        let kind = Mixture::by_file(build.model, Some(Gating::Sigmoid))?;
        experts_and_shared(build, x, layer, kind)
    };
    Decoder { second_norm: "post_attention_norm", network, ..Decoder::USUAL }.finish(build, &inputs)
});

/// `minimax-m2`: norms over all heads.
pub(super) const MINIMAX_M2: Architecture = Architecture::decoder("minimax-m2", |build| {
    let network = |build: &mut Build<'_>, x, layer| {
        let gating = Gating::by_file(build.model, None)?;
        build.experts(x, layer, Mixture { gating, is_scaled: false, ..Mixture::USUAL })
    };
    Decoder { attention: wide_norm_attention, network, ..Decoder::USUAL }.build(build)
});

/// `olmoe`: norms over all heads.
pub(super) const OLMOE: Architecture = Architecture::decoder("olmoe", |build| {
    let network = |build: &mut Build<'_>, x, layer| {
        let kind = Mixture { is_normalized: false, is_scaled: false, ..Mixture::USUAL };
        build.experts(x, layer, kind)
    };
    Decoder { attention: wide_norm_attention, network, ..Decoder::USUAL }.build(build)
});

/// `dbrx`: layer norms.
pub(super) const DBRX: Architecture = Architecture::decoder("dbrx", |build| {
    let network = unscaled;
    Decoder { norm: Norm::Layer, second_norm: "attn_output_norm", network, ..Decoder::USUAL }.build(build)
});

/// Experts that are weighed as the file says.
pub(super) const fn by_file(name: &'static str) -> Architecture {
    Architecture::decoder(name, |build| {
        let network = |build: &mut Build<'_>, x, layer| {
            let kind = Mixture::by_file(build.model, None)?;
            experts_and_shared(build, x, layer, kind)
        };
        Decoder { network, ..Decoder::USUAL }.build(build)
    })
}

/// Experts whose weights sum to one.
pub(super) fn unscaled(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    experts_and_shared(build, x, layer, Mixture { is_scaled: false, ..Mixture::USUAL })
}
