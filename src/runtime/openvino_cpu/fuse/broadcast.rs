//! Pass 9, continued: broadcasts.
//!
//! * A bidirectional Broadcast is a Broadcast of a constant 1 and a product (of booleans: BitwiseAnd) that carries its
//!   name, so that it can join an element-wise chain.
//! * Every Broadcast reads its axes through a Reorder from u8.
//!
//! Source: `ConvertBroadcast3`, OpenVINO 2026.4, src/common/transformations/src/transformations/op_conversions.

use super::work::{Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::Value;
use crate::graph::op::{Binary, Broadcast, BroadcastMode};
use crate::runtime::openvino_cpu::execution::Kind;
use crate::shape::Shapes;
use smallvec::smallvec;

/// Writes every Broadcast as the plugin has it.
pub(super) fn rewrite(work: &mut Work<'_>, shapes: &Shapes) {
    for node in work.model_order() {
        if !work.is_alive(node) || work.nodes[node].kind != Kind::Broadcast {
            continue;
        }
        if matches!(work.nodes[node].op, Op::Broadcast(BroadcastMode::Bidirectional))
            && !work.reads_const(node, 1)
        {
            split(work, node, shapes);
        } else {
            read_axes(work, node);
        }
    }
}

fn split(work: &mut Work<'_>, node: usize, shapes: &Shapes) {
    let (Some(data), Some(target)) = (work.nodes[node].input(0), work.nodes[node].input(1)) else { return };
    let old = work.nodes[node].clone();
    let Some(output) = old.outputs.first().cloned() else { return };
    let one = constant(work, Tensor::fixed(output.dtype, &[1]), old.source);
    let name = work.fresh_name("Broadcast");
    let broadcast = work.add(Node {
        inputs: smallvec![Some(one), Some(target)],
        outputs: smallvec![target_tensor(work, target, &output, shapes)],
        ..Node::named(name, Op::Broadcast(BroadcastMode::Numpy), Kind::Broadcast, old.source)
    });
    read_axes(work, broadcast);
    let is_boolean = matches!(output.dtype, DType::Boolean | DType::U8);
    let kind = if is_boolean { Binary::BitwiseAnd } else { Binary::Multiply };
    let product = work.add(Node {
        op: Op::Binary(kind, Broadcast::Numpy),
        kind: Kind::Eltwise,
        name: old.name.clone(),
        originals: old.originals.clone(),
        inputs: smallvec![Some(data), Some(Edge::of(broadcast))],
        outputs: old.outputs.clone(),
        source: old.source,
        ..Node::default()
    });
    work.replace(Edge::of(node), Edge::of(product));
}

/// A tensor of the dims that are asked for; the result's where they are not known.
fn target_tensor(work: &Work<'_>, target: Edge, output: &Tensor, shapes: &Shapes) -> Tensor {
    let tensor = work.graph.output(work.nodes[target.node].source, target.port);
    let asked = tensor.and_then(|tensor| shapes.tensor(tensor).value.as_ref()?.as_ints());
    let mut made = output.clone();
    if let Some(asked) = asked.filter(|asked| asked.len() == made.dims.len()) {
        for (dim, &size) in made.dims.iter_mut().zip(asked) {
            dim.size = u64::try_from(size).unwrap_or(dim.size);
        }
    }
    made
}

fn read_axes(work: &mut Work<'_>, node: usize) {
    let source = work.nodes[node].source;
    let axes = constant(work, Tensor::fixed(DType::U8, &[1]), source);
    let reorder = work.add_reorder(axes, Tensor::fixed(DType::I32, &[1]), source);
    let kept = work.nodes[node].inputs.iter().flatten().copied().take(2);
    let inputs: Vec<Edge> = kept.chain([reorder]).collect();
    work.set_inputs(node, inputs);
}

fn constant(work: &mut Work<'_>, tensor: Tensor, source: crate::ids::NodeId) -> Edge {
    let value = if tensor.dtype.is_float() { Value::floats([1.0]) } else { Value::ints([1]) };
    work.add_constant(tensor, Some(value), source)
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
