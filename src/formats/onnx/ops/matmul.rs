//! Linear algebra.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::FusedMatMul;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::MatMul], "MatMul", 1, |_| Ok(Op::MatMul { transpose_a: false, transpose_b: false }.into())),
    op(&[K::Gemm], "Gemm", 1, |layer| gemm(layer, false)),
    op(&[K::Einsum], "Einsum", 12, |layer| {
        let equation = layer.text("equation")?.ok_or(AttributeError::Missing("equation"))?;
        Ok(Op::Einsum(equation.into()).into())
    }),
    op(&[K::Determinant], "Det", 11, |_| Ok(Op::Determinant.into())),
    ms(&[K::FusedGemm], "FusedGemm", |layer| gemm(layer, true)),
    ms(&[K::FusedMatMul], "FusedMatMul", fused),
    ms(&[K::FusedMatMul], "TransposeMatMul", fused),
    // The letters of words, with an embedding for each word; the tables have the type.
    ms(&[K::WordConvEmbedding], "WordConvEmbedding", |layer| {
        Ok(Op::WordConvEmbedding { outputs: layer.int_needed("embedding_size")? }.into())
    }),
    // Distances of all rows of one matrix from all of another.
    ms(&[K::CDist], "CDist", |_| Ok(Op::CDist.into())),
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
