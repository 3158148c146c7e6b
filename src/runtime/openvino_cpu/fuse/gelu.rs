//! A GELU that was written out.
//!
//! `x * 0.5 * (1 + erf(x / sqrt(2)))`, the products in any order, is one activation named as its last product.
//!
//! Source: `GeluFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/gelu_fusion.cpp.

use super::pattern::{constant_and_other, inputs, number};
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Unary};
use crate::rewrite::over_root_of_two;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Fuses every GELU.
pub(super) const RULE: Rule = Rule {
    name: "gelu",
    source: "GeluFusion, src/common/transformations/src/transformations/common_optimizations/gelu_fusion.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let x = matched(work, node)?;
    let mut patch = Patch::new(work);
    let fused = Node::in_place_of(&work.nodes[node], Op::Unary(Unary::Gelu), Kind::Eltwise);
    let fused = patch.add(fused, [x]);
    patch.replace(Edge::of(node), Edge::of(fused));
    Some(patch)
}

/// Of a product of x, one half and `1 + erf(x / sqrt(2))`: x.
fn matched(work: &Work<'_>, node: usize) -> Option<Edge> {
    let mut factors: SmallVec<[Edge; 4]> = SmallVec::new();
    let (first, second) = inputs(work, node, Binary::Multiply)?;
    for edge in [first, second] {
        match inputs(work, edge.node(), Binary::Multiply).filter(|_| work.only_user(edge.node()).is_some()) {
            Some((first, second)) => factors.extend([first, second]),
            None => factors.push(edge),
        }
    }
    let [a, b, c] = factors[..] else { return None };
    let half = factors.iter().copied().find(|&edge| number(work, edge) == Some(0.5))?;
    let error = [a, b, c].into_iter().find(|&edge| error_of(work, edge.node()).is_some())?;
    let x = [a, b, c].into_iter().find(|&edge| edge != half && edge != error)?;
    (error_of(work, error.node())? == x).then_some(x)
}

/// Of `1 + erf(x / sqrt(2))`: x.
fn error_of(work: &Work<'_>, node: usize) -> Option<Edge> {
    let (one, error) = constant_and_other(work, node, Binary::Add)?;
    if number(work, one)? != 1.0 || !matches!(work.nodes[error.node()].op, Op::Unary(Unary::Erf)) {
        return None;
    }
    over_root_of_two(work, work.producer(error.node(), 0)?, 1e-3)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;

    fn written_out(half: f64, divisor: f64) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
        let x = net.input("x", f32, &dims);
        let root = net.number("root", divisor);
        let scaled = net.op("div", binary(Binary::Divide), &[x, root], f32, &dims);
        let error = net.op("erf", Op::Unary(Unary::Erf), &[scaled], f32, &dims);
        let one = net.number("one", 1.0);
        let sum = net.op("add", binary(Binary::Add), &[error, one], f32, &dims);
        let product = net.op("mul", binary(Binary::Multiply), &[x, sum], f32, &dims);
        let half = net.number("half", half);
        let out = net.op("mul_1", binary(Binary::Multiply), &[product, half], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn it_is_one_activation_named_as_its_last_product() {
        assert_eq!(written_out(0.5, std::f64::consts::SQRT_2), ["Eltwise mul_1 f32"]);
    }

    #[test]
    fn other_numbers_make_other_functions() {
        assert!(written_out(0.25, std::f64::consts::SQRT_2).len() > 1);
        assert!(written_out(0.5, 1.0).len() > 1);
    }
}
