//! The rewritten graph as the execution graph.

use super::work::{Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Reduce;
use crate::rewrite::Vertex;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, Kind, Output, Port};
use crate::schedule::NodeRef;
use smallvec::SmallVec;
use std::sync::Arc;

/// The nodes in execution order, with edges between steps.
///
/// What the graph under rewriting has of names goes with them.
pub(super) fn freeze(mut work: Work<'_>) -> Vec<ExecutedNode> {
    let order = work.order();
    let mut steps = vec![0_u32; work.nodes.len()];
    for (step, &index) in order.iter().enumerate() {
        steps[index] = step as u32;
    }
    let nameless: Arc<str> = "".into();
    let executed = |&index: &usize| {
        let n_pieces = n_pieces(&work, index);
        let node = &mut work.nodes[index];
        let name = std::mem::replace(&mut node.name, nameless.clone());
        let originals = std::mem::take(&mut node.originals);
        executed(node, (name, originals), &steps, n_pieces)
    };
    order.iter().map(executed).collect()
}

/// Pieces that a Slice copies: what follows the innermost dim that is cut, with it where it is cut without a stride.
fn n_pieces(work: &Work<'_>, node: usize) -> u64 {
    let of = &work.nodes[node];
    let (Op::Slice, Some(output)) = (&of.op, of.outputs.first()) else { return 0 };
    let (Some(axes), Some(steps)) = (work.ints(node, 4), work.ints(node, 3)) else { return 0 };
    let rank = output.dims.len();
    let axis = |axis: i64| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok();
    let innermost = axes.iter().zip(steps).filter_map(|(&at, &step)| Some((axis(at)?, step))).max();
    let Some((at, step)) = innermost else { return 0 };
    let from = if step == 1 { at } else { at + 1 };
    let piece = output.dims.iter().skip(from).fold(1_u64, |product, dim| product.saturating_mul(dim.size));
    output.elements().checked_div(piece).unwrap_or(0)
}

fn executed(
    node: &Vertex<Node>,
    (name, originals): (Arc<str>, SmallVec<[Arc<str>; 1]>),
    steps: &[u32],
    n_pieces: u64,
) -> ExecutedNode {
    let inputs = node.inputs().iter().flatten();
    let output = |tensor: &Tensor| Output {
        dtype: executed_type(&node.kind, tensor.dtype),
        dims: tensor.sizes(),
        is_dynamic: tensor.is_free(),
        layout: tensor.layout,
    };
    let outputs = node.outputs.iter().map(output);
    let is_nameless = node.kind == Kind::Reorder;
    ExecutedNode {
        kind: node.kind.clone(),
        name,
        originals: if is_nameless { SmallVec::new() } else { originals },
        source: NodeRef { graph: 0, node: node.source },
        inputs: inputs.map(|edge| Port { step: steps[edge.node()], port: edge.port() as u32 }).collect(),
        outputs: if matches!(node.kind, Kind::Output | Kind::MemoryOutput) {
            Default::default()
        } else {
            outputs.collect()
        },
        is_view: node.is_view,
        addend: node.addend,
        has_zero_point: node.has_zero_point,
        attention: node.attention.clone(),
        window: match &node.op {
            Op::Convolution(convolution) => Some(Box::new(convolution.window.clone())),
            Op::ConvolutionBackpropData(convolution) => Some(Box::new(convolution.window.clone())),
            _ => None,
        },
        has_parts: matches!(node.op, Op::Reduce { kind, .. } if has_parts(kind)),
        is_mapped: node.is_mapped,
        inner: node.inner.iter().map(output).collect(),
        n_pieces,
    }
}

/// Whether a reduction of parts, reduced again, is that of the whole.
///
/// Source: `support_split`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/reduce.cpp.
fn has_parts(kind: Reduce) -> bool {
    !matches!(kind, Reduce::L2 | Reduce::LogSumExp | Reduce::SumSquare)
}

/// The type that the plugin computes in where it does not have the file's.
///
/// Source: `ConvertPrecision` in OpenVINO 2026.4, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.
fn executed_type(kind: &Kind, dtype: DType) -> DType {
    match dtype {
        _ if *kind == Kind::Input => dtype,
        DType::I64 | DType::U64 | DType::I16 | DType::U16 | DType::U32 => DType::I32,
        DType::F64 => DType::F32,
        DType::Boolean => DType::U8,
        other => other,
    }
}
