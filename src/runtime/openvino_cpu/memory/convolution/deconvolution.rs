//! The workspace of a transposed convolution with strides: every thread has a copy of the whole input.
//!
//! Source: `init_conf` and `init_scratchpad`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_bwd_utils.cpp: `inp_buffer_size`, which
//! is booked whether or not the input is copied; the nested booking, `brgemm_deconvolution_fwd_t::pd_t::init`,
//! jit_brgemm_deconv.cpp.

use super::scratch::{Scratch, batch, total};
use super::shape::{div_up, round_up};
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph};

/// What aligns a booking inside of another.
///
/// Source: `default_alignment`, oneDNN 3.13, src/common/memory_tracking.hpp.
const NESTED: u64 = 128;

/// Elements that buffers are rounded up to.
///
/// Source: `init_conf` (`P4K`), oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_bwd_utils.cpp.
const PAGE: i64 = 4096;

/// Bytes of workspace of a transposed convolution; `None` where its strides are 1, which is computed as a convolution.
pub(in crate::runtime::openvino_cpu::memory) fn scratch(
    graph: &ExecutionGraph,
    node: &ExecutedNode,
    machine: &Machine,
) -> Option<Scratch> {
    let (data, weight, output) = (graph.input(node, 0)?, graph.input(node, 1)?, node.outputs.first()?);
    let n_spatial = data.dims.len().checked_sub(2).filter(|n| (1..=3).contains(n))?;
    let is_grouped = weight.dims.len() == data.dims.len() + 1;
    let first = usize::from(is_grouped) + 2;
    let number = |dims: &[u64], index: usize| i64::try_from(*dims.get(index)?).ok().filter(|dim| *dim > 0);
    let (mut rows, mut elements, mut in_kernel, mut width) = (1_i64, 1_i64, 1_i64, 1_i64);
    let mut has_strides = false;
    for axis in 0..n_spatial {
        let (from, to) = (number(&data.dims, axis + 2)?, number(&output.dims, axis + 2)?);
        let kernel = number(&weight.dims, first + axis)?;
        let window = node.window.as_deref();
        let of = |list: Option<&i64>, default| list.copied().unwrap_or(default);
        let stride = of(window.and_then(|window| window.strides.get(axis)), (to / from).max(1)).max(1);
        let dilation = of(window.and_then(|window| window.dilations.get(axis)), 1).max(1);
        let pad = of(window.and_then(|window| window.pads_begin.get(axis)), 0);
        let extent = (kernel - 1) * dilation + 1;
        // What the kernel reads outside of the input, on both sides.
        let end = (from - 1) * stride + extent - to - pad;
        let outside = |pad: i64| (extent - 1 - pad).max(0) / stride;
        elements = elements.saturating_mul(from + outside(pad) + outside(end));
        in_kernel = in_kernel.saturating_mul(kernel);
        has_strides |= stride > 1;
        (rows, width) = (rows.saturating_mul(from), div_up(to, stride));
    }
    if !has_strides || rows <= 0 {
        return None;
    }
    let threads = i64::from(machine.cores.max(1));
    let bytes = |dtype: crate::dtype::DType| dtype.bytes(1).and_then(|bytes| i64::try_from(bytes.0).ok());
    let channels = number(&data.dims, 1)?;
    let outputs = number(&weight.dims, first - 1)?;
    let lanes = if machine.isa.has_avx512() { 16 } else { 8 };
    // Sums of one row of columns that no stride separates.
    let sums =
        if bytes(output.dtype)? == 4 { 0 } else { width * round_up(outputs, lanes).min(4 * lanes) * 4 };
    let copied =
        threads * round_up(elements.saturating_mul(channels), PAGE).saturating_mul(bytes(data.dtype)?);
    let bytes = total(&[batch(in_kernel, threads), copied, threads * PAGE, threads * sums]) + NESTED;
    // AMX alone copies the input.
    let unwritten = if machine.isa.has_amx() { 0 } else { u64::try_from(copied).unwrap_or(0) };
    Some(Scratch { bytes, written: bytes.saturating_sub(unwritten) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::graph::Dims;
    use crate::machine::Isa;
    use crate::runtime::openvino_cpu::execution::{Kind, Output, Port};

    fn upsampled(channels: [u64; 2], size: u64, dtype: DType, isa: Isa) -> u64 {
        let output = |dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: false,
            layout: Default::default(),
        };
        let [from, to] = channels;
        let node = |kind, dims: &[u64], inputs: &[u32]| ExecutedNode {
            kind,
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output(dims)].into_iter().collect(),
            ..ExecutedNode::default()
        };
        let nodes = vec![
            node(Kind::Input, &[1, from, size, size, size], &[]),
            node(Kind::Const, &[from, to, 2, 2, 2], &[]),
            node(Kind::Deconvolution, &[1, to, 2 * size, 2 * size, 2 * size], &[0, 1]),
        ];
        let graph = ExecutionGraph { nodes: nodes.into(), ..ExecutionGraph::default() };
        let machine = Machine { isa, ..Machine::MEASURED };
        scratch(&graph, &graph.nodes[2], &machine).map_or(0, |scratch| scratch.bytes)
    }

    /// Blocks of the runs of a 3D U-Net: the first is in the heap, the others are mapped.
    #[test]
    fn a_copy_of_the_input_per_thread_is_asked_for() {
        assert_eq!(upsampled([128, 64], 16, DType::BF16, Isa::Avx512Bf16) + 8, 2_138_296);
        let mapped = |asked: u64| (asked + 104).next_multiple_of(4096) - 64;
        assert_eq!(mapped(upsampled([64, 32], 32, DType::BF16, Isa::Avx512Bf16)), 8_433_600);
        assert_eq!(upsampled([128, 64], 16, DType::F32, Isa::Avx2) + 8, 4_223_160);
    }
}
