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

/// The maximum number of Transposes in a row that a FakeQuantize moves in front of.
///
/// Exporters write two Transposes in a row as one, so that a model has a row only where FakeQuantizes were
/// between them. Without a bound, a long chain of both would take quadratic time.
const MOST_TRANSPOSES: usize = 16;

/// The number of FakeQuantizes and Relus in a row at the input of a Concat from which on no other is added.
///
/// Models have two or three at most: a Relu, the FakeQuantize of the writer, that of the reader. Without a
/// bound, a Concat of many inputs in front of many FakeQuantizes would become as many nodes as the product of
/// both.
const MOST_QUANTIZES: usize = 8;

fn before_transpose(work: &Work<'_>, node: usize) -> Option<Patch> {
    let transposes = transposes(work, node);
    let (&lowest, &highest) = (transposes.first()?, transposes.last()?);
    let limits: SmallVec<[Edge; 4]> = (1..5).filter_map(|input| work.nodes[node].input(input)).collect();
    if !limits.iter().all(|limit| work.tensor(*limit).is_number()) {
        return None;
    }
    let of = &work.nodes[node];
    let data = work.nodes[highest].input(0)?;
    let mut patch = Patch::new(work);
    // Each Transpose has the name of the FakeQuantize that was behind it on its way up.
    let mut name = patch.fresh_name("FakeQuantize");
    for &transpose in transposes.iter().skip(1) {
        let behind = std::mem::replace(&mut name, patch.fresh_name("FakeQuantize"));
        patch.change(transpose, move |node| {
            node.originals = [behind.clone()].into_iter().collect();
            node.name = behind;
        });
    }
    let made = Node::named(name, of.op.clone(), of.kind.clone(), of.source);
    let made = patch.add(made.writing(work.tensor(data).clone()), std::iter::once(data).chain(limits));
    patch.set_input(highest, 0, Edge::of(made));
    patch.rename(lowest, node);
    patch.replace(Edge::of(node), Edge::of(lowest));
    Some(patch)
}

/// The Transposes in front of a node that nothing else reads, the lowest first.
fn transposes(work: &Work<'_>, node: usize) -> SmallVec<[usize; MOST_TRANSPOSES]> {
    let mut found: SmallVec<[usize; MOST_TRANSPOSES]> = SmallVec::new();
    let mut below = node;
    while found.len() < MOST_TRANSPOSES
        && let Some(above) = work.producer(below, 0)
        && work.nodes[above].kind == Kind::Transpose
        && work.only_user(above).is_some()
    {
        found.push(above);
        below = above;
    }
    found
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
    if !(1..5).all(|input| work.reads_const(node, input))
        || is_of_one_split(work, &inputs)
        || inputs.first().is_some_and(|first| is_quantized_often(work, first.node()))
    {
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

/// Whether this node is the end of a row of [`MOST_QUANTIZES`] FakeQuantizes and Relus.
fn is_quantized_often(work: &Work<'_>, mut node: usize) -> bool {
    for _ in 0..MOST_QUANTIZES {
        let is_one = matches!(work.nodes[node].op, Op::FakeQuantize { .. } | Op::Unary(Unary::Relu));
        let Some(above) = work.producer(node, 0).filter(|_| is_one) else { return false };
        node = above;
    }
    true
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

#[cfg(test)]
mod tests {
    use super::super::super::testing::{DYNAMIC, Net};
    use super::super::super::work::OpenVino;
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;
    use crate::ids::TensorId;
    use crate::rewrite::sweep;

    const DIMS: [i64; 4] = [1, 4, 6, 6];
    const JOINED: [i64; 4] = [1, 8, 6, 6];

    fn quantized(net: &mut Net, name: &str, x: TensorId, dims: &[i64]) -> TensorId {
        let (low, high) = (net.number("low", -1.0), net.number("high", 2.0));
        let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        net.op(name, op, &[x, low, high, low, high], DType::F32, dims)
    }

    /// What is above the first Result after a rule was tried, the lowest first: kinds and names.
    fn above(net: Net, rule: Rule) -> Vec<String> {
        let (graph, shapes) = net.shapes();
        let mut work = Work::new(&graph, &shapes, DYNAMIC);
        let order = work.model_order();
        sweep::<OpenVino>(&mut work, &order, &[rule]);
        let mut node = work.results()[0];
        let mut lines = Vec::new();
        while let Some(above) = work.producer(node, 0) {
            lines.push(format!("{} {}", work.nodes[above].kind.name(), work.nodes[above].name));
            node = above;
        }
        lines
    }

    #[test]
    fn what_moves_in_front_of_several_transposes_leaves_its_names() {
        let mut net = Net::new();
        let mut x = net.input("x", DType::F32, &DIMS);
        for name in ["first", "second"] {
            let order = net.ints("order", &[0, 1, 3, 2]);
            x = net.op(&format!("{name} transpose"), Op::Transpose, &[x, order], DType::F32, &DIMS);
            x = quantized(&mut net, name, x, &DIMS);
        }
        net.result("out", x);
        let expected = [
            "Transpose second",
            "Transpose FakeQuantize#2",
            "FakeQuantize FakeQuantize#3",
            "FakeQuantize FakeQuantize#1",
        ];
        assert_eq!(above(net, TRANSPOSED)[..4], expected);
    }

    #[test]
    fn few_of_many_move_in_front_of_a_join() {
        let mut net = Net::new();
        let parts = ["x", "y"].map(|name| net.input(name, DType::F32, &DIMS));
        let mut x = net.op("both", Op::Concat { axis: 1 }, &parts, DType::F32, &JOINED);
        for number in 0..MOST_QUANTIZES + 4 {
            x = quantized(&mut net, &format!("fq{number}"), x, &JOINED);
        }
        net.result("out", x);
        let lines = above(net, RULE);
        let is_quantize = |line: &&String| line.starts_with("FakeQuantize");
        assert_eq!(lines.iter().take_while(is_quantize).count(), 4);
        assert_eq!(lines.iter().filter(is_quantize).count(), MOST_QUANTIZES + 4);
    }
}
