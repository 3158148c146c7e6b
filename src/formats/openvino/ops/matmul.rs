//! Linear algebra.

use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::MatMul], "MatMul", 1, |layer| {
        Ok(Op::MatMul {
            transpose_a: layer.flag("transpose_a", false)?,
            transpose_b: layer.flag("transpose_b", false)?,
        })
    }),
    op(&[K::Einsum], "Einsum", 7, |layer| Ok(Op::Einsum(layer.text("equation")?.into()))),
    op(&[K::Inverse], "Inverse", 14, |_| Ok(Op::Inverse)),
    op(&[K::GroupedMatMul], "GroupedMatMul", 17, |_| Ok(Op::GroupedMatMul)),
];
