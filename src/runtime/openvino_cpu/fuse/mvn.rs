//! Normalisation over dims that the plugin has no kernel for.
//!
//! MVN reads the last dims of a tensor, all but one or all but two. Over others, such as the last of four, it is written
//! out: the mean, what is left without it, and RMS of that, with the constant that follows as gamma.
//!
//! Source: `MVN::isSupportedOperation`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/mvn.cpp, and `MVN6Decomposition`,
//! src/common/transformations/src/transformations/op_conversions/mvn6_decomposition.cpp.

use super::pattern::constant_and_other;
use super::work::{Build, Dim, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Reduce};
use crate::runtime::openvino_cpu::execution::Kind;

/// Writes out every normalisation that has no kernel.
pub(super) const RULE: Rule = Rule {
    name: "mvn",
    source: "MVN6Decomposition, src/common/transformations/src/transformations/op_conversions/mvn6_decomposition.cpp",
    on: |node| matches!(node.op, Op::Mvn(_)),
    apply: write_out,
    repeats: false,
};

fn write_out(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (data, axes) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    if !is_last_alone(work, node) {
        return None;
    }
    let source = work.nodes[node].source;
    let whole = work.tensor(data).clone();
    let mut column = whole.clone();
    if let Some(last) = column.dims.last_mut() {
        *last = Dim::fixed(1);
    }
    let mut patch = Patch::new(work);
    let name = patch.fresh_name("ReduceMean");
    let mean = Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false };
    let mean = patch.add(Node::named(name, mean, Kind::Reduce, source).writing(column), [data, axes]);
    let name = patch.fresh_name("Subtract");
    let rest = Node::named(name, Op::Binary(Binary::Subtract, Broadcast::Numpy), Kind::Eltwise, source);
    let rest = patch.add(rest.writing(whole), [data, Edge::of(mean)]);
    let gamma = work.only_user(node).and_then(|(user, _)| {
        constant_and_other(work, user, Binary::Multiply).map(|(gamma, _)| (user, gamma))
    });
    let (last, gamma) = gamma.map_or((node, None), |(user, gamma)| (user, Some(gamma)));
    let old = &work.nodes[last];
    let norm = Node { originals: old.originals.clone(), ..Node::in_place_of(old, Op::Rms, Kind::Rms) };
    let norm = patch.add(norm, std::iter::once(Edge::of(rest)).chain(gamma));
    patch.replace(Edge::of(last), Edge::of(norm));
    Some(patch)
}

/// Whether the last dim alone is normalised, of more than three, and known.
fn is_last_alone(work: &Work<'_>, node: usize) -> bool {
    let Some(tensor) = work.nodes[node].input(0).map(|edge| work.tensor(edge)) else { return false };
    let rank = tensor.dims.len();
    let is_last = |axis: i64| axis == -1 || axis == rank as i64 - 1;
    rank > 3 && tensor.last().is_some() && matches!(work.ints(node, 1), Some(&[axis]) if is_last(axis))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    fn norm(dims: &[i64]) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, dims);
        let axes = net.ints("axes", &[-1]);
        let mvn = net.op("mvn", Op::Mvn(Box::default()), &[x, axes], DType::F32, dims);
        let gamma = net.weight("gamma", DType::F32, &[8]);
        let scale = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let out = net.op("scale", scale, &[mvn, gamma], DType::F32, dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn the_last_of_four_dims_is_written_out() {
        let expected = ["Reduce ReduceMean f32", "Eltwise Subtract f32", "RMS scale f32"];
        assert_eq!(norm(&[1, FREE, 2, 8]), expected);
    }

    #[test]
    fn the_last_of_three_has_a_kernel() {
        assert_eq!(norm(&[1, FREE, 8]), ["MVN mvn f32", "Eltwise scale f32"]);
    }
}
