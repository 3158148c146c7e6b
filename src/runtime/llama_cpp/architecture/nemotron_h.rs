//! Nemotron H, Nano 2 and 3: a layer is Mamba 2, attention without positions, or a network.
//!
//! Source: llama.cpp 0.5.0, src/models/nemotron-h.cpp, nemotron-h-moe.cpp.

use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::{Gating, Mixture};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::recurrent::StateSizes;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::Id;

/// `nemotron_h`.
pub(super) const NEMOTRON_H: Architecture =
    Architecture { layout, ..Architecture::decoder("nemotron_h", build) };

/// `nemotron_h_moe`.
pub(super) const NEMOTRON_H_MOE: Architecture =
    Architecture { layout, ..Architecture::decoder("nemotron_h_moe", build) };

/// What a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Recurrent,
    Attention,
    Network,
}

impl Kind {
    /// By widths of networks and heads of keys; widths are 0 where the file does not list them.
    fn of(model: &Model<'_>, widths: Option<&[u64]>, layer: u64) -> Kind {
        let width = widths.and_then(|widths| widths.get(layer as usize)).copied().unwrap_or(0);
        match (width, model.kv_heads(layer)) {
            (0, 0) => Kind::Recurrent,
            (0, _) => Kind::Attention,
            _ => Kind::Network,
        }
    }

    fn all(model: &Model<'_>) -> Vec<Kind> {
        let widths = model.numbers("feed_forward_length");
        (0..model.layers).map(|layer| Kind::of(model, widths.as_deref(), layer)).collect()
    }
}

fn layout(model: &Model<'_>) -> Layout {
    let kinds = Kind::all(model);
    let are = |wanted: Kind| kinds.iter().map(|&kind| kind == wanted).collect();
    let state = StateSizes::of(model).elements();
    Layout {
        attention: are(Kind::Attention),
        recurrent: are(Kind::Recurrent),
        state,
        ..Layout::attention(model)
    }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let kinds = Kind::all(build.model);
    let mut x = build.embedding()?;
    let states = build.states();
    let attention = build.attention_inputs();
    let ids = build.output_ids();
    for (layer, kind) in (0..build.model.layers).zip(kinds) {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let out = match kind {
            Kind::Recurrent => build.mamba2(normed, layer, states)?,
            Kind::Attention => {
                let qkv = build.qkv(normed, layer)?;
                build.attention(&attention, qkv, layer, Extra::default())?
            }
            Kind::Network => network(build, normed, layer)?,
        };
        x = build.graph.add(out, x);
        build.graph.name(x, "l_out");
    }
    build.finish_all(x, ids, Logits::Plain)
}

/// A network, or experts that may read and write a narrower hidden state.
fn network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_none() {
        return build.feed_forward(x, layer, Activation::Squared);
    }
    let narrow = match build.layer_weight(layer, "ffn_latent_down.weight") {
        Some(weight) => build.graph.mul_mat(weight, x),
        None => x,
    };
    let logits = build.linear(x, layer, "ffn_gate_inp")?;
    let is_normalized = build.model.flag("expert_weights_norm").unwrap_or(false);
    let kind = Mixture { gating: Gating::Sigmoid, is_normalized, is_scaled: true, is_squared: true };
    let mut routed = build.experts_of(narrow, logits, layer, kind)?;
    if let Some(weight) = build.layer_weight(layer, "ffn_latent_up.weight") {
        routed = build.graph.mul_mat(weight, routed);
    }
    let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
    let shared = build.feed_forward_of(x, layer, Activation::Squared, names)?;
    Ok(build.graph.add(routed, shared))
}
