//! Sliding windows: what convolutions, pools and patch extraction share.
//!
//! Per spatial dim, with `dilated = (kernel - 1)·dilation + 1`:
//!
//! * explicit, valid: `floor((dim + pads - dilated) / stride) + 1`;
//! * same: the pads are what `ceil(dim / stride)` outputs need, never less than 0.
//!
//! Numbers of a file are at most 63 bits, so every product and sum here fits 128 bits.

use crate::graph::op::{AutoPad, Window};
use crate::shape::context::{RuleResult, mismatch, text};
use crate::shape::dim::{Dim, DimList};
use smallvec::SmallVec;
use std::fmt::Display;

/// A window along one spatial dim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slide {
    pub(super) stride: i128,
    pub(super) dilation: i128,
    pub(super) pad_begin: i128,
    pub(super) pad_end: i128,
}

impl Slide {
    /// Length that a kernel covers.
    pub(super) fn dilated(&self, kernel: i128) -> RuleResult<i128> {
        if kernel < 1 {
            return Err(mismatch!("a kernel dim must be at least 1, and is {kernel}"));
        }
        Ok((kernel - 1) * self.dilation + 1)
    }

    /// Pads before and after that give `ceil(dim / stride)` windows.
    pub(super) fn same_pads(&self, dim: i128, dilated: i128) -> i128 {
        ((ceil_div(dim, self.stride) - 1) * self.stride + dilated - dim).max(0)
    }

    /// What remains of the padded dim after the first window; an error where the window does not fit.
    ///
    /// Pads that add up to less than 0 count as none: OpenVINO 2026.4.1 infers so, though its CPU plugin refuses them.
    pub(super) fn rest(&self, dim: i128, dilated: i128) -> RuleResult<i128> {
        let padded = dim + (self.pad_begin + self.pad_end).max(0);
        if dilated > padded {
            return Err(mismatch!("a window of {dilated} does not fit the padded dim of {padded}"));
        }
        Ok(padded - dilated)
    }
}

/// The window along each of `n` spatial dims. Pads are 0 unless they are explicit.
pub(super) fn slides(window: &Window, n: usize) -> RuleResult<SmallVec<[Slide; 3]>> {
    let at = |name: &str, list: &[i64], index: usize, default: i64| match list.get(index) {
        Some(&value) if list.len() == n => Ok(i128::from(value)),
        None if list.is_empty() => Ok(i128::from(default)),
        _ => Err(mismatch!("{name} has {} entries for {n} spatial dims", list.len())),
    };
    let is_explicit = window.auto_pad == AutoPad::Explicit;
    let pad = |name, list, index| if is_explicit { at(name, list, index, 0) } else { Ok(0) };
    let slide = |index| {
        let slide = Slide {
            stride: at("strides", &window.strides, index, 1)?,
            dilation: at("dilations", &window.dilations, index, 1)?,
            pad_begin: pad("pads_begin", &window.pads_begin, index)?,
            pad_end: pad("pads_end", &window.pads_end, index)?,
        };
        if slide.stride < 1 || slide.dilation < 1 {
            let Slide { stride, dilation, .. } = slide;
            return Err(mismatch!("stride and dilation must be at least 1, and are {stride} and {dilation}"));
        }
        Ok(slide)
    };
    (0..n).map(slide).collect()
}

/// Whether pads follow from the input's dims.
pub(super) fn is_same(auto_pad: AutoPad) -> bool {
    matches!(auto_pad, AutoPad::SameUpper | AutoPad::SameLower)
}

/// The axis of the channels of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    /// [N, C, spatial…].
    First,
    /// [N, spatial…, C].
    Last,
}

impl Channels {
    /// Splits dims into N, C and the spatial dims.
    pub(super) fn split(self, dims: &[Dim]) -> RuleResult<(Dim, Dim, &[Dim])> {
        match (self, dims) {
            (Channels::First, dims) => split_spatial(dims),
            (Channels::Last, &[batch, ref spatial @ .., channels]) if !spatial.is_empty() => {
                Ok((batch, channels, spatial))
            }
            _ => Err(mismatch!("data must be [N, spatial..., C], and is {}", text(dims))),
        }
    }

    /// [N, C, spatial…] as they are laid out.
    pub(super) fn arrange(self, mut dims: DimList) -> DimList {
        if let (Channels::Last, Some(behind_batch)) = (self, dims.get_mut(1..)) {
            behind_batch.rotate_left(1);
        }
        dims
    }
}

/// Splits `[N, C, spatial…]` into N, C and the spatial dims.
pub(super) fn split_spatial<D: Copy + Display>(dims: &[D]) -> RuleResult<(D, D, &[D])> {
    match dims {
        [batch, channels, spatial @ ..] if !spatial.is_empty() => Ok((*batch, *channels, spatial)),
        _ => Err(mismatch!("data must be [N, C, spatial...], and is {}", text(dims))),
    }
}

/// A dim of a file as a number for signed arithmetic.
pub(super) fn signed(dim: u64) -> RuleResult<i128> {
    i64::try_from(dim).map(i128::from).map_err(|_| mismatch!("a dim of {dim} is out of range"))
}

/// An output dim from signed arithmetic.
pub(super) fn unsigned(dim: i128) -> RuleResult<u64> {
    u64::try_from(dim).map_err(|_| mismatch!("the output dim would be {dim}"))
}

/// Division that rounds up; `divisor` is positive.
pub(super) fn ceil_div(value: i128, divisor: i128) -> i128 {
    -((-value).div_euclid(divisor))
}
