//! A product that is multiplied with constant numbers.
//!
//! * Of two activations, with one number, or one per head: the number goes to the second factor, where it can move on.
//! * With a weight that is a constant as it is, with one number, or one per column: the weight is another constant. A weight that is
//!   converted or dequantized is left alone: what is behind the product is a post-operation.
//!
//! The MatMul takes the name of the multiplication.
//!
//! Source: `MatMulMultiplyFusion` and `ConvertDivideWithConstant`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/matmul_multiply_fusion.cpp.

use super::pattern::is_binary;
use super::weights;
use super::work::{Build, Dim, Edge, Node, Patch, Rule, Work};
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
    if work.nodes[factor.node()].is_const() {
        return fold(work, product, scale, input);
    }
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

/// Makes numbers behind a product part of its weight.
fn fold(work: &Work<'_>, product: usize, scale: usize, input: usize) -> Option<Patch> {
    let Op::MatMul { transpose_b, .. } = work.nodes[product].op else { return None };
    let (data, weight) = (work.nodes[product].input(0)?, work.nodes[product].input(1)?);
    let numbers = work.nodes[scale].input(1 - input.min(1))?;
    let (own, dims) = (&work.tensor(numbers).dims, &work.tensor(weight).dims);
    let columns = dims.get(dims.len().checked_sub(if transpose_b { 2 } else { 1 })?)?;
    let (last, leading) = own.split_last().map_or((None, &own[..0]), |(last, leading)| (Some(last), leading));
    let is_fit = is_binary(work, scale, Binary::Multiply)
        && work.nodes[numbers.node()].is_const()
        && last.is_none_or(|last| last.is(1) || last == columns)
        && leading.iter().all(|dim| dim.is(1))
        && own.len() <= work.tensor(data).dims.len();
    if !is_fit || dims.len() < 2 {
        return None;
    }
    let mut tensor = work.tensor(weight).clone();
    for _ in dims.len()..own.len() {
        tensor.dims.insert(0, Dim::fixed(1));
    }
    let id = work.nodes[scale].source;
    let mut patch = Patch::new(work);
    let folded = patch.add_constant(tensor, None, work.nodes[weight.node()].source);
    patch.set_input(product, 1, folded);
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

    fn scaled(is_const: bool, numbers: &[i64]) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 6, 8]);
        let dtype = if is_const { f32 } else { DType::F16 };
        let mut weight = net.weight("weight", dtype, &[16, 8]);
        if !is_const {
            weight = net.op("wide", Op::Convert { to: f32 }, &[weight], f32, &[16, 8]);
        }
        let product = Op::MatMul { transpose_a: false, transpose_b: true };
        let made = net.op("product", product, &[x, weight], f32, &[FREE, 6, 16]);
        let numbers = net.weight("numbers", f32, numbers);
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let out = net.op("scaled", multiply, &[made, numbers], f32, &[FREE, 6, 16]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn numbers_per_column_are_part_of_a_constant_weight() {
        for numbers in [&[16_i64][..], &[1, 1, 16], &[1]] {
            assert_eq!(scaled(true, numbers), ["FullyConnected scaled f32"]);
        }
        assert_eq!(scaled(false, &[16]).len(), 1);
        assert_ne!(scaled(false, &[16]), ["FullyConnected scaled f32"]);
        assert_ne!(scaled(true, &[1, 6, 16]), ["FullyConnected scaled f32"]);
    }
}
