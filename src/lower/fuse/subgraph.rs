//! Pass 11 with static dims: element-wise arithmetic on floats is compiled to Subgraphs.
//!
//! A Subgraph holds a node, and every element-wise node whose readers are all inside. Conversions between floats and
//! booleans join, unless they read integers, an input or a Gather. Constants of one number are inside. Integers stay
//! element-wise nodes, and so do scale and shift of a norm of two dims.
//!
//! Source: `SnippetsTokenization`, OpenVINO 2026.4, src/common/snippets/src/pass/tokenization.cpp. The norm of two dims
//! rests on one model.

use super::work::{Edge, Node, Work};
use crate::DType;
use crate::graph::Op;
use crate::lower::execution::Kind;
use smallvec::SmallVec;

/// Joins element-wise nodes.
pub(super) fn tokenize(work: &mut Work<'_>) {
    let order = work.order();
    let mut position = vec![0; work.nodes.len()];
    for (index, &node) in order.iter().enumerate() {
        position[node] = index;
    }
    let mut is_taken = vec![false; work.nodes.len()];
    let mut groups = Vec::new();
    for &node in order.iter().rev() {
        if is_taken[node] || !is_token(work, node) {
            continue;
        }
        let group = group_of(work, node, &position);
        group.iter().for_each(|&part| is_taken[part] = true);
        groups.push(group);
    }
    for group in groups.into_iter().rev() {
        let is_lone_convert = matches!(group[..], [node] if work.nodes[node].kind == Kind::Convert);
        if !is_lone_convert && !is_norm_of_two_dims(work, &group) {
            fuse(work, &group);
        }
    }
}

/// The node and all above it whose readers are inside, in order.
fn group_of(work: &Work<'_>, node: usize, position: &[usize]) -> Vec<usize> {
    let mut group = vec![node];
    let mut next = 0;
    while let Some(&part) = group.get(next) {
        next += 1;
        for edge in work.nodes[part].inputs.iter().flatten() {
            let is_inside = |&(user, _): &(usize, usize)| group.contains(&user);
            if !group.contains(&edge.node)
                && is_token(work, edge.node)
                && work.users(edge.node).iter().all(is_inside)
                && group.len() < 64
            {
                group.push(edge.node);
                // What reads it may be the last reader that another one waited for.
                next = 0;
            }
        }
    }
    group.sort_unstable_by_key(|&part| position[part]);
    group
}

fn is_token(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let Some(output) = of.outputs.first().filter(|_| of.outputs.len() == 1) else { return false };
    match of.kind {
        Kind::Eltwise => {
            let is_real = |edge: &Edge| !matches!(work.tensor(*edge).dtype, DType::I32 | DType::I64);
            !matches!(output.dtype, DType::I32 | DType::I64) && of.inputs.iter().flatten().all(is_real)
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

fn is_norm_of_two_dims(work: &Work<'_>, group: &[usize]) -> bool {
    group.first().is_some_and(|&first| {
        work.nodes[first]
            .inputs
            .iter()
            .flatten()
            .any(|edge| work.nodes[edge.node].kind == Kind::Mvn && work.tensor(*edge).dims.len() == 2)
    })
}

fn fuse(work: &mut Work<'_>, group: &[usize]) {
    let Some(&last) = group.last() else { return };
    let mut inputs: Vec<Edge> = Vec::new();
    let mut originals: SmallVec<[Box<str>; 1]> = SmallVec::new();
    for &part in group {
        originals.extend(work.nodes[part].originals.iter().cloned());
        for edge in work.nodes[part].inputs.iter().flatten() {
            let is_number = work.nodes[edge.node].is_const() && work.tensor(*edge).elements() == 1;
            if !group.contains(&edge.node) && !is_number && !inputs.contains(edge) {
                inputs.push(*edge);
            }
        }
    }
    let fused = Node {
        op: Op::Opaque,
        kind: Kind::Subgraph,
        name: work.nodes[last].name.clone(),
        originals,
        source: work.nodes[last].source,
        inputs: inputs.into_iter().map(Some).collect(),
        outputs: work.nodes[last].outputs.clone(),
        n_fused: group.len() - 1,
        ..Node::default()
    };
    let fused = work.add(fused);
    work.replace(Edge::of(last), Edge::of(fused));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{Binary, Broadcast, SameAsInput, Unary};

    /// Two element-wise nodes, a residual sum around them, and a Softmax that reads the sum.
    fn chain() -> Net {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [2, 8]);
        let x = net.input("x", f32, &dims);
        let first = net.op("softmax", Op::SameAsInput(SameAsInput::Softmax), &[x], f32, &dims);
        let half = net.number("half", 0.5);
        let numpy = Broadcast::Numpy;
        let scaled = net.op("scale", Op::Binary(Binary::Multiply, numpy), &[first, half], f32, &dims);
        let bent = net.op("tanh", Op::Unary(Unary::Tanh), &[scaled], f32, &dims);
        let sum = net.op("sum", Op::Binary(Binary::Add, numpy), &[bent, first], f32, &dims);
        let last = net.op("last", Op::SameAsInput(SameAsInput::Softmax), &[sum], f32, &dims);
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
    fn a_graph_without_free_dims_is_static_however_it_is_compiled() {
        assert_eq!(chain().lines(DYNAMIC), chain().lines(STATIC));
    }
}
