//! Attention: its inputs, the cache, and the products.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_attn`, `build_attn_mha`), src/llama-kv-cache.cpp (`cpy_k`, `cpy_v`,
//! `get_k`, `get_v`).

use super::projection::Qkv;
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Part;
use crate::runtime::llama_cpp::tensor::{Id, Pin, row};

/// The inputs of attention over one part of the cache.
#[derive(Clone, Copy, Debug)]
struct Inputs {
    key_rows: Option<Id>,
    value_rows: Option<Id>,
    mask: Id,
    key_rotation: Option<Id>,
    value_rotation: Option<Id>,
}

/// The inputs of attention, and how it is written into the graph.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct Attention {
    parts: [Option<Inputs>; 2],
    order: Order,
    /// Keys hold the values as well.
    is_latent: bool,
}

/// In which order queries, keys and values are put into the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// With one cache: keys last.
    KeysLast,
    /// With two caches, or none.
    InOrder,
}

/// What attention is given besides queries, keys and values.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::runtime::llama_cpp) struct Extra {
    /// A weight for what no token gets.
    pub(in crate::runtime::llama_cpp) sinks: Option<Id>,
    /// The weight that makes values of a latent state.
    pub(in crate::runtime::llama_cpp) latent_values: Option<Id>,
    /// Scores are bounded by the hyperbolic tangent.
    pub(in crate::runtime::llama_cpp) is_capped: bool,
    /// The result is not multiplied by an output weight.
    pub(in crate::runtime::llama_cpp) has_no_output: bool,
}

impl Build<'_> {
    /// The inputs of attention over the cache, which is in two parts where layers have windows.
    pub(in crate::runtime::llama_cpp) fn attention_inputs(&mut self) -> Attention {
        let is_latent = self.caches.layout.is_latent;
        let has_window = self.model.has_window();
        let caches = self.caches;
        let numbers: &[usize] = if has_window { &[0, 1] } else { &[0] };
        let mut parts = [None; 2];
        for &number in numbers {
            parts[number] = Some(self.cache_inputs(&caches.parts[number], is_latent));
        }
        // Rotations come after both masks; keys that are values have none.
        for &number in numbers.iter().filter(|_| !is_latent) {
            let part = &caches.parts[number];
            if let Some(inputs) = &mut parts[number] {
                inputs.key_rotation = self.rotation("attn_inp_k_rot", part.key_rotation);
                inputs.value_rotation = self.rotation("attn_inp_v_rot", part.value_rotation);
            }
        }
        let order = if has_window { Order::InOrder } else { Order::KeysLast };
        Attention { parts, order, is_latent }
    }

    /// The inputs of attention among the tokens of the pass.
    pub(in crate::runtime::llama_cpp) fn attention_inputs_without_cache(&mut self) -> Attention {
        let tokens = self.batch.tokens;
        let dtype = self.mask_type();
        let mut mask = || Inputs {
            key_rows: None,
            value_rows: None,
            mask: self.graph.input("attn_inp_kq_mask", dtype, [tokens, tokens, 1, 1]),
            key_rotation: None,
            value_rotation: None,
        };
        let all = mask();
        let window = self.model.has_window();
        let window = window.then(|| Inputs {
            mask: self.graph.input("attn_inp_kq_mask_swa", dtype, [tokens, tokens, 1, 1]),
            ..all
        });
        Attention { parts: [Some(all), window], order: Order::InOrder, is_latent: false }
    }

    fn mask_type(&self) -> GgmlType {
        if self.settings.flash_attention { GgmlType::F16 } else { GgmlType::F32 }
    }

    fn cache_inputs(&mut self, part: &Part, is_latent: bool) -> Inputs {
        let (tokens, streams) = (self.batch.tokens, self.settings.streams_of(self.batch));
        let rows = |count: u64| [count, 1, 1, 1];
        let key_rows = self.graph.input("attn_inp_k_idxs", GgmlType::I64, rows(tokens));
        // Without attention in one operator each element of a value has a row of its own.
        let values = if self.settings.values_in_rows { 1 } else { self.caches.widest_value };
        let value_rows = (!is_latent)
            .then(|| self.graph.input("attn_inp_v_idxs", GgmlType::I64, rows(tokens.saturating_mul(values))));
        let ne = [self.batch.cells(part.cells), tokens / streams, 1, streams];
        let mask = self.graph.input("attn_inp_kq_mask", self.mask_type(), ne);
        Inputs { key_rows: Some(key_rows), value_rows, mask, key_rotation: None, value_rotation: None }
    }

    fn rotation(&mut self, name: &'static str, width: u64) -> Option<Id> {
        (width > 0).then(|| self.graph.input(name, GgmlType::F32, [width, width, 1, 1]))
    }

    /// A product with the rotation, over parts of the rows.
    ///
    /// Source: src/llama-graph.cpp (`llama_mul_mat_hadamard`).
    fn rotate(&mut self, x: Id, rotation: Option<Id>) -> Id {
        let Some(rotation) = rotation else { return x };
        let ne = self.graph.ne(x);
        let width = self.graph.ne(rotation)[0];
        let rows = self.graph.get(x).elements() / width;
        let flat = match self.graph.get(x).is_contiguous() {
            true => self.graph.reshape_2d(x, width, rows),
            false => self.graph.cont_2d(x, width, rows),
        };
        let turned = self.graph.mul_mat(rotation, flat);
        self.graph.reshape(turned, ne)
    }

    /// Attention of a layer, and the product with its output weight.
    pub(in crate::runtime::llama_cpp) fn attention(
        &mut self,
        inputs: &Attention,
        Qkv { q, k, v }: Qkv,
        layer: u64,
        extra: Extra,
    ) -> Result<Id> {
        self.attend(inputs, (q, Some(k), Some(v)), layer, extra)
    }

    /// As [`attention`](Build::attention), where a layer may have no keys and values of its own.
    pub(in crate::runtime::llama_cpp) fn attend(
        &mut self,
        inputs: &Attention,
        (q, k, v): (Id, Option<Id>, Option<Id>),
        layer: u64,
        extra: Extra,
    ) -> Result<Id> {
        let number = usize::from(self.model.is_window(layer));
        let Some(part) = inputs.parts[number].or(inputs.parts[0]) else {
            return Err(Error::new(ErrorKind::Internal, format!("layer {layer} has no inputs of attention")));
        };
        let q = self.rotate(q, part.key_rotation);
        let k = k.map(|k| self.rotate(k, part.key_rotation));
        let v = v.map(|v| self.rotate(v, part.value_rotation));
        let order = match inputs.order {
            Order::KeysLast => [Some(q), v, k],
            Order::InOrder => [Some(q), k, v],
        };
        order.into_iter().flatten().for_each(|id| self.graph.expand(id));
        let (keys, values) = match part.key_rows {
            None => (k.unwrap_or(q), v.unwrap_or(q)),
            Some(key_rows) => {
                if let Some(k) = k {
                    self.store_keys(k, key_rows, layer)?;
                }
                match (v, part.value_rows) {
                    (Some(v), Some(value_rows)) => self.store_values(v, value_rows, layer)?,
                    (Some(v), None) => return self.latent(inputs, (q, v), layer, extra),
                    (None, _) => {}
                }
                (self.cached_keys(layer)?, self.cached_values(layer)?)
            }
        };
        let x = self.product([q, keys, values], part.mask, layer, extra);
        let x = self.rotate(x, part.value_rotation);
        self.attention_output(x, layer, extra)
    }

    /// Attention where the values are the start of the keys.
    fn latent(&mut self, inputs: &Attention, (q, v): (Id, Id), layer: u64, extra: Extra) -> Result<Id> {
        debug_assert!(inputs.is_latent);
        let keys = self.cached_keys(layer)?;
        let (ne, nb) = (self.graph.ne(keys), self.graph.get(keys).nb);
        let width = self.graph.ne(v)[0];
        let values = self.graph.view(keys, [width, ne[1], ne[2], ne[3]], [nb[1], nb[2], nb[3]], 0);
        let Some(part) = inputs.parts[0] else { return Ok(q) };
        let x = self.product([q, keys, values], part.mask, layer, extra);
        self.attention_output(x, layer, extra)
    }

    fn attention_output(&mut self, x: Id, layer: u64, extra: Extra) -> Result<Id> {
        if extra.has_no_output { Ok(x) } else { self.linear(x, layer, "attn_output") }
    }

    fn caches_of(&self, layer: u64) -> Result<(u32, Option<u32>)> {
        let found = self.caches.keys_values.get(layer as usize).copied().flatten();
        found.ok_or_else(|| Error::new(ErrorKind::Internal, format!("layer {layer} has no cache")))
    }

    fn store_keys(&mut self, k: Id, rows: Id, layer: u64) -> Result<()> {
        let (number, _) = self.caches_of(layer)?;
        let cache = self.cache_tensor(number);
        let ([head, heads, tokens, _], nb) = (self.graph.ne(k), self.graph.get(k).nb);
        let flat = self.graph.view_2d(k, [head * heads, tokens], nb[2], 0);
        let cache = self.joined_streams(cache);
        let stored = self.graph.set_rows(cache, flat, rows);
        self.graph.name(stored, "cache_k");
        self.graph.expand(stored);
        Ok(())
    }

    fn store_values(&mut self, v: Id, rows: Id, layer: u64) -> Result<()> {
        let (_, Some(number)) = self.caches_of(layer)? else { return Ok(()) };
        let cache = self.cache_tensor(number);
        let ([head, heads, tokens, _], nb) = (self.graph.ne(v), self.graph.get(v).nb);
        let width = head * heads;
        let stored = if self.settings.values_in_rows {
            let flat = self.graph.view_2d(v, [width, tokens], nb[2], 0);
            let cache = self.joined_streams(cache);
            self.graph.set_rows(cache, flat, rows)
        } else {
            let mut flat = match row(self.graph.get(v).dtype, width) == nb[2] {
                true => self.graph.reshape_2d(v, width, tokens),
                false => self.graph.cont_2d(v, width, tokens),
            };
            let own = self.graph.ne(cache)[0];
            if width < own {
                flat = self.graph.pad(flat, own - width);
            }
            let all = self.graph.get(cache).elements();
            let cache = self.graph.reshape_2d(cache, 1, all);
            let elements = self.graph.get(flat).elements();
            let flat = self.graph.reshape_2d(flat, 1, elements);
            self.graph.set_rows(cache, flat, rows)
        };
        self.graph.name(stored, "cache_v");
        self.graph.expand(stored);
        Ok(())
    }

    /// A cache with the cells of all streams in one dim.
    fn joined_streams(&mut self, cache: Id) -> Id {
        let [width, cells, streams, _] = self.graph.ne(cache);
        if streams > 1 { self.graph.reshape_2d(cache, width, cells * streams) } else { cache }
    }

    fn cached_keys(&mut self, layer: u64) -> Result<Id> {
        let (number, _) = self.caches_of(layer)?;
        let cache = self.cache_tensor(number);
        let dtype = self.graph.get(cache).dtype;
        let ([width, cells, ..], streams) = (self.graph.ne(cache), self.settings.streams_of(self.batch));
        let (head, heads) = (self.model.head_k(layer), self.model.kv_heads(layer));
        let whole = row(dtype, width.saturating_mul(cells));
        let strides = [row(dtype, head), row(dtype, width), whole];
        Ok(self.graph.view(cache, [head, heads, self.batch.cells(cells), streams], strides, 0))
    }

    fn cached_values(&mut self, layer: u64) -> Result<Id> {
        let (_, Some(number)) = self.caches_of(layer)? else { return self.cached_keys(layer) };
        let cache = self.cache_tensor(number);
        let dtype = self.graph.get(cache).dtype;
        let ([width, cells, ..], streams) = (self.graph.ne(cache), self.settings.streams_of(self.batch));
        let (head, heads) = (self.model.head_v(layer), self.model.kv_heads(layer));
        let whole = row(dtype, width.saturating_mul(cells));
        let used = self.batch.cells(cells);
        Ok(if self.settings.values_in_rows {
            let strides = [row(dtype, head), row(dtype, width), whole];
            self.graph.view(cache, [head, heads, used, streams], strides, 0)
        } else {
            let strides = [row(dtype, cells * head), row(dtype, cells), whole];
            self.graph.view(cache, [used, heads, head, streams], strides, 0)
        })
    }

    /// Scores, softmax and values, in one operator or in several.
    fn product(&mut self, [q, k, v]: [Id; 3], mask: Id, layer: u64, extra: Extra) -> Id {
        let v_is_transposed = self.graph.get(v).nb[1] > self.graph.get(v).nb[2];
        let streams = self.graph.ne(k)[3];
        let (ne, nb) = (self.graph.ne(q), self.graph.get(q).nb);
        let tokens = ne[2] / streams;
        let strides = [nb[1], nb[2], nb[2].saturating_mul(tokens)];
        let q = self.graph.view(q, [ne[0], ne[1], tokens, streams], strides, 0);
        let [q, k, v] = [q, k, v].map(|id| self.graph.permute(id, [0, 2, 1, 3]));
        let x = if self.settings.flash_attention {
            self.flash(&[q, k, v], mask, v_is_transposed, extra)
        } else {
            self.written_out(&[q, k, v], mask, v_is_transposed, extra)
        };
        self.graph.layer = Some(layer as u32);
        self.graph.name(x, "kqv_out");
        self.graph.expand(x);
        x
    }

    fn flash(&mut self, &[q, k, v]: &[Id; 3], mask: Id, v_is_transposed: bool, extra: Extra) -> Id {
        let v = if v_is_transposed { self.graph.transpose(v) } else { v };
        // Without a cache, keys and values are in single precision.
        let half = |graph: &mut crate::runtime::llama_cpp::tensor::Graph, id: Id| match graph.get(id).dtype {
            GgmlType::F32 => graph.cast(id, GgmlType::F16),
            _ => id,
        };
        let k = half(&mut self.graph, k);
        let v = half(&mut self.graph, v);
        let mut x = self.graph.flash_attention([q, k, v], mask, extra.sinks);
        self.graph.name(x, "fattn");
        if let Some(latent) = extra.latent_values {
            x = self.graph.permute(x, [0, 2, 1, 3]);
            x = self.graph.mul_mat(latent, x);
            x = self.graph.permute(x, [0, 2, 1, 3]);
            x = self.graph.cont(x);
        }
        let ne = self.graph.ne(x);
        self.graph.reshape_2d(x, ne[0] * ne[1], ne[2] * ne[3])
    }

    fn written_out(&mut self, &[q, k, v]: &[Id; 3], mask: Id, v_is_transposed: bool, extra: Extra) -> Id {
        let mut scores = self.graph.mul_mat(k, q);
        self.graph.name(scores, "kq");
        if extra.is_capped {
            scores = self.graph.scale(scores);
            scores = self.graph.unary(scores);
            scores = self.graph.scale(scores);
        }
        let scores = self.graph.soft_max(scores, Some(mask), extra.sinks);
        self.graph.name(scores, "kq_soft_max");
        let v = if v_is_transposed {
            v
        } else {
            let turned = self.graph.transpose(v);
            self.graph.cont(turned)
        };
        let mut x = self.graph.mul_mat(v, scores);
        self.graph.name(x, "kqv");
        if let Some(latent) = extra.latent_values {
            x = self.graph.mul_mat(latent, x);
        }
        let x = self.graph.permute(x, [0, 2, 1, 3]);
        let ne = self.graph.ne(x);
        let x = self.graph.cont_2d(x, ne[0] * ne[1], ne[2] * ne[3]);
        // Without caches on devices, all between a cache and here is computed by the CPU.
        self.graph.pin(x, Pin::Host);
        x
    }
}
