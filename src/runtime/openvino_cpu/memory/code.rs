//! Generated code: kernels that are compiled for the shapes and types of a graph.
//!
//! Every kernel is generated into an anonymous map of its own of 256 KiB, of which a page or two are ever written. Kernels
//! are shared between nodes of equal parameters, but for those of Subgraph and RoPE, which have one per node.
//!
//! | kernels of | per |
//! |---|---|
//! | any graph: copies, conversions, Gather, the check for special values | graph |
//! | Subgraph, RoPE: when compiled | node |
//! | Eltwise | kind |
//! | the reorder that packs a weight | its shape |
//! | product: by whether its rows fill the kernel's tiles, few rows apart; one more that unpacks quantized weights. The MLAS kernel is not generated | shape of the weight, rows and what is fused |
//! | product of chosen experts, whose rows are any number | shape of the weights |
//! | product of two activations in bf16 | their shapes |
//! | convolution | shape of weight and output |
//! | Transpose; Reorder that changes the layout | shape |
//! | Reduce, recurrent sequence | node |
//! | attention with a cache, stateful or paged; MVN; Subgraphs, further shapes of attention in them, odd head sizes | graph |
//!
//! How many: [`calibration`](crate::runtime::openvino_cpu::calibration).
//!
//! Source: OpenVINO 2026.4.1, kernels by name as oneDNN dumps them (`ONEDNN_JIT_DUMP=1`) for 20 graphs: one map per dumped
//! kernel, without exception.

use super::held::{Held, Moment};
use super::weights::{is_mlas, is_quantized};
use crate::dtype::DType;
use crate::graph::Dims;
use crate::runtime::calibration::Estimate;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{
    Attention, ExecutedNode, ExecutionGraph, Kind, Output, Precision,
};
use crate::schedule::StorageClass;
use crate::units::Bytes;
use rustc_hash::FxHashSet;

/// Bytes of the map that a kernel is generated into.
///
/// Source: `MAX_CODE_SIZE`, oneDNN, src/cpu/x64/jit_generator.hpp.
pub(in crate::runtime::openvino_cpu) const MAP: Bytes = Bytes(256 << 10);

/// The maps of all kernels.
pub(super) fn held(graph: &ExecutionGraph, streams: usize) -> Vec<Held> {
    let Some(node) = graph.nodes.first().map(|node| node.source) else { return Vec::new() };
    let maps = |kernels: Estimate, since| {
        let (count, known) = kernels.known();
        let own = Held { class: StorageClass::Code, bytes: MAP, node, known, since };
        std::iter::repeat_n(own, count as usize)
    };
    let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
    let per_node = graph.nodes.iter().filter(|node| matches!(node.kind, Kind::Subgraph | Kind::Rope)).count();
    let (shared, of_graph) = shared(graph);
    // The library keeps its kernels for the process, the plugin's own are there once per graph: per stream. Of the streams
    // of a dynamic graph one runs.
    let early = fit::KERNELS.estimate() + per_node.saturating_mul(streams) as u64;
    let later = shared + of_graph * if graph.is_dynamic { 1 } else { streams as u64 };
    maps(early, Moment::Compiled).chain(maps(later, since)).collect()
}

/// Kernels that nodes share: oneDNN's, and the plugin's own.
fn shared(graph: &ExecutionGraph) -> (Estimate, Estimate) {
    let mut weights: FxHashSet<(&Dims, DType)> = FxHashSet::default();
    let mut products: FxHashSet<(&Dims, DType, u64, usize, usize)> = FxHashSet::default();
    let mut convolutions: FxHashSet<(&Dims, &Dims, usize)> = FxHashSet::default();
    let mut elementwise: FxHashSet<(usize, Vec<DType>, DType)> = FxHashSet::default();
    let mut moved: FxHashSet<(&Dims, DType)> = FxHashSet::default();
    let mut attentions: FxHashSet<Option<&Attention>> = FxHashSet::default();
    let mut kernels = Estimate::ZERO;
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
                kernels += fit::KERNELS_EXPERTS.estimate();
            }
            (Kind::MatMul, Some(second))
                if second.dtype != DType::F32
                    && products.insert((&second.dims, second.dtype, 0, node.originals.len(), 0)) =>
            {
                kernels += fit::KERNELS_ACTIVATIONS.estimate();
            }
            (Kind::Convolution | Kind::Deconvolution, Some(weight))
                if convolutions.insert((&weight.dims, &output.dims, node.originals.len())) =>
            {
                kernels += fit::KERNELS_CONVOLUTION.estimate();
            }
            (Kind::Transpose, _) => drop(moved.insert((&output.dims, output.dtype))),
            (Kind::Reorder, _) if graph.input(node, 0).is_some_and(|input| input.layout != output.layout) => {
                moved.insert((&output.dims, output.dtype));
            }
            (Kind::RnnSequence, _) if graph.precision == Precision::F32 => {
                kernels += fit::KERNELS_RECURRENT_F32.estimate();
            }
            (Kind::RnnSequence, _) => kernels += fit::KERNELS_RECURRENT.estimate(),
            (Kind::Reduce, _) if graph.precision == Precision::F32 => {
                kernels += fit::KERNELS_REDUCE_F32.estimate()
            }
            (Kind::Reduce, _) => kernels += fit::KERNELS_REDUCE.estimate(),
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
        (_, true) if graph.precision == Precision::F32 => fit::KERNELS_PAGED_F32.estimate(),
        (_, true) => fit::KERNELS_PAGED.estimate(),
        (true, _) => fit::KERNELS_ATTENTION.estimate(),
        _ => Estimate::ZERO,
    };
    let norm = fit::KERNELS_MVN.per(u64::from(has(Kind::Mvn)));
    let is_odd = attentions.iter().flatten().any(|found| found.key_size % 32 != 0);
    let further = attentions.iter().flatten().count().saturating_sub(1);
    let subgraph = match has(Kind::Subgraph) {
        true => {
            fit::KERNELS_SUBGRAPH.estimate()
                + fit::KERNELS_SUBGRAPH_SHAPE.per(further as u64)
                + fit::KERNELS_SUBGRAPH_ODD.per(u64::from(is_odd))
        }
        false => Estimate::ZERO,
    };
    (kernels + attention + weights.len() as u64, norm + subgraph + (elementwise.len() + moved.len()) as u64)
}

fn of_product(graph: &ExecutionGraph, node: &ExecutedNode, weight: &Output) -> Estimate {
    let rows = rows(graph, node);
    let own = if fit::FEW_ROWS.covers(rows) {
        // One token after a prompt: the prompt's kernels are there too.
        fit::KERNELS_PRODUCT_TOKEN.per(if graph.has_past() { 2 } else { 1 })
    } else if fit::KERNEL_ROWS.divides(rows) {
        fit::KERNELS_PRODUCT.estimate()
    } else if fit::SHORT_ROWS.covers(rows) {
        fit::KERNELS_PRODUCT_SHORT.estimate()
    } else {
        fit::KERNELS_PRODUCT_ODD.estimate()
    };
    own + fit::KERNELS_UNPACKING.per(u64::from(is_quantized(weight.dtype)))
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

    /// Kernels of any graph.
    fn base() -> usize {
        fit::KERNELS.estimate().known().0 as usize
    }

    #[test]
    fn products_of_one_shape_share_kernels_and_rows_that_are_no_multiple_need_more() {
        let kernels = |rows, dtype| held(&graph(rows, dtype), 1).len() - base() - 1;
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
        assert_eq!(compiled, base() + 1);
    }
}
