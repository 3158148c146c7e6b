//! Resizing and sampling of images.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/image/interpolate-11.html>
//! (also `interpolate-1`, `-4`, `grid-sample-9`, `nv12-to-rgb-8`, `nv12-to-bgr-8`, `i420-to-rgb-8`,
//! `i420-to-bgr-8`, and the opset 17 operators that go the other way); ONNX `Resize`, `GridSample`, <https://onnx.ai/onnx/operators/>.
//! Opset history: opset 1 takes sizes alone and does not pad; 4 adds scales and pads; 11 merges sizes and scales into
//! one input; ONNX 18 adds axes and aspect ratio policies.
//!
//! Shapes:
//!
//! * `Interpolate`: per axis the given size, or `trunc(padded · (scale + 1e-6))` in single precision, and `padded`
//!   itself where the scale is 1; other dims are `dim + pad_begin + pad_end` (source of the 1e-6 and of the
//!   exception: OpenVINO 2026.4.1, 12,000 random dims and scales, no other rule of four tried fits them all);
//! * `Resize`: per axis the given size, or `floor(dim · scale)` in single precision, times the ROI's extent where that
//!   is resized; with an aspect ratio policy `round(dim · min or max of size / dim)`;
//! * `AffineGrid`: `[N, spatial…, their number]` of the size; `ImageDecoder`: at most `[65535, 65535, channels]`;
//! * `GridSample`: `[N, C]` of the data, then the grid's spatial dims;
//! * `NV12toRGB` and its like: `[N, H, W, 3]`, where a single plane has 3/2 the height;
//! * `RGBtoNV12` and its like: `[N, 3/2 H, W, 1]`, or `[N, H, W, 1]` and `[N, H/2, W/2, 2]`.

use crate::DType;
use crate::graph::op::{Interpolate, InterpolateForm};
use crate::graph::{Dims, Op};
use crate::shape::context::{Context, RuleResult, dim, mismatch, normalize_axes, normalize_axis, text};
use crate::shape::dim::Dim;
use smallvec::SmallVec;

/// Largest side of a JPEG image: ITU-T T.81, B.2.2. Other formats allow more.
const MAX_SIDE: u64 = 65_535;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    if let Op::Interpolate(spec) = op
        && context.is_symbolic()
        && context.dims(0).is_err()
    {
        return interpolate_symbols(spec, context);
    }
    let dims = match op {
        Op::Interpolate(spec) => match &spec.form {
            InterpolateForm::Onnx { axes, policy, crop_and_resize } => {
                resize(axes.as_deref(), *policy, *crop_and_resize, context)?
            }
            _ => interpolate(spec, context)?,
        },
        Op::GridSample => grid_sample(context.dims(0)?, context.dims(1)?)?,
        Op::AffineGrid => affine_grid(context)?,
        Op::ImageDecoder { channels } => {
            let channels = dim(*channels)?;
            context
                .assume("an encoded image is taken to have at most 65,535 pixels a side, the limit of JPEG");
            context.depends_on_data();
            context.emit(DType::U8, [MAX_SIDE, MAX_SIDE, channels]);
            return Ok(());
        }
        Op::YuvToRgb { single_plane } => yuv_to_rgb(*single_plane, context)?,
        Op::RgbToNv12 { single_plane } => return rgb_to_nv12(*single_plane, context),
        _ => return Err(mismatch!("not a resizing operator")),
    };
    context.emit(context.dtype(0), dims);
    Ok(())
}

/// Keeps the dims that are not resized; to what size others are is not followed.
fn interpolate_symbols(spec: &Interpolate, context: &mut Context<'_>) -> RuleResult {
    let mut dims = context.shape(0)?;
    let axes = match &spec.form {
        InterpolateForm::Opset1 { axes } => Some(axes.as_slice()),
        InterpolateForm::Opset4 { .. } => given_axes(context, 3)?,
        InterpolateForm::Opset11 { .. } => given_axes(context, 2)?,
        InterpolateForm::Onnx { axes, .. } => axes.as_deref(),
    };
    let is_padded = spec.pads_begin.iter().chain(&spec.pads_end).any(|&pad| pad != 0);
    match axes.filter(|_| !is_padded) {
        Some(axes) => {
            for axis in normalize_axes(axes, dims.len())? {
                dims[axis] = Dim::Unknown;
            }
        }
        None => dims.iter_mut().for_each(|dim| *dim = Dim::Unknown),
    }
    context.emit_shape(context.dtype(0), dims);
    Ok(())
}

fn interpolate(spec: &Interpolate, context: &Context<'_>) -> RuleResult<Dims> {
    let mut dims = Dims::from_slice(context.dims(0)?);
    let (axes, port, by_sizes) = match &spec.form {
        InterpolateForm::Opset1 { axes } => (Some(axes.as_slice()), 1, true),
        InterpolateForm::Opset4 { by_sizes } => {
            (given_axes(context, 3)?, if *by_sizes { 1 } else { 2 }, *by_sizes)
        }
        InterpolateForm::Opset11 { by_sizes } => (given_axes(context, 2)?, 1, *by_sizes),
        InterpolateForm::Onnx { .. } => return Err(mismatch!("not OpenVINO's form")),
    };
    if !matches!(spec.form, InterpolateForm::Opset1 { .. }) {
        for (index, dim) in dims.iter_mut().enumerate() {
            let pad = |pads: &[i64]| i128::from(pads.get(index).copied().unwrap_or(0));
            let padded = i128::from(*dim) + pad(&spec.pads_begin) + pad(&spec.pads_end);
            *dim = u64::try_from(padded).map_err(|_| mismatch!("a padded dim would be {padded}"))?;
        }
    }
    // Axes may repeat: the last size wins, scales multiply.
    let rank = dims.len();
    let axes: SmallVec<[usize; 6]> = match axes {
        Some(axes) => axes.iter().map(|&axis| normalize_axis(axis, rank)).collect::<RuleResult<_>>()?,
        None => (0..rank).collect(),
    };
    if by_sizes {
        let sizes = enough(context.ints(port)?, axes.len(), "sizes")?;
        for (&axis, &size) in axes.iter().zip(sizes) {
            dims[axis] = dim(size)?;
        }
    } else {
        let scales = context.floats(port)?;
        for (&axis, &scale) in axes.iter().zip(enough(&scales, axes.len(), "scales")?) {
            let scale = scale as f32;
            if scale != 1.0 {
                dims[axis] = truncated(dims[axis] as f32 * (scale + 1.0e-6), scale)?;
            }
        }
    }
    Ok(dims)
}

fn given_axes<'a>(context: &Context<'a>, port: usize) -> RuleResult<Option<&'a [i64]>> {
    if context.has(port) { context.ints(port).map(Some) } else { Ok(None) }
}

fn resize(
    axes: Option<&[i64]>,
    policy: u8,
    crop_and_resize: bool,
    context: &Context<'_>,
) -> RuleResult<Dims> {
    let mut dims = Dims::from_slice(context.dims(0)?);
    let axes = match axes {
        Some(axes) => normalize_axes(axes, dims.len())?,
        None => (0..dims.len()).collect(),
    };
    let is_given = |port| Ok(context.has(port) && context.dims(port)? != [0]);
    if is_given(3)? {
        let sizes = exactly(context.ints(3)?, axes.len(), "sizes")?;
        let ratios = axes.iter().zip(sizes).map(|(&axis, &size)| size as f32 / dims[axis] as f32);
        let ratio = match policy {
            0 => None,
            1 => ratios.reduce(f32::min),
            _ => ratios.reduce(f32::max),
        };
        for (&axis, &size) in axes.iter().zip(sizes) {
            dims[axis] = match ratio {
                Some(ratio) => truncated((dims[axis] as f32 * ratio).round(), ratio)?,
                None => dim(size)?,
            };
        }
    } else if is_given(2)? {
        let scales = context.floats(2)?;
        let scales = exactly(&scales, axes.len(), "scales")?;
        let roi = if crop_and_resize { context.floats(1)? } else { SmallVec::new() };
        if crop_and_resize {
            exactly(&roi, 2 * axes.len(), "roi")?;
        }
        for (index, (&axis, &scale)) in axes.iter().zip(scales).enumerate() {
            let extent = match (roi.get(index), roi.get(index + axes.len())) {
                (Some(start), Some(end)) => (end - start) as f32,
                _ => 1.0,
            };
            dims[axis] = truncated(dims[axis] as f32 * extent * scale as f32, scale as f32)?;
        }
    } else {
        return Err(mismatch!("neither scales nor sizes are given"));
    }
    Ok(dims)
}

fn grid_sample(data: &[u64], grid: &[u64]) -> RuleResult<Dims> {
    match (data, grid) {
        ([batch, channels, spatial @ ..], [grid_batch, sampled @ .., coordinates])
            if spatial.len() == sampled.len()
                && *coordinates == spatial.len() as u64
                && batch == grid_batch =>
        {
            let mut dims = Dims::from_slice(&[*batch, *channels]);
            dims.extend_from_slice(sampled);
            Ok(dims)
        }
        _ => Err(mismatch!("a grid of {} does not fit data of {}", text(grid), text(data))),
    }
}

fn affine_grid(context: &Context<'_>) -> RuleResult<Dims> {
    match context.ints(1)? {
        [batch, _, spatial @ ..] if !spatial.is_empty() => {
            let sizes = std::iter::once(batch).chain(spatial).map(|&size| dim(size));
            sizes.chain([Ok(spatial.len() as u64)]).collect()
        }
        size => Err(mismatch!("size must be [N, C, spatial...], and has {} elements", size.len())),
    }
}

fn yuv_to_rgb(single_plane: bool, context: &Context<'_>) -> RuleResult<Dims> {
    let luma = context.dims(0)?;
    let &[batch, rows, width, 1] = luma else {
        return Err(mismatch!("an image plane must be [N, H, W, 1], and is {}", text(luma)));
    };
    let height = if single_plane { rows / 3 * 2 } else { rows };
    if single_plane && rows % 3 != 0 || height % 2 != 0 || width % 2 != 0 {
        return Err(mismatch!("an image of {rows} rows and {width} columns cannot hold halved color planes"));
    }
    if !single_plane {
        for port in 1..context.n_inputs() {
            let color = context.dims(port)?;
            if color != [batch, height / 2, width / 2, if context.n_inputs() == 2 { 2 } else { 1 }] {
                return Err(mismatch!("color plane {} does not fit the plane {}", text(color), text(luma)));
            }
        }
    }
    Ok(Dims::from_slice(&[batch, height, width, 3]))
}

fn rgb_to_nv12(single_plane: bool, context: &mut Context<'_>) -> RuleResult {
    let image = context.dims(0)?;
    let &[batch, height, width, 3] = image else {
        return Err(mismatch!("an image must be [N, H, W, 3], and is {}", text(image)));
    };
    if height % 2 != 0 || width % 2 != 0 {
        return Err(mismatch!("an image of {height} rows and {width} columns has no halved color planes"));
    }
    let dtype = context.dtype(0);
    if single_plane {
        let rows = (height / 2).checked_mul(3).ok_or_else(|| mismatch!("{height} rows are too many"))?;
        context.emit(dtype, [batch, rows, width, 1]);
    } else {
        context.emit(dtype, [batch, height, width, 1]);
        context.emit(dtype, [batch, height / 2, width / 2, 2]);
    }
    Ok(())
}

/// A scaled dim, cut to an integer.
fn truncated(scaled: f32, scale: f32) -> RuleResult<u64> {
    // 2^63 is the first single that no dim reaches.
    if (0.0..9.223_372e18).contains(&scaled) {
        Ok(scaled as u64)
    } else {
        Err(mismatch!("a scale of {scale} makes a dim of {scaled}"))
    }
}

fn enough<'a, T>(values: &'a [T], n_axes: usize, what: &str) -> RuleResult<&'a [T]> {
    values.get(..n_axes).ok_or_else(|| mismatch!("{} {what} are given for {n_axes} axes", values.len()))
}

fn exactly<'a, T>(values: &'a [T], expected: usize, what: &str) -> RuleResult<&'a [T]> {
    if values.len() == expected {
        Ok(values)
    } else {
        Err(mismatch!("{what} has {} entries, and needs {expected}", values.len()))
    }
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes; `Resize`: its ONNX specification.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::shape::testing::{Input, all_dims, dims, f32, floats, message, output, tensor, vector};

    const DATA: &[u64] = &[1, 3, 10, 20];

    fn op(form: InterpolateForm, pads: [&[i64]; 2]) -> Op {
        let [pads_begin, pads_end] = pads.map(Into::into);
        Op::Interpolate(Box::new(Interpolate { form, pads_begin, pads_end, is_nearest: false }))
    }

    fn scales(values: &[f32]) -> Input {
        let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        floats(DType::F32, &[values.len() as u64], &values)
    }

    fn opset11(by_sizes: bool) -> Op {
        op(InterpolateForm::Opset11 { by_sizes }, [&[], &[]])
    }

    #[test]
    fn opset1_takes_sizes_and_ignores_pads() {
        let form = |axes: &[i64]| InterpolateForm::Opset1 { axes: axes.into() };
        assert_eq!(dims(op(form(&[2, 3]), [&[], &[]]), &[f32(DATA), vector(&[5, 7])]), [1, 3, 5, 7]);
        let padded = op(form(&[3, 1]), [&[0, 0, 1, 1], &[0, 0, 1, 1]]);
        assert_eq!(dims(padded, &[f32(DATA), vector(&[5, 7])]), [1, 7, 10, 5]);
    }

    #[test]
    fn opset4_pads_then_takes_sizes_or_scales() {
        let run = |by_sizes, pads, sizes: &[i64], factors: &[f32], axes: Option<&[i64]>| {
            let inputs = [f32(DATA), vector(sizes), scales(factors), axes.and_then(vector)];
            dims(op(InterpolateForm::Opset4 { by_sizes }, pads), &inputs)
        };
        let spatial = Some(&[2, 3][..]);
        assert_eq!(run(true, [&[], &[]], &[5, 7], &[1.0, 1.0], spatial), [1, 3, 5, 7]);
        assert_eq!(run(false, [&[], &[]], &[5, 7], &[2.0, 0.33], spatial), [1, 3, 20, 6]);
        assert_eq!(run(false, [&[0, 0, 1, 1], &[0, 1, 2]], &[5, 7], &[2.0, 0.33], spatial), [1, 4, 26, 6]);
        let all = [1.0, 1.0, 2.0, 0.5];
        assert_eq!(run(false, [&[], &[]], &[1, 3, 5, 7], &all, None), [1, 3, 20, 10]);
        assert_eq!(run(true, [&[1, 0, 1], &[0, 0, 0, 5]], &[1, 3, 5, 7], &all, None), [1, 3, 5, 7]);
    }

    #[test]
    fn scaled_dims_are_cut_in_single_precision() {
        let run = |data: &[u64], factors: Input| dims(opset11(false), &[f32(data), factors, vector(&[2, 3])]);
        assert_eq!(run(DATA, scales(&[1.1, 0.7])), [1, 3, 11, 14]);
        let halves = [half::f16::from_f32(1.1).into(), half::f16::from_f32(0.7).into()];
        assert_eq!(run(DATA, floats(DType::F16, &[2], &halves)), [1, 3, 10, 14]);
        assert_eq!(run(&[1, 3, 16_777_217, 20], scales(&[1.0, 0.7])), [1, 3, 16_777_217, 14]);
        assert_eq!(run(&[1, 3, 9, 30], scales(&[1.0 / 3.0, 0.1])), [1, 3, 3, 3]);
        assert_eq!(
            run(&[1, 3, 2812, 45_164_017], scales(&[0.672_830_7, 1.443_305_5])),
            [1, 3, 1892, 65_185_516]
        );
    }

    #[test]
    fn repeated_axes_and_spare_sizes_are_taken_as_openvino_does() {
        let sizes =
            |values: &[i64], axes: &[i64]| dims(opset11(true), &[f32(DATA), vector(values), vector(axes)]);
        assert_eq!(sizes(&[2, 3], &[2, 2]), [1, 3, 3, 20]);
        assert_eq!(sizes(&[2, 3, 4], &[2, 3]), [1, 3, 2, 3]);
        let repeated = [f32(DATA), scales(&[2.0, 3.0]), vector(&[2, 2])];
        assert_eq!(dims(opset11(false), &repeated), [1, 3, 60, 20]);
    }

    #[test]
    fn resize_follows_policies_and_regions() {
        let run = |policy, crop_and_resize, axes: Option<&[i64]>, inputs: &[Input]| {
            let axes = axes.map(Into::into);
            dims(op(InterpolateForm::Onnx { axes, policy, crop_and_resize }, [&[], &[]]), inputs)
        };
        let empty = || floats(DType::F32, &[0], &[]);
        let all = [f32(DATA), None, scales(&[1.0, 1.0, 1.6, 0.49])];
        assert_eq!(run(0, false, None, &all), [1, 3, 16, 9]);
        let sizes = [f32(DATA), empty(), empty(), vector(&[7, 30])];
        for (policy, expected) in [(0, [1, 3, 7, 30]), (1, [1, 3, 7, 14]), (2, [1, 3, 15, 30])] {
            assert_eq!(run(policy, false, Some(&[2, 3]), &sizes), expected);
        }
        let region = [f32(DATA), scales(&[0.2, 0.0, 0.7, 0.5]), scales(&[2.0, 2.0])];
        assert_eq!(run(0, true, Some(&[-2, -1]), &region), [1, 3, 10, 20]);
    }

    #[test]
    fn hostile_resizing_is_a_mismatch() {
        let scaled = |values: &[f32]| message(opset11(false), &[f32(DATA), scales(values), vector(&[2, 3])]);
        assert_eq!(scaled(&[-2.0, 3.0]), "a scale of -2 makes a dim of -19.99999");
        assert_eq!(scaled(&[f32::NAN, 1.0]), "a scale of NaN makes a dim of NaN");
        assert_eq!(scaled(&[f32::INFINITY, 1.0]), "a scale of inf makes a dim of inf");
        assert_eq!(scaled(&[2.0]), "1 scales are given for 2 axes");
        let sized = |axes: &[i64]| message(opset11(true), &[f32(DATA), vector(&[-2, 3]), vector(axes)]);
        assert_eq!(sized(&[2, 3]), "a dim must not be negative, and is -2");
        assert_eq!(sized(&[4, 3]), "axis 4 is outside of rank 4");
        let pads = op(InterpolateForm::Opset11 { by_sizes: true }, [&[-2], &[i64::MIN]]);
        assert!(
            message(pads, &[f32(DATA), vector(&[1]), vector(&[3])]).starts_with("a padded dim would be -9")
        );
        let unknown = [f32(DATA), tensor(DType::I64, &[2]), vector(&[2, 3])];
        assert!(message(opset11(true), &unknown).contains("the value of input 1 is not known"));
        let resize = |axes: &[i64]| InterpolateForm::Onnx {
            axes: Some(axes.into()),
            policy: 1,
            crop_and_resize: true,
        };
        let empty = [f32(&[1, 0]), None, None, vector(&[4])];
        assert_eq!(message(op(resize(&[1]), [&[], &[]]), &empty), "a scale of inf makes a dim of NaN");
        let neither = [f32(DATA), None, None, None];
        assert_eq!(message(op(resize(&[1]), [&[], &[]]), &neither), "neither scales nor sizes are given");
        let no_region = [f32(DATA), scales(&[1.0]), scales(&[1.0])];
        assert_eq!(message(op(resize(&[1]), [&[], &[]]), &no_region), "roi has 1 entries, and needs 2");
    }

    #[test]
    fn grids_sample_any_number_of_spatial_dims() {
        assert_eq!(dims(Op::GridSample, &[f32(&[2, 3, 10, 11]), f32(&[2, 5, 6, 2])]), [2, 3, 5, 6]);
        assert_eq!(dims(Op::GridSample, &[f32(&[2, 3, 4, 10, 11]), f32(&[2, 5, 6, 7, 3])]), [2, 3, 5, 6, 7]);
        let misfit = "a grid of [1,5,6,2] does not fit data of [2,3,10,11]";
        assert_eq!(message(Op::GridSample, &[f32(&[2, 3, 10, 11]), f32(&[1, 5, 6, 2])]), misfit);
    }

    #[test]
    fn planes_become_colors() {
        let one = |dims: &[u64]| [tensor(DType::U8, dims)];
        let single = || Op::YuvToRgb { single_plane: true };
        let rgb = crate::shape::TensorInfo::known(DType::U8, [1, 10, 10, 3]);
        assert_eq!(output(single(), &one(&[1, 15, 10, 1])), rgb);
        for (rows, width) in [(16, 10), (15, 9)] {
            let expected =
                format!("an image of {rows} rows and {width} columns cannot hold halved color planes");
            assert_eq!(message(single(), &one(&[1, rows, width, 1])), expected);
        }
        assert_eq!(
            message(single(), &one(&[1, 15, 10, 3])),
            "an image plane must be [N, H, W, 1], and is [1,15,10,3]"
        );
        let planes = || Op::YuvToRgb { single_plane: false };
        let luma = f32(&[1, 10, 12, 1]);
        assert_eq!(dims(planes(), &[luma.clone(), f32(&[1, 5, 6, 2])]), [1, 10, 12, 3]);
        assert_eq!(dims(planes(), &[luma.clone(), f32(&[1, 5, 6, 1]), f32(&[1, 5, 6, 1])]), [1, 10, 12, 3]);
        assert_eq!(
            message(planes(), &[luma, f32(&[1, 5, 5, 2])]),
            "color plane [1,5,5,2] does not fit the plane [1,10,12,1]"
        );
    }

    #[test]
    fn colors_become_planes() {
        let image = [tensor(DType::U8, &[1, 10, 12, 3])];
        assert_eq!(dims(Op::RgbToNv12 { single_plane: true }, &image), [1, 15, 12, 1]);
        let planes = all_dims(Op::RgbToNv12 { single_plane: false }, &image, 2);
        assert_eq!(planes, [vec![1, 10, 12, 1], vec![1, 5, 6, 2]]);
        let odd = [tensor(DType::U8, &[1, 9, 12, 3])];
        let expected = "an image of 9 rows and 12 columns has no halved color planes";
        assert_eq!(message(Op::RgbToNv12 { single_plane: true }, &odd), expected);
    }

    #[test]
    fn grids_are_as_large_as_their_image() {
        assert_eq!(dims(Op::AffineGrid, &[f32(&[2, 2, 3]), vector(&[2, 3, 5, 6])]), [2, 5, 6, 2]);
        assert_eq!(dims(Op::AffineGrid, &[f32(&[2, 3, 4]), vector(&[2, 3, 4, 5, 6])]), [2, 4, 5, 6, 3]);
        assert!(message(Op::AffineGrid, &[f32(&[2, 2, 3]), vector(&[2, 3])]).contains("has 2 elements"));
    }

    #[test]
    fn encoded_images_have_a_largest_size() {
        let out = crate::shape::testing::output(Op::ImageDecoder { channels: 3 }, &[f32(&[1000])]);
        assert_eq!(out.dims.as_deref(), Some(&[65_535, 65_535, 3][..]));
        assert_eq!(out.bound, crate::shape::Bound::UpperBound);
    }
}
