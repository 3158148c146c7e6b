//! Convolutions as oneDNN computes them: how their weights are packed, and which kernels are generated for them.
//!
//! Three implementations cover what was measured (700 convolutions of recorded models, each on three instruction sets):
//! depthwise, of one element, and general. The last two search for block sizes by a model of registers, threads and
//! caches; weights are padded to the block of outputs that is found, so that their size depends on the processor. Under AMX both
//! compute in tiles, by the same search with other blocks.
//!
//! Source: oneDNN 3.13 (the version in OpenVINO 2026.4.1), src/cpu/x64/jit_brgemm_conv_utils.cpp,
//! jit_brgemm_1x1_conv.cpp and jit_brdgmm_dw_conv.cpp.

mod cost;
mod deconvolution;
mod depthwise;
mod general;
mod kernels;
mod microkernel;
mod node;
mod pointwise;
mod scratch;
mod shape;
mod state;
mod tiled;
mod tiles;

use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, ZeroPoints};
pub(super) use deconvolution::scratch as scratch_of_deconvolution;
use rustc_hash::FxHashMap;
pub(super) use scratch::Scratch;
use shape::{Core, Sizes, round_up};
use state::Relocated;

/// What the library makes for one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// Bytes of the packed weights.
    pub weights: u64,
    /// Output channels of a block of them.
    pub block: i64,
    /// Generated kernels.
    pub kernels: u64,
    /// Columns of the input that one of these kernels copies, each by instructions of its own.
    pub copied_columns: u64,
    pub scratch: Scratch,
}

/// The convolutions of a graph, by step.
#[derive(Clone, Debug, Default)]
pub(super) struct Convolutions {
    of_step: FxHashMap<u32, (usize, Made)>,
}

impl Convolutions {
    /// Searches the blocks of every convolution of `graph`, of equal ones once.
    ///
    /// Cost: some 60 µs for each distinct convolution.
    pub(super) fn of(graph: &ExecutionGraph, machine: &Machine) -> Convolutions {
        let mut known: FxHashMap<Sizes, (usize, Made)> = FxHashMap::default();
        let mut of_step = FxHashMap::default();
        for (step, node) in (0_u32..).zip(&graph.nodes) {
            let Some(sizes) = node::sizes(graph, node) else { continue };
            let next = known.len();
            let found = *known.entry(sizes).or_insert_with_key(|sizes| (next, made(sizes, machine)));
            of_step.insert(step, found);
        }
        Convolutions { of_step }
    }

    /// What is made for the convolution at a step, and which of the distinct ones it is.
    pub(super) fn get(&self, step: u32) -> Option<(usize, Made)> {
        self.of_step.get(&step).copied()
    }
}

/// What the library makes for a product in f32 of `data` [… M, K] with weights [N, K] that runs as a convolution.
pub(super) fn of_product(data: &[u64], n_k: [u64; 2], machine: &Machine) -> Option<Made> {
    node::of_product(data, n_k).map(|sizes| made(&sizes, machine))
}

/// Models the implementation of a convolution: in tiles, if the processor has tiles and the library uses them for these sizes.
fn made(sizes: &Sizes, machine: &Machine) -> Made {
    if sizes.multiplications() > MOST_MULTIPLICATIONS {
        return plain(sizes);
    }
    let core = Core::new(machine, sizes);
    if core.has_tiles && !sizes.is_depthwise() {
        let core_without = Core { has_tiles: false, ..core };
        return made_by(sizes, &core)
            .or_else(|| made_by(sizes, &core_without))
            .unwrap_or_else(|| plain(sizes));
    }
    made_by(sizes, &core).unwrap_or_else(|| plain(sizes))
}

/// Multiplications up to which blocks are searched: sizes times blocks are of 64 bits.
///
/// Source: this crate's; no processor computes so many in a day.
const MOST_MULTIPLICATIONS: u128 = 1 << 50;

/// Models a convolution without blocks: weights as exported, and one kernel.
fn plain(sizes: &Sizes) -> Made {
    let elements = sizes.groups * sizes.outputs * sizes.inputs * sizes.kernel.iter().product::<i64>();
    Made {
        weights: u64::try_from(elements.saturating_mul(sizes.bytes[1])).unwrap_or(0),
        block: 1,
        kernels: 1,
        copied_columns: 0,
        scratch: Scratch::default(),
    }
}

/// Models the implementation that a search on this processor finds; `None` if it finds no blocks.
fn made_by(sizes: &Sizes, core: &Core) -> Option<Made> {
    let bytes = |elements: i64| u64::try_from(elements.saturating_mul(sizes.bytes[1])).unwrap_or(0);
    let kernel = |sizes: &Sizes| sizes.kernel.iter().product::<i64>();
    if sizes.is_depthwise() {
        let weights = bytes(round_up(sizes.groups, core.lanes) * kernel(sizes));
        let (kernels, scratch) = match sizes.zero_points {
            ZeroPoints::PerChannel if sizes.has_output_scale => (1, Scratch::of_scales(sizes.groups)),
            ZeroPoints::PerChannel => (1, Scratch::default()),
            _ => (depthwise::kernels(sizes, core), Scratch::default()),
        };
        return Some(Made { weights, block: core.lanes, kernels, copied_columns: 0, scratch });
    }
    let is_pointwise = sizes.is_pointwise();
    let moved = match is_pointwise {
        true => sizes.clone().with_padded_inputs(core),
        false => sizes.clone().with_columns_as_channels(core),
    };
    let state = match is_pointwise {
        true => pointwise::search(&moved, core, moved.inputs != sizes.inputs),
        false => general::search(&moved, core),
    }?;
    let (block, step) = if state.moves_weights() {
        (core.lanes, 1)
    } else {
        (state.output_block, sizes.granularity() * if state.pads_inputs { core.lanes } else { 1 })
    };
    let elements =
        moved.groups * round_up(moved.outputs, block) * round_up(moved.inputs, step) * kernel(&moved);
    let kernels = if is_pointwise { kernels::of_pointwise(&state) } else { kernels::of_general(&state) };
    let kernels = kernels + u64::from(kernels::has_compensation(sizes));
    // What the zero point adds to each output is kept behind the weights.
    let added = if sizes.zero_points == ZeroPoints::One {
        4 * moved.groups * round_up(moved.outputs, block)
    } else {
        0
    };
    Some(Made {
        weights: bytes(elements) + u64::try_from(added).unwrap_or(0),
        block,
        kernels,
        copied_columns: match state.relocated() {
            Relocated::Columns => u64::try_from(moved.padded(2)).unwrap_or(0),
            _ => 0,
        },
        scratch: Scratch::of(&state, is_pointwise),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Isa;
    use crate::units::Bytes;

    /// A convolution of one image with a bias; `bytes` of input, weights and output.
    fn convolution(input: [i64; 3], outputs: i64, kernel: i64, stride: i64, bytes: [i64; 3]) -> Sizes {
        let [inputs, height, width] = input;
        let pad = kernel / 2;
        let size = |size: i64| (size + 2 * pad - kernel) / stride + 1;
        Sizes {
            batch: 1,
            groups: 1,
            outputs,
            inputs,
            input: [1, height, width],
            output: [1, size(height), size(width)],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            dilation: [1; 3],
            pad: [0, pad, pad],
            n_spatial: 2,
            is_grouped: false,
            bytes,
            has_post_operation: true,
            has_sum: false,
            zero_points: ZeroPoints::None,
            has_output_scale: false,
            has_moved_columns: false,
        }
    }

    fn on(isa: Isa, sizes: &Sizes) -> (u64, u64) {
        let found = made(sizes, &Machine { isa, ..Machine::MEASURED });
        (found.weights, found.kernels)
    }

    const BF16: [i64; 3] = [2, 2, 4];
    const F32: [i64; 3] = [4; 3];

    #[test]
    fn sizes_that_nothing_computes_have_no_blocks() {
        let mut sizes = convolution([3, 14, 14], 1280, 14, 14, BF16);
        sizes.output = [1, 1, i64::from(u32::MAX)];
        sizes.batch = 1 << 20;
        assert_eq!(on(Isa::Avx512Bf16, &sizes), (1280 * 3 * 14 * 14 * 2, 1));
    }

    /// Formats of weights as `ONEDNN_VERBOSE=2` prints them, kernels as `ONEDNN_JIT_DUMP=1` writes them.
    #[test]
    fn blocks_are_those_of_the_library() {
        // AcdB48a2b, Acdb16a, Acdb24a.
        let wide = |bytes| convolution([512, 7, 7], 2048, 1, 1, bytes);
        assert_eq!(on(Isa::Avx512Bf16, &wide(BF16)), (2064 * 512 * 2, 4));
        let three = |bytes| convolution([128, 8, 8], 256, 3, 2, bytes);
        assert_eq!(on(Isa::Avx512Bf16, &three(BF16)), (256 * 128 * 9 * 2, 1));
        assert_eq!(on(Isa::Avx2, &three(F32)), (264 * 128 * 9 * 4, 2));
        // An image of three channels: two and two in bf16.
        let first = |bytes| convolution([3, 224, 224], 64, 7, 2, bytes);
        assert_eq!(on(Isa::Avx512Bf16, &first(BF16)), (64 * 4 * 49 * 2, 1));
    }

    /// Heap blocks of measured runs: filters of bytes.
    #[test]
    fn blocks_of_bytes_are_as_large_as_measured() {
        let of = |outputs, inputs, kernel| {
            on(Isa::Avx512Bf16, &convolution([inputs, 20, 20], outputs, kernel, 1, [1; 3])).0
        };
        assert_eq!(of(512, 512, 3), 2_359_296);
        assert_eq!(of(80, 256, 3), 221_184);
        assert_eq!(of(112, 256, 3), 294_912);
        assert_eq!(of(136, 256, 3), 331_776);
        assert_eq!(of(144, 250, 3), 326_592);
        assert_eq!(of(208, 1536, 1), 344_064);
    }

    /// A zero point of the data: heap blocks of a measured run, and the kernel that sums weights at the borders.
    #[test]
    fn zero_points_add_a_number_per_output() {
        let of = |outputs, inputs, kernel| {
            let sizes = convolution([inputs, 20, 20], outputs, kernel, 1, [1; 3]);
            on(Isa::Avx512Bf16, &Sizes { zero_points: ZeroPoints::One, ..sizes })
        };
        assert_eq!(of(128, 128, 3).0 + 8, 147_976);
        assert_eq!(of(80, 256, 3).0 + 8, 221_576);
        assert_eq!([of(64, 64, 3).1, of(64, 64, 1).1], [2, 1]);
    }

    /// A sound of one channel is copied so that its kernel becomes channels.
    #[test]
    fn one_channel_is_copied() {
        let sizes = Sizes {
            input: [1, 1, 80_000],
            output: [1, 1, 15_999],
            kernel: [1, 1, 10],
            stride: [1, 1, 5],
            pad: [0; 3],
            n_spatial: 1,
            ..convolution([1, 1, 80_000], 512, 1, 1, BF16)
        };
        assert_eq!(on(Isa::Avx512Bf16, &sizes), (512 * 10 * 2, 3));
        let machine = Machine { isa: Isa::Avx512Bf16, ..Machine::MEASURED };
        assert_eq!(made(&sizes, &machine).copied_columns, 80_000);
    }

    /// The position embedding of wav2vec2: a kernel for every number of rows that meets the border.
    #[test]
    fn borders_have_kernels_of_their_own() {
        let sizes = Sizes {
            groups: 16,
            input: [1, 1, 249],
            output: [1, 1, 250],
            kernel: [1, 1, 128],
            pad: [0, 0, 64],
            n_spatial: 1,
            is_grouped: true,
            ..convolution([24, 1, 249], 24, 1, 1, BF16)
        };
        assert_eq!(on(Isa::Avx512Bf16, &sizes), (16 * 32 * 24 * 128 * 2, 132));
        assert_eq!(on(Isa::Avx2, &Sizes { bytes: F32, ..sizes }), (16 * 24 * 24 * 128 * 4, 132));
    }

    #[test]
    fn rows_of_depthwise_convolutions_divide_among_threads() {
        let depthwise = |channels, size, stride| Sizes {
            groups: channels,
            inputs: 1,
            outputs: 1,
            is_grouped: true,
            ..convolution([1, size, size], 1, 3, stride, BF16)
        };
        assert_eq!(on(Isa::Avx512Bf16, &depthwise(16, 112, 1)), (16 * 9 * 2, 1));
        assert_eq!(on(Isa::Avx512Bf16, &depthwise(144, 38, 2)), (144 * 9 * 2, 4));
        assert_eq!(on(Isa::Avx512Bf16, &depthwise(72, 150, 2)), (80 * 9 * 2, 8));
    }

    /// Workspaces of measured runs under AMX, which are mapped: the first convolutions of ResNet-50 and of ViT.
    #[test]
    fn images_are_copied_for_tiles() {
        let machine = Machine { isa: Isa::Amx, l2: Bytes(2 << 20), ..Machine::MEASURED };
        let mapped = |made: Made| (made.scratch.bytes + 104).next_multiple_of(4096) - 64;
        let rows_and_columns = made(&convolution([3, 224, 224], 64, 7, 2, [2, 2, 2]), &machine);
        assert_eq!(mapped(rows_and_columns), 5_517_248);
        assert!(rows_and_columns.scratch.written < 512 << 10);
        let patches =
            Sizes { output: [1, 14, 14], pad: [0; 3], ..convolution([3, 224, 224], 768, 16, 16, [2, 2, 2]) };
        let columns = made(&patches, &machine);
        assert_eq!((mapped(columns), columns.weights), (12_492_736, 768 * 768 * 2));
    }

    /// Heap blocks of measured runs under AMX: weights of one element have no outputs more than the layer.
    #[test]
    fn tiles_divide_outputs_evenly() {
        let on = |sizes: Sizes| on(Isa::Amx, &sizes).0;
        assert_eq!(on(convolution([512, 7, 7], 2048, 1, 1, [2, 2, 2])), 2048 * 512 * 2);
        assert_eq!(on(convolution([512, 7, 7], 512, 3, 1, [2, 2, 2])), 512 * 512 * 9 * 2);
    }

    /// A cache of 2 MiB lets more be kept: weights of [256, 1024] in one block of inputs.
    #[test]
    fn the_cache_decides_blocks() {
        let sizes = convolution([1024, 14, 14], 256, 1, 1, F32);
        let with =
            |l2| made(&sizes, &Machine { isa: Isa::Avx512, l2: Bytes(l2), ..Machine::MEASURED }).kernels;
        assert!(with(256 << 10) >= with(8 << 20));
    }
}
