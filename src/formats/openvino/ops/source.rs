//! Shapes, indices and ranges.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::ShapeOf], "ShapeOf", 1, |_| Ok(Op::ShapeOf { to: DType::I64, start: 0, end: None })),
    op(&[K::ShapeOf], "ShapeOf", 3, |layer| {
        Ok(Op::ShapeOf { to: layer.dtype_or("output_type", DType::I64)?, start: 0, end: None })
    }),
    op(&[K::Range], "Range", 1, |_| Ok(Op::Range { to: None })),
    op(&[K::Range], "Range", 4, |layer| Ok(Op::Range { to: Some(layer.dtype("output_type")?) })),
    op(&[K::NonZero], "NonZero", 3, |layer| {
        Ok(Op::NonZero { to: layer.dtype_or("output_type", DType::I64)? })
    }),
    op(&[K::Unique], "Unique", 10, |layer| {
        Ok(Op::Unique {
            index_type: layer.dtype_or("index_element_type", DType::I64)?,
            count_type: layer.dtype_or("count_element_type", DType::I64)?,
        })
    }),
    op(&[K::TopK], "TopK", 1, top_k),
    op(&[K::TopK], "TopK", 3, top_k),
    op(&[K::TopK], "TopK", 11, top_k),
    op(&[K::OneHot], "OneHot", 1, one_hot),
    op(&[K::OneHot], "OneHot", 16, one_hot),
    op(&[K::Eye], "Eye", 9, |layer| Ok(Op::Eye { to: layer.dtype("output_type")? })),
    op(&[K::Bucketize], "Bucketize", 3, |layer| {
        Ok(Op::Bucketize { to: layer.dtype_or("output_type", DType::I64)? })
    }),
    op(&[K::SearchSorted], "SearchSorted", 15, |layer| {
        Ok(Op::SearchSorted { to: layer.dtype_or("output_type", DType::I64)? })
    }),
];

fn top_k(layer: &Attributes<'_, '_>) -> Result<Op> {
    let index_type = layer.dtype_or("index_element_type", DType::I32)?;
    let largest = match (layer.raw("mode"), layer.raw("sort"), layer.flag("stable", false)?) {
        (Some("max"), Some("value"), true) => Some(true),
        (Some("min"), Some("value"), true) => Some(false),
        _ => None,
    };
    Ok(Op::TopK { axis: layer.int("axis")?, index_type, largest_first: largest })
}

fn one_hot(layer: &Attributes<'_, '_>) -> Result<Op> {
    Ok(Op::OneHot { axis: layer.int_or("axis", -1)? })
}
