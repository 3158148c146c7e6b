//! Broadcasts.
//!
//! * A bidirectional Broadcast is a Broadcast of a constant 1 and a product (of booleans: BitwiseAnd) that carries its
//!   name, so that it can join an element-wise chain.
//! * Every Broadcast reads its axes through a Reorder from u8.
//!
//! Source: `ConvertBroadcast3`, OpenVINO 2026.4, src/common/transformations/src/transformations/op_conversions.

use super::dim::{Question, ask};
use super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::Value;
use crate::graph::op::{Binary, Broadcast, BroadcastMode};
use crate::ids::NodeId;
use crate::runtime::openvino_cpu::execution::Kind;

/// Writes every Broadcast as the plugin has it.
pub(super) const RULE: Rule = Rule {
    name: "broadcast",
    source: "ConvertBroadcast3, src/common/transformations/src/transformations/op_conversions",
    on: |node| node.kind == Kind::Broadcast,
    apply: rewrite,
    repeats: false,
};

fn rewrite(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    if matches!(of.op, Op::Broadcast(BroadcastMode::Bidirectional)) && !work.reads_const(node, 1) {
        return split(work, node);
    }
    let mut patch = Patch::new(work);
    let axes = axes(&mut patch, of.source);
    patch.set_inputs(node, of.inputs().iter().flatten().copied().take(2).chain([axes]));
    Some(patch)
}

fn split(work: &Work<'_>, node: usize) -> Option<Patch> {
    let old = &work.nodes[node];
    let (data, target, output) = (old.input(0)?, old.input(1)?, old.outputs.first()?);
    let mut patch = Patch::new(work);
    let one = constant(&mut patch, Tensor::fixed(output.dtype, &[1]), old.source);
    let name = patch.fresh_name("Broadcast");
    let op = Op::Broadcast(BroadcastMode::Numpy);
    let made =
        Node::named(name, op, Kind::Broadcast, old.source).writing(target_tensor(work, target, output));
    let broadcast = patch.add(made, [one, target]);
    let axes = axes(&mut patch, old.source);
    patch.set_inputs(broadcast, [one, target, axes]);
    let is_boolean = matches!(output.dtype, DType::Boolean | DType::U8);
    let kind = if is_boolean { Binary::BitwiseAnd } else { Binary::Multiply };
    let product = Node {
        originals: old.originals.clone(),
        ..Node::in_place_of(old, Op::Binary(kind, Broadcast::Numpy), Kind::Eltwise)
    };
    let product = patch.add(product, [data, Edge::of(broadcast)]);
    patch.replace(Edge::of(node), Edge::of(product));
    Some(patch)
}

/// A tensor of the dims that are asked for; the result's where they are not known.
fn target_tensor(work: &Work<'_>, target: Edge, output: &Tensor) -> Tensor {
    let tensor = work.graph.output(work.nodes[target.node()].source, target.port());
    let mut made = output.clone();
    let Some(tensor) = tensor else { return made };
    let asked = work.shapes.tensor(tensor).value.as_ref().and_then(Value::as_ints);
    match asked.filter(|asked| asked.len() == made.dims.len()) {
        Some(asked) => {
            for ((at, dim), &size) in (0..).zip(&mut made.dims).zip(asked) {
                *dim = dim.asked_for(tensor, at, size);
            }
        }
        None => ask(Question::Element(tensor, 0, None)),
    }
    made
}

/// The axes as a Broadcast reads them: through a Reorder.
fn axes(patch: &mut Patch, source: NodeId) -> Edge {
    let axes = constant(patch, Tensor::fixed(DType::U8, &[1]), source);
    patch.add_reorder(axes, Tensor::fixed(DType::I32, &[1]), source)
}

fn constant(patch: &mut Patch, tensor: Tensor, source: NodeId) -> Edge {
    let value = if tensor.dtype.is_float() { Value::floats([1.0]) } else { Value::ints([1]) };
    patch.add_constant(tensor, Some(value), source)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;

    fn expand() -> Net {
        let (mut net, i64) = (Net::new(), DType::I64);
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let data = net.weight("token", DType::F32, &[1, 8]);
        let shape = net.op("shape", Op::ShapeOf { to: i64, start: 0, end: None }, &[x], i64, &[2]);
        let mode = Op::Broadcast(BroadcastMode::Bidirectional);
        let out = net.op("expand", mode, &[data, shape], DType::F32, &[FREE, 8]);
        net.result("out", out);
        net
    }

    #[test]
    fn both_ways_is_a_product_with_ones() {
        let expected = ["ShapeOf shape i32", "Reorder  i32", "Broadcast Broadcast f32", "Eltwise expand f32"];
        assert_eq!(expand().lines(DYNAMIC), expected);
    }

    #[test]
    fn a_known_target_is_folded() {
        assert!(expand().lines(STATIC).is_empty());
    }
}
