//! Linear algebra.

use super::{Entry, op};
use crate::graph::Op;

pub(super) const TABLE: &[Entry] = &[
    op("MatMul", 1, |layer| {
        Ok(Op::MatMul {
            transpose_a: layer.flag("transpose_a", false)?,
            transpose_b: layer.flag("transpose_b", false)?,
        })
    }),
    op("Einsum", 7, |layer| Ok(Op::Einsum(layer.text("equation")?.into()))),
    op("Inverse", 14, |_| Ok(Op::Inverse)),
    op("GroupedMatMul", 17, |_| Ok(Op::GroupedMatMul)),
];
