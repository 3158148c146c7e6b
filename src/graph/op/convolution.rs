//! Convolutions and pools.

use super::{Ints, OpKind};
use crate::DType;

/// Padding rule of convolutions and pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AutoPad {
    /// Pads as given.
    #[default]
    Explicit,
    /// Output = ceil(input / stride), the odd pad at the end.
    SameUpper,
    /// Output = ceil(input / stride), the odd pad at the beginning.
    SameLower,
    /// No pads.
    Valid,
}

/// Strides and pads over the spatial dims; an empty list means 1s (strides, dilations) or 0s (pads).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// Step per spatial dim.
    pub strides: Ints,
    /// Distance of taps per spatial dim.
    pub dilations: Ints,
    /// Padding before.
    pub pads_begin: Ints,
    /// Padding after.
    pub pads_end: Ints,
    /// Padding rule.
    pub auto_pad: AutoPad,
}

/// Attributes of [`Op::Convolution`](super::Op::Convolution).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Convolution {
    /// What it is in addition to a convolution.
    pub form: ConvolutionForm,
    /// Strides and pads.
    pub window: Window,
    /// How the output channels are to be read off the filters.
    pub filters: FilterLayout,
}

/// What a [`Convolution`] is in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ConvolutionForm {
    /// Nothing.
    #[default]
    Plain,
    /// Data and filters are of 1 bit (OpenVINO).
    Binary,
    /// A sum and an activation follow (ONNX Runtime).
    Fused,
}

impl Convolution {
    /// Which operator [`Op::Convolution`](super::Op::Convolution) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        match self.form {
            ConvolutionForm::Plain => OpKind::Convolution,
            ConvolutionForm::Binary => OpKind::BinaryConvolution,
            ConvolutionForm::Fused => OpKind::FusedConv,
        }
    }
}

/// Layout of convolution filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FilterLayout {
    /// [O, I, kernel…] (backprop: [I, O, kernel…]).
    #[default]
    Plain,
    /// [G, O, I, kernel…] (backprop: [G, I, O, kernel…]), as OpenVINO's GroupConvolution.
    Grouped,
    /// [O, I / groups, kernel…] (backprop: [I, O / groups, kernel…]), as ONNX with `group`.
    Flat {
        /// Number of groups.
        groups: i64,
    },
}

/// Attributes of [`Op::ConvolutionBackpropData`](super::Op::ConvolutionBackpropData).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ConvolutionBackprop {
    /// Strides and pads.
    pub window: Window,
    /// How the output channels are to be read off the filters.
    pub filters: FilterLayout,
    /// Added to the output's spatial dims.
    pub output_padding: Ints,
}

/// Attributes of pools and patch extraction.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pool {
    /// What is taken of a window.
    pub kind: PoolKind,
    /// Kernel per spatial dim.
    pub kernel: Ints,
    /// Strides and pads.
    pub window: Window,
    /// Rounding of the output size.
    pub rounding: Rounding,
    /// Element type of the second output's indices; `None`: one output.
    pub indices: Option<DType>,
}

/// What a pool takes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PoolKind {
    /// The largest element.
    #[default]
    Max,
    /// The mean.
    Average,
    /// The norm.
    Lp,
    /// The largest element where a mask allows (ONNX Runtime).
    MaskedMax,
}

impl Pool {
    /// Which operator [`Op::Pool`](super::Op::Pool) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        match self.kind {
            PoolKind::Max => OpKind::MaxPool,
            PoolKind::Average => OpKind::AveragePool,
            PoolKind::Lp => OpKind::LpPool,
            PoolKind::MaskedMax => OpKind::MaxPoolWithMask,
        }
    }
}

/// Rounding of a pool's output size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Rounding {
    /// Down.
    #[default]
    Floor,
    /// Up.
    Ceil,
    /// Up, but a window that starts in the end padding is dropped (PyTorch).
    CeilTorch,
}
