//! Conversions that change nothing, and reshapes of reshapes.
//!
//! * A Convert to the type its input has, or between i64 and i32 behind anything but a parameter, is gone: the plugin
//!   has no i64.
//! * Of Unsqueeze, Squeeze and Reshape on top of each other the last is left, reading what the first read: an Unsqueeze
//!   or Squeeze with at most one free dim always; a Reshape that alone reads the other, if no dim but the first is free
//!   before and behind it, or if both patterns name every dim.
//! * A Reshape, Broadcast, Tile, Pad, Slice, Transpose or Gather that changes nothing is gone; a Gather of the only
//!   element of a known dim is a Reshape.
//! * Of two Transposes on top of each other one is left, or none.
//! * ShapeOf with an i32 output gets a made-up name.
//!
//! Source: `ConvertPrecision`, `NopElimination` and `ReshapeSequenceFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations.

use super::weights;
use super::work::{Build, Dim, Edge, Node, OpenVino, Patch, Rule, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{PadInputs, ReshapeZero, TileInputs};
use crate::rewrite::{Apply, composed};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// Removes what does nothing.
pub(super) const RULES: &[Rule] = &[
    rule("no-convert", |node| matches!(node.op, Op::Convert { .. }), convert),
    rule("no-identity", |node| matches!(node.op, Op::Identity), identity),
    rule(
        "no-reshape",
        |node| matches!(node.op, Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze),
        |work, node| reshape(work, node, work.nodes[node].input(0)?),
    ),
    rule("no-pad", |node| matches!(node.op, Op::Pad(_, PadInputs::Separate)), pad),
    rule("no-transpose", |node| matches!(node.op, Op::Transpose), transpose),
    rule("no-gather", |node| matches!(node.op, Op::Gather { .. }), gather),
    rule("no-repetition", |node| matches!(node.op, Op::Broadcast(_) | Op::Tile(TileInputs::Repeats)), repeat),
    rule("no-slice", |node| matches!(node.op, Op::Slice | Op::StridedSlice(_)), slice),
    rule("no-concat", |node| matches!(node.op, Op::Concat { .. } | Op::Split { .. }), single),
    rule("shape-name", |node| matches!(node.op, Op::ShapeOf { to: DType::I32, .. }), rename_shape),
];

/// Removes two Reshapes of known dims that undo each other.
pub(super) const UNDONE: Rule = rule(
    "undone-reshapes",
    |node| matches!(node.op, Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze),
    |work, node| {
        let first = work.producer(node, 0).filter(|&first| work.nodes[first].kind == Kind::Reshape)?;
        let source = work.nodes[first].input(0)?;
        let output = work.nodes[node].outputs.first()?;
        let is_same = !output.is_free() && work.tensor(source).dims == output.dims;
        if is_same { pass(work, node, source) } else { None }
    },
);

const fn rule(name: &'static str, on: fn(&Node) -> bool, apply: Apply<OpenVino>) -> Rule {
    Rule {
        name,
        source: "NopElimination, ReshapeSequenceFusion, ConvertPrecision",
        on,
        apply,
        repeats: false,
    }
}

/// Makes readers of a node read what it reads.
fn pass(work: &Work<'_>, node: usize, input: Edge) -> Option<Patch> {
    let mut patch = Patch::new(work);
    patch.replace(Edge::of(node), input);
    Some(patch)
}

fn pass_first(work: &Work<'_>, node: usize) -> Option<Patch> {
    pass(work, node, work.nodes[node].input(0)?)
}

fn identity(work: &Work<'_>, node: usize) -> Option<Patch> {
    match (work.nodes[node].inputs(), &work.nodes[node].outputs[..]) {
        (&[Some(input)], [_]) => pass(work, node, input),
        _ => None,
    }
}

/// A Concat of one input or of all parts of a Split in their order, or a Split of one output.
///
/// Source: `EliminateConcat`, `EliminateSplit` and `EliminateSplitConcat`,
/// src/common/transformations/src/transformations/common_optimizations/nop_elimination.cpp.
fn single(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    if let Op::Concat { axis } = of.op
        && let Some(whole) = whole(work, node, axis)
    {
        return pass(work, node, whole);
    }
    let is_single = match of.op {
        Op::Concat { .. } => of.inputs().len() == 1,
        _ => of.outputs.len() == 1,
    };
    if is_single { pass_first(work, node) } else { None }
}

/// What is split, of a Concat of all parts along the same axis.
fn whole(work: &Work<'_>, concat: usize, axis: i64) -> Option<Edge> {
    let inputs = work.nodes[concat].inputs();
    let split = work.producer(concat, 0)?;
    let is_split = matches!(work.nodes[split].op, Op::Split { .. } | Op::VariadicSplit);
    let parts = (0..work.nodes[split].outputs.len()).map(|port| Some(Edge::new(split, port)));
    if !is_split || inputs.len() < 2 || !parts.eq(inputs.iter().copied()) {
        return None;
    }
    let data = work.nodes[split].input(0)?;
    let rank = work.tensor(data).dims.len() as i64;
    let from_front = |axis: i64| if axis < 0 { axis + rank } else { axis };
    let &[own] = work.ints(split, 1)? else { return None };
    (from_front(own) == from_front(axis)).then_some(data)
}

fn rename_shape(work: &Work<'_>, node: usize) -> Option<Patch> {
    if work.nodes[node].name.contains('#') {
        return None;
    }
    let mut patch = Patch::new(work);
    let name = patch.fresh_name("ShapeOf");
    patch.change(node, |node| {
        node.originals = smallvec![name.clone()];
        node.name = name;
    });
    Some(patch)
}

fn convert(work: &Work<'_>, node: usize) -> Option<Patch> {
    let input = work.nodes[node].input(0)?;
    let (from, to) = (work.tensor(input).dtype, work.nodes[node].outputs[0].dtype);
    let is_index = |dtype| matches!(dtype, DType::I32 | DType::I64);
    let is_parameter = work.nodes[input.node()].kind == Kind::Input;
    let is_nothing = from == to || is_index(from) && is_index(to) && !is_parameter;
    if is_nothing { pass(work, node, input) } else { None }
}

/// A Reshape of `input` that changes nothing, or behind another.
fn reshape(work: &Work<'_>, node: usize, input: Edge) -> Option<Patch> {
    let is_reshape =
        |node: usize| matches!(work.nodes[node].op, Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze);
    let first = input.node();
    let (before, after) = (&work.tensor(input).dims, &work.nodes[node].outputs[0].dims);
    let is_squeeze = !matches!(work.nodes[node].op, Op::Reshape(_));
    let n_free = after.iter().filter(|dim| dim.is_free()).count();
    let is_first_alone = |dims: &[Dim]| dims.iter().skip(1).all(|dim| !dim.is_free());
    let is_settled = is_first_alone(before) && is_first_alone(after);
    let is_plain = |node: usize| match work.nodes[node].op {
        Op::Reshape(_) => work.ints(node, 1).is_some_and(|pattern| !pattern.contains(&0)),
        _ => work.reads_const(node, 1),
    };
    let is_determined = !is_squeeze && is_reshape(first) && is_plain(first) && is_plain(node);
    if before == after && (is_settled || is_determined || before.len() == 1) {
        return pass(work, node, input);
    }
    if !is_reshape(first) || work.nodes[first].outputs.len() != 1 {
        return None;
    }
    let both_unsqueeze = [first, node].iter().all(|&node| matches!(work.nodes[node].op, Op::Unsqueeze));
    if let Some(source) = undone(work, first, node) {
        return pass(work, node, source);
    }
    let is_only = work.only_user(first).is_some();
    let may_merge = if is_squeeze {
        !after.is_empty() && n_free < 2 || both_unsqueeze || is_plain(first) && is_plain(node)
    } else {
        is_only && (is_settled || is_explicit(work, first) && is_explicit(work, node))
    };
    let source = work.nodes[first].input(0).filter(|_| may_merge)?;
    let is_back = match &work.tensor(source).dims[..] {
        [first, rest @ ..] if is_settled && first.is_free() => {
            after.get(1..) == Some(rest) && after[0].is_free()
        }
        dims => n_free == 0 && *dims == after[..],
    };
    if is_back {
        return pass(work, node, source);
    }
    let dims: Vec<i64> = after.iter().map(|dim| if dim.is_free() { -1 } else { dim.size() as i64 }).collect();
    let mut patch = Patch::new(work);
    let pattern = patch.add_ints(&dims, work.nodes[node].source);
    patch.change(node, |node| node.op = Op::Reshape(ReshapeZero::IsZero));
    patch.set_inputs(node, [source, pattern]);
    Some(patch)
}

/// Whether a Reshape's pattern says every dim, none of them -1 or 0.
fn is_explicit(work: &Work<'_>, reshape: usize) -> bool {
    matches!(work.nodes[reshape].op, Op::Reshape(_))
        && work.ints(reshape, 1).is_some_and(|pattern| pattern.iter().all(|&dim| dim > 0))
}

/// What a Squeeze reads whose dims the Unsqueeze behind it puts back, or the other way round.
///
/// Source: `EliminateSqueezeUnsqueeze`, src/common/transformations/src/transformations/common_optimizations/nop_elimination.cpp.
fn undone(work: &Work<'_>, first: usize, node: usize) -> Option<Edge> {
    let is_pair = matches!(
        (&work.nodes[first].op, &work.nodes[node].op),
        (Op::Squeeze { .. }, Op::Unsqueeze) | (Op::Unsqueeze, Op::Squeeze { .. })
    );
    let source = work.nodes[first].input(0).filter(|_| is_pair)?;
    let rank = work.tensor(source).dims.len().max(work.nodes[first].outputs.first()?.dims.len()) as i64;
    let axes = |node: usize| -> Option<Vec<i64>> {
        let axes = work.ints(node, 1)?.iter().map(|&axis| if axis < 0 { axis + rank } else { axis });
        let mut axes: Vec<i64> = axes.collect();
        axes.sort_unstable();
        Some(axes)
    };
    let is_same = axes(first).is_some_and(|own| axes(node) == Some(own));
    (is_same && work.tensor(source).dims == work.nodes[node].outputs.first()?.dims).then_some(source)
}

/// A Transpose behind another that it alone reads: one of both orders, or nothing.
///
/// Source: `TransposeFuse`, src/common/transformations/src/transformations/common_optimizations/transpose_sinking.cpp.
fn transpose(work: &Work<'_>, node: usize) -> Option<Patch> {
    let first = work.producer(node, 0).filter(|&first| matches!(work.nodes[first].op, Op::Transpose))?;
    work.only_user(first)?;
    let order = composed(work.ints(first, 1)?, work.ints(node, 1)?)?;
    let source = work.nodes[first].input(0)?;
    if order.iter().copied().eq(0..order.len() as i64) {
        return pass(work, node, source);
    }
    let mut patch = Patch::new(work);
    let order = patch.add_ints(&order, work.nodes[node].source);
    patch.set_inputs(node, [source, order]);
    Some(patch)
}

fn pad(work: &Work<'_>, node: usize) -> Option<Patch> {
    let is_zero = |index: usize| work.ints(node, index).is_some_and(|pads| pads.iter().all(|&pad| pad == 0));
    if is_zero(1) && is_zero(2) { pass_first(work, node) } else { None }
}

/// Whether input and output have the same dims, all known when the model is compiled.
fn keeps_known_dims(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let (Some(input), Some(output)) = (of.input(0), of.outputs.first()) else { return false };
    !output.is_free() && work.tensor(input).dims == output.dims
}

fn repeat(work: &Work<'_>, node: usize) -> Option<Patch> {
    let is_once = work.ints(node, 1).is_some_and(|times| times.iter().all(|&times| times == 1));
    let rank = |edge: Option<Edge>| edge.map(|edge| work.tensor(edge).dims.len());
    let same_rank = rank(work.nodes[node].input(0)) == Some(work.nodes[node].outputs[0].dims.len());
    if is_once && same_rank || keeps_known_dims(work, node) { pass_first(work, node) } else { None }
}

fn slice(work: &Work<'_>, node: usize) -> Option<Patch> {
    let is_forward = work.ints(node, 3).is_none_or(|steps| steps.iter().all(|&step| step > 0));
    if is_forward && keeps_known_dims(work, node) { pass_first(work, node) } else { None }
}

fn gather(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (Some(data), Some(&[axis])) = (work.nodes[node].input(0), work.ints(node, 2)) else { return None };
    let is_weight = weights::behind(work, data).is_some();
    let dims = &work.tensor(data).dims;
    let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
    let dim = usize::try_from(axis).ok().and_then(|axis| dims.get(axis))?;
    let indices = work.ints(node, 1)?;
    if is_weight || work.tensor(data).is_free() {
        return None;
    }
    let output = &work.nodes[node].outputs[0].dims;
    let takes_all = indices.iter().copied().eq(0..dim.size() as i64);
    if *output == *dims && takes_all {
        return pass_first(work, node);
    }
    if !takes_all || !dim.is(1) || output.len() + 1 != dims.len() {
        return None;
    }
    let pattern: Vec<i64> = output.iter().map(|dim| dim.size() as i64).collect();
    let mut patch = Patch::new(work);
    let pattern = patch.add_ints(&pattern, work.nodes[node].source);
    patch.change(node, |node| (node.op, node.kind) = (Op::Reshape(ReshapeZero::IsZero), Kind::Reshape));
    patch.set_inputs(node, [data, pattern]);
    patch.revisit(node);
    Some(patch)
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

    /// A Reshape of `[free, 16, 8]` to `first` and one of that to `second`.
    fn reshaped_twice(first: &[i64], second: &[i64]) -> Vec<String> {
        let mut net = Net::new();
        let mut x = net.input("x", DType::F32, &[FREE, 16, 8]);
        for (name, dims) in [("first", first), ("second", second)] {
            let pattern = net.ints(&format!("{name}_pattern"), dims);
            x = net.op(name, Op::Reshape(ReshapeZero::IsZero), &[x, pattern], DType::F32, dims);
        }
        let softmax = Op::Softmax(crate::graph::op::AxisSpan::LAST);
        let out = net.op("softmax", softmax, &[x], DType::F32, second);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_reshape_of_a_reshape_stays_where_a_dim_but_the_first_is_free() {
        let both = ["Reshape first f32", "Reshape second f32", "Softmax softmax f32"];
        assert_eq!(reshaped_twice(&[FREE, 8], &[FREE, 4]), ["Reshape second f32", "Softmax softmax f32"]);
        assert_eq!(reshaped_twice(&[1, FREE, 8], &[FREE, 8]), both);
        assert_eq!(reshaped_twice(&[FREE, 8], &[FREE, 16, 8]), ["Softmax softmax f32"]);
    }

    #[test]
    fn two_transposes_are_one_or_none() {
        let turned = |second: &[i64], dims: &[i64]| {
            let mut net = Net::new();
            let x = net.input("x", DType::F32, &[FREE, 8, 4]);
            let order = net.ints("order", &[0, 2, 1]);
            let first = net.op("first", Op::Transpose, &[x, order], DType::F32, &[FREE, 4, 8]);
            let order = net.ints("order", second);
            let second = net.op("second", Op::Transpose, &[first, order], DType::F32, dims);
            let softmax = Op::Softmax(crate::graph::op::AxisSpan::LAST);
            let out = net.op("softmax", softmax, &[second], DType::F32, dims);
            net.result("out", out);
            net.lines(DYNAMIC)
        };
        assert_eq!(turned(&[0, 2, 1], &[FREE, 8, 4]), ["Softmax softmax f32"]);
        assert_eq!(turned(&[2, 0, 1], &[8, FREE, 4]), ["Transpose second f32", "Softmax softmax f32"]);
    }

    #[test]
    fn an_unsqueeze_puts_back_what_a_squeeze_took() {
        let of = |axis: i64| {
            let mut net = Net::new();
            let x = net.input("x", DType::F32, &[FREE, 1, FREE, 1]);
            let first = net.ints("first_axis", &[1]);
            let x = net.op(
                "squeeze",
                Op::Squeeze { allow_axis_skip: false },
                &[x, first],
                DType::F32,
                &[FREE, FREE, 1],
            );
            let second = net.ints("second_axis", &[axis]);
            let dims = if axis == 1 { [FREE, 1, FREE, 1] } else { [FREE, FREE, 1, 1] };
            let x = net.op("unsqueeze", Op::Unsqueeze, &[x, second], DType::F32, &dims);
            let softmax = Op::Softmax(crate::graph::op::AxisSpan::LAST);
            let out = net.op("softmax", softmax, &[x], DType::F32, &dims);
            net.result("out", out);
            net.lines(DYNAMIC)
        };
        assert_eq!(of(1), ["Softmax softmax f32"]);
        assert!(of(2).len() > 1);
    }

    #[test]
    fn all_parts_in_their_order_are_the_whole() {
        let of = |order: [usize; 2]| {
            let mut net = Net::new();
            let x = net.input("x", DType::F32, &[FREE, 8]);
            let axis = net.int("axis", 1);
            let split = Op::Split { parts: 2, allow_uneven: false };
            let parts = net.split("split", split, &[x, axis], DType::F32, &[&[FREE, 4], &[FREE, 4]]);
            let x = order.map(|part| parts[part]);
            let x = net.op("concat", Op::Concat { axis: 1 }, &x, DType::F32, &[FREE, 8]);
            let softmax = Op::Softmax(crate::graph::op::AxisSpan::LAST);
            let out = net.op("softmax", softmax, &[x], DType::F32, &[FREE, 8]);
            net.result("out", out);
            net.lines(DYNAMIC)
        };
        assert_eq!(of([0, 1]), ["Softmax softmax f32"]);
        assert_eq!(of([1, 0]).len(), 3);
    }
}
