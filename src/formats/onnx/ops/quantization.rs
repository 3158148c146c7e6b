//! Quantising, dequantising, and operators over quantised data.

use super::super::attributes::{Layer, Result};
use super::super::made::{Made, Slot};
use super::convolution::{convolution, pool};
use super::{ElementType, Entry, Like, LikeDims, inputs, like, ms, op, with};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Quantized, Reduce};

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
    ms("MatMulInteger16", |_| Ok(quantized(MATMUL, ElementType::Is(DType::I32)).into())),
    ms("MatMulIntegerToFloat", |_| Ok(quantized(MATMUL, ElementType::OfInput(2)).into())),
    ms("DynamicQuantizeMatMul", |_| Ok(MATMUL.into())),
    ms("QLinearAdd", |_| pairwise(Binary::Add)),
    ms("QLinearMul", |_| pairwise(Binary::Multiply)),
    ms("QLinearWhere", |_| Ok(with(Op::Select(Broadcast::Numpy), inputs([0, 1, 4, 2, 3, 5, 6, 7, 8])))),
    ms("QLinearSigmoid", |_| Ok(like([0]).into())),
    ms("QLinearLeakyRelu", |_| Ok(like([0]).into())),
    ms("QLinearSoftmax", |_| Ok(like([0]).into())),
    ms("QLinearReduceMean", |layer| {
        let keep_dims = layer.flag("keepdims", true)?;
        let axes = layer.ints("axes")?.map_or(Slot::Absent, Slot::Ints);
        let op = Op::Reduce { kind: Reduce::Mean, keep_dims, noop_with_empty_axes: false };
        Ok(with(op, [Slot::Input(0), axes]))
    }),
    ms("QLinearAveragePool", |layer| Ok(laid_out(layer, pool(layer, None)?)?.into())),
    ms("QLinearGlobalAveragePool", |layer| Ok(laid_out(layer, Op::GlobalPool)?.into())),
    ms("QLinearConv", |layer| {
        let op = quantized(laid_out(layer, convolution(layer)?)?, ElementType::OfInput(7));
        Ok(with(op, inputs([0, 3, 1, 2, 4, 5, 6, 7, 8])))
    }),
    // The result's scale and zero point, then three inputs per tensor.
    ms("QLinearConcat", |layer| {
        let op = Op::Concat { axis: layer.int_needed("axis")? };
        Ok(with(op, inputs((2..layer.inputs.len()).step_by(3))))
    }),
    // a and b with scales and zero points, c, the result's scale and zero point.
    ms("QGemm", |layer| {
        let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
        let to = if layer.has(8) { ElementType::OfInput(8) } else { ElementType::Is(DType::F32) };
        Ok(with(quantized(Op::Gemm { transpose_a, transpose_b }, to), inputs([0, 3, 6, 1, 2, 4, 5, 7, 8])))
    }),
];

const MATMUL: Op = Op::MatMul { transpose_a: false, transpose_b: false };

pub(super) fn quantized(op: Op, to: ElementType) -> Op {
    Op::Quantized(Box::new(Quantized { op, to }))
}

/// a and b, each with scale and zero point, and those of the result.
fn pairwise(kind: Binary) -> Result<Made> {
    Ok(with(Op::Binary(kind, Broadcast::Numpy), inputs([0, 3, 1, 2, 4, 5, 6, 7])))
}

/// The operator as its `channels_last` says.
fn laid_out(layer: &Layer<'_>, op: Op) -> Result<Op> {
    Ok(if layer.flag("channels_last", false)? { Op::ChannelsLast(Box::new(op)) } else { op })
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
