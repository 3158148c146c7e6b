//! Convolutions that are computed in tiles, under AMX: what is tried, and in which blocks.
//!
//! The input is copied into a padded buffer, unless its columns have no padding and its channels fill tiles. Where there are few
//! channels, columns and rows of the kernel become channels in the copy. All rows of an image are one dim where the padding
//! is less than the kernel: what is computed between two rows is left out by a mask.
//!
//! Source: `init_conf`, `select_ic_block` and `iterate_ker_block`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.

use super::shape::{Core, Sizes, div_up, round_up};
use super::state::{Method, Order, Relocated, State};
use super::tiles::{TILE, TileProduct, Tiles, rows_with_gaps};

/// Returns the ways in which a convolution is tried, in order.
///
/// Source: `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
pub(super) fn starts<'a>(sizes: &'a Sizes, core: &'a Core, order: Order) -> Vec<State<'a>> {
    if is_left_to_others(sizes, core) {
        return Vec::new();
    }
    let simd = sizes.simd(core);
    let relocated = relocated(sizes, core);
    let is_whole = match sizes.inputs <= simd {
        true => sizes.inputs % sizes.granularity() == 0,
        false => sizes.inputs % simd == 0,
    };
    let reads_input = sizes.pad[2] <= 0 && sizes.end_pad(2) <= 0 && is_whole && sizes.output[2] > 50;
    let is_column = sizes.output[0] == 1 && sizes.kernel[2] == 1 && sizes.output[2] == 1;
    let mut starts = Vec::new();
    if !reads_input || is_column || relocated != Relocated::Nothing {
        let mut copied = State::new(sizes, core, Method::Copied(relocated), Order::Positions);
        copied.pads_inputs = sizes.inputs * relocated.elements(sizes) > simd;
        copied.is_unrolled = relocated != Relocated::Nothing || sizes.output[2] < 256;
        copied.joins_rows = sizes.is_inside() && (copied.is_unrolled || sizes.joins_rows());
        copied.masks_rows = copied.is_unrolled && copied.joins_rows;
        starts.push(copied);
    }
    if reads_input {
        let order = if starts.is_empty() { order } else { Order::Positions };
        let mut base = State::new(sizes, core, Method::Base, order);
        base.pads_inputs = sizes.inputs > simd;
        base.is_unrolled = sizes.output[2] < 8 * 1024;
        starts.push(base);
    }
    starts
}

/// Returns the vectors of output channels in the largest block that is tried.
///
/// Source: `try_exec_type` in `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
pub(super) fn most_vectors(state: &State<'_>) -> i64 {
    let (sizes, core) = (state.sizes, state.core);
    let blocks = sizes.batch * div_up(sizes.output_points(), 64) * sizes.groups * div_up(sizes.outputs, 64);
    let is_small = div_up(blocks, core.threads) < 64 || sizes.outputs < 256;
    if state.joins_rows && is_small { 2 } else { 4 }
}

/// Whether the library computes these sizes by another implementation.
///
/// Source: `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn is_left_to_others(sizes: &Sizes, core: &Core) -> bool {
    let is_listed = sizes.inputs == sizes.outputs
        && [128, 256].contains(&sizes.inputs)
        && sizes.output[1] == 150
        && sizes.output[2] == 150;
    let is_outside = sizes.pad[0] >= sizes.extent(0)
        || sizes.pad[1] >= sizes.extent(1)
        || sizes.end_pad(2) >= sizes.extent(2);
    let is_image = sizes.outputs == 32
        && sizes.inputs < sizes.simd(core) / 2
        && sizes.bytes[0] == 1
        && [sizes.input[1], sizes.input[2], sizes.output[1], sizes.output[2]] == [640; 4]
        && sizes.kernel[1..] == [3, 3];
    is_listed || is_outside || is_image || sizes.is_small_for_tiles(core)
}

/// Chooses the kernel dims that a copy of the input moves to channels: those that fill tiles better than the channels alone.
///
/// Source: `try_relo_wi` and `try_relo_whi` in `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn relocated(sizes: &Sizes, core: &Core) -> Relocated {
    let simd = sizes.simd(core);
    if sizes.has_moved_columns || sizes.dilation[2] != 1 {
        return Relocated::Nothing;
    }
    let stays = |read: i64| sizes.inputs % sizes.granularity() == 0 && (read <= simd || read % simd == 0);
    let product = |sizes: [i64; 3]| sizes.iter().product::<i64>() as f32;
    let of_input = sizes.bytes[0] as f32 * sizes.batch as f32 * product(sizes.input);
    let of_weights = sizes.bytes[1] as f32 * sizes.outputs as f32 * product(sizes.kernel);
    let elements = |relocated: Relocated| relocated.elements(sizes);
    let filled = |relocated| {
        let read = elements(relocated) * sizes.inputs;
        read as f32 / round_up(read, simd) as f32
    };
    let pays = |relocated, moves_weights: bool| {
        let read = elements(relocated) * sizes.inputs;
        let apart = elements(relocated) as f32 * round_up(sizes.inputs, simd) as f32;
        let halves = read > simd && round_up(read, simd) as f32 / apart < 0.5;
        sizes.inputs < simd / 2 || halves && (!moves_weights || of_weights / of_input <= 4.0)
    };
    let columns = Relocated::Columns;
    let moves_columns = !stays(elements(columns) * sizes.inputs);
    let may_columns =
        sizes.kernel[2] > 1 && pays(columns, moves_columns) && (sizes.input[0] <= 1 || !moves_columns);
    let both = Relocated::RowsAndColumns;
    let moves_both =
        !(stays(elements(both) * sizes.inputs) && (sizes.kernel[1] == 1 || sizes.kernel[2] == 1));
    let may_both = sizes.kernel[1] > 1
        && sizes.dilation[1] == 1
        && sizes.n_spatial < 3
        && pays(both, moves_both)
        && filled(both) > filled(columns)
        && (sizes.output[2] > 48 || sizes.output[2] % TILE == 0)
        && (!may_columns || filled(both) > 0.7);
    match () {
        () if may_both => both,
        () if may_columns => columns,
        () => Relocated::Nothing,
    }
}

/// Chooses planes and rows of a block of a copied input, if some fit the first-level cache.
///
/// Source: `iterate_ker_block`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
pub(super) fn rows_in_first_cache(state: &State<'_>, [depth, height]: [i64; 2]) -> [i64; 2] {
    let (sizes, l1) = (state.sizes, state.core.usable_l1());
    let columns = sizes.padded(2);
    let row = sizes.bytes[0] * sizes.inputs * columns + sizes.bytes[2] * sizes.output[2] * state.output_block;
    let (mut of_depth, mut of_height) = (depth, height);
    if row < l1 {
        of_depth = (l1 / (sizes.padded(1) * row).max(1)).clamp(1, sizes.output[0].max(1));
        if of_depth == 1 {
            of_height = (l1 / row.max(1)).clamp(1, sizes.output[1].max(1));
        }
    }
    let share = |all: i64, block: i64| all as f32 / round_up(all, block) as f32;
    let positions = sizes.output[2] * if state.joins_rows { sizes.output[1] } else { 1 };
    while of_depth > 1 {
        let read = (of_depth * of_height * columns) as f32;
        if share(sizes.output[0], of_depth) > 0.9 && read / round_up(positions, TILE) as f32 > 0.8 {
            return [of_depth, of_height];
        }
        of_depth -= 1;
    }
    let fits = |rows: &i64| share(sizes.output[1], *rows) > 0.9 && rows * columns > 128;
    match (1..=of_height).rev().find(fits) {
        Some(rows) => [1, rows],
        None => [depth, height],
    }
}

/// Returns the rows of a product, including rows that are computed and not used.
pub(super) fn computed_rows(state: &State<'_>, rows: i64) -> i64 {
    let sizes = state.sizes;
    if !state.joins_rows || sizes.is_pointwise() {
        return rows;
    }
    rows_with_gaps(rows, sizes.output[2], gap(state), state.masks_rows)
}

/// Returns the positions between two rows of the output.
fn gap(state: &State<'_>) -> i64 {
    let sizes = state.sizes;
    let stride = if state.relocated() == Relocated::RowsAndColumns { 1 } else { sizes.stride[1] };
    let read = if sizes.output[2] == 1 { 0 } else { (sizes.extent(2) - 1) / sizes.stride[2] * stride };
    read + (stride - 1) * sizes.output[2]
}

/// Returns the bytes of one thread's tiles of sums, for the kernel with the most tiles.
///
/// Source: `set_amx_wsp_per_thread`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp, and `get_wsp_buffer_size`,
/// src/cpu/x64/brgemm/brgemm_types.hpp.
pub(super) fn sums(state: &State<'_>) -> i64 {
    const PAGE: i64 = 4096;
    let [rows, columns, inputs] = state.products();
    let mut most = 0;
    for rows in rows.into_iter().filter(|&rows| rows > 0) {
        let mask = mask(state, rows);
        for columns in columns.into_iter().filter(|&columns| columns > 0) {
            for inputs in inputs.into_iter().filter(|&inputs| inputs > 0) {
                let product = TileProduct {
                    rows: mask.as_ref().map_or(rows, |mask| i64::try_from(mask.len()).unwrap_or(rows)),
                    columns,
                    inputs,
                    bytes: state.sizes.bytes[0],
                    is_unrolled: state.is_unrolled,
                    batch: (state.kernel_block[0] * state.kernel_block[1]) as f32,
                    mask: mask.as_deref(),
                };
                most = Tiles::of(&product, state.core).map_or(most, |tiles| tiles.sums.max(most));
            }
        }
    }
    round_up(most * TILE * TILE * 4 + 1, PAGE)
}

/// Returns which rows of a product are used, if some are not.
fn mask(state: &State<'_>, rows: i64) -> Option<Vec<bool>> {
    if !state.masks_rows {
        return None;
    }
    let columns = state.sizes.output[2].max(1);
    let period = columns + gap(state);
    let counts = |row: i64| row % period < columns && row / period * columns + row % period < rows;
    Some((0..computed_rows(state, rows)).map(counts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Isa, Machine};

    /// An image convolution of bf16 with a square kernel.
    fn convolution(inputs: i64, size: i64, kernel: i64, stride: i64, pad: i64) -> Sizes {
        let output = (size + 2 * pad - kernel) / stride + 1;
        Sizes {
            batch: 1,
            groups: 1,
            outputs: 64,
            inputs,
            input: [1, size, size],
            output: [1, output, output],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            dilation: [1; 3],
            pad: [0, pad, pad],
            n_spatial: 2,
            bytes: [2; 3],
            ..Sizes::default()
        }
    }

    fn methods(sizes: &Sizes) -> Vec<Method> {
        let core = Core::new(&Machine { isa: Isa::Amx, ..Machine::MEASURED }, sizes);
        starts(sizes, &core, Order::Positions).iter().map(|state| state.method).collect()
    }

    #[test]
    fn few_channels_take_rows_and_columns_of_the_kernel() {
        let both = Method::Copied(Relocated::RowsAndColumns);
        assert_eq!(methods(&convolution(3, 224, 7, 2, 3)), [both]);
        // Fourteen columns of outputs do not fill a tile.
        assert_eq!(methods(&convolution(3, 224, 16, 16, 0))[0], Method::Copied(Relocated::Columns));
    }

    #[test]
    fn whole_channels_without_padding_are_read_in_place() {
        assert_eq!(methods(&convolution(64, 66, 3, 1, 0)), [Method::Base]);
        assert_eq!(methods(&convolution(64, 64, 3, 1, 1)), [Method::Copied(Relocated::Nothing)]);
        assert_eq!(methods(&convolution(64, 20, 3, 1, 0)), [Method::Copied(Relocated::Nothing)]);
    }

    #[test]
    fn few_positions_are_left_to_vectors() {
        assert_eq!(methods(&convolution(64, 4, 3, 2, 1)), []);
    }

    #[test]
    fn rows_are_masked_where_all_are_one_dim() {
        let sizes = convolution(64, 14, 3, 1, 1);
        let core = Core::new(&Machine { isa: Isa::Amx, ..Machine::MEASURED }, &sizes);
        let state = starts(&sizes, &core, Order::Positions)[0];
        assert!(state.joins_rows && state.masks_rows && state.is_unrolled);
        // Two rows of 14 outputs with two positions between them, in tiles of 16.
        assert_eq!(computed_rows(&state, 28), 32);
        let rows = mask(&state, 28).unwrap();
        assert_eq!(rows.iter().filter(|&&counts| counts).count(), 28);
    }
}
