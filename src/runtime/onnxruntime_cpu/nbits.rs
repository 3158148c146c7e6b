//! `MatMulNBits`: how its weights are packed, and what a run holds next to the arena.
//!
//! * With its data as integers (`accuracy_level` 4) every width is packed: the numbers, a scale for each block, a sum for
//!   each block of rows padded to 16, and room to align two of these.
//! * Else 4 bits are packed as they are, and other widths are written out in single in each run.
//! * Zero points of another type than u8, reordered columns and weights that are not constants are written out too.
//! * Half precision: scales and bias have a copy in single; so has the data, and where weights are written out the result.
//!
//! Source: onnxruntime/contrib_ops/cpu/quantization/matmul_nbits.cc, mlas/lib/qnbitgemm.cpp and
//! sqnbitgemm_kernel_avx*.cpp; sizes are those of the "Reserving memory" lines of 1.31.1 for 2, 4 and 8 bits, blocks of
//! 16 to 256, on x86-64 with AVX-512 and VNNI.

use super::work::Work;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Packing, WeightBlocks};

/// What a buffer may be moved by to begin at a multiple of 64.
///
/// Source: onnxruntime/core/mlas/lib/qnbitgemm.cpp (`MlasQNBitGemmBatchWorkspaceSize` adds the alignment less 1).
const ALIGNING: u64 = 63;

/// A matrix of weights in blocks along its rows, which share a scale.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub rows: u64,
    pub columns: u64,
    pub bits: u64,
    /// Weights of a block.
    pub block: u64,
    /// Products are of integers.
    pub as_integers: bool,
}

/// One node's numbers.
struct Weights {
    blocks: Blocks,
    is_half: bool,
}

impl Blocks {
    fn in_row(&self) -> u64 {
        self.columns.div_ceil(self.block)
    }

    /// Length of the packed weights; `None`: no kernel reads them packed.
    pub(super) fn packed(&self) -> Option<u64> {
        let blocks = self.rows.checked_mul(self.in_row())?;
        let numbers = blocks.checked_mul(self.block)?.checked_mul(self.bits)? / 8;
        if !self.as_integers {
            return (self.bits == 4).then_some(numbers);
        }
        let sums = self.rows.checked_next_multiple_of(16)?.checked_mul(self.in_row())?.checked_mul(4)?;
        numbers.checked_add(blocks.checked_mul(4)?)?.checked_add(sums)?.checked_add(2 * ALIGNING)
    }

    /// Length of so many rows of data as integers of 8 bits, with a scale and a sum for each block.
    pub(super) fn quantized(&self, data_rows: u64) -> Option<u64> {
        let numbers = data_rows.checked_mul(self.in_row())?.checked_mul(self.block.checked_add(8)?)?;
        numbers.checked_next_multiple_of(64)?.checked_add(ALIGNING)
    }
}

impl Weights {
    fn of(work: &Work<'_>, node: usize) -> Option<Weights> {
        let &Op::Linear { outputs, packing: Packing::Blocks(blocks) } =
            &work.graph.node(work.nodes[node].source).op
        else {
            return None;
        };
        let WeightBlocks { columns, bits, block_size, as_integers } = blocks;
        let positive = |number: i64| u64::try_from(number).ok().filter(|&number| number > 0);
        let [rows, columns, bits, block] = [outputs, columns, bits, block_size].map(positive);
        Some(Weights {
            blocks: Blocks { rows: rows?, columns: columns?, bits: bits?, block: block?, as_integers },
            is_half: work.values[work.input(node, 0)?].dtype == DType::F16,
        })
    }

    /// What a run with so many rows of data holds next to the arena.
    fn reserved(&self, data_rows: u64, is_packed: bool) -> Option<u64> {
        let Blocks { rows, columns, as_integers, .. } = self.blocks;
        let single = |columns: u64| data_rows.checked_mul(columns)?.checked_mul(4);
        let data = if self.is_half { single(columns)? } else { 0 };
        if !is_packed {
            let written = rows.checked_mul(columns)?.checked_mul(4)?;
            let result = if self.is_half { single(rows)? } else { 0 };
            return written.checked_add(data)?.checked_add(result);
        }
        if as_integers { self.blocks.quantized(data_rows) } else { Some(data) }
    }
}

/// Bytes of the packed copy of a node's weights.
pub(super) fn packed(work: &Work<'_>, node: usize) -> Option<u64> {
    // Reordered columns, or zero points that are not packed as the weights are.
    let is_plain = work.input(node, 4).is_none()
        && work.input(node, 3).is_none_or(|value| work.values[value].dtype == DType::U8);
    let is_constant = work.input(node, 1).is_some_and(|value| work.values[value].is_constant);
    Weights::of(work, node).filter(|_| is_plain && is_constant)?.blocks.packed()
}

/// Bytes of the copy in single of scales or bias in half precision, which stay as well.
pub(super) fn widened(work: &Work<'_>, node: usize, index: usize) -> Option<u64> {
    let value = work.input(node, index).filter(|_| matches!(index, 2 | 5))?;
    Weights::of(work, node).filter(|weights| weights.is_half)?;
    work.bytes(value)?.checked_mul(2)
}

/// Bytes that a node holds next to the arena while it runs.
pub(super) fn reserved(work: &Work<'_>, node: usize, packs: bool) -> Option<u64> {
    let weights = Weights::of(work, node)?;
    let data = work.values[work.input(node, 0)?].dims.as_ref()?;
    let elements = data.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim))?;
    let is_packed = packs && packed(work, node).is_some();
    weights.reserved(elements / weights.blocks.columns, is_packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(bits: u64, block: u64, as_integers: bool) -> Blocks {
        Blocks { rows: 128, columns: 256, bits, block, as_integers }
    }

    fn weights(bits: u64, block: u64, as_integers: bool) -> Weights {
        Weights { blocks: blocks(bits, block, as_integers), is_half: false }
    }

    #[test]
    fn packed_weights_are_those_of_the_log() {
        for (bits, block, length) in [
            (2, 32, 16_510),
            (4, 32, 24_702),
            (8, 32, 41_086),
            (4, 16, 32_894),
            (8, 128, 34_942),
            (4, 256, 17_534),
        ] {
            assert_eq!(blocks(bits, block, true).packed(), Some(length), "{bits} bits, blocks of {block}");
        }
        assert_eq!(blocks(4, 32, false).packed(), Some(16_384));
        assert_eq!(blocks(8, 32, false).packed(), None);
        let odd = Blocks { rows: 100, columns: 200, ..blocks(4, 32, true) };
        assert_eq!(odd.packed(), Some(17_262));
        let large = Blocks { rows: 1000, columns: 4096, ..blocks(4, 32, true) };
        assert_eq!(large.packed(), Some(3_076_222));
    }

    #[test]
    fn workspaces_are_those_of_the_log() {
        assert_eq!(weights(4, 32, true).reserved(33, true), Some(10_623));
        assert_eq!(weights(8, 16, true).reserved(33, true), Some(12_735));
        assert_eq!(weights(4, 32, true).reserved(1, true), Some(383));
        let odd = Blocks { rows: 100, columns: 200, ..blocks(4, 32, true) };
        assert_eq!(odd.quantized(33), Some(9_343));
        assert_eq!(weights(4, 32, false).reserved(33, true), Some(0));
        assert_eq!(weights(8, 32, false).reserved(33, false), Some(131_072));
        let half = Weights { is_half: true, ..weights(4, 32, false) };
        assert_eq!(half.reserved(33, true), Some(33_792));
        let half = Weights { is_half: true, ..weights(8, 32, false) };
        assert_eq!(half.reserved(33, false), Some(131_072 + 33_792 + 16_896));
    }

    #[test]
    fn huge_numbers_are_unknown() {
        let huge = Blocks { rows: u64::MAX, columns: u64::MAX, ..blocks(4, 32, true) };
        assert_eq!((huge.packed(), huge.quantized(u64::MAX)), (None, None));
    }
}
