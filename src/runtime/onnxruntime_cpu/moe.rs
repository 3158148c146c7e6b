//! `MoE` and `QMoE`: the workspace of experts, which depends on how the router spreads tokens, and packed weights.
//!
//! Experts run side by side in slots: as many as have tokens, at most one for each thread. Every slot has buffers for the
//! tokens of the expert that has the most, and an output of its own; the outputs are summed up in the end.
//!
//! * `MoE`: room for twice the tokens of that expert, and at least for 512.
//! * `QMoE`: room for its tokens, next to it the weights of one expert in single, unless a kernel reads them in blocks.
//!   Then few experts run one after the other, and each of their products on all threads.
//!
//! Each token goes to `k` distinct experts, so an expert has all tokens at most. Routes of no weight are dropped, so one
//! per token is sure.
//!
//! Source: ONNX Runtime, onnxruntime/contrib_ops/cpu/moe/moe_cpu.cc (`MoE<T>::ComputeMoE`, `EnsureCapacity`) and
//! moe_quantization_cpu.cc (`QMoECPU<T>::ComputeCommon`, `PrePack`, `PrePackQNBitExperts`); sizes are those of the requests that
//! the arena of 1.31.1 logs for one node of each form, with 1 and 2 threads, and of its "Reserving memory" lines.

use super::nbits::Blocks;
use super::work::Work;
use crate::DType;
use crate::graph::Op;
use crate::machine::Machine;
use crate::scenario::DataSizes;

const F32: u64 = 4;

/// Slots of [`MoE`](Op::MoE) at most.
///
/// Source: `MoE<T>::ComputeMoE`, onnxruntime/contrib_ops/cpu/moe/moe_cpu.cc.
const MOST_SLOTS: u64 = 8;

/// Numbers of slots that are tried, of many only the first and the most.
///
/// Source: this crate's; it bounds the time that a search takes, and the most and the least are among the first and the last.
const MOST_TRIED: u64 = 64;

/// Tokens that a slot of [`MoE`](Op::MoE) has room for at least.
///
/// Source: `EnsureCapacity`, onnxruntime/contrib_ops/cpu/moe/moe_cpu.cc.
const LEAST_ROOM: u64 = 512;

/// What a node is given, and how its weights are stored.
struct Experts {
    tokens: u64,
    hidden: u64,
    /// Width of what the first product gives.
    first: u64,
    /// Width of what the second one reads.
    inner: u64,
    count: u64,
    per_token: u64,
    is_half: bool,
    /// `None`: not quantized.
    weights: Option<Quantized>,
}

/// Numbers of a symmetric block.
///
/// Source: `QMoECPU<T>::PrePack`, onnxruntime/contrib_ops/cpu/moe/moe_quantization_cpu.cc.
const SYMMETRIC: u64 = 32;

/// Rows of a tile of a product by lookup.
///
/// Source: `QMoECPU<T>::PrePack`, onnxruntime/contrib_ops/cpu/moe/moe_quantization_cpu.cc, and the arena's log.
const LOOKUP_ROWS: u64 = 128;

#[derive(Clone, Copy)]
struct Quantized {
    bits: u64,
    /// 0: a scale for each row.
    block: u64,
    as_integers: bool,
    /// Both products read packed blocks.
    reads_blocks: bool,
}

/// How the router may spread tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spread {
    slots: u64,
    /// Tokens of the expert that has the most.
    most: u64,
}

/// The requests of a node, in their order; `None` if it has no experts, or its sizes are unknown.
pub(super) fn workspace(work: &Work<'_>, node: usize, machine: &Machine) -> Option<Vec<u64>> {
    let experts = Experts::of(work, node)?;
    experts.requests(experts.spread(work.shapes.data_sizes(), machine)?)
}

/// Bytes that a node holds next to the arena: what both products of each slot's expert give and read.
///
/// Source: `MoE<T>::ProcessExpertBatch`, onnxruntime/contrib_ops/cpu/moe/moe_cpu.cc.
pub(super) fn reserved(work: &Work<'_>, node: usize, machine: &Machine) -> Option<u64> {
    let experts = Experts::of(work, node).filter(|experts| experts.weights.is_none())?;
    let spread = experts.spread(work.shapes.data_sizes(), machine)?;
    product([spread.slots, spread.most, experts.first.checked_add(experts.inner)?, F32])
}

/// Whether a node's workspace depends on data.
pub(super) fn depends_on_data(work: &Work<'_>, node: usize) -> bool {
    matches!(work.graph.node(work.nodes[node].source).op, Op::MoE { .. } | Op::QMoE { .. })
}

/// The shape of packed weights: its rank, three dims, and three numbers of how blocks are packed.
///
/// It is a request to the arena when the session is made, and gone when the kernel has its weights.
///
/// Source: `QMoECPU<T>::PrePack`, onnxruntime/contrib_ops/cpu/moe/moe_quantization_cpu.cc, and the arena's log.
pub(super) const SHAPE: u64 = 7 * 8;

/// Lengths of the copies of a `QMoE`'s weights that stay instead of them; empty: it reads them as they are.
///
/// Where a row has one scale, weights of 4 bits are written out as bytes, and once more in blocks of 32 with a scale each
/// if they are symmetric. Weights of 2 bits in blocks are for products by lookup, which need a multiple of 128 rows.
pub(super) fn packed(work: &Work<'_>, node: usize, index: usize) -> Vec<u64> {
    of_matrix(work, node, index).and_then(Matrix::packed).unwrap_or_default()
}

/// Bytes of the copy in single of a `QMoE`'s scales in half precision, where a kernel reads packed blocks.
pub(super) fn widened(work: &Work<'_>, node: usize, index: usize) -> Option<u64> {
    let matrix = of_matrix(work, node, index.checked_sub(1)?)?;
    let scales = work.input(node, index).filter(|&value| work.values[value].dtype == DType::F16)?;
    matrix.reads_blocks().then(|| work.bytes(scales)?.checked_mul(2)).flatten()
}

/// The weights of all experts for one product, as they are stored.
#[derive(Clone, Copy)]
struct Matrix {
    experts: u64,
    rows: u64,
    columns: u64,
    quantized: Quantized,
    has_zero_points: bool,
    has_block_scales: bool,
    /// Weights and scales are constants, and the session packs such.
    packs: bool,
}

fn of_matrix(work: &Work<'_>, node: usize, index: usize) -> Option<Matrix> {
    let &Op::QMoE { bits, block_size, as_integers, .. } = &work.graph.node(work.nodes[node].source).op else {
        return None;
    };
    let zero_points = match index {
        2 => 11,
        5 => 12,
        _ => return None,
    };
    let dims = |index: usize| work.input(node, index).and_then(|value| work.values[value].dims.as_deref());
    let (&[experts, rows, packed], scales) = (dims(index)?, dims(index + 1)?) else { return None };
    let bits = u64::try_from(bits).ok().filter(|bits| matches!(bits, 2 | 4 | 8))?;
    let block = u64::try_from(block_size).ok()?;
    let columns = packed.checked_mul(8 / bits)?;
    let is_constant =
        |index: usize| work.input(node, index).is_some_and(|value| work.values[value].is_constant);
    Some(Matrix {
        experts,
        rows,
        columns,
        // There is no product of 8 bits in single.
        quantized: Quantized { bits, block, as_integers: as_integers || bits == 8, reads_blocks: false },
        has_zero_points: work.input(node, zero_points).is_some(),
        has_block_scales: block > 0 && columns % block == 0 && scales == [experts, rows, columns / block],
        packs: work.options.prepacking && is_constant(index) && is_constant(index + 1),
    })
}

impl Matrix {
    fn reads_blocks(self) -> bool {
        self.quantized.bits != 2 && self.has_block_scales && self.packs
    }

    fn packed(self) -> Option<Vec<u64>> {
        let Matrix { experts, rows, columns, quantized, .. } = self;
        let Quantized { bits, block, as_integers, .. } = quantized;
        let all = |bytes: u64| bytes.checked_mul(experts);
        let numbers = rows.checked_mul(columns)?;
        if self.reads_blocks() {
            return Some(vec![all(Blocks { rows, columns, bits, block, as_integers }.packed()?)?]);
        }
        match bits {
            4 if block == 0 => {
                let blocks = rows.checked_mul(columns.div_ceil(SYMMETRIC))?;
                let symmetric = blocks.checked_mul(SYMMETRIC / 2 + F32)?;
                let is_symmetric = !self.has_zero_points && self.packs;
                let symmetric = if is_symmetric { Some(all(symmetric)?) } else { None };
                Some(std::iter::once(all(numbers)?).chain(symmetric).collect())
            }
            2 if self.has_block_scales && self.packs && rows % LOOKUP_ROWS == 0 => {
                let per_block = if self.has_zero_points { 2 * F32 } else { F32 };
                let scales = rows.checked_mul(columns / block)?.checked_mul(per_block)?;
                Some(vec![all((numbers / 4).checked_add(scales)?)?])
            }
            _ => None,
        }
    }
}

impl Experts {
    fn of(work: &Work<'_>, node: usize) -> Option<Experts> {
        let dims =
            |index: usize| work.input(node, index).and_then(|value| work.values[value].dims.as_deref());
        let input = dims(0)?;
        let hidden = input.last().copied().filter(|&hidden| hidden > 0)?;
        let elements = product(input.iter().copied())?;
        let (top_k, second, in_byte, weights) = match work.graph.node(work.nodes[node].source).op {
            Op::MoE { top_k } => (top_k, 4, 1, None),
            Op::QMoE { top_k, .. } => {
                let [first, second] = [2, 5].map(|index| of_matrix(work, node, index));
                let (first, second) = (first?, second?);
                let reads_blocks = first.reads_blocks() && second.reads_blocks();
                let own = Quantized { reads_blocks, ..first.quantized };
                (top_k, 5, 8 / own.bits, Some(own))
            }
            _ => return None,
        };
        let width = |index: usize| match *dims(index)? {
            [_, rows, columns] => Some(product([rows, columns, in_byte])? / hidden),
            _ => None,
        };
        Some(Experts {
            tokens: elements / hidden,
            hidden,
            first: width(2)?,
            inner: width(second)?,
            count: *dims(1)?.get(1)?,
            per_token: u64::try_from(top_k).ok()?,
            is_half: work.values[work.input(node, 0)?].dtype == DType::F16,
            weights,
        })
    }

    /// The spread with the least or the most workspace.
    fn spread(&self, data_sizes: DataSizes, machine: &Machine) -> Option<Spread> {
        let sum = |spread: Spread| {
            let requests = self.requests(spread)?;
            requests.into_iter().try_fold(0_u64, |sum, bytes| sum.checked_add(bytes))
        };
        let all = self.spreads(u64::from(machine.cores)).into_iter();
        let all = all.map(|spread| Some((sum(spread)?, spread))).collect::<Option<Vec<_>>>()?;
        let found = match data_sizes {
            DataSizes::Least => all.into_iter().min_by_key(|&(sum, _)| sum),
            DataSizes::Most => all.into_iter().max_by_key(|&(sum, _)| sum),
        };
        found.map(|(_, spread)| spread)
    }

    /// The spreads among which are those with the least and the most workspace.
    fn spreads(&self, threads: u64) -> Vec<Spread> {
        let reads_blocks = self.weights.is_some_and(|weights| weights.reads_blocks);
        let most_slots = if self.weights.is_some() { threads } else { threads.min(MOST_SLOTS) }.max(1);
        let routes = self.tokens.saturating_mul(self.per_token);
        let most_active = routes.min(self.count);
        let filled = most_slots.min(most_active);
        let active = (1..=filled.min(MOST_TRIED)).chain([filled, most_active]);
        let spread = |active: u64, most: u64| {
            let is_serial = reads_blocks && active < threads;
            Spread { slots: if is_serial { 1 } else { active.min(most_slots) }, most }
        };
        let of_active = |active: u64| {
            let active = active.max(1);
            // All others have one token each; or all have as many, of one route per token.
            let unequal = self.tokens.min(routes.saturating_sub(active - 1));
            [spread(active, unequal), spread(active, self.tokens.div_ceil(active))]
        };
        active.flat_map(of_active).collect()
    }

    fn requests(&self, spread: Spread) -> Option<Vec<u64>> {
        let all = product([self.tokens, self.hidden, F32])?;
        let routes = product([self.tokens, self.per_token, F32])?;
        let outputs = product([spread.slots, all])?;
        match self.weights {
            None => {
                let rooms = self.rooms(spread.most)?;
                let slots = (0..spread.slots).flat_map(|_| rooms);
                Some([all, routes, routes].into_iter().chain(slots).chain([outputs, all]).collect())
            }
            Some(weights) => {
                let single = if self.is_half { Some(product([self.tokens, self.count, F32])?) } else { None };
                let data = self.is_half.then_some(all);
                let own = product([spread.slots, self.of_slot(spread.most, weights)?, F32])?;
                let biases = product([spread.slots, self.first.checked_add(self.hidden)?, F32])?;
                let integers = self.integers(spread, weights)?;
                let requests = single.into_iter().chain([routes, routes]).chain(data);
                let requests = requests.chain([outputs, own, biases]).chain(integers).chain(data);
                Some(requests.collect())
            }
        }
    }

    /// The buffers of a slot of `MoE`: tokens, their weights and numbers, tokens in the type of the data, results, and
    /// what both products give and read.
    fn rooms(&self, tokens: u64) -> Option<[u64; 7]> {
        let room = tokens.checked_mul(2)?.max(LEAST_ROOM);
        let of = |width: u64| product([room, width, F32]);
        let rows = of(self.hidden)?;
        Some([rows, of(1)?, of(2)?, rows, rows, of(self.first)?, of(self.inner)?])
    }

    /// Elements of a slot of `QMoE`, in single: tokens, what both products give and read, and their weights.
    fn of_slot(&self, tokens: u64, weights: Quantized) -> Option<u64> {
        let padded = |rows: u64, columns: u64| product([rows, columns])?.checked_next_multiple_of(64);
        let widths = [self.hidden, self.first, self.inner, self.hidden];
        let written = if weights.reads_blocks {
            [Some(0), Some(0)]
        } else {
            [padded(self.first, self.hidden), padded(self.hidden, self.inner)]
        };
        let parts = widths.into_iter().map(|width| padded(tokens, width)).chain(written);
        parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(part?))
    }

    /// Tokens as integers, in all slots.
    fn integers(&self, spread: Spread, weights: Quantized) -> Option<Option<u64>> {
        if !weights.reads_blocks || !weights.as_integers {
            return Some(None);
        }
        let of = |rows: u64, columns: u64| {
            let Quantized { bits, block, as_integers, .. } = weights;
            Blocks { rows, columns, bits, block, as_integers }.quantized(spread.most)
        };
        let longest = of(self.first, self.hidden)?.max(of(self.hidden, self.inner)?);
        Some(Some(product([spread.slots, longest])?))
    }
}

fn product(factors: impl IntoIterator<Item = u64>) -> Option<u64> {
    factors.into_iter().try_fold(1_u64, |product, factor| product.checked_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experts(weights: Option<Quantized>) -> Experts {
        let (tokens, hidden, first, inner, count, per_token) = (600, 128, 256, 256, 4, 2);
        Experts { tokens, hidden, first, inner, count, per_token, is_half: false, weights }
    }

    fn quantized(bits: u64, block: u64, as_integers: bool) -> Option<Quantized> {
        Some(Quantized { bits, block, as_integers, reads_blocks: block > 0 })
    }

    /// The requests where two experts have all tokens, as where all scores are equal.
    fn requests(experts: &Experts, slots: u64) -> Vec<u64> {
        experts.requests(Spread { slots, most: experts.tokens }).unwrap()
    }

    #[test]
    fn requests_are_those_of_the_log() {
        let room = [614_400, 4_800, 9_600, 614_400, 614_400, 1_228_800, 1_228_800];
        let expected = [&[307_200, 4_800, 4_800][..], &room, &room, &[614_400, 307_200]].concat();
        assert_eq!(requests(&experts(None), 2), expected);
        // One token: room for 512.
        let one = Experts { tokens: 1, ..experts(None) };
        assert_eq!(requests(&one, 1)[3..10], [262_144, 2_048, 4_096, 262_144, 262_144, 524_288, 524_288]);
    }

    #[test]
    fn quantized_experts_have_their_weights_or_their_tokens_next_to_them() {
        let of = |weights, slots| requests(&experts(weights), slots);
        assert_eq!(of(quantized(4, 0, false), 1), [4_800, 4_800, 307_200, 2_105_344, 1_536]);
        assert_eq!(of(quantized(4, 0, false), 2), [4_800, 4_800, 614_400, 4_210_688, 3_072]);
        assert_eq!(of(quantized(4, 32, false), 2), [4_800, 4_800, 614_400, 3_686_400, 3_072]);
        assert_eq!(of(quantized(8, 32, true), 2), [4_800, 4_800, 614_400, 3_686_400, 3_072, 384_126]);
        assert_eq!(of(quantized(8, 128, true), 1), [4_800, 4_800, 307_200, 1_843_200, 1_536, 163_263]);
        let half = Experts { is_half: true, ..experts(quantized(8, 32, true)) };
        let expected = [9_600, 4_800, 4_800, 307_200, 614_400, 3_686_400, 3_072, 384_126, 307_200];
        assert_eq!(requests(&half, 2), expected);
    }

    #[test]
    fn packed_weights_are_those_of_the_log() {
        let of = |bits, block, as_integers, has_zero_points| {
            let quantized = Quantized { bits, block, as_integers, reads_blocks: false };
            let (experts, rows, columns) = (4, 256, 128);
            let has_block_scales = block > 0;
            let matrix =
                Matrix { experts, rows, columns, quantized, has_zero_points, has_block_scales, packs: true };
            matrix.packed().unwrap_or_default()
        };
        assert_eq!(of(4, 0, false, false), [131_072, 81_920]);
        assert_eq!(of(4, 0, false, true), [131_072]);
        assert_eq!(of(4, 32, false, false), [65_536]);
        assert_eq!(of(4, 32, true, false), [98_808]);
        assert_eq!(of(8, 32, true, true), [164_344]);
        assert_eq!(of(8, 128, true, false), [139_768]);
        assert_eq!(of(8, 0, true, false), [0; 0]);
        assert_eq!(of(2, 32, false, false), [49_152]);
        assert_eq!(of(2, 32, false, true), [65_536]);
    }

    #[test]
    fn the_router_decides_between_bounds() {
        let experts = experts(None);
        let spreads = experts.spreads(2);
        assert!(spreads.contains(&Spread { slots: 2, most: 600 }));
        // Every expert has as many.
        assert!(spreads.contains(&Spread { slots: 2, most: 150 }));
        // One expert alone: routes of no weight are dropped.
        assert!(spreads.contains(&Spread { slots: 1, most: 600 }));
        assert!(spreads.iter().all(|spread| spread.slots <= 2 && (150..=600).contains(&spread.most)));
        // A token with one expert fills one slot.
        let one = Experts { tokens: 1, per_token: 1, ..experts };
        assert!(one.spreads(2).iter().all(|&spread| spread == Spread { slots: 1, most: 1 }));
    }

    #[test]
    fn few_experts_in_blocks_run_one_after_the_other() {
        let experts = Experts { tokens: 1, per_token: 2, ..experts(quantized(4, 32, false)) };
        assert!(experts.spreads(8).iter().all(|spread| spread.slots == 1));
        let spreads = experts.spreads(2);
        assert!(spreads.contains(&Spread { slots: 2, most: 1 }));
    }
}
