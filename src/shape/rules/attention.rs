//! Attention, rotary embedding and RMS norm.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/sequence/scaled-dot-product-attention.html>;
//! `PagedAttentionExtension`, `RoPE` and `RMS` have none: OpenVINO 2026.4,
//! src/core/shape_inference/include/paged_attention_shape_inference.hpp and
//! src/common/transformations/src/ov_ops/{rotary_positional_embeddings,rms}.cpp, read 2026-11-20.
//! Opset history: ScaledDotProductAttention since opset 13, with a sink input since opset 16's runtime.
//!
//! Shapes:
//!
//! * ScaledDotProductAttention: `q [.., L, E], k [.., S, E], v [.., S, Ev] → [.., L, Ev]`, leading dims broadcast,
//!   those of a mask that counts included; `L` broadcasts with the mask's. Beyond OpenVINO, the heads of q may be a
//!   multiple of those of k and v (grouped queries, which fused operators take);
//! * PagedAttentionExtension: `q [T, Hq·Dk], k [T, Hkv·Dk], v [T, Hkv·Dv] → [T, Hq·Dv], [T + Σ past], [Σ evictable² /
//!   block]`; unknown counts are bounded by what the given cache blocks hold;
//! * RoPE: data's shape, cut to the slice, dims 1 and 2 swapped; `[B, L, heads, size]` where it splits heads;
//! * RMS: data's shape.

use crate::DType;
use crate::graph::op::Rope;
use crate::graph::{Op, Value};
use crate::shape::context::{Context, RuleResult, broadcast, dim, mismatch, text};
use crate::shape::dim::{Dim, DimList};
use crate::shape::{Bound, TensorInfo};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::ScaledDotProductAttention { causal } => {
            let dims = scaled_dot_product(*causal, context)?;
            context.emit_shape(data_type(context), dims);
            Ok(())
        }
        Op::PagedAttention => paged(context),
        Op::Rope(spec) => {
            let dims = rope(spec, context.shape(0)?)?;
            context.emit_shape(context.dtype(0), dims);
            Ok(())
        }
        Op::Rms => {
            context.emit_shape(context.dtype(0), context.shape(0)?);
            Ok(())
        }
        _ => Err(mismatch!("not an attention operator")),
    }
}

/// Leading dims, then rows and columns.
fn matrix<'a>(dims: &'a [Dim], name: &str) -> RuleResult<(&'a [Dim], Dim, Dim)> {
    match dims {
        [batch @ .., rows, columns] => Ok((batch, *rows, *columns)),
        _ => Err(mismatch!("{name} must have at least 2 dims, and is {}", text(dims))),
    }
}

fn scaled_dot_product(causal: bool, context: &Context<'_>) -> RuleResult<DimList> {
    let names = ["query", "key", "value"];
    let [query, key, value] = &[context.shape(0)?, context.shape(1)?, context.shape(2)?];
    for (name, dims) in names.iter().zip([query, key, value]) {
        if dims.len() < 3 {
            return Err(mismatch!("{name} must have at least 3 dims, and is {}", text(dims)));
        }
    }
    let (batch, mut length, embedding) = matrix(query, "query")?;
    let (key_batch, key_length, key_embedding) = matrix(key, "key")?;
    let (value_batch, value_length, value_embedding) = matrix(value, "value")?;
    if embedding.differs(key_embedding) || key_length.differs(value_length) {
        return Err(mismatch!(
            "query {}, key {} and value {} do not match",
            text(query),
            text(key),
            text(value)
        ));
    }
    let mut batch = join_heads(&join_heads(batch, key_batch)?, value_batch)?;
    if context.has(3) && !causal {
        let mask = context.shape(3)?;
        // A scalar means that there is no mask.
        if !mask.is_empty() {
            let (mask_batch, rows, columns) = matrix(&mask, "attention mask")?;
            if columns.differs(key_length) && columns != Dim::Known(1) && key_length != Dim::Known(1) {
                return Err(mismatch!(
                    "attention mask {} does not fit keys of length {key_length}",
                    text(&mask)
                ));
            }
            length = broadcast(&[length], &[rows])?[0];
            batch = broadcast(&batch, mask_batch)?;
        }
    }
    batch.extend([length, value_embedding]);
    Ok(batch)
}

/// Broadcasts leading dims; the last may also be a multiple: heads that share keys and values.
fn join_heads(query: &[Dim], other: &[Dim]) -> RuleResult<DimList> {
    match (query, other) {
        ([query_rest @ .., Dim::Known(heads)], [other_rest @ .., Dim::Known(shared)])
            if *shared != 0 && heads > shared && heads % shared == 0 =>
        {
            let mut dims = broadcast(query_rest, other_rest)?;
            dims.push(Dim::Known(*heads));
            Ok(dims)
        }
        _ => broadcast(query, other),
    }
}

fn paged(context: &mut Context<'_>) -> RuleResult {
    let [query, key, value] = [context.dims(0)?, context.dims(1)?, context.dims(2)?];
    let (&[tokens, query_width], &[key_tokens, key_width], &[_, value_width]) = (query, key, value) else {
        return Err(mismatch!(
            "query {}, key {} and value {} must have 2 dims",
            text(query),
            text(key),
            text(value)
        ));
    };
    let product = u128::from(query_width) * u128::from(value_width);
    let width = product.checked_div(u128::from(key_width)).and_then(|width| u64::try_from(width).ok());
    let width = width.filter(|&width| u128::from(width) * u128::from(key_width) == product && width > 0);
    let width = width.ok_or_else(|| {
        mismatch!("widths of query {query_width}, key {key_width} and value {value_width} do not match")
    })?;
    let dtype = context.dtype(0);
    context.emit(dtype, [tokens, width]);
    if context.n_outputs() < 2 {
        return Ok(());
    }

    let block_size = context.dims(3)?.get(2).copied().filter(|&size| size > 0);
    // Every token that is attended to is in a listed block.
    let capacity = match (block_size, context.dims(7)?) {
        (Some(size), &[blocks]) => blocks.checked_mul(size),
        _ => None,
    };
    let past = context.value(5).and_then(Value::as_ints);
    let past = past.and_then(|lengths| total(lengths, Some));
    let scores = past.and_then(|past| past.checked_add(key_tokens));
    emit_scores(context, dtype, scores, capacity);

    let is_empty = context.dims(22).is_ok_and(|sizes| sizes == [0]);
    let evictable = context.value(22).and_then(Value::as_ints).filter(|_| !is_empty);
    let per_block = |length: u64| length.checked_mul(length)?.checked_div(block_size?);
    let scores = evictable.and_then(|sizes| total(sizes, per_block));
    let most = if is_empty { Some(0) } else { capacity.and_then(per_block) };
    emit_scores(context, dtype, scores, most);
    Ok(())
}

fn total(lengths: &[i64], of_each: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    lengths.iter().try_fold(0_u64, |sum, &length| sum.checked_add(of_each(u64::try_from(length).ok()?)?))
}

/// Emits a vector of scores: of known length, else of a length that is not exceeded, else unknown.
fn emit_scores(context: &mut Context<'_>, dtype: DType, known: Option<u64>, most: Option<u64>) {
    match (known, most) {
        (Some(length), _) => context.emit(dtype, [length]),
        (None, Some(most)) => {
            let info = TensorInfo::known(dtype, [most]);
            context.emit_info(TensorInfo { bound: Bound::UpperBound, ..info });
        }
        (None, None) => context.emit_info(TensorInfo::unknown(dtype)),
    }
}

fn rope(spec: &Rope, mut dims: DimList) -> RuleResult<DimList> {
    if spec.splits_heads {
        let [first, second, _] = dims[..] else {
            return Err(mismatch!("data must be [.., .., features], and is {}", text(&dims)));
        };
        let (heads, size) = (Dim::Known(dim(spec.head_count)?), Dim::Known(dim(spec.head_size)?));
        return Ok(DimList::from_slice(&if spec.output_trans0213 {
            [first, heads, second, size]
        } else {
            [first, second, heads, size]
        }));
    }
    let length = spec.slice_stop.checked_sub(spec.slice_start).unwrap_or(i64::MAX);
    if length > 0 {
        match dims.get_mut(3) {
            Some(last) => *last = Dim::Known(dim(length)?),
            None => return Err(mismatch!("data must have 4 dims to be sliced, and is {}", text(&dims))),
        }
    }
    if spec.input_trans0213 || spec.output_trans0213 {
        if dims.len() < 3 {
            return Err(mismatch!("data must have 4 dims to be transposed, and is {}", text(&dims)));
        }
        dims.swap(1, 2);
    }
    Ok(dims)
}

/// The element type of query, or of key or value where that is unknown.
fn data_type(context: &Context<'_>) -> DType {
    let mut types = (0..3).map(|port| context.dtype(port));
    types.find(|&dtype| dtype != DType::Dynamic).unwrap_or(DType::Dynamic)
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes; RoPE: its source, named above.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::testing::{Input, dims, f32, infer, ints, message, output, tensor};

    const ATTENTION: Op = Op::ScaledDotProductAttention { causal: false };

    #[test]
    fn leading_dims_broadcast() {
        let (query, key, value) = (&[1, 8, 10, 64][..], &[1, 8, 20, 64][..], &[1, 8, 20, 32][..]);
        for (query, key, value, mask, expected) in [
            (query, key, value, None, &[1, 8, 10, 32][..]),
            (query, &[1, 1, 20, 64], &[1, 1, 20, 32], Some(&[10, 20][..]), &[1, 8, 10, 32]),
            (query, key, value, Some(&[2, 1, 1, 10, 20]), &[2, 1, 8, 10, 32]),
            (query, key, value, Some(&[8, 10, 1]), &[1, 8, 10, 32]),
            (&[8, 10, 64], &[3, 8, 20, 64], &[8, 20, 32], None, &[3, 8, 10, 32]),
            (&[8, 1, 64], &[8, 20, 64], &[8, 20, 32], Some(&[5, 20]), &[8, 5, 32]),
            (&[8, 10, 64], &[8, 20, 64], &[8, 20, 32], Some(&[]), &[8, 10, 32]),
        ] {
            let inputs: Vec<Input> = vec![f32(query), f32(key), f32(value), mask.and_then(f32)];
            assert_eq!(dims(ATTENTION, &inputs), expected);
        }
    }

    #[test]
    fn a_causal_mask_makes_the_given_one_idle() {
        let inputs = [f32(&[8, 10, 64]), f32(&[8, 20, 64]), f32(&[8, 20, 32]), f32(&[7, 7])];
        assert_eq!(dims(Op::ScaledDotProductAttention { causal: true }, &inputs), [8, 10, 32]);
        assert_eq!(message(ATTENTION, &inputs), "attention mask [7,7] does not fit keys of length 20");
    }

    #[test]
    fn query_heads_may_share_keys() {
        let grouped = [f32(&[1, 14, 10, 64]), f32(&[1, 2, 20, 64]), f32(&[1, 2, 20, 64])];
        assert_eq!(dims(ATTENTION, &grouped), [1, 14, 10, 64]);
        let uneven = [f32(&[1, 14, 10, 64]), f32(&[1, 4, 20, 64]), f32(&[1, 4, 20, 64])];
        assert_eq!(message(ATTENTION, &uneven), "shapes [1,14] and [1,4] do not broadcast");
    }

    #[test]
    fn the_type_is_that_of_the_query() {
        let half = |dims: &[u64]| tensor(DType::F16, dims);
        let inputs = [half(&[8, 10, 64]), half(&[8, 20, 64]), half(&[8, 20, 32])];
        assert_eq!(output(ATTENTION, &inputs), TensorInfo::known(DType::F16, [8, 10, 32]));
    }

    #[test]
    fn wrong_attention_inputs_are_mismatches() {
        let run = |query: &[u64], key: &[u64], value: &[u64]| {
            message(ATTENTION, &[f32(query), f32(key), f32(value)])
        };
        assert_eq!(run(&[10, 64], &[20, 64], &[20, 32]), "query must have at least 3 dims, and is [10,64]");
        assert_eq!(
            run(&[8, 10, 64], &[8, 1, 64], &[8, 20, 32]),
            "query [8,10,64], key [8,1,64] and value [8,20,32] do not match"
        );
        assert_eq!(
            run(&[8, 10, 1], &[8, 20, 64], &[8, 20, 32]),
            "query [8,10,1], key [8,20,64] and value [8,20,32] do not match"
        );
    }

    /// The inputs of a paged attention with 64, 32 and 16 features and 9 blocks of 16 tokens, 5 of them in use.
    fn paged_inputs(past: &[i64], evictable: &[i64]) -> Vec<Input> {
        let counts = |values: &[i64]| match values {
            [] => tensor(DType::I32, &[2]),
            _ => ints(DType::I32, &[values.len() as u64], values),
        };
        let mut inputs = vec![f32(&[7, 64]), f32(&[7, 32]), f32(&[7, 16])];
        inputs.extend([f32(&[9, 2, 16, 16]), f32(&[9, 2, 16, 16]), counts(past)]);
        inputs.extend([tensor(DType::I32, &[3]), tensor(DType::I32, &[5])]);
        inputs
            .extend((8..28).map(|port| if port == 22 { counts(evictable) } else { tensor(DType::I32, &[]) }));
        inputs
    }

    #[test]
    fn paged_attention_has_scores_and_diversity() {
        let outputs = infer(Op::PagedAttention, &paged_inputs(&[5, 6], &[32, 48]), 3).unwrap();
        let expected = [&[7, 32][..], &[18], &[208]].map(|dims| TensorInfo::known(DType::F32, dims.to_vec()));
        assert_eq!(outputs, expected);
    }

    #[test]
    fn unknown_lengths_are_bounded_by_the_blocks() {
        let outputs = infer(Op::PagedAttention, &paged_inputs(&[], &[]), 3).unwrap();
        assert_eq!(outputs[0], TensorInfo::known(DType::F32, [7, 32]));
        for (output, most) in outputs[1..].iter().zip([80, 400]) {
            assert_eq!((output.dims.as_deref(), output.bound), (Some(&[most][..]), Bound::UpperBound));
        }
        let mut flat_cache = paged_inputs(&[], &[]);
        flat_cache[3] = f32(&[9, 16]);
        let outputs = infer(Op::PagedAttention, &flat_cache, 3).unwrap();
        assert_eq!(outputs[1], TensorInfo::unknown(DType::F32));
    }

    #[test]
    fn paged_widths_must_divide() {
        let mut inputs = paged_inputs(&[], &[]);
        for width in [0, 30, u64::MAX] {
            inputs[1] = f32(&[7, width]);
            let expected = format!("widths of query 64, key {width} and value 16 do not match");
            assert_eq!(message(Op::PagedAttention, &inputs), expected);
        }
    }

    #[test]
    fn rope_keeps_slices_swaps_or_splits() {
        let run = |spec: Rope, data: &[u64]| dims(Op::Rope(Box::new(spec)), &[f32(data)]);
        let data = &[1, 7, 14, 64][..];
        assert_eq!(run(Rope::default(), data), data);
        assert_eq!(run(Rope { slice_start: 8, slice_stop: 40, ..Rope::default() }, data), [1, 7, 14, 32]);
        assert_eq!(run(Rope { input_trans0213: true, ..Rope::default() }, data), [1, 14, 7, 64]);
        assert_eq!(run(Rope { output_trans0213: true, ..Rope::default() }, data), [1, 14, 7, 64]);
        let split = Rope { splits_heads: true, head_count: 8, head_size: 16, ..Rope::default() };
        assert_eq!(run(split, &[1, 7, 384]), [1, 7, 8, 16]);
        assert_eq!(run(Rope { output_trans0213: true, ..split }, &[1, 7, 384]), [1, 8, 7, 16]);
    }

    #[test]
    fn hostile_rope_attributes_are_mismatches() {
        let run = |spec: Rope, data: &[u64]| message(Op::Rope(Box::new(spec)), &[f32(data)]);
        let negative = Rope { splits_heads: true, head_count: -1, ..Rope::default() };
        assert_eq!(run(negative, &[1, 7, 384]), "a dim must not be negative, and is -1");
        assert_eq!(run(negative, &[7, 384]), "data must be [.., .., features], and is [7,384]");
        let huge = Rope { slice_start: i64::MIN, slice_stop: i64::MAX, ..Rope::default() };
        assert_eq!(run(huge, &[7, 384]), "data must have 4 dims to be sliced, and is [7,384]");
        let swap = Rope { input_trans0213: true, ..Rope::default() };
        assert_eq!(run(swap, &[7, 384]), "data must have 4 dims to be transposed, and is [7,384]");
    }

    #[test]
    fn rms_keeps_the_shape() {
        let inputs = [tensor(DType::BF16, &[1, 7, 896]), tensor(DType::BF16, &[896])];
        assert_eq!(output(Op::Rms, &inputs), TensorInfo::known(DType::BF16, [1, 7, 896]));
    }
}
