//! A FakeQuantize behind a Concat or a Transpose.
//!
//! A FakeQuantize that reads a Concat which nothing else reads, or a Relu of it, is one FakeQuantize per input of the Concat,
//! each behind a Relu of its own, with its part of limits that are along the joined dim. Not where all inputs are outputs of
//! one Split. One with limits of one number each, behind a Transpose that nothing else reads, is in front of it; the Transpose
//! has its name then.
//!
//! Source: `MoveFakeQuantize`, OpenVINO 2026.4, src/common/low_precision_transformations/src/move_fake_quantize.cpp;
//! that it is in front of a Transpose before other transformations is measured (2026.4.1).

use super::super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::op::Unary;
use crate::graph::{Op, Value};
use crate::ids::NodeId;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;
use std::sync::Arc;

/// Quantizes before data are joined.
pub(super) const RULE: Rule = Rule {
    name: "quantize-before-concat",
    source: "MoveFakeQuantize, src/common/low_precision_transformations/src/move_fake_quantize.cpp",
    on: |node| matches!(node.op, Op::FakeQuantize { .. }),
    apply,
    repeats: false,
};

/// Quantizes before data are transposed.
pub(in super::super) const TRANSPOSED: Rule = Rule {
    name: "quantize-before-transpose",
    source: "MoveEltwiseUpThroughDataMov, src/common/transformations/src/transformations/common_optimizations/move_eltwise_up_data_movement.cpp",
    on: |node| matches!(node.op, Op::FakeQuantize { .. }),
    apply: before_transpose,
    repeats: false,
};

fn before_transpose(work: &Work<'_>, node: usize) -> Option<Patch> {
    let transpose = work.producer(node, 0).filter(|&above| work.nodes[above].kind == Kind::Transpose)?;
    work.only_user(transpose)?;
    let limits: SmallVec<[Edge; 4]> = (1..5).filter_map(|input| work.nodes[node].input(input)).collect();
    if !limits.iter().all(|limit| work.tensor(*limit).is_number()) {
        return None;
    }
    let of = &work.nodes[node];
    let data = work.nodes[transpose].input(0)?;
    let mut patch = Patch::new(work);
    let name = patch.fresh_name("FakeQuantize");
    let made = Node::named(name, of.op.clone(), of.kind.clone(), of.source);
    let made = patch.add(made.writing(work.tensor(data).clone()), std::iter::once(data).chain(limits));
    patch.set_input(transpose, 0, Edge::of(made));
    patch.rename(transpose, node);
    patch.replace(Edge::of(node), Edge::of(transpose));
    patch.revisit(made);
    Some(patch)
}

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let above = work.producer(node, 0)?;
    let relu = matches!(work.nodes[above].op, Op::Unary(Unary::Relu)).then_some(above);
    let concat = relu.map_or(Some(above), |relu| work.producer(relu, 0))?;
    let Op::Concat { axis } = work.nodes[concat].op else { return None };
    work.only_user(concat)?;
    let joined = work.nodes[concat].outputs.first()?;
    let axis = if axis < 0 { axis + joined.dims.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok()?;
    let inputs: SmallVec<[Edge; 4]> = work.nodes[concat].inputs().iter().copied().collect::<Option<_>>()?;
    if !(1..5).all(|input| work.reads_const(node, input)) || is_of_one_split(work, &inputs) {
        return None;
    }
    let limits: SmallVec<[Edge; 4]> = (1..5).filter_map(|input| work.nodes[node].input(input)).collect();
    let sizes: Vec<u64> = sizes(work, &inputs, axis);
    let mut patch = Patch::new(work);
    let mut first = 0;
    let mut made = Vec::with_capacity(inputs.len());
    for (number, &input) in inputs.iter().enumerate() {
        let tensor = work.tensor(input);
        let size = sizes[number];
        let data = match relu {
            Some(relu) => copied(work, &mut patch, (relu, number), tensor, &[input]),
            None => input,
        };
        let own = limits.iter().map(|&limit| part(work, &mut patch, limit, axis, first..first + size));
        let own: SmallVec<[Edge; 4]> = own.collect();
        let read: SmallVec<[Edge; 5]> = std::iter::once(data).chain(own).collect();
        made.push(copied(work, &mut patch, (node, number), tensor, &read));
        first += size;
    }
    patch.set_inputs(concat, made);
    patch.replace(Edge::of(node), Edge::of(concat));
    Some(patch)
}

/// The sizes of the inputs along the joined dim.
fn sizes(work: &Work<'_>, inputs: &[Edge], axis: usize) -> Vec<u64> {
    inputs.iter().map(|&edge| work.tensor(edge).dims.get(axis).map_or(0, |dim| dim.size())).collect()
}

/// Whether there is more than one input, and one Split writes all.
fn is_of_one_split(work: &Work<'_>, inputs: &[Edge]) -> bool {
    let Some((first, others)) = inputs.split_first() else { return true };
    let is_split = |edge: &Edge| matches!(work.nodes[edge.node()].op, Op::Split { .. });
    others.iter().all(|other| is_split(other) && other.node() == first.node())
}

/// A copy of a node for one of the inputs, counted from 0.
fn copied(
    work: &Work<'_>,
    patch: &mut Patch,
    (node, number): (usize, usize),
    tensor: &Tensor,
    inputs: &[Edge],
) -> Edge {
    let of = &work.nodes[node];
    let name: Arc<str> = format!("{}_{}", of.name, number + 1).into();
    let made = Node::named(name, of.op.clone(), of.kind.clone(), of.source).writing(tensor.clone());
    Edge::of(patch.add(made, inputs.iter().copied()))
}

/// The part of a limit that is along the joined dim, else the limit itself.
fn part(work: &Work<'_>, patch: &mut Patch, limit: Edge, axis: usize, range: std::ops::Range<u64>) -> Edge {
    let tensor = work.tensor(limit);
    if tensor.dims.get(axis).is_none_or(|dim| dim.is(1)) {
        return limit;
    }
    let mut own = tensor.clone();
    own.dims[axis] = own.dims[axis].resized(range.end - range.start);
    let values = work.nodes[limit.node()].value.as_ref().map(|value| value.to_floats());
    // One number per element of the joined dim: others have one.
    let values = values.filter(|values| values.len() as u64 == tensor.dims[axis].size());
    let values = values.and_then(|values| {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        Some(Value::floats(values.get(range)?.iter().copied()))
    });
    let source: NodeId = work.nodes[limit.node()].source;
    patch.add_constant(own, values, source)
}
