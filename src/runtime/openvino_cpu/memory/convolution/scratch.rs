//! The workspace of a convolution.
//!
//! T threads, e bytes of an element; each part takes 4 KiB more, which align it:
//!
//! | part | bytes |
//! |---|---|
//! | addresses of a batch | `T 40 n`, of as many as fill pages |
//! | the input that is copied | `T e` times rows and columns of a block with their padding, all groups and channels; once per row of the kernel where that becomes channels |
//! | which blocks were copied | `T`, in pages |
//! | weights in the order of the copied input | `e` times outputs and what is read for one |
//! | adjusted scales of a depthwise convolution with zero points per channel, unwritten | 16 KiB per channel |
//! | sums, where the output has another type or is summed in parts | `T 4` times rows and columns of a product |
//! | under AMX: tiles of sums | `T` pages, as many as the tiles of the largest kernel and one byte take |
//! | under AMX: the input of a convolution of one element whose rows are apart | `T e` times positions and channels |
//!
//! Source: `init_conf`, `estimate_brgemm_ur`, `init_scratchpad`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp, and
//! `registry_t::book`, src/common/memory_tracking.hpp.

use super::shape::{Sizes, div_up, round_up};
use super::state::{Method, Relocated, State};
use super::tiled;

/// What separates and aligns parts.
///
/// Source: `P4K`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
const PAGE: i64 = 4096;

/// An address of each operand, the padding around it, and a flag.
///
/// Source: `brgemm_batch_element_t`, oneDNN 3.13, src/cpu/x64/brgemm/brgemm_types.hpp.
const BATCH_ELEMENT: i64 = 40;

/// A workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::runtime::openvino_cpu::memory) struct Scratch {
    pub bytes: u64,
    /// How much of it is written: of a copied input, one block of channels at a time.
    pub written: u64,
}

/// Workspace per channel of a depthwise convolution whose data have zero points per channel and whose output has a scale: none
/// of it is written.
///
/// Source: OpenVINO 2026.4.1, `jit_int8` with `attr-legacy-input-zero-points` and a scale of `dst`: blocks for 64 to 1,024
/// channels, kernels of 3 and 5, images of 6 to 24; without that scale there are none.
const SCALES: i64 = 16 << 10;

impl Scratch {
    /// The workspace of a depthwise convolution of so many channels with zero points of their own and a scale of the output.
    pub(super) fn of_scales(channels: i64) -> Scratch {
        Scratch { bytes: total(&[channels.saturating_mul(SCALES)]), written: 0 }
    }

    /// The workspace of a convolution with these blocks.
    pub(super) fn of(state: &State<'_>, is_pointwise: bool) -> Scratch {
        let threads = state.core.threads;
        let product = |sizes: [i64; 3]| sizes.iter().product::<i64>();
        let in_batch = match is_pointwise {
            true => 1,
            false => product(state.kernel_block).max(product(state.border_block)),
        };
        let mut parts = vec![batch(in_batch, threads)];
        let mut unwritten = 0;
        if state.gathers {
            parts.extend(gathered(state));
        }
        if let (Method::Copied(relocated), false) = (state.method, is_pointwise) {
            let copied = copies(state, relocated);
            let input = copied.first().copied().unwrap_or(0);
            unwritten = (input - written_input(state, relocated)).max(0);
            parts.extend(copied);
        }
        if state.buffers {
            parts.push(threads * state.output_block * state.position_block.max(0) * 4);
        }
        if state.core.has_tiles {
            parts.push(threads * tiled::sums(state));
        }
        let bytes = total(&parts);
        Scratch { bytes, written: bytes.saturating_sub(u64::try_from(unwritten).unwrap_or(0)) }
    }
}

/// Parts with what aligns each of them.
pub(super) fn total(parts: &[i64]) -> u64 {
    let all = parts
        .iter()
        .filter(|&&part| part > 0)
        .fold(0_i64, |sum, part| sum.saturating_add(*part).saturating_add(PAGE));
    u64::try_from(all).unwrap_or(0)
}

/// Bytes of the addresses of a batch of so many elements.
pub(super) fn batch(elements: i64, threads: i64) -> i64 {
    threads * div_up(round_up(elements * BATCH_ELEMENT, PAGE), BATCH_ELEMENT) * BATCH_ELEMENT
}

/// Returns the bytes of the copied input that are written: one block of positions and of channels at a time, without what the strides add
/// to the buffer, and without rows of padding; rows of the kernel that become channels move on by a row of outputs, and have their
/// padding.
///
/// Source: `pbuf_w_sz`, `pbuf_h_sz` and `pbuf_d_sz` in `pd_t::init`, and `maybe_conv_inp`, oneDNN 3.13,
/// src/cpu/x64/jit_brgemm_conv.cpp.
fn written_input(state: &State<'_>, relocated: Relocated) -> i64 {
    let (sizes, threads) = (state.sizes, state.core.threads);
    let joins_channels = relocated == Relocated::RowsAndColumns;
    let read = |axis: usize, block: i64| {
        let there = if joins_channels { sizes.padded(axis) } else { sizes.input[axis] };
        there.min((block - 1) * sizes.stride[axis] + sizes.extent(axis))
    };
    let at_once = if joins_channels { sizes.kernel[1] } else { 1 };
    let channels = if relocated == Relocated::Nothing { state.input_block } else { sizes.inputs };
    let columns = (state.column_block.max(1) - 1) * sizes.stride[2] + sizes.extent(2);
    let columns = if state.joins_rows { round_up(columns, sizes.stride[2]) } else { columns };
    let moved = match relocated {
        Relocated::RowsAndColumns => {
            (sizes.output[1] - 1) * sizes.stride[1] * at_once * sizes.stride[2] * channels
        }
        _ => 0,
    };
    let block = read(0, state.depth_block) * read(1, state.row_block) * columns * channels * at_once;
    threads * (block + moved) * sizes.bytes[0]
}

/// The input of a convolution of one element that is gathered, and which of its blocks are there.
///
/// Source: `init_1x1_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn gathered(state: &State<'_>) -> [i64; 2] {
    const LINE: i64 = 64;
    let (sizes, threads) = (state.sizes, state.core.threads);
    let input = round_up(state.input_block * sizes.output_points(), LINE);
    let blocks = div_up(sizes.output_points(), state.position_block);
    [threads * input * sizes.bytes[0], threads * round_up(blocks, LINE)]
}

/// The copied input, which of its blocks are there, and the weights in its order.
fn copies(state: &State<'_>, relocated: Relocated) -> Vec<i64> {
    let (sizes, threads) = (state.sizes, state.core.threads);
    let [_, height, width] = sizes.kernel;
    let joins_channels = relocated == Relocated::RowsAndColumns;
    let at_once = if joins_channels { height } else { 1 };
    let read = |axis: usize, block: i64| {
        let covered = (block - 1) * sizes.stride[axis] + sizes.extent(axis);
        sizes.padded(axis).min(covered) + sizes.pad[axis].max(0) + sizes.end_pad(axis).max(0)
    };
    let depth = read(0, state.depth_block);
    let mut rows = read(1, state.row_block);
    let columns = sizes.padded(2);
    if state.joins_rows {
        let of_product = match state.core.has_tiles {
            true => tiled::computed_rows(state, state.position_block),
            false => state.position_block,
        };
        rows = div_up(round_up(rows * columns, of_product), columns) + height * sizes.dilation[1];
    }
    let channels = if relocated == Relocated::Nothing { state.input_block } else { sizes.inputs };
    let of_column = if sizes.output[2] == 1 { sizes.extent(2) } else { 1 };
    let stride = at_once * sizes.stride[2] * channels * of_column;
    let blocks = sizes.groups * state.input_blocks();
    let mut input = at_once * depth * rows * columns * blocks * stride;
    if joins_channels {
        input += (sizes.output[1] - 1) * state.row_block * sizes.stride[1] * stride + stride;
    }
    let mask = div_up(sizes.output[0], state.depth_block)
        * div_up(sizes.output[1], state.row_block)
        * div_up(sizes.output[2], state.column_block.max(1))
        * blocks;
    let mut parts = vec![threads * round_up(input, PAGE) * sizes.bytes[0], threads * round_up(mask, PAGE)];
    if relocated != Relocated::Nothing {
        parts.push(moved_weights(state, joins_channels, height, width));
    }
    parts
}

/// Weights in the order of the copied input.
///
/// Source: `init_scratchpad` (`wei_buffer_size`), oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn moved_weights(state: &State<'_>, joins_rows: bool, height: i64, width: i64) -> i64 {
    let Sizes { inputs, outputs, groups, .. } = *state.sizes;
    let (read, times) = if joins_rows { (height * width * inputs, 1) } else { (width * inputs, height) };
    let step = state.sizes.granularity() * if state.pads_inputs { state.core.lanes } else { 1 };
    let elements = groups * round_up(outputs, state.output_block) * times * round_up(read, step);
    round_up(elements, 1024) * state.sizes.bytes[1]
}

#[cfg(test)]
mod tests {
    use super::super::shape::Core;
    use super::super::{Sizes, general};
    use super::*;
    use crate::machine::{Isa, Machine};
    use crate::runtime::openvino_cpu::execution::ZeroPoints;

    /// A depthwise convolution with two outputs per channel, as in FastViT.
    fn doubled(channels: i64, size: i64) -> u64 {
        let sizes = Sizes {
            batch: 1,
            groups: channels,
            outputs: 2,
            inputs: 1,
            input: [1, size, size],
            output: [1, size / 2, size / 2],
            kernel: [1, 7, 7],
            stride: [1, 2, 2],
            dilation: [1; 3],
            pad: [0, 3, 3],
            n_spatial: 2,
            is_grouped: true,
            bytes: [2, 2, 2],
            has_post_operation: true,
            has_sum: true,
            zero_points: ZeroPoints::None,
            has_output_scale: false,
            has_moved_columns: false,
        };
        let core = Core::new(&Machine { isa: Isa::Avx512Bf16, ..Machine::MEASURED }, &sizes);
        let state = general::search(&sizes, &core);
        state.map_or(0, |state| Scratch::of(&state, false).bytes)
    }

    /// Blocks of measured runs; see [`SCALES`].
    #[test]
    fn scales_of_zero_points_take_a_workspace_per_channel() {
        assert_eq!(Scratch::of_scales(64), Scratch { bytes: 1_052_672, written: 0 });
        assert_eq!(Scratch::of_scales(1024), Scratch { bytes: 16_781_312, written: 0 });
    }

    /// Blocks of a measured run, which are mapped: up to a page more than the requested length.
    #[test]
    fn copied_inputs_are_as_large_as_measured() {
        let mapped = |asked: u64| (asked + 104).next_multiple_of(4096) - 64;
        assert_eq!(mapped(doubled(192, 16)), 19_402_688);
        assert_eq!(mapped(doubled(96, 32)), 16_945_088);
    }
}
