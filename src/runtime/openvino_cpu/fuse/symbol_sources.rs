//! One source for every free dim that is used as a number.
//!
//! Nodes are visited from the one that most nodes are behind to the results. The first number that is a symbol decides:
//! it becomes `ShapeOf → Gather` of the first tensor met that has the symbol and whose shape is read, or that is joined
//! along it; without one it is the source itself. Users of the other form (a scalar or a list of one) share one Reshape.
//! Lists of equal symbols and sizes are one list, the first.
//!
//! A number is known to be a symbol only where inference asks for it: on the way to a shape, an axis, a range or a condition.
//! The length of a sequence that is data, such as the lengths a recurrent net reads, stays as exported.
//!
//! Source: `OptimizeSymbolsUsedAsValues`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/symbolic_transformations/symbol_optimization.cpp.

use super::asked;
use super::known_elements;
use super::work::{Build, Dim, Edge, FreeDims, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::ReshapeZero;
use crate::runtime::openvino_cpu::execution::Kind;
use crate::shape::dim::ElementList;
use crate::shape::{Element, Symbol};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;

/// A tensor that has a symbol, and where.
#[derive(Clone, Copy, Debug)]
struct Birth {
    edge: Edge,
    axis: usize,
}

/// The nodes that give a symbol as a number.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    scalar: Option<Edge>,
    list: Option<Edge>,
}

/// Replaces every number that is a free dim by its shared source.
pub(super) fn share(work: &mut Work<'_>) {
    let order = work.model_order();
    let facts = FreeDims::of(work);
    work.is_asked = asked::find(work, &order);
    // Without free dims there is nothing to share, nor to keep for it.
    let shared = facts.shapes.is_some().then(|| share_numbers(work, &order, &facts));
    for &node in order.iter() {
        settle_reshape(work, node, &facts);
    }
    work.free_dims = facts;
    if let Some(Shared { keeper, shapes_of }) = shared {
        work.remove(keeper);
        join_shapes(work, shapes_of);
    }
}

/// The state of sharing numbers, until Reshapes are settled.
struct Shared {
    /// The node that reads every other, so that none goes.
    keeper: usize,
    /// The shapes that symbols are read from, by the tensor that has the shape.
    shapes_of: BTreeMap<Edge, usize>,
}

/// Makes readers of numbers and lists that are symbols read the first of each.
fn share_numbers(work: &mut Work<'_>, order: &[usize], facts: &FreeDims) -> Shared {
    let visits: Vec<(usize, SmallVec<[Edge; 4]>)> = by_depth(work, order)
        .into_iter()
        .map(|node| (node, work.nodes[node].inputs().iter().flatten().copied().collect()))
        .collect();
    // What loses its readers may be read again: nothing goes before the end.
    let keeper = keep(work, &visits);
    let mut births: FxHashMap<Symbol, Birth> = FxHashMap::default();
    let mut sources: FxHashMap<Symbol, Source> = FxHashMap::default();
    let mut lists: BTreeMap<ElementList, Edge> = BTreeMap::new();
    let mut shapes_of = BTreeMap::new();
    for (node, inputs) in visits {
        if !work.nodes[node].is_const() && work.is_asked(node) {
            for port in 0..work.nodes[node].outputs.len() {
                let edge = Edge::new(node, port);
                if let Some(elements) = facts.integers(work, edge) {
                    replace_number(work, edge, &elements, &births, &mut sources, &mut shapes_of, keeper);
                }
            }
        }
        save_births(work, node, &inputs, facts, &mut births);
        // A list that inference does not ask for has no symbols.
        if work.nodes[node].outputs.len() == 1 && work.is_asked(node) {
            let edge = Edge::of(node);
            let elements = facts.integers(work, edge);
            if let Some(elements) = elements.filter(|elements| is_list_of_symbols(elements)) {
                match lists.get(&elements) {
                    Some(&first) if work.tensor(first).dims == work.tensor(edge).dims => {
                        work.replace_for(edge, first, |user| user != keeper);
                    }
                    Some(_) => {}
                    None => _ = lists.insert(elements, edge),
                }
            }
        }
    }
    Shared { keeper, shapes_of }
}

/// Gives a Reshape a constant pattern: sizes, 0 for a dim that the input has in the same place, -1 for one other.
///
/// Source: `ReshapeOptimizations`, OpenVINO 2026.4,
/// src/common/transformations/src/transformations/symbolic_transformations/reshape_optimizations.cpp.
fn settle_reshape(work: &mut Work<'_>, node: usize, facts: &FreeDims) {
    if !matches!(work.nodes[node].op, Op::Reshape(_)) || work.reads_const(node, 1) {
        return;
    }
    let Some(data) = work.nodes[node].input(0) else { return };
    let given = work.nodes[node].input(1).filter(|&edge| known_elements::has_bounds(work, edge));
    let given = given.and_then(|edge| facts.integers(work, edge));
    let given = |axis: usize| match given.as_ref().and_then(|elements| elements.get(axis)) {
        Some(&Element::Known(size)) if size > 0 => Some(size),
        _ => None,
    };
    let is_copied = |axis: usize| {
        let symbol = facts.symbol(work, Edge::of(node), axis);
        symbol.is_some() && symbol == facts.symbol(work, data, axis)
    };
    let dims = work.nodes[node].outputs.iter().flat_map(|tensor| &tensor.dims);
    let pattern: Vec<i64> = dims
        .enumerate()
        .map(|(axis, dim)| match (dim.is_free(), given(axis)) {
            (false, _) => i64::try_from(dim.size()).unwrap_or(-1),
            (true, Some(size)) => size,
            (true, None) if is_copied(axis) => 0,
            _ => -1,
        })
        .collect();
    if pattern.iter().filter(|&&size| size == -1).count() <= 1 {
        let pattern = work.add_ints(&pattern, work.nodes[node].source);
        work.nodes[node].op = Op::Reshape(ReshapeZero::CopiesDim);
        work.set_input(node, 1, pattern);
    }
}

/// A node that reads every other.
fn keep(work: &mut Work<'_>, visits: &[(usize, SmallVec<[Edge; 4]>)]) -> usize {
    let edges = visits.iter().filter(|(node, _)| !work.nodes[*node].outputs.is_empty());
    let inputs: Vec<Edge> = edges.map(|&(node, _)| Edge::of(node)).collect();
    work.add(Node { name: "keeper".into(), ..Node::default() }, inputs)
}

/// Of what reads the shape of where a symbol was born, the first in order is left.
fn join_shapes(work: &mut Work<'_>, shapes_of: BTreeMap<Edge, usize>) {
    let order = work.model_order();
    let mut place = vec![usize::MAX; work.nodes.len()];
    for (position, &node) in order.iter().enumerate() {
        place[node] = position;
    }
    for edge in shapes_of.into_keys() {
        let is_shape = |user: usize| {
            matches!(work.nodes[user].op, Op::ShapeOf { start: 0, end: None, .. })
                && work.nodes[user].input(0) == Some(edge)
        };
        let users = work.users(edge.node()).iter().map(|&(user, _)| user);
        let shapes: Vec<usize> = users.filter(|&user| is_shape(user)).collect();
        let Some(first) = shapes.iter().copied().min_by_key(|&shape| place[shape]) else { continue };
        for shape in shapes.into_iter().filter(|&shape| shape != first) {
            work.replace(Edge::of(shape), Edge::of(first));
        }
    }
}

/// Two or more elements, all known or symbols, with one symbol at least.
fn is_list_of_symbols(elements: &[Element]) -> bool {
    let is_symbol = |element: &Element| matches!(element, Element::Symbol(_));
    elements.len() > 1 && !elements.contains(&Element::Unknown) && elements.iter().any(is_symbol)
}

/// Makes readers of a number that is a symbol read its source.
fn replace_number(
    work: &mut Work<'_>,
    edge: Edge,
    elements: &[Element],
    births: &FxHashMap<Symbol, Birth>,
    sources: &mut FxHashMap<Symbol, Source>,
    shapes_of: &mut BTreeMap<Edge, usize>,
    keeper: usize,
) {
    let &[Element::Symbol(symbol)] = elements else { return };
    let rank = work.tensor(edge).dims.len();
    if rank > 1 {
        return;
    }
    let source = sources.entry(symbol).or_default();
    if source.scalar.is_none() && source.list.is_none() && !births.contains_key(&symbol) {
        *(if rank == 1 { &mut source.list } else { &mut source.scalar }) = Some(edge);
        return;
    }
    let birth = births.get(&symbol).copied();
    if let Some(new) = source_for(work, shapes_of, source, birth, rank == 1, edge.node()) {
        work.replace_for(edge, new, |user| user != keeper);
    }
}

/// Keeps the first tensor of every symbol whose shape is read, or that is joined along it.
fn save_births(
    work: &Work<'_>,
    node: usize,
    inputs: &[Edge],
    facts: &FreeDims,
    births: &mut FxHashMap<Symbol, Birth>,
) {
    match work.nodes[node].op {
        Op::ShapeOf { .. } => {
            for edge in inputs {
                for (axis, symbol) in facts.symbols(work, *edge) {
                    births.entry(symbol).or_insert(Birth { edge: *edge, axis });
                }
            }
        }
        Op::Concat { axis } => {
            for edge in inputs {
                let rank = work.tensor(*edge).dims.len();
                let axis = if axis < 0 { axis + rank as i64 } else { axis };
                let Ok(axis) = usize::try_from(axis) else { continue };
                if let Some(symbol) = facts.symbol(work, *edge, axis) {
                    births.entry(symbol).or_insert(Birth { edge: *edge, axis });
                }
            }
        }
        _ => {}
    }
}

/// Nodes with those first that the longest chains of nodes are behind; only nodes that read inputs count.
fn by_depth(work: &Work<'_>, order: &[usize]) -> Vec<usize> {
    let mut reads_parameter = vec![false; work.nodes.len()];
    for &node in order {
        reads_parameter[node] = match work.nodes[node].op {
            Op::Parameter => true,
            Op::Constant(_) | Op::ShapeOf { .. } | Op::ReadValue(_) | Op::Assign(_) => false,
            _ => work.nodes[node].inputs().iter().flatten().any(|edge| reads_parameter[edge.node()]),
        };
    }
    let mut depth: Vec<Option<u32>> = vec![None; work.nodes.len()];
    for &node in order.iter().rev() {
        if work.nodes[node].kind == Kind::Output {
            depth[node] = Some(0);
            continue;
        }
        let users = work.users(node).iter().filter_map(|&(user, _)| depth[user]);
        depth[node] = users.max().map(|depth| depth + u32::from(reads_parameter[node]));
    }
    for &node in order {
        if depth[node].is_none() {
            let of_inputs = work.nodes[node].inputs().iter().flatten().filter_map(|edge| depth[edge.node()]);
            depth[node] = of_inputs.min();
        }
        if depth[node].is_none() {
            // A node apart from all others, such as an input that nothing reads: the order is left as it is.
            return order.to_vec();
        }
    }
    let mut sorted = order.to_vec();
    sorted.sort_by_key(|&node| std::cmp::Reverse(depth[node].unwrap_or(0)));
    sorted
}

/// The tensor that a symbol is read from: what a Transpose, or a Gather along another dim, reads has it too.
///
/// Source: `SimplifyGatherShapeOf`, OpenVINO 2026.4,
/// src/common/transformations/src/transformations/common_optimizations/simplify_shape_of_sub_graph.cpp.
fn above(work: &Work<'_>, mut birth: Birth) -> Birth {
    loop {
        let node = birth.edge.node();
        let Some(data) = work.nodes[node].input(0) else { return birth };
        let rank = work.tensor(data).dims.len();
        let axis = match work.nodes[node].op {
            Op::Transpose => {
                let from = work.ints(node, 1).and_then(|order| order.get(birth.axis));
                from.and_then(|&axis| usize::try_from(axis).ok())
            }
            Op::Gather { batch_dims: 0 } => match work.ints(node, 2) {
                Some(&[axis]) => {
                    let axis = if axis < 0 { axis + rank as i64 } else { axis };
                    let is_list =
                        work.nodes[node].input(1).map(|index| work.tensor(index).dims.len()) == Some(1);
                    (is_list && axis != birth.axis as i64).then_some(birth.axis)
                }
                _ => None,
            },
            _ => None,
        };
        let Some(axis) = axis.filter(|&axis| axis < rank) else { return birth };
        birth = Birth { edge: data, axis };
    }
}

/// The shared source in the wanted form; made at its first use.
fn source_for(
    work: &mut Work<'_>,
    shapes_of: &mut BTreeMap<Edge, usize>,
    source: &mut Source,
    birth: Option<Birth>,
    wants_list: bool,
    user: usize,
) -> Option<Edge> {
    let id = work.nodes[user].source;
    let made = if wants_list { source.list } else { source.scalar };
    if made.is_some() {
        return made;
    }
    let other = if wants_list { source.scalar } else { source.list };
    let dims: SmallVec<[Dim; 4]> = if wants_list { smallvec![Dim::fixed(1)] } else { SmallVec::new() };
    let output = Tensor { dtype: DType::I32, dims, layout: Default::default() };
    let (node, inputs): (Node, SmallVec<[Edge; 4]>) = match other {
        Some(other) => {
            let name = work.fresh_name(if wants_list { "Reshape" } else { "Squeeze" });
            let pattern = wants_list.then(|| work.add_ints(&[1], id));
            let op = match wants_list {
                true => Op::Reshape(ReshapeZero::IsZero),
                false => Op::Squeeze { allow_axis_skip: true },
            };
            (Node::named(name, op, Kind::Reshape, id), std::iter::once(other).chain(pattern).collect())
        }
        None => {
            let birth = above(work, birth?);
            let is_list = work.tensor(birth.edge).dims.len() == 1;
            let shape = *shapes_of.entry(birth.edge).or_insert_with(|| {
                let own = work.users(birth.edge.node()).iter().map(|&(user, _)| user);
                let mut own = own.filter(|&user| matches!(work.nodes[user].op, Op::ShapeOf { .. }));
                if let Some(own) = own.next().filter(|_| is_list) {
                    return own;
                }
                let rank = work.tensor(birth.edge).dims.len() as u64;
                let shape = Op::ShapeOf { to: DType::I32, start: 0, end: None };
                let shape = Node::nameless(shape, Kind::ShapeOf, id);
                work.add(shape.writing(Tensor::fixed(DType::I32, &[rank])), [birth.edge])
            });
            if is_list {
                source.list = Some(Edge::of(shape));
                return source_for(work, shapes_of, source, Some(birth), wants_list, user);
            }
            let index = work.add_ints(&[birth.axis as i64], id);
            if !wants_list {
                work.nodes[index.node()].outputs[0].dims.clear();
            }
            let axis = work.add_ints(&[0], id);
            let gather = Node::nameless(Op::Gather { batch_dims: 0 }, Kind::Gather, id);
            (gather, smallvec![Edge::of(shape), index, axis])
        }
    };
    let made = Edge::of(work.add(node.writing(output), inputs));
    *(if wants_list { &mut source.list } else { &mut source.scalar }) = Some(made);
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;

    /// A Range as long as the second dim of x, found by two Gathers on two ShapeOfs, one a number and one a list.
    fn lengths(list: bool) -> Vec<String> {
        let (mut net, i64) = (Net::new(), DType::I64);
        let x = net.input("x", DType::F32, &[2, FREE]);
        let softmax = Op::Softmax(crate::graph::op::AxisSpan::LAST);
        let y = net.op("softmax", softmax, &[x], DType::F32, &[2, FREE]);
        let mut length = |of, name: &str, is_list: bool| {
            let shape =
                net.op("shape", Op::ShapeOf { to: DType::I64, start: 0, end: None }, &[of], i64, &[2]);
            let index = if is_list { net.ints("index", &[1]) } else { net.int("index", 1) };
            let axis = net.int("axis", 0);
            let dims: &[i64] = if is_list { &[1] } else { &[] };
            net.op(name, Op::Gather { batch_dims: 0 }, &[shape, index, axis], i64, dims)
        };
        let (first, second) = (length(x, "of_x", false), length(y, "of_y", list));
        let (zero, one) = (net.int("zero", 0), net.int("one", 1));
        let range = net.op("range", Op::Range { to: Some(i64) }, &[zero, first, one], i64, &[FREE]);
        let shaped = Op::Broadcast(crate::graph::op::BroadcastMode::Numpy);
        let second = if list { second } else { net.op("list", Op::Unsqueeze, &[second, zero], i64, &[1]) };
        let out = net.op("fill", shaped, &[range, second], i64, &[FREE]);
        net.result("out", out);
        net.result("softmax_out", y);
        net.lines(DYNAMIC)
    }

    #[test]
    fn one_source_serves_equal_dims_in_both_forms() {
        let expected = [
            "ShapeOf ShapeOf i32",
            "Gather Gather i32",
            "Range range i32",
            "Reshape Reshape i32",
            "Reorder  i32",
            "Broadcast fill i32",
            "Softmax softmax f32",
        ];
        assert_eq!(lengths(true), expected);
        assert_eq!(lengths(false), expected);
    }
}
