//! The rewritten graph as the execution graph.

use super::attention_dims::AttentionDims;
use super::dim::{Dim, Place};
use super::work::{Node, Tensor, Work};
use crate::DType;
use crate::graph::op::Reduce;
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
use crate::rewrite::Vertex;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, Kind, Output, Port};
use crate::schedule::NodeRef;
use crate::shape::{Bound, Shapes};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// What of executed nodes depends on free dims of the file.
#[derive(Debug, Default)]
pub(super) struct Free {
    /// Dims of outputs: step, port and axis, and which dim of the file it is.
    pub outputs: Vec<((u32, u32, u32), Place)>,
    /// The same of inner tensors.
    pub inner: Vec<((u32, u32, u32), Place)>,
    /// Sizes of attentions, by step.
    pub attentions: Vec<(u32, AttentionDims)>,
    /// What counts the pieces of a Slice, by step: the dims before its pieces, and those within one.
    pub pieces: Vec<(u32, usize)>,
}

/// The nodes in execution order, with edges between steps; where free dims are asked for, they are put there.
///
/// There may be millions of nodes, and two whole lists of them would be the most memory of an analysis: those under rewriting go
/// as executed ones are made of them, the last ones first, which are put in order in their place.
pub(super) fn freeze(work: Work<'_>, free: Option<&mut Free>) -> Vec<ExecutedNode> {
    let order = work.order();
    if let Some(free) = free {
        for (step, &index) in (0..).zip(order.iter()) {
            free.add(&work, step, index);
        }
    }
    let mut steps = vec![u32::MAX; work.nodes.len()];
    let mut n_pieces = FxHashMap::default();
    for (step, &index) in (0_u32..).zip(order.iter()) {
        steps[index] = step;
        if let Some(from) = piece(&work, index) {
            n_pieces.insert(step, self::n_pieces(&work.nodes[index].outputs[0].replaceable_sizes(), from));
        }
    }
    let mut executed_nodes = Vec::with_capacity(order.len());
    let mut places = Vec::with_capacity(order.len());
    drop(order);
    let (graph, shapes) = (work.graph, work.shapes);
    work.into_nodes().for_each_from_last(|index, node| {
        let step = steps[index];
        if step != u32::MAX {
            let depends_on_data = depends_on_data(graph, shapes, node.source);
            let n_pieces = n_pieces.get(&step).copied().unwrap_or(0);
            executed_nodes.push(ExecutedNode { depends_on_data, n_pieces, ..executed(node, &steps) });
            places.push(step);
        }
    });
    put_in_order(&mut executed_nodes, &mut places);
    executed_nodes
}

/// Entries that are put in order within a processor's caches.
const NEAR: usize = 1 << 12;

/// Moves every entry to its place, where each place is named once: first near it, next to where the one before went, then there.
fn put_in_order<T>(entries: &mut [T], places: &mut [u32]) {
    let mut next: Vec<usize> = (0..entries.len()).step_by(NEAR).collect();
    for part in 0..next.len() {
        let end = entries.len().min((part + 1) * NEAR);
        while next[part] < end {
            let at = next[part];
            let home = places[at] as usize / NEAR;
            if home != part {
                entries.swap(at, next[home]);
                places.swap(at, next[home]);
            }
            next[home] += 1;
        }
    }
    for (part, (entries, places)) in entries.chunks_mut(NEAR).zip(places.chunks_mut(NEAR)).enumerate() {
        for at in 0..entries.len() {
            while places[at] as usize != part * NEAR + at {
                let place = places[at] as usize - part * NEAR;
                entries.swap(at, place);
                places.swap(at, place);
            }
        }
    }
}

impl Free {
    fn add(&mut self, work: &Work<'_>, step: u32, index: usize) {
        let node = &work.nodes[index];
        if !has_no_outputs(&node.kind) {
            add_dims(&mut self.outputs, step, &node.outputs);
        }
        add_dims(&mut self.inner, step, &node.inner);
        let is_free = |dims: &&AttentionDims| dims.dims().any(Dim::is_free);
        self.attentions.extend(node.attention.as_deref().filter(is_free).map(|dims| (step, dims.clone())));
        self.pieces.extend(piece(work, index).map(|from| (step, from)));
    }
}

fn add_dims(free: &mut Vec<((u32, u32, u32), Place)>, step: u32, tensors: &[Tensor]) {
    for (port, tensor) in (0..).zip(tensors) {
        for (axis, dim) in (0..).zip(&tensor.dims) {
            if let Some(place) = dim.place() {
                free.push(((step, port, axis), place));
            }
        }
    }
}

/// Pieces of a tensor of these dims, each of the dims from an axis on.
pub(super) fn n_pieces(dims: &[u64], from: usize) -> u64 {
    let product = |dims: &[u64]| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    product(dims).checked_div(product(dims.get(from..).unwrap_or_default())).unwrap_or(0)
}

/// The first dim within a piece that a Slice copies: what follows the innermost dim that is cut, with it where it is cut
/// without a stride.
fn piece(work: &Work<'_>, node: usize) -> Option<usize> {
    let of = &work.nodes[node];
    let (Op::Slice, Some(output)) = (&of.op, of.outputs.first()) else { return None };
    let (axes, steps) = (work.ints(node, 4)?, work.ints(node, 3)?);
    let rank = output.dims.len();
    let axis = |axis: i64| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok();
    let innermost = axes.iter().zip(steps).filter_map(|(&at, &step)| Some((axis(at)?, step))).max();
    let (at, step) = innermost?;
    Some(if step == 1 { at } else { at + 1 })
}

fn executed(node: Vertex<Node>, steps: &[u32]) -> ExecutedNode {
    let inputs = node.inputs().iter().flatten();
    let output = |tensor: &Tensor| Output {
        dtype: executed_type(&node.kind, tensor.dtype),
        dims: tensor.replaceable_sizes(),
        is_dynamic: tensor.is_free(),
        layout: tensor.layout,
    };
    let outputs = node.outputs.iter().map(output);
    let is_nameless = node.kind == Kind::Reorder;
    ExecutedNode {
        kind: node.kind.clone(),
        name: node.name.clone(),
        originals: if is_nameless { SmallVec::new() } else { node.originals.clone() },
        source: NodeRef { graph: 0, node: node.source },
        inputs: inputs.map(|edge| Port { step: steps[edge.node()], port: edge.port() as u32 }).collect(),
        outputs: if has_no_outputs(&node.kind) { Default::default() } else { outputs.collect() },
        is_view: node.is_view,
        addend: node.addend,
        zero_points: node.zero_points,
        shares_kernel: !node.has_own_numbers && node.addend.is_none(),
        attention: node.attention.as_ref().map(|dims| Box::new(dims.sizes(Dim::replaceable))),
        window: match &node.op {
            Op::Convolution(convolution) => Some(Box::new(convolution.window.clone())),
            Op::ConvolutionBackpropData(convolution) => Some(Box::new(convolution.window.clone())),
            _ => None,
        },
        has_parts: matches!(node.op, Op::Reduce { kind, .. } if has_parts(kind)),
        is_mapped: node.is_mapped,
        inner: node.inner.iter().map(output).collect(),
        n_pieces: 0,
        depends_on_data: false,
    }
}

/// Whether what it writes is the user's, or a state.
fn has_no_outputs(kind: &Kind) -> bool {
    matches!(kind, Kind::Output | Kind::MemoryOutput)
}

fn depends_on_data(graph: &Graph, shapes: &Shapes, source: NodeId) -> bool {
    graph.outputs(source).any(|tensor| shapes.tensor(tensor).bound != Bound::Exact)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_any_order_are_put_in_order() {
        for count in [0, 1, NEAR, 3 * NEAR + 5] {
            // A step that shares no factor with the count visits every place once.
            let step = if count % 7 == 0 { 3 } else { 7 };
            let places: Vec<u32> = (0..count).map(|at| (at * step % count) as u32).collect();
            let mut entries = places.clone();
            put_in_order(&mut entries, &mut places.clone());
            assert!(entries.is_sorted(), "{count} entries in steps of {step}");
        }
    }
}
