//! Moves between depth, space and batch, and patches.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/movement/depth-to-space-1.html>
//! (also `space-to-depth-1`, `batch-to-space-2`, `space-to-batch-2`, `extract-image-patches-3`, `col2im-15`,
//! `detection/reorg-yolo-1`); ONNX `DepthToSpace`, `SpaceToDepth`, `Col2Im`, <https://onnx.ai/onnx/operators/>.
//! Opset history: one version each.
//!
//! Shapes, with b the block:
//!
//! * DepthToSpace: `[N, C, d…] → [N, C / bⁿ, d·b…]`; SpaceToDepth is its inverse;
//! * BatchToSpace: `[N, d…] → [N / Πb, d·b - crops…]`; SpaceToBatch: `[N·Πb, (d + pads) / b…]`;
//! * ExtractImagePatches: `[N, C, d…] → [N, C·Πkernel, windows…]`; no window fits: 0;
//! * Col2Im: `[N?, C·Πkernel, L] → [N?, C, output_size…]`, where L is the product of the window counts;
//! * ReorgYolo: `[N, C, H, W] → [N, C·s², H / s, W / s]`.

use super::window::{Slide, ceil_div, is_same, signed, slides, split_spatial, unsigned};
use crate::graph::op::Pool;
use crate::graph::{Dims, Op};
use crate::shape::context::{Context, RuleResult, dim, mismatch, text, times};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let data = context.dims(0)?;
    let dims = match op {
        Op::DepthToSpace { block_size } => depth_to_space(data, *block_size)?,
        Op::SpaceToDepth { block_size } => space_to_depth(data, *block_size)?,
        Op::BatchToSpace => batch_to_space(data, context)?,
        Op::SpaceToBatch => space_to_batch(data, context)?,
        Op::ExtractImagePatches(spec) => extract_image_patches(data, spec)?,
        Op::Col2Im(spec) => col2im(data, spec, context)?,
        Op::ReorgYolo { stride } => reorg_yolo(data, *stride)?,
        _ => return Err(mismatch!("not a space operator")),
    };
    context.emit(context.dtype(0), dims);
    Ok(())
}

fn depth_to_space(data: &[u64], block_size: i64) -> RuleResult<Dims> {
    let (batch, channels, spatial) = split_spatial(data)?;
    let block = block(block_size)?;
    let blocks = volume(spatial.iter().map(|_| block))?;
    let mut dims = Dims::from_slice(&[batch, divided(channels, blocks)?]);
    for &length in spatial {
        dims.push(times(length, block)?);
    }
    Ok(dims)
}

fn space_to_depth(data: &[u64], block_size: i64) -> RuleResult<Dims> {
    let (batch, channels, spatial) = split_spatial(data)?;
    let block = block(block_size)?;
    let blocks = volume(spatial.iter().map(|_| block))?;
    let mut dims = Dims::from_slice(&[batch, times(channels, blocks)?]);
    for &length in spatial {
        dims.push(divided(length, block)?);
    }
    Ok(dims)
}

fn reorg_yolo(data: &[u64], stride: i64) -> RuleResult<Dims> {
    let block = block(stride)?;
    match data {
        &[_, channels, _, _] if channels >= times(block, block)? => space_to_depth(data, stride),
        _ => Err(mismatch!(
            "data must be [N, C, H, W] with at least {stride}² channels, and is {}",
            text(data)
        )),
    }
}

/// Per dim: length, block and the two pads or crops of a `BatchToSpace` or `SpaceToBatch`.
fn blocked<'a>(
    data: &'a [u64],
    context: &Context<'a>,
) -> RuleResult<impl Iterator<Item = (u64, i64, [i64; 2])> + 'a> {
    let [blocks, begin, end] = [context.ints(1)?, context.ints(2)?, context.ints(3)?];
    if data.len() < 2 || [blocks, begin, end].iter().any(|list| list.len() != data.len()) {
        return Err(mismatch!(
            "block_shape and the pads or crops have {}, {} and {} entries for data {}",
            blocks.len(),
            begin.len(),
            end.len(),
            text(data)
        ));
    }
    let edges = begin.iter().zip(end).map(|(&begin, &end)| [begin, end]);
    Ok(data.iter().zip(blocks).zip(edges).map(|((&length, &block), edges)| (length, block, edges)))
}

fn batch_to_space(data: &[u64], context: &Context<'_>) -> RuleResult<Dims> {
    let mut dims = Dims::new();
    let mut blocks = 1;
    for (length, size, [begin, end]) in blocked(data, context)? {
        let size = block(size)?;
        blocks = times(blocks, size)?;
        let cropped = i128::from(times(length, size)?) - i128::from(dim(begin)?) - i128::from(dim(end)?);
        dims.push(unsigned(if dims.is_empty() { signed(length)? } else { cropped })?);
    }
    if let Some(batch) = dims.first_mut() {
        *batch = divided(*batch, blocks)?;
    }
    Ok(dims)
}

fn space_to_batch(data: &[u64], context: &Context<'_>) -> RuleResult<Dims> {
    let mut dims = Dims::new();
    let mut blocks = 1;
    for (length, size, [begin, end]) in blocked(data, context)? {
        let size = block(size)?;
        blocks = times(blocks, size)?;
        let padded = signed(length)? + i128::from(dim(begin)?) + i128::from(dim(end)?);
        dims.push(if dims.is_empty() { length } else { divided(unsigned(padded)?, size)? });
    }
    if let Some(batch) = dims.first_mut() {
        *batch = times(*batch, blocks)?;
    }
    Ok(dims)
}

fn extract_image_patches(data: &[u64], spec: &Pool) -> RuleResult<Dims> {
    let (batch, channels, spatial) = split_spatial(data)?;
    if spec.kernel.len() != spatial.len() {
        return Err(mismatch!("sizes has {} entries for {} spatial dims", spec.kernel.len(), spatial.len()));
    }
    let mut dims = Dims::from_slice(&[batch, times(channels, kernel_volume(&spec.kernel)?)?]);
    let slides = slides(&spec.window, spatial.len())?;
    for ((&length, &kernel), slide) in spatial.iter().zip(&spec.kernel).zip(slides) {
        let (length, dilated) = (signed(length)?, slide.dilated(i128::from(kernel))?);
        dims.push(unsigned(if is_same(spec.window.auto_pad) {
            ceil_div(length, slide.stride)
        } else if dilated > length {
            0
        } else {
            windows(&slide, length, dilated)?
        })?);
    }
    Ok(dims)
}

fn col2im(data: &[u64], spec: &Pool, context: &Context<'_>) -> RuleResult<Dims> {
    let (output_size, kernel) = (context.ints(1)?, context.ints(2)?);
    let (batch, rest) = match data {
        [rest @ .., _, _] if rest.len() <= 1 => data.split_at(rest.len()),
        _ => return Err(mismatch!("data must be [N?, C·kernel, L], and is {}", text(data))),
    };
    if output_size.len() != kernel.len() {
        return Err(mismatch!("output_size has {} entries, and kernel {}", output_size.len(), kernel.len()));
    }
    let mut dims = Dims::from_slice(batch);
    let mut expected = 1;
    let slides = slides(&spec.window, kernel.len())?;
    dims.push(divided(rest.first().copied().unwrap_or(0), kernel_volume(kernel)?)?);
    for ((&length, &kernel), slide) in output_size.iter().zip(kernel).zip(slides) {
        let dilated = slide.dilated(i128::from(kernel))?;
        expected = times(expected, unsigned(windows(&slide, i128::from(length), dilated)?)?)?;
        dims.push(dim(length)?);
    }
    match rest.last() {
        Some(&blocks) if blocks == expected => Ok(dims),
        _ => Err(mismatch!("data {} should hold {expected} windows", text(data))),
    }
}

fn windows(slide: &Slide, length: i128, dilated: i128) -> RuleResult<i128> {
    Ok(slide.rest(length, dilated)? / slide.stride + 1)
}

fn block(size: i64) -> RuleResult<u64> {
    u64::try_from(size)
        .ok()
        .filter(|&size| size > 0)
        .ok_or_else(|| mismatch!("a block must be at least 1, and is {size}"))
}

fn kernel_volume(kernel: &[i64]) -> RuleResult<u64> {
    let sizes = kernel.iter().map(|&size| block(size)).collect::<RuleResult<Dims>>()?;
    volume(sizes)
}

fn volume(sizes: impl IntoIterator<Item = u64>) -> RuleResult<u64> {
    sizes.into_iter().try_fold(1, times)
}

/// `length / by`, which must leave no rest.
fn divided(length: u64, by: u64) -> RuleResult<u64> {
    match length.checked_rem(by) {
        Some(0) => Ok(length / by),
        _ => Err(mismatch!("a dim of {length} is not a multiple of {by}")),
    }
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{AutoPad, Window};
    use crate::shape::testing::{dims, f32, message, vector};

    #[test]
    fn depth_and_space() {
        let to_space = |block_size, data: &[u64]| dims(Op::DepthToSpace { block_size }, &[f32(data)]);
        assert_eq!(to_space(3, &[2, 18, 4, 5]), [2, 2, 12, 15]);
        assert_eq!(to_space(2, &[2, 8, 4, 5, 6]), [2, 1, 8, 10, 12]);
        assert_eq!(to_space(2, &[2, 8, 4]), [2, 4, 8]);
        let to_depth = |block_size, data: &[u64]| dims(Op::SpaceToDepth { block_size }, &[f32(data)]);
        assert_eq!(to_depth(3, &[2, 3, 6, 9]), [2, 27, 2, 3]);
        assert_eq!(to_depth(2, &[2, 3, 4, 6, 8]), [2, 24, 2, 3, 4]);
    }

    #[test]
    fn batch_and_space() {
        let run = |op, data: &[u64], block: &[i64], begin: &[i64], end: &[i64]| {
            dims(op, &[f32(data), vector(block), vector(begin), vector(end)])
        };
        let crops = [&[0, 1, 2, 0][..], &[0, 0, 1, 1]];
        assert_eq!(run(Op::BatchToSpace, &[12, 4, 5, 3], &[1, 2, 3, 1], crops[0], crops[1]), [2, 7, 12, 2]);
        assert_eq!(run(Op::BatchToSpace, &[12, 4], &[2, 2], &[0, 1], &[0, 0]), [3, 7]);
        assert_eq!(run(Op::BatchToSpace, &[12, 4], &[1, 2], &[0, 4], &[0, 4]), [6, 0]);
        let pads = [&[0, 1, 0, 1][..], &[0, 1, 0, 2]];
        assert_eq!(run(Op::SpaceToBatch, &[2, 4, 6, 9], &[1, 2, 3, 4], pads[0], pads[1]), [48, 3, 2, 3]);
        assert_eq!(run(Op::SpaceToBatch, &[2, 4, 6, 9], &[2, 2, 3, 4], pads[0], pads[1]), [96, 3, 2, 3]);
    }

    fn patches(sizes: [i64; 2], strides: [i64; 2], rates: [i64; 2], auto_pad: AutoPad) -> Op {
        let window = Window {
            strides: strides[..].into(),
            dilations: rates[..].into(),
            auto_pad,
            ..Window::default()
        };
        Op::ExtractImagePatches(Box::new(Pool { kernel: sizes[..].into(), window, ..Pool::default() }))
    }

    #[test]
    fn patches_are_counted_as_windows() {
        use AutoPad::*;
        for (sizes, strides, rates, auto_pad, expected) in [
            ([3, 3], [5, 5], [1, 1], Valid, [2, 27, 2, 2]),
            ([4, 3], [2, 3], [2, 1], Valid, [2, 36, 2, 4]),
            ([4, 3], [2, 3], [2, 1], SameUpper, [2, 36, 5, 4]),
            ([4, 3], [2, 3], [2, 1], SameLower, [2, 36, 5, 4]),
            ([11, 3], [2, 3], [1, 1], Valid, [2, 99, 0, 4]),
            ([30, 30], [5, 5], [1, 1], SameUpper, [2, 2700, 2, 3]),
            ([10, 12], [5, 5], [1, 1], Valid, [2, 360, 1, 1]),
        ] {
            let op = patches(sizes, strides, rates, auto_pad);
            assert_eq!(dims(op, &[f32(&[2, 3, 10, 12])]), expected);
        }
    }

    #[test]
    fn columns_become_an_image() {
        let run = |spec: Pool, data: &[u64], size: &[i64], kernel: &[i64]| {
            dims(Op::Col2Im(Box::new(spec)), &[f32(data), vector(size), vector(kernel)])
        };
        assert_eq!(run(Pool::default(), &[2, 12, 25], &[6, 6], &[2, 2]), [2, 3, 6, 6]);
        assert_eq!(run(Pool::default(), &[12, 25], &[6, 6], &[2, 2]), [3, 6, 6]);
        let window =
            Window { strides: [2, 2][..].into(), pads_begin: [1, 1][..].into(), ..Window::default() };
        let spec = Pool { window, ..Pool::default() };
        assert_eq!(run(spec, &[2, 27, 16], &[8, 8], &[3, 3]), [2, 3, 8, 8]);
    }

    #[test]
    fn reorg_needs_as_many_channels_as_it_makes() {
        let run = |stride, data: &[u64]| dims(Op::ReorgYolo { stride }, &[f32(data)]);
        assert_eq!(run(2, &[1, 8, 26, 26]), [1, 32, 13, 13]);
        assert_eq!(run(3, &[1, 16, 6, 9]), [1, 144, 2, 3]);
        assert_eq!(
            message(Op::ReorgYolo { stride: 3 }, &[f32(&[1, 4, 6, 9])]),
            "data must be [N, C, H, W] with at least 3² channels, and is [1,4,6,9]"
        );
        assert_eq!(
            message(Op::ReorgYolo { stride: 0 }, &[f32(&[1, 4, 6, 9])]),
            "a block must be at least 1, and is 0"
        );
    }

    #[test]
    fn hostile_blocks_are_mismatches() {
        let depth = |block_size, data: &[u64]| message(Op::DepthToSpace { block_size }, &[f32(data)]);
        assert_eq!(depth(2, &[2, 9, 4, 4]), "a dim of 9 is not a multiple of 4");
        assert_eq!(depth(-1, &[2, 9, 4, 4]), "a block must be at least 1, and is -1");
        assert!(depth(i64::MAX, &[2, 9, 4, 4]).ends_with("is out of range"));
        assert_eq!(depth(1, &[2, 9]), "data must be [N, C, spatial...], and is [2,9]");
        let batch = |block: &[i64], begin: &[i64]| {
            let inputs = [f32(&[12, 4]), vector(block), vector(begin), vector(&[0, 0])];
            message(Op::BatchToSpace, &inputs)
        };
        assert_eq!(batch(&[1, 5], &[0, 1]), "a dim of 12 is not a multiple of 5");
        assert_eq!(batch(&[1, 2], &[0, 9]), "the output dim would be -1");
        assert_eq!(batch(&[1, 2], &[0, -1]), "a dim must not be negative, and is -1");
        assert_eq!(
            batch(&[1], &[0, 0]),
            "block_shape and the pads or crops have 1, 2 and 2 entries for data [12,4]"
        );
        assert_eq!(
            message(patches([3, 3], [0, 5], [1, 1], AutoPad::Valid), &[f32(&[2, 3, 10, 12])]),
            "stride and dilation must be at least 1, and are 0 and 1"
        );
        let columns = |data: &[u64], kernel: &[i64]| {
            message(Op::Col2Im(Box::default()), &[f32(data), vector(&[6, 7]), vector(kernel)])
        };
        assert_eq!(columns(&[2, 12, 25], &[2, 2]), "data [2,12,25] should hold 30 windows");
        assert_eq!(columns(&[2, 13, 30], &[2, 2]), "a dim of 13 is not a multiple of 4");
        assert_eq!(columns(&[2, 12, 30], &[2]), "output_size has 2 entries, and kernel 1");
        assert_eq!(columns(&[12], &[2, 2]), "data must be [N?, C·kernel, L], and is [12]");
    }
}
