//! Execution order: the one that OpenVINO gives a model as it reads it.
//!
//! Source: `topological_sort`, OpenVINO 2026.4, src/core/include/openvino/core/graph_util.hpp: results, then sinks,
//! then parameters are pushed on a stack, so the last pushed is expanded first, inputs by ascending port.
//! Here the roots are taken in the plain order (results, assigns, rest), which is the order in which the CPU
//! plugin's `SortTopologically` numbers them.

use super::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use petgraph::visit::{DfsPostOrder, GraphBase, GraphRef, IntoNeighbors, Visitable};

/// The graph with edges from a node to the nodes it reads.
#[derive(Clone, Copy)]
pub(super) struct Reads<'a>(pub(super) &'a Graph);

impl GraphBase for Reads<'_> {
    type NodeId = NodeId;
    type EdgeId = ();
}

impl GraphRef for Reads<'_> {}

/// Nodes already seen, as petgraph's walkers want it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Vec<bool>);

impl petgraph::visit::VisitMap<NodeId> for Seen {
    fn visit(&mut self, node: NodeId) -> bool {
        !std::mem::replace(&mut self.0[node.index()], true)
    }
    fn is_visited(&self, node: &NodeId) -> bool {
        self.0[node.index()]
    }
    fn unvisit(&mut self, node: NodeId) -> bool {
        std::mem::replace(&mut self.0[node.index()], false)
    }
}

impl Visitable for Reads<'_> {
    type Map = Seen;
    fn visit_map(&self) -> Seen {
        Seen(vec![false; self.0.nodes.len()])
    }
    fn reset_map(&self, map: &mut Seen) {
        map.0.clear();
        map.0.resize(self.0.nodes.len(), false);
    }
}

/// The nodes that a node reads, highest port first.
#[derive(Clone, Debug)]
pub(super) struct Producers<'a> {
    graph: &'a Graph,
    slots: std::slice::Iter<'a, Option<TensorId>>,
}

impl Iterator for Producers<'_> {
    type Item = NodeId;
    fn next(&mut self) -> Option<NodeId> {
        loop {
            if let Some(tensor) = self.slots.next_back()? {
                return Some(self.graph.tensor(*tensor).node);
            }
        }
    }
}

impl<'a> IntoNeighbors for Reads<'a> {
    type Neighbors = Producers<'a>;
    /// Highest port first: petgraph's walkers expand what they are given last before the rest.
    fn neighbors(self, node: NodeId) -> Producers<'a> {
        Producers { graph: self.0, slots: self.0.inputs(node).iter() }
    }
}

/// Post-order depth-first walk over inputs by ascending port, from the results, then the assigns, then all other
/// nodes; `Err` names a node of a cycle.
///
/// An assign of a variable runs after every read of it, even where no edge says so: reads that the walk from the
/// results did not reach are walked before the assigns.
pub(super) fn execution_order(graph: &Graph) -> Result<Vec<NodeId>, NodeId> {
    let reads = graph.nodes.iter().enumerate().filter(|(_, node)| matches!(node.op, Op::ReadValue(_)));
    let reads = reads.map(|(index, _)| NodeId::new(index));
    let all = (0..graph.nodes.len()).map(NodeId::new);
    let roots = graph.results.iter().copied().chain(reads).chain(graph.assigns.iter().copied()).chain(all);

    let mut order = Vec::with_capacity(graph.nodes.len());
    let mut walk = DfsPostOrder::empty(Reads(graph));
    for root in roots {
        walk.move_to(root);
        while let Some(node) = walk.next(Reads(graph)) {
            order.push(node);
        }
    }

    let mut position = vec![0_u32; graph.nodes.len()];
    for (index, node) in order.iter().enumerate() {
        position[node.index()] = index as u32;
    }
    let is_late = |node: &NodeId| {
        let mut inputs = graph.inputs(*node).iter().flatten();
        inputs.any(|&tensor| position[graph.tensor(tensor).node.index()] >= position[node.index()])
    };
    match order.iter().copied().find(|node| is_late(node)) {
        Some(node) => Err(node),
        None => Ok(order),
    }
}
