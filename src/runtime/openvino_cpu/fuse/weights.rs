//! Pass 5: weights as they are stored.
//!
//! A weight's chain `Const → [Convert] → [Subtract zero point] → [Multiply scale] → [Reshape] → [Convert]` is no node:
//! its reader takes the constant itself, the scale and the zero point. A table of f16 is gathered as f16, and the
//! Convert behind the Gather carries the Gather's name.
//!
//! Source: `MarkDequantization`, `MoveDecompressionAfterGather` and `ConvertGatherToGatherCompressed`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations.

use super::work::{Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// A weight as it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weight {
    /// The stored elements.
    pub stored: Edge,
    /// What they are multiplied with.
    pub scale: Option<Edge>,
    /// What is subtracted from them before.
    pub zero_point: Option<Edge>,
}

/// The stored weight behind a tensor; `None` if the tensor is no weight.
pub(super) fn behind(work: &Work<'_>, edge: Edge) -> Option<Weight> {
    let mut weight = Weight { stored: edge, scale: None, zero_point: None };
    for _ in 0..8 {
        let node = &work.nodes[weight.stored.node];
        match node.op {
            _ if node.is_const() => return Some(weight),
            Op::Convert { .. } | Op::Reshape(_) => weight.stored = node.input(0)?,
            Op::Binary(Binary::Multiply, _) if weight.scale.is_none() => {
                weight.scale = Some(constant(work, node.input(1)?)?);
                weight.stored = node.input(0)?;
            }
            Op::Binary(Binary::Subtract, _) if weight.zero_point.is_none() => {
                weight.zero_point = Some(constant(work, node.input(1)?)?);
                weight.stored = node.input(0)?;
            }
            _ => return None,
        }
    }
    None
}

/// The constant behind conversions.
fn constant(work: &Work<'_>, mut edge: Edge) -> Option<Edge> {
    for _ in 0..4 {
        let node = &work.nodes[edge.node];
        match node.kind {
            Kind::Const => return Some(edge),
            Kind::Convert | Kind::Reshape => edge = node.input(0)?,
            _ => return None,
        }
    }
    None
}

/// A scale as the plugin keeps it: converted to f32 when the model is compiled.
pub(super) fn converted(work: &mut Work<'_>, scale: Option<Edge>) -> Option<Edge> {
    if let Some(scale) = scale
        && let Some(tensor) = work.nodes[scale.node].outputs.get_mut(scale.port)
        && tensor.dtype != DType::F32
    {
        tensor.dtype = DType::F32;
        work.nodes[scale.node].is_mapped = false;
    }
    scale
}

/// Gathers from tables as they are stored.
pub(super) fn gather(work: &mut Work<'_>) {
    for node in work.model_order() {
        if !work.is_alive(node) || !matches!(work.nodes[node].op, Op::Gather { batch_dims: 0 }) {
            continue;
        }
        let Some(table) = work.nodes[node].input(0) else { continue };
        if work.nodes[table.node].is_const() {
            continue;
        }
        let Some(weight) = behind(work, table) else { continue };
        if weight.scale.is_some() {
            gather_quantized(work, node, weight);
        } else if matches!(work.tensor(weight.stored).dtype, DType::F16 | DType::BF16) {
            gather_half(work, node, weight.stored);
        }
    }
}

fn gather_half(work: &mut Work<'_>, node: usize, table: Edge) {
    let Some(output) = work.nodes[node].outputs.first().cloned() else { return };
    let stored = Tensor { dtype: work.tensor(table).dtype, ..output.clone() };
    let inputs = work.nodes[node].inputs.iter().flatten().skip(1).copied();
    let inputs = std::iter::once(table).chain(inputs).map(Some).collect();
    let source = work.nodes[node].source;
    let name = work.fresh_name("Gather");
    let gathered = work.add(Node {
        inputs,
        outputs: smallvec![stored],
        ..Node::named(name, work.nodes[node].op.clone(), Kind::Gather, source)
    });
    let convert = work.add(Node {
        op: Op::Convert { to: output.dtype },
        kind: Kind::Convert,
        name: work.nodes[node].name.clone(),
        originals: work.nodes[node].originals.clone(),
        inputs: smallvec![Some(Edge::of(gathered))],
        outputs: smallvec![output],
        source,
        ..Node::default()
    });
    work.replace(Edge::of(node), Edge::of(convert));
}

/// Where a matrix product shares the table, the zero point is converted when the model runs.
fn gather_quantized(work: &mut Work<'_>, node: usize, mut weight: Weight) {
    let is_shared = |work: &Work<'_>, edge: Edge| work.users(edge.node).iter().any(|&(user, _)| user != node);
    if let (Some(zero_point), Some(table)) = (weight.zero_point, work.nodes[node].input(0))
        && is_shared(work, table)
    {
        let tensor = Tensor { dtype: DType::F32, ..work.tensor(zero_point).clone() };
        let convert = work.add(Node {
            op: Op::Convert { to: DType::F32 },
            kind: Kind::Convert,
            inputs: smallvec![Some(zero_point)],
            outputs: smallvec![tensor],
            source: work.nodes[zero_point.node].source,
            ..Node::default()
        });
        weight.zero_point = Some(Edge::of(convert));
    }
    weight.scale = converted(work, weight.scale);
    let inputs = work.nodes[node].inputs.iter().flatten().skip(1).copied();
    let inputs: Vec<Edge> =
        std::iter::once(weight.stored).chain(inputs).chain(weight.scale).chain(weight.zero_point).collect();
    work.set_inputs(node, inputs);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::Broadcast;

    /// A quantised table that is gathered, and if `is_tied` is the head too.
    fn table(is_tied: bool) -> Net {
        let (mut net, f32, f16) = (Net::new(), DType::F32, DType::F16);
        let ids = net.input("ids", DType::I32, &[1, FREE]);
        let stored = net.weight("table", DType::U8, &[100, 8]);
        let stored = net.op("widen", Op::Convert { to: f16 }, &[stored], f16, &[100, 8]);
        let zero = net.weight("zero", DType::U8, &[100, 1]);
        let zero = net.op("widen_zero", Op::Convert { to: f16 }, &[zero], f16, &[100, 1]);
        let subtract = Op::Binary(Binary::Subtract, Broadcast::Numpy);
        let centred = net.op("subtract", subtract, &[stored, zero], f16, &[100, 8]);
        let scale = net.weight("scale", f16, &[100, 1]);
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let scaled = net.op("multiply", multiply, &[centred, scale], f16, &[100, 8]);
        let weight = net.op("convert", Op::Convert { to: f32 }, &[scaled], f32, &[100, 8]);
        let axis = net.int("axis", 0);
        let rows = net.op("gather", Op::Gather { batch_dims: 0 }, &[weight, ids, axis], f32, &[1, FREE, 8]);
        let out = match is_tied {
            true => {
                let head = Op::MatMul { transpose_a: false, transpose_b: true };
                net.op("head", head, &[rows, weight], f32, &[1, FREE, 100])
            }
            false => rows,
        };
        net.result("out", out);
        net
    }

    #[test]
    fn a_quantised_table_is_gathered_with_scale_and_zero_point() {
        let graph = table(false).execute(DYNAMIC);
        assert_eq!(super::super::testing::lines(&graph), ["Gather gather f32"]);
        let gather = graph.nodes.iter().find(|node| node.kind == Kind::Gather).unwrap();
        assert_eq!(gather.inputs.len(), 5);
    }

    #[test]
    fn a_shared_zero_point_is_converted_for_the_gather() {
        let lines = table(true).lines(DYNAMIC);
        assert_eq!(lines, ["Convert Convert f32", "Gather gather f32", "FullyConnected head f32"]);
    }
}
