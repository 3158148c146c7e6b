//! Root-mean-square normalisation.
//!
//! `Multiply(gamma, Multiply(x, Divide(1, Sqrt(Add(ReduceMean(Power(x, 2)), eps)))))` is one node, named as the last
//! Multiply, if the last dim of x is known when the model is compiled. Power(…, -0.5) is the inverse root too, and x may be
//! divided by the root.
//! Without gamma, where it is one and an exporter left it out, it is the inner Multiply.
//!
//! Source: `RMSFusion`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations/rms_fusion.cpp.

use super::kind;
use super::pattern::{constant_and_other, inputs, is_binary};
use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Reduce, Unary};
use crate::rewrite::squared;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// Fuses every normalisation.
pub(super) const RULE: Rule = Rule {
    name: "rms",
    source: "RMSFusion, src/common/transformations/src/transformations/common_optimizations/rms_fusion.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply | Binary::Divide, _)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (x, gamma) = matched(work, node)?;
    let mut patch = Patch::new(work);
    if work.tensor(x).last().is_none() {
        spell_out(work, node, &mut patch);
        return Some(patch);
    }
    let fused = Node::in_place_of(&work.nodes[node], Op::Rms, Kind::Rms);
    let fused = patch.add(fused, std::iter::once(x).chain(gamma));
    patch.replace(Edge::of(node), Edge::of(fused));
    Some(patch)
}

/// What is normalised and gamma, of the outermost node of the pattern.
fn matched(work: &Work<'_>, node: usize) -> Option<(Edge, Option<Edge>)> {
    if let Some((gamma, scaled)) = constant_and_other(work, node, Binary::Multiply) {
        return Some((normalised(work, scaled.node())?, Some(gamma)));
    }
    let scales = |user: usize| constant_and_other(work, user, Binary::Multiply).is_some();
    let is_inner = work.only_user(node).is_some_and(|(user, _)| scales(user));
    if is_inner { None } else { Some((normalised(work, node)?, None)) }
}

/// What is normalised, of the Multiply by the inverse root or the Divide by the root.
fn normalised(work: &Work<'_>, node: usize) -> Option<Edge> {
    if let Some((x, root)) = inputs(work, node, Binary::Divide) {
        let is_root = matches!(work.nodes[root.node()].op, Op::Unary(Unary::Sqrt));
        return is_root.then(|| mean_square_of(work, root.node())).flatten().filter(|&squared| squared == x);
    }
    let (first, second) = inputs(work, node, Binary::Multiply)?;
    let (x, inverse) = if is_inverse_root(work, second.node()) { (first, second) } else { (second, first) };
    let root = if is_binary(work, inverse.node(), Binary::Divide) {
        if work.number(inverse.node(), 0)? != 1.0 {
            return None;
        }
        let root = work.producer(inverse.node(), 1)?;
        if !matches!(work.nodes[root].op, Op::Unary(Unary::Sqrt)) {
            return None;
        }
        root
    } else if is_binary(work, inverse.node(), Binary::Power) && work.number(inverse.node(), 1)? == -0.5 {
        inverse.node()
    } else if is_binary(work, inverse.node(), Binary::Power) && work.number(inverse.node(), 1)? == -1.0 {
        work.producer(inverse.node(), 0)?
    } else {
        return None;
    };
    mean_square_of(work, root).filter(|&squared| squared == x)
}

/// What the root is taken of the mean square of.
fn mean_square_of(work: &Work<'_>, root: usize) -> Option<Edge> {
    let (_, mean) = constant_and_other(work, work.producer(root, 0)?, Binary::Add)?;
    if !matches!(work.nodes[mean.node()].op, Op::Reduce { kind: Reduce::Mean, keep_dims: true, .. }) {
        return None;
    }
    let square = work.producer(mean.node(), 0)?;
    let exponent = || work.number(square, 1);
    squared(work, square, exponent)
}

/// Where the last dim is free, the plugin writes the pattern out again, under names of its own.
///
/// Source: `RMSDecomposition` as the execution graph of a merger shows it.
fn spell_out(work: &Work<'_>, node: usize, patch: &mut Patch) {
    let mut part = Some(node);
    let mut parts = Vec::new();
    while let Some(node) = part.filter(|_| parts.len() < 8) {
        parts.push(node);
        let is_part = |edge: &Edge| {
            let of = &work.nodes[edge.node()];
            matches!(of.kind, Kind::Eltwise | Kind::Reduce) && work.only_user(edge.node()).is_some()
        };
        part = work.nodes[node].inputs().iter().flatten().find(|edge| is_part(edge)).map(|edge| edge.node());
    }
    for node in parts {
        let mut op = work.nodes[node].op.clone();
        if is_binary(work, node, Binary::Divide)
            && let Some(root) = work.nodes[node].input(1)
        {
            let exponent = patch.add_number(-1.0, work.nodes[node].source);
            op = Op::Binary(Binary::Power, Broadcast::Numpy);
            patch.set_inputs(node, [root, exponent]);
        }
        let name = patch.fresh_name(&kind::word(&op));
        patch.change(node, |node| {
            node.op = op;
            node.originals = smallvec![name.clone()];
            node.name = name;
        });
    }
}

fn is_inverse_root(work: &Work<'_>, node: usize) -> bool {
    is_binary(work, node, Binary::Divide)
        || is_binary(work, node, Binary::Power) && work.number(node, 1).is_some_and(|power| power < 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    fn norm(x_dims: &[i64], exponent: f64) -> Net {
        scaled_norm(x_dims, exponent, true)
    }

    fn scaled_norm(x_dims: &[i64], exponent: f64, has_gamma: bool) -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let x = match x_dims {
            [_, FREE] => {
                let pattern = net.input("pattern", DType::I64, &[2]);
                net.value("pattern", &[5, 8]);
                net.op(
                    "view",
                    Op::Reshape(crate::graph::op::ReshapeZero::IsZero),
                    &[x, pattern],
                    DType::F32,
                    x_dims,
                )
            }
            _ => x,
        };
        let numpy = Broadcast::Numpy;
        let two = net.number("two", exponent);
        let square = net.op("pow", Op::Binary(Binary::Power, numpy), &[x, two], DType::F32, x_dims);
        let axes = net.ints("axes", &[-1]);
        let mean = Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false };
        let mean = net.op("mean", mean, &[square, axes], DType::F32, &[FREE, 1]);
        let eps = net.number("eps", 1e-6);
        let sum = net.op("add", Op::Binary(Binary::Add, numpy), &[mean, eps], DType::F32, &[FREE, 1]);
        let root = net.op("sqrt", Op::Unary(Unary::Sqrt), &[sum], DType::F32, &[FREE, 1]);
        let one = net.number("one", 1.0);
        let inverse = net.op("div", Op::Binary(Binary::Divide, numpy), &[one, root], DType::F32, &[FREE, 1]);
        let scaled = net.op("mul", Op::Binary(Binary::Multiply, numpy), &[x, inverse], DType::F32, x_dims);
        if !has_gamma {
            net.result("out", scaled);
            return net;
        }
        let gamma = net.weight("gamma", DType::F32, &[8]);
        let out =
            net.op("mul_1", Op::Binary(Binary::Multiply, numpy), &[gamma, scaled], DType::F32, &[FREE, 8]);
        net.result("out", out);
        net
    }

    #[test]
    fn a_norm_is_one_node_named_as_its_last() {
        assert_eq!(norm(&[FREE, 8], 2.0).lines(DYNAMIC), ["RMS mul_1 f32"]);
    }

    #[test]
    fn without_gamma_it_is_named_as_the_inner_product() {
        assert_eq!(scaled_norm(&[FREE, 8], 2.0, false).lines(DYNAMIC), ["RMS mul f32"]);
    }

    #[test]
    fn a_free_last_dim_spells_it_out() {
        let lines = norm(&[FREE, FREE], 2.0).lines(DYNAMIC);
        let norm = &lines[lines.len() - 3..];
        assert_eq!(
            norm,
            ["Eltwise Power f32", "Reduce ReduceMean,Add,Sqrt f32", "Eltwise Power,Multiply,Multiply f32"]
        );
    }

    #[test]
    fn a_cube_is_no_square() {
        let lines = norm(&[FREE, 8], 3.0).lines(DYNAMIC);
        assert!(!lines.iter().any(|line| line.starts_with("RMS")), "{lines:?}");
    }

    #[test]
    fn a_division_by_the_root_is_a_norm() {
        let of = |unary: Unary| {
            let (mut net, f32, numpy) = (Net::new(), DType::F32, Broadcast::Numpy);
            let x = net.input("x", f32, &[FREE, 8]);
            let two = net.number("two", 2.0);
            let square = net.op("pow", Op::Binary(Binary::Power, numpy), &[x, two], f32, &[FREE, 8]);
            let axes = net.ints("axes", &[-1]);
            let mean = Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false };
            let mean = net.op("mean", mean, &[square, axes], f32, &[FREE, 1]);
            let eps = net.number("eps", 1e-6);
            let sum = net.op("add", Op::Binary(Binary::Add, numpy), &[mean, eps], f32, &[FREE, 1]);
            let root = net.op("sqrt", Op::Unary(unary), &[sum], f32, &[FREE, 1]);
            let scaled = net.op("div", Op::Binary(Binary::Divide, numpy), &[x, root], f32, &[FREE, 8]);
            let gamma = net.weight("gamma", f32, &[8]);
            let out = net.op("mul", Op::Binary(Binary::Multiply, numpy), &[scaled, gamma], f32, &[FREE, 8]);
            net.result("out", out);
            net.lines(DYNAMIC)
        };
        assert_eq!(of(Unary::Sqrt), ["RMS mul f32"]);
        assert!(!of(Unary::Tanh).iter().any(|line| line.starts_with("RMS")));
    }
}
