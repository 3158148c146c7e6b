//! Attention over several heads with its key and value cache, as ONNX and ONNX Runtime have it.
//!
//! Specifications: <https://onnx.ai/onnx/operators/onnx__Attention.html> (23; window and padding since 24 and 25),
//! `LinearAttention` (27), `FlexAttention` (ai.onnx.preview);
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>, ONNX Runtime 1.31:
//! `com.microsoft.MultiHeadAttention`, `GroupQueryAttention`, `SparseAttention`, `DecoderMaskedMultiHeadAttention`,
//! `Attention`, `PackedAttention`, `QAttention`.
//!
//! Shapes, with H heads of the query and G of key and value, D and E numbers per head, P cached tokens:
//!
//! * query `[B, H, L, D]` or `[B, L, H·D]`, or `[B, L, H, 3, D]` which holds all three, or `[B, L, (H + 2G)·D]` where
//!   there is no key; key `[B, G, S, D]`, `[B, S, G·D]`, or `[B, S, G, 2, D]` with the value;
//! * output: laid out as the query, with E in the place of D; present key `[B, G, T, D]`, present value `[B, G, T, E]`,
//!   scores `[B, H, L, T]` with `T = P + S`, or in a shared cache `T = max(P, total length)`. Where the total length is
//!   not known, `P + S` bounds it;
//! * of weights: `[.., k] × [k, q + k + v] → [.., v]`, present `[2, B, H, P + L, D]`;
//! * `EmbedLayerNormalization`: ids `[B, L]` and a table `[V, H]` → `[B, L, H]`;
//! * linear: `[B, L, max(H, G)·E]` and the state `[B, G, D, E]`.

use crate::DType;
use crate::graph::Op;
use crate::graph::op::{AttentionOfWeights, CacheLength, MultiHeadAttention};
use crate::shape::context::{Context, RuleResult, dim, mismatch, text, times};
use crate::shape::dim::Dim;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::MultiHeadAttention(spec) => multi_head(spec, context),
        Op::AttentionOfWeights(spec) => of_weights(spec, context),
        Op::LinearAttention { query_heads, kv_heads } => linear(*query_heads, *kv_heads, context),
        Op::Embedded => embedded(context),
        _ => Err(mismatch!("not an attention operator")),
    }
}

/// Sizes of a query, a key or a value.
struct Part {
    batch: Dim,
    heads: Dim,
    length: Dim,
    size: Dim,
}

/// Reads one of the three off its dims.
fn part(dims: &[Dim], heads: u64) -> RuleResult<Part> {
    let given = Dim::Known(heads);
    match *dims {
        [batch, heads, length, size] => Ok(Part { batch, heads, length, size }),
        [batch, length, width] => Ok(Part { batch, heads: given, length, size: per_head(width, heads)? }),
        [batch, length, heads, _, size] => Ok(Part { batch, heads, length, size }),
        _ => Err(mismatch!("query, key and value must have 3 to 5 dims, and one is {}", text(dims))),
    }
}

fn per_head(width: Dim, heads: u64) -> RuleResult<Dim> {
    let Dim::Known(width) = width else { return Ok(if heads == 1 { width } else { Dim::Unknown }) };
    match width.checked_rem(heads) {
        Some(0) => Ok(Dim::Known(width / heads)),
        _ => Err(mismatch!("a width of {width} is not divided among {heads} heads")),
    }
}

fn multi_head(spec: &MultiHeadAttention, context: &mut Context<'_>) -> RuleResult {
    let query_dims = context.shape(0)?;
    let given_heads = dim(spec.query_heads)?;
    let kv_heads = if spec.kv_heads > 0 { dim(spec.kv_heads)? } else { given_heads };
    let holds_all = query_dims.len() == 3 && !context.has(1);
    let query = if holds_all {
        let shared = times(kv_heads, 2)?.checked_add(given_heads);
        Part { heads: Dim::Known(given_heads), ..part(&query_dims, shared.unwrap_or(0))? }
    } else {
        part(&query_dims, given_heads)?
    };
    let of_query = |heads| Part { heads, ..query };
    let key = if context.has(1) {
        part(&context.shape(1)?, kv_heads)?
    } else {
        of_query(Dim::Known(kv_heads.max(1)))
    };
    let key = if !holds_all && !context.has(1) { of_query(query.heads) } else { key };
    let value = if context.has(2) {
        part(&context.shape(2)?, kv_heads)?
    } else {
        Part { size: key.size, heads: key.heads, length: key.length, batch: key.batch }
    };

    let past = if context.has(3) {
        match context.shape(3)?[..] {
            [_, _, length, _] => length,
            ref dims => return Err(mismatch!("a past key must have 4 dims, and is {}", text(dims))),
        }
    } else {
        Dim::Known(0)
    };
    let is_packed = query_dims.len() != 4;
    if is_packed {
        context.emit_shape(context.dtype(0), [query.batch, query.length, width(query.heads, value.size)?]);
    } else {
        context.emit_shape(context.dtype(0), [query.batch, query.heads, query.length, value.size]);
    }
    if context.n_outputs() < 2 {
        return Ok(());
    }
    let appended = past.plus(key.length);
    let appended = appended.ok_or_else(|| mismatch!("{past} cached tokens are too many"))?;
    let total = match (spec.cache, context.has(5)) {
        (CacheLength::Window, _) if context.has(3) => past,
        (CacheLength::Shared, true) => match context.int(5) {
            Ok(total) => larger(past, Dim::Known(dim(total)?)),
            Err(_) if context.is_symbolic() => Dim::Unknown,
            Err(_) => {
                context.depends_on_data();
                appended
            }
        },
        (CacheLength::Shared, false) => larger(past, key.length),
        (CacheLength::Appended | CacheLength::Window, _) => appended,
    };
    let types = [1, 2].map(|port| if context.has(port) { context.dtype(port) } else { context.dtype(0) });
    // A cache keeps its own type, which may be narrower.
    let types = if context.has(3) { [context.dtype(3), context.dtype(4)] } else { types };
    context.emit_shape(types[0], [key.batch, key.heads, total, key.size]);
    context.emit_shape(types[1], [value.batch, value.heads, total, value.size]);
    context.emit_shape(context.dtype(0), [query.batch, query.heads, query.length, total]);
    Ok(())
}

fn width(heads: Dim, size: Dim) -> RuleResult<Dim> {
    heads.times(size).ok_or_else(|| mismatch!("{heads} times {size} is out of range"))
}

fn larger(a: Dim, b: Dim) -> Dim {
    match (a, b) {
        (Dim::Known(a), Dim::Known(b)) => Dim::Known(a.max(b)),
        (Dim::Known(0), other) | (other, Dim::Known(0)) => other,
        (a, b) if a == b => a,
        _ => Dim::Unknown,
    }
}

fn of_weights(spec: &AttentionOfWeights, context: &mut Context<'_>) -> RuleResult {
    let (data, weights) = (context.shape(0)?, context.shape(1)?);
    let (Some((_, leading)), Some(&all)) = (data.split_last(), weights.last()) else {
        return Err(mismatch!("data or weights are a scalar"));
    };
    let third = all.known().map_or(Dim::Unknown, |all| Dim::Known(all / 3));
    let (key, value) = match spec.widths[..] {
        [_, key, value] => (Dim::Known(dim(key)?), Dim::Known(dim(value)?)),
        _ => (third, third),
    };
    let dtype = context.dtype(0);
    let dtype = if dtype.is_float() || dtype == DType::Dynamic { dtype } else { DType::F32 };
    context.emit_shape(dtype, leading.iter().copied().chain([value]));
    if context.n_outputs() < 2 {
        return Ok(());
    }
    let &[batch, length] = leading else {
        return Err(mismatch!("data must be [B, L, k] to have a cache, and is {}", text(&data)));
    };
    let past = if context.has(2) { context.shape(2)?.get(3).copied() } else { None };
    let past = past.unwrap_or(Dim::Known(0));
    let heads = dim(spec.heads)?;
    let total = past.plus(length).ok_or_else(|| mismatch!("{past} cached tokens are too many"))?;
    context.emit_shape(dtype, [Dim::Known(2), batch, Dim::Known(heads), total, per_head(key, heads)?]);
    Ok(())
}

fn linear(query_heads: i64, kv_heads: i64, context: &mut Context<'_>) -> RuleResult {
    let (query_heads, kv_heads) = (dim(query_heads)?, dim(kv_heads)?);
    let query = part(&context.shape(0)?, query_heads)?;
    let (key, value) = (part(&context.shape(1)?, kv_heads)?, part(&context.shape(2)?, kv_heads)?);
    let state = if context.has(3) { context.dtype(3) } else { context.dtype(0) };
    let heads = Dim::Known(query_heads.max(kv_heads));
    context.emit_shape(context.dtype(0), [query.batch, query.length, width(heads, value.size)?]);
    context.emit_shape(state, [query.batch, Dim::Known(kv_heads), key.size, value.size]);
    Ok(())
}

fn embedded(context: &mut Context<'_>) -> RuleResult {
    let (ids, table) = (context.shape(0)?, context.shape(2)?);
    let (&[batch, length], &[_, width]) = (&ids[..], &table[..]) else {
        return Err(mismatch!("ids {} and table {} must have 2 dims", text(&ids), text(&table)));
    };
    // Quantised tables give what their scales are.
    let dtype = context.dtype(2);
    let dtype = if dtype.is_float() || dtype == DType::Dynamic { dtype } else { DType::F32 };
    context.emit_shape(dtype, [batch, length, width]);
    context.emit_shape(DType::I32, [batch]);
    context.emit_shape(dtype, [batch, length, width]);
    Ok(())
}

/// Expected shapes: the specifications named above; onnx 1.23 backend tests hold the standard operators.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{AttentionTraits, MultiHeadForm, WeightsForm};
    use crate::shape::Bound;
    use crate::shape::testing::{all_dims, f32, infer, message, scalar, tensor};

    fn attention(query_heads: i64, kv_heads: i64, shares_cache: bool) -> Op {
        let cache = if shares_cache { CacheLength::Shared } else { CacheLength::Appended };
        let traits = AttentionTraits::default();
        Op::MultiHeadAttention(Box::new(MultiHeadAttention {
            form: MultiHeadForm::Standard,
            query_heads,
            kv_heads,
            cache,
            traits,
        }))
    }

    #[test]
    fn four_dims_show_their_heads() {
        let inputs = [
            f32(&[2, 8, 5, 16]),
            f32(&[2, 4, 7, 16]),
            f32(&[2, 4, 7, 32]),
            f32(&[2, 4, 3, 16]),
            f32(&[2, 4, 3, 32]),
        ];
        let expected = [[2, 8, 5, 32], [2, 4, 10, 16], [2, 4, 10, 32], [2, 8, 5, 10]];
        assert_eq!(all_dims(attention(0, 0, false), &inputs, 4), expected);
    }

    #[test]
    fn three_dims_are_divided_among_heads() {
        let inputs = [f32(&[2, 5, 128]), f32(&[2, 7, 64]), f32(&[2, 7, 64])];
        let dims = all_dims(attention(8, 4, false), &inputs, 3);
        assert_eq!(dims, [&[2, 5, 128][..], &[2, 4, 7, 16], &[2, 4, 7, 16]]);
        let uneven = message(attention(7, 4, false), &inputs);
        assert_eq!(uneven, "a width of 128 is not divided among 7 heads");
        assert!(message(attention(0, 0, false), &inputs).contains("among 0 heads"));
    }

    #[test]
    fn packed_queries_hold_key_and_value() {
        // (8 + 2 · 4) · 16.
        let inputs = [f32(&[2, 5, 256]), None, None, f32(&[2, 4, 9, 16]), f32(&[2, 4, 9, 16]), scalar(14)];
        let dims = all_dims(attention(8, 4, true), &inputs, 3);
        assert_eq!(dims, [&[2, 5, 128][..], &[2, 4, 14, 16], &[2, 4, 14, 16]]);
        let dims = all_dims(attention(8, 0, false), &[f32(&[2, 5, 8, 3, 16])], 2);
        assert_eq!(dims, [&[2, 5, 128][..], &[2, 8, 5, 16]]);
    }

    #[test]
    fn a_shared_cache_keeps_its_length() {
        let inputs = |total| {
            [
                f32(&[1, 1, 64]),
                f32(&[1, 1, 32]),
                f32(&[1, 1, 32]),
                f32(&[1, 2, 2048, 16]),
                f32(&[1, 2, 2048, 16]),
                total,
            ]
        };
        assert_eq!(all_dims(attention(4, 2, true), &inputs(scalar(100)), 2)[1], [1, 2, 2048, 16]);
        let outputs = infer(attention(4, 2, true), &inputs(tensor(DType::I32, &[])), 2).unwrap();
        assert_eq!(
            (outputs[1].dims.as_deref(), outputs[1].bound),
            (Some(&[1, 2, 2049, 16][..]), Bound::UpperBound)
        );
    }

    #[test]
    fn a_window_keeps_its_length() {
        let (cache, traits) = (CacheLength::Window, AttentionTraits::default());
        let form = MultiHeadForm::GroupQuery;
        let spec = MultiHeadAttention { form, query_heads: 4, kv_heads: 2, cache, traits };
        let inputs = [
            f32(&[1, 12, 64]),
            f32(&[1, 12, 32]),
            f32(&[1, 12, 32]),
            f32(&[1, 2, 8, 16]),
            f32(&[1, 2, 8, 16]),
        ];
        let dims = all_dims(Op::MultiHeadAttention(Box::new(spec)), &inputs, 3);
        assert_eq!(dims, [&[1, 12, 64][..], &[1, 2, 8, 16], &[1, 2, 8, 16]]); // as ONNX Runtime 1.31.1 gives them
    }

    #[test]
    fn weights_give_all_three() {
        let op = |widths: &[i64]| {
            Op::AttentionOfWeights(Box::new(AttentionOfWeights {
                form: WeightsForm::Plain,
                heads: 4,
                widths: widths.into(),
                is_causal: false,
            }))
        };
        let inputs = [f32(&[2, 5, 64]), f32(&[64, 192]), f32(&[2, 2, 4, 3, 16])];
        assert_eq!(all_dims(op(&[]), &inputs, 2), [&[2, 5, 64][..], &[2, 2, 4, 8, 16]]);
        assert_eq!(all_dims(op(&[64, 64, 32]), &inputs[..2], 1), [[2, 5, 32]]);
        assert_eq!(all_dims(op(&[]), &[f32(&[10, 64]), f32(&[64, 192])], 1), [[10, 64]]);
    }

    #[test]
    fn linear_attention_has_a_state() {
        let op = Op::LinearAttention { query_heads: 4, kv_heads: 2 };
        let inputs = [f32(&[2, 5, 64]), f32(&[2, 5, 32]), f32(&[2, 5, 16])];
        assert_eq!(all_dims(op, &inputs, 2), [&[2, 5, 32][..], &[2, 2, 16, 8]]);
    }
}
