//! BERT, Nomic's and Jina's: encoders without a cache, with norms behind both parts of a layer.
//!
//! Source: llama.cpp 0.5.0, src/models/bert.cpp, nomic-bert.cpp, nomic-bert-moe.cpp, jina-bert-v2.cpp, jina-bert-v3.cpp.

use super::gpt2::flat_norm;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::tensor::Id;

/// `bert`: positions have an embedding.
pub(super) const BERT: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("bert", |build| encoder(build, Rules { is_embedded: true, ..Rules::USUAL }))
};

/// `nomic-bert`: positions are rotary, and networks have a gate.
pub(super) const NOMIC_BERT: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("nomic-bert", |build| {
        encoder(build, Rules { is_rotary: true, kind: Activation::Gated, ..Rules::USUAL })
    })
};

/// `nomic-bert-moe`: some layers have experts.
pub(super) const NOMIC_BERT_MOE: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("nomic-bert-moe", |build| {
        encoder(build, Rules { is_rotary: true, ..Rules::USUAL })
    })
};

/// `jina-bert-v2`: the mask has a slope for each head.
pub(super) const JINA_BERT_V2: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("jina-bert-v2", |build| {
        encoder(build, Rules { kind: Activation::Gated, ..Rules::USUAL })
    })
};

/// `jina-bert-v3`: positions are rotary.
pub(super) const JINA_BERT_V3: Architecture = Architecture {
    layout: Layout::none,
    ..Architecture::decoder("jina-bert-v3", |build| encoder(build, Rules { is_rotary: true, ..Rules::USUAL }))
};

/// In what the encoders differ.
#[derive(Clone, Copy, Debug)]
struct Rules {
    is_embedded: bool,
    is_rotary: bool,
    kind: Activation,
}

impl Rules {
    const USUAL: Rules = Rules { is_embedded: false, is_rotary: false, kind: Activation::Plain };
}

fn encoder(build: &mut Build<'_>, rules: Rules) -> Result<()> {
    let positions = build.positions(1);
    let mut x = build.embedding()?;
    if let Some(types) = build.find("token_types.weight") {
        let row = build.graph.view_1d(types, build.model.width, 0);
        x = build.graph.add(x, row);
    }
    if rules.is_embedded {
        let table = build.need("position_embd.weight")?;
        let rows = build.graph.get_rows(table, positions);
        x = build.graph.add(rows, x);
    }
    build.graph.layer = Some(0);
    x = build.norm(x, Norm::Layer, "token_embd_norm");
    let attention = build.attention_inputs_without_cache();
    let ids = build.output_ids();
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let mut qkv = build.qkv(x, layer)?;
        if build.layer_weight(layer, "attn_q_norm.weight").is_some() {
            qkv.q = flat_norm(build, qkv.q, layer, "attn_q_norm");
        }
        if build.layer_weight(layer, "attn_k_norm.weight").is_some() {
            qkv.k = flat_norm(build, qkv.k, layer, "attn_k_norm");
        }
        if rules.is_rotary {
            qkv.q = build.graph.rope(qkv.q, positions, None);
            qkv.k = build.graph.rope(qkv.k, positions, None);
        }
        let mut attended = build.attention(&attention, qkv, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, ids);
        let sum = build.graph.add(attended, x);
        let mut residual = build.layer_norm(sum, Norm::Layer, layer, "attn_output_norm");
        if build.layer_weight(layer, "attn_norm_2.weight").is_some() {
            residual = build.layer_norm(residual, Norm::Layer, layer, "attn_norm_2");
        }
        let out = network(build, residual, layer, rules.kind)?;
        let sum = build.graph.add(out, residual);
        x = build.layer_norm(sum, Norm::Layer, layer, "layer_output_norm");
    }
    build.graph.layer = None;
    build.hidden_only(x);
    Ok(())
}

fn network(build: &mut Build<'_>, x: Id, layer: u64, kind: Activation) -> Result<Id> {
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_some() {
        let mixture = Mixture { is_normalized: false, is_scaled: false, ..Mixture::USUAL };
        return build.experts(x, layer, mixture);
    }
    let has_gate = build.layer_weight(layer, "ffn_gate.weight").is_some();
    let up = build.need_layer(layer, "ffn_up.weight")?;
    let width =
        build.model.numbers("feed_forward_length").and_then(|widths| widths.get(layer as usize).copied());
    // The first weight holds the gate where it is wider than the file says.
    let holds_gate = kind == Activation::Gated && !has_gate && Some(build.graph.ne(up)[1]) != width;
    build.feed_forward(x, layer, if holds_gate { Activation::Halves } else { kind })
}
