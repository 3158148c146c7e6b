//! Sequences and optionals.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::{Made, inputs, with};
use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::List;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::SequenceEmpty], "SequenceEmpty", 11, |layer| {
        made(List::Empty { to: layer.dtype("dtype")?.unwrap_or(DType::F32) })
    }),
    op(&[K::SequenceConstruct], "SequenceConstruct", 11, |_| made(List::Construct)),
    op(&[K::SequenceInsert], "SequenceInsert", 11, |_| made(List::Insert)),
    op(&[K::SequenceErase], "SequenceErase", 11, |_| made(List::Erase)),
    op(&[K::SequenceAt], "SequenceAt", 11, |_| made(List::At)),
    op(&[K::SequenceLength], "SequenceLength", 11, |_| made(List::Length)),
    op(&[K::ConcatFromSequence], "ConcatFromSequence", 11, |layer| {
        let axis = layer.int("axis")?.ok_or(AttributeError::Missing("axis"))?;
        made(List::Concat { axis, is_new: layer.flag("new_axis", false)? })
    }),
    op(&[K::SplitToSequence], "SplitToSequence", 11, split),
    // An optional that is there is what it holds; one that is not holds nothing.
    op(&[K::Optional, K::SequenceEmpty], "Optional", 15, |layer| {
        if layer.has(0) {
            return Ok(Op::Optional.into());
        }
        Ok(with(Op::List(List::Empty { to: DType::Dynamic }), inputs([])))
    }),
    op(&[K::OptionalGetElement], "OptionalGetElement", 15, |_| Ok(Op::OptionalGetElement.into())),
    op(&[K::OptionalHasElement], "OptionalHasElement", 15, |_| Ok(Op::OptionalHasElement.into())),
];

fn made(kind: List) -> Result<Made> {
    Ok(Op::List(kind).into())
}

fn split(layer: &Layer<'_>) -> Result<Made> {
    made(List::Split { axis: layer.int_or("axis", 0)?, keeps_dim: layer.flag("keepdims", true)? })
}
