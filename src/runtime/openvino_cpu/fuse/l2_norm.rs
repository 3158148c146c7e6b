//! L2 norms that the plugin has no node for.
//!
//! The node takes tensors of two to four dims and normalizes over the second dim, or over all but the first. Any other, and one
//! whose axis counts from the end, is `x / sqrt(sum(x ^ 2) + eps)`, or with the larger of both; the quotient has the name.
//!
//! Source: `NormalizeL2::isSupportedOperation`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/normalize.cpp;
//! `NormalizeL2Decomposition`, src/common/transformations/src/transformations/op_conversions.

use super::work::{Build, Dim, Edge, Node, Patch, Rule, Work};
use super::writer::Writer;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Reduce, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Writes out L2 norms.
pub(super) const RULE: Rule = Rule {
    name: "l2-norm",
    source: "NormalizeL2Decomposition, src/common/transformations/src/transformations/op_conversions/normalize_l2_decomposition.cpp",
    on: |node| matches!(node.op, Op::NormalizeL2 { .. }),
    apply: write_out,
    repeats: false,
};

fn write_out(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::NormalizeL2 { epsilon, is_least } = of.op else { return None };
    let (data, axes) = (of.input(0)?, of.input(1)?);
    let whole = work.tensor(data).clone();
    let numbers = work.ints(node, 1)?;
    if is_supported(numbers, whole.dims.len()) {
        return None;
    }
    let mut row = whole.clone();
    for &axis in numbers {
        let axis = if axis < 0 { axis + whole.dims.len() as i64 } else { axis };
        *row.dims.get_mut(usize::try_from(axis).ok()?)? = Dim::fixed(1);
    }
    let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
    let sum = Op::Reduce { kind: Reduce::Sum, keep_dims: true, noop_with_empty_axes: false };
    let source = of.source;
    let mut patch = Patch::new(work);
    let [two, least] = [2.0, f64::from(epsilon)].map(|number| patch.add_number(number, source));
    let writer = &mut Writer { patch: &mut patch, source };
    let squares = writer.named(binary(Binary::Power), whole.clone(), [data, two]);
    let sum = writer.named(sum, row.clone(), [squares, axes]);
    let limit = binary(if is_least { Binary::Maximum } else { Binary::Add });
    let limited = writer.named(limit, row.clone(), [sum, least]);
    let root = writer.named(Op::Unary(Unary::Sqrt), row.clone(), [limited]);
    let last = patch.add(Node::in_place_of(of, binary(Binary::Divide), Kind::Eltwise), [data, root]);
    patch.replace(Edge::of(node), Edge::of(last));
    Some(patch)
}

/// Whether the plugin has a node for a norm over these axes.
fn is_supported(axes: &[i64], rank: usize) -> bool {
    let is_all = || axes.len() + 1 == rank && (1..).take(axes.len()).all(|axis| axes.contains(&axis));
    (2..=4).contains(&rank) && (axes.is_empty() || axes == [1] || is_all())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    fn normed(axes: &[i64], is_least: bool) -> Vec<String> {
        let (mut net, dims) = (Net::new(), [FREE, 4, 8]);
        let x = net.input("x", DType::F32, &dims);
        let axes = net.ints("axes", axes);
        let out = net.op("norm", Op::NormalizeL2 { epsilon: 1e-6, is_least }, &[x, axes], DType::F32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn norms_over_columns_are_written_out() {
        for axis in [2, -1] {
            assert_eq!(normed(&[axis], false)[..2], ["Eltwise Power f32", "Reduce ReduceSum,Add,Sqrt f32"]);
            assert_eq!(normed(&[axis], true)[..2], ["Eltwise Power f32", "Reduce ReduceSum f32"]);
        }
    }

    #[test]
    fn norms_over_channels_are_nodes() {
        assert_eq!(normed(&[1], false), ["Other norm f32"]);
        assert_eq!(normed(&[2, 1], false), ["Other norm f32"]);
    }
}
