//! Products with weights, and the three that attention starts with.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_lora_mm`, `build_qkv`).

use crate::error::Result;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::{Id, Op, row};

/// Queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct Qkv {
    /// Queries.
    pub(in crate::runtime::llama_cpp) q: Id,
    /// Keys.
    pub(in crate::runtime::llama_cpp) k: Id,
    /// Values.
    pub(in crate::runtime::llama_cpp) v: Id,
}

impl Build<'_> {
    /// A product with a weight of a layer, and its scale and bias where the file has them.
    pub(in crate::runtime::llama_cpp) fn linear(
        &mut self,
        x: Id,
        layer: u64,
        name: &'static str,
    ) -> Result<Id> {
        let weight = self.need_part(layer, name, "weight")?;
        let mut x = self.graph.mul_mat(weight, x);
        if let Some(scale) = self.layer_part(layer, name, "scale") {
            x = self.graph.mul(x, scale);
        }
        if let Some(bias) = self.layer_part(layer, name, "bias") {
            x = self.graph.add(x, bias);
        }
        Ok(self.graph.name(x, name))
    }

    /// Queries, keys and values of all heads, from one weight or from three.
    pub(in crate::runtime::llama_cpp) fn qkv(&mut self, x: Id, layer: u64) -> Result<Qkv> {
        let model = self.model;
        let (heads, kv_heads) = (model.heads(layer), model.kv_heads(layer));
        let (width_k, width_v) = (model.head_k(layer), model.head_v(layer));
        // Heads of queries are as wide as those of keys.
        self.qkv_of(x, layer, [(width_k, heads), (width_k, kv_heads), (width_v, kv_heads)])
    }

    /// Queries, keys and values of these widths, without heads.
    pub(in crate::runtime::llama_cpp) fn flat_qkv(
        &mut self,
        x: Id,
        layer: u64,
        widths: [u64; 3],
    ) -> Result<[Id; 3]> {
        if self.layer_weight(layer, "attn_qkv.weight").is_none() {
            let [q, k, v] = ["attn_q", "attn_k", "attn_v"].map(|name| self.linear(x, layer, name));
            return Ok([q?, k?, v?]);
        }
        let all = self.linear(x, layer, "attn_qkv")?;
        let (tokens, nb1) = (self.graph.ne(all)[1], self.graph.get(all).nb[1]);
        let mut before = 0_u64;
        Ok(widths.map(|width| {
            let part = self.graph.view_2d(all, [width, tokens], nb1, before * 4);
            before = before.saturating_add(width);
            self.graph.cont(part)
        }))
    }

    /// As [`qkv`](Build::qkv), with width and number of the heads of each.
    pub(in crate::runtime::llama_cpp) fn qkv_of(
        &mut self,
        x: Id,
        layer: u64,
        heads: [(u64, u64); 3],
    ) -> Result<Qkv> {
        let tokens = self.graph.ne(x)[1];
        let clamps = self.model.float("attention.clamp_kqv").is_some_and(|limit| limit > 0.0);
        if self.layer_weight(layer, "attn_qkv.weight").is_some() {
            let mut all = self.linear(x, layer, "attn_qkv")?;
            if clamps {
                all = self.graph.apply(Op::Clamp, all);
            }
            let (dtype, nb1) = (self.graph.get(all).dtype, self.graph.get(all).nb[1]);
            let mut before = 0;
            let parts = heads.map(|(width, count)| {
                let offset = row(dtype, before);
                before = before.saturating_add(width.saturating_mul(count));
                self.graph.view_3d(all, [width, count, tokens], [row(dtype, width), nb1], offset)
            });
            let [q, k, v] = parts;
            return Ok(Qkv { q, k, v });
        }
        let mut flat = Vec::with_capacity(3);
        for name in ["attn_q", "attn_k", "attn_v"] {
            let mut made = self.linear(x, layer, name)?;
            if clamps {
                made = self.graph.apply(Op::Clamp, made);
            }
            flat.push(made);
        }
        let mut parts = flat
            .into_iter()
            .zip(heads)
            .map(|(flat, (width, count))| self.graph.reshape_3d(flat, width, count, tokens));
        match (parts.next(), parts.next(), parts.next()) {
            (Some(q), Some(k), Some(v)) => Ok(Qkv { q, k, v }),
            _ => Ok(Qkv { q: x, k: x, v: x }),
        }
    }
}
