//! Rotations that are written in other forms.
//!
//! * In halves: `Concat(a·cos − b·sin, b·cos + a·sin)` of the two halves a and b of x. Named as the Concat.
//! * Interleaved: `Concat(Add(x·cos, flat·sin), rest)`, where flat is every odd element of x times -1 and every even one by
//!   turns, and cos and sin are the halves of one table, each element repeated. Reads the table twice; named as the
//!   Transpose `[0,2,1,3]` behind it, if there is one, else as the Concat.
//!
//! Source: `RoPEFusionGPTOSS` and `RoPEFusionGPTJ`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/fuse_rotary_positional_embeddings.cpp.

use super::pattern::{inputs, is_binary, swaps_heads, through};
use super::rope::{self, replace};
use super::work::{Edge, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Rope, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Fuses every rotation in halves; of a fused one, takes in the transposition in front.
pub(super) const HALVES: &[Rule] = &[
    Rule {
        name: "rope-halves",
        source: "RoPEFusionGPTOSS",
        on: |node| matches!(node.op, Op::Concat { .. }),
        apply: |work, node| Some(replace(work, node, halves(work, node)?)),
        repeats: false,
    },
    rope::TRANSPOSE,
];

/// Fuses every interleaved rotation; of a fused one, takes in the transposition behind.
pub(super) const INTERLEAVED: &[Rule] = &[
    Rule {
        name: "rope-interleaved",
        source: "RoPEFusionGPTJ",
        on: |node| matches!(node.op, Op::Concat { .. }),
        apply: |work, node| Some(replace(work, node, interleaved(work, node)?)),
        repeats: false,
    },
    Rule {
        name: "rope-transpose-behind",
        source: "RoPEFusionGPTJ",
        on: |node| node.kind == Kind::Rope,
        apply: take_transpose_behind,
        repeats: false,
    },
];

/// Takes in the transposition that is the only reader.
fn take_transpose_behind(work: &Work<'_>, rope: usize) -> Option<Patch> {
    let (user, 0) = work.only_user(rope)? else { return None };
    if !swaps_heads(work, user) {
        return None;
    }
    let outputs = work.nodes[user].outputs.clone();
    let mut patch = Patch::new(work);
    patch.rename(rope, user);
    patch.change(rope, |rope| {
        rope.outputs = outputs;
        rope.op = Op::Rope(Box::new(Rope { output_trans0213: true, ..Rope::default() }));
        rope.is_view = false;
    });
    patch.replace(Edge::of(user), Edge::of(rope));
    Some(patch)
}

/// Whether a node joins two tensors along the last dim.
fn joins_last(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let rank = of.outputs.first().map_or(0, |tensor| tensor.dims.len() as i64);
    matches!(of.op, Op::Concat { axis } if axis == -1 || axis == rank - 1) && of.inputs().len() == 2
}

fn halves(work: &Work<'_>, node: usize) -> Option<[Edge; 3]> {
    joins_last(work, node).then_some(())?;
    let (low, high) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    let (a_cos, b_sin) = inputs(work, low.node(), Binary::Subtract)?;
    let (b_cos, a_sin) = inputs(work, high.node(), Binary::Add)?;
    let factors = |edge: Edge| inputs(work, edge.node(), Binary::Multiply);
    let ((a, cos), (b, sin)) = (factors(a_cos)?, factors(b_sin)?);
    let is_half =
        a.node() == b.node() && (a.port(), b.port()) == (0, 1) && work.nodes[a.node()].kind == Kind::Split;
    let is_rotation = factors(b_cos)? == (b, cos) && factors(a_sin)? == (a, sin);
    (is_half && is_rotation).then(|| Some([work.nodes[a.node()].input(0)?, cos, sin]))?
}

fn interleaved(work: &Work<'_>, node: usize) -> Option<[Edge; 3]> {
    joins_last(work, node).then_some(())?;
    let (sum, rest) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    let (plain, turned) = inputs(work, sum.node(), Binary::Add)?;
    let (x, cos) = inputs(work, plain.node(), Binary::Multiply)?;
    let (flat, sin) = inputs(work, turned.node(), Binary::Multiply)?;
    let is_split = x.node() == rest.node()
        && (x.port(), rest.port()) == (0, 1)
        && work.nodes[x.node()].kind == Kind::Split;
    let stack = through(work, flat, &[Kind::Reshape])?;
    if !is_split || work.nodes[stack.node()].kind != Kind::Concat {
        return None;
    }
    let [Some(odd), Some(even)] = work.nodes[stack.node()].inputs()[..] else { return None };
    let negated = through(work, odd, &[Kind::Reshape])?;
    let odd = match work.nodes[negated.node()].op {
        Op::Unary(Unary::Negative) => work.nodes[negated.node()].input(0)?,
        _ if is_binary(work, negated.node(), Binary::Multiply)
            && work.number(negated.node(), 1) == Some(-1.0) =>
        {
            work.nodes[negated.node()].input(0)?
        }
        _ => return None,
    };
    let even = through(work, even, &[Kind::Reshape])?;
    let cuts = |edge: Edge| {
        work.nodes[edge.node()].kind == Kind::StridedSlice && work.nodes[edge.node()].input(0) == Some(x)
    };
    if !cuts(odd) || !cuts(even) {
        return None;
    }
    let table = |edge: Edge| {
        let half = through(work, edge, &[Kind::Gather, Kind::Reshape])?;
        (work.nodes[half.node()].kind == Kind::Split).then(|| work.nodes[half.node()].input(0))?
    };
    let (cos, sin) = (table(cos)?, table(sin)?);
    (cos == sin).then(|| Some([work.nodes[x.node()].input(0)?, cos, sin]))?
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;

    #[test]
    fn a_rotation_of_halves() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let (whole, half) = ([1, 2, FREE, 8], [1, 2, FREE, 4]);
        let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
        let x = net.input("x", f32, &[1, FREE, 2, 8]);
        let order = net.ints("order", &[0, 2, 1, 3]);
        let x = net.op("transpose", Op::Transpose, &[x, order], f32, &whole);
        let [cos, sin] = ["cos", "sin"].map(|name| net.input(name, f32, &[1, 1, FREE, 4]));
        let (axis, lengths) = (net.int("axis", 3), net.ints("lengths", &[4, 4]));
        let parts = net.split("split", Op::VariadicSplit, &[x, axis, lengths], f32, &[&half, &half]);
        let mut times = |name: &str, a, b| net.op(name, binary(Binary::Multiply), &[a, b], f32, &half);
        let (a_cos, b_sin) = (times("a_cos", parts[0], cos), times("b_sin", parts[1], sin));
        let (b_cos, a_sin) = (times("b_cos", parts[1], cos), times("a_sin", parts[0], sin));
        let low = net.op("low", binary(Binary::Subtract), &[a_cos, b_sin], f32, &half);
        let high = net.op("high", binary(Binary::Add), &[b_cos, a_sin], f32, &half);
        let out = net.op("concat", Op::Concat { axis: -1 }, &[low, high], f32, &whole);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["RoPE concat f32"]);
    }

    #[test]
    fn an_interleaved_rotation_reads_its_table_twice() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let (whole, part) = ([1, FREE, 2, 8], [1, FREE, 2, 4]);
        let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
        let x = net.input("x", f32, &whole);
        let table = net.input("table", f32, &[1, FREE, 4]);
        let (axis, lengths) = (net.int("axis", 2), net.ints("lengths", &[2, 2]));
        let column = [1, FREE, 2];
        let halves =
            net.split("halves", Op::VariadicSplit, &[table, axis, lengths], f32, &[&column, &column]);
        let (twice, last) = (net.ints("twice", &[0, 0, 1, 1]), net.int("last", 3));
        let mut repeated = |name: &str, half| {
            let wide = net.op("unsqueeze", Op::Unsqueeze, &[half, axis], f32, &[1, FREE, 1, 2]);
            net.op(name, Op::Gather { batch_dims: 0 }, &[wide, twice, last], f32, &[1, FREE, 1, 4])
        };
        let (sin, cos) = (repeated("sin", halves[0]), repeated("cos", halves[1]));
        let (axis, lengths) = (net.int("axis", 3), net.ints("lengths", &[4, 4]));
        let parts = net.split("split", Op::VariadicSplit, &[x, axis, lengths], f32, &[&part, &part]);
        let mut every = |name: &str, from: i64| {
            let bounds = [from, i64::MAX, 2, 3].map(|bound| net.ints("bound", &[bound]));
            let inputs = [parts[0], bounds[0], bounds[1], bounds[2], bounds[3]];
            net.op(name, Op::Slice, &inputs, f32, &[1, FREE, 2, 2])
        };
        let (odd, even) = (every("odd", 1), every("even", 0));
        let minus = net.number("minus", -1.0);
        let negated = net.op("neg", binary(Binary::Multiply), &[odd, minus], f32, &[1, FREE, 2, 2]);
        let fifth = net.int("fifth", 4);
        let mut wide = |of| net.op("wide", Op::Unsqueeze, &[of, fifth], f32, &[1, FREE, 2, 2, 1]);
        let (negated, even) = (wide(negated), wide(even));
        let stack = net.op("stack", Op::Concat { axis: -1 }, &[negated, even], f32, &[1, FREE, 2, 2, 2]);
        let pattern = net.ints("pattern", &[0, 0, 2, 4]);
        let reshape = Op::Reshape(crate::graph::op::ReshapeZero::CopiesDim);
        let flat = net.op("flat", reshape, &[stack, pattern], f32, &part);
        let plain = net.op("plain", binary(Binary::Multiply), &[parts[0], cos], f32, &part);
        let turned = net.op("turned", binary(Binary::Multiply), &[flat, sin], f32, &part);
        let sum = net.op("sum", binary(Binary::Add), &[plain, turned], f32, &part);
        let joined = net.op("joined", Op::Concat { axis: -1 }, &[sum, parts[1]], f32, &whole);
        let order = net.ints("order", &[0, 2, 1, 3]);
        let out = net.op("permute", Op::Transpose, &[joined, order], f32, &[1, 2, FREE, 8]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["RoPE permute f32"]);
    }
}
