//! Transpositions that move at most one dim of more than one element.
//!
//! * A Transpose whose moved dims are 1 but for one is a Reshape of its name.
//! * An AdaptiveAvgPool to one element is a ReduceMean; a Reduce that alone reads a Transpose runs before it, under a
//!   made-up name, and the Transpose takes the Reduce's.
//!
//! * Two Reduces of a kind, one behind the other, are one.
//! * The shape of a Transpose is gathered, under the ShapeOf's name, from the shape of what it reads.
//!
//! Source: `TransposeToReshape`, `AdaptivePoolToReduce`, `ReduceMerge`, `TransposeReduction` and `TSShapeOfForward`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations and transpose_sinking.

use super::kind;
use super::work::{Build, Dim, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Reduce, ReshapeZero};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Axes of Reduces that became one up to which duplicates stay: more than tensors have dims.
///
/// Without an end, a chain of Reduces makes a list for each of them that has the axes of all before it.
const MOST_AXES: usize = 64;

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
        name: "reduce-of-reduce",
        source: "ReduceMerge",
        on: |node| matches!(node.op, Op::Reduce { .. }),
        apply: merge,
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
    // `SharedOpOptimization` joins it with one of the file. Of those that a pass made, it is not known which tensor of equal
    // dims the plugin reads.
    let is_shape = |user: usize| {
        let other = &work.nodes[user];
        matches!(other.op, Op::ShapeOf { start: 0, end: None, .. }) && other.input(0) == Some(source)
    };
    let users = work.users(source.node()).iter().map(|&(user, _)| user);
    let twin = users.filter(|&user| user < work.graph.nodes().len() && is_shape(user)).min();
    let shape = match twin {
        Some(shape) => shape,
        None => {
            let name = patch.fresh_name("Gather");
            let shape = Node::named(name, of.op.clone(), Kind::ShapeOf, of.source);
            patch.add(Node { outputs: of.outputs.clone(), ..shape }, [source])
        }
    };
    let (order, axis) = (patch.add_ints(order, of.source), patch.add_ints(&[0], of.source));
    patch.change(node, |node| (node.op, node.kind) = (Op::Gather { batch_dims: 0 }, Kind::Gather));
    patch.set_inputs(node, [Edge::of(shape), order, axis]);
    Some(patch)
}

/// One Reduce over the axes of two. Where dims are dropped, the second axes must come before the first, which keep their place.
fn merge(work: &Work<'_>, node: usize) -> Option<Patch> {
    let top = work.producer(node, 0)?;
    let (Op::Reduce { kind, keep_dims, .. }, Op::Reduce { kind: above, keep_dims: keeps, .. }) =
        (&work.nodes[node].op, &work.nodes[top].op)
    else {
        return None;
    };
    if (kind, keep_dims) != (above, keeps) {
        return None;
    }
    let axes = |reduce: usize| -> Option<SmallVec<[i64; 4]>> {
        let rank = work.tensor(work.nodes[reduce].input(0)?).dims.len() as i64;
        Some(work.ints(reduce, 1)?.iter().map(|&axis| if axis < 0 { axis + rank } else { axis }).collect())
    };
    let (first, second) = (axes(top)?, axes(node)?);
    // No axes are none or all, by the operator.
    if first.is_empty() || second.is_empty() || !keep_dims && first.iter().min() <= second.iter().max() {
        return None;
    }
    let source = work.nodes[top].input(0)?;
    let mut patch = Patch::new(work);
    let mut axes: SmallVec<[i64; 8]> = first.into_iter().chain(second).collect();
    if axes.len() > MOST_AXES {
        axes.sort_unstable();
        axes.dedup();
    }
    let axes = patch.add_ints(&axes, work.nodes[node].source);
    patch.set_inputs(node, [source, axes]);
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

    /// A mean over one axis of a mean over another.
    fn mean_of_mean(keep_dims: bool, axes: [i64; 2]) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8, 16]);
        let mut x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[FREE, 8, 16]);
        let mut dims = vec![FREE, 8, 16];
        for (name, axis) in ["first", "second"].into_iter().zip(axes) {
            let over = net.ints(&format!("{name}_axes"), &[axis]);
            let op = Op::Reduce { kind: Reduce::Mean, keep_dims, noop_with_empty_axes: false };
            if keep_dims {
                dims[axis as usize] = 1;
            } else {
                dims.remove(axis as usize);
            }
            x = net.op(name, op, &[x, over], f32, &dims);
        }
        net.result("out", x);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_mean_of_a_mean_is_one() {
        let one = ["Softmax softmax f32", "Reduce second f32"];
        assert_eq!(mean_of_mean(true, [1, 2]), one);
        assert_eq!(mean_of_mean(false, [2, 1]), one);
        assert_eq!(mean_of_mean(false, [1, 1]).len(), 3);
    }

    #[test]
    fn many_means_of_means_are_one() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8, 16]);
        let mut x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[FREE, 8, 16]);
        let axes = [net.ints("rows", &[1]), net.ints("columns", &[2])];
        for index in 0..100 {
            let op = Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false };
            let dims: &[i64] = if index == 0 { &[FREE, 1, 16] } else { &[FREE, 1, 1] };
            x = net.op(&format!("mean{index}"), op, &[x, axes[index % 2]], f32, dims);
        }
        net.result("out", x);
        assert_eq!(net.lines(DYNAMIC), ["Softmax softmax f32", "Reduce mean99 f32"]);
    }

    #[test]
    fn the_shape_of_a_transpose_is_taken_from_one_that_there_is() {
        let (mut net, f32, i64) = (Net::new(), DType::F32, DType::I64);
        let x = net.input("x", f32, &[FREE, 8, FREE]);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[FREE, 8, FREE]);
        let order = net.ints("order", &[2, 1, 0]);
        let turned = net.op("transpose", Op::Transpose, &[x, order], f32, &[FREE, 8, FREE]);
        for (name, of) in [("shape", x), ("turned_shape", turned)] {
            let shape = net.op(name, Op::ShapeOf { to: i64, start: 0, end: None }, &[of], i64, &[3]);
            net.result(&format!("{name}_out"), shape);
        }
        net.result("out", turned);
        let lines = net.lines(DYNAMIC);
        assert_eq!(lines.iter().filter(|line| line.starts_with("ShapeOf")).count(), 1, "{lines:?}");
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
