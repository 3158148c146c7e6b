//! Block sizes of convolutions with a kernel, as the library searches for them.
//!
//! Source: `init_conf`, `calc_blocks`, `iterate_ker_block` and `est_eff`, oneDNN 3.13,
//! src/cpu/x64/jit_brgemm_conv_utils.cpp.

use super::cost::{Access, Context, Loop, once, times};
use super::microkernel::{covered, halved};
use super::shape::{Core, Sizes, div_up, round_up};
use super::state::{Method, Order, Relocated, State};
use super::tiled;
use super::tiles::{TILE, TILES};

/// The best blocks of a convolution, if the library has a kernel for it.
pub(super) fn search<'a>(sizes: &'a Sizes, core: &'a Core) -> Option<State<'a>> {
    let order = order(sizes, core);
    if core.has_tiles {
        return tiled::starts(sizes, core, order).iter().find_map(best);
    }
    let relocated = relocated(sizes, core);
    let is_column = core.is_wide && sizes.output[0] == 1 && sizes.kernel[2] == 1 && sizes.output[2] == 1;
    let side = |pad: i64| div_up(pad.max(0), sizes.stride[2]) < sizes.kernel[2];
    if relocated != Relocated::Nothing || is_column {
        let mut start = State::new(sizes, core, Method::Copied(relocated), Order::Positions);
        start.pads_inputs = sizes.bytes[1] < 4 && sizes.inputs * relocated.elements(sizes) > sizes.simd(core);
        start.joins_rows = sizes.joins_rows();
        if let Some(found) = best(&start) {
            return Some(found);
        }
    }
    if side(sizes.pad[2]) && side(sizes.end_pad(2)) && !is_column {
        let found = best(&State::new(sizes, core, Method::Virtual, order));
        let fits = |found: &State<'_>| (found.column_block - 1) * sizes.stride[2] < sizes.input[2];
        if let Some(found) = found.filter(fits) {
            return Some(found);
        }
    }
    best(&State::new(sizes, core, Method::Base, order))
}

fn order(sizes: &Sizes, core: &Core) -> Order {
    let inputs = sizes.input.iter().product::<i64>() * sizes.bytes[0] * sizes.inputs;
    let weights = sizes.outputs * sizes.kernel.iter().product::<i64>() * sizes.bytes[1] * sizes.inputs;
    let l2 = core.usable_l2();
    match () {
        () if !core.is_wide && sizes.batch > core.threads && inputs > l2 && weights > l2 => {
            Order::ChannelsOfBatch
        }
        () if inputs < weights => Order::Channels,
        () => Order::Positions,
    }
}

/// What a copy of the input moves to channels, where there is one channel.
fn relocated(sizes: &Sizes, core: &Core) -> Relocated {
    let is_alone = if sizes.bytes[1] == 2 { sizes.inputs < sizes.granularity() } else { sizes.inputs == 1 };
    if !core.is_wide || !is_alone {
        return Relocated::Nothing;
    }
    let weights_stay = |read: i64| {
        sizes.granularity() == 1
            || sizes.inputs % sizes.granularity() == 0
                && (read <= sizes.simd(core) || read % sizes.simd(core) == 0)
    };
    let is_dense = sizes.dilation[1] == 1 && sizes.dilation[2] == 1;
    if sizes.kernel[1] > 1 && sizes.output[2] > 4 && is_dense && sizes.n_spatial < 3 {
        return Relocated::RowsAndColumns;
    }
    let columns = sizes.kernel[2] > 1
        && sizes.dilation[2] == 1
        && (sizes.input[0] <= 1 || weights_stay(sizes.kernel[2] * sizes.inputs));
    if columns { Relocated::Columns } else { Relocated::Nothing }
}

/// The best number of output channels in a block.
///
/// Source: `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn best<'a>(start: &State<'a>) -> Option<State<'a>> {
    let (sizes, core) = (start.sizes, start.core);
    let large = !core.is_wide && sizes.output[1] * sizes.output[2] >= 150 * 150;
    let most = match () {
        () if core.has_tiles => tiled::most_vectors(start),
        () if large || start.order == Order::ChannelsOfBatch => 2,
        () => 4,
    };
    let mut best: Option<State<'a>> = None;
    for vectors in (1..=most.min(div_up(sizes.outputs, core.lanes))).rev() {
        let mut tried = State { output_block: vectors * core.lanes, ..*start };
        if !is_worth_trying(&tried) || !choose_blocks(&mut tried) || !tried.simulate() || !tried.is_possible()
        {
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
/// Source: `fast_check_oc_block`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn is_worth_trying(state: &State<'_>) -> bool {
    let sizes = state.sizes;
    let outputs = round_up(sizes.outputs, state.core.lanes);
    let bytes = outputs * sizes.bytes[1];
    match state.output_block {
        64 => sizes.bytes[0] == 1 || outputs % 64 == 0 && bytes < 192 * 4,
        48 => {
            let strides: i64 = sizes.stride.iter().product();
            outputs % 48 == 0 && bytes <= 384 * 4 && sizes.input.iter().product::<i64>() > 81 * strides
        }
        _ => true,
    }
}

fn choose_blocks(state: &mut State<'_>) -> bool {
    let sizes = state.sizes;
    let positions = sizes.batch * sizes.groups * state.output_blocks() * sizes.output_points();
    let of_thread = (positions as f32 / (0.9 * state.core.threads as f32)).ceil() as i64;
    let most_columns = of_thread.clamp(1, sizes.output[2].max(1)).min(sizes.output[2]);
    let mut best = *state;
    for depth in parts(sizes.kernel[0]) {
        for height in parts(sizes.kernel[1]) {
            try_kernel(state, &mut best, depth, height, most_columns);
        }
    }
    *state = best;
    state.position_block > 0
}

/// The whole kernel in one block, or one element of it.
fn parts(kernel: i64) -> impl Iterator<Item = i64> {
    std::iter::once(kernel).chain((kernel != 1).then_some(1))
}

fn try_kernel<'a>(state: &mut State<'a>, best: &mut State<'a>, depth: i64, height: i64, most_columns: i64) {
    let (sizes, core) = (state.sizes, state.core);
    let width = match state.method {
        Method::Base
            if sizes.inputs * state.output_block * sizes.bytes[1] * sizes.kernel[2] >= core.usable_l2() =>
        {
            1
        }
        _ => sizes.kernel[2],
    };
    state.kernel_block = [depth, height, width];
    state.border_block = match state.method {
        Method::Base => {
            let whole = |block: i64, kernel: i64| if block >= kernel { kernel } else { 1 };
            [whole(height, sizes.kernel[0]), whole(width, sizes.kernel[1]), sizes.kernel[2]]
        }
        _ => state.kernel_block,
    };
    state.position_block = -1;
    state.choose_inputs();
    choose_rows(state);
    state.positions = sizes.output[2] * if state.joins_rows { sizes.output[1] } else { 1 };
    let most = if state.joins_rows { sizes.output[2] } else { most_columns };
    let may_buffer = sizes.bytes[2] != 4 || sizes.has_sum;
    for block in blocks_of(state.positions) {
        if block > most || state.joins_rows && block != sizes.output[2] {
            continue;
        }
        state.column_block = block;
        state.position_block = block * if state.joins_rows { state.row_block } else { 1 };
        state.choose_inputs();
        let in_parts = state.input_block < sizes.inputs
            || state.kernel_block != sizes.kernel
            || state.border_block != sizes.kernel
            || state.method == Method::Base && sizes.padded(2) != sizes.input[2];
        state.buffers = may_buffer && in_parts;
        if !state.simulate() {
            continue;
        }
        state.efficiency = efficiency(state);
        if state.efficiency > best.efficiency || best.efficiency == 0.0 {
            *best = *state;
        }
    }
}

/// The distinct sizes of blocks that divide `positions` into 1, 2, 3… parts, the largest first.
pub(super) fn blocks_of(positions: i64) -> impl Iterator<Item = i64> {
    let mut next = (positions > 0).then_some(positions);
    std::iter::from_fn(move || {
        let block = next?;
        // The least number of parts whose blocks are smaller.
        next = (block > 1).then(|| div_up(positions, div_up(positions, block - 1)));
        Some(block)
    })
}

/// Rows in a block where the input is copied: as many as half of the second-level cache holds.
fn choose_rows(state: &mut State<'_>) {
    (state.depth_block, state.row_block) = (1, 1);
    let (sizes, core) = (state.sizes, state.core);
    if !matches!(state.method, Method::Copied(relocated) if relocated != Relocated::RowsAndColumns) {
        return;
    }
    let inputs = state.input_block;
    let row =
        2 * sizes.bytes[0] * inputs * sizes.padded(2) + sizes.bytes[2] * sizes.output[2] * state.output_block;
    let kernel: i64 = sizes.kernel.iter().product();
    let other = sizes.bytes[1] * kernel * inputs * state.output_block + 4 * 2 * 16 * state.output_block;
    let l2 = core.usable_l2();
    let available = div_up(l2, 2).min((l2 - other).max(0));
    let (depth, height) = (sizes.output[0].max(1), sizes.output[1].max(1));
    let (mut of_depth, mut of_height) = (1, height);
    if sizes.padded(0) * sizes.padded(1) * row > available {
        of_depth = (available / (sizes.padded(1) * row).max(1)).clamp(1, depth);
        if of_depth == 1 {
            of_height = (available / row.max(1)).clamp(1, height);
        }
    }
    if core.has_tiles {
        [of_depth, of_height] = tiled::rows_in_first_cache(state, [of_depth, of_height]);
    }
    let channels = if sizes.outputs > 32 { sizes.groups } else { 1 } * sizes.outputs;
    let threads = div_up(core.threads, sizes.batch * div_up(channels, state.output_block));
    let thread_depth = div_up(depth, threads);
    let thread_height = div_up(height, threads * div_up(depth, thread_depth));
    (state.depth_block, state.row_block) = (of_depth.min(thread_depth), of_height.min(thread_height));
}

/// How well a candidate uses registers, threads and caches.
fn efficiency(state: &State<'_>) -> f32 {
    let (sizes, core) = (state.sizes, state.core);
    let work = Work::of(state);
    let of = |part: i64, block: i64| part as f32 / round_up(part, block) as f32;
    let (rows, vectors, block) =
        (state.microkernel.rows, state.microkernel.vectors as f32, state.position_block);
    let (computed, registers) =
        if core.has_tiles { (div_up(rows, TILE), TILES) } else { (rows, core.registers) };
    let registers = (vectors * computed as f32) / ((vectors + computed as f32) * registers as f32);
    let steps = halved(rows as f32 * (2.0 - 1.9_f32.min(rows as f32 / block as f32)) / 64.0);
    let all = sizes.batch * sizes.output_points() * sizes.groups * sizes.outputs;
    let threads = if work.longest == 0 { 1.0 } else { all as f32 / (work.longest * core.threads) as f32 };
    let cost = work.cost(state);
    let chunks = state.input_blocks() * kernel_blocks(state);
    let computed =
        sizes.batch * sizes.output[0] * sizes.output[1] * state.positions * sizes.inputs * sizes.outputs;
    let calls = 1000.0 * work.job as f32 * chunks as f32;
    let caches = computed as f32 / (core.threads as f32 * (cost + calls));
    // An element of a batch is two addresses and the padding around them: 32 bytes.
    let product = |sizes: [i64; 3]| sizes.iter().product::<i64>();
    let batch = 32.0 * product(state.kernel_block).max(product(state.border_block)) as f32;
    let batches = 1.0_f32.min(core.usable_l2() as f32 / batch);
    of(sizes.outputs, state.output_block)
        * registers
        * of(state.positions, block)
        * threads
        * of(block, rows)
        * caches
        * steps
        * batches
}

fn kernel_blocks(state: &State<'_>) -> i64 {
    (0..3).map(|axis| div_up(state.sizes.kernel[axis], state.kernel_block[axis])).product()
}

/// How the work is divided among threads.
struct Work {
    /// Blocks of output positions of an image.
    blocks: i64,
    /// Blocks that a thread computes at most.
    job: i64,
    /// Elements that the busiest thread computes.
    longest: i64,
}

impl Work {
    fn of(state: &State<'_>) -> Work {
        let (sizes, block) = (state.sizes, state.position_block);
        let depth = div_up(sizes.output[0], state.depth_block);
        let height = div_up(sizes.output[1], state.row_block);
        let blocks = depth * height * div_up(state.positions, block);
        let all = blocks * sizes.batch * sizes.groups * state.output_blocks();
        let job = div_up(all, state.core.threads);
        let channels = [sizes.outputs, state.output_block];
        let longest = if state.order == Order::Positions {
            covered(job, [sizes.outputs, sizes.groups, state.output_block], [state.positions, block])
        } else {
            covered(job, [state.positions, depth * height, block], channels)
        };
        Work { blocks, job, longest }
    }

    fn cost(&self, state: &State<'_>) -> f32 {
        let (sizes, core) = (state.sizes, state.core);
        let simd = sizes.simd(core);
        let [kd, kh, kw] = state.kernel_block;
        let [depth, height, width] = sizes.kernel;
        let (rows, block, columns) = (state.microkernel.rows, state.position_block, state.output_block);
        let overlapping = |elements: i64, overlap: i64| Access { overlap: overlap as f32, ..once(elements) };
        let inputs = state.input_block;
        let strip = area(state, rows, kw, inputs);
        let block_weights = kd * kh * kw * columns * inputs;
        let chunks = state.input_blocks();
        let mut loops = vec![
            around(
                overlapping(sizes.input_columns(rows, kw, sizes.input[2]) * simd, core.lanes),
                once(0),
                once(columns),
            ),
            around(overlapping(strip, kw), once(0), once(columns * inputs)),
            around(once(strip), once(0), once(kw * columns * inputs)),
            around(once(kd * kh * strip), once(rows * columns), times(block_weights, div_up(block, rows))),
            around(
                once(kd * kh * area(state, block, kw, inputs)),
                times(block * columns, kernel_blocks(state)),
                once(block_weights),
            ),
            around(
                once(depth * height * area(state, block, width, inputs)),
                times(block * columns, chunks),
                once(depth * height * width * columns * inputs),
            ),
        ];
        let thread = Share::of(state, self);
        loops.extend(outer_loops(state, &thread));
        let kernel = depth * height * width;
        let planes = thread.depth * thread.rows;
        let points = thread.images * planes * thread.positions;
        let operations =
            [points * kernel * sizes.inputs, points * thread.vectors, kernel * thread.vectors * sizes.inputs];
        loops.push(around(once(operations[0]), once(operations[1] * simd), once(operations[2] * simd)));
        Context { core, bytes: sizes.bytes, buffers: state.buffers }.cost(&loops, operations)
    }
}

/// The loops around the kernel: over blocks of outputs, of positions, rows and planes, and images.
fn outer_loops(state: &State<'_>, thread: &Share) -> Vec<Loop> {
    let sizes = state.sizes;
    let simd = sizes.simd(state.core);
    let [depth, height, width] = sizes.kernel;
    let (block, columns) = (state.position_block, state.output_block);
    let mut loops = Vec::new();
    let by_position = state.order == Order::Positions;
    let kernel = depth * height * width;
    let read = depth * height * area(state, block, width, sizes.inputs);
    if by_position {
        loops.push(around(
            times(read, thread.output_blocks),
            once(block * columns),
            once(kernel * columns * sizes.inputs),
        ));
    }
    let wide = if by_position { thread.vectors } else { state.microkernel.vectors };
    let weights = kernel * wide * sizes.inputs * simd;
    let of_thread = depth * height * area(state, thread.positions, width, sizes.inputs);
    loops.push(around(once(read), once(block * simd * wide), times(weights, thread.position_blocks)));
    loops.push(around(
        once(state.row_block * of_thread),
        once(thread.positions * simd * wide),
        times(weights, thread.row_blocks),
    ));
    loops.push(around(
        once(state.depth_block * thread.rows * of_thread),
        once(thread.rows * thread.positions * simd * wide),
        times(weights, thread.depth_blocks),
    ));
    let planes = thread.depth * thread.rows;
    if !by_position {
        loops.push(around(
            times(planes * of_thread, thread.output_blocks),
            once(columns * planes * thread.positions),
            once(kernel * columns * sizes.inputs),
        ));
    }
    loops.push(around(
        once(planes * of_thread),
        once(planes * thread.positions * thread.vectors * simd),
        times(kernel * thread.vectors * simd * sizes.inputs, thread.images),
    ));
    loops
}

fn around(input: Access, output: Access, weights: Access) -> Loop {
    Loop { input, output, weights }
}

/// Elements that `positions` outputs read by `kernel` columns of `inputs` channels.
fn area(state: &State<'_>, positions: i64, kernel: i64, inputs: i64) -> i64 {
    let (sizes, simd) = (state.sizes, state.sizes.simd(state.core));
    let read = sizes.input_columns(positions, kernel, sizes.input[2]);
    let is_dense = sizes.stride[2] == 1 && inputs >= sizes.inputs;
    if is_dense { round_up(read * inputs, simd) } else { read * round_up(inputs, simd) }
}

/// What one thread computes.
pub(super) struct Share {
    pub output_blocks: i64,
    /// Vectors of output channels.
    pub vectors: i64,
    pub position_blocks: i64,
    pub positions: i64,
    pub row_blocks: i64,
    pub rows: i64,
    pub depth_blocks: i64,
    pub depth: i64,
    pub images: i64,
}

impl Share {
    fn of(state: &State<'_>, work: &Work) -> Share {
        Share::new(state, work.blocks, work.job, state.joins_rows)
    }

    /// The share of a thread of `job` blocks, of which an image has `blocks` for each block of channels.
    pub(super) fn new(state: &State<'_>, blocks: i64, job: i64, is_flat: bool) -> Share {
        let sizes = state.sizes;
        let by_position = state.order == Order::Positions;
        let output_blocks = state.output_blocks().min(div_up(job, if by_position { 1 } else { blocks }));
        let outputs = sizes.outputs.min(output_blocks * state.output_block);
        let inner = if by_position { sizes.groups * state.output_blocks() } else { 1 };
        let in_row = div_up(state.positions, state.position_block);
        let position_blocks = in_row.min(div_up(job, inner));
        let mut share = Share {
            output_blocks,
            vectors: div_up(outputs, sizes.simd(state.core)),
            position_blocks,
            positions: state.positions.min(position_blocks * state.position_block),
            row_blocks: 1,
            rows: 1,
            depth_blocks: 1,
            depth: 1,
            images: sizes.batch.min(div_up(job, blocks * sizes.groups * state.output_blocks())),
        };
        if !is_flat {
            let in_plane = div_up(sizes.output[1], state.row_block);
            share.row_blocks = in_plane.min(div_up(job, in_row * inner));
            share.rows = sizes.output[1].min(share.row_blocks * state.row_block);
            let in_image = div_up(sizes.output[0], state.depth_block);
            share.depth_blocks = in_image.min(div_up(job, in_plane * in_row * inner));
            share.depth = sizes.output[0].min(share.depth_blocks * state.depth_block);
        }
        share
    }
}
