//! Quantising, dequantising, and operators over quantised data.

use super::super::attributes::{Layer, Result};
use super::super::made::{Made, Slot};
use super::convolution::{convolution, pool};
use super::{Entry, inputs, ms, op, with};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{
    AxisSpan, Binary, Broadcast, ConvolutionForm, ElementType, PoolKind, Quantized, QuantizedForm, Reduce,
    Unary,
};

use QuantizedForm::{Dynamic, Integer, Integer16, Linear, Scaled};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::QuantizeLinear], "QuantizeLinear", 10, quantize),
    op(&[K::DequantizeLinear], "DequantizeLinear", 10, dequantize),
    op(&[K::DynamicQuantizeLinear], "DynamicQuantizeLinear", 11, |_| Ok(Op::DynamicQuantizeLinear.into())),
    op(&[K::MatMulInteger], "MatMulInteger", 10, |_| {
        Ok(quantized(Integer, MATMUL, ElementType::Is(DType::I32)).into())
    }),
    op(&[K::ConvInteger], "ConvInteger", 10, |layer| {
        Ok(quantized(Integer, plain(layer)?, ElementType::Is(DType::I32)).into())
    }),
    // a, its scale and zero point, b, its scale and zero point, the result's scale and zero point, which has its type.
    op(&[K::QLinearMatMul], "QLinearMatMul", 10, |_| {
        Ok(with(quantized(Linear, MATMUL, ElementType::OfInput(7)), inputs([0, 3, 1, 2, 4, 5, 6, 7])))
    }),
    op(&[K::QLinearConv], "QLinearConv", 10, |layer| {
        let op = quantized(Linear, plain(layer)?, ElementType::OfInput(7));
        Ok(with(op, inputs([0, 3, 1, 2, 4, 5, 6, 7, 8])))
    }),
    ms(&[K::QuantizeLinear], "QuantizeLinear", quantize),
    ms(&[K::DequantizeLinear], "DequantizeLinear", dequantize),
    ms(&[K::MatMulInteger16], "MatMulInteger16", |_| {
        Ok(quantized(Integer16, MATMUL, ElementType::Is(DType::I32)).into())
    }),
    ms(&[K::MatMulIntegerToFloat], "MatMulIntegerToFloat", |_| {
        Ok(quantized(Scaled, MATMUL, ElementType::OfInput(2)).into())
    }),
    ms(&[K::DynamicQuantizeMatMul], "DynamicQuantizeMatMul", |_| Ok(quantized(Dynamic, MATMUL, DATA).into())),
    ms(&[K::QLinearAdd], "QLinearAdd", |_| pairwise(Binary::Add)),
    ms(&[K::QLinearMul], "QLinearMul", |_| pairwise(Binary::Multiply)),
    ms(&[K::QLinearWhere], "QLinearWhere", |_| {
        let select = Op::Select(Broadcast::Numpy);
        Ok(with(quantized(Linear, select, ElementType::OfInput(1)), inputs([0, 1, 4, 2, 3, 5, 6, 7, 8])))
    }),
    ms(&[K::QLinearSigmoid], "QLinearSigmoid", |_| {
        Ok(quantized(Linear, Op::Unary(Unary::Sigmoid), DATA).into())
    }),
    ms(&[K::QLinearLeakyRelu], "QLinearLeakyRelu", |_| {
        Ok(quantized(Linear, Op::Unary(Unary::LeakyRelu), DATA).into())
    }),
    ms(&[K::QLinearSoftmax], "QLinearSoftmax", |layer| {
        // Its opset says what the axis means.
        let span = AxisSpan { axis: layer.int_or("axis", -1)?, to_end: layer.int_or("opset", 13)? < 13 };
        Ok(quantized(Linear, Op::Softmax(span), DATA).into())
    }),
    ms(&[K::QLinearReduceMean], "QLinearReduceMean", |layer| {
        let keep_dims = layer.flag("keepdims", true)?;
        let axes = layer.ints("axes")?.map_or(Slot::Absent, Slot::Ints);
        let op = Op::Reduce { kind: Reduce::Mean, keep_dims, noop_with_empty_axes: false };
        Ok(with(quantized(Linear, op, DATA), [Slot::Input(0), axes]))
    }),
    ms(&[K::QLinearAveragePool], "QLinearAveragePool", |layer| {
        Ok(quantized(Linear, laid_out(layer, pool(layer, PoolKind::Average, None)?)?, DATA).into())
    }),
    ms(&[K::QLinearGlobalAveragePool], "QLinearGlobalAveragePool", |layer| {
        Ok(quantized(Linear, laid_out(layer, Op::GlobalPool(PoolKind::Average))?, DATA).into())
    }),
    ms(&[K::QLinearConv], "QLinearConv", |layer| {
        let op = quantized(Linear, laid_out(layer, plain(layer)?)?, ElementType::OfInput(7));
        Ok(with(op, inputs([0, 3, 1, 2, 4, 5, 6, 7, 8])))
    }),
    // The result's scale and zero point, then three inputs per tensor.
    ms(&[K::QLinearConcat], "QLinearConcat", |layer| {
        let op = Op::Concat { axis: layer.int_needed("axis")? };
        Ok(with(quantized(Linear, op, DATA), inputs((2..layer.inputs.len()).step_by(3))))
    }),
    // a and b with scales and zero points, c, the result's scale and zero point.
    ms(&[K::QGemm], "QGemm", |layer| {
        let (transpose_a, transpose_b) = (layer.flag("transA", false)?, layer.flag("transB", false)?);
        let to = if layer.has(8) { ElementType::OfInput(8) } else { ElementType::Is(DType::F32) };
        let gemm = Op::Gemm { transpose_a, transpose_b, has_activation: false };
        Ok(with(quantized(Linear, gemm, to), inputs([0, 3, 6, 1, 2, 4, 5, 7, 8])))
    }),
];

const MATMUL: Op = Op::MatMul { transpose_a: false, transpose_b: false };

/// The result has the type of the data.
const DATA: ElementType = ElementType::OfInput(0);

fn quantized(form: QuantizedForm, op: Op, to: ElementType) -> Op {
    Op::Quantized(Box::new(Quantized { form, op, to }))
}

/// a and b, each with scale and zero point, and those of the result.
fn pairwise(kind: Binary) -> Result<Made> {
    let op = Op::Binary(kind, Broadcast::Numpy);
    Ok(with(quantized(Linear, op, DATA), inputs([0, 3, 1, 2, 4, 5, 6, 7])))
}

fn plain(layer: &Layer<'_>) -> Result<Op> {
    convolution(layer, ConvolutionForm::Plain)
}

/// The operator as its `channels_last` says.
fn laid_out(layer: &Layer<'_>, op: Op) -> Result<Op> {
    Ok(if layer.flag("channels_last", false)? { Op::ChannelsLast(Box::new(op)) } else { op })
}

/// The zero point's type, or the one given, or u8.
fn quantize(layer: &Layer<'_>) -> Result<Made> {
    let to = if layer.has(2) {
        ElementType::OfInput(2)
    } else {
        ElementType::Is(layer.dtype("output_dtype")?.unwrap_or(DType::U8))
    };
    Ok(Op::QuantizeLinear { to }.into())
}

/// The type given, or that of the scale.
fn dequantize(layer: &Layer<'_>) -> Result<Made> {
    let to = layer.dtype("output_dtype")?.map_or(ElementType::OfInput(1), ElementType::Is);
    Ok(Op::DequantizeLinear { to }.into())
}
