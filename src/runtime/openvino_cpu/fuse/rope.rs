//! Rotary position embedding.
//!
//! `Add(Multiply(x, cos), Multiply(Concat(-x[half:], x[:half]), sin))` is one node, named as the Add. A transposition
//! `[0,2,1,3]` of x that nothing else reads is taken in; what comes between it and the rotation keeps it.
//!
//! Where only the first part of the last dim is turned, and joined with the rest again, the Split and the Concat are
//! taken in too: x is the whole, and the node has the Concat's name.
//!
//! Source: `RoPEFusionGPTNEOX`, `RoPEFusionIOSlicing` and `RoPEFusionPreprocess`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/fuse_rotary_positional_embeddings.cpp.

use super::pattern::{inputs, is_binary, swaps_heads};
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Rope, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Fuses every rotation; of a fused one, takes in parts of the last dim and the transposition in front.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "rope",
        source: "RoPEFusionGPTNEOX",
        on: |node| matches!(node.op, Op::Binary(Binary::Add, _)),
        apply: |work, node| Some(replace(work, node, matched(work, node)?)),
        repeats: false,
    },
    Rule {
        name: "rope-parts",
        source: "RoPEFusionIOSlicing",
        on: |node| node.kind == Kind::Rope,
        apply: take_parts,
        repeats: false,
    },
    TRANSPOSE,
];

/// Takes in the transposition in front of a rotation.
pub(super) const TRANSPOSE: Rule = Rule {
    name: "rope-transpose",
    source: "RoPEFusionPreprocess",
    on: |node| node.kind == Kind::Rope,
    apply: take_transpose,
    repeats: false,
};

/// Puts a rotation of x by cos and sin in a node's place, under its name.
pub(super) fn replace(work: &Work<'_>, node: usize, read: [Edge; 3]) -> Patch {
    let mut patch = Patch::new(work);
    let fused = Node::in_place_of(&work.nodes[node], Op::Rope(Box::default()), Kind::Rope);
    let fused = patch.add(Node { is_view: true, ..fused }, read);
    patch.replace(Edge::of(node), Edge::of(fused));
    patch.revisit(fused);
    patch
}

/// Takes in the Split whose first part is turned, and the Concat with the second.
fn take_parts(work: &Work<'_>, rope: usize) -> Option<Patch> {
    let part = work.nodes[rope].input(0)?;
    let (concat, 0) = work.only_user(rope)? else { return None };
    let is_last = |work: &Work<'_>, axis: i64| axis == -1 || axis == work.tensor(part).dims.len() as i64 - 1;
    let joins = match work.nodes[concat].op {
        Op::Concat { axis } => is_last(work, axis) && work.nodes[concat].inputs().len() == 2,
        _ => false,
    };
    let splits = work.nodes[part.node()].kind == Kind::Split
        && matches!(work.ints(part.node(), 1), Some(&[axis]) if is_last(work, axis))
        && work.nodes[part.node()].outputs.len() == 2
        && work.users(part.node()).len() == 2;
    let rest = Edge::new(part.node(), 1);
    if !joins || !splits || part.port() != 0 || work.nodes[concat].input(1) != Some(rest) {
        return None;
    }
    let whole = work.nodes[part.node()].input(0)?;
    let old = &work.nodes[concat];
    let (source, outputs) = (old.source, old.outputs.clone());
    let mut patch = Patch::new(work);
    patch.rename(rope, concat);
    patch.change(rope, move |rope| (rope.source, rope.outputs) = (source, outputs));
    patch.set_input(rope, 0, whole);
    patch.replace(Edge::of(concat), Edge::of(rope));
    Some(patch)
}

fn take_transpose(work: &Work<'_>, rope: usize) -> Option<Patch> {
    let transpose = work.producer(rope, 0).filter(|&node| swaps_heads(work, node))?;
    work.only_user(transpose)?;
    let source = work.nodes[transpose].input(0)?;
    let mut patch = Patch::new(work);
    patch.set_input(rope, 0, source);
    patch.change(rope, |rope| {
        rope.op = Op::Rope(Box::new(Rope { input_trans0213: true, ..Rope::default() }));
        rope.is_view = false;
    });
    Some(patch)
}

fn matched(work: &Work<'_>, node: usize) -> Option<[Edge; 3]> {
    let (first, second) = inputs(work, node, Binary::Add)?;
    let (rotated, plain) = match (rotation(work, first.node()), rotation(work, second.node())) {
        (Some(rotated), None) => (rotated, second.node()),
        (None, Some(rotated)) => (rotated, first.node()),
        _ => return None,
    };
    let (x, sin) = rotated;
    let (left, right) = inputs(work, plain, Binary::Multiply)?;
    let cos = match (left == x, right == x) {
        (true, false) => right,
        (false, true) => left,
        _ => return None,
    };
    Some([x, cos, sin])
}

/// Of `Multiply(Concat(-x[half:], x[:half]), sin)`: x and sin.
fn rotation(work: &Work<'_>, node: usize) -> Option<(Edge, Edge)> {
    let (left, right) = inputs(work, node, Binary::Multiply)?;
    let is_concat = |edge: Edge| work.nodes[edge.node()].kind == Kind::Concat;
    let (concat, sin) = match (is_concat(left), is_concat(right)) {
        (true, false) => (left, right),
        (false, true) => (right, left),
        _ => return None,
    };
    let [Some(negated), Some(kept)] = work.nodes[concat.node()].inputs()[..] else { return None };
    let cut = match work.nodes[negated.node()].op {
        Op::Unary(Unary::Negative) => work.nodes[negated.node()].input(0)?,
        _ if is_binary(work, negated.node(), Binary::Multiply)
            && work.number(negated.node(), 1) == Some(-1.0) =>
        {
            work.nodes[negated.node()].input(0)?
        }
        _ if is_binary(work, negated.node(), Binary::Multiply)
            && work.number(negated.node(), 0) == Some(-1.0) =>
        {
            work.nodes[negated.node()].input(1)?
        }
        _ => return None,
    };
    let is_cut = |edge: Edge| matches!(work.nodes[edge.node()].kind, Kind::StridedSlice | Kind::Split);
    if !is_cut(cut) || !is_cut(kept) {
        return None;
    }
    let x = work.nodes[cut.node()].input(0)?;
    (work.nodes[kept.node()].input(0)? == x).then_some((x, sin))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, Broadcast};

    /// A rotation of x, which a Transpose feeds; `sign` is what the second half is multiplied with.
    fn rotation(sign: f64, norm_between: bool) -> Net {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [1, 2, FREE, 8]);
        let multiply = || Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let x = net.input("x", f32, &[1, FREE, 2, 8]);
        let [cos, sin] = ["cos", "sin"].map(|name| net.input(name, f32, &[1, 1, FREE, 8]));
        let order = net.ints("order", &[0, 2, 1, 3]);
        let mut x = net.op("transpose", Op::Transpose, &[x, order], f32, &dims);
        if norm_between {
            x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        }
        let plain = net.op("plain", multiply(), &[x, cos], f32, &dims);
        let mut half = |name: &str, from: i64, to: i64| {
            let bounds = [from, to, 1, 3].map(|bound| net.ints("bound", &[bound]));
            net.op(name, Op::Slice, &[x, bounds[0], bounds[1], bounds[2], bounds[3]], f32, &[1, 2, FREE, 4])
        };
        let (second, first) = (half("second", 4, 8), half("first", 0, 4));
        let minus = net.number("minus", sign);
        let negative = net.op("neg", multiply(), &[second, minus], f32, &[1, 2, FREE, 4]);
        let joined = net.op("concat", Op::Concat { axis: -1 }, &[negative, first], f32, &dims);
        let turned = net.op("turned", multiply(), &[joined, sin], f32, &dims);
        let out = net.op("add", Op::Binary(Binary::Add, Broadcast::Numpy), &[plain, turned], f32, &dims);
        net.result("out", out);
        net
    }

    #[test]
    fn a_rotation_takes_in_the_transposition() {
        assert_eq!(rotation(-1.0, false).lines(DYNAMIC), ["RoPE add f32"]);
    }

    #[test]
    fn what_lies_between_keeps_the_transposition_and_rotates_in_place() {
        let graph = rotation(-1.0, true).execute(DYNAMIC);
        let lines = super::super::testing::lines(&graph);
        assert!(lines.contains(&"Transpose transpose f32".to_owned()), "{lines:?}");
        let rope = graph.nodes.iter().find(|node| node.kind == Kind::Rope).unwrap();
        assert!(rope.is_view);
    }

    #[test]
    fn a_turned_part_is_joined_with_the_rest_inside() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [1, 2, FREE, 8]);
        let multiply = || Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let x = net.input("x", f32, &dims);
        let [cos, sin] = ["cos", "sin"].map(|name| net.input(name, f32, &[1, 1, FREE, 4]));
        let cut = |net: &mut Net, of, name: &str, from: i64, to: i64| {
            let bounds = [from, to, 1, 3].map(|bound| net.ints("bound", &[bound]));
            let dims = [1, 2, FREE, to - from];
            net.op(name, Op::Slice, &[of, bounds[0], bounds[1], bounds[2], bounds[3]], f32, &dims)
        };
        let (turning, rest) = (cut(&mut net, x, "turning", 0, 4), cut(&mut net, x, "rest", 4, 8));
        let plain = net.op("plain", multiply(), &[turning, cos], f32, &[1, 2, FREE, 4]);
        let (second, first) = (cut(&mut net, turning, "b", 2, 4), cut(&mut net, turning, "a", 0, 2));
        let minus = net.number("minus", -1.0);
        let negative = net.op("neg", multiply(), &[second, minus], f32, &[1, 2, FREE, 2]);
        let joined = net.op("concat", Op::Concat { axis: -1 }, &[negative, first], f32, &[1, 2, FREE, 4]);
        let turned = net.op("turned", multiply(), &[joined, sin], f32, &[1, 2, FREE, 4]);
        let sum = Op::Binary(Binary::Add, Broadcast::Numpy);
        let sum = net.op("add", sum, &[plain, turned], f32, &[1, 2, FREE, 4]);
        let out = net.op("whole", Op::Concat { axis: -1 }, &[sum, rest], f32, &dims);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["RoPE whole f32"]);
    }

    #[test]
    fn without_the_sign_it_is_no_rotation() {
        let lines = rotation(1.0, false).lines(DYNAMIC);
        assert!(!lines.iter().any(|line| line.starts_with("RoPE")), "{lines:?}");
    }
}
