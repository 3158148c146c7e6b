//! An Einsum of one operand that only exchanges dims is a Transpose under its name.
//!
//! Others stay as they are.
//!
//! Source: `EinsumDecomposition`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/einsum_decomposition.cpp.

use super::work::{Build, Patch, Rule, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Writes permutations as Transposes.
pub(super) const RULE: Rule = Rule {
    name: "einsum",
    source: "EinsumDecomposition, src/common/transformations/src/transformations/op_conversions/einsum_decomposition.cpp",
    on: |node| matches!(node.op, Op::Einsum(_)),
    apply: transpose,
    repeats: false,
};

fn transpose(work: &Work<'_>, node: usize) -> Option<Patch> {
    let Op::Einsum(equation) = &work.nodes[node].op else { return None };
    let data = work.nodes[node].input(0).filter(|_| work.nodes[node].inputs().len() == 1)?;
    let order = order(equation, work.tensor(data).dims.len())?;
    let mut patch = Patch::new(work);
    let order = patch.add_ints(&order, work.nodes[node].source);
    patch.set_inputs(node, [data, order]);
    patch.change(node, |node| {
        node.op = Op::Transpose;
        node.kind = Kind::Transpose;
    });
    Some(patch)
}

/// The order of dims that an equation such as `nhwc->nchw` asks for; `None` if it does anything else.
fn order(equation: &str, rank: usize) -> Option<Vec<i64>> {
    let (from, to) = equation.split_once("->")?;
    let labels = |text: &str| -> Vec<char> { text.chars().filter(|label| !label.is_whitespace()).collect() };
    let (from, to) = (labels(from), labels(to));
    let is_permutation = from.len() == rank
        && to.len() == rank
        && from.iter().all(|label| label.is_alphabetic() && to.contains(label))
        && to.iter().enumerate().all(|(place, label)| !to[..place].contains(label));
    let place = |label: &char| from.iter().position(|own| own == label).and_then(|at| i64::try_from(at).ok());
    is_permutation.then(|| to.iter().map(place).collect())?
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::AxisSpan;

    fn einsum(equation: &str, out: &[i64]) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 3, 4]);
        let x = net.input("x", f32, &dims);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        let out = net.op("einsum", Op::Einsum(equation.into()), &[x], f32, out);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn dims_that_change_places_are_a_transpose() {
        assert_eq!(einsum("abc->cab", &[4, FREE, 3])[1], "Transpose einsum f32");
        assert!(!einsum("abc->ab", &[FREE, 3])[1].starts_with("Transpose"));
        assert_eq!(order("nhwpqc->nchpwq", 6), Some(vec![0, 5, 1, 3, 2, 4]));
    }
}
