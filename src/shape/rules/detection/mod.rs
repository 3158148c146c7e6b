//! Regions of interest, prior boxes, detection outputs.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/detection/detectionoutput-8.html>
//! (also `detectionoutput-1`, `prior-box-1`, `-8`, `prior-box-clustered-1`, `proposal-1`, `-4`,
//! `experimental-detectron-*-6`, `generate-proposals-9`, `roi-align-3`, `-9`, `roi-align-rotated-15`,
//! `roi-pooling-1`, `psroi-pooling-1`, `deformable-psroi-pooling-1`, `region-yolo-1`); non-maximum suppression: [`nms`].
//! Opset history: opset 8 reads the classes of DetectionOutput off its inputs; Proposal 4 adds probabilities.
//!
//! Shapes:
//!
//! * DetectionOutput: `[1, 1, N·k, 7]`, k the first `keep_top_k` if above 0, `top_k·classes` if that is -1 and `top_k`
//!   above 0, else `priors·classes`;
//! * PriorBox, PriorBoxClustered: `[2, 4·H·W·boxes]` for an output size of `H, W`;
//! * Proposal: `[N·post_nms_topn, 5], [N·post_nms_topn]`; GenerateProposals: at most `[N·post_nms_count, 4],
//!   [N·post_nms_count]`, then `[N]`;
//! * ExperimentalDetectron: DetectionOutput `[max, 4], [max], [max]`; GenerateProposalsSingleImage `[post, 4], [post]`;
//!   PriorGridGenerator `[H·W·P, 4]` or `[H, W, P, 4]`; ROIFeatureExtractor `[R, C, s, s], [R, 4]`; TopKROIs `[max, 4]`;
//! * ROIAlign, ROIPooling: `[R, C, h, w]`; PSROIPooling, also deformable: `[R, output_dim, g, g]`;
//! * RegionYolo: dims `axis ..= end_axis` flattened, or `[N, (classes + coords + 1)·mask, H, W]` without softmax.

mod nms;

use crate::DType;
use crate::graph::op::{Detection, PriorBox, RegionYolo};
use crate::graph::{Dims, Op};
use crate::shape::context::{Context, RuleResult, dim, mismatch, normalize_axis, text, times};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::RegionYolo(spec) => {
            let dims = region_yolo(spec, context.dims(0)?)?;
            context.emit(context.dtype(0), dims);
            Ok(())
        }
        Op::PriorBox(spec) => prior_box(spec, context),
        Op::Detection(spec) => match spec.as_ref() {
            Detection::MatrixNms { .. } | Detection::MulticlassNms { .. } => nms::by_class(spec, context),
            Detection::NonMaxSuppression { .. } => nms::plain(spec, context),
            Detection::DetectionOutput { .. } => detection_output(spec, context),
            Detection::GenerateProposals { .. }
            | Detection::ExperimentalGenerateProposals { .. }
            | Detection::Proposal { .. } => proposals(spec, context),
            _ => regions(spec, context),
        },
        _ => Err(mismatch!("not a detection operator")),
    }
}

fn region_yolo(spec: &RegionYolo, data: &[u64]) -> RuleResult<Dims> {
    let &[batch, _, height, width] = data else {
        return Err(mismatch!("data must be [N, C, H, W], and is {}", text(data)));
    };
    if !spec.do_softmax {
        let numbers = [spec.classes, spec.coords, 1].into_iter().try_fold(0_i64, i64::checked_add);
        let numbers = numbers.ok_or_else(|| mismatch!("{} classes are too many", spec.classes))?;
        return Ok(Dims::from_slice(&[batch, times(dim(numbers)?, dim(spec.mask_len)?)?, height, width]));
    }
    let (axis, end) = (normalize_axis(spec.axis, 4)?, normalize_axis(spec.end_axis, 4)?);
    let mut dims = Dims::new();
    for (index, &length) in data.iter().enumerate() {
        match dims.last_mut() {
            Some(flat) if index > axis && index <= end => *flat = times(*flat, length)?,
            _ => dims.push(length),
        }
    }
    Ok(dims)
}

fn prior_box(spec: &PriorBox, context: &mut Context<'_>) -> RuleResult {
    let &[height, width] = context.ints(0)? else {
        return Err(mismatch!("output_size must be [H, W], and has {} elements", context.ints(0)?.len()));
    };
    let cells = times(dim(height)?, dim(width)?)?;
    let numbers = times(times(cells, dim(spec.boxes_per_cell)?)?, 4)?;
    if spec.leading_one {
        context.emit(DType::F32, [1, 2, numbers]);
    } else {
        context.emit(DType::F32, [2, numbers]);
    }
    Ok(())
}

fn detection_output(spec: &Detection, context: &mut Context<'_>) -> RuleResult {
    let Detection::DetectionOutput { num_classes, keep_top_k, top_k, code_with_offsets, .. } = spec else {
        return Err(mismatch!("not a detection output"));
    };
    let (&[batch, _], &[_, predictions]) = (context.dims(0)?, context.dims(1)?) else {
        return Err(mismatch!(
            "box logits {} and class predictions {} must have 2 dims",
            text(context.dims(0)?),
            text(context.dims(1)?)
        ));
    };
    let keep = keep_top_k.first().copied().unwrap_or(-1);
    let per_image = if keep > 0 {
        dim(keep)?
    } else if keep == -1 && *top_k > 0 {
        let classes = if *num_classes > 0 {
            dim(*num_classes)?
        } else {
            let priors = context.dims(2)?;
            let &[_, _, numbers] = priors else {
                return Err(mismatch!("priors must have 3 dims, and are {}", text(priors)));
            };
            let classes = predictions.checked_div(numbers / if *code_with_offsets { 5 } else { 4 });
            classes.ok_or_else(|| mismatch!("priors {} hold no box", text(priors)))?
        };
        times(dim(*top_k)?, classes)?
    } else {
        // One prediction per prior and class.
        predictions
    };
    context.emit(context.dtype(0), [1, 1, times(batch, per_image)?, 7]);
    Ok(())
}

fn proposals(spec: &Detection, context: &mut Context<'_>) -> RuleResult {
    let dtype = context.dtype(0);
    match *spec {
        Detection::Proposal { post_nms_topn, has_scores } => {
            let rows = times(first(context.dims(0)?)?, dim(post_nms_topn)?)?;
            context.emit(dtype, [rows, 5]);
            if has_scores {
                context.emit(dtype, [rows]);
            }
        }
        Detection::GenerateProposals { post_nms_count, roi_num_type } => {
            let batch = first(context.dims(0)?)?;
            let rows = times(batch, dim(post_nms_count)?)?;
            context.emit_rows(dtype, rows, &[4]);
            context.emit_rows(dtype, rows, &[]);
            context.emit(roi_num_type, [batch]);
        }
        Detection::ExperimentalGenerateProposals { post_nms_count } => {
            let rows = dim(post_nms_count)?;
            context.emit(dtype, [rows, 4]);
            context.emit(dtype, [rows]);
        }
        _ => return Err(mismatch!("not a proposal operator")),
    }
    Ok(())
}

fn regions(spec: &Detection, context: &mut Context<'_>) -> RuleResult {
    let dtype = context.dtype(0);
    match *spec {
        Detection::ExperimentalDetectionOutput { max_detections_per_image } => {
            let rows = dim(max_detections_per_image)?;
            context.emit(dtype, [rows, 4]);
            context.emit(DType::I32, [rows]);
            context.emit(dtype, [rows]);
        }
        Detection::ExperimentalPriorGrid { flatten, .. } => {
            let (&[priors, 4], &[_, _, height, width]) = (context.dims(0)?, context.dims(1)?) else {
                return Err(mismatch!(
                    "priors {} must be [P, 4], and features {} must be [N, C, H, W]",
                    text(context.dims(0)?),
                    text(context.dims(1)?)
                ));
            };
            if flatten {
                context.emit(dtype, [times(times(height, width)?, priors)?, 4]);
            } else {
                context.emit(dtype, [height, width, priors, 4]);
            }
        }
        Detection::ExperimentalRoiFeatureExtractor { output_size } => {
            let (rows, size) = (first(context.dims(0)?)?, dim(output_size)?);
            context.emit(dtype, [rows, channels(context.dims(1)?)?, size, size]);
            context.emit(dtype, [rows, 4]);
        }
        Detection::ExperimentalTopKRois { max_rois } => context.emit(dtype, [dim(max_rois)?, 4]),
        Detection::PsRoiPooling { output_dim, group_size }
        | Detection::DeformablePsRoiPooling { output_dim, group_size } => {
            let size = dim(group_size)?;
            context.emit(dtype, [first(context.dims(1)?)?, dim(output_dim)?, size, size]);
        }
        Detection::RoiAlign { pooled_h, pooled_w, .. } | Detection::RoiPooling { pooled_h, pooled_w } => {
            let channels = channels(context.dims(0)?)?;
            context.emit(dtype, [first(context.dims(1)?)?, channels, dim(pooled_h)?, dim(pooled_w)?]);
        }
        Detection::CropAndResize => {
            let (count, channels) = (first(context.dims(1)?)?, channels(context.dims(0)?)?);
            let &[height, width] = context.ints(3)? else {
                return Err(mismatch!("the size of a crop must have 2 numbers"));
            };
            context.emit(dtype, [count, channels, dim(height)?, dim(width)?]);
        }
        _ => return Err(mismatch!("not a region operator")),
    }
    Ok(())
}

fn first(dims: &[u64]) -> RuleResult<u64> {
    dims.first().copied().ok_or_else(|| mismatch!("an input must have at least 1 dim, and is a scalar"))
}

fn channels(features: &[u64]) -> RuleResult<u64> {
    match features {
        &[_, channels, _, _] => Ok(channels),
        _ => Err(mismatch!("features must be [N, C, H, W], and are {}", text(features))),
    }
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::testing::{all_dims, dims, f32, infer, message, tensor, vector};
    use crate::shape::{Bound, TensorInfo};

    fn detection(spec: Detection) -> Op {
        Op::Detection(Box::new(spec))
    }

    #[test]
    fn yolo_regions() {
        let spec = RegionYolo {
            axis: 1,
            end_axis: 3,
            coords: 4,
            classes: 80,
            num: 3,
            do_softmax: true,
            mask_len: 3,
        };
        let run = |spec, data: &[u64]| dims(Op::RegionYolo(Box::new(spec)), &[f32(data)]);
        assert_eq!(run(spec, &[1, 255, 26, 27]), [1, 179_010]);
        assert_eq!(run(RegionYolo { end_axis: 2, ..spec }, &[2, 255, 26, 27]), [2, 6630, 27]);
        assert_eq!(run(RegionYolo { axis: -3, end_axis: -1, ..spec }, &[2, 255, 26, 27]), [2, 179_010]);
        assert_eq!(run(RegionYolo { axis: 3, end_axis: 1, ..spec }, &[2, 255, 26, 27]), [2, 255, 26, 27]);
        let plain = RegionYolo { do_softmax: false, ..spec };
        assert_eq!(run(plain, &[2, 255, 26, 27]), [2, 255, 26, 27]);
        let fail = |spec, data: &[u64]| message(Op::RegionYolo(Box::new(spec)), &[f32(data)]);
        assert_eq!(fail(spec, &[2, 255]), "data must be [N, C, H, W], and is [2,255]");
        assert_eq!(fail(RegionYolo { axis: 4, ..spec }, &[2, 255, 1, 1]), "axis 4 is outside of rank 4");
        let huge = RegionYolo { classes: i64::MAX, ..plain };
        assert_eq!(fail(huge, &[2, 255, 1, 1]), "9223372036854775807 classes are too many");
        let negative = RegionYolo { mask_len: -1, ..plain };
        assert_eq!(fail(negative, &[2, 255, 1, 1]), "a dim must not be negative, and is -1");
    }

    #[test]
    fn prior_boxes() {
        let op = |boxes_per_cell, leading_one| {
            Op::PriorBox(Box::new(PriorBox { is_clustered: false, boxes_per_cell, leading_one }))
        };
        let size = || vector(&[24, 42]);
        assert_eq!(dims(op(6, false), &[size(), vector(&[384, 672])]), [2, 24_192]);
        assert_eq!(dims(op(6, true), &[size(), vector(&[384, 672])]), [1, 2, 24_192]);
        assert_eq!(message(op(-1, false), &[size()]), "a dim must not be negative, and is -1");
        assert!(message(op(i64::MAX, false), &[size()]).ends_with("is out of range"));
        assert_eq!(message(op(6, false), &[vector(&[24])]), "output_size must be [H, W], and has 1 elements");
    }

    #[test]
    fn detection_outputs_keep_what_is_asked_for() {
        let run = |keep: &[i64], top_k, num_classes, code_with_offsets, priors: u64| {
            let spec = Detection::DetectionOutput {
                num_classes,
                share_location: true,
                keep_top_k: keep.into(),
                top_k,
                background_label_id: 0,
                code_with_offsets,
            };
            dims(detection(spec), &[f32(&[2, 40]), f32(&[2, 50]), f32(&[1, 2, priors])])[2]
        };
        for (keep, top_k, num_classes, expected) in [
            (-1, -1, 5, 100),
            (7, -1, 5, 14),
            (-1, 3, 5, 30),
            (-1, 300, 5, 3000),
            (7, 3, 5, 14),
            (0, 3, 5, 100),
            (-2, 3, 5, 100),
            (-1, 0, -1, 100),
            (-1, 3, -1, 30),
            (7, 3, -1, 14),
        ] {
            assert_eq!(run(&[keep], top_k, num_classes, false, 40), expected, "{keep} {top_k} {num_classes}");
        }
        assert_eq!(run(&[], 3, -1, true, 50), 30);
    }

    #[test]
    fn wrong_detection_outputs_are_mismatches() {
        let run = |top_k, logits: &[u64], priors: &[u64]| {
            let spec = Detection::DetectionOutput {
                num_classes: -1,
                share_location: true,
                keep_top_k: [-1][..].into(),
                top_k,
                background_label_id: 0,
                code_with_offsets: false,
            };
            message(detection(spec), &[f32(logits), f32(&[2, 50]), f32(priors)])
        };
        assert_eq!(run(3, &[2, 40], &[1, 2, 3]), "priors [1,2,3] hold no box");
        assert_eq!(run(3, &[2, 40], &[2, 3]), "priors must have 3 dims, and are [2,3]");
        assert_eq!(
            run(3, &[40], &[1, 2, 40]),
            "box logits [40] and class predictions [2,50] must have 2 dims"
        );
        assert!(run(i64::MAX, &[2, 40], &[1, 2, 40]).ends_with("is out of range"));
    }

    #[test]
    fn proposals_are_counted_per_image() {
        let inputs = [f32(&[2, 4, 10, 10]), f32(&[2, 8, 10, 10]), f32(&[3])];
        let op = |has_scores| detection(Detection::Proposal { post_nms_topn: 300, has_scores });
        assert_eq!(all_dims(op(false), &inputs, 1), [[600, 5]]);
        assert_eq!(all_dims(op(true), &inputs, 2), [&[600, 5][..], &[600]]);
        let op = detection(Detection::ExperimentalGenerateProposals { post_nms_count: 1000 });
        assert_eq!(all_dims(op, &[f32(&[3])], 2), [&[1000, 4][..], &[1000]]);
        let negative = detection(Detection::Proposal { post_nms_topn: -1, has_scores: false });
        assert_eq!(message(negative, &inputs), "a dim must not be negative, and is -1");
    }

    #[test]
    fn generated_proposals_are_bounded() {
        let spec = Detection::GenerateProposals { post_nms_count: 100, roi_num_type: DType::I32 };
        let inputs = [f32(&[2, 3]), f32(&[50, 84, 3, 4]), f32(&[2, 12, 50, 84]), f32(&[2, 3, 50, 84])];
        let outputs = infer(detection(spec), &inputs, 3).unwrap();
        for (output, expected) in outputs.iter().zip([&[200, 4][..], &[200]]) {
            assert_eq!((output.dims.as_deref(), output.bound), (Some(expected), Bound::UpperBound));
        }
        assert_eq!(outputs[2], TensorInfo::known(DType::I32, [2]));
    }

    #[test]
    fn detectron_operators() {
        let spec = Detection::ExperimentalDetectionOutput { max_detections_per_image: 100 };
        let outputs = infer(detection(spec), &[f32(&[16, 4])], 3).unwrap();
        assert_eq!(outputs[1], TensorInfo::known(DType::I32, [100]));
        assert_eq!(outputs[0].dims.as_deref(), Some(&[100, 4][..]));
        let grid = |flatten, h| detection(Detection::ExperimentalPriorGrid { flatten, h, w: 0 });
        let inputs = [f32(&[3, 4]), f32(&[1, 16, 25, 42]), f32(&[1, 3, 800, 1333])];
        assert_eq!(dims(grid(true, 0), &inputs), [3150, 4]);
        assert_eq!(dims(grid(false, 7), &inputs), [25, 42, 3, 4]);
        let extractor = detection(Detection::ExperimentalRoiFeatureExtractor { output_size: 7 });
        let inputs = [f32(&[1000, 4]), f32(&[1, 256, 200, 336])];
        assert_eq!(all_dims(extractor, &inputs, 2), [&[1000, 256, 7, 7][..], &[1000, 4]]);
        let top = detection(Detection::ExperimentalTopKRois { max_rois: 1000 });
        assert_eq!(dims(top, &[f32(&[500, 4]), f32(&[500])]), [1000, 4]);
    }

    #[test]
    fn pooled_regions() {
        let run = |spec, regions: &[u64]| dims(detection(spec), &[f32(&[2, 256, 20, 20]), f32(regions)]);
        assert_eq!(
            run(Detection::RoiAlign { pooled_h: 6, pooled_w: 7, is_rotated: false }, &[50, 4]),
            [50, 256, 6, 7]
        );
        assert_eq!(run(Detection::RoiPooling { pooled_h: 6, pooled_w: 7 }, &[50, 5]), [50, 256, 6, 7]);
        assert_eq!(run(Detection::PsRoiPooling { output_dim: 50, group_size: 2 }, &[50, 5]), [50, 50, 2, 2]);
        let spec = Detection::DeformablePsRoiPooling { output_dim: 8, group_size: 5 };
        assert_eq!(run(spec, &[50, 5]), [50, 8, 5, 5]);
        let half = [tensor(DType::F16, &[2, 256, 20, 20]), tensor(DType::F16, &[50, 4])];
        let inputs = [f32(&[2, 3, 12, 15]), f32(&[5, 4]), f32(&[5]), vector(&[6, 7])];
        assert_eq!(dims(detection(Detection::CropAndResize), &inputs), [5, 3, 6, 7]);
        let align = || detection(Detection::RoiAlign { pooled_h: 6, pooled_w: 7, is_rotated: false });
        assert_eq!(infer(align(), &half, 1).unwrap()[0].dtype, DType::F16);
        assert_eq!(
            message(align(), &[f32(&[2, 256]), f32(&[50, 4])]),
            "features must be [N, C, H, W], and are [2,256]"
        );
        assert_eq!(
            message(align(), &[f32(&[2, 256, 20, 20]), f32(&[])]),
            "an input must have at least 1 dim, and is a scalar"
        );
        let negative = detection(Detection::RoiAlign { pooled_h: -6, pooled_w: 7, is_rotated: false });
        assert_eq!(
            message(negative, &[f32(&[2, 256, 20, 20]), f32(&[50, 4])]),
            "a dim must not be negative, and is -6"
        );
    }
}
