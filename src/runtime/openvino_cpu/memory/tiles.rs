//! Packed weights and scratch of the nodes that compute several products in tiles.
//!
//! K inputs, N outputs, I outputs of gate and up each, T threads, M rows, up to 256 of which are computed at once:
//!
//! | | gated MLP | queries, keys and values |
//! |---|---|---|
//! | weights | gate and up in one block, down in another: `N K 2` each, `N K` in 8 bits | one block, so as well |
//! | scratch | `M I 2`, and per thread the larger of the sums of its columns of gate and up, and of down: `ru(M,32) columns 4` | `ru(M,32) N 4` |
//! | quantized data | `M K + M 8` for gate and up, `M I + M 8` for down | `M K + M 8` |
//!
//! Until such a node has run once, its sums have no place in the scratchpad: before that grows, every thread allocates those of gate
//! and up, and of down, for itself, `ru(M,32) (2 I + 2 K) 4` in all, or `ru(M,32) N 4`. They are freed unwritten.
//!
//! Columns come by 32. Those of gate and up, 2 I in all, are divided among threads; those of down among pairs of threads,
//! each of which sums half of the inputs.
//!
//! Source: `LLMMLP::Executor`, `LinearGateUp`, `LinearKsplit2` and `QKVProjection::Executor`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/nodes/llm_mlp.cpp and qkv_proj.cpp; `Work::set_C`, `WeightBuffer` and `MatrixDynQuantPerRow`,
//! src/plugins/intel_cpu/src/nodes/kernels/x64/mlp_kernel.hpp; heap blocks and names of kernels of runs under AMX.

use super::held::{Held, Moment, product, round_up};
use crate::dtype::DType;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, Output};

/// Columns of a pair of tiles.
///
/// Source: `REG_BLK_N_SIZE`; see the module.
const COLUMNS: u64 = 32;

/// The weights of such nodes, packed when compiled.
pub(super) fn weights(graph: &ExecutionGraph) -> Vec<Held> {
    let mut held = Vec::new();
    for (_, node) in nodes(graph) {
        let blocks = match node.kind {
            Kind::LlmMlp => {
                let Some(sizes) = GatedMlp::of(graph, node) else { continue };
                let GatedMlp { inner, outer, .. } = sizes;
                let first = product([2, inner, outer, sizes.gate_size]);
                vec![first, product([inner, outer, sizes.down_size])]
            }
            Kind::QkvProjection => vec![(1..=3).fold(0, |bytes: u64, input| {
                let [outputs, inputs] = matrix(graph, node, input).unwrap_or_default();
                bytes.saturating_add(product([outputs, inputs, size(graph, node, input)]))
            })],
            _ => continue,
        };
        held.extend(blocks.into_iter().map(|bytes| Held::weights(bytes, node.source, Moment::Compiled)));
    }
    held
}

/// What such a node allocates when it first runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstRun {
    /// The step.
    pub step: u32,
    /// Bytes of the scratchpad that it asks for.
    pub scratch: u64,
    /// Bytes of sums until the scratchpad has grown.
    pub sums: u64,
}

/// First runs of such nodes, by step.
pub(super) fn first_runs(graph: &ExecutionGraph, machine: &Machine) -> Vec<FirstRun> {
    let runs = nodes(graph).into_iter().filter_map(|(step, node)| {
        let (_, rows) = rows(graph, node)?;
        let columns = match node.kind {
            Kind::LlmMlp => {
                let GatedMlp { inner, outer, .. } = GatedMlp::of(graph, node)?;
                inner.saturating_add(if machine.cores > 1 { outer } else { 0 }).saturating_mul(2)
            }
            _ => outputs(node),
        };
        Some(FirstRun { step, scratch: scratch(graph, node, machine)?, sums: sums(rows, columns) })
    });
    runs.collect()
}

/// The kinds of nodes that compute several products in tiles.
pub(super) const KINDS: [Kind; 2] = [Kind::LlmMlp, Kind::QkvProjection];

/// Whether a node computes several products in tiles.
pub(super) fn is_of(node: &ExecutedNode) -> bool {
    KINDS.contains(&node.kind)
}

/// Such nodes with their steps, in order.
fn nodes(graph: &ExecutionGraph) -> Vec<(u32, &ExecutedNode)> {
    let mut nodes: Vec<_> = KINDS.into_iter().flat_map(|kind| graph.nodes.of_kind(kind)).collect();
    nodes.sort_unstable_by_key(|&(step, _)| step);
    nodes
}

/// Kernels of such nodes: of activations, of the conversion of f16 weights, of products, of tiles, and of sums. Few rows have
/// further ones for products.
///
/// Source: `GateUpCombine`, `MKernel` (`Work::get_MKernel_1x2` for few rows), `TileConfiger` and `ReduceAdd2bh`, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/nodes/kernels/x64/mlp_kernel.hpp; kernels by name as oneDNN dumps them for five graphs.
pub(super) fn kernels(graph: &ExecutionGraph) -> u64 {
    const ACTIVATIONS: u64 = 2;
    const PRODUCTS: u64 = 3;
    const FEW: u64 = 16;
    let nodes = nodes(graph);
    let has = |kind: Kind| graph.nodes.has([kind]);
    let is_wide = |node: &ExecutedNode| (1..=3).any(|input| size(graph, node, input) == 2);
    let is_short = |node: &ExecutedNode| rows(graph, node).is_some_and(|(_, rows)| rows <= FEW);
    let products = PRODUCTS * (1 + u64::from(nodes.iter().any(|(_, node)| is_short(node))));
    match (has(Kind::LlmMlp), has(Kind::QkvProjection)) {
        (false, false) => 0,
        (gated, projected) => {
            let sums = u64::from(gated) + u64::from(projected);
            let activations = if gated { ACTIVATIONS } else { 0 };
            activations + u64::from(nodes.iter().any(|(_, node)| is_wide(node))) + products + 1 + sums
        }
    }
}

/// Inputs of such a node, and rows that it computes at once.
///
/// Source: `CACHE_BLK_M_SIZE`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/kernels/x64/mlp_kernel.hpp.
fn rows(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<(u64, u64)> {
    const ROWS_AT_ONCE: u64 = 256;
    let (&inputs, rows) = graph.input(node, 0)?.dims.split_last()?;
    Some((inputs, rows.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)).min(ROWS_AT_ONCE)))
}

/// Bytes of the sums of columns, which are f32.
fn sums(rows: u64, columns: u64) -> u64 {
    product([round_up(rows, COLUMNS), columns, 4])
}

/// Columns of all outputs.
fn outputs(node: &ExecutedNode) -> u64 {
    let columns = node.outputs.iter().filter_map(|output| output.dims.last().copied());
    columns.fold(0, u64::saturating_add)
}

/// Bytes of the scratchpad that such a node asks for.
pub(super) fn scratch(graph: &ExecutionGraph, node: &ExecutedNode, machine: &Machine) -> Option<u64> {
    let (inputs, rows) = rows(graph, node)?;
    // Bytes, then scale and zero point of each row.
    let quantized = |columns| product([rows, columns]).saturating_add(product([rows, 8]));
    let bytes = if node.kind == Kind::LlmMlp {
        let sizes = GatedMlp::of(graph, node)?;
        let of_gate = if sizes.gate_size == 1 { quantized(inputs) } else { 0 };
        let of_down = if sizes.down_size == 1 { quantized(sizes.inner) } else { 0 };
        let kept = product([rows, sizes.inner, 2]);
        [kept, sums(rows, sizes.columns(machine.cores)), of_gate, of_down]
    } else {
        let of_data = if size(graph, node, 1) == 1 { quantized(inputs) } else { 0 };
        [sums(rows, outputs(node)), of_data, 0, 0]
    };
    Some(bytes.into_iter().fold(0, u64::saturating_add))
}

/// Sizes of a gated MLP.
struct GatedMlp {
    /// Outputs of gate and up each.
    inner: u64,
    /// Inputs, and outputs of down.
    outer: u64,
    /// Bytes of a packed weight of gate and up.
    gate_size: u64,
    /// Bytes of a packed weight of down.
    down_size: u64,
}

impl GatedMlp {
    fn of(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<GatedMlp> {
        let [outer, inner] = matrix(graph, node, 3)?;
        Some(GatedMlp { inner, outer, gate_size: size(graph, node, 1), down_size: size(graph, node, 3) })
    }

    /// Columns whose sums all threads keep.
    fn columns(&self, threads: u32) -> u64 {
        let (threads, pairs) = (u64::from(threads), u64::from(threads / 2));
        let (of_gate, of_down) = (self.inner.saturating_mul(2) / COLUMNS, self.outer / COLUMNS);
        // Where a share gets shorter, and where an odd thread is left without one of down.
        let rest = |blocks: u64, among| blocks.checked_rem(among).unwrap_or(0);
        let mut cuts = [0, rest(of_gate, threads), 2 * rest(of_down, pairs), 2 * pairs, threads];
        cuts.sort_unstable();
        let equal = cuts.windows(2).map(|cut| {
            let longer = share(of_gate, threads, cut[0]).max(share(of_down, pairs, cut[0] / 2));
            longer.saturating_mul(cut[1] - cut[0])
        });
        equal.fold(0, u64::saturating_add).saturating_mul(COLUMNS)
    }
}

/// What one of several gets of a number of blocks: the first ones get one more where they do not divide evenly.
fn share(blocks: u64, among: u64, index: u64) -> u64 {
    match blocks.checked_div(among) {
        Some(each) if index < among => each + u64::from(index < blocks % among),
        _ => 0,
    }
}

/// Outputs and inputs of a weight.
fn matrix(graph: &ExecutionGraph, node: &ExecutedNode, input: usize) -> Option<[u64; 2]> {
    graph.input(node, input)?.dims.as_slice().try_into().ok()
}

/// Bytes of a packed weight.
fn size(graph: &ExecutionGraph, node: &ExecutedNode, input: usize) -> u64 {
    let is_low = |weight: &Output| weight.dtype == DType::I8;
    if graph.input(node, input).is_some_and(is_low) { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;
    use crate::runtime::openvino_cpu::execution::Port;

    fn gated(inner: u64, outer: u64) -> GatedMlp {
        GatedMlp { inner, outer, gate_size: 2, down_size: 2 }
    }

    #[test]
    fn every_thread_keeps_the_larger_of_its_sums() {
        assert_eq!(gated(4864, 896).columns(2), 2 * 4864);
        // Few columns inside: down's sums are longer, and each pair has them twice.
        assert_eq!(gated(64, 896).columns(2), 2 * 896);
        // The third of three threads has no part of down.
        assert_eq!(gated(96, 896).columns(3), 2 * 896 + 64);
    }

    /// A node of `rows` with weights [outputs, inputs] of one type.
    fn graph(kind: Kind, rows: u64, weights: [[u64; 2]; 3], dtype: DType) -> ExecutionGraph {
        let output = |dtype, dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: true,
            layout: Default::default(),
        };
        let node = |kind, outputs: Vec<Output>| ExecutedNode {
            kind,
            outputs: outputs.into_iter().collect(),
            ..ExecutedNode::default()
        };
        let columns = match kind {
            Kind::LlmMlp => vec![weights[2][0]],
            _ => weights.iter().map(|weight| weight[0]).collect(),
        };
        let outputs = columns.iter().map(|&columns| output(DType::BF16, &[1, rows, columns])).collect();
        let mut nodes = vec![node(Kind::Input, vec![output(DType::BF16, &[1, rows, weights[0][1]])])];
        nodes.extend(weights.iter().map(|weight| node(Kind::Const, vec![output(dtype, weight)])));
        let inputs = (0..4).map(|step| Port { step, port: 0 }).collect();
        nodes.push(ExecutedNode { inputs, ..node(kind, outputs) });
        ExecutionGraph { nodes: nodes.into(), is_dynamic: true, ..ExecutionGraph::default() }
    }

    /// Blocks of measured runs: [threads, scratchpad, sums] of 512 rows.
    #[test]
    fn blocks_are_as_large_as_measured() {
        let mlp = [[3072, 1536], [3072, 1536], [1536, 3072]];
        let bytes = |kind, weights, dtype, cores| {
            let graph = graph(kind, 512, weights, dtype);
            let runs = first_runs(&graph, &Machine { cores, ..Machine::MEASURED });
            let weights = weights_of(&graph);
            (runs.iter().map(|run| [run.scratch, run.sums]).collect::<Vec<_>>(), weights)
        };
        let (runs, held) = bytes(Kind::LlmMlp, mlp, DType::F16, 2);
        assert_eq!(
            (runs, held),
            (vec![[7_864_320, 2 * (3_145_728 + 1_572_864)]], vec![18_874_368, 9_437_184])
        );
        let (runs, held) = bytes(Kind::LlmMlp, mlp, DType::I8, 2);
        assert_eq!((runs[0][0], held), (9_048_064, vec![9_437_184, 4_718_592]));
        let qkv = [[1536, 1536], [512, 1536], [512, 1536]];
        let (runs, held) = bytes(Kind::QkvProjection, qkv, DType::F16, 3);
        assert_eq!((runs[0][1], held), (256 * 2560 * 4, vec![7_864_320]));
    }

    fn weights_of(graph: &ExecutionGraph) -> Vec<u64> {
        weights(graph).iter().map(|held| held.bytes.0).collect()
    }

    /// Kernels by name that oneDNN dumps: GateUpCombine twice, FP16ToBF16Kernel, MKernel three times, TileConfiger, ReduceAdd2bh.
    #[test]
    fn kernels_are_as_many_as_dumped() {
        let of = |kind, rows, dtype| kernels(&graph(kind, rows, [[64, 64]; 3], dtype));
        assert_eq!(of(Kind::LlmMlp, 512, DType::F16), 8);
        assert_eq!(of(Kind::LlmMlp, 512, DType::I8), 7);
        assert_eq!(of(Kind::QkvProjection, 512, DType::F16), 6);
        assert_eq!(of(Kind::LlmMlp, 1, DType::F16), 11);
        assert_eq!(of(Kind::FullyConnected, 1, DType::F16), 0);
    }

    #[test]
    fn the_first_threads_get_the_rest() {
        assert_eq!([0, 1, 2].map(|index| share(8, 3, index)), [3, 3, 2]);
        assert_eq!(share(8, 0, 0), 0);
    }
}
