//! Convolutions and pools.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::{Slot, with};
use super::{Entry, inputs, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{
    AutoPad, Convolution, ConvolutionBackprop, ConvolutionForm, Detection, FilterLayout, Ints, Pool,
    PoolKind, Rounding, Window,
};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Convolution], "Conv", 1, |layer| Ok(convolution(layer, ConvolutionForm::Plain)?.into())),
    op(&[K::ConvolutionBackpropData], "ConvTranspose", 1, |layer| {
        let op = Op::ConvolutionBackpropData(Box::new(ConvolutionBackprop {
            window: window(layer)?,
            filters: filters(layer)?,
            output_padding: layer.ints_or_none("output_padding")?,
        }));
        let shape = layer.ints("output_shape")?.map_or(Slot::Absent, Slot::Ints);
        Ok(with(op, [Slot::Input(0), Slot::Input(1), shape, Slot::Input(2)]))
    }),
    op(&[K::DeformableConvolution], "DeformConv", 19, |layer| {
        let form = ConvolutionForm::Plain;
        let spec = Convolution { form, window: window(layer)?, filters: filters(layer)? };
        Ok(with(Op::DeformableConvolution(Box::new(spec)), inputs([0, 2, 1, 4, 3])))
    }),
    ms(&[K::FusedConv], "FusedConv", |layer| Ok(convolution(layer, ConvolutionForm::Fused)?.into())),
    ms(&[K::NhwcMaxPool], "NhwcMaxPool", |layer| {
        Ok(Op::ChannelsLast(Box::new(pool(layer, PoolKind::Max, None)?)).into())
    }),
    ms(&[K::MaxPoolWithMask], "MaxpoolWithMask", |layer| Ok(pool(layer, PoolKind::MaskedMax, None)?.into())),
    op(&[K::MaxUnpool], "MaxUnpool", 9, |layer| {
        let Op::Pool(pool) = pool(layer, PoolKind::Max, None)? else { return Ok(Op::Opaque.into()) };
        Ok(Op::MaxUnpool(pool).into())
    }),
    op(&[K::MaxPool], "MaxPool", 1, |layer| {
        let indices = (layer.outputs > 1).then_some(DType::I64);
        Ok(pool(layer, PoolKind::Max, indices)?.into())
    }),
    op(&[K::AveragePool], "AveragePool", 1, |layer| Ok(pool(layer, PoolKind::Average, None)?.into())),
    op(&[K::LpPool], "LpPool", 1, |layer| Ok(pool(layer, PoolKind::Lp, None)?.into())),
    op(&[K::GlobalAveragePool], "GlobalAveragePool", 1, |_| Ok(Op::GlobalPool(PoolKind::Average).into())),
    op(&[K::GlobalMaxPool], "GlobalMaxPool", 1, |_| Ok(Op::GlobalPool(PoolKind::Max).into())),
    op(&[K::GlobalLpPool], "GlobalLpPool", 1, |_| Ok(Op::GlobalPool(PoolKind::Lp).into())),
    op(&[K::RoiPooling], "MaxRoiPool", 1, |layer| {
        let pooled = layer.ints_or_none("pooled_shape")?;
        let [pooled_h, pooled_w] = pooled[..] else { return Err(AttributeError::Missing("pooled_shape")) };
        Ok(Op::Detection(Box::new(Detection::RoiPooling { pooled_h, pooled_w })).into())
    }),
    op(&[K::RoiAlign], "RoiAlign", 10, |layer| {
        let (pooled_h, pooled_w) = (layer.int_or("output_height", 1)?, layer.int_or("output_width", 1)?);
        Ok(Op::Detection(Box::new(Detection::RoiAlign { pooled_h, pooled_w, is_rotated: false })).into())
    }),
];

/// A convolution of data and filters.
pub(super) fn convolution(layer: &Layer<'_>, form: ConvolutionForm) -> Result<Op> {
    Ok(Op::Convolution(Box::new(Convolution { form, window: window(layer)?, filters: filters(layer)? })))
}

fn filters(layer: &Layer<'_>) -> Result<FilterLayout> {
    Ok(FilterLayout::Flat { groups: layer.int_or("group", 1)? })
}

/// Strides and pads; a list of pads has all begins, then all ends.
pub(super) fn window(layer: &Layer<'_>) -> Result<Window> {
    let pads = layer.ints_or_none("pads")?;
    let (begin, end) = pads.split_at(pads.len() / 2);
    let words = [
        ("NOTSET", AutoPad::Explicit),
        ("SAME_UPPER", AutoPad::SameUpper),
        ("SAME_LOWER", AutoPad::SameLower),
        ("VALID", AutoPad::Valid),
    ];
    let expected = "NOTSET, SAME_UPPER, SAME_LOWER or VALID";
    Ok(Window {
        strides: layer.ints_or_none("strides")?,
        dilations: layer.ints_or_none("dilations")?,
        pads_begin: Ints::from_slice(begin),
        pads_end: Ints::from_slice(end),
        auto_pad: layer.word("auto_pad", &words, AutoPad::Explicit, expected)?,
    })
}

/// A last window that would start in the padding after the data is dropped.
pub(super) fn pool(layer: &Layer<'_>, kind: PoolKind, indices: Option<DType>) -> Result<Op> {
    let rounding = if layer.flag("ceil_mode", false)? { Rounding::CeilTorch } else { Rounding::Floor };
    let kernel = layer.ints("kernel_shape")?.ok_or(AttributeError::Missing("kernel_shape"))?;
    Ok(Op::Pool(Box::new(Pool { kind, kernel, window: window(layer)?, rounding, indices })))
}
