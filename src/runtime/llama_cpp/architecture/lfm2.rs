//! LFM 2: layers of attention and layers of short convolutions; with experts.
//!
//! Source: llama.cpp 0.5.0, src/models/lfm2.cpp, lfm2moe.cpp.

use super::dense::{Inputs, rotary_attention};
use super::rules::Architecture;
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::{Gating, Mixture};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::recurrent::States;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// `lfm2`.
pub(super) const LFM2: Architecture =
    Architecture { prepare, layout, ..Architecture::decoder("lfm2", build) };

/// `lfm2moe`.
pub(super) const LFM2MOE: Architecture =
    Architecture { prepare, layout, ..Architecture::decoder("lfm2moe", build) };

/// With a window, every layer of attention has it.
fn prepare(model: &mut Model<'_>) {
    if model.number("attention.sliding_window").is_some_and(|tokens| tokens > 0) {
        model.set_window(0, 0);
        let layers = (0..model.all_layers).map(|layer| model.kv_heads(layer) > 0).collect();
        model.window.layers = layers;
    }
}

fn layout(model: &Model<'_>) -> Layout {
    let recurrent: Vec<bool> = (0..model.layers).map(|layer| model.kv_heads(layer) == 0).collect();
    let taps = model.number("shortconv.l_cache").unwrap_or(1).saturating_sub(1);
    let attention = recurrent.iter().map(|is_recurrent| !is_recurrent).collect();
    Layout { attention, recurrent, state: [model.width.saturating_mul(taps), 0], ..Layout::attention(model) }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let taps = build.model.number("shortconv.l_cache").unwrap_or(0);
    if taps < 2 || !build.model.is_causal {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "a short convolution over one token, or over later ones",
        ));
    }
    let mut x = build.embedding()?;
    let states = build.states();
    let attention = build.attention_inputs();
    let positions = build.positions(1);
    let ids = build.output_ids();
    let inputs = Inputs { x, positions, attention, ids };
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = match build.model.kv_heads(layer) {
            0 => convolution(build, normed, states, layer, taps)?,
            _ => rotary_attention(build, &inputs, normed, layer, Extra::default())?,
        };
        build.wanted(layer, &mut out, &mut x, ids);
        let residual = build.graph.add(x, out);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = match build.layer_weight(layer, "ffn_gate_inp.weight") {
            None => build.feed_forward(normed, layer, Activation::Gated)?,
            Some(_) => {
                let gating = Gating::by_file(build.model, None)?;
                let kind = Mixture { gating, is_scaled: false, ..Mixture::USUAL };
                build.experts(normed, layer, kind)?
            }
        };
        x = build.graph.add(residual, out);
        build.graph.name(x, "l_out");
    }
    build.graph.layer = None;
    let hidden = build.norm(x, Norm::Rms, "token_embd_norm");
    build.graph.name(hidden, "result_norm");
    build.hidden_is(hidden);
    if build.settings.embeddings {
        build.graph.expand(hidden);
        return Ok(());
    }
    build.logits(hidden, Logits::Plain)
}

fn convolution(build: &mut Build<'_>, x: Id, states: States, layer: u64, taps: u64) -> Result<Id> {
    let sequences = build.batch.sequences;
    let tokens = build.batch.tokens / sequences;
    let width = build.graph.ne(x)[0];
    let x = build.graph.reshape_3d(x, width, tokens, sequences);
    let all = build.linear(x, layer, "shortconv.in_proj")?;
    let nb = build.graph.get(all).nb;
    let mut part = |number: u64| {
        build.graph.view_3d(all, [width, tokens, sequences], [nb[1], nb[2]], number * width * 4)
    };
    let (before, after, x) = (part(0), part(1), part(2));
    let gated = build.graph.mul(before, x);
    let turned = build.graph.transpose(gated);
    let state = build.state_of(layer)?;
    let kept = build.load_rows(state, states);
    let kept = build.graph.reshape_3d(kept, taps - 1, width, sequences);
    let joined = build.graph.concat(kept, turned, 0);
    let (ne, nb) = (build.graph.ne(joined), build.graph.get(joined).nb);
    let last =
        build.graph.view_3d(joined, [taps - 1, width, sequences], [nb[1], nb[2]], (ne[0] - (taps - 1)) * 4);
    let row = build.graph.get(state).nb[1];
    let target = build.graph.view_2d(state, [(taps - 1) * width, sequences], row, 0);
    let stored = build.graph.copy_to(last, target);
    build.graph.expand(stored);
    let filter = build.need_layer(layer, "shortconv.conv.weight")?;
    let made = build.graph.make(Op::SsmConv, GgmlType::F32, [width, tokens, sequences, 1], &[joined, filter]);
    let y = build.graph.mul(after, made);
    let y = build.linear(y, layer, "shortconv.out_proj")?;
    let width = build.graph.ne(y)[0];
    Ok(build.graph.reshape_2d(y, width, tokens * sequences))
}
