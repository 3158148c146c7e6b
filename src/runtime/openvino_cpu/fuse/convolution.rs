//! Convolutions, transposed ones too.
//!
//! The filters enter as they are stored. An Add of one constant per channel behind a convolution is its bias, which
//! reaches it through a Reshape `…_flatten_reshape`.
//!
//! Source: `FuseConvolutionMatMulDeconvAndBias`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::pattern::constant_and_other;
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
    let channels = output.dims.get(1)?.size();
    let dims = &work.tensor(constant).dims;
    let spatial = output.dims.len().checked_sub(2)?;
    let is_per_channel = work.tensor(constant).elements() == channels
        && dims
            .len()
            .checked_sub(spatial + 1)
            .and_then(|axis| dims.get(axis))
            .is_some_and(|dim| dim.size() == channels);
    if !is_per_channel {
        return None;
    }
    let source = work.nodes[add].source;
    let mut patch = Patch::new(work);
    let pattern = patch.add_ints(&[-1], source);
    let name = format!("{}_flatten_reshape", work.nodes[constant.node()].name);
    let reshape = Node::named(name, Op::Reshape(ReshapeZero::IsZero), Kind::Reshape, source);
    let flat = Tensor::fixed(work.tensor(constant).dtype, &[channels]);
    let reshape = patch.add(reshape.writing(flat), [constant, pattern]);
    let kept = work.nodes[node].inputs().iter().flatten().copied().take(2);
    patch.set_inputs(node, kept.chain([Edge::of(reshape)]));
    patch.absorb(node, add);
    patch.replace(Edge::of(add), Edge::of(node));
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{Broadcast, Convolution, Unary};

    #[test]
    fn bias_and_activation_are_fused() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 4, 6, 6]);
        let x = net.input("x", f32, &dims);
        let filters = net.weight("filters", f32, &[4, 4, 1, 1]);
        let convolution = Op::Convolution(Box::<Convolution>::default());
        let made = net.op("conv", convolution, &[x, filters], f32, &dims);
        let bias = net.weight("bias", f32, &[1, 4, 1, 1]);
        let add = || Op::Binary(Binary::Add, Broadcast::Numpy);
        let made = net.op("add", add(), &[made, bias], f32, &dims);
        let out = net.op("relu", Op::Unary(Unary::Relu), &[made], f32, &dims);
        net.result("out", out);
        let graph = net.execute(DYNAMIC);
        let expected = [
            "Reorder  f32",
            "Reshape bias_flatten_reshape f32",
            "Convolution conv,add,relu f32",
            "Reorder  f32",
        ];
        assert_eq!(super::super::testing::lines(&graph), expected);
    }
}
