//! Quantising, dequantising, and operators over quantised data.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::convolution::convolution;
use super::{ElementType, Entry, Like, LikeDims, inputs, ms, op, with};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Quantized;

pub(super) const TABLE: &[Entry] = &[
    op("QuantizeLinear", 10, quantize),
    op("DequantizeLinear", 10, dequantize),
    op("DynamicQuantizeLinear", 11, |_| {
        let scalar = |dtype| Like { dims: LikeDims::Scalar, dtype: ElementType::Is(dtype) };
        let data = Like { dims: LikeDims::Input(0), dtype: ElementType::Is(DType::U8) };
        Ok(Op::LikeInputs([data, scalar(DType::F32), scalar(DType::U8)].into()).into())
    }),
    op("MatMulInteger", 10, |_| Ok(quantized(MATMUL, ElementType::Is(DType::I32)).into())),
    op("ConvInteger", 10, |layer| Ok(quantized(convolution(layer)?, ElementType::Is(DType::I32)).into())),
    // a, its scale and zero point, b, its scale and zero point, the result's scale and zero point, which has its type.
    op("QLinearMatMul", 10, |_| {
        Ok(with(quantized(MATMUL, ElementType::OfInput(7)), inputs([0, 3, 1, 2, 4, 5, 6, 7])))
    }),
    op("QLinearConv", 10, |layer| {
        let op = quantized(convolution(layer)?, ElementType::OfInput(7));
        Ok(with(op, inputs([0, 3, 1, 2, 4, 5, 6, 7, 8])))
    }),
    ms("QuantizeLinear", quantize),
    ms("DequantizeLinear", dequantize),
    ms("MatMulIntegerToFloat", |_| Ok(quantized(MATMUL, ElementType::OfInput(2)).into())),
    ms("DynamicQuantizeMatMul", |_| Ok(MATMUL.into())),
];

const MATMUL: Op = Op::MatMul { transpose_a: false, transpose_b: false };

fn quantized(op: Op, to: ElementType) -> Op {
    Op::Quantized(Box::new(Quantized { op, to }))
}

/// The zero point's type, or the one given, or u8.
fn quantize(layer: &Layer<'_>) -> Result<Made> {
    let dtype = if layer.has(2) {
        ElementType::OfInput(2)
    } else {
        ElementType::Is(layer.dtype("output_dtype")?.unwrap_or(DType::U8))
    };
    Ok(Op::LikeInputs([Like { dims: LikeDims::Input(0), dtype }].into()).into())
}

/// The type given, or that of the scale.
fn dequantize(layer: &Layer<'_>) -> Result<Made> {
    let dtype = layer.dtype("output_dtype")?.map_or(ElementType::OfInput(1), ElementType::Is);
    Ok(Op::LikeInputs([Like { dims: LikeDims::Input(0), dtype }].into()).into())
}
