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
use smallvec::{SmallVec, smallvec};

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
    // One behind the other are joined at the last, all at once: a chain of them takes linear time.
    if is_joined(work, node) {
        return None;
    }
    let inputs = joined(work, node);
    if inputs.len() == work.nodes[node].inputs().len() {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.set_inputs(node, inputs);
    Some(patch)
}

/// The Concat along the same axis that is the only reader of a Concat.
fn outer(work: &Work<'_>, node: usize) -> Option<usize> {
    let Op::Concat { axis } = work.nodes[node].op else { return None };
    let (user, _) = work.only_user(node)?;
    matches!(work.nodes[user].op, Op::Concat { axis: own } if own == axis).then_some(user)
}

/// Whether the reader of a Concat takes its inputs: it has not become a Broadcast before.
fn is_joined(work: &Work<'_>, node: usize) -> bool {
    outer(work, node).is_some() && repeated(work, node).is_none()
}

/// The inputs of a Concat, with those of each Concat that it reads in its place.
fn joined(work: &Work<'_>, node: usize) -> SmallVec<[Edge; 4]> {
    let mut all: SmallVec<[Edge; 4]> = SmallVec::new();
    // Concats, their next input, and how many inputs were there before theirs.
    let mut stack: SmallVec<[(usize, usize, usize); 4]> = smallvec![(node, 0, 0)];
    while let Some((node, next, before)) = stack.last_mut() {
        let inputs = work.nodes[*node].inputs();
        match inputs.get(*next) {
            Some(edge) => {
                *next += 1;
                match edge {
                    Some(edge) if outer(work, edge.node()).is_some() => {
                        let before = all.len();
                        stack.push((edge.node(), 0, before));
                    }
                    Some(edge) => all.push(*edge),
                    None => {}
                }
            }
            None => {
                // Where the number stays, nothing is joined.
                if all.len() - *before == inputs.len() {
                    all.truncate(*before);
                    all.extend(inputs.iter().flatten().copied());
                }
                stack.pop();
            }
        }
    }
    all
}

/// The tensor that a Concat repeats as a Broadcast does, and the sizes that it writes.
fn repeated(work: &Work<'_>, node: usize) -> Option<(Edge, Vec<i64>)> {
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
    let sizes = output.dims.iter().map(|dim| i64::try_from(dim.size()).ok());
    Some((first, sizes.collect::<Option<_>>()?))
}

fn repeat(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (first, sizes) = repeated(work, node)?;
    let mut patch = Patch::new(work);
    let target = patch.add_ints(&sizes, work.nodes[node].source);
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

    /// Inputs of the Concats that are left of `n` tensors of `rows` joined one after the other; `is_repeated`: of one tensor.
    fn chain(n: i64, rows: i64, is_repeated: bool) -> Vec<usize> {
        let mut net = Net::new();
        let x = computed(&mut net, "x", &[rows, 4]);
        let mut joined = x;
        for number in 2..=n {
            let next = if is_repeated { x } else { computed(&mut net, "next", &[rows, 4]) };
            joined = net.op("joined", Op::Concat { axis: 0 }, &[joined, next], F32, &[number * rows, 4]);
        }
        let graph = finish(net, joined, &[n * rows, 4]).execute(STATIC);
        graph.nodes.of_kind(Kind::Concat).map(|(_, node)| node.inputs.len()).collect()
    }

    #[test]
    fn a_chain_of_concats_is_one() {
        assert_eq!(chain(5, 1, false), [5]);
        // The first of the same two is a Broadcast, if it has one row.
        assert_eq!([chain(5, 1, true), chain(5, 2, true)], [[4], [5]]);
        assert_eq!(chain(300, 2, true), [300]);
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
