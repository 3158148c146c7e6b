//! Resizing, sampling, suppression.

use super::super::attributes::{AttributeError, Layer, Result};
use super::super::made::{Made, Slot, with};
use super::{Entry, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Detection, Interpolate, InterpolateForm, Ints};

pub(super) const TABLE: &[Entry] =
    &[
        op(&[K::Interpolate], "Upsample", 1, |layer| {
            let float = |name| layer.float(name)?.ok_or(AttributeError::Missing(name));
            let scales = [1.0, 1.0, float("height_scale")?, float("width_scale")?];
            let slots = [Slot::Input(0), Slot::Absent, Slot::Floats(scales[..].into())];
            Ok(with(resize(layer, None, 0, false)?, slots))
        }),
        op(&[K::Interpolate], "Upsample", 7, |layer| {
            let scales = layer.floats("scales")?.ok_or(AttributeError::Missing("scales"))?;
            let scales = Slot::Floats(scales.iter().map(|&scale| f64::from(scale)).collect());
            Ok(with(resize(layer, None, 0, false)?, [Slot::Input(0), Slot::Absent, scales]))
        }),
        op(&[K::Interpolate], "Upsample", 9, by_scales),
        op(&[K::Interpolate], "Resize", 10, by_scales),
        op(&[K::Interpolate], "Resize", 11, |layer| {
            let words = [("stretch", 0), ("not_larger", 1), ("not_smaller", 2)];
            let expected = "stretch, not_larger or not_smaller";
            let policy = layer.word("keep_aspect_ratio_policy", &words, 0, expected)?;
            let crops = layer.text("coordinate_transformation_mode")? == Some("tf_crop_and_resize");
            Ok(resize(layer, layer.ints("axes")?, policy, crops)?.into())
        }),
        op(&[K::GridSample], "GridSample", 16, |_| Ok(Op::GridSample.into())),
        op(&[K::AffineGrid], "AffineGrid", 20, |_| Ok(Op::AffineGrid.into())),
        op(&[K::ImageDecoder], "ImageDecoder", 20, |layer| {
            let words = [("RGB", 3), ("BGR", 3), ("Grayscale", 1)];
            Ok(Op::ImageDecoder { channels: layer.word("pixel_format", &words, 3, "RGB, BGR or Grayscale")? }
                .into())
        }),
        ms(&[K::CropAndResize], "CropAndResize", |_| {
            Ok(Op::Detection(Box::new(Detection::CropAndResize)).into())
        }),
        ms(&[K::GridSample], "GridSample", |_| Ok(Op::GridSample.into())),
        op(&[K::NonMaxSuppression], "NonMaxSuppression", 10, |layer| {
            let op = Op::Detection(Box::new(Detection::NonMaxSuppression {
                output_type: DType::I64,
                indices_only: true,
                rotated: false,
                static_output: false,
            }));
            // Without a number of boxes there is no output.
            let most = if layer.has(2) { Slot::Input(2) } else { Slot::Int(0) };
            Ok(with(op, [Slot::Input(0), Slot::Input(1), most, Slot::Input(3), Slot::Input(4)]))
        }),
    ];

fn resize(layer: &Layer<'_>, axes: Option<Ints>, policy: u8, crop_and_resize: bool) -> Result<Op> {
    let form = InterpolateForm::Onnx { axes, policy, crop_and_resize };
    let is_nearest = layer.text("mode")?.unwrap_or("nearest") == "nearest";
    let (pads_begin, pads_end) = (Ints::new(), Ints::new());
    Ok(Op::Interpolate(Box::new(Interpolate { form, pads_begin, pads_end, is_nearest })))
}

/// Data and scales alone.
fn by_scales(layer: &Layer<'_>) -> Result<Made> {
    Ok(with(resize(layer, None, 0, false)?, [Slot::Input(0), Slot::Absent, Slot::Input(1)]))
}
