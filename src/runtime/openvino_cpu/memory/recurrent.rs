//! Recurrent sequences: copies of their weights, and what they keep while they run.
//!
//! A sequence of B batches and T steps reads I numbers, has H units and G gates (4 of an LSTM, 3 of a GRU, 1 of an RNN), and computes
//! in a type of e bytes: that of the model, or i8 where its data are bytes.
//!
//! | weights | bytes |
//! |---|---|
//! | a copy of a dynamic graph, from when it is compiled | `G H K e`, K = I, and K = H for the recurrent weights |
//! | packed, at the first inference of a dynamic graph | `G ru(H,32) ru(K,4/e) e`, blocks of 16 under AVX2; of bytes `+ 4 G ru(H,32)` |
//! | of bytes, the reorder that packs them: the largest stays | `G H K + 4 G H threads` |
//!
//! The scratchpad, with good(n) a row of n numbers in 64 bytes at a time, and 64 bytes more where 256 divides it; each part starts at
//! a page:
//!
//! | part | bytes |
//! |---|---|
//! | states | `2 (T+1) B good(max(I,H)) e` |
//! | cells of an LSTM | `2 (T+1) B H 4` |
//! | gates: of all steps together for one batch of an LSTM, else of one step | `T B good(G H) 4` |
//! | what a projection would read | `B good(H) e` |
//! | a cell of a GRU | `B good(G H) 4` |
//! | biases, of bytes | `G H 4` |
//!
//! Source: `RNN::copyWeightsData` and `RNN::prepareParams`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/rnn.cpp;
//! `set_workspace_sizes`, `set_offsets` and `set_expected_desc`, oneDNN 3.13, src/cpu/rnn/rnn_utils.hpp and rnn_utils.cpp;
//! `rnn_brgemm_t<prop_kind::forward>::configure_brgemm`, src/cpu/x64/rnn/rnn_brgemm_utils.cpp; heap blocks of gru_crnn and of
//! 25 nets of LSTM, GRU and RNN, in f32, bf16 and u8.

use super::held::{Held, Moment, product, round_up};
use crate::dtype::DType;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind};
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;

/// The copies of all sequences' weights.
pub(super) fn held(graph: &ExecutionGraph, machine: &Machine) -> Vec<Held> {
    let mut held = Vec::new();
    let mut reordered: Option<(u64, &ExecutedNode)> = None;
    for (_, node) in graph.nodes.of_kind(Kind::RnnSequence) {
        let Some(sequence) = Sequence::of(graph, node) else { continue };
        let own = |bytes, since| Held::weights(bytes, node.source, since);
        for inputs in [sequence.inputs, sequence.units] {
            if graph.is_dynamic {
                held.push(own(sequence.copied(inputs), Moment::Compiled));
            }
            let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
            held.push(own(sequence.packed(inputs, machine), since));
            let reorder = sequence.reorder(inputs, machine);
            if reorder > reordered.map_or(0, |(bytes, _)| bytes) {
                reordered = Some((reorder, node));
            }
        }
    }
    held.extend(reordered.map(|(bytes, node)| Held {
        class: StorageClass::Workspace,
        bytes: Bytes(bytes),
        node: node.source,
        known: Known::Exact,
        since: if graph.is_dynamic { Moment::Running } else { Moment::Compiled },
    }));
    held.retain(|held| held.bytes > Bytes::ZERO);
    held
}

/// What a sequence asks of the scratchpad.
pub(super) fn scratch(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<u64> {
    Some(Sequence::of(graph, node)?.scratch())
}

/// The sizes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sequence {
    batch: u64,
    steps: u64,
    inputs: u64,
    units: u64,
    gates: u64,
    has_cells: bool,
    /// Bytes of a number.
    size: u64,
}

impl Sequence {
    /// The sizes of a sequence from what it reads.
    ///
    /// Source: an LSTM has seven inputs, a GRU and an RNN six: `RNN::RNN`, nodes/rnn.cpp.
    fn of(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<Sequence> {
        let n_inputs = node.inputs.len();
        let (data, output) = (graph.input(node, 0)?, node.outputs.first()?);
        let weights = graph.input(node, n_inputs.checked_sub(3)?)?;
        let recurrent = graph.input(node, n_inputs.checked_sub(2)?)?;
        let &[batch, steps, _] = data.dims.as_slice() else { return None };
        let &[_, rows, inputs] = weights.dims.as_slice() else { return None };
        let units = *recurrent.dims.last()?;
        let dtype = if data.dtype.is_float() { output.dtype } else { DType::I8 };
        Some(Sequence {
            batch,
            steps,
            inputs,
            units,
            gates: rows.checked_div(units)?,
            // Data, two states, lengths, weights, recurrent weights and biases.
            has_cells: n_inputs == 7,
            size: dtype.bytes(1)?.0,
        })
    }

    /// A copy of the weights that meet `inputs` numbers.
    fn copied(&self, inputs: u64) -> u64 {
        product([self.gates, self.units, inputs, self.size])
    }

    /// The same in blocks.
    fn packed(&self, inputs: u64, machine: &Machine) -> u64 {
        let block = if machine.isa.has_avx512() { 32 } else { 16 };
        let columns = self.gates.saturating_mul(round_up(self.units, block));
        let rows = round_up(inputs, 4 / self.size.clamp(1, 4));
        let compensation = if self.size == 1 { columns.saturating_mul(4) } else { 0 };
        product([columns, rows, self.size]).saturating_add(compensation)
    }

    /// What the reorder of bytes keeps: the quantized weights, and sums per thread.
    fn reorder(&self, inputs: u64, machine: &Machine) -> u64 {
        if self.size > 1 {
            return 0;
        }
        let sums = product([4, self.gates, self.units, u64::from(machine.cores)]);
        self.copied(inputs).saturating_add(sums)
    }

    /// Bytes of a row of `numbers`, of `size` bytes each.
    ///
    /// Source: `get_good_ld`, oneDNN 3.13, src/cpu/rnn/rnn_utils.hpp: no row starts at a multiple of 256 numbers.
    fn row(numbers: u64, size: u64) -> u64 {
        let whole = round_up(numbers, 64 / size.clamp(1, 64));
        let spread = if whole.is_multiple_of(256) { 64 } else { 0 };
        whole.saturating_mul(size).saturating_add(spread)
    }

    fn scratch(&self) -> u64 {
        let &Sequence { batch, steps, inputs, units, gates, has_cells, size } = self;
        let states = product([2, steps.saturating_add(1), batch]);
        let is_merged = has_cells && batch == 1;
        let of_gates = Sequence::row(gates.saturating_mul(units), 4);
        let parts = [
            states.saturating_mul(Sequence::row(inputs.max(units), size)),
            if has_cells { product([states, units, 4]) } else { 0 },
            product([if is_merged { steps } else { 1 }, batch, of_gates]),
            batch.saturating_mul(Sequence::row(units, size)),
            if gates == 3 { batch.saturating_mul(of_gates) } else { 0 },
            if size == 1 { product([gates, units, 4]) } else { 0 },
        ];
        parts.into_iter().fold(PAGE, |all, part| round_up(all, PAGE).saturating_add(part))
    }
}

/// Parts of the scratchpad start at its multiples.
const PAGE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;
    use crate::runtime::openvino_cpu::execution::{Output, Port};

    /// A GRU of 512 inputs and 256 units, as in gru_crnn.
    fn copies(dtype: DType, is_dynamic: bool) -> Vec<u64> {
        let output = |dtype, dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: false,
            layout: Default::default(),
        };
        let node = |kind, output: Output, inputs: &[u32]| ExecutedNode {
            kind,
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output].into_iter().collect(),
            ..ExecutedNode::default()
        };
        let nodes = vec![
            node(Kind::Input, output(dtype, &[1, 80, 512]), &[]),
            node(Kind::Const, output(DType::F32, &[1, 768, 512]), &[]),
            node(Kind::Const, output(DType::F32, &[1, 768, 256]), &[]),
            node(Kind::Const, output(DType::F32, &[1, 1024]), &[]),
            node(Kind::RnnSequence, output(dtype, &[1, 80, 256]), &[0, 0, 0, 1, 2, 3]),
        ];
        let graph = ExecutionGraph { nodes: nodes.into(), is_dynamic, ..ExecutionGraph::default() };
        held(&graph, &Machine::MEASURED).iter().map(|held| held.bytes.0).collect()
    }

    #[test]
    fn weights_are_copied_once_and_packed_once_more_in_a_dynamic_graph() {
        assert_eq!(copies(DType::BF16, true), [786_432, 786_432, 393_216, 393_216]);
        assert_eq!(copies(DType::F32, false), [1_572_864, 786_432]);
    }

    /// Heap blocks of LSTMs of 40 steps, 256 inputs and 256 units, less 848 bytes of pointers.
    #[test]
    fn the_scratchpad_has_all_states() {
        let lstm =
            Sequence { batch: 1, steps: 40, inputs: 256, units: 256, gates: 4, has_cells: true, size: 1 };
        assert_eq!(lstm.scratch(), 295_760 - 848);
        assert_eq!(Sequence { size: 2, ..lstm }.scratch(), 312_144 - 848);
        assert_eq!(Sequence { batch: 2, ..lstm }.scratch(), 246_768 - 1008);
        let packed = |machine: &Machine| (lstm.packed(256, machine), lstm.reorder(256, machine));
        assert_eq!(packed(&Machine::MEASURED), (266_240, 270_336));
    }
}
