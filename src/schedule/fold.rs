//! Constant folding: what depends on constants alone is not a step of a run.

use crate::graph::{Graph, Op, op};
use crate::ids::{NodeId, TensorId};
use crate::shape::Shapes;
use rustc_hash::FxHashMap;

/// Which nodes of a graph are computed before the run, and which nothing needs.
#[derive(Debug)]
pub(super) struct Folding {
    is_constant: Vec<bool>,
    is_needed: Vec<bool>,
}

impl Folding {
    /// Cost: linear in nodes and edges.
    pub(super) fn of(graph: &Graph) -> Folding {
        let order = graph.execution_order();
        let mut is_constant = vec![false; graph.nodes().len()];
        for &node in order {
            let mut producers = graph.inputs(node).iter().flatten().map(|&tensor| graph.tensor(tensor).node);
            is_constant[node.index()] = match &graph.node(node).op {
                Op::Constant(_) => true,
                Op::Parameter | Op::Result | Op::ReadValue(_) | Op::Assign(_) => false,
                Op::If(_) | Op::Loop(_) | Op::Multinomial { .. } => false,
                Op::FromShape { fill, .. } if fill.value().is_none() => false,
                op if op.is_opaque() => false,
                _ => producers.all(|producer| is_constant[producer.index()]),
            };
        }
        let mut is_needed = vec![false; graph.nodes().len()];
        for &node in order.iter().rev() {
            if matches!(graph.node(node).op, Op::Result | Op::Assign(_)) {
                is_needed[node.index()] = true;
            }
            if is_needed[node.index()] {
                for &tensor in graph.inputs(node).iter().flatten() {
                    is_needed[graph.tensor(tensor).node.index()] = true;
                }
            }
        }
        Folding { is_constant, is_needed }
    }

    /// Whether the node runs: it is needed and depends on more than constants.
    pub(super) fn runs(&self, node: NodeId) -> bool {
        self.is_needed[node.index()] && !self.is_constant[node.index()]
    }

    /// Whether a tensor is known before the run.
    pub(super) fn is_constant(&self, graph: &Graph, tensor: TensorId) -> bool {
        self.is_constant[graph.tensor(tensor).node.index()]
    }
}

/// The sources of tensors before conversions and reshapes, and whether a conversion on the way widens: kept for the
/// tensors asked for, as many nodes may read the end of a long chain.
#[derive(Debug, Default)]
pub(super) struct Sources(FxHashMap<TensorId, (TensorId, bool)>);

impl Sources {
    fn of(&mut self, graph: &Graph, shapes: &Shapes, tensor: TensorId) -> (TensorId, bool) {
        let mut path = Vec::new();
        let mut current = tensor;
        let (source, mut widens) = loop {
            if let Some(&known) = self.0.get(&current) {
                break known;
            }
            let node = graph.tensor(current).node;
            let op = &graph.node(node).op;
            let converts = matches!(op, Op::Convert { .. } | Op::ConvertLike);
            let Some(from) = graph.input(node, 0).filter(|_| converts || moves(op)) else {
                break (current, false);
            };
            let bits = |tensor: TensorId| shapes.tensor(tensor).dtype.bits();
            path.push((current, converts && bits(from) < bits(current)));
            current = from;
        };
        for (tensor, is_wider) in path.into_iter().rev() {
            widens |= is_wider;
            self.0.insert(tensor, (source, widens));
        }
        (source, widens)
    }
}

/// Whether the output has the elements of the first input.
fn moves(op: &Op) -> bool {
    matches!(
        op,
        Op::Reshape(_)
            | Op::Squeeze { .. }
            | Op::Unsqueeze
            | Op::ExpandDims
            | Op::Identity
            | Op::Optional
            | Op::OptionalGetElement
    )
}

/// The constants behind a tensor that is a weight in another form: stored narrower (`Convert`, zero point, scale) or
/// reshaped. `None` where the chain computes something new, so that its result is a constant of its own.
pub(super) fn decompression(
    graph: &Graph,
    shapes: &Shapes,
    sources: &mut Sources,
    tensor: TensorId,
) -> Option<Vec<NodeId>> {
    let mut constants = Vec::new();
    let mut pending = vec![tensor];
    let mut widens = false;
    let mut computes = false;
    while let Some(tensor) = pending.pop() {
        let (source, is_wider) = sources.of(graph, shapes, tensor);
        widens |= is_wider;
        let node = graph.tensor(source).node;
        match &graph.node(node).op {
            Op::Constant(_) => constants.push(node),
            Op::Binary(op::Binary::Subtract | op::Binary::Multiply, _) => {
                computes = true;
                pending.extend(graph.inputs(node).iter().flatten());
            }
            _ => return None,
        }
        if pending.len() + constants.len() > 16 {
            return None;
        }
    }
    (widens || !computes).then_some(constants)
}
