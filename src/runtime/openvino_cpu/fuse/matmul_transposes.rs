//! Transpositions of the last two dims that a matrix product does itself.
//!
//! Source: `TransposeMatMul`, OpenVINO 2026.4, src/common/transformations/src/transformations/smart_reshape/matmul_sr.cpp.

use super::work::{Edge, Patch, Rule, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Takes transpositions into products.
pub(super) const RULE: Rule = Rule {
    name: "matmul-transposes",
    source: "TransposeMatMul, src/common/transformations/src/transformations/smart_reshape/matmul_sr.cpp",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, product: usize) -> Option<Patch> {
    let Op::MatMul { transpose_a, transpose_b } = work.nodes[product].op else { return None };
    let turned = [0, 1].map(|input| turned(work, product, input));
    if turned.iter().all(Option::is_none) {
        return None;
    }
    let mut patch = Patch::new(work);
    for (input, edge) in turned.iter().enumerate() {
        if let Some(edge) = *edge {
            patch.set_input(product, input, edge);
        }
    }
    let op = Op::MatMul {
        transpose_a: transpose_a != turned[0].is_some(),
        transpose_b: transpose_b != turned[1].is_some(),
    };
    patch.change(product, move |node| node.op = op);
    Some(patch)
}

/// What a Transpose that swaps the last two dims reads, if an input of the product is one.
fn turned(work: &Work<'_>, product: usize, input: usize) -> Option<Edge> {
    let transpose = work.producer(product, input).filter(|&node| work.nodes[node].kind == Kind::Transpose)?;
    let order = work.ints(transpose, 1)?;
    let rank = order.len();
    let swapped = |axis: usize| match rank - axis {
        1 => rank - 2,
        2 => rank - 1,
        _ => axis,
    };
    let swaps_last = rank >= 2
        && order.iter().enumerate().all(|(axis, &from)| usize::try_from(from).ok() == Some(swapped(axis)));
    swaps_last.then(|| work.nodes[transpose].input(0))?
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::AxisSpan;

    /// A product of two activations, the second transposed by this order.
    fn multiplied(order: &[i64]) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 4, 4, 4]);
        let x = net.input("x", f32, &dims);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        let order = net.ints("order", order);
        let turned = net.op("turned", Op::Transpose, &[x, order], f32, &dims);
        let product = Op::MatMul { transpose_a: false, transpose_b: false };
        let out = net.op("product", product, &[x, turned], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_swap_of_the_last_two_dims_is_part_of_the_product() {
        assert_eq!(multiplied(&[0, 1, 3, 2]), ["Softmax softmax f32", "MatMul product f32"]);
        assert_eq!(multiplied(&[0, 3, 1, 2]).len(), 3);
    }
}
