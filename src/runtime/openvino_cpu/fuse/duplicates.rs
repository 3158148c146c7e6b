//! Nodes that compute the same are one; the first in order keeps its name.
//!
//! Constants are compared by value, or by their place in the file, and stay nodes of their own. Nodes that read nothing but
//! constants are joined only where they read the same ones: readers of one tensor are compared.
//! An Unsqueeze or Squeeze with at most one free dim is a Reshape by then (`EliminateUnsqueeze`), and equal to one that names
//! the same dims.
//!
//! Source: `SharedOpOptimization`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations.

use super::work::{Dim, Edge, Tensor, Work};
use crate::DType;
use crate::graph::op::{Constant, WeightRange};
use crate::graph::{Op, Value};
use rustc_hash::{FxHashMap, FxHashSet};
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

/// The inputs of a node, with one constant for all of the same value.
type Inputs = SmallVec<[Option<Edge>; 4]>;

/// What equal nodes agree in before their attributes are compared.
type Key = (Discriminant<Op>, Inputs);

/// Nodes, in the order in which they were visited.
type Nodes = SmallVec<[usize; 2]>;

/// Readers of one node that are compared one by one; of more, there is a table. As many of one key are
/// compared one by one there; of more, attributes are looked up as text.
///
/// Source: this crate's; any number leaves the same nodes.
const COMPARED: usize = 16;

/// The nodes that were visited, to find those that are equal to another.
///
/// Equal nodes read the same tensor, so that they are among its readers. A table of all nodes would be in no cache.
struct Visited {
    /// Per node, its turn, counted from 1; 0: not yet.
    turns: Vec<u32>,
    n_turns: u32,
    /// The nodes whose readers are in the table.
    listed: FxHashSet<usize>,
    /// The first nodes of each key, at most [`COMPARED`] of them.
    table: FxHashMap<Key, Nodes>,
    /// The others, by the first node of their key and by attributes.
    others: FxHashMap<(usize, String), Nodes>,
    constants: Constants,
}

/// Joins equal nodes, inputs before users.
pub(super) fn merge(work: &mut Work<'_>) {
    let mut visited = Visited::new(work);
    let mut reshapes: FxHashMap<(Edge, SmallVec<[i64; 4]>), usize> = FxHashMap::default();
    for &node in work.model_order().iter() {
        if !work.is_alive(node) || !is_mergeable(work, node) {
            continue;
        }
        if let Some(first) = visited.visit(work, node) {
            work.replace(Edge::of(node), Edge::of(first));
            continue;
        }
        let (Some(input), Some(pattern)) = (work.nodes[node].input(0), pattern(work, node)) else { continue };
        let first = *reshapes.entry((input, pattern)).or_insert(node);
        let is_alike = first != node && work.nodes[first].outputs == work.nodes[node].outputs;
        if is_alike && work.is_alive(first) {
            work.replace(Edge::of(node), Edge::of(first));
        }
    }
}

/// Whether a node that is equal to an earlier one goes.
fn is_mergeable(work: &Work<'_>, node: usize) -> bool {
    let op = &work.nodes[node].op;
    let is_plumbing =
        matches!(op, Op::Parameter | Op::Constant(_) | Op::Result | Op::ReadValue(_) | Op::Assign(_));
    !is_plumbing && !op.is_opaque() && work.nodes[node].outputs.len() == 1
}

impl Visited {
    fn new(work: &Work<'_>) -> Visited {
        Visited {
            turns: vec![0; work.nodes.len()],
            n_turns: 0,
            listed: FxHashSet::default(),
            table: FxHashMap::default(),
            others: FxHashMap::default(),
            constants: Constants::default(),
        }
    }

    /// Visits a node; returns the first that is left of those that are equal to it and were visited before.
    fn visit(&mut self, work: &Work<'_>, node: usize) -> Option<usize> {
        self.n_turns += 1;
        self.turns[node] = self.n_turns;
        let own = work.nodes[node].inputs();
        let is_data = |edge: &Edge| !work.nodes[edge.node()].is_const();
        let reads = own.iter().flatten().copied();
        // The same for all that are equal to it.
        let read = reads.clone().find(is_data).or_else(|| reads.clone().next()).map(|edge| edge.node());
        if let Some(read) = read {
            if work.users(read).len() <= COMPARED && !self.listed.contains(&read) {
                return self.among_readers(work, read, node);
            }
            if self.listed.insert(read) {
                self.list(work, read, node);
            }
        }
        let key = (discriminant(&work.nodes[node].op), self.inputs(work, node));
        let mut same = self.table.entry(key).or_default();
        let is_same = |first: &usize| is_equal(work, *first, node);
        let mut first = same.iter().copied().find(is_same);
        if first.is_none() && same.len() >= COMPARED {
            // A number that is not equal to itself.
            if !is_equal(work, node, node) {
                return None;
            }
            same = self.others.entry((same[0], attributes(work, node))).or_default();
            first = same.iter().copied().find(is_same);
        }
        // Behind one that is equal, and gone, it would not be found.
        if first.is_none() {
            same.push(node);
        }
        first.filter(|&first| work.is_alive(first))
    }

    /// The first reader of `read` that was visited and is equal to a node.
    fn among_readers(&mut self, work: &Work<'_>, read: usize, node: usize) -> Option<usize> {
        let readers = work.users(read).iter().map(|&(reader, _)| reader);
        let earlier = readers.filter(|&reader| reader != node && self.turns[reader] > 0);
        let mut equal: SmallVec<[usize; COMPARED]> =
            earlier.filter(|&reader| is_equal(work, reader, node)).collect();
        if equal.is_empty() {
            return None;
        }
        equal.sort_unstable_by_key(|&reader| self.turns[reader]);
        let own = self.inputs(work, node);
        equal.into_iter().find(|&reader| self.inputs(work, reader) == own)
    }

    /// Puts the readers of `read` that were visited before a node in the table.
    fn list(&mut self, work: &Work<'_>, read: usize, node: usize) {
        let readers = work.users(read).iter().map(|&(reader, _)| reader);
        let mut earlier: Vec<usize> =
            readers.filter(|&reader| reader != node && self.turns[reader] > 0).collect();
        earlier.sort_unstable_by_key(|&reader| self.turns[reader]);
        earlier.dedup();
        for reader in earlier {
            let key = (discriminant(&work.nodes[reader].op), self.inputs(work, reader));
            let mut same = self.table.entry(key).or_default();
            if same.len() >= COMPARED {
                same = self.others.entry((same[0], attributes(work, reader))).or_default();
            }
            same.push(reader);
        }
    }

    /// The inputs of a node. Nodes that read nothing but constants are equal only where they read the same ones.
    fn inputs(&mut self, work: &Work<'_>, node: usize) -> Inputs {
        let own = work.nodes[node].inputs();
        let reads_data = own.iter().flatten().any(|edge| !work.nodes[edge.node()].is_const());
        let mut like =
            |edge: Edge| if reads_data { stands_for(work, edge, &mut self.constants) } else { edge };
        own.iter().map(|edge| edge.map(&mut like)).collect()
    }
}

/// Whether two nodes of the same inputs are equal.
fn is_equal(work: &Work<'_>, first: usize, second: usize) -> bool {
    let (first, second) = (&work.nodes[first], &work.nodes[second]);
    first.op == second.op && first.outputs == second.outputs && first.kind == second.kind
}

/// The properties that [`is_equal`] compares, as text that is the same for equal nodes; nothing is asked of free dims.
fn attributes(work: &Work<'_>, node: usize) -> String {
    let of = &work.nodes[node];
    let known = |tensor: &Tensor| tensor.dims.iter().map(|dim| dim.known()).collect::<SmallVec<[_; 4]>>();
    let outputs: SmallVec<[_; 1]> = of.outputs.iter().map(|tensor| (tensor.dtype, known(tensor))).collect();
    // 0 and -0 are equal.
    format!("{:?} {} {outputs:?}", of.op, of.kind.name()).replace("-0.0", "0.0")
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

    #[test]
    fn many_readers_of_one_tensor_with_other_attributes_stay() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8, 4]);
        let x = net.input("x", f32, &dims);
        // 40 norms with an epsilon each, then all of them again, and zeros of both signs.
        let epsilons = (1..=40_u8).map(|step| f32::from(step) * 1e-3);
        for epsilon in epsilons.clone().chain(epsilons).chain([0.0, -0.0]) {
            let norm = net.op("norm", Op::Grn { bias: epsilon }, &[x], f32, &dims);
            net.result("out", norm);
        }
        let (graph, shapes) = net.shapes();
        let mut work = Work::new(&graph, &shapes, DYNAMIC);
        merge(&mut work);
        let is_norm = |&node: &usize| work.is_alive(node) && matches!(work.nodes[node].op, Op::Grn { .. });
        assert_eq!((0..work.nodes.len()).filter(is_norm).count(), 41);
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
