//! A number that a product with weights of f32 is multiplied with.
//!
//! The weights are multiplied when the model is compiled, and are no longer those of the file; the product takes the name
//! of the Multiply, or of the Divide. Weights that are converted or scaled when the model runs stay as they are.
//!
//! Source: `MatMulMultiplyFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/matmul_multiply_fusion.cpp.

use super::work::{Edge, Patch, Rule, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;

/// Takes numbers into weights.
pub(super) const RULE: Rule = Rule {
    name: "product-scale",
    source: "MatMulMultiplyFusion, src/common/transformations/src/transformations/common_optimizations/matmul_multiply_fusion.cpp",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: absorb,
    repeats: true,
};

fn absorb(work: &Work<'_>, node: usize) -> Option<Patch> {
    let weight = work.nodes[node].input(1).filter(|&edge| is_plain(work, edge))?;
    let user = scaling(work, node)?;
    let mut patch = Patch::new(work);
    patch.rename(node, user);
    patch.replace(Edge::of(user), Edge::of(node));
    patch.change(weight.node(), |weight| weight.is_mapped = false);
    Some(patch)
}

/// Whether weights are a constant of f32 that nothing else reads.
fn is_plain(work: &Work<'_>, weight: Edge) -> bool {
    work.nodes[weight.node()].is_const()
        && work.tensor(weight).dtype == DType::F32
        && work.only_user(weight.node()).is_some()
}

/// The only reader, if it multiplies with one constant number, or divides by one.
fn scaling(work: &Work<'_>, node: usize) -> Option<usize> {
    let (user, input) = work.only_user(node)?;
    let Op::Binary(kind @ (Binary::Multiply | Binary::Divide), _) = work.nodes[user].op else { return None };
    let number = work.nodes[user].input(1 - input.min(1))?;
    let is_number = work.nodes[number.node()].is_const() && work.tensor(number).is_number();
    (is_number && (kind == Binary::Multiply || input == 0)).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;

    fn scaled(dtype: DType) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let mut weight = net.weight("weight", dtype, &[16, 8]);
        if dtype != f32 {
            weight = net.op("widen", Op::Convert { to: f32 }, &[weight], f32, &[16, 8]);
        }
        let multiply = || Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let product = Op::MatMul { transpose_a: false, transpose_b: true };
        let out = net.op("matmul", product, &[x, weight], f32, &[FREE, 16]);
        let number = net.number("number", 0.125);
        let out = net.op("mul", multiply(), &[out, number], f32, &[FREE, 16]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_number_is_part_of_weights_of_f32() {
        assert_eq!(scaled(DType::F32), ["FullyConnected mul f32"]);
        assert_eq!(scaled(DType::F16), ["FullyConnected matmul,mul f32"]);
    }
}
