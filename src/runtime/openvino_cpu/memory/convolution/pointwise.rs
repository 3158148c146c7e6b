//! Block sizes of convolutions of one element, as the library searches for them.
//!
//! Source: `init_1x1_conf`, `calc_blocks_1x1` and `est_eff_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.

use super::cost::{Access, Context, Loop, once, times};
use super::general::{Share, blocks_of};
use super::microkernel::{covered, halved};
use super::shape::{Core, Sizes, div_up, round_up};
use super::state::{Method, Order, State};
use super::tiles::TILE;

/// A page, where rows that are a multiple of it apart share cache sets.
const PAGE: i64 = 4096;

/// The best blocks of a convolution.
///
/// `is_padded`: its inputs were padded to fill instructions.
pub(super) fn search<'a>(sizes: &'a Sizes, core: &'a Core, is_padded: bool) -> Option<State<'a>> {
    if core.has_tiles && sizes.is_small_for_tiles(core) {
        return None;
    }
    let mut best: Option<State<'a>> = None;
    for vectors in (1..=4.min(div_up(sizes.outputs, core.lanes))).rev() {
        let mut tried = State::new(sizes, core, Method::Base, order(sizes, core));
        tried.gathers = core.has_tiles && (is_padded || !is_one_dim(sizes));
        tried.pads_inputs = core.has_tiles && sizes.inputs > sizes.simd(core);
        tried.output_block = vectors * core.lanes;
        if !is_worth_trying(&tried) {
            continue;
        }
        choose_blocks(&mut tried);
        if tried.position_block <= 0 || !tried.simulate() || !tried.is_possible() {
            continue;
        }
        tried.efficiency = efficiency(&tried);
        if tried.efficiency > best.map_or(0.0, |best| best.efficiency) {
            best = Some(tried);
        }
    }
    best
}

/// The order of the outermost loops.
///
/// Source: `init_1x1_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn order(sizes: &Sizes, core: &Core) -> Order {
    let by_channels = if core.has_tiles {
        let weights = sizes.outputs * sizes.inputs * sizes.bytes[1];
        core.usable_l2() as f32 * 0.75 < weights as f32 || sizes.batch == 1 && sizes.output_points() < 400
    } else {
        let inputs = sizes.input.iter().product::<i64>() * sizes.bytes[0];
        inputs < sizes.outputs * sizes.bytes[1]
    };
    if by_channels { Order::Channels } else { Order::Positions }
}

/// Whether output positions of all rows are one dim of the input, too.
fn is_one_dim(sizes: &Sizes) -> bool {
    sizes.stride[0] == 1 && sizes.stride[1] == 1 && sizes.input[2] % sizes.stride[2].max(1) == 0
}

/// Whether a block of outputs is tried.
///
/// Source: `fast_check_oc_block_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn is_worth_trying(state: &State<'_>) -> bool {
    let sizes = state.sizes;
    match state.output_block {
        _ if state.core.has_tiles => true,
        64 => {
            let strides: i64 = sizes.stride.iter().product();
            round_up(sizes.outputs, state.core.lanes) % 64 == 0 && sizes.output_points() >= 64 * strides
        }
        48 => sizes.outputs as f32 / round_up(sizes.outputs, 48) as f32 >= 0.95,
        _ => true,
    }
}

fn choose_blocks(state: &mut State<'_>) {
    let sizes = state.sizes;
    state.joins_rows = is_one_dim(sizes) || state.gathers;
    let most = if state.joins_rows { most_positions(state) } else { most_columns(state) };
    state.positions = if state.joins_rows { sizes.output_points() } else { sizes.output[2] };
    let mut best = *state;
    let mut last = 0;
    for block in blocks_of(state.positions) {
        let Some(block) = of_tiles(state, block) else { break };
        if block == last || block > most {
            continue;
        }
        last = block;
        (state.position_block, state.column_block) = (block, block);
        state.choose_inputs();
        if !state.simulate() {
            continue;
        }
        state.buffers = (sizes.bytes[2] != 4 || sizes.has_sum) && state.input_block < sizes.inputs;
        state.efficiency = efficiency(state);
        if state.efficiency > best.efficiency || best.efficiency == 0.0 {
            best = *state;
        }
    }
    *state = best;
}

/// A block that fills tiles about as high as those that divide it best; `None` where blocks are too small for tiles.
///
/// Source: `calc_blocks_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn of_tiles(state: &State<'_>, block: i64) -> Option<i64> {
    if !state.core.has_tiles {
        return Some(block);
    }
    let least = (state.positions / 2).clamp(1, 11);
    if block < least {
        return None;
    }
    let missing = |height: i64| (height - block % height) % height;
    let heights = least..=TILE.min(state.positions);
    let height = heights.rev().min_by_key(|&height| missing(height)).unwrap_or(TILE);
    Some((block / height * height).min(state.positions))
}

/// The largest block of output positions of all rows.
///
/// Source: `calc_blocks_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn most_positions(state: &State<'_>) -> i64 {
    let (sizes, threads) = (state.sizes, state.core.threads);
    let points = sizes.output_points();
    let read = sizes.bytes[0] * sizes.inputs;
    let of_thread = if (1024..4096).contains(&read) {
        points.min(16).max(div_up(points, div_up(threads, sizes.batch * state.output_blocks())))
    } else {
        div_up(2048, state.output_block).max(div_up(sizes.batch * sizes.groups * points, threads))
    };
    let mut apart = 1_000_000 / threads;
    let bytes = points * sizes.bytes[2];
    // Output channels of all groups are one dim.
    let mut channels = sizes.outputs * sizes.groups;
    if channels * bytes % PAGE == 0 {
        while apart * sizes.bytes[2] > 400 && channels % 2 == 0 && channels * bytes >= PAGE {
            apart /= 2;
            channels /= 2;
        }
        apart += 1 - apart % 2;
    }
    let apart = apart.min(div_up(1001, sizes.bytes[2]));
    of_thread.min(points).min(apart).clamp(1, points.max(1))
}

/// The largest block of output columns.
fn most_columns(state: &State<'_>) -> i64 {
    let sizes = state.sizes;
    let positions = sizes.batch * sizes.groups * state.output_blocks() * sizes.output_points();
    let of_thread = (positions as f32 / (0.9 * state.core.threads as f32)).ceil() as i64;
    of_thread.clamp(1, sizes.output[2].max(1)).min(sizes.output_points())
}

/// How well a candidate uses registers, threads and caches.
fn efficiency(state: &State<'_>) -> f32 {
    let (sizes, core) = (state.sizes, state.core);
    let (rows, block) = (state.microkernel.rows, state.position_block);
    let vectors = state.microkernel.vectors;
    let registers = match core.has_tiles {
        true => of_registers(state),
        false => (vectors as f32 * rows as f32) / ((rows + vectors) * core.registers) as f32,
    };
    let of = |part: i64, block: i64| part as f32 / round_up(part, block) as f32;
    let steps = halved(rows as f32 * (2.0 - 1.9_f32.min(rows as f32 / block as f32)) / 64.0);
    let planes = if state.joins_rows { 1 } else { sizes.output[0] * sizes.output[1] };
    let blocks = planes * div_up(state.positions, block);
    let job = div_up(sizes.batch * sizes.groups * state.output_blocks() * blocks, core.threads);
    let longest = if state.order == Order::Positions {
        covered(job, [sizes.outputs, sizes.groups, state.output_block], [state.positions, block])
    } else {
        covered(job, [state.positions, planes, block], [sizes.outputs, state.output_block])
    };
    let all = sizes.batch * sizes.output_points() * sizes.groups * sizes.outputs;
    let threads = if longest == 0 { 1.0 } else { all as f32 / (longest * core.threads) as f32 };
    let cost = cost(state, &Share::new(state, blocks, job, state.joins_rows));
    let computed = sizes.batch * planes * state.positions * sizes.inputs * sizes.outputs;
    let calls = 1000.0 * job as f32 * state.input_blocks() as f32;
    let caches = computed as f32 / (core.threads as f32 * (cost + calls));
    of(sizes.outputs, state.output_block)
        * registers
        * of(state.positions, block)
        * threads
        * of(block, rows)
        * caches
        * steps
}

/// How well tiles are used: two by two at best.
///
/// Source: `est_eff_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn of_registers(state: &State<'_>) -> f32 {
    let sizes = state.sizes;
    let [rows, _, _] = state.products();
    let height = state.microkernel.height;
    let columns = state.output_block / TILE;
    let by_two = columns.clamp(1, 2);
    let groups = columns / by_two;
    let columns = (groups * by_two + columns % by_two) as f32 / div_up(columns, by_two) as f32;
    let tiles = if height > 0 { (state.position_block / height).clamp(1, 2) } else { 1 } as f32;
    let count = |rows: i64, height: i64| if height > 0 { rows / height } else { 0 };
    let computed = count(rows[0].max(rows[1]), height) + count(rows[1], state.height_left);
    let needed = div_up(rows[0] + rows[1], TILE);
    // These channels are compared in whole numbers.
    let is_listed =
        matches!((sizes.inputs, sizes.outputs), (1024, 2048 | 512) | (256, 1024) | (512, 1024 | 2048));
    let full = match is_listed {
        true => (needed / computed.max(1)) as f32,
        false => needed as f32 / computed as f32,
    };
    full * (columns * tiles) / (columns + tiles)
}

/// How often a pass over a block reads the weights.
fn passes(state: &State<'_>) -> i64 {
    let (rows, block, positions) = (state.microkernel.rows, state.position_block, state.positions);
    match state.core.has_tiles {
        true => {
            (positions / block * div_up(block, rows) + div_up(positions % block, rows))
                / div_up(positions, block).max(1)
        }
        false => div_up(block, rows),
    }
}

fn cost(state: &State<'_>, thread: &Share) -> f32 {
    let (sizes, core) = (state.sizes, state.core);
    let simd = sizes.simd(core);
    let (rows, block, columns, inputs) =
        (state.microkernel.rows, state.position_block, state.output_block, state.input_block);
    let by_position = state.order == Order::Positions;
    let of = |input: Access, output: Access, weights: Access| Loop { input, output, weights };
    let wide = if by_position { thread.vectors } else { state.microkernel.vectors };
    let weights = wide * sizes.inputs * simd;
    let read = block * inputs;
    let mut loops = vec![
        of(Access { overlap: core.lanes as f32, ..once(rows * simd) }, once(0), once(columns)),
        of(once(rows * round_up(inputs, simd)), once(rows * columns), times(columns * inputs, passes(state))),
        of(once(read), times(block * columns, state.input_blocks()), once(columns * inputs)),
    ];
    if by_position {
        loops.push(of(
            times(block * round_up(sizes.inputs, simd), thread.output_blocks),
            once(block * columns),
            once(columns * sizes.inputs),
        ));
    }
    loops.push(of(once(read), once(block * simd * wide), times(weights, thread.position_blocks)));
    let row = thread.positions * round_up(inputs, simd);
    if !state.joins_rows {
        let made = thread.positions * simd * wide;
        loops.push(of(once(row), once(made), times(weights, thread.row_blocks)));
        loops.push(of(
            once(thread.rows * row),
            once(thread.rows * made),
            times(weights, thread.depth_blocks),
        ));
    }
    let planes = thread.depth * thread.rows;
    if !by_position {
        let read = planes * round_up(thread.positions * inputs, simd);
        loops.push(of(
            times(read, thread.output_blocks),
            once(columns * planes * thread.positions),
            once(columns * sizes.inputs),
        ));
    }
    let made = planes * thread.positions * thread.vectors;
    loops.push(of(
        once(planes * row),
        once(made * simd),
        times(thread.vectors * sizes.inputs * simd, thread.images),
    ));
    let operations = [
        thread.images * planes * thread.positions * inputs,
        thread.images * made,
        thread.vectors * sizes.inputs,
    ];
    loops.push(of(once(operations[0]), once(operations[1] * simd), once(operations[2] * simd)));
    Context { core, bytes: sizes.bytes, buffers: state.buffers }.cost(&loops, operations)
}
