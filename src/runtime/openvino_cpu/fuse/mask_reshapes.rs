//! Masks that are added to scores.
//!
//! * Two constants of equal dims that are added one after the other are one sum, named as the second.
//! * With static dims, `[Add →] Reshape → Add mask → Reshape → Softmax` with the first and the last shape equal and one
//!   reader each: the mask, which nothing else may read (seen in two models), takes the other shape when the model is compiled, and
//!   both Reshapes are gone.
//!
//! Source: `AddAddFusion`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations, and
//! `ExtractReshapesFromMHA`, src/common/snippets/src/pass/extract_reshapes_from_mha.cpp.

use super::pattern::constant_and_other;
use super::work::{Build, Edge, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// Joins two sums with constants.
pub(super) const SUMS: Rule = Rule {
    name: "constant-sums",
    source: "AddAddFusion, src/common/transformations/src/transformations/common_optimizations",
    on: |node| matches!(node.op, Op::Binary(Binary::Add, _)),
    apply: join_sums,
    repeats: false,
};

/// Removes the Reshapes around masks, with static dims.
pub(super) const RESHAPES: Rule = Rule {
    name: "mask-reshapes",
    source: "ExtractReshapesFromMHA, src/common/snippets/src/pass/extract_reshapes_from_mha.cpp",
    on: |node| matches!(node.op, Op::Softmax(_)),
    apply: extract,
    repeats: false,
};

fn join_sums(work: &Work<'_>, second: usize) -> Option<Patch> {
    let (mask, sum) = constant_and_other(work, second, Binary::Add)?;
    let (other, data) = constant_and_other(work, sum.node(), Binary::Add)?;
    work.only_user(sum.node())?;
    // A stored half is not a constant yet when sums are joined.
    let is_stored =
        |edge: Edge| matches!(work.graph.node(work.nodes[edge.node()].source).op, Op::Convert { .. });
    let is_alike = work.tensor(mask).dims == work.tensor(other).dims && work.tensor(mask).dtype.is_float();
    if !is_alike || is_stored(mask) || is_stored(other) {
        return None;
    }
    let tensor = work.tensor(mask).clone();
    let source = work.nodes[second].source;
    let mut patch = Patch::new(work);
    let joined = patch.add_constant(tensor, None, source);
    patch.set_inputs(second, [data, joined]);
    Some(patch)
}

fn extract(work: &Work<'_>, softmax: usize) -> Option<Patch> {
    let is_reshape = |node: usize| work.nodes[node].kind == Kind::Reshape && work.only_user(node).is_some();
    let last = work.producer(softmax, 0).filter(|&node| is_reshape(node))?;
    let add = work.producer(last, 0)?;
    work.only_user(add)?;
    let (mask, data) = constant_and_other(work, add, Binary::Add)?;
    // A mask that several layers share keeps its shape.
    work.only_user(mask.node())?;
    let first = Some(data.node()).filter(|&node| is_reshape(node))?;
    let source = work.nodes[first].input(0)?;
    let tensor = work.nodes[last].outputs.first()?.clone();
    if work.tensor(source).dims != tensor.dims || tensor.dims.len() < 3 {
        return None;
    }
    // All dims of the mask but those of heads and scores are one.
    let own = &work.tensor(mask).dims;
    let elements = work.tensor(mask).elements();
    let rank = tensor.dims.len();
    let scores = tensor.dims[rank - 1].size().checked_mul(tensor.dims[rank - 2].size())?;
    if own.len() < 2 || !elements.is_multiple_of(scores.max(1)) {
        return None;
    }
    let mut dims: Vec<u64> = vec![1; rank];
    dims[rank - 1] = tensor.dims[rank - 1].size();
    dims[rank - 2] = tensor.dims[rank - 2].size();
    dims[0] = elements / scores.max(1);
    if dims[0] != tensor.dims[0].size() && dims[0] != 1 {
        return None;
    }
    let id = work.nodes[add].source;
    let dtype = work.tensor(mask).dtype;
    let mut patch = Patch::new(work);
    let reshaped = patch.add_constant(Tensor::fixed(dtype, &dims), None, id);
    patch.change(add, |add| add.outputs = smallvec![tensor]);
    patch.set_inputs(add, [source, reshaped]);
    patch.replace(Edge::of(last), Edge::of(add));
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Net, STATIC};
    use super::*;
    use crate::DType;
    use crate::graph::op::AxisSpan;
    use crate::graph::op::{Broadcast, ReshapeZero};

    /// Scores of four windows, to which a mask of `windows` is added, in a shape of two by two.
    fn masked(windows: i64) -> Vec<String> {
        let (mut net, f32, flat) = (Net::new(), DType::F32, [4, 3, 5, 5]);
        let x = net.input("x", f32, &flat);
        let made = net.op("before", Op::Softmax(AxisSpan::LAST), &[x], f32, &flat);
        let parted = [2, 2, 3, 5, 5];
        let (apart, together) = (net.ints("apart", &parted), net.ints("together", &flat));
        let reshape = || Op::Reshape(ReshapeZero::IsZero);
        let made = net.op("parted", reshape(), &[made, apart], f32, &parted);
        let mask = net.weight("mask", f32, &[if windows == 4 { 2 } else { 1 }, 2, 1, 5, 5]);
        let made = net.op("add", Op::Binary(Binary::Add, Broadcast::Numpy), &[made, mask], f32, &parted);
        let made = net.op("joined", reshape(), &[made, together], f32, &flat);
        let made = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[made], f32, &flat);
        net.result("out", made);
        net.lines(STATIC)
    }

    #[test]
    fn a_mask_per_window_takes_the_shape_of_the_scores() {
        assert_eq!(masked(4), ["Softmax before f32", "Subgraph add f32", "Softmax softmax f32"]);
        assert_eq!(masked(2).len(), 5);
    }
}
