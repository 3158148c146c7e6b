//! Kernels that the library generates for a convolution.
//!
//! Source: `pd_t::init`, `add_brg_descriptor`, `init` and `add_po_kernels`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv.cpp;
//! `pd_t::init`, src/cpu/x64/jit_brgemm_1x1_conv.cpp. Kernels of equal parameters are one.

use super::shape::{Sizes, div_up};
use super::state::{Method, Relocated, State};
use crate::runtime::openvino_cpu::execution::ZeroPoints;
use std::collections::BTreeSet;

/// The number of kernels of a convolution of one element.
pub(super) fn of_pointwise(state: &State<'_>) -> u64 {
    let [rows, columns, inputs] = state.products();
    let count = |sizes: [i64; 2]| sizes.into_iter().filter(|&size| size > 0).count() as u64;
    let passes = if state.input_blocks() > 1 { 2 } else { 1 };
    count(rows) * count(columns) * count(inputs) * passes + u64::from(state.gathers)
}

/// The number of kernels of another convolution.
pub(super) fn of_general(state: &State<'_>) -> u64 {
    let [rows, columns, inputs] = state.products();
    let distinct = |[whole, left]: [i64; 2]| {
        let left = (left > 0 && left != whole).then_some(left);
        (whole > 0).then_some(whole).into_iter().chain(left).collect::<Vec<_>>()
    };
    let mut heights: BTreeSet<i64> = distinct(rows).into_iter().collect();
    let mut finishing: BTreeSet<(i64, bool)> = BTreeSet::new();
    if state.method == Method::Base {
        borders(state, rows, &mut heights, &mut finishing);
    }
    let sizes = state.sizes;
    let starts_only = state.method != Method::Base
        && sizes.inputs / state.input_block.max(1) <= 1
        && state.kernel_block[..2] == sizes.kernel[..2];
    // The first block of inputs starts the sums, and adds to them where more follows.
    let passes: usize = distinct(inputs)
        .iter()
        .enumerate()
        .map(|(index, _)| if index == 0 && !starts_only { 2 } else { 1 })
        .sum();
    let copies = match state.method {
        Method::Copied(Relocated::RowsAndColumns) => 2,
        Method::Copied(_) => 1,
        _ => 0,
    };
    let widths = distinct(columns).len();
    (heights.len() * widths * passes * batches(state)
        + finishing.len() * widths
        + copies
        + usize::from(state.moves_weights())) as u64
}

/// The numbers of planes and rows of the kernel that meet the image: each has kernels that are written out for it.
///
/// Source: `pd_t::init` (`batchsizes`), oneDNN 3.13, src/cpu/x64/jit_brgemm_conv.cpp.
fn batches(state: &State<'_>) -> usize {
    if !state.is_unrolled {
        return 1;
    }
    let sizes = state.sizes;
    let meets = |axis: usize, has_top: bool| {
        let (kernel, dilation) = (sizes.kernel[axis], sizes.dilation[axis]);
        let counts = (0..sizes.output[axis]).map(move |at| {
            let first = at * sizes.stride[axis] - sizes.pad[axis];
            let above = if has_top { div_up((-first).max(0), dilation) } else { 0 };
            let last = first - sizes.input[axis] + (kernel - 1) * dilation + 1;
            kernel - div_up(last.max(0), dilation) - above
        });
        counts.filter(|&count| count > 0).collect::<BTreeSet<i64>>().len()
    };
    let rows = match state.relocated() {
        Relocated::RowsAndColumns => 1,
        _ => meets(1, !state.joins_rows),
    };
    (meets(0, true) * rows).max(1)
}

/// Whether a kernel sums the weights that meet the image, for each way to meet its border: those are times the zero point.
///
/// Source: `init_conf` (`req_cal_comp_pad`), oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
pub(super) fn has_compensation(sizes: &Sizes) -> bool {
    sizes.zero_points == ZeroPoints::One
        && (0..3).any(|axis| sizes.pad[axis] != 0 || sizes.end_pad(axis) != 0)
}

/// The rows of products at the borders, and the rows of operations behind them: how many, and whether they are the last.
fn borders(
    state: &State<'_>,
    [whole, left]: [i64; 2],
    heights: &mut BTreeSet<i64>,
    finishing: &mut BTreeSet<(i64, bool)>,
) {
    let sizes = state.sizes;
    let (width, block) = (sizes.output[2], state.column_block.max(1));
    let n_blocks = (width + block - 1) / block;
    let starts = || (0..n_blocks).map(|index| index * block);
    let mut visit = |start: i64| {
        let rows = if width - start < block { left } else { whole };
        let ranges: Vec<(i64, i64)> =
            (0..sizes.kernel[2]).map(|kernel| range(state, start, rows, kernel)).collect();
        let inside = |&(from, to): &(i64, i64)| from < to;
        let first = ranges.iter().position(inside);
        let last = ranges.iter().rposition(inside);
        heights.extend(ranges.iter().map(|(from, to)| to - from).filter(|&rows| rows > 0));
        if let (Some(first), Some(last)) = (first, last) {
            let around = |(from, to): (i64, i64)| [from - start, start + rows - to];
            finishing
                .extend(around(ranges[first]).into_iter().filter(|&rows| rows > 0).map(|rows| (rows, false)));
            if finishes(state) {
                finishing.extend(
                    around(ranges[last]).into_iter().filter(|&rows| rows > 0).map(|rows| (rows, true)),
                );
            }
        }
        first == Some(0) && last == Some(ranges.len().saturating_sub(1))
    };
    // From both ends up to the first block that every element of the kernel meets.
    starts().any(&mut visit);
    starts().rev().any(&mut visit);
}

/// Whether anything is computed on the finished sums: a bias, an activation, a conversion.
fn finishes(state: &State<'_>) -> bool {
    state.sizes.has_post_operation || state.sizes.has_sum || state.sizes.bytes[2] != 4 || state.buffers
}

/// Output columns of a block that an element of the kernel meets.
fn range(state: &State<'_>, start: i64, rows: i64, kernel: i64) -> (i64, i64) {
    let sizes = state.sizes;
    let stride = sizes.stride[2];
    let first = start * stride - sizes.pad[2] + kernel * sizes.dilation[2];
    let over = first + (rows - 1) * stride - sizes.input[2] + 1;
    let before = if first < 0 { super::shape::div_up(-first, stride) } else { 0 };
    let behind = if over > 0 { super::shape::div_up(over, stride) } else { 0 };
    let from = start + before;
    let to = from.max(from + rows - before - behind);
    (from.min(start + rows), to.min(start + rows))
}
