//! Images and detection.

use super::{Ints, OpKind};
use crate::DType;

/// Attributes of [`Op::RegionYolo`](super::Op::RegionYolo).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionYolo {
    /// First flattened axis (with softmax).
    pub axis: i64,
    /// Last flattened axis.
    pub end_axis: i64,
    /// Coordinates per box.
    pub coords: i64,
    /// Classes.
    pub classes: i64,
    /// Boxes per cell where `do_softmax`.
    pub num: i64,
    /// Whether dims are flattened.
    pub do_softmax: bool,
    /// Length of the mask: boxes per cell where not `do_softmax`.
    pub mask_len: i64,
}

/// Attributes of [`Op::Interpolate`](super::Op::Interpolate).
#[derive(Clone, Debug, PartialEq)]
pub struct Interpolate {
    /// Which inputs there are.
    pub form: InterpolateForm,
    /// Padding of every dim before scaling.
    pub pads_begin: Ints,
    /// Padding of every dim after.
    pub pads_end: Ints,
    /// Each element is one of the input's.
    pub is_nearest: bool,
}

/// Inputs of [`Op::Interpolate`](super::Op::Interpolate).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterpolateForm {
    /// OpenVINO opset1: `data`, `target_spatial_shape`; the axes are an attribute.
    Opset1 {
        /// Axes that are resized.
        axes: Ints,
    },
    /// OpenVINO opset4: `data`, `sizes`, `scales`, `axes?`.
    Opset4 {
        /// `sizes` count, else `scales`.
        by_sizes: bool,
    },
    /// OpenVINO opset11: `data`, `sizes or scales`, `axes?`.
    Opset11 {
        /// The second input is sizes, else scales.
        by_sizes: bool,
    },
    /// ONNX Resize: `data`, `roi?`, `scales?`, `sizes?`.
    Onnx {
        /// Axes that are resized; `None`: all.
        axes: Option<Ints>,
        /// `keep_aspect_ratio_policy`: 0 stretch, 1 not larger, 2 not smaller.
        policy: u8,
        /// Scales apply to the ROI instead of the whole dim.
        crop_and_resize: bool,
    },
}

/// ROI and detection operators, with the attributes that their output shapes need.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Attribute names are those of the operators' specifications.
#[non_exhaustive]
pub enum Detection {
    DetectionOutput {
        num_classes: i64,
        share_location: bool,
        keep_top_k: Ints,
        top_k: i64,
        background_label_id: i64,
        code_with_offsets: bool,
    },
    ExperimentalDetectionOutput {
        max_detections_per_image: i64,
    },
    ExperimentalGenerateProposals {
        post_nms_count: i64,
    },
    ExperimentalPriorGrid {
        flatten: bool,
        h: i64,
        w: i64,
    },
    ExperimentalRoiFeatureExtractor {
        output_size: i64,
    },
    ExperimentalTopKRois {
        max_rois: i64,
    },
    GenerateProposals {
        post_nms_count: i64,
        roi_num_type: DType,
    },
    MatrixNms {
        nms_top_k: i64,
        keep_top_k: i64,
        background_class: i64,
        output_type: DType,
        static_output: bool,
    },
    MulticlassNms {
        nms_top_k: i64,
        keep_top_k: i64,
        background_class: i64,
        output_type: DType,
        static_output: bool,
    },
    /// Inputs: boxes, scores, max_output_boxes_per_class?, …; three outputs (one if `indices_only`). With
    /// `static_output` the size is exact: internal operators, or with `indices_only` opset 1 and 3.
    NonMaxSuppression {
        output_type: DType,
        indices_only: bool,
        rotated: bool,
        static_output: bool,
    },
    Proposal {
        post_nms_topn: i64,
        has_scores: bool,
    },
    PsRoiPooling {
        output_dim: i64,
        group_size: i64,
    },
    DeformablePsRoiPooling {
        output_dim: i64,
        group_size: i64,
    },
    RoiAlign {
        pooled_h: i64,
        pooled_w: i64,
        is_rotated: bool,
    },
    RoiPooling {
        pooled_h: i64,
        pooled_w: i64,
    },
    /// `data`, `regions`, `batch_indices`, `size` (two numbers).
    CropAndResize,
}

impl Detection {
    /// Which operator [`Op::Detection`](super::Op::Detection) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        use Detection::*;
        match self {
            DetectionOutput { .. } => OpKind::DetectionOutput,
            ExperimentalDetectionOutput { .. } => OpKind::ExperimentalDetectronDetectionOutput,
            ExperimentalGenerateProposals { .. } => OpKind::ExperimentalDetectronGenerateProposalsSingleImage,
            ExperimentalPriorGrid { .. } => OpKind::ExperimentalDetectronPriorGridGenerator,
            ExperimentalRoiFeatureExtractor { .. } => OpKind::ExperimentalDetectronRoiFeatureExtractor,
            ExperimentalTopKRois { .. } => OpKind::ExperimentalDetectronTopKRois,
            GenerateProposals { .. } => OpKind::GenerateProposals,
            MatrixNms { .. } => OpKind::MatrixNms,
            MulticlassNms { .. } => OpKind::MulticlassNms,
            NonMaxSuppression { rotated: false, .. } => OpKind::NonMaxSuppression,
            NonMaxSuppression { rotated: true, .. } => OpKind::NmsRotated,
            Proposal { .. } => OpKind::Proposal,
            PsRoiPooling { .. } => OpKind::PsRoiPooling,
            DeformablePsRoiPooling { .. } => OpKind::DeformablePsRoiPooling,
            RoiAlign { is_rotated: false, .. } => OpKind::RoiAlign,
            RoiAlign { is_rotated: true, .. } => OpKind::RoiAlignRotated,
            RoiPooling { .. } => OpKind::RoiPooling,
            CropAndResize => OpKind::CropAndResize,
        }
    }
}

/// Attributes of [`Op::PriorBox`](super::Op::PriorBox), plain and clustered.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorBox {
    /// The boxes are given by width and height instead of sizes and ratios.
    pub is_clustered: bool,
    /// Boxes per cell, as the reader counts them from sizes and ratios.
    pub boxes_per_cell: i64,
    /// The output is [1, 2, boxes·4] (`ExperimentalDetectron`-style) instead of [2, boxes·4].
    pub leading_one: bool,
}

impl PriorBox {
    /// Which operator [`Op::PriorBox`](super::Op::PriorBox) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        if self.is_clustered { OpKind::PriorBoxClustered } else { OpKind::PriorBox }
    }
}
