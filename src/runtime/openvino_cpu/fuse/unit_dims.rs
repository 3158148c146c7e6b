//! Transpositions that move at most one dim of more than one element.
//!
//! * A Transpose whose moved dims are 1 but for one is a Reshape of its name.
//! * An AdaptiveAvgPool to one element is a ReduceMean; a Reduce that alone reads a Transpose runs before it, under a
//!   made-up name, and the Transpose takes the Reduce's.
//!
//! * The shape of a Transpose is gathered, under the ShapeOf's name, from the shape of what it reads.
//!
//! Source: `TransposeToReshape`, `AdaptivePoolToReduce`, `TransposeReduction` and `TSShapeOfForward`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations and transpose_sinking.

use super::kind;
use super::work::{Build, Dim, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Reduce, ReshapeZero};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Reduces before transposing.
pub(super) const REDUCE: &[Rule] = &[
    Rule {
        name: "pool-to-reduce",
        source: "AdaptivePoolToReduce",
        on: |node| matches!(node.op, Op::AdaptivePool { indices: None }),
        apply: pool_to_reduce,
        repeats: false,
    },
    Rule {
        name: "reduce-before-transpose",
        source: "TransposeReduction",
        on: |node| matches!(node.op, Op::Reduce { keep_dims: true, .. }),
        apply: swap,
        repeats: false,
    },
];

/// Makes Reshapes of transpositions.
pub(super) const RESHAPE: Rule = Rule {
    name: "transpose-to-reshape",
    source: "TransposeToReshape, src/common/transformations/src/transformations/common_optimizations",
    on: |node| matches!(node.op, Op::Transpose),
    apply: reshape,
    repeats: false,
};

/// Reads shapes before transpositions.
pub(super) const SHAPE: Rule = Rule {
    name: "shape-before-transpose",
    source: "TSShapeOfForward, src/common/transformations/src/transformations/transpose_sinking",
    on: |node| matches!(node.op, Op::ShapeOf { start: 0, end: None, .. }),
    apply: gather_shape,
    repeats: false,
};

fn reshape(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (input, order) = (work.nodes[node].input(0)?, work.ints(node, 1)?);
    let dims = &work.tensor(input).dims;
    let mut pattern: SmallVec<[i64; 8]> = SmallVec::new();
    let mut n_moved = 0;
    for (axis, &from) in order.iter().enumerate() {
        let Some(dim) = usize::try_from(from).ok().and_then(|from| dims.get(from)) else { break };
        let is_moved = from != axis as i64;
        n_moved += usize::from(is_moved && (dim.is_free() || !dim.is(1)));
        pattern.push(match (is_moved, dim.is_free()) {
            (false, _) => 0,
            (true, true) => -1,
            (true, false) => dim.size() as i64,
        });
    }
    if pattern.len() != dims.len() || n_moved > 1 {
        return None;
    }
    let mut patch = Patch::new(work);
    if n_moved == 0 {
        patch.replace(Edge::of(node), input);
        return Some(patch);
    }
    let pattern = patch.add_ints(&pattern, work.nodes[node].source);
    patch.change(node, |node| (node.op, node.kind) = (Op::Reshape(ReshapeZero::CopiesDim), Kind::Reshape));
    patch.set_inputs(node, [input, pattern]);
    Some(patch)
}

fn gather_shape(work: &Work<'_>, node: usize) -> Option<Patch> {
    let transpose = work.producer(node, 0)?;
    if !matches!(work.nodes[transpose].op, Op::Transpose) {
        return None;
    }
    let source = work.nodes[transpose].input(0)?;
    let order = work.ints(transpose, 1)?;
    let mut patch = Patch::new(work);
    let of = &work.nodes[node];
    let name = patch.fresh_name("Gather");
    let shape = Node::named(name, of.op.clone(), Kind::ShapeOf, of.source);
    let shape = patch.add(Node { outputs: of.outputs.clone(), ..shape }, [source]);
    let (order, axis) = (patch.add_ints(order, of.source), patch.add_ints(&[0], of.source));
    patch.change(node, |node| (node.op, node.kind) = (Op::Gather { batch_dims: 0 }, Kind::Gather));
    patch.set_inputs(node, [Edge::of(shape), order, axis]);
    Some(patch)
}

fn pool_to_reduce(work: &Work<'_>, node: usize) -> Option<Patch> {
    let input = work.nodes[node].input(0)?;
    if !work.ints(node, 1)?.iter().all(|&size| size == 1) {
        return None;
    }
    let axes: Vec<i64> = (2..work.tensor(input).dims.len() as i64).collect();
    let mut patch = Patch::new(work);
    let axes = patch.add_ints(&axes, work.nodes[node].source);
    let mean = Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false };
    patch.change(node, |node| (node.op, node.kind) = (mean, Kind::Reduce));
    patch.set_inputs(node, [input, axes]);
    Some(patch)
}

fn swap(work: &Work<'_>, node: usize) -> Option<Patch> {
    let transpose = work.producer(node, 0)?;
    if !matches!(work.nodes[transpose].op, Op::Transpose) || work.only_user(transpose).is_none() {
        return None;
    }
    let source = work.nodes[transpose].input(0)?;
    let order = work.ints(transpose, 1)?;
    let rank = order.len() as i64;
    let mut axes = Vec::new();
    for &axis in work.ints(node, 1)? {
        let axis = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()?;
        axes.push(*order.get(axis)?);
    }
    let mut output = Tensor { dtype: work.nodes[node].outputs.first()?.dtype, ..work.tensor(source).clone() };
    for &axis in &axes {
        let dim = output.dims.get_mut(usize::try_from(axis).ok()?)?;
        *dim = Dim::fixed(1);
    }
    let id = work.nodes[node].source;
    let mut patch = Patch::new(work);
    let (axes, order) = (patch.add_ints(&axes, id), patch.add_ints(order, id));
    let op = work.nodes[node].op.clone();
    let name = patch.fresh_name(&kind::word(&op));
    let reduced = patch.add(Node::named(name, op, Kind::Reduce, id).writing(output), [source, axes]);
    patch.change(node, |node| (node.op, node.kind) = (Op::Transpose, Kind::Transpose));
    patch.set_inputs(node, [Edge::of(reduced), order]);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Reduce};

    fn transposed(dims: &[i64], order: &[i64], out: &[i64]) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, dims);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, dims);
        let order = net.ints("order", order);
        let out = net.op("transpose", Op::Transpose, &[x, order], f32, out);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn moving_one_dim_past_ones_is_a_reshape() {
        let lines = transposed(&[1, FREE, 8], &[1, 0, 2], &[FREE, 1, 8]);
        assert_eq!(lines, ["Softmax softmax f32", "Reshape transpose f32"]);
        let lines = transposed(&[2, FREE, 8], &[1, 0, 2], &[FREE, 2, 8]);
        assert_eq!(lines, ["Softmax softmax f32", "Transpose transpose f32"]);
    }

    #[test]
    fn a_mean_of_transposed_tokens_is_a_mean_of_tokens() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8, 16]);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[FREE, 8, 16]);
        let (order, axes) = (net.ints("order", &[0, 2, 1]), net.ints("axes", &[2]));
        let turned = net.op("transpose", Op::Transpose, &[x, order], f32, &[FREE, 16, 8]);
        let mean = Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false };
        let out = net.op("mean", mean, &[turned, axes], f32, &[FREE, 16, 1]);
        net.result("out", out);
        let expected = ["Softmax softmax f32", "Reduce ReduceMean f32", "Reshape mean f32"];
        assert_eq!(net.lines(DYNAMIC), expected);
    }
}
