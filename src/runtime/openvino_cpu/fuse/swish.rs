//! A Swish that was written out.
//!
//! `x * sigmoid(x)`, or `x * sigmoid(x * beta)` with one number beta, is one activation named as its last product.
//!
//! Source: `SwishFusionWithSigmoid` and `SwishFusionWithSigmoidWithBeta`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/swish_fusion.cpp.

use super::pattern::{constant_and_other, inputs, number};
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Fuses every Swish.
pub(super) const RULE: Rule = Rule {
    name: "swish",
    source: "SwishFusion, src/common/transformations/src/transformations/common_optimizations/swish_fusion.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (first, second) = inputs(work, node, Binary::Multiply)?;
    let is_of = |x, sigmoid| reads(work, sigmoid) == Some(x) || scaled(work, sigmoid) == Some(x);
    let x = match (is_of(first, second), is_of(second, first)) {
        (true, _) => first,
        (_, true) => second,
        _ => return None,
    };
    let mut patch = Patch::new(work);
    let fused = Node::in_place_of(&work.nodes[node], Op::Unary(Unary::Swish), Kind::Eltwise);
    let fused = patch.add(fused, [x]);
    patch.replace(Edge::of(node), Edge::of(fused));
    Some(patch)
}

/// What a Sigmoid reads.
fn reads(work: &Work<'_>, sigmoid: Edge) -> Option<Edge> {
    let of = &work.nodes[sigmoid.node()];
    of.input(0).filter(|_| matches!(of.op, Op::Unary(Unary::Sigmoid)))
}

/// What a Sigmoid reads times a number.
fn scaled(work: &Work<'_>, sigmoid: Edge) -> Option<Edge> {
    let (beta, x) = constant_and_other(work, reads(work, sigmoid)?.node(), Binary::Multiply)?;
    number(work, beta).map(|_| x)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;

    fn gated(beta: Option<f64>, other: bool) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let product = || Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let [x, y] = ["x", "y"].map(|name| net.input(name, f32, &dims));
        let scaled = beta.map_or(x, |beta| {
            let beta = net.number("beta", beta);
            net.op("scaled", product(), &[x, beta], f32, &dims)
        });
        let gate = net.op("gate", Op::Unary(Unary::Sigmoid), &[scaled], f32, &dims);
        let out = net.op("out", product(), &[if other { y } else { x }, gate], f32, &dims);
        net.result("result", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_product_with_the_own_sigmoid_is_one_activation() {
        assert_eq!(gated(None, false), ["Eltwise out f32"]);
        assert_eq!(gated(Some(1.702), false), ["Eltwise out f32"]);
    }

    #[test]
    fn a_gate_of_something_else_is_not() {
        assert_eq!(gated(None, true), ["Eltwise gate,out f32"]);
    }
}
