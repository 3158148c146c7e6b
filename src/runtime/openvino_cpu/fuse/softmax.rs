//! A Softmax that was written out.
//!
//! `exp(x) / sum(exp(x))`, where the division may be a product with the inverse and x may be less its largest element, is one
//! Softmax named as the division.
//!
//! Source: `SoftmaxFusion` and `DivideFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations.

use super::pattern::{inputs, is_binary};
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{AxisSpan, Binary, Reduce, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Fuses every Softmax.
pub(super) const RULE: Rule = Rule {
    name: "softmax",
    source: "SoftmaxFusion, src/common/transformations/src/transformations/common_optimizations/softmax_fusion.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Divide | Binary::Multiply, _)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (exponential, sum) = match inputs(work, node, Binary::Divide) {
        Some(found) => found,
        None => {
            let (first, second) = inputs(work, node, Binary::Multiply)?;
            let is_inverse = |edge: Edge| {
                is_binary(work, edge.node(), Binary::Power) && work.number(edge.node(), 1) == Some(-1.0)
            };
            let (exponential, inverse) = match (is_inverse(first), is_inverse(second)) {
                (false, true) => (first, second),
                (true, false) => (second, first),
                _ => return None,
            };
            (exponential, work.nodes[inverse.node()].input(0)?)
        }
    };
    let is_exponential = matches!(work.nodes[exponential.node()].op, Op::Unary(Unary::Exp));
    if !is_exponential || reduced(work, sum.node(), Reduce::Sum)? != exponential {
        return None;
    }
    let axis = axis_of(work, sum.node())?;
    let mut data = work.nodes[exponential.node()].input(0)?;
    if let Some((x, most)) = inputs(work, data.node(), Binary::Subtract)
        && reduced(work, most.node(), Reduce::Max) == Some(x)
        && axis_of(work, most.node()) == Some(axis)
    {
        data = x;
    }
    let op = Op::Softmax(AxisSpan { axis, ..AxisSpan::LAST });
    let mut patch = Patch::new(work);
    let fused = patch.add(Node::in_place_of(&work.nodes[node], op, Kind::Softmax), [data]);
    patch.replace(Edge::of(node), Edge::of(fused));
    Some(patch)
}

/// What a reduction of this kind that keeps its dims is of.
fn reduced(work: &Work<'_>, node: usize, wanted: Reduce) -> Option<Edge> {
    match work.nodes[node].op {
        Op::Reduce { kind, keep_dims: true, .. } if kind == wanted => work.nodes[node].input(0),
        _ => None,
    }
}

/// The only axis of a reduction, counted from the front.
fn axis_of(work: &Work<'_>, node: usize) -> Option<i64> {
    let &[axis] = work.ints(node, 1)? else { return None };
    let rank = work.nodes[node].outputs.first()?.dims.len() as i64;
    Some(if axis < 0 { axis + rank } else { axis })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;

    fn written_out(kind: Reduce) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let exponential = net.op("exp", Op::Unary(Unary::Exp), &[x], f32, &[FREE, 8]);
        let axes = net.ints("axes", &[1]);
        let sum = Op::Reduce { kind, keep_dims: true, noop_with_empty_axes: false };
        let sum = net.op("sum", sum, &[exponential, axes], f32, &[FREE, 1]);
        let power = net.number("minus_one", -1.0);
        let inverse = Op::Binary(Binary::Power, Broadcast::Numpy);
        let inverse = net.op("inverse", inverse, &[sum, power], f32, &[FREE, 1]);
        let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let out = net.op("div", product, &[exponential, inverse], f32, &[FREE, 8]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn exponentials_over_their_sum_are_a_softmax() {
        assert_eq!(written_out(Reduce::Sum), ["Softmax div f32"]);
    }

    #[test]
    fn over_their_mean_they_are_none() {
        assert!(!written_out(Reduce::Mean).iter().any(|line| line.starts_with("Softmax")));
    }
}
