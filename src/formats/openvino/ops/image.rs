//! Resizing, sampling and colour.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::op::{Interpolate, InterpolateForm};

pub(super) const TABLE: &[Entry] = &[
    op("Interpolate", 1, |layer| interpolate(layer, InterpolateForm::Opset1 { axes: layer.ints("axes")? })),
    op("Interpolate", 4, |layer| interpolate(layer, InterpolateForm::Opset4 { by_sizes: by_sizes(layer)? })),
    op("Interpolate", 11, |layer| {
        interpolate(layer, InterpolateForm::Opset11 { by_sizes: by_sizes(layer)? })
    }),
    op("GridSample", 9, |_| Ok(Op::GridSample)),
    op("I420toBGR", 8, yuv),
    op("I420toRGB", 8, yuv),
    op("NV12toBGR", 8, yuv),
    op("NV12toRGB", 8, yuv),
    op("BGRtoNV12", 17, rgb),
    op("RGBtoNV12", 17, rgb),
];

fn interpolate(layer: &Attributes<'_, '_>, form: InterpolateForm) -> Result<Op> {
    let (pads_begin, pads_end) = (layer.ints("pads_begin")?, layer.ints("pads_end")?);
    Ok(Op::Interpolate(Box::new(Interpolate { form, pads_begin, pads_end })))
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
