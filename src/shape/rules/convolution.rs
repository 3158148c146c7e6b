//! Convolutions.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/convolution/convolution-1.html>
//! (also `group-convolution-1`, `convolution-backprop-data-1`, `group-convolution-backprop-data-1`,
//! `binary-convolution-1`, `deformable-convolution-1` and `-8`); ONNX `Conv`, `ConvTranspose`, `DeformConv`,
//! <https://onnx.ai/onnx/operators/>.
//! Opset history: unchanged since opset 1; opset 8 gives the deformable form a mask.
//!
//! Shapes, per spatial dim, with `dilated = (kernel - 1)·dilation + 1`:
//!
//! * forward: `floor((dim + pads - dilated) / stride) + 1`; same padding: `ceil(dim / stride)`;
//! * causal: as long as the data, and `kernel - 1` steps of state;
//! * backprop: `(dim - 1)·stride + dilated + output_padding - pads`, or the given spatial shape. Same padding without
//!   a given shape pads nothing in OpenVINO; in ONNX it takes `max(dilated - stride, 0)`.

use super::window::{Channels, ceil_div, is_same, signed, slides, split_spatial, unsigned};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Convolution, ConvolutionBackprop, FilterLayout};
use crate::shape::context::{Context, RuleResult, dim, mismatch, text, times};
use crate::shape::dim::{Dim, DimList};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::Convolution(spec) => forward(spec, context, 1, Channels::First),
        Op::DeformableConvolution(spec) => forward(spec, context, 2, Channels::First),
        Op::ChannelsLast(inner) => match &**inner {
            Op::Convolution(spec) => forward(spec, context, 1, Channels::Last),
            _ => Err(mismatch!("no convolution has this form with its channels last")),
        },
        Op::ConvolutionBackpropData(spec) => backprop(spec, context),
        Op::CausalConvolution { dilation, channels_last } => causal(*dilation, *channels_last, context),
        _ => Err(mismatch!("not a convolution")),
    }
}

fn forward(
    spec: &Convolution,
    context: &mut Context<'_>,
    filters_port: usize,
    layout: Channels,
) -> RuleResult {
    let data = context.shape(0)?;
    let (batch, channels, spatial) = layout.split(&data)?;
    let filters = Filters::read(context.dims(filters_port)?, spec.filters, spatial.len(), false)?;
    filters.check(channels)?;
    let mut dims = DimList::from_slice(&[batch, Dim::Known(filters.output_channels)]);
    let slides = slides(&spec.window, spatial.len())?;
    for ((&length, &kernel), slide) in spatial.iter().zip(filters.kernel).zip(slides) {
        let Dim::Known(length) = length else {
            dims.push(Dim::Unknown);
            continue;
        };
        let (length, dilated) = (signed(length)?, slide.dilated(signed(kernel)?)?);
        dims.push(Dim::Known(unsigned(if is_same(spec.window.auto_pad) {
            ceil_div(length, slide.stride)
        } else {
            slide.rest(length, dilated)? / slide.stride + 1
        })?));
    }
    context.emit_shape(dtype(context, filters_port), layout.arrange(dims));
    Ok(())
}

fn backprop(spec: &ConvolutionBackprop, context: &mut Context<'_>) -> RuleResult {
    let data = context.shape(0)?;
    let (batch, channels, spatial) = split_spatial(&data)?;
    let filters = Filters::read(context.dims(1)?, spec.filters, spatial.len(), true)?;
    filters.check(channels)?;
    let slides = slides(&spec.window, spatial.len())?;
    let mut dims = DimList::from_slice(&[batch, Dim::Known(filters.output_channels)]);
    if context.has(2) {
        let given = context.ints(2)?;
        if given.len() != spatial.len() {
            return Err(mismatch!(
                "output_shape has {} entries for {} spatial dims",
                given.len(),
                spatial.len()
            ));
        }
        for &length in given {
            dims.push(Dim::Known(dim(length)?));
        }
    } else {
        let output_padding = &spec.output_padding;
        if !output_padding.is_empty() && output_padding.len() != spatial.len() {
            return Err(mismatch!(
                "output_padding has {} entries for {} spatial dims",
                output_padding.len(),
                spatial.len()
            ));
        }
        let is_onnx = matches!(spec.filters, FilterLayout::Flat { .. });
        for (index, ((&length, &kernel), slide)) in spatial.iter().zip(filters.kernel).zip(slides).enumerate()
        {
            let Dim::Known(length) = length else {
                dims.push(Dim::Unknown);
                continue;
            };
            let dilated = slide.dilated(signed(kernel)?)?;
            let extra = i128::from(output_padding.get(index).copied().unwrap_or(0));
            let pads = if is_onnx && is_same(spec.window.auto_pad) {
                (dilated - slide.stride).max(0)
            } else {
                slide.pad_begin + slide.pad_end
            };
            let whole = (signed(length)? - 1) * slide.stride + dilated + extra - pads;
            dims.push(Dim::Known(unsigned(whole)?));
        }
    }
    context.emit_shape(dtype(context, 1), dims);
    Ok(())
}

fn causal(dilation: i64, channels_last: bool, context: &mut Context<'_>) -> RuleResult {
    let (data, filters) = (context.shape(0)?, context.dims(1)?);
    let (Some(&taps), true) = (filters.get(2), filters.len() == 3 && data.len() >= 3) else {
        return Err(mismatch!("data {} and filters {} must have 3 dims", text(&data), text(filters)));
    };
    let kept = times(taps.saturating_sub(1), dim(dilation)?)?;
    let mut state = data.clone();
    let axis = if channels_last { 1 } else { data.len() - 1 };
    state[axis] = Dim::Known(kept);
    context.emit_shape(context.dtype(0), data);
    context.emit_shape(context.dtype(0), state);
    Ok(())
}

/// What the shape of the filters says.
struct Filters<'a> {
    input_channels: u64,
    output_channels: u64,
    kernel: &'a [u64],
    dims: &'a [u64],
}

impl<'a> Filters<'a> {
    fn read(
        dims: &'a [u64],
        layout: FilterLayout,
        n_spatial: usize,
        is_backprop: bool,
    ) -> RuleResult<Filters<'a>> {
        let wrong_rank = || mismatch!("filters {} do not fit data of {n_spatial} spatial dims", text(dims));
        let (groups, rest) = match (layout, dims) {
            (FilterLayout::Grouped, [groups, rest @ ..]) => (*groups, rest),
            (FilterLayout::Grouped, []) => return Err(wrong_rank()),
            (FilterLayout::Flat { groups }, _) => (dim(groups)?, dims),
            (FilterLayout::Plain, _) => (1, dims),
        };
        let [first, second, kernel @ ..] = rest else { return Err(wrong_rank()) };
        if kernel.len() != n_spatial {
            return Err(wrong_rank());
        }
        let times = |channels: u64| {
            channels
                .checked_mul(groups)
                .ok_or_else(|| mismatch!("filters {} have too many channels", text(dims)))
        };
        let is_flat = matches!(layout, FilterLayout::Flat { .. });
        // The flat layouts list one group's channels only on the side that is not counted over all groups.
        let all = |channels: u64| if is_flat { Ok(channels) } else { times(channels) };
        let (input_channels, output_channels) =
            if is_backprop { (all(*first)?, times(*second)?) } else { (times(*second)?, all(*first)?) };
        Ok(Filters { input_channels, output_channels, kernel, dims })
    }

    fn check(&self, channels: Dim) -> RuleResult {
        if !channels.differs(Dim::Known(self.input_channels)) {
            return Ok(());
        }
        Err(mismatch!(
            "data has {channels} channels, and filters {} take {}",
            text(self.dims),
            self.input_channels
        ))
    }
}

/// The data's element type, or that of the filters where it is unknown.
fn dtype(context: &Context<'_>, filters_port: usize) -> DType {
    match context.dtype(0) {
        DType::Dynamic => context.dtype(filters_port),
        known => known,
    }
}

/// Expected shapes: OpenVINO 2026.4.1, `get_partial_shape` of the same nodes; ONNX's same padding: onnx 1.23
/// `ConvTranspose` shape inference.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{AutoPad, Window};
    use crate::shape::testing::{dims, f32, message, output, tensor, vector};

    fn window(strides: &[i64], begin: &[i64], end: &[i64], dilations: &[i64], auto_pad: AutoPad) -> Window {
        let [strides, pads_begin, pads_end, dilations] = [strides, begin, end, dilations].map(Into::into);
        Window { strides, pads_begin, pads_end, dilations, auto_pad }
    }

    fn forward(window: &Window, filters: FilterLayout, data: &[u64], weights: &[u64]) -> Vec<u64> {
        let op = Op::Convolution(Box::new(Convolution {
            window: window.clone(),
            filters,
            ..Convolution::default()
        }));
        dims(op, &[f32(data), f32(weights)])
    }

    fn backprop(window: Window, filters: FilterLayout, output_padding: &[i64]) -> Op {
        let output_padding = output_padding.into();
        Op::ConvolutionBackpropData(Box::new(ConvolutionBackprop { window, filters, output_padding }))
    }

    #[test]
    fn forward_follows_pads_strides_and_dilations() {
        use AutoPad::*;
        let plain =
            |spec: &Window, data: &[u64], weights: &[u64]| forward(spec, FilterLayout::Plain, data, weights);
        let stem = window(&[2, 2], &[3, 3], &[3, 3], &[1, 1], Explicit);
        assert_eq!(plain(&stem, &[1, 3, 224, 224], &[64, 3, 7, 7]), [1, 64, 112, 112]);
        assert_eq!(plain(&window(&[2], &[0], &[1], &[3], Explicit), &[2, 5, 20], &[7, 5, 3]), [2, 7, 8]);
        let volume = window(&[1, 2, 3], &[0, 1, 0], &[0, 0, 2], &[1, 2, 2], Explicit);
        assert_eq!(plain(&volume, &[1, 2, 9, 10, 11], &[4, 2, 1, 2, 3]), [1, 4, 9, 5, 3]);
        let negative = window(&[1, 1], &[-1, -1], &[-2, 3], &[1, 1], Explicit);
        assert_eq!(plain(&negative, &[1, 2, 9, 20], &[4, 2, 3, 3]), [1, 4, 7, 20]);
        for (auto_pad, expected) in [(SameUpper, [5, 3]), (SameLower, [5, 3]), (Valid, [3, 2])] {
            let spec = window(&[2, 4], &[9, 9], &[9, 9], &[2, 2], auto_pad);
            assert_eq!(plain(&spec, &[1, 2, 9, 10], &[4, 2, 3, 3])[2..], expected);
        }
        assert_eq!(plain(&Window::default(), &[1, 2, 9, 10], &[4, 2, 3, 3]), [1, 4, 7, 8]);
    }

    #[test]
    fn groups_are_read_off_either_layout() {
        let spec = window(&[1, 1], &[1, 1], &[1, 1], &[1, 1], AutoPad::Explicit);
        let expected = [1, 12, 10, 10];
        assert_eq!(forward(&spec, FilterLayout::Grouped, &[1, 6, 10, 10], &[3, 4, 2, 3, 3]), expected);
        assert_eq!(
            forward(&spec, FilterLayout::Flat { groups: 3 }, &[1, 6, 10, 10], &[12, 2, 3, 3]),
            expected
        );
    }

    #[test]
    fn binary_and_deformable_forms_keep_the_data_type() {
        let op = Op::Convolution(Box::default());
        let inputs = [tensor(DType::F16, &[1, 3, 9, 9]), tensor(DType::U1, &[5, 3, 2, 2])];
        assert_eq!(output(op, &inputs), crate::shape::TensorInfo::known(DType::F16, [1, 5, 8, 8]));

        let filters = FilterLayout::Flat { groups: 2 };
        let op = Op::DeformableConvolution(Box::new(Convolution { filters, ..Convolution::default() }));
        let inputs = [f32(&[1, 4, 9, 9]), f32(&[1, 36, 7, 7]), f32(&[6, 2, 3, 3]), f32(&[1, 18, 7, 7])];
        assert_eq!(dims(op, &inputs), [1, 6, 7, 7]);
    }

    #[test]
    fn backprop_undoes_a_convolution() {
        let spec = |auto_pad| window(&[2, 3], &[1, 0], &[0, 1], &[1, 2], auto_pad);
        for (auto_pad, output_padding, expected) in [
            (AutoPad::Explicit, &[][..], [1, 3, 10, 21]),
            (AutoPad::Explicit, &[1, 2], [1, 3, 11, 23]),
            (AutoPad::SameUpper, &[], [1, 3, 11, 22]),
            (AutoPad::Valid, &[1, 1], [1, 3, 12, 23]),
        ] {
            let op = backprop(spec(auto_pad), FilterLayout::Plain, output_padding);
            assert_eq!(dims(op, &[f32(&[1, 8, 5, 6]), f32(&[8, 3, 3, 4])]), expected);
        }
        let given = backprop(spec(AutoPad::SameLower), FilterLayout::Plain, &[1, 1]);
        assert_eq!(dims(given, &[f32(&[1, 8, 5, 6]), f32(&[8, 3, 3, 4]), vector(&[10, 21])]), [1, 3, 10, 21]);
        let to_nothing = backprop(spec(AutoPad::Explicit), FilterLayout::Plain, &[]);
        assert_eq!(dims(to_nothing, &[f32(&[1, 8, 1, 6]), f32(&[8, 3, 1, 4])]), [1, 3, 0, 21]);
    }

    #[test]
    fn backprop_reads_groups_off_either_layout() {
        let spec = window(&[2, 2], &[1, 1], &[1, 1], &[1, 1], AutoPad::Explicit);
        let grouped = backprop(spec.clone(), FilterLayout::Grouped, &[1, 1]);
        assert_eq!(dims(grouped, &[f32(&[1, 8, 5, 5]), f32(&[4, 2, 3, 3, 3])]), [1, 12, 10, 10]);
        let flat = backprop(spec, FilterLayout::Flat { groups: 4 }, &[1, 1]);
        assert_eq!(dims(flat, &[f32(&[1, 8, 5, 5]), f32(&[8, 3, 3, 3])]), [1, 12, 10, 10]);
        let same = window(&[2, 2], &[], &[], &[], AutoPad::SameUpper);
        let same = backprop(same, FilterLayout::Flat { groups: 1 }, &[]);
        assert_eq!(dims(same, &[f32(&[1, 8, 5, 5]), f32(&[8, 3, 3, 3])]), [1, 3, 10, 10]);
    }

    #[test]
    fn hostile_attributes_are_mismatches() {
        let run = |spec: Window, data: &[u64], weights: &[u64]| {
            message(
                Op::Convolution(Box::new(Convolution { window: spec, ..Convolution::default() })),
                &[f32(data), f32(weights)],
            )
        };
        let (data, weights) = (&[1, 2, 9, 9][..], &[4, 2, 3, 3][..]);
        let strides = |strides: &[i64]| window(strides, &[], &[], &[], AutoPad::Explicit);
        let at_least_1 = "stride and dilation must be at least 1, and are 0 and 1";
        assert_eq!(run(strides(&[0, 1]), data, weights), at_least_1);
        assert_eq!(run(strides(&[1]), data, weights), "strides has 1 entries for 2 spatial dims");
        let huge = window(&[1, 1], &[i64::MAX, 0], &[i64::MAX, 0], &[1, 1], AutoPad::Explicit);
        assert_eq!(run(huge, data, weights), "the output dim would be 18446744073709551621");
        let huge = window(&[], &[], &[], &[i64::MAX, i64::MAX], AutoPad::Explicit);
        assert_eq!(
            run(huge, data, weights),
            "a window of 18446744073709551615 does not fit the padded dim of 9"
        );
        assert_eq!(
            run(Window::default(), data, &[4, 2, 3]),
            "filters [4,2,3] do not fit data of 2 spatial dims"
        );
        assert_eq!(
            run(Window::default(), data, &[4, 3, 3, 3]),
            "data has 2 channels, and filters [4,3,3,3] take 3"
        );
        assert_eq!(run(Window::default(), data, &[4, 2, 0, 3]), "a kernel dim must be at least 1, and is 0");
        assert_eq!(run(Window::default(), &[1, 2], weights), "data must be [N, C, spatial...], and is [1,2]");
        let flat = FilterLayout::Flat { groups: i64::MAX };
        let op = Op::Convolution(Box::new(Convolution { filters: flat, ..Convolution::default() }));
        assert_eq!(message(op, &[f32(data), f32(&[4, 3, 3, 3])]), "filters [4,3,3,3] have too many channels");
        let op = backprop(strides(&[i64::MAX, 1]), FilterLayout::Plain, &[i64::MIN, 0]);
        assert!(message(op, &[f32(&[1, 4, 1, 9]), f32(weights)]).starts_with("the output dim would be -"));
    }

    #[test]
    fn causal_convolutions_keep_their_last_steps() {
        let inputs = [f32(&[2, 8, 5]), f32(&[8, 1, 4])];
        let op = |dilation, channels_last| Op::CausalConvolution { dilation, channels_last };
        let outputs = crate::shape::testing::all_dims(op(1, false), &inputs, 2);
        assert_eq!(outputs, [[2, 8, 5], [2, 8, 3]]);
        let inputs = [f32(&[2, 5, 4, 2]), f32(&[8, 1, 4])];
        let outputs = crate::shape::testing::all_dims(op(2, true), &inputs, 2);
        assert_eq!(outputs, [[2, 5, 4, 2], [2, 6, 4, 2]]);
        assert!(message(op(1, false), &[f32(&[2, 8]), f32(&[8, 1, 4])]).contains("must have 3 dims"));
    }
}
