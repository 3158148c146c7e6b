//! Reshapes around a product that only fold its batch dims.
//!
//! `MatMul(Reshape(a), Reshape(b)) → Reshape` is the product of a and b, if no Reshape changes the last two dims, and a, b
//! and the result have the same dims before them. Nobody else may read the product.
//!
//! Source: `DeReshapeMatMul`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/symbolic_transformations/dereshape_matmul.cpp.

use super::work::{Edge, FreeDims, Work};
use crate::graph::Op;

/// Removes the Reshapes.
pub(super) fn products(work: &mut Work<'_>) {
    let order = work.model_order();
    let is_reshape = |node: usize| matches!(work.nodes[node].op, Op::Reshape(_));
    let is_product = |node: usize| {
        let feeds = |input: usize| work.producer(node, input).is_some_and(is_reshape);
        matches!(work.nodes[node].op, Op::MatMul { .. }) && feeds(0) && feeds(1)
    };
    let found: Vec<usize> = order
        .iter()
        .copied()
        .filter(|&node| is_reshape(node) && work.producer(node, 0).is_some_and(is_product))
        .collect();
    if found.is_empty() {
        return;
    }
    let facts = std::mem::take(&mut work.free_dims);
    for node in found {
        product(work, &facts, node);
    }
}

/// Whether two dims are equal in every run.
fn are_equal(work: &Work<'_>, facts: &FreeDims, first: (Edge, usize), second: (Edge, usize)) -> bool {
    let dim = |(edge, axis): (Edge, usize)| work.tensor(edge).dims.get(axis).copied();
    let symbol = |(edge, axis): (Edge, usize)| facts.symbol(work, edge, axis);
    match (dim(first), dim(second)) {
        (Some(a), Some(b)) if a.is_free() && b.is_free() => {
            symbol(first).is_some() && symbol(first) == symbol(second)
        }
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn product(work: &mut Work<'_>, facts: &FreeDims, last: usize) -> Option<()> {
    let matmul = work.producer(last, 0)?;
    if !matches!(work.nodes[matmul].op, Op::MatMul { .. }) {
        return None;
    }
    work.only_user(matmul)?;
    let (first, second) = (folded(work, facts, matmul, 0)?, folded(work, facts, matmul, 1)?);
    let rank = work.tensor(first).dims.len();
    let output = work.nodes[last].outputs.first()?.clone();
    let own = work.nodes[matmul].outputs.first()?.dims.len();
    let is_batch = |edge: Edge| {
        work.tensor(edge).dims.len() == rank
            && (0..rank - 2).all(|axis| are_equal(work, facts, (edge, axis), (Edge::of(last), axis)))
    };
    let keeps = output.dims.len() == rank
        && (1..=2).all(|back| {
            own >= back
                && are_equal(work, facts, (Edge::of(matmul), own - back), (Edge::of(last), rank - back))
        });
    if !keeps || !is_batch(first) || !is_batch(second) {
        return None;
    }
    work.read(matmul, [first, second]);
    work.nodes[matmul].outputs[0] = output;
    work.replace(Edge::of(last), Edge::of(matmul));
    Some(())
}

/// What a Reshape in front of a product reads, if it keeps the last two dims.
fn folded(work: &Work<'_>, facts: &FreeDims, matmul: usize, input: usize) -> Option<Edge> {
    let reshape = work.producer(matmul, input)?;
    if !matches!(work.nodes[reshape].op, Op::Reshape(_)) {
        return None;
    }
    let source = work.nodes[reshape].input(0)?;
    let (from, to) = (work.tensor(source).dims.len(), work.nodes[reshape].outputs.first()?.dims.len());
    let keeps = from > 2
        && to >= 2
        && (1..=2).all(|back| are_equal(work, facts, (source, from - back), (Edge::of(reshape), to - back)));
    keeps.then_some(source)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Net, STATIC};
    use super::*;
    use crate::DType;
    use crate::graph::op::ReshapeZero;

    /// Scores of heads whose batch is folded, then unfolded to `out`.
    fn scores(out: &[i64]) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let folded = net.ints("folded", &[6, 5, 8]);
        let inputs = ["q", "k"].map(|name| {
            let x = net.input(name, f32, &[2, 3, 5, 8]);
            net.op(&format!("{name}_folded"), Op::Reshape(ReshapeZero::IsZero), &[x, folded], f32, &[6, 5, 8])
        });
        let product = Op::MatMul { transpose_a: false, transpose_b: true };
        let made = net.op("scores", product, &inputs, f32, &[6, 5, 5]);
        let pattern = net.ints("unfolded", out);
        let out = net.op("out", Op::Reshape(ReshapeZero::IsZero), &[made, pattern], f32, out);
        net.result("result", out);
        net.lines(STATIC)
    }

    #[test]
    fn folding_and_unfolding_batch_dims_is_nothing() {
        assert_eq!(scores(&[2, 3, 5, 5]), ["MatMul scores f32"]);
        assert_eq!(scores(&[3, 2, 5, 5]).len(), 4);
    }
}
