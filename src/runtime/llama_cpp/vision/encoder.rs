//! What vision towers have in common: patches, norms, attention, networks.
//!
//! Source: llama.cpp 0.5.0, tools/mtmd/clip.cpp (`build_inp`, `build_vit`, `build_attn`, `build_ffn`,
//! `build_patch_merge_permute`, `resize_position_embeddings`); ggml 0.25.3, ggml/src/ggml.c (`ggml_conv_2d`).

use super::tower::Tower;
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::tensor::{Graph, Id, Op, Place, row};
use rustc_hash::FxHashMap;

/// A tower's graph in the making.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    /// The tensors.
    pub(super) graph: Graph,
    /// What the file says.
    pub(super) tower: &'a Tower<'a>,
    /// Patches of a row of the image, and rows.
    pub(super) grid: (u64, u64),
    size: (u64, u64),
    flash_attention: bool,
    by_name: FxHashMap<&'a str, u32>,
    weights: FxHashMap<u32, Id>,
}

/// What [`Encoder::layers`] is given besides its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers {
    /// The norm of all layers.
    pub(super) norm: Norm,
    /// Layers that run.
    pub(super) count: u64,
    /// Positions that queries and keys are turned by; those of rows first.
    pub(super) positions: [Option<Id>; 2],
    /// Rows of all images are made one list before, and taken apart behind.
    pub(super) is_batched: bool,
}

impl<'a> Encoder<'a> {
    /// An empty graph for an image of this size.
    pub(super) fn new(tower: &'a Tower<'a>, size: (u64, u64), flash_attention: bool) -> Encoder<'a> {
        let stored = tower.stored.tensors.iter().zip(0..);
        Encoder {
            graph: Graph::default(),
            tower,
            grid: (size.0 / tower.patch, size.1 / tower.patch),
            size,
            flash_attention,
            by_name: stored.map(|(tensor, number)| (tensor.name.as_str(), number)).collect(),
            weights: FxHashMap::default(),
        }
    }

    /// Patches of the image.
    pub(super) fn patches(&self) -> u64 {
        self.grid.0 * self.grid.1
    }

    /// A weight, if the file has it.
    pub(super) fn find(&mut self, name: &str) -> Option<Id> {
        let &number = self.by_name.get(name)?;
        if let Some(&made) = self.weights.get(&number) {
            return Some(made);
        }
        let stored = &self.tower.stored.tensors[number as usize];
        let layer = std::mem::take(&mut self.graph.layer);
        let made = self.graph.external("", stored.dtype, stored.dims, Place::Weight(number));
        self.graph.layer = layer;
        self.weights.insert(number, made);
        Some(made)
    }

    /// A weight.
    ///
    /// # Errors
    ///
    /// If the file lacks it.
    pub(super) fn need(&mut self, name: &str) -> Result<Id> {
        self.find(name).ok_or_else(|| {
            let message = format!("the file has no tensor \"{name}\", which its projector needs");
            Error::new(ErrorKind::Malformed, message)
        })
    }

    /// A product with a weight, and its bias where the file has one.
    pub(super) fn linear(&mut self, x: Id, name: &str) -> Result<Id> {
        let weight = self.need(&format!("{name}.weight"))?;
        let product = self.graph.mul_mat(weight, x);
        Ok(self.biased(product, name))
    }

    fn biased(&mut self, x: Id, name: &str) -> Id {
        match self.find(&format!("{name}.bias")) {
            Some(bias) => self.graph.add(x, bias),
            None => x,
        }
    }

    /// A norm with its weight and bias.
    pub(super) fn norm(&mut self, x: Id, kind: Norm, name: &str) -> Id {
        let op = if kind == Norm::Rms { Op::RmsNorm } else { Op::Norm };
        let mut x = self.graph.apply(op, x);
        if let Some(weight) = self.find(&format!("{name}.weight")) {
            x = self.graph.mul(x, weight);
        }
        self.biased(x, name)
    }

    /// A norm of the whole tower, where the file has it.
    pub(super) fn norm_if_stored(&mut self, x: Id, kind: Norm, name: &str) -> Id {
        match self.find(&format!("{name}.weight")) {
            Some(_) => self.norm(x, kind, name),
            None => x,
        }
    }

    /// The image.
    pub(super) fn pixels(&mut self) -> Id {
        self.graph.input("inp_raw", GgmlType::F32, [self.size.0, self.size.1, 3, 1])
    }

    /// Hidden states of patches as a convolution makes them: [columns, rows, width].
    pub(super) fn convolved(&mut self, pixels: Id, kernel: Id) -> Id {
        let [kw, kh, channels, width] = self.graph.ne(kernel);
        let (columns, rows) = self.grid;
        let dtype =
            if self.graph.get(kernel).dtype == GgmlType::BF16 { GgmlType::F32 } else { GgmlType::F16 };
        let inner = kw * kh * channels;
        let patches = self.graph.make(Op::Im2Col, dtype, [inner, columns, rows, 1], &[kernel, pixels]);
        let patches = self.graph.reshape_2d(patches, inner, columns * rows);
        let kernel = self.graph.reshape_2d(kernel, inner, width);
        let product = self.graph.mul_mat(patches, kernel);
        let product = self.graph.reshape(product, [columns, rows, 1, width]);
        let product = self.graph.permute(product, [0, 1, 3, 2]);
        self.graph.cont(product)
    }

    /// Hidden states of patches: [width, patches].
    pub(super) fn patch_states(&mut self) -> Result<Id> {
        let pixels = self.pixels();
        let kernel = self.need("v.patch_embd.weight")?;
        let x = self.convolved(pixels, kernel);
        let x = self.graph.reshape_3d(x, self.patches(), self.tower.width, 1);
        let x = self.graph.transpose(x);
        let x = self.graph.cont(x);
        Ok(self.biased(x, "v.patch_embd"))
    }

    /// Embeddings of positions, interpolated where the image's grid is not the one of the file.
    pub(super) fn positions_of_grid(&mut self) -> Result<Id> {
        let table = self.need("v.position_embd.weight")?;
        let (columns, rows) = self.grid;
        let (width, side) = (self.tower.width, self.graph.ne(table)[1].isqrt());
        if (columns, rows) == (side, side) {
            return Ok(table);
        }
        let x = self.graph.reshape_3d(table, width, side, side);
        let x = self.graph.permute(x, [2, 0, 1, 3]);
        let x = self.graph.make(Op::Upscale, GgmlType::F32, [columns, rows, width, 1], &[x]);
        let x = self.graph.permute(x, [1, 2, 0, 3]);
        Ok(self.graph.cont_2d(x, width, columns * rows))
    }

    /// The layers of a tower over `x`, which is [width, positions].
    pub(super) fn layers(&mut self, x: Id, asked: Layers) -> Result<Id> {
        let [width, rows, images, _] = self.graph.ne(x);
        let x = if asked.is_batched { self.graph.reshape_2d(x, width, rows * images) } else { x };
        let mut x = self.norm_if_stored(x, asked.norm, "v.pre_ln");
        for layer in 0..asked.count {
            self.graph.layer = Some(layer as u32);
            let name = |part: &str| format!("v.blk.{layer}.{part}");
            let normed = self.norm(x, asked.norm, &name("ln1"));
            let mut qkv = self.qkv(normed, layer, asked.norm)?;
            if let [Some(by_row), Some(by_column)] = asked.positions {
                for part in qkv.iter_mut().take(2) {
                    let turned = self.graph.rope(*part, by_row, None);
                    *part = self.graph.rope(turned, by_column, None);
                }
            }
            let out = self.attention(qkv, None, layer)?;
            let out = self.scaled(out, &name("ls1"));
            let residual = self.graph.add(out, x);
            let normed = self.norm(residual, asked.norm, &name("ln2"));
            let out = self.network(normed, ["ffn_up", "ffn_gate", "ffn_down"].map(name))?;
            let out = self.scaled(out, &format!("v.blk.{layer}.ls2"));
            x = self.graph.add(residual, out);
            self.graph.name(x, "layer_out");
        }
        self.graph.layer = None;
        let x = self.norm_if_stored(x, asked.norm, "v.post_ln");
        Ok(if asked.is_batched { self.graph.reshape_3d(x, width, rows, images) } else { x })
    }

    /// A mask of windows in the type that attention wants.
    pub(super) fn typed_mask(&mut self, mask: Id) -> Id {
        if self.flash_attention { self.graph.cast(mask, GgmlType::F16) } else { mask }
    }

    /// A product with a scale of a layer, where the file has it.
    fn scaled(&mut self, x: Id, name: &str) -> Id {
        match self.find(&format!("{name}.weight")) {
            Some(scale) => self.graph.mul(x, scale),
            None => x,
        }
    }

    /// Queries, keys and values, from one weight or from three.
    pub(super) fn qkv(&mut self, x: Id, layer: u64, norm: Norm) -> Result<[Id; 3]> {
        let (head, heads, kv_heads) = (self.tower.head(), self.tower.heads, self.tower.kv_heads);
        let rows = self.graph.ne(x)[1];
        let name = |part: &str| format!("v.blk.{layer}.{part}");
        if self.find(&name("attn_qkv.weight")).is_some() {
            let all = self.linear(x, &name("attn_qkv"))?;
            let nb1 = self.graph.get(all).nb[1];
            let part = row(GgmlType::F32, head * heads);
            let own = row(GgmlType::F32, head);
            let view = |graph: &mut Graph, number: u64| {
                graph.view(all, [head, heads, rows, 1], [own, nb1, nb1.saturating_mul(rows)], part * number)
            };
            let mut parts = [0, 1, 2].map(|number| view(&mut self.graph, number));
            for (part, weight) in parts.iter_mut().zip(["attn_q_norm", "attn_k_norm"]) {
                *part = self.norm_if_stored(*part, norm, &name(weight));
            }
            return Ok(parts);
        }
        let flat = ["attn_q", "attn_k", "attn_v"].map(|part| self.linear(x, &name(part)));
        let [q, k, v] = flat;
        let mut parts = [q?, k?, v?];
        let weight = self.find(&name("attn_q_norm.weight"));
        let is_per_head = weight.is_some_and(|weight| self.graph.ne(weight)[0] == head);
        let normed = |encoder: &mut Self, parts: &mut [Id; 3]| {
            for (part, weight) in parts.iter_mut().zip(["attn_q_norm", "attn_k_norm"]) {
                *part = encoder.norm_if_stored(*part, norm, &name(weight));
            }
        };
        if !is_per_head {
            normed(self, &mut parts);
        }
        for (part, heads) in parts.iter_mut().zip([heads, kv_heads, kv_heads]) {
            *part = self.graph.reshape_3d(*part, head, heads, rows);
        }
        if is_per_head {
            normed(self, &mut parts);
        }
        Ok(parts)
    }

    /// Attention of all patches, or under a mask, and the product with its output weight.
    pub(super) fn attention(&mut self, [q, k, v]: [Id; 3], mask: Option<Id>, layer: u64) -> Result<Id> {
        for part in [q, k, v] {
            self.graph.expand(part);
        }
        let [q, k] = [q, k].map(|part| self.graph.permute(part, [0, 2, 1, 3]));
        let x = if self.flash_attention {
            let v = self.graph.permute(v, [0, 2, 1, 3]);
            let [k, v] = [k, v].map(|part| self.graph.cast(part, GgmlType::F16));
            let mask = mask.map(|mask| self.graph.cast(mask, GgmlType::F16));
            let (q_ne, v_ne) = (self.graph.ne(q), self.graph.ne(v));
            let sources: Vec<Id> = [q, k, v].into_iter().chain(mask).collect();
            let ne = [v_ne[0], q_ne[2], q_ne[1], q_ne[3]];
            let x = self.graph.make(Op::FlashAttention, GgmlType::F32, ne, &sources);
            self.graph.reshape_2d(x, ne[0] * ne[1], ne[2] * ne[3])
        } else {
            let v = self.graph.permute(v, [1, 2, 0, 3]);
            let v = self.graph.cont(v);
            let scores = self.graph.mul_mat(k, q);
            let scores = self.graph.soft_max(scores, mask, None);
            let x = self.graph.mul_mat(v, scores);
            let x = self.graph.permute(x, [0, 2, 1, 3]);
            let ne = self.graph.ne(x);
            self.graph.cont_2d(x, ne[0] * ne[1], ne[2] * ne[3])
        };
        self.linear(x, &format!("v.blk.{layer}.attn_out"))
    }

    /// A network of two products, or of three with a gate.
    pub(super) fn network(&mut self, x: Id, [up, gate, down]: [String; 3]) -> Result<Id> {
        let mut active = self.linear(x, &up)?;
        if self.find(&format!("{gate}.weight")).is_some() {
            let gate = self.linear(x, &gate)?;
            active = self.graph.glu(gate, active);
        } else {
            active = self.graph.unary(active);
        }
        self.linear(active, &down)
    }

    /// Squares of patches side by side in one row.
    pub(super) fn merged(&mut self, x: Id, merge: u64) -> Id {
        let width = self.graph.ne(x)[0];
        let (mut columns, mut rows) = self.grid;
        let mut x = self.graph.reshape_3d(x, width, columns, rows);
        let padded = (columns.next_multiple_of(merge), rows.next_multiple_of(merge));
        if padded != (columns, rows) {
            (columns, rows) = padded;
            x = self.graph.make(Op::Pad, GgmlType::F32, [width, columns, rows, 1], &[x]);
        }
        let x = self.graph.reshape_3d(x, width * merge, columns / merge, rows);
        let x = self.graph.permute(x, [0, 2, 1, 3]);
        let ne = [width * merge * merge, rows / merge, columns / merge, 1];
        let x = self.graph.make(Op::Cont, GgmlType::F32, ne, &[x]);
        let x = self.graph.permute(x, [0, 2, 1, 3]);
        self.graph.cont_2d(x, ne[0], ne[1] * ne[2])
    }
}
