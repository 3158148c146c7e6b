//! Block sizes of convolutions of one element, as the library searches for them.
//!
//! Source: `init_1x1_conf`, `calc_blocks_1x1` and `est_eff_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.

use super::cost::{Access, Context, Loop, once, times};
use super::general::{Share, blocks_of};
use super::microkernel::{covered, halved};
use super::shape::{Core, Sizes, div_up, round_up};
use super::state::{Method, Order, State};

/// A page, where rows that are a multiple of it apart share cache sets.
const PAGE: i64 = 4096;

/// The best blocks of a convolution.
pub(super) fn search<'a>(sizes: &'a Sizes, core: &'a Core) -> Option<State<'a>> {
    let inputs = sizes.input.iter().product::<i64>() * sizes.bytes[0];
    let order = if inputs < sizes.outputs * sizes.bytes[1] { Order::Channels } else { Order::Positions };
    let mut best: Option<State<'a>> = None;
    for vectors in (1..=4.min(div_up(sizes.outputs, core.lanes))).rev() {
        let mut tried = State::new(sizes, core, Method::Base, order);
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

/// Whether a block of outputs is tried.
///
/// Source: `fast_check_oc_block_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn is_worth_trying(state: &State<'_>) -> bool {
    let sizes = state.sizes;
    match state.output_block {
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
    state.joins_rows =
        sizes.stride[0] == 1 && sizes.stride[1] == 1 && sizes.input[2] % sizes.stride[2].max(1) == 0;
    let most = if state.joins_rows { most_positions(state) } else { most_columns(state) };
    state.positions = if state.joins_rows { sizes.output_points() } else { sizes.output[2] };
    let mut best = *state;
    for block in blocks_of(state.positions).filter(|&block| block <= most) {
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
    let registers = (vectors as f32 * rows as f32) / ((rows + vectors) * core.registers) as f32;
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
        of(
            once(rows * round_up(inputs, simd)),
            once(rows * columns),
            times(columns * inputs, div_up(block, rows)),
        ),
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
