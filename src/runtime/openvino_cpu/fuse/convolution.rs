//! Convolutions, transposed ones too.
//!
//! The filters enter as they are stored. An Add of one constant per channel behind a convolution is its bias, which
//! reaches it through a Reshape `…_flatten_reshape`. An Add of two tensors of equal dims is fused into the convolution
//! that one of them comes from, if nobody else reads it and it has no activation yet; the addend is its last input.
//!
//! Source: `FuseConvolutionMatMulDeconvAndBias` and `FuseConvolutionSumAndConvolutionSumActivation`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::eltwise_chain;
use super::pattern::{constant_and_other, inputs};
use super::weights;
use super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, ReshapeZero};
use crate::runtime::openvino_cpu::execution::Kind;

/// Gives convolutions their filters and biases.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "convolution-filters",
        source: "FuseConvolutionMatMulDeconvAndBias",
        on: |node| matches!(node.kind, Kind::Convolution | Kind::Deconvolution),
        apply: filters,
        repeats: false,
    },
    Rule {
        name: "convolution-bias",
        source: "FuseConvolutionMatMulDeconvAndBias",
        on: |node| matches!(node.kind, Kind::Convolution | Kind::Deconvolution),
        apply: bias,
        repeats: false,
    },
];

/// Fuses sums into convolutions, and the activations behind them.
pub(super) const SUMS: &[Rule] = &[
    Rule {
        name: "convolution-sum",
        source: "FuseConvolutionSumAndConvolutionSumActivation",
        on: |node| matches!(node.op, Op::Binary(Binary::Add, _)),
        apply: sum,
        repeats: false,
    },
    Rule {
        name: "convolution-activation",
        source: "FuseConvolutionSumAndConvolutionSumActivation",
        on: |node| node.kind == Kind::Convolution && node.addend.is_some(),
        apply: eltwise_chain::take_post_operation,
        repeats: true,
    },
];

fn filters(work: &Work<'_>, node: usize) -> Option<Patch> {
    let weight = weights::behind(work, work.nodes[node].input(1)?).filter(|weight| weight.scale.is_none())?;
    let mut patch = Patch::new(work);
    patch.set_input(node, 1, weight.stored);
    Some(patch)
}

fn bias(work: &Work<'_>, node: usize) -> Option<Patch> {
    work.nodes[node].input(1)?;
    let (add, _) = work.only_user(node)?;
    let (constant, _) = constant_and_other(work, add, Binary::Add)?;
    let output = work.nodes[node].outputs.first()?;
    let channels = output.dims.get(1)?.size;
    let dims = &work.tensor(constant).dims;
    let spatial = output.dims.len().checked_sub(2)?;
    let is_per_channel = work.tensor(constant).elements() == channels
        && dims
            .len()
            .checked_sub(spatial + 1)
            .and_then(|axis| dims.get(axis))
            .is_some_and(|dim| dim.size == channels);
    if !is_per_channel {
        return None;
    }
    let source = work.nodes[add].source;
    let mut patch = Patch::new(work);
    let pattern = patch.add_ints(&[-1], source);
    let name = format!("{}_flatten_reshape", work.nodes[constant.node].name);
    let reshape = Node::named(name, Op::Reshape(ReshapeZero::IsZero), Kind::Reshape, source);
    let flat = Tensor::fixed(work.tensor(constant).dtype, &[channels]);
    let reshape = patch.add(reshape.writing(flat), [constant, pattern]);
    let kept = work.nodes[node].inputs().iter().flatten().copied().take(2);
    patch.set_inputs(node, kept.chain([Edge::of(reshape)]));
    patch.absorb(node, add);
    patch.replace(Edge::of(add), Edge::of(node));
    Some(patch)
}

fn sum(work: &Work<'_>, add: usize) -> Option<Patch> {
    let (first, second) = inputs(work, add, Binary::Add)?;
    let takes = |edge: Edge| {
        let node = &work.nodes[edge.node];
        node.kind == Kind::Convolution
            && node.addend.is_none()
            && node.n_fused == 0
            && work.only_user(edge.node).is_some()
    };
    let same = work.tensor(first).sizes() == work.tensor(second).sizes();
    let (convolution, addend) = match (takes(first), takes(second)) {
        _ if !same || work.nodes[first.node].is_const() || work.nodes[second.node].is_const() => return None,
        (true, _) => (first.node, second),
        (false, true) => (second.node, first),
        _ => return None,
    };
    let inputs: Vec<Edge> = work.nodes[convolution].inputs().iter().flatten().copied().collect();
    let position = inputs.len();
    let mut patch = Patch::new(work);
    patch.change(convolution, move |node| node.addend = Some(position));
    patch.set_inputs(convolution, inputs.into_iter().chain([addend]));
    patch.absorb(convolution, add);
    patch.replace(Edge::of(add), Edge::of(convolution));
    patch.revisit(convolution);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{Broadcast, Convolution, Unary};

    #[test]
    fn bias_sum_and_activation_are_fused() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 4, 6, 6]);
        let x = net.input("x", f32, &dims);
        let filters = net.weight("filters", f32, &[4, 4, 1, 1]);
        let convolution = Op::Convolution(Box::<Convolution>::default());
        let made = net.op("conv", convolution, &[x, filters], f32, &dims);
        let bias = net.weight("bias", f32, &[1, 4, 1, 1]);
        let add = || Op::Binary(Binary::Add, Broadcast::Numpy);
        let made = net.op("add", add(), &[made, bias], f32, &dims);
        let sum = net.op("sum", add(), &[made, x], f32, &dims);
        let out = net.op("relu", Op::Unary(Unary::Relu), &[sum], f32, &dims);
        net.result("out", out);
        let graph = net.execute(DYNAMIC);
        let expected = [
            "Reorder  f32",
            "Reshape bias_flatten_reshape f32",
            "Convolution conv,add,sum,relu f32",
            "Reorder  f32",
        ];
        assert_eq!(super::super::testing::lines(&graph), expected);
        let fused = graph.nodes.iter().find(|node| node.kind == Kind::Convolution).unwrap();
        assert_eq!(fused.addend, Some(3));
    }
}
