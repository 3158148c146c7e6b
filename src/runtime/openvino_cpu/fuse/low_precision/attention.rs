//! Attention of quantized queries and keys.
//!
//! A ScaledDotProductAttention whose queries and keys a FakeQuantize writes, perhaps through Reshapes and Transposes, is
//! written out before other transformations: `MatMul(queries, transposed keys * scale) → [Add mask] → Softmax → MatMul`.
//! The product has a made-up name of a Multiply, which went to the keys.
//!
//! Source: `ScaledDotProductAttentionDecomposition` and `MatMulMultiplyFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations.

use super::super::kind;
use super::super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{AxisSpan, Binary, Broadcast};
use crate::rewrite::composed;
use crate::runtime::openvino_cpu::execution::Kind;

/// Writes attention out.
pub(super) const RULE: Rule = Rule {
    name: "attention-of-bytes",
    source: "ScaledDotProductAttentionDecomposition, MatMulMultiplyFusion",
    on: |node| node.kind == Kind::ScaledDotProductAttention,
    apply,
    repeats: false,
};

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let [query, key, value] = [0, 1, 2].map(|input| of.input(input));
    let (query, key, value) = (query?, key?, value?);
    if !is_quantized(work, query) || !is_quantized(work, key) || of.attention.is_some() {
        return None;
    }
    let mut scores = work.tensor(query).clone();
    *scores.dims.last_mut()? = *work.tensor(key).dims.iter().rev().nth(1)?;
    let size = work.tensor(query).last().unwrap_or(1);
    let mut patch = Patch::new(work);
    let scale = match of.input(4) {
        Some(scale) => scale,
        None => patch.add_number(1.0 / (size as f64).sqrt(), of.source),
    };
    let (moved, order) = swapped_order(work, key)?;
    let order = patch.add_ints(&order, of.source);
    let mut step = |named: &Op, op: &Op, tensor: &Tensor, inputs: &[Edge]| {
        let name = patch.fresh_name(&kind::word(named));
        let (op, kind) = (op.clone(), kind::of(op, ""));
        let node = Node::named(name, op, kind, of.source).writing(tensor.clone());
        Edge::of(patch.add(node, inputs.iter().copied()))
    };
    let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
    let mut swapped = work.tensor(key).clone();
    let rank = swapped.dims.len();
    swapped.dims.swap(rank - 2, rank - 1);
    let key = step(&Op::Transpose, &Op::Transpose, &swapped, &[moved, order]);
    let key = step(&multiply, &multiply, &swapped, &[key, scale]);
    let product = Op::MatMul { transpose_a: false, transpose_b: false };
    let mut data = step(&multiply, &product, &scores, &[query, key]);
    // A mask of one constant number is nothing.
    let is_number = |mask: &Edge| work.nodes[mask.node()].is_const() && work.tensor(*mask).is_number();
    if let Some(mask) = of.input(3).filter(|mask| !is_number(mask)) {
        let add = Op::Binary(Binary::Add, Broadcast::Numpy);
        data = step(&add, &add, &scores, &[data, mask]);
    }
    let softmax = Op::Softmax(AxisSpan::LAST);
    data = step(&softmax, &softmax, &scores, &[data]);
    patch.set_inputs(node, [data, value]);
    patch.change(node, |node| {
        node.op = Op::MatMul { transpose_a: false, transpose_b: false };
        node.kind = Kind::MatMul;
    });
    Some(patch)
}

/// Keys before a Transpose that nothing else needs, and the order that makes them transposed ones.
fn swapped_order(work: &Work<'_>, key: Edge) -> Option<(Edge, Vec<i64>)> {
    let rank = work.tensor(key).dims.len();
    let mut order: Vec<i64> = (0..rank as i64).collect();
    let last = rank.checked_sub(1).filter(|&last| last > 0)?;
    order.swap(last - 1, last);
    let is_alone = work.nodes[key.node()].kind == Kind::Transpose && work.only_user(key.node()).is_some();
    let both = work.ints(key.node(), 1).filter(|_| is_alone).and_then(|own| composed(own, &order));
    match (both, work.nodes[key.node()].input(0)) {
        (Some(both), Some(above)) => Some((above, both)),
        _ => Some((key, order)),
    }
}

/// Whether a FakeQuantize writes a tensor that was moved since.
fn is_quantized(work: &Work<'_>, mut edge: Edge) -> bool {
    for _ in 0..4 {
        let node = &work.nodes[edge.node()];
        match node.op {
            Op::FakeQuantize { .. } => return true,
            Op::Reshape(_) | Op::Transpose | Op::Unsqueeze | Op::Squeeze { .. } => {
                let Some(above) = node.input(0) else { return false };
                edge = above;
            }
            _ => return false,
        }
    }
    false
}
