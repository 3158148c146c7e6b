//! Weights of recurrent sequences.
//!
//! Input weights and recurrent weights of a sequence are constants of f32. When the model is compiled, each is copied in the
//! type that the sequence computes in; a dynamic graph packs that copy once more at the first inference, and keeps both.
//!
//! Source: `RNN::copyWeightsData` and `RNN::prepareParams`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/rnn.cpp; heap
//! blocks of gru_crnn and of seven nets of LSTM, GRU and RNN, f32 and bf16.

use super::held::{Held, Moment};
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind};
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;

/// The copies of all sequences' weights.
pub(super) fn held(graph: &ExecutionGraph) -> Vec<Held> {
    let mut held = Vec::new();
    for node in graph.nodes.iter().filter(|node| node.kind == Kind::RnnSequence) {
        let Some(dtype) = node.outputs.first().map(|output| output.dtype) else { continue };
        // The last inputs are weights, recurrent weights and biases.
        let n_inputs = node.inputs.len();
        for input in [n_inputs.checked_sub(3), n_inputs.checked_sub(2)].into_iter().flatten() {
            let Some(weight) = graph.input(node, input) else { continue };
            let elements = weight.dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
            let Some(bytes) = dtype.bytes(elements) else { continue };
            let own = |since| Held {
                class: StorageClass::WeightsAnonymous,
                bytes,
                node: node.source,
                known: Known::Exact,
                since,
            };
            held.push(own(Moment::Compiled));
            if graph.is_dynamic {
                held.push(own(Moment::Running));
            }
        }
    }
    held.retain(|held| held.bytes > Bytes::ZERO);
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::graph::Dims;
    use crate::runtime::openvino_cpu::execution::{ExecutedNode, Output, Port};

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
        let graph = ExecutionGraph { nodes, is_dynamic, ..ExecutionGraph::default() };
        held(&graph).iter().map(|held| held.bytes.0).collect()
    }

    #[test]
    fn weights_are_copied_once_and_packed_once_more_in_a_dynamic_graph() {
        assert_eq!(copies(DType::BF16, true), [786_432, 786_432, 393_216, 393_216]);
        assert_eq!(copies(DType::F32, false), [1_572_864, 786_432]);
    }
}
