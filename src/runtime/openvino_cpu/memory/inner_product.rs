//! The workspace of matrix products that oneDNN computes.
//!
//! T threads, M rows, N outputs in blocks of n, K inputs in runs of k:
//!
//! | part | bytes |
//! |---|---|
//! | addresses of a batch | `T 4096` |
//! | tiles, under AMX | `T 4096` |
//! | sums, where the output has another type | `T m n 4`, m rows of a block; `M N 4` where AMX runs over all outputs of some inputs |
//! | unpacked weights, where they are quantized and the input is not | `T n k e`, e bytes an element |
//!
//! Source: `jit_brgemm_ip_fwd_conf_t::init_conf`, `get_os_block`, `choose_loop_order` and `init_scratchpad`, oneDNN 3.13,
//! src/cpu/x64/jit_brgemm_inner_product_utils.cpp; the unpacked weights: heap blocks of runs without dynamic quantization.

use super::held::product;
use crate::machine::Machine;

/// A matrix product.
#[derive(Clone, Copy, Debug)]
pub(super) struct InnerProduct {
    pub rows: u64,
    pub outputs: u64,
    pub inputs: u64,
    /// Bytes of an element that is multiplied.
    pub size: u64,
    /// The output has the type of the sums.
    pub writes_f32: bool,
    /// Weights are quantized, and unpacked run by run.
    pub unpacks: bool,
}

/// Bytes of a booking behind another: what aligns it.
///
/// Source: `registry_t`, oneDNN 3.13, src/common/memory_tracking.hpp.
const ALIGNMENT: u64 = 128;

/// Most blocks of inputs in a run.
///
/// Source: `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_inner_product_utils.cpp.
const MOST_BLOCKS: u64 = 64;

/// Bytes of a batch's addresses, and of the tiles.
const PAGE: u64 = 4096;

impl InnerProduct {
    /// Bytes of workspace.
    pub(super) fn scratch(&self, machine: &Machine) -> u64 {
        let threads = u64::from(machine.cores);
        let tiles = self.has_tiles(machine);
        let mut parts = vec![product([threads, PAGE])];
        if tiles {
            parts.push(product([threads, PAGE]));
        }
        if !self.writes_f32 {
            let of_block = product([threads, self.row_block(machine), self.block(machine), 4]);
            parts.push(if self.sums_all(machine) { product([self.rows, self.outputs, 4]) } else { of_block });
        }
        if self.unpacks {
            parts.push(product([threads, self.block(machine), self.run(machine), self.size]));
        }
        let aligned = product([parts.len() as u64, ALIGNMENT]);
        parts.into_iter().fold(aligned, u64::saturating_add)
    }

    /// Kernels: for the rows, columns and inputs of whole blocks and of remainders, that begin sums and that add to them. One
    /// block of inputs that is left over is asked for twice.
    ///
    /// Source: `brgemm_inner_product_fwd_t::pd_t::init` and `get_brg_kernel_index`, oneDNN 3.13,
    /// src/cpu/x64/jit_brgemm_inner_product.hpp.
    pub(super) fn kernels(&self, machine: &Machine) -> u64 {
        let parts = |all: u64, block: u64| {
            let block = block.max(1);
            u64::from(all >= block) + u64::from(!all.is_multiple_of(block))
        };
        let step = self.step(machine);
        let blocks = if self.run(machine) >= self.inputs {
            self.inputs.div_ceil(step)
        } else {
            self.run(machine) / step
        };
        let of_inputs = parts(self.inputs / step, blocks) + 2 * u64::from(!self.inputs.is_multiple_of(step));
        2 * parts(self.rows, self.row_block(machine)) * parts(self.outputs, self.block(machine)) * of_inputs
    }

    /// Bytes of the workspace that are not written: sums of all outputs, where one run takes all inputs and writes the
    /// output itself.
    pub(super) fn unwritten(&self, machine: &Machine) -> u64 {
        let is_unused = !self.writes_f32 && self.sums_all(machine) && self.run(machine) >= self.inputs;
        if is_unused { product([self.rows, self.outputs, 4]) } else { 0 }
    }

    fn has_tiles(&self, machine: &Machine) -> bool {
        machine.isa.has_amx() && self.size < 4
    }

    /// Outputs in a block.
    fn block(&self, machine: &Machine) -> u64 {
        let (lanes, most) = if machine.isa.has_avx512() { (16, 4) } else { (8, 3) };
        match self.outputs {
            outputs if outputs >= most * lanes => most * lanes,
            outputs if outputs >= 2 * lanes => 2 * lanes,
            _ => lanes,
        }
    }

    /// Inputs of a block.
    fn step(&self, machine: &Machine) -> u64 {
        match machine.isa.has_avx512() {
            true if self.has_tiles(machine) => 32,
            true => 16,
            false => 8,
        }
    }

    /// Inputs of a run.
    fn run(&self, machine: &Machine) -> u64 {
        let block = self.step(machine);
        let blocks = self.inputs.div_ceil(block);
        if blocks <= MOST_BLOCKS {
            return self.inputs;
        }
        let even = (1..=MOST_BLOCKS).rev().find(|by| blocks.is_multiple_of(*by)).unwrap_or(1);
        // A run of few blocks is not worth its call.
        block * if even < 16 { MOST_BLOCKS } else { even }
    }

    /// Rows in a block.
    ///
    /// Source: `get_os_block`, oneDNN 3.13, src/cpu/x64/jit_brgemm_inner_product_utils.cpp.
    fn row_block(&self, machine: &Machine) -> u64 {
        let tiles = self.has_tiles(machine);
        let is_long = tiles && self.rows.is_multiple_of(128) && self.outputs > 128;
        let is_gigantic = self.inputs >= 9216 && self.outputs >= 4096 && self.rows >= 512;
        let most = if is_long || is_gigantic { 128 } else { 64 };
        let has_many = product([self.rows.div_ceil(most), self.outputs.div_ceil(64)])
            > product([u64::from(machine.cores), 50]);
        let least = match tiles {
            _ if has_many => most,
            true => 16,
            false => 6,
        };
        let even =
            (1..=most.min(self.rows.max(1))).rev().find(|by| self.rows.is_multiple_of(*by)).unwrap_or(1);
        if even < least { self.rows.min(most) } else { even }
    }

    /// Whether sums of all outputs are kept: AMX runs over the outputs inside of some inputs.
    fn sums_all(&self, machine: &Machine) -> bool {
        if !self.has_tiles(machine) {
            return false;
        }
        let (rows, columns) = (self.row_block(machine).max(1), self.block(machine));
        let (in_rows, in_columns) = (self.rows.div_ceil(rows).max(1), self.outputs.div_ceil(columns).max(1));
        let blocks = product([in_rows, in_columns]).div_ceil(u64::from(machine.cores.max(1)));
        let span = |count: u64, block: u64, all: u64| product([count, block]).min(all) as f32;
        let inputs = self.inputs as f32;
        let intensity = |m: f32, n: f32| 2.0 * m * n * inputs / (m * inputs + n * inputs + 2.0 * m * n);
        let by_rows = intensity(
            span(blocks.div_ceil(in_columns), rows, self.rows),
            span(blocks.min(in_columns), columns, self.outputs),
        );
        let by_columns = intensity(
            span(blocks.min(in_rows), rows, self.rows),
            span(blocks.div_ceil(in_rows), columns, self.outputs),
        );
        rows < 32 || by_columns > 1.15 * by_rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Isa;

    fn scratch(isa: Isa, [rows, inputs, outputs]: [u64; 3], size: u64, unpacks: bool) -> u64 {
        let product = InnerProduct { rows, outputs, inputs, size, writes_f32: size == 4, unpacks };
        product.scratch(&Machine { isa, ..Machine::MEASURED })
    }

    /// A heap block is up to a page larger than what was asked for, where it is mapped, and up to 96 bytes elsewhere.
    fn fits(block: u64, asked: u64) -> bool {
        asked <= block && (block <= asked + 96 || block == (asked + 104).next_multiple_of(4096) - 64)
    }

    /// Kernels as `ONEDNN_JIT_DUMP=1` writes them, by rows, inputs and outputs.
    #[test]
    fn kernels_are_those_of_the_library() {
        let kernels = |[rows, inputs, outputs]: [u64; 3]| {
            let product = InnerProduct { rows, outputs, inputs, size: 2, writes_f32: false, unpacks: false };
            product.kernels(&Machine { isa: Isa::Avx512Bf16, ..Machine::MEASURED })
        };
        assert_eq!(kernels([1, 1024, 1000]), 4);
        assert_eq!(kernels([1, 1512, 1000]), 16);
        assert_eq!(kernels([249, 384, 384]), 4);
        assert_eq!(kernels([249, 1536, 384]), 4);
    }

    /// Blocks of measured runs.
    #[test]
    fn scratch_is_as_large_as_measured() {
        assert!(fits(622_350_272, scratch(Isa::Amx, [1024, 896, 151_936], 2, false)));
        assert!(fits(15_749_056, scratch(Isa::Amx, [1024, 1280, 3840], 2, false)));
        assert!(fits(37_113_792, scratch(Isa::Amx, [1024, 1536, 8960], 2, true)));
        assert!(fits(393_784, scratch(Isa::Amx, [128, 4864, 896], 2, true)));
        assert!(fits(
            270_776,
            scratch(Isa::Avx512Bf16, [128, 4864, 896], 2, true).max(scratch(
                Isa::Avx512Bf16,
                [128, 896, 4864],
                2,
                true
            ))
        ));
        assert!(fits(467_256, scratch(Isa::Avx512, [1024, 8960, 1536], 4, true)));
        // The prompt of 128 tokens keeps sums of a block alone.
        assert!(scratch(Isa::Amx, [128, 896, 151_936], 2, false) < 128 << 10);
    }
}
