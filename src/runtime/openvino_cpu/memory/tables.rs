//! Tables of f16 or bf16 that a static graph looks rows up in: while it is compiled, each is converted to f32 once.
//!
//! One block of rows times columns times 4 bytes, allocated early and freed again before the graph is built; the Gather
//! that is executed reads the file's own type. A dynamic graph converts nothing. Of a block of at most 32 MiB the
//! allocator keeps the pages, a larger one goes back to the system.
//!
//! Source: OpenVINO 2026.4.1, blocks at the peak of compilation: 102,404,080 bytes for a table of 50,000 x 512, 32,768,008
//! for 16,000 x 512, 24,576,008 for 16,000 x 384, none for tables of f32.

use super::held::product;
use crate::dtype::DType;
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind};
use crate::units::Bytes;

/// Largest block that the C library does not return to the system.
///
/// Source: `DEFAULT_MMAP_THRESHOLD_MAX`, glibc 2.36, malloc/malloc.c.
const KEPT: Bytes = Bytes(32 << 20);

/// Bytes of the largest table as f32.
pub(super) fn converted(graph: &ExecutionGraph) -> Bytes {
    if graph.is_dynamic {
        return Bytes::ZERO;
    }
    let tables = graph.nodes.of_kind(Kind::Gather).filter_map(|(_, node)| {
        let table =
            node.inputs.first().and_then(|port| graph.node(port.step)).filter(|node| node.is_const())?;
        let output = table.outputs.first()?;
        let is_half = matches!(output.dtype, DType::F16 | DType::BF16) && output.dims.len() == 2;
        (is_half && table.is_mapped).then(|| Bytes(product([output.dims[0], output.dims[1], 4])))
    });
    tables.max().unwrap_or(Bytes::ZERO)
}

/// Bytes that stay resident of the converted table.
pub(super) fn kept(graph: &ExecutionGraph) -> Bytes {
    let bytes = converted(graph);
    if bytes <= KEPT { bytes } else { Bytes::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;
    use crate::runtime::openvino_cpu::execution::{ExecutedNode, Output, Port};

    fn graph(dtype: DType, rows: u64, is_dynamic: bool) -> ExecutionGraph {
        let output = Output {
            dtype,
            dims: Dims::from_slice(&[rows, 512]),
            is_dynamic: false,
            layout: Default::default(),
        };
        let node = |kind, inputs: &[u32]| ExecutedNode {
            kind,
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output.clone()].into_iter().collect(),
            is_mapped: true,
            ..ExecutedNode::default()
        };
        let nodes = vec![node(Kind::Const, &[]), node(Kind::Gather, &[0])];
        ExecutionGraph { nodes: nodes.into(), is_dynamic, ..ExecutionGraph::default() }
    }

    #[test]
    fn a_static_graph_converts_its_table() {
        assert_eq!(converted(&graph(DType::F16, 16_000, false)), Bytes(32_768_000));
        assert_eq!(kept(&graph(DType::F16, 16_000, false)), Bytes(32_768_000));
        assert_eq!(converted(&graph(DType::F16, 50_000, false)), Bytes(102_400_000));
        assert_eq!(kept(&graph(DType::F16, 50_000, false)), Bytes::ZERO);
        assert_eq!(converted(&graph(DType::F32, 50_000, false)), Bytes::ZERO);
        assert_eq!(converted(&graph(DType::F16, 50_000, true)), Bytes::ZERO);
    }
}
