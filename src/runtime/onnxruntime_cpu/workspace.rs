//! The workspace that kernels ask for while they run.
//!
//! Source: ONNX Runtime 1.31.1, CPU: the requests that its arena logs for one node at a time, with
//! `kSameAsRequested` and without memory pattern, for 70 operators.

use super::integers::{self, product, reads_every_position};
use super::kernel::{Kernel, Nhwc};
use super::work::Work;
use super::{attention, moe};
use crate::DType;
use crate::graph::{Op, OpKind};
use crate::machine::Machine;

/// Workspace that a node asks the arena for while it runs, in bytes, in the order of the requests.
pub(super) fn scratch(work: &Work<'_>, node: usize, machine: &Machine) -> Vec<u64> {
    let threads = u64::from(machine.cores);
    let output = || work.output(node).and_then(|value| work.bytes(value));
    let input = |index: usize| work.input(node, index).and_then(|value| work.bytes(value));
    let requests: Vec<Option<u64>> = match work.nodes[node].kind {
        // The sum of input and bias.
        Kernel::BiasGelu | Kernel::FastGelu => vec![output()],
        // Both branches, selected against zeros, each as large as what the condition is broadcast with.
        Kernel::Where => {
            let selected = |index| {
                input(index).map(|bytes| if bytes <= 16 { bytes } else { bytes.max(output().unwrap_or(0)) })
            };
            vec![selected(1), selected(2)]
        }
        Kernel::MeanVarianceNormalization => vec![output(), output()],
        Kernel::Conv | Kernel::FusedConv => vec![columns(work, node, threads)],
        Kernel::ConvTranspose => vec![transposed_columns(work, node)],
        Kernel::Other(OpKind::ConvInteger) => vec![integer_columns(work, node)],
        // The data as integers; the result before it is quantised.
        Kernel::DynamicQuantizeMatMul => vec![input(0).map(|bytes| bytes / 4)],
        Kernel::QLinearConv | Kernel::Nhwc(Nhwc::Conv) => {
            integers::convolution_scratch(work, node).into_iter().flatten().map(Some).collect()
        }
        // The sums.
        Kernel::QLinearMatMul => vec![output().and_then(|bytes| bytes.checked_mul(4))],
        // The data as numbers.
        Kernel::QLinearAveragePool | Kernel::Nhwc(Nhwc::AveragePool) => {
            vec![input(0).and_then(|bytes| bytes.checked_mul(4))]
        }
        Kernel::Nhwc(Nhwc::MaxPool) => vec![integers::pool_scratch(work, node)],
        Kernel::QGemm => {
            vec![output().and_then(|bytes| bytes.checked_mul(4)).filter(|_| is_byte(work, node))]
        }
        // Both summands, the sum and the result in single.
        Kernel::SkipLayerNormalization | Kernel::SkipSimplifiedLayerNormalization if is_half(work, node) => {
            let single = output().and_then(|bytes| bytes.checked_mul(2));
            vec![single; if work.nodes[node].outputs.len() > 1 { 4 } else { 3 }]
        }
        Kernel::MoE | Kernel::QMoE => return moe::workspace(work, node, machine).unwrap_or_default(),
        _ => return attention::workspace(work, node, machine),
    };
    requests.into_iter().flatten().filter(|&bytes| bytes > 0).collect()
}

fn is_half(work: &Work<'_>, node: usize) -> bool {
    work.output(node).is_some_and(|value| work.values[value].dtype == DType::F16)
}

fn is_byte(work: &Work<'_>, node: usize) -> bool {
    work.output(node).is_some_and(|value| work.values[value].dtype.bits() == Some(8))
}

/// The column buffer of a convolution that is not blocked; one of 1×1 reads its input as it is.
///
/// Where there are more filters than output positions, all columns of an image are written out; else each thread has
/// a strip of 128 × 128.
///
/// Source: `MlasConvPrepare`, onnxruntime/core/mlas/lib/convolve.cpp.
fn columns(work: &Work<'_>, node: usize, threads: u64) -> Option<u64> {
    const STRIP: u64 = 128 * 128 * 4;
    let filters = work.values[work.input(node, 1)?].dims.as_ref()?;
    let output = work.values[work.output(node)?].dims.as_ref()?;
    let (window, positions) = (product(filters.get(2..)?)?, product(output.get(2..)?)?);
    if window == 1 {
        return None;
    }
    match *filters.first()? > positions {
        true => positions.checked_mul(product(filters.get(1..)?)?)?.checked_mul(4),
        false => STRIP.checked_mul(threads),
    }
}

/// The column buffer of a transposed convolution: the products of one image, for each position of the input.
///
/// Source: `ConvTranspose<float>::DoConvTranspose`, onnxruntime/core/providers/cpu/nn/conv_transpose.cc.
fn transposed_columns(work: &Work<'_>, node: usize) -> Option<u64> {
    let filters = work.values[work.input(node, 1)?].dims.as_ref()?;
    let input = work.values[work.input(node, 0)?].dims.as_ref()?;
    product(filters.get(1..)?)?.checked_mul(product(input.get(2..)?)?)?.checked_mul(4)
}

/// The column buffer of a convolution of integers, of one image; none if one tap reads every position where it is.
///
/// Source: `ConvInteger::Compute`, onnxruntime/core/providers/cpu/quantization/conv_integer.cc.
fn integer_columns(work: &Work<'_>, node: usize) -> Option<u64> {
    let filters = work.values[work.input(node, 1)?].dims.as_ref()?;
    let output = work.values[work.output(node)?].dims.as_ref()?;
    let taps = product(filters.get(2..)?)?;
    let Op::Quantized(spec) = &work.graph.node(work.nodes[node].source).op else { return None };
    let Op::Convolution(convolution) = &spec.op else { return None };
    if taps == 1 && reads_every_position(&convolution.window) {
        return None;
    }
    product(filters.get(1..)?)?.checked_mul(product(output.get(2..)?)?)
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft;
    use super::*;
    use crate::ids::TensorId;

    /// Workspace of the node that writes a tensor, with two threads.
    fn workspace(draft: Draft, written: TensorId) -> Vec<u64> {
        draft.with(|work| {
            let node = work.writer(written.index()).unwrap();
            scratch(work, node, &Machine::default())
        })
    }

    #[test]
    fn a_selection_has_both_branches_as_wide_as_the_condition_makes_them() {
        let of = |number: bool| {
            let mut draft = Draft::default();
            let (condition, x) = (draft.input_of(DType::Boolean, &[2, 8]), draft.input(&[2, 8]));
            let row = if number { draft.number(1.0) } else { draft.input(&[8]) };
            let output = draft.node(Kernel::Where, &[condition, x, row]);
            draft.returns(output);
            workspace(draft, output)
        };
        assert_eq!(of(false), [64, 64]);
        // A number stays one.
        assert_eq!(of(true), [64, 4]);
    }

    #[test]
    fn a_convolution_writes_out_columns() {
        let of = |filters: &[u64]| {
            let mut draft = Draft::default();
            let (x, filters) = (draft.input(&[1, 3, 8, 8]), draft.weight(filters));
            let output = draft.node(Kernel::Conv, &[x, filters]);
            draft.returns(output);
            workspace(draft, output)
        };
        // More filters than the 36 positions of the result: all columns, of 27 numbers each.
        assert_eq!(of(&[64, 3, 3, 3]), [36 * 27 * 4]);
        // Else a strip for each thread.
        assert_eq!(of(&[4, 3, 3, 3]), [2 * 128 * 128 * 4]);
        // The columns of 1 x 1 are the image.
        assert_eq!(of(&[64, 3, 1, 1]), [0_u64; 0]);
    }

    #[test]
    fn a_bias_is_added_before_its_gelu() {
        let mut draft = Draft::default();
        let (x, bias) = (draft.input(&[2, 8]), draft.weight(&[8]));
        let output = draft.node(Kernel::BiasGelu, &[x, bias]);
        draft.returns(output);
        assert_eq!(workspace(draft, output), [64]);
    }

    #[test]
    fn a_norm_in_half_precision_works_in_single() {
        let of = |dtype| {
            let mut draft = Draft::default();
            let (x, skip) = (draft.input_of(dtype, &[1, 2, 8]), draft.input_of(dtype, &[1, 2, 8]));
            let gamma = draft.stored(dtype, &[8]);
            let output = draft.node(Kernel::SkipLayerNormalization, &[x, skip, gamma]);
            draft.returns(output);
            workspace(draft, output)
        };
        // Both summands and the result.
        assert_eq!(of(DType::F16), [64; 3]);
        assert_eq!(of(DType::F32), [0_u64; 0]);
    }

    #[test]
    fn most_kernels_have_no_workspace() {
        let mut draft = Draft::default();
        let x = draft.input(&[2, 8]);
        let output = draft.node(Kernel::Exp, &[x]);
        draft.returns(output);
        assert_eq!(workspace(draft, output), [0_u64; 0]);
    }
}
