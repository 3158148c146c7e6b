//! What slices keep: for every piece that is copied, where it comes from and where it goes, 8 bytes each.
//!
//! A piece is as long as what is contiguous; with a stride on the last dim it is one element, so that the table is larger
//! than what is copied. It is made again when dims change, and kept until then, one per node.
//!
//! Source: `StridedSliceCommonExecutor::indicesInitialization`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/nodes/strided_slice.cpp; exact on the blocks of two models (interleaved rotations).

use super::held::{Held, Moment, product};
use crate::runtime::openvino_cpu::execution::ExecutionGraph;
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;

/// The tables of all slices, two per slice.
pub(super) fn held(graph: &ExecutionGraph) -> Vec<Held> {
    let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
    let tables = graph.nodes.iter().filter(|node| node.n_pieces > 0).map(|node| Held {
        class: StorageClass::Workspace,
        bytes: Bytes(product([node.n_pieces, 8])),
        node: node.source,
        known: Known::Exact,
        since,
    });
    tables.flat_map(|held| [held.clone(), held]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::openvino_cpu::execution::{ExecutedNode, Kind};

    /// Every other element of 8 heads of 64, 512 tokens: two blocks of 1 MiB of the heap.
    #[test]
    fn a_stride_keeps_two_positions_per_element() {
        let slice =
            ExecutedNode { kind: Kind::StridedSlice, n_pieces: 8 * 512 * 32, ..ExecutedNode::default() };
        let graph =
            ExecutionGraph { nodes: vec![slice].into(), is_dynamic: true, ..ExecutionGraph::default() };
        assert_eq!(held(&graph).iter().map(|held| held.bytes.0).collect::<Vec<_>>(), [1 << 20; 2]);
    }
}
