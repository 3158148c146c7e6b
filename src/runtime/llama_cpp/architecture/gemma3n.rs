//! Gemma 3n: several hidden states side by side, embeddings for each layer, and caches that late layers share.
//!
//! Source: llama.cpp 0.5.0, src/models/gemma3n.cpp.

use super::dense::Inputs;
use super::per_layer;
use super::rules::Architecture;
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::attention::{Attention, Extra};
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// `gemma3n`.
pub(super) const GEMMA3N: Architecture = Architecture {
    prepare: |model| model.set_window(0, 5),
    layout,
    is_output_first: true,
    ..Architecture::decoder("gemma3n", build)
};

/// Layers from this on have no keys and values of their own.
const OWN_CACHES: u64 = 20;

/// Layers up to this one keep few activations.
const SPARSE: u64 = 10;

/// Hidden states side by side.
const STATES: u64 = 4;

/// Width of the embedding of each layer.
const PER_LAYER: u64 = 256;

/// Source: src/llama-model.cpp (`create_memory`): late layers read the last but one own layer with a window, or the last.
fn layout(model: &Model<'_>) -> Layout {
    let mut layout = Layout::attention(model);
    for layer in OWN_CACHES..model.layers {
        let own = if model.is_window(layer) { OWN_CACHES - 2 } else { OWN_CACHES - 1 };
        layout.attention[layer as usize] = false;
        layout.shared[layer as usize] = Some(own as u32);
    }
    layout
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let x = build.embedding()?;
    let x = build.graph.scale(x);
    let positions = build.positions(1);
    let attention = build.attention_inputs();
    let per_layer = per_layer::embeddings(build, x, PER_LAYER)?;
    let mut x = stacked(build, x)?;
    let inputs = Inputs { x, positions, attention, ids: positions };
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        x = one_layer(build, x, per_layer, &inputs, layer)?;
        build.graph.name(x, "l_out");
    }
    build.graph.layer = None;
    let x = merged(build, x)?;
    // The tokens that are not wanted are left out last.
    let ids = build.output_ids();
    let x = build.graph.get_rows(x, ids);
    build.finish(x, Norm::Rms, Logits::SoftCapped)
}

fn magnitude(build: &mut Build<'_>, x: Id) -> Id {
    let square = build.graph.apply(Op::Sqr, x);
    let sum = build.graph.of_rows(Op::SumRows, square);
    build.graph.apply(Op::Sqrt, sum)
}

/// The hidden state and its projections side by side.
fn stacked(build: &mut Build<'_>, x: Id) -> Result<Id> {
    let (width, tokens) = (build.model.width, build.batch.tokens);
    let target = magnitude(build, x);
    let repeated = build.graph.repeat(x, [width, tokens, STATES - 1, 1]);
    let weight = build.need("altup_proj.weight")?;
    let added = build.graph.mul_mat(weight, repeated);
    let own = magnitude(build, added);
    let added = build.graph.mul(added, target);
    let added = build.graph.binary(Op::Div, added, own);
    Ok(build.graph.concat(x, added, 2))
}

/// One of the hidden states.
fn slice(build: &mut Build<'_>, x: Id, number: u64) -> Id {
    let ([ne0, ne1, ..], nb) = (build.graph.ne(x), build.graph.get(x).nb);
    build.graph.view_2d(x, [ne0, ne1], nb[1], number * nb[2])
}

/// All hidden states but the first.
fn rest(build: &mut Build<'_>, x: Id) -> Id {
    let ([ne0, ne1, ..], nb) = (build.graph.ne(x), build.graph.get(x).nb);
    build.graph.view_3d(x, [ne0, ne1, STATES - 1], [nb[1], nb[2]], nb[2])
}

/// One hidden state of several.
fn merged(build: &mut Build<'_>, x: Id) -> Result<Id> {
    let first = slice(build, x, 0);
    let target = magnitude(build, first);
    let others = rest(build, x);
    let weight = build.need("altup_unembd_proj.weight")?;
    let made = build.graph.mul_mat(weight, others);
    let own = magnitude(build, made);
    let made = build.graph.mul(made, target);
    let made = build.graph.binary(Op::Div, made, own);
    let mut sum = slice(build, x, 0);
    for number in 0..STATES - 1 {
        let part = slice(build, made, number);
        sum = build.graph.add(sum, part);
    }
    Ok(build.graph.scale(sum))
}

fn one_layer(build: &mut Build<'_>, x: Id, per_layer: Id, inputs: &Inputs, layer: u64) -> Result<Id> {
    let predictions = predict(build, x, layer)?;
    let active = slice(build, predictions, 0);
    let normed = build.layer_norm(active, Norm::Rms, layer, "attn_norm");
    let low = build.linear(normed, layer, "laurel_l")?;
    let low = build.linear(low, layer, "laurel_r")?;
    let low = build.layer_norm(low, Norm::Rms, layer, "laurel_post_norm");
    let laurel = build.graph.add(low, normed);
    let attended = attention(build, normed, (&inputs.attention, inputs.positions), layer)?;
    let attended = build.layer_norm(attended, Norm::Rms, layer, "post_attention_norm");
    let sum = build.graph.add(attended, active);
    let sum = build.graph.add(sum, laurel);
    let residual = build.graph.scale(sum);
    let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
    let out = network(build, normed, layer)?;
    let out = build.free_norm(out, Norm::Rms, layer, "post_ffw_norm");
    let activated = build.graph.add(out, residual);
    let corrected = correct(build, predictions, activated, layer)?;
    let first = slice(build, corrected, 0);
    let scale = build.need_layer(layer, "altup_correct_scale.weight")?;
    let first = build.graph.mul(first, scale);
    let gate = build.linear(first, layer, "inp_gate")?;
    let gate = build.graph.unary(gate);
    let own = slice(build, per_layer, layer);
    let gate = build.graph.mul(gate, own);
    let made = build.linear(gate, layer, "proj")?;
    let made = build.layer_norm(made, Norm::Rms, layer, "post_norm");
    let first = slice(build, corrected, 0);
    let others = rest(build, corrected);
    let others = build.graph.add(others, made);
    Ok(build.graph.concat(first, others, 2))
}

fn attention(build: &mut Build<'_>, x: Id, (inputs, positions): (&Attention, Id), layer: u64) -> Result<Id> {
    if layer < OWN_CACHES {
        let mut qkv = build.qkv(x, layer)?;
        qkv.q = build.layer_norm(qkv.q, Norm::Rms, layer, "attn_q_norm");
        qkv.k = build.layer_norm(qkv.k, Norm::Rms, layer, "attn_k_norm");
        qkv.v = build.norm_with(qkv.v, Norm::Rms, None, None);
        qkv.q = build.graph.rope(qkv.q, positions, None);
        qkv.k = build.graph.rope(qkv.k, positions, None);
        return build.attention(inputs, qkv, layer, Extra::default());
    }
    let (head, heads, tokens) = (build.model.head_k(layer), build.model.heads(layer), build.batch.tokens);
    let q = build.linear(x, layer, "attn_q")?;
    let q = build.graph.reshape_3d(q, head, heads, tokens);
    let q = build.layer_norm(q, Norm::Rms, layer, "attn_q_norm");
    let q = build.graph.rope(q, positions, None);
    build.attend(inputs, (q, None, None), layer, Extra::default())
}

fn network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    let up = build.linear(x, layer, "ffn_up")?;
    let mut gate = build.linear(x, layer, "ffn_gate")?;
    if layer < SPARSE {
        gate = sparse(build, gate);
    }
    let gate = build.graph.unary(gate);
    let active = build.graph.mul(up, gate);
    build.linear(active, layer, "ffn_down")
}

/// What is above the mean by some standard deviations.
fn sparse(build: &mut Build<'_>, x: Id) -> Id {
    let mean = build.graph.of_rows(Op::Mean, x);
    let centered = build.graph.binary(Op::Sub, x, mean);
    let square = build.graph.apply(Op::Sqr, centered);
    let sum = build.graph.of_rows(Op::SumRows, square);
    let variance = build.graph.scale(sum);
    let deviation = build.graph.apply(Op::Sqrt, variance);
    let scaled = build.graph.scale(deviation);
    let cutoff = build.graph.add(mean, scaled);
    let above = build.graph.binary(Op::Sub, x, cutoff);
    build.graph.unary(above)
}

fn modalities(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    let normed = build.layer_norm(x, Norm::Rms, layer, "altup_router_norm");
    let scaled = build.graph.scale(normed);
    let routed = build.linear(scaled, layer, "altup_router")?;
    Ok(build.graph.unary(routed))
}

fn predict(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    let tokens = build.batch.tokens;
    let active = slice(build, x, 0);
    let routed = modalities(build, active, layer)?;
    let factors = build.linear(routed, layer, "altup_predict_coef")?;
    let factors = build.graph.reshape_3d(factors, STATES, STATES, tokens);
    let turned = build.graph.permute(x, [1, 2, 0, 3]);
    let turned = build.graph.cont(turned);
    let made = build.graph.mul_mat(turned, factors);
    let made = build.graph.permute(made, [0, 2, 1, 3]);
    let made = build.graph.cont(made);
    Ok(build.graph.add(made, x))
}

fn correct(build: &mut Build<'_>, predictions: Id, activated: Id, layer: u64) -> Result<Id> {
    let (width, tokens) = (build.model.width, build.batch.tokens);
    let routed = modalities(build, activated, layer)?;
    let active = slice(build, predictions, 0);
    let innovation = build.graph.binary(Op::Sub, activated, active);
    let factors = build.linear(routed, layer, "altup_correct_coef")?;
    let factors = build.graph.scale(factors);
    let factors = build.graph.transpose(factors);
    let factors = build.graph.make(Op::Cont, GgmlType::F32, [1, tokens, STATES, 1], &[factors]);
    let repeated = build.graph.repeat(innovation, [width, tokens, STATES, 1]);
    let corrected = build.graph.mul(repeated, factors);
    Ok(build.graph.add(corrected, predictions))
}
