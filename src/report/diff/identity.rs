//! What identifies a node when its name does not: operator, shapes, position and neighbours.
//!
//! The structure of a node is a color: a hash of its operator type and the types and shapes of its results, refined by those
//! of the nodes around it (Weisfeiler and Leman). After `n` rounds two nodes of equal color have equal neighbourhoods of `n`
//! edges. Names are not hashed.

use super::super::component::{self, Component};
use crate::graph::Graph;
use crate::ids::NodeId;
use crate::shape::Shapes;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Rounds of refinement: how many edges away a neighbour counts.
pub(super) const ROUNDS: usize = 3;

/// A node, as a comparison of two graphs sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// What a breakdown by node calls it.
    pub(super) key: String,
    /// Its operator type, as the file spells it.
    pub(super) type_name: String,
    /// Its attention block.
    pub(super) layer: Option<u32>,
    /// The name is a module path, which an exporter gives to the same operation again; others are numbered.
    pub(super) has_path: bool,
    /// Its colors after 0, 1 … [`ROUNDS`] rounds.
    pub(super) colors: [u64; ROUNDS + 1],
}

/// The nodes of a graph and its bodies in order of execution; `part` is the name of its part of a pipeline.
///
/// Cost: linear in nodes and edges.
pub(crate) fn nodes(graph: &Graph, shapes: Option<&Shapes>, part: Option<&str>) -> Vec<Node> {
    let mut found = Vec::new();
    for body in graph.with_bodies() {
        let components = component::of(body);
        // Shapes are indexed by the tensors of the graph itself; bodies have their types alone.
        let colors = colors(body, shapes.filter(|_| body.number() == 0));
        found.extend(body.execution_order().iter().map(|&id| {
            let name = body.node_name(id);
            let Component { layer, .. } = components.get(id.index()).copied().unwrap_or(Component::OTHER);
            Node {
                key: part.map_or_else(|| name.to_owned(), |part| format!("{part}: {name}")),
                type_name: body.node_type(id).to_owned(),
                layer,
                has_path: component::module(name).is_some(),
                colors: colors.get(id.index()).copied().unwrap_or_default(),
            }
        }));
    }
    found
}

/// A reading node, and the number of the input by which it reads.
type Reader = (NodeId, usize);

fn colors(graph: &Graph, shapes: Option<&Shapes>) -> Vec<[u64; ROUNDS + 1]> {
    let ids = || (0..graph.nodes().len()).map(NodeId::new);
    let mut readers: Vec<Vec<Reader>> = vec![Vec::new(); graph.nodes().len()];
    for id in ids() {
        for (input, slot) in graph.inputs(id).iter().enumerate() {
            if let Some(tensor) = slot {
                readers[graph.tensor(*tensor).node.index()].push((id, input));
            }
        }
    }
    let mut now: Vec<u64> = ids().map(|id| own(graph, shapes, id)).collect();
    let mut all: Vec<[u64; ROUNDS + 1]> = now.iter().map(|&color| [color; ROUNDS + 1]).collect();
    for round in 1..=ROUNDS {
        let next: Vec<u64> = ids().map(|id| refined(graph, &readers, &now, id)).collect();
        for (colors, &color) in all.iter_mut().zip(&next) {
            colors[round..].fill(color);
        }
        now = next;
    }
    all
}

/// A node's type, and the types and shapes of its results.
fn own(graph: &Graph, shapes: Option<&Shapes>, id: NodeId) -> u64 {
    let mut hasher = FxHasher::default();
    graph.node_type(id).hash(&mut hasher);
    for tensor in graph.outputs(id) {
        let known = shapes.map(|shapes| shapes.tensor(tensor));
        let dims = known.and_then(|info| info.dims.as_deref());
        known.map_or(graph.tensor(tensor).dtype, |info| info.dtype).hash(&mut hasher);
        dims.hash(&mut hasher);
    }
    hasher.finish()
}

/// A node's color, those of the nodes that it reads in their order, and those of its readers with their inputs in any order:
/// the numbers where a slice starts and stops are read by one node.
fn refined(graph: &Graph, readers: &[Vec<Reader>], colors: &[u64], id: NodeId) -> u64 {
    let color = |id: NodeId| colors.get(id.index()).copied().unwrap_or_default();
    let mut hasher = FxHasher::default();
    color(id).hash(&mut hasher);
    for slot in graph.inputs(id) {
        let source = slot.map(|tensor| (color(graph.tensor(tensor).node), graph.tensor(tensor).port));
        source.hash(&mut hasher);
    }
    let readers = readers.get(id.index()).into_iter().flatten();
    let mut read_by: Vec<(u64, usize)> = readers.map(|&(reader, input)| (color(reader), input)).collect();
    read_by.sort_unstable();
    read_by.hash(&mut hasher);
    hasher.finish()
}
