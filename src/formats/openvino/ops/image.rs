//! Resizing, sampling and colour.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Interpolate, InterpolateForm};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Interpolate], "Interpolate", 1, |layer| {
        interpolate(layer, InterpolateForm::Opset1 { axes: layer.ints("axes")? })
    }),
    op(&[K::Interpolate], "Interpolate", 4, |layer| {
        interpolate(layer, InterpolateForm::Opset4 { by_sizes: by_sizes(layer)? })
    }),
    op(&[K::Interpolate], "Interpolate", 11, |layer| {
        interpolate(layer, InterpolateForm::Opset11 { by_sizes: by_sizes(layer)? })
    }),
    op(&[K::GridSample], "GridSample", 9, |_| Ok(Op::GridSample)),
    op(&[K::YuvToRgb], "I420toBGR", 8, yuv),
    op(&[K::YuvToRgb], "I420toRGB", 8, yuv),
    op(&[K::YuvToRgb], "NV12toBGR", 8, yuv),
    op(&[K::YuvToRgb], "NV12toRGB", 8, yuv),
    op(&[K::RgbToNv12], "BGRtoNV12", 17, rgb),
    op(&[K::RgbToNv12], "RGBtoNV12", 17, rgb),
];

fn interpolate(layer: &Attributes<'_, '_>, form: InterpolateForm) -> Result<Op> {
    let (pads_begin, pads_end) = (layer.ints("pads_begin")?, layer.ints("pads_end")?);
    let is_nearest = layer.raw("mode") == Some("nearest");
    Ok(Op::Interpolate(Box::new(Interpolate { form, pads_begin, pads_end, is_nearest })))
}

fn by_sizes(layer: &Attributes<'_, '_>) -> Result<bool> {
    layer.word("shape_calculation_mode", &[("sizes", true), ("scales", false)], true, "sizes or scales")
}

fn yuv(layer: &Attributes<'_, '_>) -> Result<Op> {
    Ok(Op::YuvToRgb { single_plane: layer.inputs == 1 })
}

fn rgb(layer: &Attributes<'_, '_>) -> Result<Op> {
    Ok(Op::RgbToNv12 { single_plane: layer.flag("single_plane", false)? })
}
