//! DeepSeek 2 and 3, Kimi K2, GLM 4.7: keys and values from a latent state, cached whole or as the state.
//!
//! Source: llama.cpp 0.5.0, src/models/deepseek2.cpp.

use super::rules::Architecture;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::attention::{Attention, Extra};
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::{Gating, Mixture};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::blocks::projection::Qkv;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::Id;

/// `deepseek2`.
pub(super) const DEEPSEEK2: Architecture =
    Architecture { layout, ..Architecture::decoder("deepseek2", build) };

fn layout(model: &Model<'_>) -> Layout {
    Layout { is_latent: model.is_latent(), ..Layout::attention(model) }
}

/// Widths of a head and of the latent state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths {
    /// Of keys.
    pub(super) key: u64,
    /// Of values.
    pub(super) value: u64,
    /// Of the rotary part of keys.
    pub(super) rotary: u64,
    /// Of the latent state.
    pub(super) rank: u64,
    /// Number of heads.
    pub(super) heads: u64,
}

impl Widths {
    /// The widths that a file gives.
    ///
    /// # Errors
    ///
    /// If one is missing.
    pub(super) fn of(model: &Model<'_>) -> Result<Widths> {
        let (key, value) = match model.is_latent() {
            true => (model.number("attention.key_length_mla"), model.number("attention.value_length_mla")),
            false => (Some(model.head_k(0)), Some(model.head_v(0))),
        };
        let rotary = model.number("rope.dimension_count");
        let rank = model.number("attention.kv_lora_rank");
        let found = key.zip(value).zip(rotary.zip(rank)).filter(|((key, _), (rotary, _))| key > rotary);
        let Some(((key, value), (rotary, rank))) = found else {
            return Err(Error::new(ErrorKind::Malformed, "the file lacks widths of its latent attention"));
        };
        Ok(Widths { key, value, rotary, rank, heads: model.heads(0) })
    }

    fn plain(self) -> u64 {
        self.key - self.rotary
    }
}

fn build(build: &mut Build<'_>) -> Result<()> {
    let widths = Widths::of(build.model)?;
    let mut x = build.embedding()?;
    let is_tempered = build.model.float("attention.temperature_scale").is_some_and(|scale| scale != 0.0);
    let scales = is_tempered.then(|| build.attention_scales());
    let positions = build.positions(1);
    let inputs = build.attention_inputs();
    let ids = build.output_ids();
    let dense = build.model.number("leading_dense_block_count").unwrap_or(0);
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut out = attention(build, normed, (&inputs, positions, scales), layer, widths)?;
        build.wanted(layer, &mut out, &mut x, ids);
        let residual = build.graph.add(out, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = match layer < dense {
            true => build.feed_forward(normed, layer, Activation::Gated)?,
            false => experts(build, normed, layer)?,
        };
        x = build.graph.add(out, residual);
        build.graph.name(x, "l_out");
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}

fn experts(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    let vocabulary = build.model.number("vocab_size").unwrap_or(build.model.vocabulary);
    let is_glm = matches!(build.model.layers, 47 | 48) && vocabulary == 154_880;
    let gating = match build.model.number("expert_gating_func").unwrap_or(0) {
        0 if is_glm => Gating::Sigmoid,
        0 | 1 => Gating::Softmax,
        2 => Gating::Sigmoid,
        other => {
            let message =
                format!("{}.expert_gating_func is {other}, which is not known", build.model.architecture);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let is_normalized = build.model.flag("expert_weights_norm").unwrap_or(false);
    let routed =
        build.experts(x, layer, Mixture { gating, is_normalized, is_scaled: true, is_squared: false })?;
    let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
    let shared = build.feed_forward_of(x, layer, Activation::Gated, names)?;
    Ok(build.graph.add(routed, shared))
}

fn attention(
    build: &mut Build<'_>,
    x: Id,
    (inputs, positions, scales): (&Attention, Id, Option<Id>),
    layer: u64,
    widths: Widths,
) -> Result<Id> {
    let Widths { key, rotary, rank, heads, .. } = widths;
    let tokens = build.batch.tokens;
    let q = if build.layer_weight(layer, "attn_q.weight").is_some() {
        build.linear(x, layer, "attn_q")?
    } else {
        let low = build.linear(x, layer, "attn_q_a")?;
        let low = build.layer_norm(low, Norm::Rms, layer, "attn_q_a_norm");
        build.linear(low, layer, "attn_q_b")?
    };
    let q = build.graph.reshape_3d(q, key, heads, tokens);
    let both = build.linear(x, layer, "attn_kv_a_mqa")?;
    let row = (rank + rotary) * 4;
    let latent = build.graph.view_2d(both, [rank, tokens], row, 0);
    let turned = build.graph.view_3d(both, [rotary, 1, tokens], [row, row], rank * 4);
    let turned = build.graph.rope(turned, positions, None);
    let latent = build.layer_norm(latent, Norm::Rms, layer, "attn_kv_a_norm");
    let (mut qkv, latent_values) = if build.model.is_latent() {
        let qkv = absorbed(build, [q, latent, turned], positions, layer, widths)?;
        (qkv, Some(build.need_layer(layer, "attn_v_b.weight")?))
    } else {
        (written_out(build, [q, latent, turned], (positions, None), layer, widths)?, None)
    };
    if let Some(scales) = scales {
        qkv.q = build.graph.mul(qkv.q, scales);
    }
    build.attention(inputs, qkv, layer, Extra { latent_values, ..Extra::default() })
}

/// Queries in terms of the latent state, which is key and value.
fn absorbed(
    build: &mut Build<'_>,
    [q, latent, turned]: [Id; 3],
    positions: Id,
    layer: u64,
    widths: Widths,
) -> Result<Qkv> {
    let Widths { rotary, rank, heads, .. } = widths;
    let tokens = build.batch.tokens;
    let nb = build.graph.get(q).nb;
    let plain = build.graph.view_3d(q, [widths.plain(), heads, tokens], [nb[1], nb[2]], 0);
    let q_turned = build.graph.view_3d(q, [rotary, heads, tokens], [nb[1], nb[2]], widths.plain() * 4);
    let q_turned = build.graph.rope(q_turned, positions, None);
    let plain = build.graph.permute(plain, [0, 2, 1, 3]);
    let weight = build.need_layer(layer, "attn_k_b.weight")?;
    let absorbed = build.graph.mul_mat(weight, plain);
    let absorbed = build.graph.permute(absorbed, [0, 2, 1, 3]);
    let q = build.graph.concat(absorbed, q_turned, 0);
    let v = build.graph.reshape_3d(latent, rank, 1, tokens);
    let k = build.graph.concat(v, turned, 0);
    Ok(Qkv { q, k, v })
}

/// Keys and values of every head.
pub(super) fn written_out(
    build: &mut Build<'_>,
    [q, latent, turned]: [Id; 3],
    (positions, factors): (Id, Option<Id>),
    layer: u64,
    widths: Widths,
) -> Result<Qkv> {
    let Widths { value, rotary, heads, .. } = widths;
    let (plain, tokens) = (widths.plain(), build.batch.tokens);
    let kv = build.linear(latent, layer, "attn_kv_b")?;
    let head = (plain + value) * 4;
    let keys = build.graph.view_3d(kv, [plain, heads, tokens], [head, head * heads], 0);
    let v = build.graph.view_3d(kv, [value, heads, tokens], [head, head * heads], plain * 4);
    let v = build.graph.cont(v);
    let q = build.graph.rope(q, positions, factors);
    let turned = build.graph.repeat(turned, [rotary, heads, tokens, 1]);
    let k = build.graph.concat(keys, turned, 0);
    Ok(Qkv { q, k, v })
}
