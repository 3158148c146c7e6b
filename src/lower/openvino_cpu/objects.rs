//! The runtime's own objects: nodes, primitives, generated code's owners, caches.
//!
//! They are thousands of small blocks. The sums were fitted to measured heaps after all tensors were taken off, and are
//! assumptions, told apart from what is known.
//!
//! | | bytes |
//! |---|---|
//! | dynamic, after compilation | 1.70 MB + 9.0 KB per node + 0.93 MB per attention Subgraph |
//! | dynamic, added by the first inference | 0.35 MB + 0.14 MB per distinct weight shape + 1.7 KB per node that is no constant |
//! | static | 2.0 MB + 2.7 KB per node that is no constant + 20 KB per constant + 0.10 MB per Subgraph + 0.86 MB per attention Subgraph |
//! | stateful attention | two code generators of 287,296 bytes per kernel: prompt, and one token |
//!
//! Source: OpenVINO 2026.4.1, residue of 120 dynamic and 76 static runs: spread 1 MB (dynamic) and 20 % (static).

use super::held::{Held, Moment};
use crate::lower::execution::{ExecutionGraph, Kind};
use crate::lower::{Known, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashSet;

/// Bytes of one code generator of stateful attention.
const CODE_GENERATOR: u64 = 287_296;

/// What the runtime's objects take.
pub(super) fn held(graph: &ExecutionGraph) -> Vec<Held> {
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
    let Some(node) = graph.nodes.first().map(|node| node.source) else { return Vec::new() };
    let own = |bytes, since| Held {
        class: StorageClass::Runtime,
        bytes: Bytes(bytes),
        node,
        known: Known::Assumed,
        since,
    };
    if !graph.is_dynamic {
        let bytes =
            2_000_000 + 2_700 * others + 20_000 * constants + 100_000 * subgraphs + 860_000 * attentions;
        return vec![own(bytes, Moment::Compiled)];
    }
    let mut held = vec![
        own(1_700_000 + 9_000 * nodes + 930_000 * attentions, Moment::Compiled),
        own(350_000 + 140_000 * weight_shapes(graph) + 1_700 * others, Moment::Running),
    ];
    let attentions = graph.nodes.iter().filter(|node| node.kind == Kind::ScaledDotProductAttention);
    let past = attentions.filter_map(|node| Some(node.attention.as_deref()?.past())).max();
    let generators = match past {
        None => 0,
        Some(0) => 2,
        Some(_) => 4,
    };
    held.extend((0..generators).map(|_| own(CODE_GENERATOR, Moment::Running)));
    held
}

/// Distinct shapes of the weights of matrix products and convolutions.
fn weight_shapes(graph: &ExecutionGraph) -> u64 {
    let products =
        graph.nodes.iter().filter(|node| matches!(node.kind, Kind::FullyConnected | Kind::Convolution));
    let shapes = products.filter_map(|node| Some((&node.kind, graph.input(node, 1)?.dims.as_slice())));
    shapes.collect::<FxHashSet<_>>().len() as u64
}
