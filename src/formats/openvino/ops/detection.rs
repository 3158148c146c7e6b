//! Regions of interest, prior boxes, non-maximum suppression.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Detection, PriorBox};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::DetectionOutput], "DetectionOutput", 1, |layer| {
        detection_output(layer, layer.int("num_classes")?)
    }),
    // opset8 reads the number of classes off its inputs.
    op(&[K::DetectionOutput], "DetectionOutput", 8, |layer| detection_output(layer, -1)),
    op(&[K::ExperimentalDetectronDetectionOutput], "ExperimentalDetectronDetectionOutput", 6, |layer| {
        let max_detections_per_image = layer.int("max_detections_per_image")?;
        made(Detection::ExperimentalDetectionOutput { max_detections_per_image })
    }),
    op(
        &[K::ExperimentalDetectronGenerateProposalsSingleImage],
        "ExperimentalDetectronGenerateProposalsSingleImage",
        6,
        |layer| {
            made(Detection::ExperimentalGenerateProposals { post_nms_count: layer.int("post_nms_count")? })
        },
    ),
    op(
        &[K::ExperimentalDetectronPriorGridGenerator],
        "ExperimentalDetectronPriorGridGenerator",
        6,
        |layer| {
            made(Detection::ExperimentalPriorGrid {
                flatten: layer.flag("flatten", true)?,
                h: layer.int_or("h", 0)?,
                w: layer.int_or("w", 0)?,
            })
        },
    ),
    op(
        &[K::ExperimentalDetectronRoiFeatureExtractor],
        "ExperimentalDetectronROIFeatureExtractor",
        6,
        |layer| made(Detection::ExperimentalRoiFeatureExtractor { output_size: layer.int("output_size")? }),
    ),
    op(&[K::ExperimentalDetectronTopKRois], "ExperimentalDetectronTopKROIs", 6, |layer| {
        made(Detection::ExperimentalTopKRois { max_rois: layer.int("max_rois")? })
    }),
    op(&[K::GenerateProposals], "GenerateProposals", 9, |layer| {
        made(Detection::GenerateProposals {
            post_nms_count: layer.int("post_nms_count")?,
            roi_num_type: layer.dtype_or("roi_num_type", DType::I64)?,
        })
    }),
    op(&[K::MatrixNms], "MatrixNms", 8, |layer| {
        made(Detection::MatrixNms {
            nms_top_k: layer.int_or("nms_top_k", -1)?,
            keep_top_k: layer.int_or("keep_top_k", -1)?,
            background_class: layer.int_or("background_class", -1)?,
            output_type: layer.dtype_or("output_type", DType::I64)?,
            static_output: false,
        })
    }),
    op(&[K::MulticlassNms], "MulticlassNms", 8, multiclass_nms),
    op(&[K::MulticlassNms], "MulticlassNms", 9, multiclass_nms),
    op(&[K::NonMaxSuppression], "NonMaxSuppression", 1, |layer| nms(layer, true, true)),
    op(&[K::NonMaxSuppression], "NonMaxSuppression", 3, |layer| nms(layer, true, true)),
    op(&[K::NonMaxSuppression], "NonMaxSuppression", 4, |layer| nms(layer, true, false)),
    op(&[K::NonMaxSuppression], "NonMaxSuppression", 5, |layer| nms(layer, false, false)),
    op(&[K::NonMaxSuppression], "NonMaxSuppression", 9, |layer| nms(layer, false, false)),
    op(&[K::NmsRotated], "NMSRotated", 13, |layer| {
        made(Detection::NonMaxSuppression {
            output_type: layer.dtype_or("output_type", DType::I64)?,
            indices_only: false,
            rotated: true,
            static_output: false,
        })
    }),
    op(&[K::Proposal], "Proposal", 1, |layer| {
        made(Detection::Proposal { post_nms_topn: layer.int("post_nms_topn")?, has_scores: false })
    }),
    op(&[K::Proposal], "Proposal", 4, |layer| {
        made(Detection::Proposal { post_nms_topn: layer.int("post_nms_topn")?, has_scores: true })
    }),
    op(&[K::PsRoiPooling], "PSROIPooling", 1, |layer| {
        made(Detection::PsRoiPooling {
            output_dim: layer.int("output_dim")?,
            group_size: layer.int_or("group_size", 1)?,
        })
    }),
    op(&[K::DeformablePsRoiPooling], "DeformablePSROIPooling", 1, |layer| {
        made(Detection::DeformablePsRoiPooling {
            output_dim: layer.int("output_dim")?,
            group_size: layer.int_or("group_size", 1)?,
        })
    }),
    op(&[K::RoiAlign], "ROIAlign", 3, |layer| roi_align(layer, false)),
    op(&[K::RoiAlign], "ROIAlign", 9, |layer| roi_align(layer, false)),
    op(&[K::RoiAlignRotated], "ROIAlignRotated", 15, |layer| roi_align(layer, true)),
    op(&[K::RoiPooling], "ROIPooling", 1, |layer| {
        made(Detection::RoiPooling { pooled_h: layer.int("pooled_h")?, pooled_w: layer.int("pooled_w")? })
    }),
    op(&[K::PriorBox], "PriorBox", 1, prior_box),
    op(&[K::PriorBox], "PriorBox", 8, prior_box),
    op(&[K::PriorBoxClustered], "PriorBoxClustered", 1, |layer| {
        let boxes_per_cell = layer.floats("width")?.len() as i64;
        Ok(Op::PriorBox(Box::new(PriorBox { is_clustered: true, boxes_per_cell, leading_one: false })))
    }),
];

fn made(detection: Detection) -> Result<Op> {
    Ok(Op::Detection(Box::new(detection)))
}

fn detection_output(layer: &Attributes<'_, '_>, num_classes: i64) -> Result<Op> {
    made(Detection::DetectionOutput {
        num_classes,
        share_location: layer.flag("share_location", true)?,
        keep_top_k: layer.ints("keep_top_k")?,
        top_k: layer.int_or("top_k", -1)?,
        background_label_id: layer.int_or("background_label_id", 0)?,
        // Priors carry an offset in front of their four coordinates unless they are normalised.
        code_with_offsets: !layer.flag("normalized", false)?,
    })
}

fn multiclass_nms(layer: &Attributes<'_, '_>) -> Result<Op> {
    made(Detection::MulticlassNms {
        nms_top_k: layer.int_or("nms_top_k", -1)?,
        keep_top_k: layer.int_or("keep_top_k", -1)?,
        background_class: layer.int_or("background_class", -1)?,
        output_type: layer.dtype_or("output_type", DType::I64)?,
        static_output: false,
    })
}

/// Versions before opset5 give indices only, opset1 and 3 in a shape that does not depend on the boxes' numbers.
fn nms(layer: &Attributes<'_, '_>, indices_only: bool, static_output: bool) -> Result<Op> {
    made(Detection::NonMaxSuppression {
        output_type: layer.dtype_or("output_type", DType::I64)?,
        indices_only,
        rotated: false,
        static_output,
    })
}

fn roi_align(layer: &Attributes<'_, '_>, is_rotated: bool) -> Result<Op> {
    made(Detection::RoiAlign {
        pooled_h: layer.int("pooled_h")?,
        pooled_w: layer.int("pooled_w")?,
        is_rotated,
    })
}

/// Counts the boxes per cell.
///
/// Source: `PriorBox::number_of_priors`, OpenVINO 2026.4, src/core/src/op/prior_box.cpp.
fn prior_box(layer: &Attributes<'_, '_>) -> Result<Op> {
    let ratios = aspect_ratios(layer)?;
    let count = |name| layer.floats(name).map(|list| list.len() as i64);
    let mut boxes_per_cell = if layer.flag("scale_all_sizes", true)? {
        ratios * count("min_size")? + count("max_size")?
    } else {
        ratios + count("min_size")? - 1
    };
    let (fixed_sizes, fixed_ratios) = (count("fixed_size")?, count("fixed_ratio")?);
    if fixed_sizes > 0 {
        boxes_per_cell = ratios * fixed_sizes;
    }
    for density in layer.floats("density")? {
        let density = density as i64;
        let extra = density.saturating_mul(density).saturating_sub(1);
        let per_density = if fixed_ratios > 0 { fixed_ratios } else { ratios };
        boxes_per_cell = boxes_per_cell.saturating_add(per_density.saturating_mul(extra));
    }
    Ok(Op::PriorBox(Box::new(PriorBox { is_clustered: false, boxes_per_cell, leading_one: false })))
}

/// Number of different aspect ratios: those given, their inverses if `flip`, and 1.
fn aspect_ratios(layer: &Attributes<'_, '_>) -> Result<i64> {
    let flip = layer.flag("flip", false)?;
    // Ratios are compared to six places, as the runtime does.
    let rounded = |ratio: f64| (ratio * 1e6).round() as i64;
    let mut ratios = vec![rounded(1.0)];
    for ratio in layer.floats("aspect_ratio")? {
        ratios.push(rounded(ratio));
        if flip {
            ratios.push(rounded(1.0 / ratio));
        }
    }
    ratios.sort_unstable();
    ratios.dedup();
    Ok(ratios.len() as i64)
}
