//! Operators that move, repeat or surround data.

use super::Ints;
use crate::graph::Value;

/// The mode of [`Op::Broadcast`](super::Op::Broadcast).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BroadcastMode {
    /// Data into target, aligned at the last dim.
    Numpy,
    /// Both ways, aligned at the last dim (ONNX `Expand`).
    Bidirectional,
    /// The third input maps data's dims to the target's.
    Explicit,
    /// Data into target, aligned at `axis` (-1: at the last dim).
    Pdpd(i64),
}

/// What a 0 in the pattern of [`Op::Reshape`](super::Op::Reshape) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReshapeZero {
    /// The data's dim at the same place, counted from the front, or (after a -1) as OpenVINO counts it.
    CopiesDim,
    /// A dim of 0.
    IsZero,
}

/// What a `Pad` surrounds its data with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PadMode {
    /// One value throughout: that of an input, or 0 without it.
    Constant,
    /// Edges or reflections of the data, or a value that no input holds.
    Other,
}

/// The inputs of an [`Op::Pad`](super::Op::Pad) behind `data`. Both stay: joined pads can be split where they are constants
/// only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PadInputs {
    /// `pads_begin`, `pads_end`, `value?`.
    Separate,
    /// `pads` (all begins, then all ends), `value?`, `axes?` (absent: all): ONNX.
    Joined,
}

/// The inputs of an [`Op::Tile`](super::Op::Tile) behind `data`. Both stay: the repeats of one axis are a list of them all
/// only where the rank is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TileInputs {
    /// `repeats` of every axis.
    Repeats,
    /// `repeats` of one axis, `axis`: ONNX before opset 6.
    OneAxis,
}

/// The elements of [`Op::FromShape`](super::Op::FromShape).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fill {
    /// One value throughout, where it is known.
    Constant(Option<Box<Value>>),
    /// Random numbers between two.
    Uniform,
    /// Random numbers about one.
    Normal,
    /// A window of this name, as do the two that follow.
    BlackmanWindow,
    /// A window.
    HammingWindow,
    /// A window.
    HannWindow,
}

impl Fill {
    /// The value that every element has, where it is known.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match self {
            Fill::Constant(value) => value.as_deref(),
            _ => None,
        }
    }
}

/// What a [`Op::Scatter`](super::Op::Scatter) writes; distinguished for value propagation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scatter {
    /// Whole slices of `axis` (an input), one per index: OpenVINO `ScatterUpdate`.
    Slices,
    /// Single elements along `axis` (an input), one per index, without reduction.
    Elements,
    /// Slices at the tuples in the indices' last dim, without reduction.
    Nd,
    /// As [`Scatter::Elements`], with a reduction.
    ReducedElements,
    /// As [`Scatter::Nd`], with a reduction.
    ReducedNd,
}

/// Masks of [`Op::StridedSlice`](super::Op::StridedSlice): one entry per dim of the slice spec, empty means all 0.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StridedSlice {
    /// 1: begin of this dim is ignored.
    pub begin_mask: Ints,
    /// 1: end of this dim is ignored.
    pub end_mask: Ints,
    /// 1: a dim of 1 is inserted here.
    pub new_axis_mask: Ints,
    /// 1: the dim is cut to one element and dropped.
    pub shrink_axis_mask: Ints,
    /// 1: ignored; it replaces the dims that are not listed.
    pub ellipsis_mask: Ints,
}
