//! LogSoftmax, for which the plugin has no node.
//!
//! `s = x - max(x)`, then `s - log(sum(exp(s)))`; the last difference has the name.
//!
//! Source: `LogSoftmaxDecomposition`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/log_softmax_decomposition.cpp.

use super::work::{Build, Dim, Edge, Node, Patch, Rule, Work};
use super::writer::Writer;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Reduce, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Writes out every LogSoftmax over one axis.
pub(super) const RULE: Rule = Rule {
    name: "log-softmax",
    source: "LogSoftmaxDecomposition, src/common/transformations/src/transformations/op_conversions/log_softmax_decomposition.cpp",
    on: |node| matches!(node.op, Op::LogSoftmax(_)),
    apply: write_out,
    repeats: false,
};

fn write_out(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::LogSoftmax(span) = of.op else { return None };
    let data = of.input(0).filter(|_| !span.to_end)?;
    let whole = work.tensor(data).clone();
    let rank = whole.dims.len() as i64;
    let axis = usize::try_from(if span.axis < 0 { span.axis + rank } else { span.axis }).ok()?;
    let mut row = whole.clone();
    let dim = row.dims.get_mut(axis)?;
    *dim = Dim::fixed(1);
    let minus = || Op::Binary(Binary::Subtract, Broadcast::Numpy);
    let reduce = |kind| Op::Reduce { kind, keep_dims: true, noop_with_empty_axes: false };
    let source = of.source;
    let mut patch = Patch::new(work);
    let writer = &mut Writer { patch: &mut patch, source };
    let axes = writer.ints(&[axis as i64]);
    let most = writer.named(reduce(Reduce::Max), row.clone(), [data, axes]);
    let shifted = writer.named(minus(), whole.clone(), [data, most]);
    let powers = writer.named(Op::Unary(Unary::Exp), whole.clone(), [shifted]);
    let sum = writer.named(reduce(Reduce::Sum), row.clone(), [powers, axes]);
    let log = writer.named(Op::Unary(Unary::Log), row.clone(), [sum]);
    let last = patch.add(Node::in_place_of(of, minus(), Kind::Eltwise), [shifted, log]);
    patch.replace(Edge::of(node), Edge::of(last));
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::AxisSpan;

    fn scored(span: AxisSpan) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let out = net.op("scores", Op::LogSoftmax(span), &[x], DType::F32, &[FREE, 8]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn it_is_written_out_under_its_name() {
        let expected = [
            "Reduce ReduceMax f32",
            "Eltwise Subtract f32",
            "Eltwise Exp f32",
            "Reduce ReduceSum f32",
            "Eltwise Log f32",
            "Eltwise scores f32",
        ];
        assert_eq!(scored(AxisSpan::LAST), expected);
    }

    #[test]
    fn over_several_axes_it_stays() {
        assert_eq!(scored(AxisSpan { axis: 0, to_end: true }).len(), 1);
    }
}
