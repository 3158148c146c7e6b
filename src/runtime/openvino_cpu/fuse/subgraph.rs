//! Element-wise arithmetic on floats whose dims are all known is compiled to Subgraphs.
//!
//! A node joins the Subgraphs that it reads, in the order of its inputs, unless that closes a cycle: what a Subgraph
//! and the node read must come before whoever else reads the Subgraph, by their places in the model. A Subgraph that
//! others read as well has one more output. With more than 11 inputs and outputs, or two results, the node starts a
//! Subgraph of its own. Constants of one number are inside.
//! Integers stay element-wise nodes, conversions of what an input or a Gather writes too, and so does what
//! [`super::skipped`] names.
//!
//! Source: `SnippetsTokenization`, OpenVINO 2026.4, src/common/snippets/src/pass/collapse_subgraph.cpp.

mod groups;

use self::groups::{Groups, is_number};
use super::eltwise_chain::is_reference;
use super::work::{Build, Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::sync::Arc;

/// Joins element-wise nodes.
pub(super) fn tokenize(work: &mut Work<'_>) {
    let is_skipped = std::mem::take(&mut work.is_skipped);
    let order = work.model_order();
    let mut groups = Groups::new(work, &order);
    for &node in order.iter() {
        if work.is_alive(node) {
            if is_token(work, node, &is_skipped) {
                groups.add(work, node);
            }
            groups.pass(work, node);
        }
    }
    let groups = groups.finish();
    let mut group_of = vec![None; work.nodes.len()];
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|&member| group_of[member] = Some(number));
    }
    for (number, group) in groups.iter().enumerate() {
        fuse(work, group, &|node| group_of.get(node).copied().flatten() == Some(number));
    }
}

/// What a Subgraph of these nodes reads, in the order of its members; not constants of one number.
fn inputs(work: &Work<'_>, members: &[usize], is_member: &dyn Fn(usize) -> bool) -> Vec<Edge> {
    let mut inputs: Vec<Edge> = Vec::new();
    let mut seen: FxHashSet<Edge> = FxHashSet::default();
    for &member in members {
        for edge in work.nodes[member].inputs().iter().flatten() {
            if !is_member(edge.node()) && !is_number(work, *edge) && seen.insert(*edge) {
                inputs.push(*edge);
            }
        }
    }
    inputs
}

/// The members that others read.
fn outputs(work: &Work<'_>, members: &[usize], is_member: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let is_read = |&&member: &&usize| work.users(member).iter().any(|&(user, _)| !is_member(user));
    members.iter().filter(is_read).copied().collect()
}

fn is_token(work: &Work<'_>, node: usize, is_skipped: &[bool]) -> bool {
    let of = &work.nodes[node];
    let is_free = |edge: &Edge| work.tensor(*edge).is_free();
    if is_skipped.get(node).copied().unwrap_or(false)
        || of.outputs.iter().any(Tensor::is_free)
        || of.inputs().iter().flatten().any(is_free)
    {
        return false;
    }
    let Some(output) = of.outputs.first().filter(|_| of.outputs.len() == 1) else { return false };
    match of.kind {
        Kind::Eltwise if is_reference(work, node) => false,
        Kind::Eltwise | Kind::FakeQuantize => {
            let is_real = |edge: &Edge| !matches!(work.tensor(*edge).dtype, DType::I32 | DType::I64);
            !matches!(output.dtype, DType::I32 | DType::I64) && of.inputs().iter().flatten().all(is_real)
        }
        Kind::Convert => of.input(0).is_some_and(|edge| {
            let joins = |dtype| matches!(dtype, DType::F32 | DType::U8 | DType::Boolean);
            let producer = &work.nodes[edge.node()].kind;
            joins(work.tensor(edge).dtype)
                && joins(output.dtype)
                && !matches!(producer, Kind::Input | Kind::Gather | Kind::Const)
        }),
        _ => false,
    }
}

fn fuse(work: &mut Work<'_>, group: &[usize], is_member: &dyn Fn(usize) -> bool) {
    let Some(&last) = group.last() else { return };
    let mut originals: SmallVec<[Arc<str>; 1]> = SmallVec::new();
    for &part in group {
        originals.extend(work.nodes[part].originals.iter().cloned());
    }
    let written = outputs(work, group, is_member);
    let fused = Node {
        op: Op::Opaque,
        kind: Kind::Subgraph,
        name: work.nodes[last].name.clone(),
        originals,
        source: work.nodes[last].source,
        outputs: written.iter().map(|&part| work.nodes[part].outputs[0].clone()).collect(),
        n_fused: group.len() as u32 - 1,
        ..Node::default()
    };
    let fused = work.add(fused, inputs(work, group, is_member));
    for (port, &part) in written.iter().enumerate() {
        let is_outside = |user: usize| user != fused && !is_member(user);
        work.replace_for(Edge::of(part), Edge::new(fused, port), is_outside);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Binary, Broadcast, Unary, Variadic};
    use crate::runtime::openvino_cpu::execution::Kind;

    /// Two element-wise nodes, a residual sum around them, and a Softmax that reads the sum.
    fn chain() -> Net {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [2, 8]);
        let x = net.input("x", f32, &dims);
        let first = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        let half = net.number("half", 0.5);
        let numpy = Broadcast::Numpy;
        let scaled = net.op("scale", Op::Binary(Binary::Multiply, numpy), &[first, half], f32, &dims);
        let bent = net.op("tanh", Op::Unary(Unary::Tanh), &[scaled], f32, &dims);
        let sum = net.op("sum", Op::Binary(Binary::Add, numpy), &[bent, first], f32, &dims);
        let last = net.op("last", Op::Softmax(AxisSpan::LAST), &[sum], f32, &dims);
        let end = net.op("end", Op::Binary(Binary::Add, numpy), &[sum, last], f32, &dims);
        net.result("out", end);
        net
    }

    #[test]
    fn known_dims_make_subgraphs() {
        let expected =
            ["Softmax softmax f32", "Subgraph scale,tanh,sum f32", "Softmax last f32", "Subgraph end f32"];
        assert_eq!(chain().lines(STATIC), expected);
    }

    #[test]
    fn what_others_read_too_is_one_more_output() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [2, 8]);
        let [x, y] = ["x", "y"].map(|name| net.input(name, f32, &dims));
        let first = net.op("first", Op::Unary(Unary::Tanh), &[x], f32, &dims);
        let sum = net.op("sum", Op::Binary(Binary::Add, Broadcast::Numpy), &[first, y], f32, &dims);
        for (name, of) in [("a", sum), ("b", first)] {
            let out = net.op(name, Op::Softmax(AxisSpan::LAST), &[of], f32, &dims);
            net.result(&format!("{name}_out"), out);
        }
        let graph = net.execute(STATIC);
        let subgraph = graph.nodes.iter().find(|node| node.kind == Kind::Subgraph).unwrap();
        assert_eq!(subgraph.outputs.len(), 2);
        assert_eq!(
            super::super::testing::lines(&graph),
            ["Subgraph first,sum f32", "Softmax a f32", "Softmax b f32"]
        );
    }

    #[test]
    fn nothing_joins_a_node_with_many_inputs() {
        let of = |n_inputs: usize| {
            let (mut net, f32, dims) = (Net::new(), DType::F32, [2, 8]);
            let reads: Vec<_> =
                (0..n_inputs).map(|index| net.input(&format!("x{index}"), f32, &dims)).collect();
            let wide = net.op("wide", Op::Variadic(Variadic::Max), &reads, f32, &dims);
            let end = net.op("tanh", Op::Unary(Unary::Tanh), &[wide], f32, &dims);
            net.result("out", end);
            let lines = net.lines(STATIC).into_iter();
            lines.filter(|line| line.starts_with("Subgraph")).collect::<Vec<_>>()
        };
        assert_eq!(of(10), ["Subgraph wide,tanh f32"]);
        assert_eq!(of(12), ["Subgraph wide f32", "Subgraph tanh f32"]);
    }

    #[test]
    fn what_reads_a_node_again_and_again_joins_the_others() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [2, 8]);
        let [x, y] = ["x", "y"].map(|name| net.input(name, f32, &dims));
        let first = net.op("first", Op::Unary(Unary::Tanh), &[x], f32, &dims);
        net.result("first_out", first);
        let sum = Op::Binary(Binary::Add, Broadcast::Numpy);
        let mut made = net.op("h0", sum.clone(), &[first, y], f32, &dims);
        net.result("h0_out", made);
        for index in 1..4 {
            made = net.op(&format!("h{index}"), sum.clone(), &[made, first], f32, &dims);
        }
        let end = net.op("end", Op::Softmax(AxisSpan::LAST), &[made], f32, &dims);
        net.result("out", end);
        let expected = ["Subgraph first f32", "Subgraph h0,h1,h2,h3 f32", "Softmax end f32"];
        assert_eq!(net.lines(STATIC), expected);
    }

    #[test]
    fn a_graph_without_free_dims_is_static_however_it_is_compiled() {
        assert_eq!(chain().lines(DYNAMIC), chain().lines(STATIC));
    }
}
