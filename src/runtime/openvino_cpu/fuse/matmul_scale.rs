//! A product of two activations that is multiplied with a constant number, or one number per head.
//!
//! The number goes to the second factor, where it can move on; the MatMul takes the name of the multiplication. A product
//! with a weight is left alone: what is behind it is a post-operation.
//!
//! Source: `MatMulMultiplyFusion` and `ConvertDivideWithConstant`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/matmul_multiply_fusion.cpp.

use super::pattern::is_binary;
use super::weights;
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast};
use crate::runtime::openvino_cpu::execution::Kind;

/// Moves scales from products to their second factors.
pub(super) const RULE: Rule = Rule {
    name: "matmul-scale",
    source: "MatMulMultiplyFusion, ConvertDivideWithConstant",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, product: usize) -> Option<Patch> {
    let (scale, input) = work.only_user(product)?;
    let factor = work.nodes[product].input(1)?;
    if weights::behind(work, factor).is_some() {
        return None;
    }
    let number = work.nodes[scale].input(1 - input.min(1))?;
    let divides = is_binary(work, scale, Binary::Divide) && input == 0;
    if !divides && !is_binary(work, scale, Binary::Multiply) || !work.nodes[number.node()].is_const() {
        return None;
    }
    if !fits(work, number, factor) {
        return None;
    }
    let id = work.nodes[scale].source;
    let mut patch = Patch::new(work);
    let number = match divides.then(|| work.number(scale, 1)).flatten() {
        Some(value) => patch.add_number(1.0 / value, id),
        None => number,
    };
    let name = patch.fresh_name("Multiply");
    let scaled = Node::named(name, Op::Binary(Binary::Multiply, Broadcast::Numpy), Kind::Eltwise, id);
    let scaled = patch.add(scaled.writing(work.tensor(factor).clone()), [factor, number]);
    patch.set_input(product, 1, Edge::of(scaled));
    patch.rename(product, scale);
    patch.change(product, move |product| product.source = id);
    patch.replace(Edge::of(scale), Edge::of(product));
    Some(patch)
}

/// Whether a constant has one number for each of the leading dims of a factor, or for all of them.
fn fits(work: &Work<'_>, number: Edge, factor: Edge) -> bool {
    let (own, dims) = (&work.tensor(number).dims, &work.tensor(factor).dims);
    let Some(missing) = dims.len().checked_sub(own.len()) else { return false };
    own.iter().enumerate().all(|(at, dim)| {
        let is_leading = at + 2 < own.len();
        dim.is(1) || is_leading && dims.get(at + missing).is_some_and(|other| other == dim)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    #[test]
    fn a_divisor_of_scores_is_a_factor_of_the_keys() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let [q, k] = ["q", "k"].map(|name| net.input(name, f32, &[FREE, 2, FREE, 8]));
        let product = Op::MatMul { transpose_a: false, transpose_b: true };
        let scores = net.op("scores", product, &[q, k], f32, &[FREE, 2, FREE, FREE]);
        let eight = net.number("eight", 8.0);
        let divide = Op::Binary(Binary::Divide, Broadcast::Numpy);
        let out = net.op("divide", divide, &[scores, eight], f32, &[FREE, 2, FREE, FREE]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["Eltwise Multiply f32", "MatMul divide f32"]);
    }
}
