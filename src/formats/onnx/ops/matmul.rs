//! Linear algebra.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
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
        // Where the batch dims are transposed too, [1..k, 0, m] is meant, which no canonical operator is.
        if layer.flag("transBatchA", false)? || layer.flag("transBatchB", false)? {
            return Ok(Op::Opaque.into());
        }
        let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
        Ok(Op::MatMul { transpose_a, transpose_b }.into())
    }),
];

fn gemm(layer: &Layer<'_>) -> Result<Made> {
    let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
    Ok(Op::Gemm { transpose_a, transpose_b }.into())
}
