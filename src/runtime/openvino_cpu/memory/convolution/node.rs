//! The sizes of an executed convolution.

use super::shape::{Sizes, div_up};
use crate::dtype::DType;
use crate::graph::op::{AutoPad, Ints, Window};
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, ZeroPoints};

/// The sizes of a convolution; `None` of another node, or where dims contradict each other.
pub(super) fn sizes(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<Sizes> {
    if node.kind != Kind::Convolution {
        return None;
    }
    let (data, weight, output) = (graph.input(node, 0)?, graph.input(node, 1)?, node.outputs.first()?);
    let n_spatial = data.dims.len().checked_sub(2).filter(|n| (1..=3).contains(n))?;
    let is_grouped = weight.dims.len() == data.dims.len() + 1;
    let dim = |dims: &[u64], index: usize| i64::try_from(*dims.get(index)?).ok().filter(|dim| *dim > 0);
    let groups = if is_grouped { dim(&weight.dims, 0)? } else { 1 };
    let channels = usize::from(is_grouped);
    let mut sizes = Sizes {
        batch: dim(&data.dims, 0)?,
        groups,
        outputs: dim(&weight.dims, channels)?,
        inputs: dim(&weight.dims, channels + 1)?,
        input: [1; 3],
        output: [1; 3],
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad: [0; 3],
        n_spatial,
        is_grouped,
        // Weights are converted to the type of the data; of bytes they are bytes.
        bytes: [size(data.dtype), size(data.dtype), size(output.dtype)],
        has_post_operation: node.inputs.len() > 2 || node.originals.len() > 1,
        has_sum: node.addend.is_some(),
        zero_points: node.zero_points,
        has_output_scale: node.zero_points == ZeroPoints::PerChannel
            && node.shares_kernel
            && !output.dtype.is_float(),
        has_moved_columns: false,
    };
    for index in 0..n_spatial {
        let axis = 3 - n_spatial + index;
        sizes.input[axis] = dim(&data.dims, index + 2)?;
        sizes.output[axis] = dim(&output.dims, index + 2)?;
        sizes.kernel[axis] = dim(&weight.dims, channels + index + 2)?;
        match &node.window {
            Some(window) => place(&mut sizes, axis, index, window),
            None => guess(&mut sizes, axis),
        }
    }
    Some(sizes)
}

/// The sizes of a product of rows `data` [… M, K] with `weight` [N, K] that runs as a convolution of one element: rows are
/// columns of an image.
///
/// Source: `convolution_1x1_dnnl`, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/nodes/executors/fullyconnected_implementations.cpp.
pub(super) fn of_product(data: &[u64], [outputs, inputs]: [u64; 2]) -> Option<Sizes> {
    let number = |size: u64| i64::try_from(size).ok().filter(|&size| size > 0);
    let (rows, leading) = data.split_last()?.1.split_last()?;
    let batch = leading.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    let image = [1, 1, number(*rows)?];
    Some(Sizes {
        batch: number(batch)?,
        groups: 1,
        outputs: number(outputs)?,
        inputs: number(inputs)?,
        input: image,
        output: image,
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad: [0; 3],
        n_spatial: 1,
        is_grouped: false,
        bytes: [4; 3],
        has_post_operation: true,
        has_sum: false,
        zero_points: ZeroPoints::None,
        has_output_scale: false,
        has_moved_columns: false,
    })
}

/// Bytes of an element.
fn size(dtype: DType) -> i64 {
    dtype.bytes(1).and_then(|bytes| i64::try_from(bytes.0).ok()).unwrap_or(4)
}

fn place(sizes: &mut Sizes, axis: usize, index: usize, window: &Window) {
    let get = |list: &Ints, default| list.get(index).copied().unwrap_or(default);
    sizes.stride[axis] = get(&window.strides, 1).max(1);
    sizes.dilation[axis] = get(&window.dilations, 1).max(1);
    // What is padded in all, from the sizes.
    let both = (sizes.end_pad(axis) + sizes.pad[axis]).max(0);
    sizes.pad[axis] = match window.auto_pad {
        AutoPad::Explicit => get(&window.pads_begin, 0),
        AutoPad::SameUpper => both / 2,
        AutoPad::SameLower => div_up(both, 2),
        AutoPad::Valid => 0,
    };
}

/// Stride and padding of a convolution of an execution graph, which has sizes alone: dense, and padded alike on both sides.
fn guess(sizes: &mut Sizes, axis: usize) {
    let (input, output, kernel) = (sizes.input[axis], sizes.output[axis], sizes.kernel[axis]);
    let stride = if output <= 1 { 1 } else { ((input + kernel / 2) / output).max(1) };
    sizes.stride[axis] = stride;
    sizes.pad[axis] = ((output - 1) * stride + kernel - input).max(0) / 2;
}
