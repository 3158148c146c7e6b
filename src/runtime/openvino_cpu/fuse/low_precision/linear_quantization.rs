//! QuantizeLinear and DequantizeLinear, as OpenVINO's ONNX frontend reads them.
//!
//! A pair of both is a FakeQuantize with the name of the first, whose limits are those of the type that is written. A
//! DequantizeLinear of a constant is a Convert and a Multiply with the scale, which is along the first dim. The bias of a
//! convolution is an Add that has the convolution's name.
//!
//! Source: src/frontends/onnx/frontend/src/op/quantize_linear.cpp, dequantize_linear.cpp and conv.cpp;
//! `ConvertQuantizeDequantize`, src/common/transformations/src/transformations/common_optimizations, OpenVINO 2026.4.

use super::super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::graph::op::{Binary, Broadcast};
use crate::graph::{Op, Value};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Reads pairs, weights and biases.
pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        name: "quantize-and-dequantize",
        source: "src/frontends/onnx/frontend/src/op/quantize_linear.cpp; ConvertQuantizeDequantize",
        on: |node| matches!(node.op, Op::DequantizeLinear { .. }),
        apply: pair,
        repeats: false,
    },
    Rule {
        name: "dequantize-weights",
        source: "src/frontends/onnx/frontend/src/op/dequantize_linear.cpp",
        on: |node| matches!(node.op, Op::DequantizeLinear { .. }),
        apply: weights,
        repeats: false,
    },
    Rule {
        name: "bias-of-convolution",
        source: "src/frontends/onnx/frontend/src/op/conv.cpp",
        on: |node| node.kind == Kind::Convolution && node.n_fused == 0,
        apply: bias,
        repeats: false,
    },
];

fn pair(work: &Work<'_>, node: usize) -> Option<Patch> {
    let data = work.nodes[node].input(0)?;
    let quantize = &work.nodes[data.node()];
    if !matches!(quantize.op, Op::QuantizeLinear { .. }) {
        return None;
    }
    let (least, most) = match work.tensor(data).dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        _ => return None,
    };
    let number = |input: usize| work.number(data.node(), input);
    let (scale, zero) = (number(1)?, number(2).unwrap_or(0.0));
    let mut patch = Patch::new(work);
    let limits = [least, most].map(|limit| {
        let value = Value::floats([(limit - zero) * scale]);
        patch.add_constant(Tensor::fixed(DType::F32, &[]), Some(value), quantize.source)
    });
    let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
    let made = Node::named(quantize.name.clone(), op, Kind::FakeQuantize, quantize.source);
    let made = made.writing(work.nodes[node].outputs.first()?.clone());
    let [low, high] = limits;
    let made = patch.add(made, [quantize.input(0)?, low, high, low, high]);
    patch.replace(Edge::of(node), Edge::of(made));
    Some(patch)
}

fn weights(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let (stored, scale) = (of.input(0)?, of.input(1)?);
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    let is_zero = work.number(node, 2).is_none_or(|zero| zero == 0.0);
    if !is_const(stored) || !is_const(scale) || work.tensor(stored).dtype != DType::I8 || !is_zero {
        return None;
    }
    let float = of.outputs.first()?.clone();
    let scales = work.tensor(scale).elements();
    if scales != 1 && work.tensor(stored).dims.first().is_none_or(|dim| dim.size() != scales) {
        return None;
    }
    let mut dims: SmallVec<[u64; 4]> = float.dims.iter().map(|_| 1).collect();
    dims.iter_mut().take(1).for_each(|dim| *dim = scales);
    let mut patch = Patch::new(work);
    let convert = Node::nameless(Op::Convert { to: DType::F32 }, Kind::Convert, of.source);
    let convert = patch.add(convert.writing(float.clone()), [stored]);
    let scale = patch.add_constant(Tensor::fixed(DType::F32, &dims), None, of.source);
    let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
    let multiply = Node::named(of.name.clone(), multiply, Kind::Eltwise, of.source).writing(float);
    let multiply = patch.add(multiply, [Edge::of(convert), scale]);
    patch.replace(Edge::of(node), Edge::of(multiply));
    Some(patch)
}

fn bias(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let &[Some(data), Some(filters), Some(bias)] = of.inputs() else { return None };
    let tensor = of.outputs.first()?.clone();
    let mut dims: SmallVec<[u64; 4]> = tensor.dims.iter().map(|_| 1).collect();
    dims.iter_mut().skip(1).take(1).for_each(|dim| *dim = work.tensor(bias).elements());
    if !work.nodes[bias.node()].is_const() {
        return None;
    }
    let mut patch = Patch::new(work);
    let constant = patch.add_constant(Tensor::fixed(DType::F32, &dims), None, of.source);
    let add = Op::Binary(Binary::Add, Broadcast::Numpy);
    let add = Node::named(of.name.clone(), add, Kind::Eltwise, of.source).writing(tensor);
    let add = patch.add(add, [Edge::of(node), constant]);
    patch.replace_except(Edge::of(node), Edge::of(add), &[add]);
    patch.set_inputs(node, [data, filters]);
    patch.change(node, |node| {
        node.name = format!("{}/WithoutBiases", node.name).into();
        node.originals = [node.name.clone()].into_iter().collect();
    });
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{Convolution, ElementType, FilterLayout};

    #[test]
    fn a_pair_is_a_fake_quantize_and_weights_are_i8() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 4, 6, 6]);
        let x = net.input("x", f32, &dims);
        let scale = net.number("scale", 0.02);
        let zero = net.number("zero", 128.0);
        let to = ElementType::Is(DType::U8);
        let x = net.op("quantize", Op::QuantizeLinear { to }, &[x, scale, zero], DType::U8, &dims);
        let to = ElementType::Is(f32);
        let x = net.op("dequantize", Op::DequantizeLinear { to }, &[x, scale, zero], f32, &dims);
        let stored = net.weight("stored", DType::I8, &[4, 4, 1, 1]);
        let scales = net.weight("scales", f32, &[4]);
        let filters = net.op("filters", Op::DequantizeLinear { to }, &[stored, scales], f32, &[4, 4, 1, 1]);
        let bias = net.weight("bias", f32, &[4]);
        let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
        let out = net.op("conv", Op::Convolution(Box::new(op)), &[x, filters, bias], f32, &dims);
        net.result("out", out);
        let lines = net.lines(DYNAMIC).into_iter();
        let moved = ["Reorder", "Reshape"];
        let lines: Vec<String> =
            lines.filter(|line| !moved.iter().any(|kind| line.starts_with(kind))).collect();
        assert_eq!(lines, ["FakeQuantize quantize u8", "Convolution conv/WithoutBiases,Multiply,conv f32"]);
    }
}
