//! Linear algebra.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
use crate::graph::Op;
use crate::graph::op::FusedMatMul;

pub(super) const TABLE: &[Entry] = &[
    op("MatMul", 1, |_| Ok(Op::MatMul { transpose_a: false, transpose_b: false }.into())),
    op("Gemm", 1, |layer| gemm(layer, false)),
    op("Einsum", 12, |layer| {
        let equation = layer.text("equation")?.ok_or(AttributeError::Missing("equation"))?;
        Ok(Op::Einsum(equation.into()).into())
    }),
    op("Det", 11, |_| Ok(Op::Determinant.into())),
    ms("FusedGemm", |layer| gemm(layer, true)),
    ms("FusedMatMul", fused),
    ms("TransposeMatMul", fused),
    // Letters of words by an embedding for each word; the tables tell the type.
    ms("WordConvEmbedding", |layer| {
        Ok(Op::WordConvEmbedding { outputs: layer.int_needed("embedding_size")? }.into())
    }),
    // Distances of all rows of one matrix from all of another.
    ms("CDist", |_| Ok(Op::CDist.into())),
];

fn fused(layer: &Layer<'_>) -> Result<Made> {
    Ok(Op::FusedMatMul(FusedMatMul {
        transpose_a: layer.flag("transA", false)?,
        transpose_b: layer.flag("transB", false)?,
        moves_a: layer.flag("transBatchA", false)?,
        moves_b: layer.flag("transBatchB", false)?,
        alpha: layer.float("alpha")?.unwrap_or(1.0) as f32,
    })
    .into())
}

fn gemm(layer: &Layer<'_>, has_activation: bool) -> Result<Made> {
    let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
    Ok(Op::Gemm { transpose_a, transpose_b, has_activation }.into())
}
