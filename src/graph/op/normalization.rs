//! Softmax and normalizations.

use super::Ints;
use crate::DType;

/// The axes of a softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisSpan {
    /// The axis, or the first of several.
    pub axis: i64,
    /// All axes from it to the last are normalized over together (ONNX before opset 13).
    pub to_end: bool,
}

impl AxisSpan {
    /// The last axis alone.
    pub const LAST: AxisSpan = AxisSpan::one(-1);

    /// One axis.
    #[must_use]
    pub const fn one(axis: i64) -> AxisSpan {
        AxisSpan { axis, to_end: false }
    }
}

/// Attributes of the layer normalizations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// First of the axes that are normalized over; the last is the data's last.
    pub axis: i64,
    /// Added to the variance.
    pub epsilon: f32,
    /// Element type of the statistics.
    pub statistics: DType,
}

impl Default for LayerNorm {
    fn default() -> LayerNorm {
        LayerNorm { axis: -1, epsilon: 1e-5, statistics: DType::F32 }
    }
}

/// Attributes of the group normalizations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Groups that the channels are split into.
    pub groups: i64,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Attributes of [`Op::Mvn`](super::Op::Mvn).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mvn {
    /// The axes where they are not an input (ONNX; OpenVINO opset1 has them by `across_channels`).
    pub axes: Option<Ints>,
    /// The mean alone is subtracted.
    pub keeps_variance: bool,
    /// Added to the variance, or to its root.
    pub epsilon: f32,
}
