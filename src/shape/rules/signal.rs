//! Fourier transforms.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/signals/dft-7.html>
//! (also `idft-7`, `rdft-9`, `irdft-9`, `stft-15`, `istft-16`).
//! Opset history: one version each.
//!
//! Shapes; a signal size of -1 leaves a dim as it is:
//!
//! * DFT, IDFT: each axis takes its signal size;
//! * RDFT: the same, the last axis then `s → s / 2 + 1` (0 stays 0), and a dim of 2 behind;
//! * IRDFT: the dim of 2 goes; the last axis takes its signal size, or `2·(dim - 1)`;
//! * ONNX's DFT (17, 20): `[.., n, 1 or 2] → [.., length, 2]`, one-sided `length / 2 + 1`, back from that
//!   `[.., length, 1]`; its STFT (17): `[B, L]` or `[B, L, 1 or 2] → [B, frames, bins, 2]`;
//! * STFT: `[B?, L] → [B?, frames, bins, 2]` with `frames = (L - size) / step + 1` and `bins = size / 2 + 1`;
//! * ISTFT: `[B?, bins, frames, 2] → [B?, length]`, by default `(frames - 1)·step + size`, less `size / 2` at both
//!   ends if frames are centered.

use crate::graph::op::{Dft, Spectrum};
use crate::graph::{Dims, Op};
use crate::shape::context::{
    Context, RuleResult, dim, mismatch, normalize_axes, normalize_axis, text, times,
};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let dims = match op {
        Op::Dft(kind) => dft(*kind, context)?,
        Op::Spectrum(Spectrum::Dft { is_onesided, is_inverse }) => {
            onnx_dft(*is_onesided, *is_inverse, context)?
        }
        Op::Spectrum(Spectrum::Stft { is_onesided }) => onnx_stft(*is_onesided, context)?,
        Op::Stft { transpose_frames } => stft(*transpose_frames, context)?,
        Op::Istft { center } => istft(*center, context)?,
        _ => return Err(mismatch!("not a signal operator")),
    };
    context.emit(context.dtype(0), dims);
    Ok(())
}

fn dft(kind: Dft, context: &Context<'_>) -> RuleResult<Dims> {
    let mut dims = Dims::from_slice(context.dims(0)?);
    if kind != Dft::Rdft && dims.pop() != Some(2) {
        return Err(mismatch!("data must end in pairs, and is {}", text(context.dims(0)?)));
    }
    let axes = normalize_axes(context.ints(1)?, dims.len())?;
    let sizes = if context.has(2) { Some(context.ints(2)?) } else { None };
    if let Some(sizes) = sizes
        && sizes.len() != axes.len()
    {
        return Err(mismatch!("{} signal sizes are given for {} axes", sizes.len(), axes.len()));
    }
    let size = |index: usize| sizes.and_then(|sizes| sizes.get(index)).copied().filter(|&size| size != -1);
    for (index, &axis) in axes.iter().enumerate() {
        let is_last = index + 1 == axes.len();
        let given = size(index).map(dim).transpose()?;
        let length = given.unwrap_or(dims[axis]);
        dims[axis] = match kind {
            Dft::Rdft if is_last && length > 0 => length / 2 + 1,
            Dft::Irdft if is_last && given.is_none() => times(length.saturating_sub(1), 2)?,
            _ => length,
        };
    }
    if kind != Dft::Irdft {
        dims.push(2);
    }
    Ok(dims)
}

fn stft(transpose_frames: bool, context: &Context<'_>) -> RuleResult<Dims> {
    let (size, step) = (count(context, 2)?, count(context, 3)?);
    let (batch, length) = match context.dims(0)? {
        [batch @ .., length] if batch.len() <= 1 => (batch, *length),
        signal => return Err(mismatch!("the signal must be [B?, L], and is {}", text(signal))),
    };
    let frames = length.checked_sub(size);
    let frames = frames.ok_or_else(|| mismatch!("a frame of {size} does not fit a signal of {length}"))?;
    let (frames, bins) = (frames / step + 1, size / 2 + 1);
    let mut dims = Dims::from_slice(batch);
    dims.extend(if transpose_frames { [bins, frames, 2] } else { [frames, bins, 2] });
    Ok(dims)
}

fn istft(center: bool, context: &Context<'_>) -> RuleResult<Dims> {
    let (size, step) = (count(context, 2)?, count(context, 3)?);
    let (batch, bins, frames) = match context.dims(0)? {
        [batch @ .., bins, frames, 2] if batch.len() <= 1 => (batch, *bins, *frames),
        data => return Err(mismatch!("data must be [B?, bins, frames, 2], and is {}", text(data))),
    };
    if bins != size / 2 + 1 {
        return Err(mismatch!("frames of {size} have {} bins, and data has {bins}", size / 2 + 1));
    }
    let given = if context.has(4) { context.int(4)? } else { -1 };
    let length = if given == -1 {
        let all = u128::from(frames.saturating_sub(1)) * u128::from(step) + u128::from(size);
        let cut = if center { u128::from(size / 2 * 2) } else { 0 };
        u64::try_from(all - cut).map_err(|_| mismatch!("a signal of {all} samples is out of range"))?
    } else {
        dim(given)?
    };
    let mut dims = Dims::from_slice(batch);
    dims.push(length);
    Ok(dims)
}

fn onnx_dft(is_onesided: bool, is_inverse: bool, context: &Context<'_>) -> RuleResult<Dims> {
    let mut dims = Dims::from_slice(context.dims(0)?);
    let Some(pair) = dims.len().checked_sub(1).filter(|&pair| pair > 0) else {
        return Err(mismatch!("data must end in pairs or singles, and is {}", text(&dims)));
    };
    let axis = if context.has(2) { normalize_axis(context.int(2)?, dims.len())? } else { pair - 1 };
    let whole = if is_onesided && is_inverse { times(dims[axis].saturating_sub(1), 2)? } else { dims[axis] };
    let length = if context.has(1) { dim(context.int(1)?)? } else { whole };
    dims[axis] = if is_onesided && !is_inverse { length / 2 + 1 } else { length };
    dims[pair] = if is_onesided && is_inverse { 1 } else { 2 };
    Ok(dims)
}

fn onnx_stft(is_onesided: bool, context: &Context<'_>) -> RuleResult<Dims> {
    let step = count(context, 1)?;
    // The standard names no [B, L]; ONNX Runtime runs it (stft.cc reads the first two dims).
    let (&[batch, length] | &[batch, length, _]) = context.dims(0)? else {
        return Err(mismatch!(
            "the signal must be [B, L], [B, L, 1] or [B, L, 2], and is {}",
            text(context.dims(0)?)
        ));
    };
    let size = if context.has(3) {
        count(context, 3)?
    } else if context.has(2) {
        context.input(2)?.elements().unwrap_or(length)
    } else {
        length
    };
    let rest = length.checked_sub(size);
    let rest = rest.ok_or_else(|| mismatch!("a frame of {size} does not fit a signal of {length}"))?;
    let bins = if is_onesided { size / 2 + 1 } else { size };
    Ok(Dims::from_slice(&[batch, rest / step + 1, bins, 2]))
}

/// A number of samples, at least 1.
fn count(context: &Context<'_>, port: usize) -> RuleResult<u64> {
    match dim(context.int(port)?)? {
        0 => Err(mismatch!("frame size and step must be at least 1, and input {port} is 0")),
        value => Ok(value),
    }
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::testing::{Input, dims, f32, message, scalar, vector};

    fn inputs(data: &[u64], axes: &[i64], sizes: Option<&[i64]>) -> [Input; 3] {
        [f32(data), vector(axes), sizes.and_then(vector)]
    }

    #[test]
    fn transforms_follow_axes_and_sizes() {
        use Dft::{Dft as Forward, Idft, Irdft, Rdft};
        let pairs = &[2, 10, 10, 2][..];
        for (kind, data, axes, sizes, expected) in [
            (Forward, pairs, &[1, 2][..], None, &[2, 10, 10, 2][..]),
            (Forward, pairs, &[-1, -2], Some(&[5, -1][..]), &[2, 10, 5, 2]),
            (Idft, pairs, &[1, 2], Some(&[15, 7]), &[2, 15, 7, 2]),
            (Rdft, &[2, 10, 11], &[1, 2], None, &[2, 10, 6, 2]),
            (Rdft, &[2, 10, 11], &[2, 1], None, &[2, 6, 11, 2]),
            (Rdft, &[2, 10, 11], &[-1, -2], Some(&[6, 8]), &[2, 5, 6, 2]),
            (Rdft, &[2, 10, 11], &[2], Some(&[-1]), &[2, 10, 6, 2]),
            (Rdft, &[2, 10, 11], &[2], Some(&[0]), &[2, 10, 0, 2]),
            (Irdft, &[2, 10, 11, 2], &[1, 2], None, &[2, 10, 20]),
            (Irdft, &[2, 10, 11, 2], &[2, 1], None, &[2, 18, 11]),
            (Irdft, &[2, 10, 11, 2], &[-1, -2], Some(&[6, 8]), &[2, 8, 6]),
            (Irdft, &[2, 10, 1, 2], &[2], None, &[2, 10, 0]),
            (Irdft, &[2, 10, 11, 2], &[1, 2], Some(&[3, -1]), &[2, 3, 20]),
            (Irdft, &[2, 10, 11, 2], &[1, 2], Some(&[3, 0]), &[2, 3, 0]),
        ] {
            assert_eq!(dims(Op::Dft(kind), &inputs(data, axes, sizes)), expected, "{kind:?} {axes:?}");
        }
    }

    #[test]
    fn wrong_transforms_are_mismatches() {
        let run =
            |kind, data: &[u64], axes: &[i64], sizes| message(Op::Dft(kind), &inputs(data, axes, sizes));
        assert_eq!(run(Dft::Dft, &[2, 10, 10, 2], &[3], None), "axis 3 is outside of rank 3");
        assert_eq!(run(Dft::Idft, &[2, 10, 10, 2], &[0, -3], None), "axis 0 is given twice");
        assert_eq!(run(Dft::Irdft, &[2, 10, 10], &[0], None), "data must end in pairs, and is [2,10,10]");
        assert_eq!(run(Dft::Rdft, &[2, 10], &[0, 1], Some(&[4])), "1 signal sizes are given for 2 axes");
        assert_eq!(run(Dft::Rdft, &[2, 10], &[0], Some(&[-2])), "a dim must not be negative, and is -2");
        assert_eq!(
            run(Dft::Irdft, &[2, u64::MAX, 2], &[1], None),
            "18446744073709551614 times 2 is out of range"
        );
    }

    #[test]
    fn signals_are_cut_into_frames() {
        let run = |transpose_frames, signal: &[u64], size, step| {
            let inputs = [f32(signal), f32(&[11]), scalar(size), scalar(step)];
            dims(Op::Stft { transpose_frames }, &inputs)
        };
        assert_eq!(run(false, &[100], 16, 5), [17, 9, 2]);
        assert_eq!(run(true, &[3, 100], 16, 5), [3, 9, 17, 2]);
        assert_eq!(run(false, &[3, 100], 15, 100), [3, 1, 8, 2]);
    }

    #[test]
    fn frames_are_joined_to_signals() {
        let run = |center, data: &[u64], size, length: Option<i64>| {
            let inputs = [f32(data), f32(&[11]), scalar(size), scalar(5), length.and_then(scalar)];
            dims(Op::Istft { center }, &inputs)
        };
        for (center, default, odd) in [(false, 96, 45), (true, 80, 31)] {
            assert_eq!(run(center, &[9, 17, 2], 16, None), [default]);
            assert_eq!(run(center, &[3, 9, 17, 2], 16, Some(-1)), [3, default]);
            assert_eq!(run(center, &[3, 9, 17, 2], 16, Some(70)), [3, 70]);
            assert_eq!(run(center, &[3, 8, 7, 2], 15, None), [3, odd]);
        }
    }

    #[test]
    fn wrong_frames_are_mismatches() {
        let cut = |signal: &[u64], size, step| {
            let inputs = [f32(signal), f32(&[11]), scalar(size), scalar(step)];
            message(Op::Stft { transpose_frames: false }, &inputs)
        };
        assert_eq!(cut(&[10], 16, 5), "a frame of 16 does not fit a signal of 10");
        assert_eq!(cut(&[10], 0, 5), "frame size and step must be at least 1, and input 2 is 0");
        assert_eq!(cut(&[10], 5, -1), "a dim must not be negative, and is -1");
        assert_eq!(cut(&[1, 2, 10], 5, 1), "the signal must be [B?, L], and is [1,2,10]");
        let join = |data: &[u64], size, step| {
            let inputs = [f32(data), f32(&[11]), scalar(size), scalar(step)];
            message(Op::Istft { center: true }, &inputs)
        };
        assert_eq!(join(&[3, 8, 17, 2], 16, 5), "frames of 16 have 9 bins, and data has 8");
        assert_eq!(join(&[3, 8, 17], 16, 5), "data must be [B?, bins, frames, 2], and is [3,8,17]");
        assert!(join(&[9, 17, 2], 16, i64::MAX).ends_with("samples is out of range"));
    }

    /// Expected shapes: onnx 1.23, backend tests of `DFT` and `STFT`.
    #[test]
    fn transforms_of_onnx() {
        let dft = |is_onesided, is_inverse| Op::Spectrum(Spectrum::Dft { is_onesided, is_inverse });
        let run = |op, data: &[u64], length: Option<i64>, axis: i64| {
            dims(op, &[f32(data), length.and_then(scalar), scalar(axis)])
        };
        assert_eq!(run(dft(false, false), &[1, 10, 10, 1], None, 1), [1, 10, 10, 2]);
        assert_eq!(run(dft(true, false), &[1, 10, 10, 1], None, 1), [1, 6, 10, 2]);
        assert_eq!(run(dft(false, true), &[1, 10, 10, 2], Some(7), -2), [1, 10, 7, 2]);
        assert_eq!(run(dft(true, true), &[1, 6, 10, 2], None, 1), [1, 10, 10, 1]);
        let stft = |is_onesided| Op::Spectrum(Spectrum::Stft { is_onesided });
        let inputs = [f32(&[1, 128, 1]), scalar(8), f32(&[16]), None];
        assert_eq!(dims(stft(true), &inputs), [1, 15, 9, 2]);
        assert_eq!(dims(stft(false), &inputs), [1, 15, 16, 2]);
        let whole = [f32(&[1, 128, 1]), scalar(8), None, scalar(32)];
        assert_eq!(dims(stft(true), &whole), [1, 13, 17, 2]);
        assert!(message(stft(true), &[f32(&[1, 8, 1]), scalar(8), f32(&[16])]).contains("does not fit"));
    }
}
