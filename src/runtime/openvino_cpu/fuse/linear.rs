//! Products and sums with constants on top of each other.
//!
//! A sum with a constant that is multiplied with one is multiplied first: both factors meet, and the shift is scaled. Of two
//! products, and of two sums, with a constant each, one is left, under the name of the last; a division by a constant is a
//! product by then. What is in between must have one reader.
//!
//! Source: `ConvertDivideWithConstant`, src/common/transformations/src/transformations/op_conversions/convert_divide.cpp;
//! `AddMultiplyFusion`, `AddAddFusion` and `MultiplyMultiplyFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/lin_op_sequence_fusion.cpp.

use super::pattern::constant_and_other;
use super::work::{Build, Dim, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

const SOURCE: &str = "LinOpSequenceFusion, src/common/transformations/src/transformations/common_optimizations/lin_op_sequence_fusion.cpp";

/// Nodes per node of the file, up to which products move before sums.
///
/// A product that moves before a sum makes two nodes. Sums of stored halves do not join, so every product
/// behind a chain of them makes two for each sum. Exported models have one or two such sums in a row, and
/// their graphs never grow like this.
const MOST_NODES: usize = 8;

/// Nodes that are added to those of the file, so that a small graph has no limit in practice.
const FEW_NODES: usize = 1_000;

/// Joins linear operations.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "add-multiply",
        source: SOURCE,
        on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
        apply: multiply_first,
        repeats: false,
    },
    Rule {
        name: "add-add",
        source: SOURCE,
        on: |node| matches!(node.op, Op::Binary(Binary::Add, _)),
        apply: |work, node| {
            // A mask that is stored as halves is not a constant yet.
            let is_stored =
                |edge: Edge| matches!(work.graph.node(work.nodes[edge.node()].source).op, Op::Convert { .. });
            let (constant, _) = floats(work, node, Binary::Add)?;
            if is_stored(constant) { None } else { join(work, node, Binary::Add) }
        },
        repeats: true,
    },
    Rule {
        name: "multiply-multiply",
        source: SOURCE,
        on: |node| matches!(node.op, Op::Binary(Binary::Multiply | Binary::Divide, _)),
        apply: join_factors,
        repeats: true,
    },
];

/// The same behind what subtractions became: their -1 meets the factors before it.
///
/// Other factors that are next to a sum by now moved there later (`MoveEltwiseUpThroughDataMov`), and stay.
pub(super) const OF_SUBTRACTIONS: &[Rule] = &[
    Rule {
        name: "add-multiply-of-subtraction",
        source: SOURCE,
        on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
        apply: |work, node| is_of_subtraction(work, node).then(|| multiply_first(work, node))?,
        repeats: false,
    },
    Rule {
        name: "multiply-multiply-of-subtraction",
        source: SOURCE,
        on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
        apply: |work, node| is_of_subtraction(work, node).then(|| join_factors(work, node))?,
        repeats: true,
    },
];

/// Whether a product, or what it multiplies, was a subtraction in the file.
fn is_of_subtraction(work: &Work<'_>, node: usize) -> bool {
    let subtracts =
        |node: usize| matches!(work.graph.node(work.nodes[node].source).op, Op::Binary(Binary::Subtract, _));
    subtracts(node) || floats(work, node, Binary::Multiply).is_some_and(|(_, data)| subtracts(data.node()))
}

/// Of `(x + shift) · factor`: `x · factor + shift · factor`, named as the product.
fn multiply_first(work: &Work<'_>, node: usize) -> Option<Patch> {
    if work.nodes.len() / MOST_NODES > work.graph.nodes().len() + FEW_NODES {
        return None;
    }
    let (factor, sum) = floats(work, node, Binary::Multiply)?;
    work.only_user(sum.node())?;
    let (shift, data) = floats(work, sum.node(), Binary::Add)?;
    let of = &work.nodes[node];
    let mut patch = Patch::new(work);
    let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
    let name = patch.fresh_name(&super::kind::word(&product));
    let dims = broadcast(work.tensor(data), work.tensor(factor))?;
    let product = Node::named(name, product, Kind::Eltwise, of.source).writing(dims);
    let product = patch.add(product, [data, factor]);
    let shift = folded(work, &mut patch, shift, factor, of)?;
    patch.change(node, |node| node.op = Op::Binary(Binary::Add, Broadcast::Numpy));
    patch.set_inputs(node, [Edge::of(product), shift]);
    patch.revisit(product);
    Some(patch)
}

/// Of two sums with a constant each, one.
fn join(work: &Work<'_>, node: usize, kind: Binary) -> Option<Patch> {
    joined(work, node, |node| floats(work, node, kind))
}

/// Of two products with a constant each, or divisions by one, a product.
fn join_factors(work: &Work<'_>, node: usize) -> Option<Patch> {
    let mut patch = joined(work, node, |node| {
        let divided = floats(work, node, Binary::Divide).filter(|_| !work.reads_const(node, 0));
        divided.or_else(|| floats(work, node, Binary::Multiply))
    })?;
    patch.change(node, |node| node.op = Op::Binary(Binary::Multiply, Broadcast::Numpy));
    Some(patch)
}

/// Of two operations, of which `parts` finds the constant and what it is applied to, one.
fn joined(work: &Work<'_>, node: usize, parts: impl Fn(usize) -> Option<(Edge, Edge)>) -> Option<Patch> {
    let (second, inner) = parts(node)?;
    work.only_user(inner.node())?;
    let (first, data) = parts(inner.node())?;
    let mut patch = Patch::new(work);
    let constant = folded(work, &mut patch, first, second, &work.nodes[node])?;
    patch.set_inputs(node, [data, constant]);
    Some(patch)
}

/// The constant and the other operand of an operation on floats.
fn floats(work: &Work<'_>, node: usize, kind: Binary) -> Option<(Edge, Edge)> {
    let (constant, other) = constant_and_other(work, node, kind)?;
    let is_float = work.tensor(other).dtype.is_float() && work.tensor(constant).dtype.is_float();
    is_float.then_some((constant, other))
}

/// A constant computed from two.
fn folded(work: &Work<'_>, patch: &mut Patch, first: Edge, second: Edge, of: &Node) -> Option<Edge> {
    let tensor = broadcast(work.tensor(first), work.tensor(second))?;
    Some(patch.add_constant(tensor, None, of.source))
}

/// The tensor of an operation on two.
fn broadcast(first: &Tensor, second: &Tensor) -> Option<Tensor> {
    let rank = first.dims.len().max(second.dims.len());
    let dim = |tensor: &Tensor, axis: usize| {
        let missing = rank - tensor.dims.len();
        axis.checked_sub(missing).and_then(|axis| tensor.dims.get(axis).copied())
    };
    let dims: Option<SmallVec<[Dim; 4]>> = (0..rank)
        .map(|axis| match (dim(first, axis), dim(second, axis)) {
            (Some(dim), None) | (None, Some(dim)) => Some(dim),
            (Some(a), Some(b)) if b.is(1) && !b.is_free() => Some(a),
            (Some(a), Some(b)) if a.is(1) && !a.is_free() || a == b => Some(b),
            _ => None,
        })
        .collect();
    Some(Tensor { dims: dims?, ..first.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::AxisSpan;

    /// Operations with a constant each behind a Softmax.
    fn sequence(kinds: &[Binary], is_read_twice: bool) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let x = net.input("x", f32, &dims);
        let mut x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        for (index, &kind) in kinds.iter().enumerate() {
            let constant = net.weight("constant", f32, &[1, 8]);
            let op = Op::Binary(kind, Broadcast::Numpy);
            x = net.op(&format!("op{index}"), op, &[x, constant], f32, &dims);
            if is_read_twice && index == 0 {
                net.result("first", x);
            }
        }
        net.result("out", x);
        net.lines(DYNAMIC)
    }

    #[test]
    fn factors_meet_and_the_shift_is_scaled() {
        let of = sequence(&[Binary::Multiply, Binary::Add, Binary::Multiply], false);
        assert_eq!(of, ["Softmax softmax f32", "Eltwise Multiply,op2 f32"]);
        assert_eq!(sequence(&[Binary::Add, Binary::Add], false), ["Softmax softmax f32", "Eltwise op1 f32"]);
    }

    #[test]
    fn the_factor_of_a_subtraction_is_joined() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let [x, y] = ["x", "y"].map(|name| net.input(name, f32, &dims));
        let y = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[y], f32, &dims);
        let weight = net.weight("weight", f32, &[1, 8]);
        let op = |kind| Op::Binary(kind, Broadcast::Numpy);
        let y = net.op("scaled", op(Binary::Multiply), &[y, weight], f32, &dims);
        let out = net.op("difference", op(Binary::Subtract), &[x, y], f32, &dims);
        net.result("out", out);
        let lines = net.lines(DYNAMIC);
        assert_eq!(lines, ["Softmax softmax f32", "Eltwise Multiply,difference f32"]);
    }

    #[test]
    fn what_others_read_stays() {
        let of = sequence(&[Binary::Add, Binary::Multiply], true);
        assert_eq!(of, ["Softmax softmax f32", "Eltwise op0 f32", "Eltwise op1 f32"]);
    }

    #[test]
    fn a_division_by_a_constant_is_a_product() {
        let of = sequence(&[Binary::Divide, Binary::Multiply], false);
        assert_eq!(of, ["Softmax softmax f32", "Eltwise op1 f32"]);
    }
}
