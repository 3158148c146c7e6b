//! Qwen 3 Next: three layers of the gated delta rule, one of attention, and experts in all.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen3next.cpp.

use super::rules::Architecture;
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::delta_net::{DeltaInputs, DeltaSizes, recurrent_layers};
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::recurrent::{StateSizes, States};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// `qwen3next`.
pub(super) const QWEN3NEXT: Architecture = Architecture {
    layout,
    ..Architecture::decoder("qwen3next", |build| {
        let rules = Rules { positions: 1, is_reshaped: true, inputs };
        decoder(build, rules)
    })
};

/// Recurrent states in some layers, keys and values in the others.
pub(super) fn layout(model: &Model<'_>) -> Layout {
    let recurrent = recurrent_layers(model);
    let attention = recurrent.iter().map(|is_recurrent| !is_recurrent).collect();
    Layout { attention, recurrent, state: StateSizes::of(model).elements(), ..Layout::attention(model) }
}

/// In what such decoders differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Parts of a position.
    pub(super) positions: u64,
    /// Queries and their gate are given their heads before they are taken apart.
    pub(super) is_reshaped: bool,
    /// What a recurrent layer starts with.
    pub(super) inputs: fn(&mut Build<'_>, Id, u64, DeltaSizes) -> Result<DeltaInputs>,
}

/// A decoder of recurrent layers and of attention, whose last layer runs on all tokens.
pub(super) fn decoder(build: &mut Build<'_>, rules: Rules) -> Result<()> {
    let sizes = DeltaSizes::of(build.model)?;
    let mut x = build.embedding()?;
    let states = build.states();
    let attention = build.attention_inputs();
    let positions = build.positions(rules.positions);
    let ids = build.output_ids();
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        build.graph.expand(normed);
        let out = if build.caches.layout.recurrent[layer as usize] {
            recurrent(build, normed, (layer, states), (rules, sizes))?
        } else {
            build.gated_attention(&attention, (normed, positions), layer, rules.is_reshaped)?
        };
        let residual = build.graph.add(out, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "post_attention_norm");
        let out = network(build, normed, layer)?;
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish_all(x, ids, Logits::Plain)
}

fn recurrent(
    build: &mut Build<'_>,
    x: Id,
    (layer, states): (u64, States),
    (rules, sizes): (Rules, DeltaSizes),
) -> Result<Id> {
    let inputs = (rules.inputs)(build, x, layer, sizes)?;
    build.delta_net(inputs, layer, states)
}

/// Experts, and one that every token uses, behind a gate; or a network without experts.
fn network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    if build.layer_weight(layer, "ffn_gate_inp.weight").is_none() {
        return build.feed_forward(x, layer, Activation::Gated);
    }
    let routed = build.experts(x, layer, Mixture::USUAL)?;
    if build.layer_weight(layer, "ffn_up_shexp.weight").is_none() {
        return Ok(routed);
    }
    let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
    let shared = build.feed_forward_of(x, layer, Activation::Gated, names)?;
    let gate = build.linear(x, layer, "ffn_gate_inp_shexp")?;
    let gate = build.graph.unary(gate);
    let shared = build.graph.mul(shared, gate);
    Ok(build.graph.add(routed, shared))
}

fn inputs(build: &mut Build<'_>, x: Id, layer: u64, sizes: DeltaSizes) -> Result<DeltaInputs> {
    let DeltaSizes { key_heads, value_heads, .. } = sizes;
    let sequences = build.batch.sequences;
    let tokens = build.batch.tokens / sequences;
    let (mixed, gate) = match build.layer_weight(layer, "attn_qkv.weight") {
        Some(_) => {
            let mixed = build.linear(x, layer, "attn_qkv")?;
            let width = build.graph.ne(mixed)[0];
            (build.graph.reshape_3d(mixed, width, tokens, sequences), build.linear(x, layer, "attn_gate")?)
        }
        None => by_group(build, x, layer, sizes)?,
    };
    let both = build.linear(x, layer, "ssm_ba")?;
    let each = value_heads / key_heads;
    let both = build.graph.reshape(both, [2 * each, key_heads, tokens, sequences]);
    let [_, nb1, nb2, nb3] = build.graph.get(both).nb;
    let mut part =
        |offset| build.graph.view(both, [each, key_heads, tokens, sequences], [nb1, nb2, nb3], offset);
    let (beta, alpha) = (part(0), part(each * 4));
    let beta = build.graph.cont(beta);
    let beta = build.graph.unary(beta);
    let alpha = build.graph.make(Op::Cont, GgmlType::F32, [value_heads, tokens, sequences, 1], &[alpha]);
    let decay = decay(build, alpha, layer, value_heads)?;
    let beta = build.graph.reshape(beta, [1, value_heads, tokens, sequences]);
    Ok(DeltaInputs { mixed, gate, beta, decay, repeats: true })
}

/// The decay of each head's state.
pub(super) fn decay(build: &mut Build<'_>, alpha: Id, layer: u64, heads: u64) -> Result<Id> {
    let sequences = build.batch.sequences;
    let tokens = build.batch.tokens / sequences;
    let bias = build.need_layer(layer, "ssm_dt.bias")?;
    let sum = build.graph.add(alpha, bias);
    let soft = build.graph.unary(sum);
    let factor = build.need_layer(layer, "ssm_a")?;
    let decay = build.graph.mul(soft, factor);
    Ok(build.graph.reshape(decay, [1, heads, tokens, sequences]))
}

/// Queries, keys, values and gate of files that have one weight for all, by group of heads.
fn by_group(build: &mut Build<'_>, x: Id, layer: u64, sizes: DeltaSizes) -> Result<(Id, Id)> {
    let DeltaSizes { head, key_heads, value_heads } = sizes;
    let sequences = build.batch.sequences;
    let tokens = build.batch.tokens / sequences;
    let values = head * (value_heads / key_heads);
    let all = build.linear(x, layer, "ssm_in")?;
    let all = build.graph.reshape(all, [2 * head + 2 * values, key_heads, tokens, sequences]);
    let [_, nb1, nb2, nb3] = build.graph.get(all).nb;
    let mut part = |width: u64, before: u64| {
        build.graph.view(all, [width, key_heads, tokens, sequences], [nb1, nb2, nb3], before * 4)
    };
    let (q, k) = (part(head, 0), part(head, head));
    let (v, gate) = (part(values, 2 * head), part(values, 2 * head + values));
    let gate = build.graph.cont(gate);
    let mut flat = |part: Id, width: u64| {
        build.graph.make(Op::Cont, GgmlType::F32, [width * key_heads, tokens, sequences, 1], &[part])
    };
    let (q, k, v) = (flat(q, head), flat(k, head), flat(v, values));
    let mixed = build.graph.concat(q, k, 0);
    Ok((build.graph.concat(mixed, v, 0), gate))
}
