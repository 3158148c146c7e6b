//! Mamba and Mamba 2: no attention.
//!
//! Source: llama.cpp 0.5.0, src/models/mamba.cpp, mamba2.cpp.

use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::recurrent::{StateSizes, States};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::Id;

/// `mamba`.
pub(super) const MAMBA: Architecture = Architecture {
    layout: states,
    ..Architecture::decoder("mamba", |build| {
        layers(build, |build, x, layer, states| build.mamba(x, layer, states))
    })
};

/// `mamba2`.
pub(super) const MAMBA2: Architecture = Architecture {
    layout: states,
    ..Architecture::decoder("mamba2", |build| {
        layers(build, |build, x, layer, states| build.mamba2(x, layer, states))
    })
};

fn states(model: &Model<'_>) -> Layout {
    let recurrent = vec![true; model.layers as usize];
    Layout { recurrent, state: StateSizes::of(model).elements(), ..Layout::none(model) }
}

fn layers(build: &mut Build<'_>, mix: fn(&mut Build<'_>, Id, u64, States) -> Result<Id>) -> Result<()> {
    let mut x = build.embedding()?;
    let states = build.states();
    let ids = build.output_ids();
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = mix(build, normed, layer, states)?;
        build.wanted(layer, &mut out, &mut x, ids);
        x = build.graph.add(out, x);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
