//! Pass 4, continued: element-wise nodes move above what only moves data.
//!
//! An activation (not Swish), or Multiply or Divide by one constant number, moves above the Reshape, Transpose or Gather
//! that feeds it, if nobody else reads that. It gets a made-up name, and the last node that moves data takes its name.
//!
//! Source: `MoveEltwiseUpThroughDataMov`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/move_eltwise_up_data_movement.cpp.

use super::work::{Edge, Node, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Unary};
use crate::lower::execution::Kind;
use smallvec::smallvec;

/// Moves element-wise nodes up.
pub(super) fn elementwise(work: &mut Work<'_>) {
    for node in work.model_order() {
        let Some(input) = moved_input(work, node) else { continue };
        let mut movers = Vec::new();
        let mut above = work.producer(node, input);
        while let Some(mover) = above.filter(|&mover| is_mover(work, mover)) {
            movers.push(mover);
            above = work.producer(mover, 0);
        }
        let (Some(&last), Some(&first)) = (movers.first(), movers.last()) else { continue };
        let Some(source) = work.nodes[first].input(0) else { continue };
        let word = super::kind::word(&work.nodes[node].op);
        let dtype = work.nodes[node].outputs[0].dtype;
        let old = work.nodes[node].clone();
        let name = work.fresh_name(&word);
        let mut inputs = old.inputs.clone();
        inputs[input] = Some(source);
        let moved = work.add(Node {
            op: old.op.clone(),
            kind: old.kind.clone(),
            originals: smallvec![name.clone()],
            name,
            inputs,
            outputs: smallvec![Tensor { dtype, ..work.tensor(source).clone() }],
            source: old.source,
            ..Node::default()
        });
        work.set_input(first, 0, Edge::of(moved));
        work.replace(Edge::of(node), Edge::of(last));
        movers.iter().for_each(|&mover| work.nodes[mover].outputs[0].dtype = dtype);
        if work.nodes[last].kind != Kind::Gather {
            work.nodes[last].name = old.name;
            work.nodes[last].originals = old.originals;
        }
    }
}

/// The input that data come in by, if the node may move.
fn moved_input(work: &Work<'_>, node: usize) -> Option<usize> {
    if !work.is_alive(node) || work.nodes[node].kind != Kind::Eltwise {
        return None;
    }
    let is_number = |input: usize| {
        let edge = work.nodes[node].input(input);
        work.reads_const(node, input) && edge.is_some_and(|edge| work.tensor(edge).elements() == 1)
    };
    match work.nodes[node].op {
        Op::Unary(unary) => (unary != Unary::Swish && work.nodes[node].inputs.len() == 1).then_some(0),
        Op::Binary(Binary::Multiply | Binary::Divide, _) if is_number(1) => Some(0),
        Op::Binary(Binary::Multiply, _) if is_number(0) => Some(1),
        _ => None,
    }
}

/// Whether a node only moves data, for one reader.
fn is_mover(work: &Work<'_>, node: usize) -> bool {
    let moves = match work.nodes[node].op {
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::Transpose => true,
        Op::Gather { .. } => !work.reads_const(node, 0),
        _ => false,
    };
    moves && work.only_user(node).is_some()
}
