//! Weights as they are stored.
//!
//! A weight's chain `Const → [Convert] → [Subtract zero point] → [Multiply scale] → [Reshape] → [Convert]` is not a node:
//! its reader takes the constant itself, the scale and the zero point. A table of f16 is gathered as f16, and the
//! Convert behind the Gather carries the Gather's name.
//!
//! Source: `MarkDequantization`, `MoveDecompressionAfterGather` and `ConvertGatherToGatherCompressed`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations.

use super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::runtime::openvino_cpu::execution::Kind;
use crate::runtime::openvino_cpu::release::Change;

/// A weight as it is in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weight {
    /// The stored elements.
    pub stored: Edge,
    /// What they are multiplied with.
    pub scale: Option<Edge>,
    /// What is subtracted from them before.
    pub zero_point: Option<Edge>,
}

/// The stored weight behind a tensor; `None` if the tensor is not a weight.
pub(super) fn behind(work: &Work<'_>, edge: Edge) -> Option<Weight> {
    let mut weight = Weight { stored: edge, scale: None, zero_point: None };
    for _ in 0..8 {
        let node = &work.nodes[weight.stored.node()];
        match node.op {
            _ if node.is_const() => return Some(weight),
            Op::Convert { .. } => weight.stored = node.input(0)?,
            Op::Reshape(_) if work.reads_const(weight.stored.node(), 1) => weight.stored = node.input(0)?,
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
        let node = &work.nodes[edge.node()];
        match node.kind {
            Kind::Const => return Some(edge),
            Kind::Convert | Kind::Reshape => edge = node.input(0)?,
            _ => return None,
        }
    }
    None
}

/// Converts a scale to f32 when the model is compiled, as the plugin keeps it.
pub(super) fn convert_scale(work: &Work<'_>, scale: Option<Edge>, patch: &mut Patch) {
    if let Some(scale) = scale
        && work.tensor(scale).dtype != DType::F32
    {
        patch.change(scale.node(), move |node| {
            node.is_mapped = false;
            let tensor = node.outputs.get_mut(scale.port());
            tensor.into_iter().for_each(|tensor| tensor.dtype = DType::F32);
        });
    }
}

/// Gathers from tables as they are stored.
pub(super) const RULE: Rule = Rule {
    name: "gather-weights",
    source: "MarkDequantization, MoveDecompressionAfterGather, ConvertGatherToGatherCompressed",
    on: |node| matches!(node.op, Op::Gather { batch_dims: 0 }),
    apply: gather,
    repeats: false,
};

fn gather(work: &Work<'_>, node: usize) -> Option<Patch> {
    let table = work.nodes[node].input(0)?;
    if work.nodes[table.node()].is_const() {
        return None;
    }
    let weight = behind(work, table)?;
    if weight.scale.is_some() {
        Some(gather_quantized(work, node, weight))
    } else if matches!(work.tensor(weight.stored).dtype, DType::F16 | DType::BF16)
        && !is_converted_whole(work, table, weight.stored)
    {
        gather_half(work, node, weight.stored)
    } else {
        None
    }
}

/// Whether the table is converted before it is looked up in, as older releases do where something else reads it too.
fn is_converted_whole(work: &Work<'_>, table: Edge, stored: Edge) -> bool {
    let is_shared = |edge: Edge| work.users(edge.node()).len() > 1;
    work.options.release.has(Change::ConvertsSharedTables) && (is_shared(table) || is_shared(stored))
}

fn gather_half(work: &Work<'_>, node: usize, table: Edge) -> Option<Patch> {
    let of = &work.nodes[node];
    let output = of.outputs.first()?;
    let stored = Tensor { dtype: work.tensor(table).dtype, ..output.clone() };
    let inputs = of.inputs().iter().flatten().skip(1).copied();
    let mut patch = Patch::new(work);
    let name = patch.fresh_name("Gather");
    let gathered = Node::named(name, of.op.clone(), Kind::Gather, of.source).writing(stored);
    let gathered = patch.add(gathered, std::iter::once(table).chain(inputs));
    let convert = Op::Convert { to: output.dtype };
    let convert = Node {
        originals: of.originals.clone(),
        ..Node::named(of.name.clone(), convert, Kind::Convert, of.source).writing(output.clone())
    };
    let convert = patch.add(convert, [Edge::of(gathered)]);
    patch.replace(Edge::of(node), Edge::of(convert));
    Some(patch)
}

/// Where a matrix product shares the table, the zero point is converted when the model runs.
fn gather_quantized(work: &Work<'_>, node: usize, mut weight: Weight) -> Patch {
    let is_shared = |edge: Edge| work.users(edge.node()).iter().any(|&(user, _)| user != node);
    let mut patch = Patch::new(work);
    if let (Some(zero_point), Some(table)) = (weight.zero_point, work.nodes[node].input(0))
        && is_shared(table)
    {
        let tensor = Tensor { dtype: DType::F32, ..work.tensor(zero_point).clone() };
        let source = work.nodes[zero_point.node()].source;
        let convert = Node::nameless(Op::Convert { to: DType::F32 }, Kind::Convert, source).writing(tensor);
        weight.zero_point = Some(Edge::of(patch.add(convert, [zero_point])));
    }
    convert_scale(work, weight.scale, &mut patch);
    let inputs = work.nodes[node].inputs().iter().flatten().skip(1).copied();
    let inputs = std::iter::once(weight.stored).chain(inputs).chain(weight.scale).chain(weight.zero_point);
    patch.set_inputs(node, inputs);
    patch
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

    /// A table under `scale`, which is a constant or is computed in the run.
    fn scaled(is_known: bool, dtype: DType) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let ids = net.input("ids", DType::I32, &[1, FREE]);
        let stored = net.weight("table", dtype, &[100, 8]);
        let stored = net.op("widen", Op::Convert { to: f32 }, &[stored], f32, &[100, 8]);
        let scale =
            if is_known { net.weight("scale", f32, &[100, 1]) } else { net.input("scale", f32, &[100, 1]) };
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let weight = net.op("multiply", multiply, &[stored, scale], f32, &[100, 8]);
        let axis = net.int("axis", 0);
        let rows = net.op("gather", Op::Gather { batch_dims: 0 }, &[weight, ids, axis], f32, &[1, FREE, 8]);
        net.result("out", rows);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_table_whose_scale_is_no_constant_is_gathered_as_computed() {
        assert_eq!(scaled(true, DType::U8), ["Gather gather f32"]);
        let computed = scaled(false, DType::U8);
        assert!(computed.iter().any(|line| line.contains("multiply")), "{computed:?}");
    }

    #[test]
    fn a_table_of_single_precision_is_gathered_as_it_is() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let ids = net.input("ids", DType::I32, &[1, FREE]);
        let (table, axis) = (net.weight("table", f32, &[100, 8]), net.int("axis", 0));
        let rows = net.op("gather", Op::Gather { batch_dims: 0 }, &[table, ids, axis], f32, &[1, FREE, 8]);
        net.result("out", rows);
        let graph = net.execute(DYNAMIC);
        assert_eq!(super::super::testing::lines(&graph), ["Gather gather f32"]);
        let gather = graph.nodes.iter().find(|node| node.kind == Kind::Gather).unwrap();
        assert_eq!(gather.inputs.len(), 3);
    }

    #[test]
    fn a_shared_zero_point_is_converted_for_the_gather() {
        let lines = table(true).lines(DYNAMIC);
        assert_eq!(lines, ["Convert Convert f32", "Gather gather f32", "FullyConnected head f32"]);
    }
}
