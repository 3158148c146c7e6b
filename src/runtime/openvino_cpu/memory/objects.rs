//! The runtime's own objects: the model as read, nodes, primitives, caches.
//!
//! They are thousands of small blocks. Their sums were fitted to measured heaps after all tensors were taken off; the numbers
//! are in [`calibration`](crate::runtime::openvino_cpu::calibration), and each sum is one estimate.
//!
//! | | per |
//! |---|---|
//! | the model as read, and while it is read its text and tree | model, node of the export |
//! | after compilation | graph, node that is not a constant, constant; operation fused into a product or a convolution, product or convolution of bytes; attention Subgraph; input of a Concat; of a static graph further Subgraph, distinct weight shape |
//! | added by the first inference of a dynamic graph | graph, input of a Concat, distinct weight shape (twice for one token after a prompt), node that is not a constant |
//! | a kernel, from when it is generated | kernel |
//! | a product of two activations, or of a stack of weights, from when it is made | two descriptors of 64 kernels each |
//!
//! An operation that is fused is an entry of the primitive's attributes, which the node, its executor, the keys of two caches,
//! the primitive's descriptor, its copy and each kernel's descriptor have a copy of.
//!
//! After compilation the objects exist once per stream, except those of constants and of what the library keeps
//! for all streams: kernels, and what products and convolutions have of their fused operations.
//!
//! Source: heap blocks by size of a YOLOv8n of bytes and of a DistilBERT of bytes, OpenVINO 2026.4.1: entries of 3,088 bytes
//! (`post_ops_t::entry_t`, oneDNN, src/common/primitive_attr.hpp), each in seven to nine copies; of graphs with products of
//! activations: two blocks of 287 kB for each of other sizes (`brgemm_matmul_t::pd_t`, oneDNN,
//! src/cpu/x64/matmul/brgemm_matmul.hpp, which a primitive copies).

use super::held::{Held, Moment};
use super::int8;
use super::weights::is_stack;
use crate::machine::Isa;
use crate::runtime::calibration::Estimate;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, Output, Precision};
use crate::schedule::{NodeRef, StorageClass};
use rustc_hash::FxHashSet;

/// The model as the host application owns it, of so many nodes.
pub(super) fn model(nodes: u64) -> Held {
    own(StorageClass::Runtime, fit::MODEL.estimate() + fit::MODEL_NODE.per(nodes), Moment::Loaded)
}

/// What reading takes next to the model.
pub(super) fn reading(nodes: u64) -> Held {
    own(StorageClass::Runtime, fit::READING.estimate() + fit::READING_NODE.per(nodes), Moment::Loaded)
}

fn own(class: StorageClass, bytes: Estimate, since: Moment) -> Held {
    Held::estimated(class, bytes, NodeRef::default(), since)
}

/// The runtime's objects; `code`: the kernels that are generated.
pub(super) fn held(graph: &ExecutionGraph, streams: u64, isa: Isa, code: &[Held]) -> Vec<Held> {
    if graph.nodes.is_empty() {
        return Vec::new();
    }
    let passes = if graph.has_past() { 2 } else { 1 };
    let mut held = compiled(graph, streams, isa);
    if graph.is_dynamic {
        let others = others(graph);
        let first = fit::FIRST_INFERENCE.estimate()
            + fit::FIRST_INFERENCE_SHAPE.per(weight_shapes(graph) * passes)
            + fit::FIRST_INFERENCE_NODE.per(others)
            + fit::FIRST_INFERENCE_INPUT.per(joined(graph));
        held.push(own(StorageClass::Runtime, first, Moment::Running));
    }
    let kernel = if graph.is_dynamic { fit::DYNAMIC_KERNEL } else { fit::STATIC_KERNEL };
    for since in [Moment::Compiled, Moment::Running] {
        let kernels = code.iter().filter(|kernel| kernel.since == since).count() as u64;
        held.push(own(StorageClass::Runtime, kernel.per(kernels), since));
    }
    let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
    let descriptor = own(StorageClass::Runtime, fit::MATMUL_DESCRIPTOR.estimate(), since);
    let (descriptors, _) = fit::MATMUL_DESCRIPTORS.per(multiplications(graph, isa) * passes).known();
    held.extend(std::iter::repeat_n(descriptor, descriptors as usize));
    held
}

/// What there is once the model is compiled.
fn compiled(graph: &ExecutionGraph, streams: u64, isa: Isa) -> Vec<Held> {
    let constants = graph.nodes.count(Kind::Const) as u64;
    let attentions = attentions(graph);
    let (of_stream, shared) = if graph.is_dynamic {
        let of_stream = fit::DYNAMIC.estimate()
            + fit::DYNAMIC_NODE.per(others(graph))
            + fit::DYNAMIC_ATTENTION.per(attentions)
            + fit::DYNAMIC_INPUT.per(joined(graph))
            + attention_in_f32(graph, isa);
        (of_stream, fit::DYNAMIC_CONSTANT.per(constants) + fit::DYNAMIC_FUSED.per(fused(graph)))
    } else {
        let subgraphs = graph.nodes.count(Kind::Subgraph) as u64 - attentions;
        let of_stream = fit::STATIC.estimate()
            + fit::STATIC_SUBGRAPH.per(subgraphs)
            + fit::STATIC_ATTENTION.per(attentions)
            + fit::STATIC_INPUT.per(joined(graph));
        let shared = fit::STATIC_CONSTANT.per(constants)
            + fit::STATIC_FUSED.per(fused(graph))
            + fit::STATIC_SHAPE.per(weight_shapes(graph));
        (of_stream, shared)
    };
    let of_bytes =
        |kind: Kind| graph.nodes.of_kind(kind).filter(|(_, node)| int8::is_low(graph, node)).count() as u64;
    let bytes = fit::BYTES_PRODUCT.per(of_bytes(Kind::FullyConnected))
        + fit::BYTES_CONVOLUTION.per(of_bytes(Kind::Convolution));
    let own = |bytes| own(StorageClass::Runtime, bytes, Moment::Compiled);
    vec![own(of_stream * streams), own(shared + bytes)]
}

/// Nodes that are not constants.
fn others(graph: &ExecutionGraph) -> u64 {
    (graph.nodes.len() - graph.nodes.count(Kind::Const)) as u64
}

/// Attentions in Subgraphs.
fn attentions(graph: &ExecutionGraph) -> u64 {
    graph.nodes.of_kind(Kind::Subgraph).filter(|(_, node)| node.attention.is_some()).count() as u64
}

/// Inputs of Concats beyond two: each has descriptors for every layout that the node may run in.
fn joined(graph: &ExecutionGraph) -> u64 {
    let joins = graph.nodes.of_kind(Kind::Concat);
    joins.map(|(_, node)| node.inputs.len().saturating_sub(2) as u64).sum()
}

/// Products and convolutions.
fn primitives(graph: &ExecutionGraph) -> impl Iterator<Item = &ExecutedNode> {
    let nodes = graph.nodes.of_kind(Kind::FullyConnected).chain(graph.nodes.of_kind(Kind::Convolution));
    nodes.map(|(_, node)| node)
}

/// Operations that are fused into products and convolutions, biases too.
fn fused(graph: &ExecutionGraph) -> u64 {
    primitives(graph).map(|node| node.originals.len().saturating_sub(1) as u64).sum()
}

/// What attentions in Subgraphs have in addition in f32: with a mask, and where vectors have 256 bits.
fn attention_in_f32(graph: &ExecutionGraph, isa: Isa) -> Estimate {
    let masks = graph.nodes.of_kind(Kind::Subgraph);
    let masks = masks.filter_map(|(_, node)| Some(node.attention.as_deref()?.has_mask));
    let (masked, plain): (Vec<bool>, Vec<bool>) = masks.partition(|has_mask| *has_mask);
    let (masked, plain) = (masked.len() as u64, plain.len() as u64);
    match (isa.has_avx512(), graph.precision) {
        (false, _) => fit::DYNAMIC_ATTENTION_MASKED_AVX2.per(masked) + fit::DYNAMIC_ATTENTION_AVX2.per(plain),
        (true, Precision::F32) => fit::DYNAMIC_ATTENTION_MASKED_F32.per(masked),
        (true, _) => Estimate::ZERO,
    }
}

/// Products of other sizes that are primitives of matrix multiplication: of two activations, and of a stack of weights. Of bytes
/// there are none of this kind without VNNI.
fn multiplications(graph: &ExecutionGraph, isa: Isa) -> u64 {
    let stacks = graph.nodes.of_kind(Kind::FullyConnected);
    let stacks = stacks.filter(|(_, node)| graph.input(node, 1).is_some_and(is_stack));
    let products = graph.nodes.of_kind(Kind::MatMul).chain(stacks);
    let operands = products.filter_map(|(_, node)| Some([graph.input(node, 0)?, graph.input(node, 1)?]));
    let is_generated = |[data, _]: &[&Output; 2]| data.dtype.is_float() || isa.has_vnni();
    let sizes = operands.filter(is_generated).map(|both| both.map(|operand| (&operand.dims, operand.dtype)));
    sizes.collect::<FxHashSet<_>>().len() as u64
}

/// Distinct shapes of the weights of matrix products and convolutions; each graph inside a state counts its own.
fn weight_shapes(graph: &ExecutionGraph) -> u64 {
    let inner: u64 = graph.nodes.iter().map(|node| node.inner.len() as u64).sum();
    let shapes =
        primitives(graph).filter_map(|node| Some((&node.kind, graph.input(node, 1)?.dims.as_slice())));
    shapes.collect::<FxHashSet<_>>().len() as u64 + inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::graph::Dims;
    use crate::runtime::openvino_cpu::execution::Port;

    fn graph(is_dynamic: bool, kind: Kind, weights: &[&[u64]]) -> ExecutionGraph {
        let output = |dims: &[u64]| Output {
            dtype: DType::BF16,
            dims: Dims::from_slice(dims),
            is_dynamic,
            layout: Default::default(),
        };
        let node = |kind, dims: &[u64], inputs: &[u32]| ExecutedNode {
            kind,
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output(dims)].into_iter().collect(),
            ..ExecutedNode::default()
        };
        let mut nodes = vec![node(Kind::Input, &[6, 128, 64], &[])];
        for weight in weights {
            let step = nodes.len() as u32;
            nodes.push(node(Kind::Input, weight, &[]));
            nodes.push(node(kind.clone(), &[6, 128, 128], &[0, step]));
        }
        ExecutionGraph { nodes: nodes.into(), is_dynamic, ..ExecutionGraph::default() }
    }

    fn descriptors(graph: &ExecutionGraph) -> usize {
        let held = held(graph, 1, Isa::Avx512Bf16, &[]);
        held.iter().filter(|held| held.bytes.0 == 287_296).count()
    }

    #[test]
    fn products_of_activations_of_one_size_share_two_descriptors() {
        let equal: [&[u64]; 2] = [&[6, 128, 64]; 2];
        assert_eq!(descriptors(&graph(true, Kind::MatMul, &equal)), 2);
        assert_eq!(descriptors(&graph(false, Kind::MatMul, &[&[6, 128, 64], &[6, 512, 64]])), 4);
    }

    #[test]
    fn a_stack_of_weights_is_multiplied_likewise_and_one_matrix_is_not() {
        assert_eq!(descriptors(&graph(false, Kind::FullyConnected, &[&[6, 512, 64]])), 2);
        assert_eq!(descriptors(&graph(false, Kind::FullyConnected, &[&[512, 64]])), 0);
        assert_eq!(descriptors(&graph(false, Kind::FullyConnected, &[&[1, 512, 64]])), 0);
    }
}
