//! Convolutions and pools.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{
    AutoPad, Convolution, ConvolutionBackprop, ConvolutionForm, FilterLayout, Pool, PoolKind, Rounding,
    Window,
};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Convolution], "Convolution", 1, |layer| {
        convolution(layer, ConvolutionForm::Plain, FilterLayout::Plain)
    }),
    op(&[K::Convolution], "GroupConvolution", 1, |layer| {
        convolution(layer, ConvolutionForm::Plain, FilterLayout::Grouped)
    }),
    op(&[K::BinaryConvolution], "BinaryConvolution", 1, |layer| {
        convolution(layer, ConvolutionForm::Binary, FilterLayout::Plain)
    }),
    op(&[K::ConvolutionBackpropData], "ConvolutionBackpropData", 1, |layer| {
        backprop(layer, FilterLayout::Plain)
    }),
    op(&[K::ConvolutionBackpropData], "GroupConvolutionBackpropData", 1, |layer| {
        backprop(layer, FilterLayout::Grouped)
    }),
    op(&[K::DeformableConvolution], "DeformableConvolution", 1, deformable),
    op(&[K::DeformableConvolution], "DeformableConvolution", 8, deformable),
    op(&[K::AveragePool], "AvgPool", 1, |layer| pool(layer, PoolKind::Average, None)),
    op(&[K::AveragePool], "AvgPool", 14, |layer| pool(layer, PoolKind::Average, None)),
    op(&[K::MaxPool], "MaxPool", 1, |layer| pool(layer, PoolKind::Max, None)),
    op(&[K::MaxPool], "MaxPool", 8, |layer| {
        pool(layer, PoolKind::Max, Some(layer.dtype_or("index_element_type", DType::I64)?))
    }),
    op(&[K::MaxPool], "MaxPool", 14, |layer| {
        pool(layer, PoolKind::Max, Some(layer.dtype_or("index_element_type", DType::I64)?))
    }),
    op(&[K::AdaptiveAveragePool], "AdaptiveAvgPool", 8, |_| Ok(Op::AdaptivePool { indices: None })),
    op(&[K::AdaptiveMaxPool], "AdaptiveMaxPool", 8, |layer| {
        Ok(Op::AdaptivePool { indices: Some(layer.dtype_or("index_element_type", DType::I64)?) })
    }),
];

/// Strides and pads under their usual names.
pub(super) fn window(layer: &Attributes<'_, '_>) -> Result<Window> {
    Ok(Window {
        strides: layer.ints("strides")?,
        dilations: layer.ints("dilations")?,
        pads_begin: layer.ints("pads_begin")?,
        pads_end: layer.ints("pads_end")?,
        auto_pad: auto_pad(layer)?,
    })
}

/// The padding rule; pads as given where there is none.
pub(super) fn auto_pad(layer: &Attributes<'_, '_>) -> Result<AutoPad> {
    let words = [
        ("explicit", AutoPad::Explicit),
        ("notset", AutoPad::Explicit),
        ("same_upper", AutoPad::SameUpper),
        ("same_lower", AutoPad::SameLower),
        ("valid", AutoPad::Valid),
    ];
    layer.word("auto_pad", &words, AutoPad::Explicit, "explicit, same_upper, same_lower or valid")
}

fn convolution(layer: &Attributes<'_, '_>, form: ConvolutionForm, filters: FilterLayout) -> Result<Op> {
    Ok(Op::Convolution(Box::new(Convolution { form, window: window(layer)?, filters })))
}

fn backprop(layer: &Attributes<'_, '_>, filters: FilterLayout) -> Result<Op> {
    let output_padding = layer.ints("output_padding")?;
    Ok(Op::ConvolutionBackpropData(Box::new(ConvolutionBackprop {
        window: window(layer)?,
        filters,
        output_padding,
    })))
}

fn deformable(layer: &Attributes<'_, '_>) -> Result<Op> {
    let filters = FilterLayout::Flat { groups: layer.int_or("group", 1)? };
    Ok(Op::DeformableConvolution(Box::new(Convolution {
        form: ConvolutionForm::Plain,
        window: window(layer)?,
        filters,
    })))
}

fn pool(layer: &Attributes<'_, '_>, kind: PoolKind, indices: Option<DType>) -> Result<Op> {
    let words = [("floor", Rounding::Floor), ("ceil", Rounding::Ceil), ("ceil_torch", Rounding::CeilTorch)];
    let rounding = layer.word("rounding_type", &words, Rounding::Floor, "floor, ceil or ceil_torch")?;
    Ok(Op::Pool(Box::new(Pool {
        kind,
        kernel: layer.ints("kernel")?,
        window: window(layer)?,
        rounding,
        indices,
    })))
}
