//! Embedding bags, segments, CTC, strings.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/sparse/embedding-bag-offsets-15.html>
//! (also `embedding-bag-offsets-sum-3`, `embedding-bag-packed-15`, `-sum-3`, `embedding-segments-sum-3`,
//! `segment-max-16`, `sparse-fill-empty-rows-16`, `sequence/ctc-greedy-decoder-1`, `-seq-len-6`, `ctc-loss-4`,
//! `movement/reverse-sequence-1`, `type/string-tensor-pack-15`, `-unpack-15`).
//! Opset history: opset 15 adds reductions other than the sum to embedding bags; shapes are those of opset 3.
//!
//! Shapes:
//!
//! * embedding bags: `table [R, d…] → [bags, d…]`, a bag per offset, row of indices, or segment;
//! * SegmentMax: `data [N, d…] → [segments, d…]`, by default the last segment id + 1;
//! * SparseFillEmptyRows: n values over the rows of `dense_shape → [n + e, 2], [n + e], [rows]`, e rows being empty;
//!   where the indices are not known at most rows - 1 are (all, if n is 0);
//! * CTCGreedyDecoder: `[T, N, C] → [N, T, 1, 1]`; with lengths `[N, T, C] → [N, T], [N]`; CTCLoss: `[N, T, C] → [N]`;
//! * ReverseSequence: data's shape; StringTensorPack: that of begins; Unpack: that of strings twice, and a number of
//!   bytes that no shape determines.

use crate::DType;
use crate::graph::op::{Ctc, EmbeddingBag};
use crate::graph::{Op, Value};
use crate::shape::context::{Context, RuleResult, dim, mismatch, text};
use crate::shape::{Bound, TensorInfo};
use std::collections::BTreeSet;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::EmbeddingBag(kind) => embedding_bag(*kind, context),
        Op::SegmentMax => segment_max(context),
        Op::SparseFillEmptyRows => sparse_fill_empty_rows(context),
        Op::Ctc(kind) => ctc(*kind, context),
        Op::ReverseSequence => emit_like(context, context.dtype(0)),
        Op::StringTensorPack => emit_like(context, DType::String),
        Op::StringTensorUnpack => {
            emit_like(context, DType::I32)?;
            emit_like(context, DType::I32)?;
            context.emit_info(TensorInfo::unknown(DType::U8));
            Ok(())
        }
        _ => Err(mismatch!("not a sequence operator")),
    }
}

fn emit_like(context: &mut Context<'_>, dtype: DType) -> RuleResult {
    let dims = context.dims(0)?;
    context.emit(dtype, dims.iter().copied());
    Ok(())
}

fn embedding_bag(kind: EmbeddingBag, context: &mut Context<'_>) -> RuleResult {
    let bags = match kind {
        EmbeddingBag::Offsets => match context.dims(2)? {
            &[bags] => bags,
            offsets => return Err(mismatch!("offsets must have 1 dim, and are {}", text(offsets))),
        },
        EmbeddingBag::Packed => match context.dims(1)? {
            &[bags, _] => bags,
            indices => return Err(mismatch!("indices must be [bags, n], and are {}", text(indices))),
        },
        EmbeddingBag::Segments => dim(context.int(3)?)?,
    };
    emit_rows(context, bags)
}

fn segment_max(context: &mut Context<'_>) -> RuleResult {
    let segments = if context.has(2) {
        dim(context.int(2)?)?
    } else {
        // The ids ascend.
        match context.ints(1)? {
            [.., last] => dim(*last)?.saturating_add(1),
            [] => 0,
        }
    };
    emit_rows(context, segments)
}

/// Emits the first input's dims with `rows` in place of the first.
fn emit_rows(context: &mut Context<'_>, rows: u64) -> RuleResult {
    match context.dims(0)? {
        [_, rest @ ..] => {
            context.emit(context.dtype(0), std::iter::once(rows).chain(rest.iter().copied()));
            Ok(())
        }
        [] => Err(mismatch!("data must have at least 1 dim")),
    }
}

fn sparse_fill_empty_rows(context: &mut Context<'_>) -> RuleResult {
    let (values, indices) = (context.dims(0)?, context.dims(2)?);
    let (&[n], &[n_indices, 2]) = (values, indices) else {
        return Err(mismatch!(
            "values {} and indices {} must be [n] and [n, 2]",
            text(values),
            text(indices)
        ));
    };
    if n != n_indices {
        return Err(mismatch!("{n} values have {n_indices} indices"));
    }
    let &[rows, _] = context.ints(1)? else {
        return Err(mismatch!("dense_shape must have 2 elements"));
    };
    let rows = dim(rows)?;
    let rows_bound = match context.value(1) {
        Some(shape) if shape.is_upper_bound => Bound::UpperBound,
        _ => Bound::Exact,
    };
    let index_type = context.dtype(2);
    let filled_rows = match context.value(2).and_then(Value::as_ints) {
        Some(indices) => {
            let filled: BTreeSet<i64> = indices.iter().copied().step_by(2).collect();
            let out_of_range = |row: &&i64| u64::try_from(**row).map_or(true, |row| row >= rows);
            if let Some(row) = filled.iter().find(out_of_range) {
                return Err(mismatch!("row {row} is outside of {rows} rows"));
            }
            filled.len() as u64
        }
        None => {
            context.depends_on_data();
            n.min(1)
        }
    };
    let total = rows.saturating_sub(filled_rows).checked_add(n);
    let total = total.ok_or_else(|| mismatch!("{n} values and {rows} rows are out of range"))?;
    context.emit(index_type, [total, 2]);
    context.emit(context.dtype(0), [total]);
    context.emit_info(TensorInfo { bound: rows_bound, ..TensorInfo::known(DType::Boolean, [rows]) });
    Ok(())
}

fn ctc(kind: Ctc, context: &mut Context<'_>) -> RuleResult {
    let &[first, second, _] = context.dims(0)? else {
        return Err(mismatch!("data must have 3 dims, and is {}", text(context.dims(0)?)));
    };
    let dtype = context.dtype(0);
    match kind {
        Ctc::GreedyDecoder => context.emit(dtype, [second, first, 1, 1]),
        Ctc::GreedyDecoderSeqLen { classes_type, length_type } => {
            context.emit(classes_type, [first, second]);
            context.emit(length_type, [first]);
        }
        Ctc::Loss => context.emit(dtype, [first]),
    }
    Ok(())
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::testing::{all_dims, dims, f32, infer, ints, message, scalar, tensor, vector};

    #[test]
    fn bags_are_offsets_rows_or_segments() {
        let table = || f32(&[20, 4, 5]);
        let indices = |dims: &[u64]| tensor(DType::I64, dims);
        let run = |kind, inputs: &[_]| dims(Op::EmbeddingBag(kind), inputs);
        assert_eq!(run(EmbeddingBag::Offsets, &[table(), indices(&[9]), indices(&[3])]), [3, 4, 5]);
        assert_eq!(run(EmbeddingBag::Packed, &[table(), indices(&[3, 9])]), [3, 4, 5]);
        let segments = [table(), indices(&[9]), indices(&[9]), scalar(6)];
        assert_eq!(run(EmbeddingBag::Segments, &segments), [6, 4, 5]);
        let fail = |kind, inputs: &[_]| message(Op::EmbeddingBag(kind), inputs);
        let wrong = [table(), indices(&[9]), indices(&[3, 1])];
        assert_eq!(fail(EmbeddingBag::Offsets, &wrong), "offsets must have 1 dim, and are [3,1]");
        assert_eq!(fail(EmbeddingBag::Packed, &wrong), "indices must be [bags, n], and are [9]");
        let negative = [table(), indices(&[9]), indices(&[9]), scalar(-6)];
        assert_eq!(fail(EmbeddingBag::Segments, &negative), "a dim must not be negative, and is -6");
    }

    #[test]
    fn segments_are_counted_or_given() {
        let ids = || vector(&[0, 0, 1, 1, 2, 5]);
        assert_eq!(dims(Op::SegmentMax, &[f32(&[6, 4]), ids()]), [6, 4]);
        assert_eq!(dims(Op::SegmentMax, &[f32(&[6, 4]), ids(), scalar(9)]), [9, 4]);
        assert_eq!(dims(Op::SegmentMax, &[f32(&[6, 4]), ids(), scalar(3)]), [3, 4]);
        let unknown = tensor(DType::I64, &[6]);
        assert_eq!(dims(Op::SegmentMax, &[f32(&[6, 4]), unknown.clone(), scalar(4)]), [4, 4]);
        assert!(message(Op::SegmentMax, &[f32(&[6, 4]), unknown]).contains("the value of input 1"));
        let huge = vector(&[i64::MAX]);
        assert!(message(Op::SegmentMax, &[f32(&[1, 4]), huge]).contains("over the limit of 8 TiB"));
        assert_eq!(
            message(Op::SegmentMax, &[f32(&[1, 4]), vector(&[-2])]),
            "a dim must not be negative, and is -2"
        );
        assert_eq!(message(Op::SegmentMax, &[f32(&[]), scalar(0)]), "data must have at least 1 dim");
    }

    #[test]
    fn empty_rows_are_counted_or_bounded() {
        let run = |indices| {
            let inputs = [tensor(DType::I32, &[4]), vector(&[5, 6]), indices, scalar(0)];
            infer(Op::SparseFillEmptyRows, &inputs, 3).unwrap()
        };
        let pairs = |dtype| ints(dtype, &[4, 2], &[0, 1, 0, 3, 2, 0, 4, 1]);
        assert_eq!(
            run(pairs(DType::I64)),
            [
                TensorInfo::known(DType::I64, [6, 2]),
                TensorInfo::known(DType::I32, [6]),
                TensorInfo::known(DType::Boolean, [5])
            ]
        );
        let bounded = run(tensor(DType::I64, &[4, 2]));
        assert_eq!((bounded[0].dims.as_deref(), bounded[0].bound), (Some(&[8, 2][..]), Bound::UpperBound));
        assert_eq!(bounded[2], TensorInfo::known(DType::Boolean, [5]));
        let shape = crate::shape::testing::bounded(vector(&[5, 6]));
        let inputs = [tensor(DType::I32, &[4]), shape, pairs(DType::I64), scalar(0)];
        let of_bound = infer(Op::SparseFillEmptyRows, &inputs, 3).unwrap();
        assert!(of_bound.iter().all(|output| output.bound == Bound::UpperBound));
    }

    #[test]
    fn rows_must_be_in_range() {
        let run = |shape: &[i64], indices: &[i64]| {
            let n = indices.len() as u64 / 2;
            let inputs = [f32(&[n]), vector(shape), ints(DType::I64, &[n, 2], indices), f32(&[])];
            message(Op::SparseFillEmptyRows, &inputs)
        };
        assert_eq!(run(&[5, 6], &[0, 1, 7, 1]), "row 7 is outside of 5 rows");
        assert_eq!(run(&[5, 6], &[-1, 1]), "row -1 is outside of 5 rows");
        assert_eq!(run(&[5], &[0, 1]), "dense_shape must have 2 elements");
        assert_eq!(run(&[-5, 6], &[0, 1]), "a dim must not be negative, and is -5");
        let uneven = [f32(&[3]), vector(&[5, 6]), tensor(DType::I64, &[4, 2]), f32(&[])];
        assert_eq!(message(Op::SparseFillEmptyRows, &uneven), "3 values have 4 indices");
    }

    #[test]
    fn ctc_decodes_each_step() {
        assert_eq!(dims(Op::Ctc(Ctc::GreedyDecoder), &[f32(&[10, 3, 6]), f32(&[10, 3])]), [3, 10, 1, 1]);
        let decoder = Ctc::GreedyDecoderSeqLen { classes_type: DType::I64, length_type: DType::I32 };
        let outputs = infer(Op::Ctc(decoder), &[f32(&[3, 10, 6]), f32(&[3])], 2).unwrap();
        let expected = [TensorInfo::known(DType::I64, [3, 10]), TensorInfo::known(DType::I32, [3])];
        assert_eq!(outputs, expected);
        assert_eq!(dims(Op::Ctc(Ctc::Loss), &[f32(&[3, 10, 6])]), [3]);
        assert_eq!(message(Op::Ctc(Ctc::Loss), &[f32(&[3, 10])]), "data must have 3 dims, and is [3,10]");
    }

    #[test]
    fn shapes_that_stay() {
        assert_eq!(dims(Op::ReverseSequence, &[f32(&[3, 10, 6]), tensor(DType::I64, &[3])]), [3, 10, 6]);
        let begins = || tensor(DType::I32, &[3, 4]);
        let strings = infer(Op::StringTensorPack, &[begins(), begins(), tensor(DType::U8, &[9])], 1).unwrap();
        assert_eq!(strings, [TensorInfo::known(DType::String, [3, 4])]);
        let parts = infer(Op::StringTensorUnpack, &[tensor(DType::String, &[3, 4])], 3).unwrap();
        let known = TensorInfo::known(DType::I32, [3, 4]);
        assert_eq!(parts, [known.clone(), known, TensorInfo::unknown(DType::U8)]);
        assert_eq!(all_dims(Op::ReverseSequence, &[f32(&[]), f32(&[])], 1), [[0_u64; 0]]);
    }
}
