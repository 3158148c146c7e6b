//! Pools.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/pooling/max-pool-14.html>
//! (also `max-pool-1`, `-8`, `avg-pool-1`, `-14`, `-16`, `adaptive-avg-pool-8`, `adaptive-max-pool-8`); ONNX
//! `MaxPool`, `AveragePool`, `LpPool`, `Global*Pool`, <https://onnx.ai/onnx/operators/>.
//! Opset history: 8 adds dilations and indices to MaxPool, 14 adds `ceil_torch`, 16 adds dilations to AvgPool.
//!
//! Shapes, per spatial dim, with `dilated = (kernel - 1)·dilation + 1`:
//!
//! * pool: `round((dim + pads - dilated) / stride) + 1`; `ceil_torch` drops a last window that would start at or
//!   behind `dim + pad_begin`; same padding first sets the pads, then follows the same formula;
//! * unpool: the given shape, else `(dim - 1)·stride + kernel - pads`;
//! * adaptive: the given spatial shape; global: 1.

use super::window::{Channels, ceil_div, is_same, signed, slides, unsigned};
use crate::graph::Op;
use crate::graph::op::{Pool, Rounding};
use crate::shape::context::{Context, RuleResult, dim_of, mismatch};
use crate::shape::dim::{Dim, DimList};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let (op, layout) = match op {
        Op::ChannelsLast(inner) => (&**inner, Channels::Last),
        _ => (op, Channels::First),
    };
    let data = context.shape(0)?;
    let (batch, channels, spatial) = layout.split(&data)?;
    let mut dims = DimList::from_slice(&[batch, channels]);
    let indices = match op {
        Op::Pool(spec) => {
            pool(spec, spatial, &mut dims)?;
            spec.indices
        }
        Op::AdaptivePool { indices } => {
            let given = context.integers(1)?;
            if given.len() != spatial.len() {
                let (given, expected) = (given.len(), spatial.len());
                return Err(mismatch!("output_shape has {given} entries for {expected} spatial dims"));
            }
            for length in given {
                dims.push(dim_of(length)?);
            }
            *indices
        }
        Op::MaxUnpool(spec) => {
            let dims = unpool(spec, batch, channels, spatial, context)?;
            context.emit_shape(context.dtype(0), dims);
            return Ok(());
        }
        Op::GlobalPool(_) => {
            dims.extend(spatial.iter().map(|_| Dim::Known(1)));
            None
        }
        _ => return Err(mismatch!("not a pool")),
    };
    let dims = layout.arrange(dims);
    context.emit_shape(context.dtype(0), dims.iter().copied());
    if let Some(index_type) = indices {
        context.emit_shape(index_type, dims);
    }
    Ok(())
}

fn unpool(
    spec: &Pool,
    batch: Dim,
    channels: Dim,
    spatial: &[Dim],
    context: &Context<'_>,
) -> RuleResult<DimList> {
    if context.has(2) {
        return context.integers(2)?.into_iter().map(dim_of).collect();
    }
    if spec.kernel.len() != spatial.len() {
        return Err(mismatch!("kernel has {} entries for {} spatial dims", spec.kernel.len(), spatial.len()));
    }
    let mut dims = DimList::from_slice(&[batch, channels]);
    for ((&length, &kernel), slide) in
        spatial.iter().zip(&spec.kernel).zip(slides(&spec.window, spatial.len())?)
    {
        let Dim::Known(length) = length else {
            dims.push(Dim::Unknown);
            continue;
        };
        let whole = (signed(length)? - 1) * slide.stride + i128::from(kernel);
        dims.push(Dim::Known(unsigned(whole - slide.pad_begin - slide.pad_end)?));
    }
    Ok(dims)
}

fn pool(spec: &Pool, spatial: &[Dim], dims: &mut DimList) -> RuleResult {
    if spec.kernel.len() != spatial.len() {
        return Err(mismatch!("kernel has {} entries for {} spatial dims", spec.kernel.len(), spatial.len()));
    }
    let slides = slides(&spec.window, spatial.len())?;
    for ((&length, &kernel), mut slide) in spatial.iter().zip(&spec.kernel).zip(slides) {
        let Dim::Known(length) = length else {
            dims.push(Dim::Unknown);
            continue;
        };
        let (length, dilated) = (signed(length)?, slide.dilated(i128::from(kernel))?);
        if is_same(spec.window.auto_pad) {
            // Only the sum of the pads matters here: where there are any, no window starts behind the data.
            slide.pad_end = slide.same_pads(length, dilated);
        }
        let rest = slide.rest(length, dilated)?;
        let count = match spec.rounding {
            Rounding::Floor => rest / slide.stride + 1,
            Rounding::Ceil => ceil_div(rest, slide.stride) + 1,
            Rounding::CeilTorch => {
                let count = ceil_div(rest, slide.stride) + 1;
                if (count - 1) * slide.stride >= length + slide.pad_begin { count - 1 } else { count }
            }
        };
        dims.push(Dim::Known(unsigned(count)?));
    }
    Ok(())
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::op::{AutoPad, PoolKind, Window};
    use crate::shape::testing::{all_dims, dims, f32, infer, message, vector};

    fn spec(kernel: [i64; 2], strides: [i64; 2], pads: [[i64; 2]; 2], auto_pad: AutoPad) -> Pool {
        let [pads_begin, pads_end] = pads.map(|pads| pads[..].into());
        let window =
            Window { strides: strides[..].into(), pads_begin, pads_end, auto_pad, ..Window::default() };
        Pool { kernel: kernel[..].into(), window, ..Pool::default() }
    }

    #[test]
    fn rounding_decides_the_last_window() {
        use AutoPad::*;
        let none = [[0, 0], [0, 0]];
        // data, kernel, strides, pads, auto pad; floor, ceil, ceil_torch
        for (data, kernel, strides, pads, auto_pad, expected) in [
            ([7, 8], [3, 2], [2, 3], [[1, 0], [1, 1]], Explicit, [[4, 3], [4, 4], [4, 3]]),
            ([5, 6], [1, 1], [3, 4], none, SameUpper, [[2, 2], [3, 3], [2, 2]]),
            ([5, 6], [2, 1], [3, 4], none, SameLower, [[2, 2], [2, 3], [2, 2]]),
            ([9, 9], [1, 1], [3, 4], [[5, 5], [5, 5]], Valid, [[3, 3], [4, 3], [3, 3]]),
            ([4, 4], [2, 2], [2, 3], [[1, 0], [1, 2]], Explicit, [[3, 2], [3, 3], [3, 2]]),
            ([4, 4], [3, 3], [2, 3], [[0, 0], [0, 2]], Explicit, [[1, 2], [2, 2], [2, 2]]),
            ([4, 5], [1, 1], [3, 3], [[0, 0], [0, 3]], Explicit, [[2, 3], [2, 4], [2, 3]]),
        ] {
            for (rounding, expected) in
                [Rounding::Floor, Rounding::Ceil, Rounding::CeilTorch].into_iter().zip(expected)
            {
                let pool = Pool { rounding, ..spec(kernel, strides, pads, auto_pad) };
                let dims = dims(Op::Pool(Box::new(pool)), &[f32(&[1, 3, data[0], data[1]])]);
                assert_eq!(dims, [1, 3, expected[0], expected[1]], "{kernel:?} {rounding:?}");
            }
        }
    }

    #[test]
    fn dilated_max_pool_has_indices_of_the_same_shape() {
        let mut pool = spec([3, 2], [2, 3], [[1, 0], [1, 1]], AutoPad::Explicit);
        pool.window.dilations = [2, 2][..].into();
        pool.indices = Some(DType::I32);
        let outputs = infer(Op::Pool(Box::new(pool)), &[f32(&[1, 3, 7, 8])], 2).unwrap();
        assert_eq!(outputs[0].dims.as_deref(), Some(&[1, 3, 3, 3][..]));
        assert_eq!((outputs[1].dtype, &outputs[1].dims), (DType::I32, &outputs[0].dims));
    }

    #[test]
    fn adaptive_and_global_pools() {
        let adaptive = Op::AdaptivePool { indices: Some(DType::I64) };
        assert_eq!(
            all_dims(adaptive, &[f32(&[1, 3, 32, 32]), vector(&[5, 7])], 2),
            [[1, 3, 5, 7], [1, 3, 5, 7]]
        );
        let adaptive = Op::AdaptivePool { indices: None };
        assert_eq!(dims(adaptive.clone(), &[f32(&[1, 3, 32]), vector(&[5])]), [1, 3, 5]);
        assert_eq!(dims(Op::GlobalPool(PoolKind::Max), &[f32(&[2, 3, 8, 9])]), [2, 3, 1, 1]);
        assert_eq!(
            message(adaptive.clone(), &[f32(&[1, 3, 32]), vector(&[5, 5])]),
            "output_shape has 2 entries for 1 spatial dims"
        );
        assert_eq!(
            message(adaptive, &[f32(&[1, 3, 32]), vector(&[-5])]),
            "a dim must not be negative, and is -5"
        );
    }

    #[test]
    fn hostile_attributes_are_mismatches() {
        let run = |pool: Pool| message(Op::Pool(Box::new(pool)), &[f32(&[1, 3, 4, 4])]);
        let none = [[0, 0], [0, 0]];
        let too_wide = spec([6, 2], [1, 1], none, AutoPad::Explicit);
        assert_eq!(run(too_wide), "a window of 6 does not fit the padded dim of 4");
        let no_kernel = spec([0, -1], [1, 1], none, AutoPad::Explicit);
        assert_eq!(run(no_kernel), "a kernel dim must be at least 1, and is 0");
        let backwards = spec([2, 2], [-1, 1], none, AutoPad::SameUpper);
        assert_eq!(run(backwards), "stride and dilation must be at least 1, and are -1 and 1");
        let mut line = spec([2, 2], [1, 1], none, AutoPad::Explicit);
        line.kernel.truncate(1);
        assert_eq!(run(line), "kernel has 1 entries for 2 spatial dims");
        let huge = spec([i64::MAX, 2], [1, 1], [[i64::MAX, 0], [i64::MAX, 0]], AutoPad::Explicit);
        assert!(run(huge).contains("over the limit of 8 TiB"));
        let huge = spec([i64::MAX, 2], [i64::MAX, 1], none, AutoPad::SameLower);
        assert_eq!(dims(Op::Pool(Box::new(huge)), &[f32(&[1, 3, 4, 4])]), [1, 3, 1, 4]);
    }

    /// Expected shapes: onnx 1.23, backend tests of `MaxUnpool`.
    #[test]
    fn unpooling_gives_back_what_was_pooled() {
        let window = Window { strides: [2, 2][..].into(), ..Window::default() };
        let op = || {
            Op::MaxUnpool(Box::new(Pool {
                kernel: [2, 2][..].into(),
                window: window.clone(),
                ..Pool::default()
            }))
        };
        assert_eq!(dims(op(), &[f32(&[1, 1, 2, 2]), f32(&[1, 1, 2, 2])]), [1, 1, 4, 4]);
        let given = [f32(&[1, 1, 2, 2]), f32(&[1, 1, 2, 2]), vector(&[1, 1, 5, 5])];
        assert_eq!(dims(op(), &given), [1, 1, 5, 5]);
    }

    #[test]
    fn channels_may_come_last() {
        let pool = Op::Pool(Box::new(spec([3, 2], [2, 1], [[1, 0], [1, 1]], AutoPad::Explicit)));
        let last = |op| Op::ChannelsLast(Box::new(op));
        assert_eq!(dims(last(pool), &[f32(&[2, 12, 15, 3])]), [2, 6, 15, 3]); // as ONNX Runtime 1.31.1 gives it
        assert_eq!(dims(last(Op::GlobalPool(PoolKind::Max)), &[f32(&[2, 12, 15, 3])]), [2, 1, 1, 3]);
        assert!(message(last(Op::GlobalPool(PoolKind::Max)), &[f32(&[2, 3])]).contains("[N, spatial..., C]"));
    }
}
