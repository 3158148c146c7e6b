//! A subtraction of x is x times -1, then the Add that keeps the name.
//!
//! Of floats from a constant before anything is fused; of all signed numbers after rotations and attentions are. A sum with x
//! times -1 is a subtraction in between: the product loses its name.
//!
//! Source: `SubtractFusion`, src/common/transformations/src/transformations/common_optimizations/subtract_fusion.cpp, and
//! `ConvertSubtract`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/convert_subtract.cpp.

use super::pattern::{constant_and_other, inputs};
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast};
use crate::runtime::openvino_cpu::execution::Kind;

const SOURCE: &str =
    "ConvertSubtract, src/common/transformations/src/transformations/op_conversions/convert_subtract.cpp";

/// Makes a subtraction of a sum with what is multiplied with -1.
pub(super) const OF_NEGATIVES: Rule = Rule {
    name: "subtract-negatives",
    source: "SubtractFusion, src/common/transformations/src/transformations/common_optimizations/subtract_fusion.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Add, _)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, add: usize) -> Option<Patch> {
    let (first, second) = inputs(work, add, Binary::Add)?;
    let subtrahend = |edge: Edge| {
        let (_, data) = constant_and_other(work, edge.node(), Binary::Multiply)?;
        let constant = if work.reads_const(edge.node(), 1) { 1 } else { 0 };
        (work.number(edge.node(), constant) == Some(-1.0)).then_some(data)
    };
    let (minuend, data) = match (subtrahend(second), subtrahend(first)) {
        (Some(data), _) => (first, data),
        (None, Some(data)) => (second, data),
        (None, None) => return None,
    };
    // What is subtracted is broadcast to the sum's dims either way, and has its type.
    if work.tensor(minuend).dtype != work.tensor(data).dtype {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.change(add, |node| node.op = Op::Binary(Binary::Subtract, Broadcast::Numpy));
    patch.set_inputs(add, [minuend, data]);
    Some(patch)
}

/// Rewrites subtractions from a constant.
pub(super) const FROM_CONSTANT: Rule = Rule {
    name: "subtract-from-constant",
    source: SOURCE,
    on: |node| matches!(node.op, Op::Binary(Binary::Subtract, _)),
    apply: |work, node| rewrite(work, node, |dtype| work.reads_const(node, 0) && dtype.is_float()),
    repeats: false,
};

/// Rewrites all that are left, of what is not constant.
pub(super) const OF_VARIABLES: Rule = Rule {
    name: "subtract",
    source: SOURCE,
    on: |node| matches!(node.op, Op::Binary(Binary::Subtract, _)),
    apply: |work, node| {
        rewrite(work, node, |dtype| {
            let is_signed = dtype.is_float() || matches!(dtype, DType::I32 | DType::I64);
            is_signed && !is_zero_point(work, node)
        })
    },
    repeats: false,
};

/// Whether weights are centred by what is constant but for a Convert.
fn is_zero_point(work: &Work<'_>, node: usize) -> bool {
    let is_stored = |edge: &Edge| {
        let of = &work.nodes[edge.node()];
        of.is_const() || of.kind == Kind::Convert && work.reads_const(edge.node(), 0)
    };
    work.nodes[node].inputs().iter().flatten().all(is_stored)
}

fn rewrite(work: &Work<'_>, node: usize, wants: impl Fn(DType) -> bool) -> Option<Patch> {
    let (first, data) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    let tensor = work.tensor(data);
    if work.reads_const(node, 1) || !wants(tensor.dtype) {
        return None;
    }
    let source = work.nodes[node].source;
    let mut patch = Patch::new(work);
    let minus_one = match tensor.dtype.is_float() {
        true => patch.add_number(-1.0, source),
        false => patch.add_ints(&[-1], source),
    };
    let name = patch.fresh_name("Multiply");
    let product = Node::named(name, Op::Binary(Binary::Multiply, Broadcast::Numpy), Kind::Eltwise, source);
    let product = patch.add(product.writing(tensor.clone()), [data, minus_one]);
    patch.change(node, |node| node.op = Op::Binary(Binary::Add, Broadcast::Numpy));
    patch.set_inputs(node, [first, Edge::of(product)]);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    fn difference(constant_first: bool) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE]);
        let one = net.number("one", 1.0);
        let inputs = if constant_first { [one, x] } else { [x, one] };
        let subtract = Op::Binary(Binary::Subtract, Broadcast::Numpy);
        let out = net.op("sub", subtract, &inputs, DType::F32, &[FREE]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn from_a_constant_it_is_a_product_and_a_sum() {
        assert_eq!(difference(true), ["Eltwise Multiply,sub f32"]);
        assert_eq!(difference(false), ["Eltwise sub f32"]);
    }

    #[test]
    fn a_sum_with_a_negative_is_one() {
        let mut net = Net::new();
        let [x, y] = ["x", "y"].map(|name| net.input(name, DType::F32, &[FREE]));
        let minus_one = net.number("minus one", -1.0);
        let op = |kind| Op::Binary(kind, Broadcast::Numpy);
        let negative = net.op("negative", op(Binary::Multiply), &[x, minus_one], DType::F32, &[FREE]);
        let out = net.op("sum", op(Binary::Add), &[negative, y], DType::F32, &[FREE]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["Eltwise Multiply,sum f32"]);
    }
}
