//! Concats of Concats, and Concats that repeat one tensor.
//!
//! * A Concat takes the inputs of another Concat along the same axis, if it is that one's only reader. Axes are compared as
//!   written.
//! * A Concat of one tensor several times is a Broadcast, if the dim along the axis is 1 and all others are known.
//!
//! Source: `ConcatFusion` and `ConcatToBroadcast`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations.

use super::work::{Build, Edge, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::BroadcastMode;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Merges nested Concats, and replaces repetitions.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "nested-concats",
        source: "ConcatFusion",
        on: |node| matches!(node.op, Op::Concat { .. }),
        apply: flatten,
        repeats: false,
    },
    Rule {
        name: "repeating-concats",
        source: "ConcatToBroadcast",
        on: |node| matches!(node.op, Op::Concat { .. }),
        apply: repeat,
        repeats: false,
    },
];

fn flatten(work: &Work<'_>, node: usize) -> Option<Patch> {
    let Op::Concat { axis } = work.nodes[node].op else { return None };
    let is_inner = |inner: usize| {
        matches!(work.nodes[inner].op, Op::Concat { axis: own } if own == axis)
            && work.only_user(inner).is_some()
    };
    let mut joined: SmallVec<[Edge; 4]> = SmallVec::new();
    for edge in work.nodes[node].inputs().iter().flatten() {
        match is_inner(edge.node()) {
            true => joined.extend(work.nodes[edge.node()].inputs().iter().flatten().copied()),
            false => joined.push(*edge),
        }
    }
    if joined.len() == work.nodes[node].inputs().len() {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.set_inputs(node, joined);
    Some(patch)
}

fn repeat(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Concat { axis } = of.op else { return None };
    let (first, output) = (of.input(0)?, of.outputs.first()?);
    let dims = &work.tensor(first).dims;
    let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
    let along = usize::try_from(axis).ok().and_then(|axis| dims.get(axis))?;
    let is_repeated = of.inputs().len() > 1 && of.inputs().iter().all(|&edge| edge == Some(first));
    if !is_repeated || !along.is(1) || output.is_free() {
        return None;
    }
    let sizes: Option<Vec<i64>> = output.dims.iter().map(|dim| i64::try_from(dim.size()).ok()).collect();
    let mut patch = Patch::new(work);
    let target = patch.add_ints(&sizes?, of.source);
    patch.change(node, |node| {
        node.op = Op::Broadcast(BroadcastMode::Numpy);
        node.kind = Kind::Broadcast;
    });
    patch.set_inputs(node, [first, target]);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;
    use crate::DType;
    use crate::graph::op::AxisSpan;
    use crate::ids::TensorId;

    const F32: DType = DType::F32;

    fn computed(net: &mut Net, name: &str, dims: &[i64]) -> TensorId {
        let x = net.input(&format!("{name}_input"), F32, dims);
        net.op(name, Op::Softmax(AxisSpan::LAST), &[x], F32, dims)
    }

    fn finish(mut net: Net, x: TensorId, dims: &[i64]) -> Net {
        let out = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], F32, dims);
        net.result("result", out);
        net
    }

    /// The Concats left of two tensors joined along axis 1, and joined with a third along `axis`.
    fn nested(axis: i64) -> usize {
        let mut net = Net::new();
        let parts = ["a", "b", "c"].map(|name| computed(&mut net, name, &[FREE, 3, 4]));
        let inner = net.op("inner", Op::Concat { axis: 1 }, &parts[..2], F32, &[FREE, 6, 4]);
        let outer = net.op("outer", Op::Concat { axis }, &[inner, parts[2]], F32, &[FREE, 9, 4]);
        let lines = finish(net, outer, &[FREE, 9, 4]).lines(DYNAMIC);
        lines.iter().filter(|line| line.starts_with("Concatenation")).count()
    }

    #[test]
    fn nested_concats_merge_if_the_axes_are_written_alike() {
        assert_eq!((nested(1), nested(-2)), (1, 2));
    }

    #[test]
    fn a_repeating_concat_of_known_dims_is_a_broadcast() {
        let of = |dims: &[i64], joined: &[i64], is_dynamic: bool| {
            let mut net = Net::new();
            let x = computed(&mut net, "x", dims);
            let joined_twice = net.op("joined", Op::Concat { axis: 0 }, &[x, x], F32, joined);
            let options = if is_dynamic { DYNAMIC } else { STATIC };
            let lines = finish(net, joined_twice, joined).lines(options);
            lines.iter().any(|line| line == "Broadcast joined f32")
        };
        assert!(of(&[1, 4], &[2, 4], false));
        assert!(!of(&[1, FREE], &[2, FREE], true));
        assert!(!of(&[2, 4], &[4, 4], false));
    }
}
