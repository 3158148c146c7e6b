//! The runtime's own objects: the model as read, nodes, primitives, caches.
//!
//! They are thousands of small blocks. The sums were fitted to measured heaps after all tensors were taken off, and are
//! assumptions, told apart from what is known.
//!
//! | | bytes |
//! |---|---|
//! | the model as read | 1.03 MiB + 2.6 KiB per node of the export |
//! | while it is read, beside it | 1.02 MiB + 3.15 KiB per node: the text and its tree |
//! | dynamic, after compilation | 1.70 MB + 9.0 KB per node + 0.93 MB per attention Subgraph |
//! | dynamic, added by the first inference | 0.35 MB + 0.14 MB per distinct weight shape + 1.7 KB per node that is no constant; for one token after a prompt 0.14 MB per shape once more |
//! | static | 2.0 MB + 2.7 KB per node that is no constant + 20 KB per constant + 0.10 MB per Subgraph + 0.86 MB per attention Subgraph; 2.0 MB where it has a convolution |
//! | attention with a cache, in states or paged | two code generators of 287,296 bytes per kernel: prompt, and one token |
//!
//! What is there after compilation is there once per stream, but for what convolutions take.
//!
//! Source: OpenVINO 2026.4.1, residue of 120 dynamic and 76 static runs: spread 1 MB (dynamic) and 20 % (static); the
//! model as read: 66 runs, spread 3 %.

use super::held::{Held, Moment};
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind};
use crate::schedule::{Known, NodeRef, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashSet;

/// Bytes of one code generator of attention with a cache.
const CODE_GENERATOR: u64 = 287_296;

/// A node of a model, as read.
const MODEL_NODE: u64 = 2_660;

/// What the model takes as the user holds it, of so many nodes.
pub(super) fn model(nodes: u64) -> Held {
    own(StorageClass::Runtime, 1_080_000_u64.saturating_add(nodes.saturating_mul(MODEL_NODE)), Moment::Loaded)
}

/// What reading the model takes beside the model.
pub(super) fn reading(nodes: u64) -> Held {
    own(StorageClass::Runtime, 1_070_000_u64.saturating_add(nodes.saturating_mul(3_230)), Moment::Loaded)
}

fn own(class: StorageClass, bytes: u64, since: Moment) -> Held {
    Held { class, bytes: Bytes(bytes), node: NodeRef::default(), known: Known::Assumed, since }
}

/// What the runtime's objects take.
pub(super) fn held(graph: &ExecutionGraph, streams: u64) -> Vec<Held> {
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
    if nodes == 0 {
        return Vec::new();
    }
    let compiled = if graph.is_dynamic {
        1_700_000 + 9_000 * nodes + 930_000 * attentions
    } else {
        2_000_000 + 2_700 * others + 20_000 * constants + 100_000 * subgraphs + 860_000 * attentions
    };
    let compiled = own(StorageClass::Runtime, compiled.saturating_mul(streams), Moment::Compiled);
    if !graph.is_dynamic {
        let convolves = count(&|kind| *kind == Kind::Convolution) > 0;
        let library = own(StorageClass::Runtime, if convolves { 2_000_000 } else { 0 }, Moment::Compiled);
        return vec![compiled, library];
    }
    let passes = if graph.has_past() { 2 } else { 1 };
    let first = 350_000 + 140_000 * weight_shapes(graph) * passes + 1_700 * others;
    let mut held = vec![compiled, own(StorageClass::Runtime, first, Moment::Running)];
    if count(&|kind| matches!(kind, Kind::ScaledDotProductAttention | Kind::PagedAttention)) > 0 {
        let generator = own(StorageClass::Code, CODE_GENERATOR, Moment::Running);
        held.extend(std::iter::repeat_n(generator, 2 * passes as usize));
    }
    held
}

/// Distinct shapes of the weights of matrix products and convolutions; each graph inside a state counts its own.
fn weight_shapes(graph: &ExecutionGraph) -> u64 {
    let products =
        graph.nodes.iter().filter(|node| matches!(node.kind, Kind::FullyConnected | Kind::Convolution));
    let inner: u64 = graph.nodes.iter().map(|node| node.inner.len() as u64).sum();
    let shapes = products.filter_map(|node| Some((&node.kind, graph.input(node, 1)?.dims.as_slice())));
    shapes.collect::<FxHashSet<_>>().len() as u64 + inner
}
