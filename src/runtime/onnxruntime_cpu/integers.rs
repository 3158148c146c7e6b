//! Convolutions and pools of integers: what they ask the arena for, and how their filters are packed.
//!
//! A convolution is *symmetric* where kernels of its own compute it: unsigned data, signed filters with zero points of 0,
//! and channels that the kernels' blocks divide. Others go through a product of integers with sums of 32 bits.
//!
//! Source: onnxruntime/core/providers/cpu/quantization/qlinearconv.cc (`PrePack`, `Compute`),
//! onnxruntime/core/mlas/lib/convsym.cpp (`MlasConvSymPackWSize`); all sizes checked against the requests that the arena of
//! ONNX Runtime 1.31.1 logs for 60 convolutions and pools, one at a time, on AVX-512 VNNI.

use super::kernel::{Kernel, Nhwc};
use super::work::Work;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Convolution, Window};

/// Filters that the symmetric kernels compute side by side.
///
/// Source: ONNX Runtime 1.31.1, requests of its arena: 16 filters are symmetric, 15 are not; of depthwise ones 16, 20 and 24.
const FILTERS: u64 = 16;
/// Channels of the symmetric kernels are a multiple of this.
///
/// Source: ONNX Runtime 1.31.1, requests of its arena: 4, 8, 12 and 20 channels are symmetric, 6 and 34 are not.
const CHANNELS: u64 = 4;
/// A pointer of the table of taps.
///
/// Source: `sizeof(const void*)` of x86-64.
const POINTER: u64 = 8;

/// Positions of a pool that share a table of taps.
///
/// Source: ONNX Runtime 1.31.1, requests of its arena: 36,864 bytes for nine taps of 4,096 positions.
const POSITIONS: u64 = 512;

/// A convolution of integers.
struct Shape<'a> {
    images: u64,
    filters: u64,
    /// Channels that one filter reads.
    channels: u64,
    /// Taps of a filter per channel.
    taps: u64,
    /// Positions of an image of the result.
    positions: u64,
    groups: u64,
    /// Bytes of an image of the data.
    image: u64,
    window: &'a Window,
    /// Unsigned data, signed filters with zero points of 0.
    may_be_symmetric: bool,
    is_last: bool,
}

impl<'a> Shape<'a> {
    fn of(work: &'a Work<'_>, node: usize) -> Option<Shape<'a>> {
        let (data, weight) = (work.input(node, 0)?, work.input(node, 1)?);
        let is_last = work.nodes[node].kind == Kernel::Nhwc(Nhwc::Conv);
        let &[filters, channels, ref kernel @ ..] = work.values[weight].dims.as_deref()? else { return None };
        let &[images, ref sides @ ..] = work.values[work.output(node)?].dims.as_deref()? else { return None };
        let sides = if is_last { sides.split_last()?.1 } else { sides.split_first()?.1 };
        let inputs = work.values[data].dims.as_deref()?;
        let all = *if is_last { inputs.last()? } else { inputs.get(1)? };
        let is_zero = match work.input(node, 5) {
            // That filters are symmetric is what quantizers do; of a stripped file the numbers may be missing.
            Some(zero) => work.number(zero).is_none_or(|zero| zero == 0.0),
            None => true,
        };
        let of = |value: usize| work.values[value].dtype;
        Some(Shape {
            images,
            filters,
            channels,
            taps: product(kernel)?,
            positions: product(sides)?,
            groups: all.checked_div(channels)?,
            image: work.bytes(data)?.checked_div(images)?,
            window: &convolution(work, node)?.window,
            may_be_symmetric: of(data) == DType::U8 && of(weight) == DType::I8 && is_zero,
            is_last,
        })
    }

    fn is_depthwise(&self) -> bool {
        self.channels == 1 && self.groups == self.filters && self.groups > 1
    }

    fn is_symmetric(&self) -> bool {
        self.may_be_symmetric
            && match self.groups {
                1 => self.filters >= FILTERS && self.channels.is_multiple_of(CHANNELS),
                _ => self.is_depthwise() && self.groups.is_multiple_of(FILTERS),
            }
    }

    /// Each output position reads one input position.
    fn is_pointwise(&self) -> bool {
        self.taps == 1 && reads_every_position(self.window)
    }
}

/// What a convolution asks for while it runs, in order.
pub(super) fn convolution_scratch(work: &Work<'_>, node: usize) -> Option<Vec<u64>> {
    let shape = Shape::of(work, node)?;
    let result = shape.positions.checked_mul(shape.filters)?;
    let mut requests = Vec::new();
    if !shape.is_symmetric() {
        requests.push(result.checked_mul(4)?);
    }
    if !shape.is_last {
        requests.extend([shape.image, result]);
    }
    if shape.is_pointwise() {
        return Some(requests);
    }
    let taps = shape.positions.checked_mul(shape.taps)?;
    requests.push(if shape.is_symmetric() && shape.is_last {
        // All images at once.
        taps.checked_mul(POINTER)?.checked_mul(shape.images)?
    } else if shape.is_symmetric() || shape.is_depthwise() {
        taps.checked_mul(POINTER)?
    } else {
        taps.checked_mul(shape.channels)?
    });
    Some(requests)
}

/// The table of taps of a pool with channels last, for some positions at a time.
///
/// Source: `NhwcMaxPool<T8Bits>::Compute`, onnxruntime/contrib_ops/cpu/quantization/nhwc_max_pool.cc.
pub(super) fn pool_scratch(work: &Work<'_>, node: usize) -> Option<u64> {
    let Op::Pool(pool) = &work.graph.node(work.nodes[node].source).op else { return None };
    let &[_, ref sides @ .., _] = work.values[work.output(node)?].dims.as_deref()? else { return None };
    let taps =
        pool.kernel.iter().try_fold(1_u64, |taps, &side| taps.checked_mul(u64::try_from(side).ok()?))?;
    product(sides)?.min(POSITIONS).checked_mul(taps)?.checked_mul(POINTER)
}

/// Bytes of a packed matrix: panels of 16 columns, rows in fours, and a sum of 32 bits for each column.
///
/// Source: `MlasGemmPackBSize`, onnxruntime/core/mlas/lib/qgemm.cpp.
pub(super) fn panels(columns: u64, rows: u64) -> Option<u64> {
    let panels = columns.checked_next_multiple_of(16)?.checked_mul(rows.checked_next_multiple_of(4)?)?;
    panels.checked_add(columns.checked_mul(4)?)
}

/// Bytes of the packed filters of a convolution.
pub(super) fn packed(work: &Work<'_>, node: usize) -> Option<u64> {
    let shape = Shape::of(work, node)?;
    let rows = shape.channels.checked_mul(shape.taps)?;
    if shape.is_depthwise() {
        return shape.groups.checked_mul(shape.taps);
    }
    if shape.is_symmetric() {
        return shape.filters.checked_next_multiple_of(FILTERS)?.checked_mul(rows);
    }
    panels(shape.filters.checked_div(shape.groups)?, rows)?.checked_mul(shape.groups)
}

/// Whether a product transposes its matrix before it packs it, in a buffer of the arena.
///
/// Source: `MatMulIntegerBase::PrePack`, onnxruntime/core/providers/cpu/quantization/matmul_integer_base.h; the arena of 1.31.1
/// logs the request when the session is made.
pub(super) fn is_transposed(work: &Work<'_>, node: usize) -> bool {
    let op = &work.graph.node(work.nodes[node].source).op;
    let op = if let Op::Quantized(spec) = op { &spec.op } else { op };
    work.nodes[node].kind == Kernel::QGemm && matches!(op, Op::Gemm { transpose_b: true, .. })
}

fn convolution<'a>(work: &'a Work<'_>, node: usize) -> Option<&'a Convolution> {
    match &work.graph.node(work.nodes[node].source).op {
        Op::Convolution(convolution) => Some(convolution),
        Op::Quantized(spec) => match &spec.op {
            Op::Convolution(convolution) => Some(convolution),
            _ => None,
        },
        _ => None,
    }
}

/// No stride and no padding.
pub(super) fn reads_every_position(window: &Window) -> bool {
    let pads = window.pads_begin.iter().chain(&window.pads_end);
    window.strides.iter().all(|&stride| stride == 1) && pads.into_iter().all(|&pad| pad == 0)
}

/// A product of dims, if it fits.
pub(super) fn product(dims: &[u64]) -> Option<u64> {
    dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim))
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft;
    use super::*;
    use crate::graph::op::{ConvolutionForm, ElementType, FilterLayout, Quantized, QuantizedForm};

    /// What a convolution of 20 × 20 positions with a border asks for, and its packed filters.
    fn of(filters: &[u64], groups: u64, of_filters: DType) -> (Vec<u64>, u64) {
        let mut draft = Draft::default();
        let data = draft.input_of(DType::U8, &[1, filters[1] * groups, 20, 20]);
        let weight = draft.stored(of_filters, filters);
        let (scale, zero) = (draft.number(0.1), draft.stored(DType::U8, &[]));
        let own = draft.stored(of_filters, &[]);
        let border = || std::iter::repeat_n((filters[2] as i64 - 1) / 2, 2).collect();
        let window = Window { pads_begin: border(), pads_end: border(), ..Window::default() };
        let form = ConvolutionForm::Plain;
        let filters = FilterLayout::Flat { groups: groups as i64 };
        let op = Op::Convolution(Box::new(Convolution { form, window, filters }));
        let (form, to) = (QuantizedForm::Linear, ElementType::OfInput(7));
        let op = Op::Quantized(Box::new(Quantized { form, op, to }));
        let output =
            draft.outputs(op, &[DType::U8], &[data, weight, scale, zero, scale, own, scale, zero])[0];
        draft.returns(output);
        draft.with(|work| {
            let node = work.alive().next().unwrap();
            (convolution_scratch(work, node).unwrap(), packed(work, node).unwrap())
        })
    }

    /// Requests as the arena of 1.31.1 logs them.
    #[test]
    fn convolutions_ask_for_what_the_arena_logs() {
        let (signed, unsigned) = (DType::I8, DType::U8);
        assert_eq!(of(&[48, 32, 1, 1], 1, signed).0, [12_800, 19_200]);
        assert_eq!(of(&[48, 32, 3, 3], 1, signed).0, [12_800, 19_200, 28_800]);
        assert_eq!(of(&[48, 32, 3, 3], 1, unsigned).0, [76_800, 12_800, 19_200, 115_200]);
        assert_eq!(of(&[32, 1, 3, 3], 32, signed).0, [12_800, 12_800, 28_800]);
        assert_eq!(of(&[20, 1, 3, 3], 20, signed).0, [32_000, 8_000, 8_000, 28_800]);
        assert_eq!(of(&[12, 32, 3, 3], 1, signed).0[0], 19_200);
        assert_eq!(of(&[32, 6, 3, 3], 1, signed).0[0], 51_200);
    }

    #[test]
    fn packed_filters_are_padded_to_blocks() {
        assert_eq!(of(&[20, 32, 3, 3], 1, DType::I8).1, 32 * 288);
        assert_eq!(of(&[32, 1, 3, 3], 32, DType::I8).1, 288);
        assert_eq!(of(&[20, 5, 1, 1], 1, DType::U8).1, 32 * 8 + 80);
    }
}
