//! Shapes, indices, ranges and fresh tensors.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::{Made, Slot, with};
use super::{Entry, inputs, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Fill;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::ShapeOf], "Shape", 1, |layer| {
        Ok(Op::ShapeOf { to: DType::I64, start: layer.int_or("start", 0)?, end: layer.int("end")? }.into())
    }),
    op(&[K::Size], "Size", 1, |_| Ok(Op::SizeOf.into())),
    op(&[K::Range], "Range", 11, |_| Ok(Op::Range { to: None }.into())),
    op(&[K::NonZero], "NonZero", 9, |_| Ok(Op::NonZero { to: DType::I64 }.into())),
    op(&[K::Unique], "Unique", 11, |layer| {
        let op = Op::Unique { index_type: DType::I64, count_type: DType::I64 };
        let axis = layer.int("axis")?.map_or(Slot::Absent, Slot::Int);
        Ok(with(op, [Slot::Input(0), axis]))
    }),
    op(&[K::TopK], "TopK", 1, |layer| {
        let k = Slot::Int(layer.int_needed("k")?);
        Ok(with(top_k(layer)?, [Slot::Input(0), k]))
    }),
    op(&[K::TopK], "TopK", 10, |layer| Ok(top_k(layer)?.into())),
    op(&[K::OneHot], "OneHot", 9, |layer| Ok(Op::OneHot { axis: layer.int_or("axis", -1)? }.into())),
    op(&[K::RandomNormal], "RandomNormal", 1, |layer| random(layer, Fill::Normal)),
    op(&[K::RandomUniform], "RandomUniform", 1, |layer| random(layer, Fill::Uniform)),
    op(&[K::Multinomial], "Multinomial", 7, |layer| {
        let to = layer.dtype("dtype")?.unwrap_or(DType::I32);
        Ok(with(Op::Multinomial { to }, [Slot::Input(0), Slot::Int(layer.int_or("sample_size", 1)?)]))
    }),
    op(&[K::BlackmanWindow], "BlackmanWindow", 17, |layer| window(layer, Fill::BlackmanWindow)),
    op(&[K::HammingWindow], "HammingWindow", 17, |layer| window(layer, Fill::HammingWindow)),
    op(&[K::HannWindow], "HannWindow", 17, |layer| window(layer, Fill::HannWindow)),
    ms(&[K::Range], "Range", |layer| {
        let step = if layer.has(2) { Slot::Input(2) } else { Slot::Int(1) };
        Ok(with(Op::Range { to: None }, inputs(0..2).chain([step])))
    }),
    // The values, for each element the place of its value, the counts.
    ms(&[K::Unique], "Unique", |_| Ok(Op::UniqueOfVector.into())),
];

fn top_k(layer: &Layer<'_>) -> Result<Op> {
    let largest = layer.int_or("largest", 1)? != 0;
    let largest_first = (layer.int_or("sorted", 1)? != 0).then_some(largest);
    Ok(Op::TopK { axis: layer.int_or("axis", -1)?, index_type: DType::I64, largest_first })
}

fn random(layer: &Layer<'_>, fill: Fill) -> Result<Made> {
    let shape = layer.ints("shape")?.ok_or(AttributeError::Missing("shape"))?;
    let to = Some(layer.dtype("dtype")?.unwrap_or(DType::F32));
    Ok(with(Op::FromShape { to, fill }, [Slot::Ints(shape)]))
}

/// As many numbers as the scalar input says.
fn window(layer: &Layer<'_>, fill: Fill) -> Result<Made> {
    let to = Some(layer.dtype("output_datatype")?.unwrap_or(DType::F32));
    Ok(Op::FromShape { to, fill }.into())
}
