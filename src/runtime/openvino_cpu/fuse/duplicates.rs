//! Nodes that compute the same are one; the first in order keeps its name.
//!
//! Constants are compared by value, or by their place in the file, and stay nodes of their own. Nodes that read nothing but
//! constants are joined only where they read the same ones: readers of one tensor are compared.
//! An Unsqueeze or Squeeze with at most one free dim is a Reshape by then (`EliminateUnsqueeze`), and equal to one that names
//! the same dims.
//!
//! Source: `SharedOpOptimization`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations.

use super::work::{Dim, Edge, Work};
use crate::DType;
use crate::graph::op::{Constant, WeightRange};
use crate::graph::{Op, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::mem::{Discriminant, discriminant};

/// The first constant of each value.
type Constants = FxHashMap<(DType, SmallVec<[u64; 4]>, Content), usize>;

/// The content of a constant.
#[derive(PartialEq, Eq, Hash)]
enum Content {
    Elements(SmallVec<[i64; 4]>),
    Stored(WeightRange),
}

/// Elements of a constant that is compared by value.
const FEW: usize = 64;

/// What equal nodes agree in before their attributes are compared.
type Key = (Discriminant<Op>, SmallVec<[Option<Edge>; 4]>);

/// Joins equal nodes, inputs before users.
pub(super) fn merge(work: &mut Work<'_>) {
    let mut constants = Constants::default();
    let mut known: FxHashMap<Key, SmallVec<[usize; 2]>> = FxHashMap::default();
    let mut reshapes: FxHashMap<(Edge, SmallVec<[i64; 4]>), usize> = FxHashMap::default();
    for &node in work.model_order().iter() {
        if !work.is_alive(node) {
            continue;
        }
        let op = &work.nodes[node].op;
        let is_plumbing =
            matches!(op, Op::Parameter | Op::Constant(_) | Op::Result | Op::ReadValue(_) | Op::Assign(_));
        let is_mergeable = !is_plumbing && !op.is_opaque();
        if !is_mergeable || work.nodes[node].outputs.len() != 1 {
            continue;
        }
        let own = work.nodes[node].inputs();
        let reads_data = own.iter().flatten().any(|edge| !work.nodes[edge.node()].is_const());
        let mut like = |edge: Edge| if reads_data { stands_for(work, edge, &mut constants) } else { edge };
        let inputs: SmallVec<[Option<Edge>; 4]> = own.iter().map(|edge| edge.map(&mut like)).collect();
        let same = known.entry((discriminant(&work.nodes[node].op), inputs)).or_default();
        let first = same.iter().copied().find(|&first| {
            let (first, second) = (&work.nodes[first], &work.nodes[node]);
            first.op == second.op && first.outputs == second.outputs && first.kind == second.kind
        });
        match first {
            Some(first) if work.is_alive(first) => {
                work.replace(Edge::of(node), Edge::of(first));
                continue;
            }
            _ => same.push(node),
        }
        let (Some(input), Some(pattern)) = (work.nodes[node].input(0), pattern(work, node)) else { continue };
        let first = *reshapes.entry((input, pattern)).or_insert(node);
        let is_alike = first != node && work.nodes[first].outputs == work.nodes[node].outputs;
        if is_alike && work.is_alive(first) {
            work.replace(Edge::of(node), Edge::of(first));
        }
    }
}

/// The dims that a Reshape, Unsqueeze or Squeeze writes, as the pattern of a Reshape that copies none.
fn pattern(work: &Work<'_>, node: usize) -> Option<SmallVec<[i64; 4]>> {
    match work.nodes[node].op {
        Op::Reshape(_) => {
            work.ints(node, 1).filter(|pattern| !pattern.contains(&0)).map(SmallVec::from_slice)
        }
        Op::Unsqueeze | Op::Squeeze { .. } => {
            let dims = &work.nodes[node].outputs.first()?.dims;
            let has_pattern = !dims.is_empty() && dims.iter().filter(|dim| dim.is_free()).count() < 2;
            let size = |dim: &Dim| dim.known().map_or(Some(-1), |size| i64::try_from(size).ok());
            dims.iter().map(size).collect::<Option<_>>().filter(|_| has_pattern)
        }
        _ => None,
    }
}

/// The edge itself, or the first constant of the same value.
fn stands_for(work: &Work<'_>, edge: Edge, constants: &mut Constants) -> Edge {
    let node = &work.nodes[edge.node()];
    if !node.is_const() {
        return edge;
    }
    let content = match (&node.value, &node.op) {
        (Some(value), _) if value.len() <= FEW => Content::Elements(match value.as_ints() {
            Some(ints) => ints.iter().copied().collect(),
            None => Value::to_floats(value).iter().map(|value| value.to_bits() as i64).collect(),
        }),
        (_, Op::Constant(Constant { range: Some(range), .. })) => Content::Stored(*range),
        _ => return edge,
    };
    let tensor = work.tensor(edge);
    Edge::of(*constants.entry((tensor.dtype, tensor.sizes(), content)).or_insert(edge.node()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{AxisSpan, Binary, Broadcast, ReshapeZero, Unary};

    fn twins(second: Unary) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let x = net.input("x", f32, &dims);
        let first = net.op("first", Op::Unary(Unary::Cos), &[x], f32, &dims);
        let second = net.op("second", Op::Unary(second), &[x], f32, &dims);
        let sum = Op::Binary(Binary::Add, Broadcast::Numpy);
        let out = net.op("sum", sum, &[first, second], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn an_unsqueeze_is_equal_to_a_reshape_to_the_same_dims() {
        let of = |pattern: &[i64], dims: &[i64]| {
            let (mut net, f32) = (Net::new(), DType::F32);
            let x = net.input("x", f32, &[FREE]);
            let x = net.op("cos", Op::Unary(Unary::Cos), &[x], f32, &[FREE]);
            let (axis, pattern) = (net.ints("axis", &[1]), net.ints("pattern", pattern));
            let column = net.op("column", Op::Unsqueeze, &[x, axis], f32, &[FREE, 1]);
            let shaped = net.op("shaped", Op::Reshape(ReshapeZero::IsZero), &[x, pattern], f32, dims);
            let first = net.op("first", Op::Softmax(AxisSpan::LAST), &[column], f32, &[FREE, 1]);
            let second = net.op("second", Op::Softmax(AxisSpan::LAST), &[shaped], f32, dims);
            net.result("first_out", first);
            net.result("second_out", second);
            net.lines(DYNAMIC).iter().filter(|line| line.starts_with("Reshape")).count()
        };
        assert_eq!((of(&[-1, 1], &[FREE, 1]), of(&[1, -1], &[1, FREE])), (1, 2));
    }

    #[test]
    fn constants_of_the_same_bytes_are_equal() {
        let of = |offsets: [u64; 2]| {
            let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 500]);
            let x = net.input("x", f32, &dims);
            let sums = offsets.map(|offset| {
                let range = WeightRange { file: 0, offset, size: 2000 };
                let op = Op::Constant(Constant { range: Some(range), value: None });
                let divisor = net.op(&format!("divisor{offset}"), op, &[], f32, &[1, 500]);
                let divide = Op::Binary(Binary::Divide, Broadcast::Numpy);
                let part = net.op("part", divide, &[x, divisor], f32, &dims);
                net.op("cos", Op::Unary(Unary::Cos), &[part], f32, &dims)
            });
            let out = net.op("sum", Op::Binary(Binary::Add, Broadcast::Numpy), &sums, f32, &dims);
            net.result("out", out);
            net.lines(DYNAMIC).iter().filter(|line| line.starts_with("Math")).count()
        };
        assert_eq!((of([0, 0]), of([0, 2000])), (1, 2));
    }

    #[test]
    fn equal_nodes_are_one_under_the_first_name() {
        assert_eq!(twins(Unary::Cos), ["Math first f32", "Eltwise sum f32"]);
        assert_eq!(twins(Unary::Sin).len(), 3);
    }

    /// How many conversions are left of two, of one constant or of two that are alike.
    fn of_constants(is_one: bool) -> usize {
        let (mut net, f32) = (Net::new(), DType::F32);
        let first = net.ints("first", &[1, 2, 3, 4]);
        let second = if is_one { first } else { net.ints("second", &[1, 2, 3, 4]) };
        for stored in [first, second] {
            let wide = net.op("wide", Op::Convert { to: f32 }, &[stored], f32, &[4]);
            net.result("out", wide);
        }
        let (graph, shapes) = net.shapes();
        let mut work = Work::new(&graph, &shapes, DYNAMIC);
        merge(&mut work);
        let is_convert =
            |&node: &usize| work.is_alive(node) && matches!(work.nodes[node].op, Op::Convert { .. });
        (0..work.nodes.len()).filter(is_convert).count()
    }

    #[test]
    fn equal_constants_are_not_the_same_tensor() {
        assert_eq!([of_constants(true), of_constants(false)], [1, 2]);
    }
}
