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

use super::eltwise_chain::is_reference;
use super::work::{Build, Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// What a kernel has registers for: inputs and outputs of one Subgraph.
///
/// Source: `data_ptr_gpr_count` for x86-64 in src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.
const MOST_POINTERS: usize = 11;

/// Joins element-wise nodes.
pub(super) fn tokenize(work: &mut Work<'_>) {
    let is_skipped = std::mem::take(&mut work.is_skipped);
    let order = work.model_order();
    let mut groups =
        Groups { of: vec![None; work.nodes.len()], all: Vec::new(), position: vec![0; work.nodes.len()] };
    for (index, &node) in order.iter().enumerate() {
        groups.position[node] = index;
    }
    for &node in &order {
        if work.is_alive(node) && is_token(work, node, &is_skipped) {
            groups.add(work, node);
        }
    }
    let mut all: Vec<Vec<usize>> = groups.all.into_iter().filter(|group| !group.is_empty()).collect();
    all.sort_by_key(|group| group.last().map(|&last| groups.position[last]));
    for group in all {
        fuse(work, &group);
    }
}

/// Which nodes are in which Subgraph.
#[derive(Debug)]
struct Groups {
    /// Per node, its group.
    of: Vec<Option<usize>>,
    /// Members of each group, the one that joined last at the end; empty if it was taken in.
    all: Vec<Vec<usize>>,
    /// Per node, its place in the model.
    position: Vec<usize>,
}

impl Groups {
    /// The place of a node, or of the Subgraph that it is in.
    fn place(&self, node: usize) -> usize {
        let last = self.of[node].and_then(|group| self.all[group].last()).copied().unwrap_or(node);
        self.position[last]
    }

    /// Puts a node in a Subgraph together with those that it reads, or in one of its own.
    fn add(&mut self, work: &Work<'_>, node: usize) {
        let joined = self.joined(work, node).unwrap_or_default();
        let mut members: Vec<usize> = Vec::new();
        for group in joined {
            members.append(&mut self.all[group]);
        }
        members.push(node);
        let group = self.all.len();
        members.iter().for_each(|&member| self.of[member] = Some(group));
        self.all.push(members);
    }

    /// The Subgraphs that a node joins; `None` if it must not join any.
    fn joined(&self, work: &Work<'_>, node: usize) -> Option<Vec<usize>> {
        let mut bounds = (0, usize::MAX);
        self.narrow(work, &[node], node, &mut bounds);
        let mut joined: Vec<usize> = Vec::new();
        for edge in work.nodes[node].inputs().iter().flatten() {
            let Some(group) = self.of[edge.node] else { continue };
            if !joined.contains(&group) {
                let mut narrowed = bounds;
                if !self.narrow(work, &self.all[group], node, &mut narrowed) {
                    continue;
                }
                bounds = narrowed;
                joined.push(group);
            }
        }
        let members: Vec<usize> =
            joined.iter().flat_map(|&group| self.all[group].iter().copied()).chain([node]).collect();
        let n_outputs = outputs(work, &members).len().max(1);
        let results = members.iter().flat_map(|&member| work.users(member));
        let n_results = results.filter(|&&(user, _)| work.nodes[user].kind == Kind::Output).count();
        (inputs(work, &members).len() + n_outputs <= MOST_POINTERS && n_results < 2).then_some(joined)
    }

    /// Narrows the places between which `members` can run together with `node`; false if there are none.
    fn narrow(&self, work: &Work<'_>, members: &[usize], node: usize, bounds: &mut (usize, usize)) -> bool {
        for &member in members {
            for edge in work.nodes[member].inputs().iter().flatten() {
                let is_source = matches!(work.nodes[edge.node].kind, Kind::Const | Kind::Input);
                if !is_source && !members.contains(&edge.node) {
                    bounds.0 = bounds.0.max(self.place(edge.node) + 1);
                }
            }
            for &(user, _) in work.users(member) {
                let is_result = work.nodes[user].kind == Kind::Output;
                if !is_result && user != node && !members.contains(&user) {
                    bounds.1 = bounds.1.min(self.place(user) + 1);
                }
            }
        }
        bounds.0 < bounds.1
    }
}

/// What a Subgraph of these nodes reads, in the order of its members; not constants of one number.
fn inputs(work: &Work<'_>, members: &[usize]) -> Vec<Edge> {
    let mut inputs: Vec<Edge> = Vec::new();
    for &member in members {
        for edge in work.nodes[member].inputs().iter().flatten() {
            let is_number = work.nodes[edge.node].is_const() && work.tensor(*edge).elements() == 1;
            if !members.contains(&edge.node) && !is_number && !inputs.contains(edge) {
                inputs.push(*edge);
            }
        }
    }
    inputs
}

/// The members that others read.
fn outputs(work: &Work<'_>, members: &[usize]) -> Vec<usize> {
    let is_read = |&&member: &&usize| work.users(member).iter().any(|&(user, _)| !members.contains(&user));
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
            let producer = &work.nodes[edge.node].kind;
            joins(work.tensor(edge).dtype)
                && joins(output.dtype)
                && !matches!(producer, Kind::Input | Kind::Gather | Kind::Const)
        }),
        _ => false,
    }
}

fn fuse(work: &mut Work<'_>, group: &[usize]) {
    let Some(&last) = group.last() else { return };
    let mut originals: SmallVec<[Box<str>; 1]> = SmallVec::new();
    for &part in group {
        originals.extend(work.nodes[part].originals.iter().cloned());
    }
    let written = outputs(work, group);
    let fused = Node {
        op: Op::Opaque,
        kind: Kind::Subgraph,
        name: work.nodes[last].name.clone(),
        originals,
        source: work.nodes[last].source,
        outputs: written.iter().map(|&part| work.nodes[part].outputs[0].clone()).collect(),
        n_fused: group.len() - 1,
        ..Node::default()
    };
    let fused = work.add(fused, inputs(work, group));
    for (port, &part) in written.iter().enumerate() {
        let is_outside = |user: usize| user != fused && !group.contains(&user);
        work.replace_for(Edge::of(part), Edge { node: fused, port }, is_outside);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Binary, Broadcast, Unary};
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
    fn a_graph_without_free_dims_is_static_however_it_is_compiled() {
        assert_eq!(chain().lines(DYNAMIC), chain().lines(STATIC));
    }
}
