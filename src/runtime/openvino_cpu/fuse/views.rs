//! Which Gathers, Splits and Concats share bytes with what they read, and the copies that in-place nodes need.
//!
//! * Gather: one constant index, a known axis dim, 1s before it, no change of type. Split: the same for its axis and
//!   parts. Concat: the same, no constant input; channels-last along the first dim alone. Dims count as they were known when
//!   the model was compiled.
//! * A norm behind a view and arithmetic on a part of a Split or on views of a convolution's sum get a Reorder, all with static
//!   dims alone; [`in_place`] inserts the others.
//!
//! Source: `initOptimalPrimitiveDescriptor` of gather.cpp, split.cpp, concat.cpp and
//! `Graph::ResolveComplexInplaceConflicts`, OpenVINO 2026.4, src/plugins/intel_cpu/src. The copies rest on single cases.

use super::in_place::{self, copy};
use super::work::{Dim, Edge, Work};
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::{Kind, Layout};

/// Marks views and puts the copies in.
pub(super) fn settle(work: &mut Work<'_>) {
    let order = work.order();
    for &node in order.iter() {
        let is_view = match work.nodes[node].kind {
            Kind::Gather => is_gather_view(work, node),
            Kind::Split => is_split_view(work, node),
            Kind::Concat => is_concat_view(work, node),
            _ => continue,
        };
        work.nodes[node].is_view = is_view;
    }
    in_place::settle(work);
    let parts = Parts::of(work, &order);
    for &node in order.iter() {
        match work.nodes[node].kind {
            Kind::Mvn if !work.is_dynamic => copy_around_norm(work, node),
            Kind::Subgraph if work.nodes[node].attention.is_none() => {
                copy_part(work, node, &parts);
                copy_sum(work, node);
            }
            Kind::Subgraph if is_in_place(work, node) => copy_reshaped_part(work, node, &parts),
            Kind::Eltwise => copy_sum(work, node),
            _ => {}
        }
    }
}

/// Whether the dim at `axis` is known, and all before it are 1.
fn is_outermost(dims: &[Dim], axis: i64) -> bool {
    let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
    let Ok(axis) = usize::try_from(axis) else { return false };
    let is_one = |dim: &Dim| dim.known() == Some(1);
    dims.get(axis).is_some_and(|dim| !dim.is_free()) && dims.iter().take(axis).all(is_one)
}

fn is_gather_view(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let (Some(data), Some(&[axis])) = (of.input(0), work.ints(node, 2)) else { return false };
    let is_one_index = work.ints(node, 1).is_some_and(|indices| indices.len() == 1);
    // Integers of the model are of 32 bits by now.
    let narrowed = |dtype: DType| if dtype == DType::I64 { DType::I32 } else { dtype };
    let same_type =
        of.outputs.first().is_some_and(|output| narrowed(output.dtype) == narrowed(work.tensor(data).dtype));
    is_one_index
        && same_type
        && of.inputs().len() == 3
        && !work.nodes[data.node()].is_const()
        && is_outermost(&work.tensor(data).dims, axis)
}

fn is_split_view(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let (Some(data), Some(&[axis])) = (of.input(0), work.ints(node, 1)) else { return false };
    work.tensor(data).layout == Layout::Plain
        && is_outermost(&work.tensor(data).dims, axis)
        && of.outputs.iter().all(|output| is_outermost_of(&output.dims, axis))
}

fn is_outermost_of(dims: &[Dim], axis: i64) -> bool {
    let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
    usize::try_from(axis).ok().and_then(|axis| dims.get(axis)).is_some_and(|dim| !dim.is_free())
}

fn is_concat_view(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let (Op::Concat { axis }, Some(output)) = (&of.op, of.outputs.first()) else { return false };
    let producers: Vec<Edge> = of.inputs().iter().flatten().copied().collect();
    let reads_const = producers.iter().any(|edge| is_constant(work, edge.node()));
    let reads_empty = producers.iter().any(|edge| work.tensor(*edge).is_empty());
    let is_inside = output.layout == Layout::ChannelsLast && output.dims.len() > 2 && *axis != 0;
    !is_inside && is_outermost(&output.dims, *axis) && !reads_const && !reads_empty
}

/// A constant, or one that was reordered.
fn is_constant(work: &Work<'_>, node: usize) -> bool {
    work.nodes[node].is_const() || work.nodes[node].kind == Kind::Reorder && work.reads_const(node, 0)
}

/// Which nodes write views of parts of other tensors.
///
/// Found for all nodes at once: a chain of Reshapes may have a reader at each, and each would be followed
/// to the top. It holds while copies are made, since none comes between such a part and a Reshape of it.
struct Parts {
    /// By node: a Gather or a Split, through Reshapes.
    of_another: Vec<bool>,
    /// By node: a Split, through Reshapes and rotations in place.
    of_split: Vec<bool>,
}

impl Parts {
    /// Finds them, inputs before users.
    fn of(work: &Work<'_>, order: &[usize]) -> Parts {
        let n_nodes = work.nodes.len();
        let mut parts = Parts { of_another: vec![false; n_nodes], of_split: vec![false; n_nodes] };
        for &node in order {
            let of = &work.nodes[node];
            let above = |parts: &[bool]| work.producer(node, 0).is_some_and(|producer| parts[producer]);
            let (of_another, of_split) = match of.kind {
                Kind::Gather => (of.is_view, false),
                Kind::Split => (of.is_view, of.is_view),
                Kind::Reshape => (above(&parts.of_another), above(&parts.of_split)),
                Kind::Rope if of.is_view => (false, above(&parts.of_split)),
                _ => continue,
            };
            parts.of_another[node] = of_another;
            parts.of_split[node] = of_split;
        }
        parts
    }
}

/// A norm of one token that is a view of all: copies before the view and behind the norm.
fn copy_around_norm(work: &mut Work<'_>, norm: usize) {
    let Some(gather) = work.producer(norm, 0) else { return };
    if work.nodes[gather].kind != Kind::Gather || !work.nodes[gather].is_view {
        return;
    }
    // A change of type or layout is a copy already, and what nothing else reads may be there.
    let is_shared =
        |edge: &Edge| work.nodes[edge.node()].kind != Kind::Reorder && work.only_user(edge.node()).is_none();
    if let Some(edge) = work.nodes[gather].input(0).filter(is_shared) {
        copy(work, gather, 0, edge);
    }
    for (user, input) in work.users(norm).to_vec() {
        copy(work, user, input, Edge::of(norm));
    }
}

/// Arithmetic in place on one part of a Split would overwrite what other parts are read from.
fn copy_part(work: &mut Work<'_>, node: usize, parts: &Parts) {
    let Some(edge) = work.nodes[node].input(0).filter(|_| work.nodes[node].inputs().len() == 1) else {
        return;
    };
    // What reads a Split itself is not in place: the Split has other readers. A rotation in place is a view itself.
    let is_split = work.nodes[edge.node()].kind == Kind::Split;
    let is_part = !is_split && parts.of_split.get(edge.node()) == Some(&true);
    if is_part || work.nodes[edge.node()].kind == Kind::Rope && work.nodes[edge.node()].is_view {
        copy(work, node, 0, edge);
    }
}

/// An attention in place on a part of a Split that has other dims by then.
fn copy_reshaped_part(work: &mut Work<'_>, node: usize, parts: &Parts) {
    let Some(edge) = work.nodes[node].input(0) else { return };
    if work.nodes[edge.node()].kind == Kind::Reshape && parts.of_another.get(edge.node()) == Some(&true) {
        copy(work, node, 0, edge);
    }
}

/// Whether a Subgraph of known dims writes over its first input: nothing else reads any of its inputs.
///
/// Source: `Subgraph::canBeInPlace`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/subgraph.cpp.
fn is_in_place(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let is_only = |edge: &Edge| work.only_user(edge.node()).is_some();
    let (Some(first), Some(output)) = (of.input(0), of.outputs.first()) else { return false };
    !work.is_dynamic
        && work.nodes[first.node()].kind != Kind::Input
        && work.only_user(node).is_some()
        && of.inputs().iter().flatten().all(is_only)
        && work.tensor(first).dims == output.dims
}

/// Arithmetic in place on a sum that a convolution wrote over its addend, seen through views and norms in place.
///
/// Both ends want the bytes between them: the views take the convolution's, and the arithmetic gets a copy.
///
/// Source: `Node::resolveInPlaceDirection` and `Edge::enforceReorder`, OpenVINO 2026.4, src/plugins/intel_cpu/src.
fn copy_sum(work: &mut Work<'_>, node: usize) {
    let of = &work.nodes[node];
    let Some(edge) = of.input(0) else { return };
    let is_only = |edge: &Edge| work.only_user(edge.node()).is_some();
    let is_in_place = of.inputs().iter().flatten().all(is_only)
        && (of.kind == Kind::Eltwise || work.only_user(node).is_some())
        && of.outputs.first().is_some_and(|output| !output.is_free() && *output == *work.tensor(edge));
    let mut above = edge.node();
    let mut n_views = 0;
    while is_in_place
        && matches!(work.nodes[above].kind, Kind::Reshape | Kind::Mvn | Kind::Reorder)
        && work.only_user(above).is_some()
        && let Some(producer) = work.producer(above, 0)
    {
        n_views += usize::from(work.nodes[above].kind != Kind::Reorder);
        above = producer;
    }
    if n_views > 0 && work.nodes[above].addend.is_some() {
        copy(work, node, 0, edge);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;
    use crate::graph::op::{AxisSpan, Convolution, FilterLayout, ReshapeZero};

    fn gathered(dims: &[i64], axis: i64, out: &[i64]) -> bool {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, dims);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, dims);
        let (index, axis) = (net.int("index", 0), net.int("axis", axis));
        let out = net.op("gather", Op::Gather { batch_dims: 0 }, &[x, index, axis], f32, out);
        net.result("out", out);
        let graph = net.execute(DYNAMIC);
        graph.nodes.iter().find(|node| node.kind == Kind::Gather).unwrap().is_view
    }

    #[test]
    fn a_row_of_the_outermost_known_dim_is_a_view() {
        assert!(gathered(&[3, FREE, 8], 0, &[FREE, 8]));
        assert!(gathered(&[1, 4, FREE], 1, &[1, FREE]));
        assert!(!gathered(&[FREE, 8], 0, &[8]));
        assert!(!gathered(&[FREE, 4, 8], 1, &[FREE, 8]));
    }

    /// A Subgraph of an attention, of known dims, whose queries are a reshaped part of a Split.
    fn parted() -> usize {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[3, 1, 2, 5, 8]);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[3, 1, 2, 5, 8]);
        let axis = net.int("axis", 0);
        let part: &[i64] = &[1, 1, 2, 5, 8];
        let parts =
            net.split("parts", Op::Split { parts: 3, allow_uneven: false }, &[x, axis], f32, &[part; 3]);
        let heads = net.ints("heads", &[1, 2, 5, 8]);
        let reshape = || Op::Reshape(ReshapeZero::IsZero);
        let [q, k, v]: [_; 3] = std::array::from_fn(|at| {
            net.op(&format!("part{at}"), reshape(), &[parts[at], heads], f32, &[1, 2, 5, 8])
        });
        let op = Op::ScaledDotProductAttention { causal: false };
        let out = net.op("sdpa", op, &[q, k, v], f32, &[1, 2, 5, 8]);
        let out = net.op("behind", Op::Softmax(AxisSpan::LAST), &[out], f32, &[1, 2, 5, 8]);
        net.result("out", out);
        net.lines(STATIC).iter().filter(|line| line.starts_with("Reorder")).count()
    }

    /// Whether two maps of a Convolution are joined without work.
    fn joined(axis: i64, out: &[i64]) -> bool {
        let (mut net, f32, dims) = (Net::new(), DType::F32, &[1, 4, 6][..]);
        let x = net.input("x", f32, &[1, 3, 8]);
        let maps = ["first", "second"].map(|name| {
            let filters = net.weight(&format!("{name}_filters"), f32, &[4, 3, 3]);
            let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
            net.op(name, Op::Convolution(Box::new(op)), &[x, filters], f32, dims)
        });
        let joined = net.op("joined", Op::Concat { axis }, &maps, f32, out);
        let out = net.op("behind", Op::Softmax(AxisSpan::LAST), &[joined], f32, out);
        net.result("out", out);
        let graph = net.execute(STATIC);
        let concat = graph.nodes.iter().find(|node| node.kind == Kind::Concat).unwrap();
        assert_eq!(concat.outputs[0].layout, Layout::ChannelsLast);
        concat.is_view
    }

    #[test]
    fn channels_last_only_whole_maps_are_joined_without_work() {
        assert!(joined(0, &[2, 4, 6]));
        assert!(!joined(2, &[1, 4, 12]));
        assert!(!joined(1, &[1, 8, 6]));
    }

    #[test]
    fn an_attention_in_place_on_a_part_reads_a_copy() {
        assert_eq!(parted(), 1);
    }
}
