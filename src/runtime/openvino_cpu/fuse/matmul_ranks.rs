//! Factors of a product have one rank.
//!
//! The factor of fewer dims gets dims of 1 before its own, by an Unsqueeze that is named after it; a vector on the right gets one
//! behind its dim as well. Of a vector, the product has a dim of 1 that a Squeeze takes away: it has the name, and the product
//! is named `name/MM`. A factor that is a constant is folded.
//!
//! Source: `AlignMatMulInputRanks`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/align_matmul_input_ranks.cpp.

use super::work::{Build, Dim, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::{SmallVec, smallvec};

/// Gives the factors of products one rank.
pub(super) const RULE: Rule = Rule {
    name: "matmul-ranks",
    source: "AlignMatMulInputRanks, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/align_matmul_input_ranks.cpp",
    on: |node| node.kind == Kind::MatMul,
    apply: align,
    repeats: false,
};

fn align(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::MatMul { transpose_a, transpose_b } = of.op else { return None };
    let factors = [of.input(0)?, of.input(1)?];
    let ranks = factors.map(|factor| work.tensor(factor).dims.len());
    if ranks[0] == ranks[1] && ranks[0] != 1 {
        return None;
    }
    let rank = ranks[0].max(ranks[1]).max(2);
    let is_vector = ranks.map(|rank| rank == 1);
    let mut patch = Patch::new(work);
    let mut aligned = factors;
    for (index, factor) in factors.into_iter().enumerate().filter(|&(index, _)| ranks[index] < rank) {
        let behind = index == 1 && is_vector[1];
        aligned[index] = unsqueezed(work, &mut patch, factor, rank, behind, is_vector == [true; 2]);
    }
    let op =
        Op::MatMul { transpose_a: transpose_a && !is_vector[0], transpose_b: transpose_b && !is_vector[1] };
    if is_vector == [false; 2] {
        patch.set_inputs(node, aligned);
        patch.change(node, move |node| node.op = op);
        return Some(patch);
    }
    let mut tensor = of.outputs.first()?.clone();
    let end = tensor.dims.len();
    if is_vector[1] {
        tensor.dims.push(one());
    }
    if is_vector[0] {
        tensor.dims.insert(end.saturating_sub(usize::from(!is_vector[1])), one());
    }
    let name = format!("{}/MM", of.name);
    let product = patch.add(Node::named(name, op, Kind::MatMul, of.source).writing(tensor), aligned);
    let squeeze = Node::in_place_of(of, Op::Squeeze { allow_axis_skip: false }, Kind::Reshape);
    let squeeze = patch.add(squeeze, [Edge::of(product)]);
    patch.replace(Edge::of(node), Edge::of(squeeze));
    Some(patch)
}

fn one() -> Dim {
    Dim::fixed(1)
}

/// A factor with more dims of 1: behind its own, then before them.
fn unsqueezed(
    work: &Work<'_>,
    patch: &mut Patch,
    factor: Edge,
    rank: usize,
    behind: bool,
    is_nameless: bool,
) -> Edge {
    let tensor = work.tensor(factor);
    let mut dims: SmallVec<[Dim; 4]> = tensor.dims.clone();
    if behind {
        dims.push(one());
    }
    let mut all: SmallVec<[Dim; 4]> = smallvec![one(); rank.saturating_sub(dims.len())];
    all.extend(dims);
    let tensor = Tensor { dims: all, ..tensor.clone() };
    let source = &work.nodes[factor.node()];
    if source.is_const() {
        return patch.add_constant(tensor, source.value.as_deref().cloned(), source.source);
    }
    let name = match is_nameless {
        true => patch.fresh_name("Unsqueeze"),
        false => format!("{}/Unsqueeze", source.name).into(),
    };
    let node = Node::named(name, Op::Unsqueeze, Kind::Reshape, source.source).writing(tensor);
    Edge::of(patch.add(node, [factor]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Unary};

    fn lines(a: &[i64], b: &[i64], output: &[i64]) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let mut read = |name: &str, dims: &[i64]| {
            let x = net.input(name, f32, dims);
            net.op(&format!("softmax_{name}"), Op::Softmax(AxisSpan::LAST), &[x], f32, dims)
        };
        let (a, b) = (read("a", a), read("b", b));
        let op = Op::MatMul { transpose_a: false, transpose_b: false };
        let product = net.op("product", op, &[a, b], f32, output);
        let out = net.op("sigmoid", Op::Unary(Unary::Sigmoid), &[product], f32, output);
        net.result("out", out);
        let lines = net.lines(DYNAMIC).into_iter();
        lines.filter(|line| !line.starts_with("Softmax")).collect()
    }

    #[test]
    fn a_matrix_gets_a_batch() {
        let expected = ["Reshape softmax_b/Unsqueeze f32", "MatMul product,sigmoid f32"];
        assert_eq!(lines(&[FREE, 2, 4], &[4, 6], &[FREE, 2, 6]), expected);
        assert_eq!(lines(&[FREE, 4], &[4, 6], &[FREE, 6]), ["MatMul product,sigmoid f32"]);
    }

    #[test]
    fn a_vector_gets_a_dim_that_the_product_loses() {
        let expected = [
            "Reshape softmax_b/Unsqueeze f32",
            "MatMul product/MM f32",
            "Reshape product f32",
            "Eltwise sigmoid f32",
        ];
        assert_eq!(lines(&[FREE, 8], &[8], &[FREE]), expected);
    }
}
