//! Linear algebra.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::Made;
use super::quantization::quantized;
use super::{ElementType, Entry, ms, op};
use crate::graph::Op;

pub(super) const TABLE: &[Entry] = &[
    op("MatMul", 1, |_| Ok(Op::MatMul { transpose_a: false, transpose_b: false }.into())),
    op("Gemm", 1, gemm),
    op("Einsum", 12, |layer| {
        let equation = layer.text("equation")?.ok_or(AttributeError::Missing("equation"))?;
        Ok(Op::Einsum(equation.into()).into())
    }),
    op("Det", 11, |_| Ok(Op::Determinant.into())),
    ms("FusedGemm", gemm),
    ms("FusedMatMul", |layer| {
        let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
        let (moves_a, moves_b) = (layer.flag("transBatchA", false)?, layer.flag("transBatchB", false)?);
        Ok(match moves_a || moves_b {
            true => Op::MovedMatMul { transpose_a, transpose_b, moves_a, moves_b }.into(),
            false => Op::MatMul { transpose_a, transpose_b }.into(),
        })
    }),
    ms("TransposeMatMul", |layer| {
        let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
        Ok(Op::MatMul { transpose_a, transpose_b }.into())
    }),
    // Letters of words by an embedding for each word; the tables tell the type.
    ms("WordConvEmbedding", |layer| {
        let op = Op::Linear { outputs: layer.int_needed("embedding_size")?, blocks: None };
        Ok(quantized(op, ElementType::OfInput(1)).into())
    }),
    // Distances of all rows of one matrix from all of another.
    ms("CDist", |_| Ok(Op::MatMul { transpose_a: false, transpose_b: true }.into())),
];

fn gemm(layer: &Layer<'_>) -> Result<Made> {
    let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
    Ok(Op::Gemm { transpose_a, transpose_b }.into())
}
