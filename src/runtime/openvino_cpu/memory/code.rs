//! Generated code: kernels that are compiled for the shapes and types of a graph.
//!
//! Every kernel is generated into an anonymous map of its own of 256 KiB, of which a page or two are ever written. Kernels
//! are shared between nodes of equal parameters, but for those of Subgraph and RoPE, which have one per node.
//!
//! | kernels | per |
//! |---|---|
//! | 1 | Subgraph, RoPE: when compiled |
//! | 10 | graph: copies, conversions, Gather, the check for special values |
//! | 1 | kind of Eltwise |
//! | 1 | shape of a weight: the reorder that packs it |
//! | 2 | product, by shape of the weight, rows and what is fused; 5 where the rows are no multiple of 64, 3 below 256 rows; one more that unpacks quantized weights. The MLAS kernel is no generated code |
//! | 7 | product of chosen experts, by shape of the weights: rows per expert are any number (seen in one model) |
//! | 4 | product of two activations in bf16, by their shapes (seen in three models) |
//! | 3 | convolution, by shape of weight and output |
//! | 1 | shape of a Transpose; shape of a Reorder that changes the layout |
//! | 2 | Reduce, one in f32 |
//! | 12 | graph with stateful attention |
//! | 192 | graph with paged attention: three products, for 1 to 32 rows, twice |
//! | 3 | graph with MVN |
//! | 13 | graph with Subgraphs; 6 more per further shape of attention in them; 14 more where a head size is no multiple of 32 |
//!
//! Source: OpenVINO 2026.4.1, kernels by name as oneDNN dumps them (`ONEDNN_JIT_DUMP=1`) for 20 graphs: one map per dumped
//! kernel, without exception; counts per key are rounded.

use super::held::{Held, Moment};
use super::weights::{is_mlas, is_quantized};
use crate::dtype::DType;
use crate::graph::Dims;
use crate::runtime::openvino_cpu::execution::{
    Attention, ExecutedNode, ExecutionGraph, Kind, Output, Precision,
};
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashSet;

/// Bytes of the map that a kernel is generated into. oneDNN, src/cpu/x64/jit_generator.hpp (`MAX_CODE_SIZE`).
pub(super) const MAP: Bytes = Bytes(256 << 10);

/// Rows up to which a product runs by the kernels of one token.
const FEW_ROWS: u64 = 8;

/// The maps of all kernels.
pub(super) fn held(graph: &ExecutionGraph, streams: usize) -> Vec<Held> {
    let Some(node) = graph.nodes.first().map(|node| node.source) else { return Vec::new() };
    let own = |since| Held { class: StorageClass::Code, bytes: MAP, node, known: Known::Assumed, since };
    let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
    let per_node = graph.nodes.iter().filter(|node| matches!(node.kind, Kind::Subgraph | Kind::Rope)).count();
    let (shared, of_graph) = shared(graph);
    // The library keeps its kernels for the process, the plugin's own are there once per graph: per stream. Of the streams
    // of a dynamic graph one runs.
    let early = per_node.saturating_mul(streams) + BASE;
    let later = shared + of_graph.saturating_mul(if graph.is_dynamic { 1 } else { streams });
    std::iter::repeat_n(own(Moment::Compiled), early).chain(std::iter::repeat_n(own(since), later)).collect()
}

/// Kernels of paged attention: 215 maps were counted after the prompt of a model of 24 layers, 24 of them not its own.
const PAGED_ATTENTION: usize = 192;

/// Kernels of any graph.
const BASE: usize = 10;

/// Kernels that nodes share: oneDNN's, and the plugin's own.
fn shared(graph: &ExecutionGraph) -> (usize, usize) {
    let mut weights: FxHashSet<(&Dims, DType)> = FxHashSet::default();
    let mut products: FxHashSet<(&Dims, DType, u64, usize, usize)> = FxHashSet::default();
    let mut convolutions: FxHashSet<(&Dims, &Dims, usize)> = FxHashSet::default();
    let mut elementwise: FxHashSet<(usize, Vec<DType>, DType)> = FxHashSet::default();
    let mut moved: FxHashSet<(&Dims, DType)> = FxHashSet::default();
    let mut attentions: FxHashSet<Option<&Attention>> = FxHashSet::default();
    let mut kernels = 0;
    for node in &graph.nodes {
        let Some(output) = node.outputs.first() else { continue };
        let weight = graph.input(node, 1);
        match (&node.kind, weight) {
            (Kind::FullyConnected, Some(weight)) => {
                weights.insert((&weight.dims, weight.dtype));
                let key =
                    (&weight.dims, weight.dtype, rows(graph, node), node.originals.len(), node.inputs.len());
                if products.insert(key) && !is_mlas(graph, node) {
                    kernels += of_product(graph, node, weight);
                }
            }
            (Kind::GatherMatmul, Some(weight)) if weights.insert((&weight.dims, weight.dtype)) => {
                kernels += 7;
            }
            (Kind::MatMul, Some(second))
                if second.dtype != DType::F32
                    && products.insert((&second.dims, second.dtype, 0, node.originals.len(), 0)) =>
            {
                kernels += 4;
            }
            (Kind::Convolution | Kind::Deconvolution, Some(weight))
                if convolutions.insert((&weight.dims, &output.dims, node.originals.len())) =>
            {
                kernels += 3;
            }
            (Kind::Transpose, _) => drop(moved.insert((&output.dims, output.dtype))),
            (Kind::Reorder, _) if graph.input(node, 0).is_some_and(|input| input.layout != output.layout) => {
                moved.insert((&output.dims, output.dtype));
            }
            (Kind::Reduce, _) => kernels += if graph.precision == Precision::F32 { 1 } else { 2 },
            (Kind::Subgraph, _) => drop(attentions.insert(node.attention.as_deref())),
            (Kind::Eltwise, _) => {
                let types = (0..node.inputs.len()).filter_map(|input| Some(graph.input(node, input)?.dtype));
                elementwise.insert((node.originals.len(), types.collect(), output.dtype));
            }
            _ => {}
        }
    }
    let has = |kind: Kind| graph.nodes.iter().any(|node| node.kind == kind);
    let attention = match (has(Kind::ScaledDotProductAttention), has(Kind::PagedAttention)) {
        (_, true) => PAGED_ATTENTION,
        (true, _) => 12,
        _ => 0,
    };
    let norm = if has(Kind::Mvn) { 3 } else { 0 };
    let is_odd = attentions.iter().flatten().any(|found| found.key_size % 32 != 0);
    let further = attentions.iter().flatten().count().saturating_sub(1);
    let subgraph = if has(Kind::Subgraph) { 13 + 6 * further + if is_odd { 14 } else { 0 } } else { 0 };
    (kernels + weights.len() + attention, elementwise.len() + moved.len() + norm + subgraph)
}

fn of_product(graph: &ExecutionGraph, node: &ExecutedNode, weight: &Output) -> usize {
    let unpacks = usize::from(is_quantized(weight.dtype));
    let rows = rows(graph, node);
    let several = match rows {
        _ if rows.is_multiple_of(64) => 2,
        0..256 => 3,
        _ => 5,
    };
    match rows <= FEW_ROWS {
        // One token after a prompt: the prompt's kernels are there too.
        true if graph.has_past() => 3 + 3 + unpacks,
        true => 3 + unpacks,
        false => several + unpacks,
    }
}

/// Rows of a product's input.
fn rows(graph: &ExecutionGraph, node: &ExecutedNode) -> u64 {
    let rows = graph.input(node, 0).and_then(|data| data.dims.split_last()).map(|(_, rows)| rows);
    rows.map_or(1, |rows| rows.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::openvino_cpu::execution::{Output, Port};

    fn graph(rows: u64, dtype: DType) -> ExecutionGraph {
        let output = |dtype, dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: true,
            layout: Default::default(),
        };
        let node = |kind, output: Output, inputs: &[u32]| ExecutedNode {
            kind,
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output].into_iter().collect(),
            ..ExecutedNode::default()
        };
        let data = output(DType::BF16, &[1, rows, 896]);
        let product = node(Kind::FullyConnected, data.clone(), &[0, 1]);
        let nodes = vec![
            node(Kind::Input, data.clone(), &[]),
            node(Kind::Const, output(dtype, &[896, 896]), &[]),
            product.clone(),
            product,
            node(Kind::Rope, data, &[0]),
        ];
        ExecutionGraph { nodes, is_dynamic: true, ..ExecutionGraph::default() }
    }

    #[test]
    fn products_of_one_shape_share_kernels_and_rows_that_are_no_multiple_need_more() {
        let kernels = |rows, dtype| held(&graph(rows, dtype), 1).len() - BASE - 1;
        assert_eq!(kernels(1024, DType::F16), 3);
        assert_eq!(kernels(1813, DType::F16), 6);
        assert_eq!(kernels(200, DType::F16), 4);
        assert_eq!(kernels(1, DType::F16), 4);
        assert_eq!(kernels(1024, DType::U4), 4);
    }

    #[test]
    fn nodes_with_a_kernel_of_their_own_have_it_when_compiled() {
        let compiled =
            held(&graph(64, DType::F16), 1).iter().filter(|held| held.since == Moment::Compiled).count();
        assert_eq!(compiled, BASE + 1);
    }
}
