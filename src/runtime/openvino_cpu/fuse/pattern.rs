//! What patterns ask of the graph.

use super::work::{Edge, Work};
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::rewrite::{Arithmetic, is_swap_of_middle};
use crate::runtime::openvino_cpu::execution::Kind;

impl Arithmetic for Work<'_> {
    type Source = Edge;

    fn operands(&self, node: usize, kind: Binary) -> Option<(Edge, Edge)> {
        inputs(self, node, kind)
    }

    fn constant_number(&self, source: Edge) -> Option<f64> {
        number(self, source)
    }

    fn constant_operand(&self, node: usize, kind: Binary) -> Option<(Edge, Edge)> {
        constant_and_other(self, node, kind)
    }
}

/// Whether a node is this operation, and nothing is fused behind it.
pub(super) fn is_binary(work: &Work<'_>, node: usize, kind: Binary) -> bool {
    matches!(work.nodes[node].op, Op::Binary(own, _) if own == kind) && work.nodes[node].n_fused == 0
}

/// Both inputs of an operation.
pub(super) fn inputs(work: &Work<'_>, node: usize, kind: Binary) -> Option<(Edge, Edge)> {
    is_binary(work, node, kind).then_some(())?;
    Some((work.nodes[node].input(0)?, work.nodes[node].input(1)?))
}

/// The constant and the other input of an operation, whichever comes first.
pub(super) fn constant_and_other(work: &Work<'_>, node: usize, kind: Binary) -> Option<(Edge, Edge)> {
    let (first, second) = inputs(work, node, kind)?;
    match (work.nodes[first.node()].is_const(), work.nodes[second.node()].is_const()) {
        (true, false) => Some((first, second)),
        (false, true) => Some((second, first)),
        _ => None,
    }
}

/// The number in a constant of one element.
pub(super) fn number(work: &Work<'_>, edge: Edge) -> Option<f64> {
    let node = &work.nodes[edge.node()];
    match node.value.as_ref().filter(|_| node.is_const())?.to_floats()[..] {
        [value] => Some(value),
        _ => None,
    }
}

/// What a node of this kind reads first.
pub(super) fn above(work: &Work<'_>, edge: Edge, kind: &Kind) -> Option<Edge> {
    (work.nodes[edge.node()].kind == *kind).then(|| work.nodes[edge.node()].input(0))?
}

/// What is read through a chain of at most four nodes of these kinds.
pub(super) fn through(work: &Work<'_>, mut edge: Edge, kinds: &[Kind]) -> Option<Edge> {
    for _ in 0..4 {
        if !kinds.contains(&work.nodes[edge.node()].kind) {
            break;
        }
        edge = work.nodes[edge.node()].input(0)?;
    }
    Some(edge)
}

/// Whether a node exchanges tokens and heads: a transposition `[0,2,1,3]`.
pub(super) fn swaps_heads(work: &Work<'_>, node: usize) -> bool {
    work.nodes[node].kind == Kind::Transpose && work.ints(node, 1).is_some_and(is_swap_of_middle)
}
