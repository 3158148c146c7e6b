//! The runtime's own objects: the model as read, nodes, primitives, caches.
//!
//! They are thousands of small blocks. Their sums were fitted to measured heaps after all tensors were taken off; the numbers
//! are in [`calibration`](crate::runtime::openvino_cpu::calibration), and each sum is one estimate.
//!
//! | | per |
//! |---|---|
//! | the model as read, and while it is read its text and tree | model, node of the export |
//! | dynamic, after compilation | graph, node, attention Subgraph; input of a Concat |
//! | dynamic, added by the first inference | graph, input of a Concat, distinct weight shape (twice for one token after a prompt), node that is not a constant |
//! | static | graph, node that is not a constant, constant, Subgraph, attention Subgraph, input of a Concat; convolution |
//! | attention with a cache, in states or paged | two code generators per kernel: prompt, and one token |
//!
//! After compilation the objects exist once per stream, except those of convolutions.

use super::held::{Held, Moment};
use crate::machine::Isa;
use crate::runtime::calibration::Estimate;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind};
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

/// The runtime's objects.
pub(super) fn held(graph: &ExecutionGraph, streams: u64, isa: Isa) -> Vec<Held> {
    let count = |predicate: &dyn Fn(&Kind) -> bool| {
        graph.nodes.iter().filter(|node| predicate(&node.kind)).count() as u64
    };
    let nodes = graph.nodes.len() as u64;
    let constants = count(&|kind| *kind == Kind::Const);
    let attentions =
        graph.nodes.iter().filter(|node| node.kind == Kind::Subgraph && node.attention.is_some());
    let attentions = attentions.count() as u64;
    let subgraphs = count(&|kind| *kind == Kind::Subgraph) - attentions;
    let others = nodes - constants;
    let joined: u64 = graph.nodes.iter().filter(|node| node.kind == Kind::Concat).map(further_inputs).sum();
    if nodes == 0 {
        return Vec::new();
    }
    let compiled = if graph.is_dynamic {
        fit::DYNAMIC.estimate()
            + fit::DYNAMIC_NODE.per(nodes)
            + fit::DYNAMIC_ATTENTION.per(attentions)
            + fit::DYNAMIC_INPUT.per(joined)
            + narrow_attention(graph, isa)
    } else {
        fit::STATIC.estimate()
            + fit::STATIC_NODE.per(others)
            + fit::STATIC_CONSTANT.per(constants)
            + fit::STATIC_SUBGRAPH.per(subgraphs)
            + fit::STATIC_ATTENTION.per(attentions)
            + fit::STATIC_INPUT.per(joined)
    };
    let compiled = own(StorageClass::Runtime, compiled * streams, Moment::Compiled);
    if !graph.is_dynamic {
        let convolutions = count(&|kind| *kind == Kind::Convolution);
        let library =
            fit::STATIC_CONVOLUTIONS.per(convolutions.min(1)) + fit::STATIC_CONVOLUTION.per(convolutions);
        return vec![compiled, own(StorageClass::Runtime, library, Moment::Compiled)];
    }
    let passes = if graph.has_past() { 2 } else { 1 };
    let first = fit::FIRST_INFERENCE.estimate()
        + fit::FIRST_INFERENCE_SHAPE.per(weight_shapes(graph) * passes)
        + fit::FIRST_INFERENCE_NODE.per(others)
        + fit::FIRST_INFERENCE_INPUT.per(joined);
    let mut held = vec![compiled, own(StorageClass::Runtime, first, Moment::Running)];
    if count(&|kind| matches!(kind, Kind::ScaledDotProductAttention | Kind::PagedAttention)) > 0 {
        let generator = own(StorageClass::Code, fit::CODE_GENERATOR.estimate(), Moment::Running);
        let (generators, _) = fit::CODE_GENERATORS.per(passes).known();
        held.extend(std::iter::repeat_n(generator, generators as usize));
    }
    held
}

/// Inputs of a Concat beyond two: each has descriptors for every layout that the node may run in.
fn further_inputs(node: &ExecutedNode) -> u64 {
    node.inputs.len().saturating_sub(2) as u64
}

/// What attentions in Subgraphs have in addition where vectors have 256 bits.
fn narrow_attention(graph: &ExecutionGraph, isa: Isa) -> Estimate {
    if isa.has_avx512() {
        return Estimate::ZERO;
    }
    let subgraphs = graph.nodes.iter().filter(|node| node.kind == Kind::Subgraph);
    let masks = subgraphs.filter_map(|node| Some(node.attention.as_deref()?.has_mask));
    let (masked, plain): (Vec<bool>, Vec<bool>) = masks.partition(|has_mask| *has_mask);
    fit::DYNAMIC_ATTENTION_MASKED_AVX2.per(masked.len() as u64)
        + fit::DYNAMIC_ATTENTION_AVX2.per(plain.len() as u64)
}

/// Distinct shapes of the weights of matrix products and convolutions; each graph inside a state counts its own.
fn weight_shapes(graph: &ExecutionGraph) -> u64 {
    let products =
        graph.nodes.iter().filter(|node| matches!(node.kind, Kind::FullyConnected | Kind::Convolution));
    let inner: u64 = graph.nodes.iter().map(|node| node.inner.len() as u64).sum();
    let shapes = products.filter_map(|node| Some((&node.kind, graph.input(node, 1)?.dims.as_slice())));
    shapes.collect::<FxHashSet<_>>().len() as u64 + inner
}
