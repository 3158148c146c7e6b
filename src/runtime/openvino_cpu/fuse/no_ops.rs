//! Pass 4: conversions that change nothing, and reshapes of reshapes.
//!
//! * A Convert to the type its input has, or between i64 and i32 behind anything but a parameter, is gone: the plugin
//!   has no i64.
//! * Of Unsqueeze, Squeeze and Reshape on top of each other the last is left, reading what the first read: an Unsqueeze
//!   or Squeeze with at most one free dim always; a Reshape that alone reads the other, if no dim but the first is free
//!   before and behind it, or if both patterns are constant and copy no dim.
//! * A Reshape, Broadcast, Tile, Pad, Slice, Transpose or Gather that changes nothing is gone; a Gather of the only
//!   element of a known dim is a Reshape.
//! * ShapeOf with an i32 output gets a made-up name.
//!
//! Source: `ConvertPrecision`, `NopElimination` and `ReshapeSequenceFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations.

use super::weights;
use super::work::{Dim, Edge, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::ReshapeZero;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// Removes what does nothing.
pub(super) fn remove(work: &mut Work<'_>) {
    for node in work.model_order() {
        if !work.is_alive(node) {
            continue;
        }
        match work.nodes[node].op {
            Op::Convert { .. } => convert(work, node),
            Op::Identity => pass_through(work, node),
            Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze => reshape(work, node),
            Op::Pad(_) => pad(work, node),
            Op::Gather { .. } => gather(work, node),
            Op::Broadcast(_) | Op::Tile => repeat(work, node),
            Op::Slice | Op::StridedSlice(_) => slice(work, node),
            Op::Concat { .. } | Op::Split { .. } if is_single(work, node) => pass_first_through(work, node),
            Op::ShapeOf { to: DType::I32, .. } if !work.nodes[node].name.contains('#') => {
                let name = work.fresh_name("ShapeOf");
                work.nodes[node].originals = smallvec![name.clone()];
                work.nodes[node].name = name;
            }
            _ => {}
        }
    }
}

fn pass_through(work: &mut Work<'_>, node: usize) {
    if let ([Some(input)], [_]) = (&work.nodes[node].inputs[..], &work.nodes[node].outputs[..]) {
        let input = *input;
        work.replace(Edge::of(node), input);
    }
}

fn convert(work: &mut Work<'_>, node: usize) {
    let Some(input) = work.nodes[node].input(0) else { return };
    let (from, to) = (work.tensor(input).dtype, work.nodes[node].outputs[0].dtype);
    let is_index = |dtype| matches!(dtype, DType::I32 | DType::I64);
    let is_parameter = work.nodes[input.node].kind == Kind::Input;
    if from == to || is_index(from) && is_index(to) && !is_parameter {
        work.replace(Edge::of(node), input);
    }
}

fn reshape(work: &mut Work<'_>, node: usize) {
    let is_reshape =
        |node: usize| matches!(work.nodes[node].op, Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze);
    let Some(input) = work.nodes[node].input(0) else { return };
    let first = input.node;
    let (before, after) = (&work.tensor(input).dims, &work.nodes[node].outputs[0].dims);
    let is_squeeze = !matches!(work.nodes[node].op, Op::Reshape(_));
    let n_free = after.iter().filter(|dim| dim.is_free).count();
    let is_first_alone = |dims: &[Dim]| dims.iter().skip(1).all(|dim| !dim.is_free);
    let is_settled = is_first_alone(before) && is_first_alone(after);
    let is_plain = |node: usize| match work.nodes[node].op {
        Op::Reshape(_) => work.ints(node, 1).is_some_and(|pattern| !pattern.contains(&0)),
        _ => work.reads_const(node, 1),
    };
    let is_determined = !is_squeeze && is_reshape(first) && is_plain(first) && is_plain(node);
    if before == after && (is_settled || is_determined || before.len() == 1) {
        work.replace(Edge::of(node), input);
        return;
    }
    if !is_reshape(first) || work.nodes[first].outputs.len() != 1 {
        return;
    }
    let both_unsqueeze = [first, node].iter().all(|&node| matches!(work.nodes[node].op, Op::Unsqueeze));
    let is_only = work.only_user(first).is_some();
    let may_merge = if is_squeeze {
        !after.is_empty() && n_free < 2 || both_unsqueeze || is_plain(first) && is_plain(node)
    } else {
        is_only && (is_settled || is_plain(first) && is_plain(node))
    };
    let Some(source) = work.nodes[first].input(0).filter(|_| may_merge) else { return };
    if work.tensor(source).dims == *after && n_free == 0 {
        work.replace(Edge::of(node), source);
        return;
    }
    let dims: Vec<i64> = after.iter().map(|dim| if dim.is_free { -1 } else { dim.size as i64 }).collect();
    let pattern = work.add_ints(&dims, work.nodes[node].source);
    work.nodes[node].op = Op::Reshape(ReshapeZero::IsZero);
    work.set_inputs(node, [source, pattern]);
}

/// Whether a Concat has one input, or a Split one output.
fn is_single(work: &Work<'_>, node: usize) -> bool {
    match work.nodes[node].op {
        Op::Concat { .. } => work.nodes[node].inputs.len() == 1,
        _ => work.nodes[node].outputs.len() == 1,
    }
}

fn pass_first_through(work: &mut Work<'_>, node: usize) {
    if let Some(input) = work.nodes[node].input(0) {
        work.replace(Edge::of(node), input);
    }
}

fn pad(work: &mut Work<'_>, node: usize) {
    let is_zero = |index: usize| work.ints(node, index).is_some_and(|pads| pads.iter().all(|&pad| pad == 0));
    if is_zero(1) && is_zero(2) {
        pass_first_through(work, node);
    }
}

/// Whether input and output have the same dims, all known when the model is compiled.
fn keeps_known_dims(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let (Some(input), Some(output)) = (of.input(0), of.outputs.first()) else { return false };
    !output.is_free() && work.tensor(input).dims == output.dims
}

fn repeat(work: &mut Work<'_>, node: usize) {
    let is_once = work.ints(node, 1).is_some_and(|times| times.iter().all(|&times| times == 1));
    let rank = |edge: Option<Edge>| edge.map(|edge| work.tensor(edge).dims.len());
    let same_rank = rank(work.nodes[node].input(0)) == Some(work.nodes[node].outputs[0].dims.len());
    if is_once && same_rank || keeps_known_dims(work, node) {
        pass_first_through(work, node);
    }
}

fn slice(work: &mut Work<'_>, node: usize) {
    let is_forward = work.ints(node, 3).is_none_or(|steps| steps.iter().all(|&step| step > 0));
    if is_forward && keeps_known_dims(work, node) {
        pass_first_through(work, node);
    }
}

fn gather(work: &mut Work<'_>, node: usize) {
    let (Some(data), Some(&[axis])) = (work.nodes[node].input(0), work.ints(node, 2)) else { return };
    let is_weight = weights::behind(work, data).is_some();
    let dims = &work.tensor(data).dims;
    let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
    let Some(dim) = usize::try_from(axis).ok().and_then(|axis| dims.get(axis)) else { return };
    let Some(indices) = work.ints(node, 1) else { return };
    if is_weight || work.tensor(data).is_free() {
        return;
    }
    let output = &work.nodes[node].outputs[0].dims;
    let takes_all = indices.iter().copied().eq(0..dim.size as i64);
    if *output == *dims && takes_all {
        pass_first_through(work, node);
    } else if takes_all && dim.size == 1 && output.len() + 1 == dims.len() {
        let pattern: Vec<i64> = output.iter().map(|dim| dim.size as i64).collect();
        let pattern = work.add_ints(&pattern, work.nodes[node].source);
        work.nodes[node].op = Op::Reshape(ReshapeZero::IsZero);
        work.nodes[node].kind = Kind::Reshape;
        work.set_inputs(node, [data, pattern]);
        reshape(work, node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;

    fn unsqueezed_twice() -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let (zero, one) = (net.ints("zero", &[0]), net.ints("one", &[1]));
        let first = net.op("first", Op::Unsqueeze, &[x, zero], DType::F32, &[1, FREE, 8]);
        let second = net.op("second", Op::Unsqueeze, &[first, one], DType::F32, &[1, 1, FREE, 8]);
        net.result("out", second);
        net
    }

    #[test]
    fn of_two_reshapes_the_last_is_left() {
        assert_eq!(unsqueezed_twice().lines(DYNAMIC), ["Reshape second f32"]);
    }

    #[test]
    fn a_pattern_that_copies_dims_keeps_both_where_dims_are_free() {
        let make = || {
            let mut net = Net::new();
            let x = net.input("x", DType::F32, &[FREE, FREE, 8]);
            let (pattern, axis) = (net.ints("pattern", &[0, 0, 2, 4]), net.ints("axis", &[0]));
            let reshape = Op::Reshape(ReshapeZero::CopiesDim);
            let first = net.op("first", reshape, &[x, pattern], DType::F32, &[FREE, FREE, 2, 4]);
            let second = net.op("second", Op::Unsqueeze, &[first, axis], DType::F32, &[1, FREE, FREE, 2, 4]);
            net.result("out", second);
            net
        };
        assert_eq!(make().lines(DYNAMIC), ["Reshape first f32", "Reshape second f32"]);
        assert_eq!(make().lines(STATIC), ["Reshape second f32"]);
    }
}
