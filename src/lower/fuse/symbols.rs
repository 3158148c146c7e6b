//! Pass 2: one source for every free dim that is used as a number.
//!
//! A symbol is followed from every free dim of a parameter or a variable. Each Gather on a ShapeOf that yields one
//! symbol is replaced by one shared `ShapeOf(where the symbol was born) → Gather`. The first use says whether the
//! source is a scalar or a list of one element; users of the other form share one Reshape. ShapeOf of tensors whose dims
//! are the same symbols and sizes are one node, the first.
//!
//! Source: `SymbolicPropagation` and `SymbolicOptimizations`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/symbolic_transformations.

use super::work::{Dim, Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::ReshapeZero;
use crate::lower::execution::Kind;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;

/// A free dim's identity, from 1; 0 stands for none.
type Symbol = u32;

/// An element of a small integer tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    Known(i64),
    Symbol(Symbol),
    Unknown,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    /// Per dim, the symbol of a free dim.
    dims: SmallVec<[Symbol; 6]>,
    /// Elements of small integer tensors, where any is known.
    elements: Option<SmallVec<[Element; 6]>>,
}

/// Where a symbol was born.
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
    let mut births = Vec::new();
    let mut facts: FxHashMap<Edge, Facts> = FxHashMap::default();
    let mut found = Vec::new();
    for &node in &order {
        for port in 0..work.nodes[node].outputs.len() {
            let edge = Edge { node, port };
            let mut known = infer(work, edge, &facts);
            for (axis, dim) in work.tensor(edge).dims.iter().enumerate() {
                let is_root = matches!(work.nodes[node].op, Op::Parameter | Op::ReadValue(_));
                if dim.is_free && is_root {
                    births.push(Birth { edge, axis });
                    known.dims[axis] = births.len() as Symbol;
                }
            }
            if let Some(symbol) = wanted(work, node, &known, &facts) {
                found.push((node, symbol));
            }
            facts.insert(edge, known);
        }
    }
    let mut shapes_of = BTreeMap::new();
    let mut sources: FxHashMap<Symbol, Source> = FxHashMap::default();
    for (node, symbol) in found {
        if !work.is_alive(node) {
            continue;
        }
        let Some(&birth) = births.get(symbol as usize - 1) else { continue };
        let wants_list = work.tensor(Edge::of(node)).dims.len() == 1;
        let source = sources.entry(symbol).or_default();
        let new = source_for(work, &mut shapes_of, source, birth, wants_list, node);
        if new.node != node {
            work.replace(Edge::of(node), new);
        }
    }
    share_shapes(work, &facts);
    // What else reads the shape of where a symbol was born reads the shared node.
    for (edge, shape) in shapes_of {
        for (user, _) in work.users(edge.node).to_vec() {
            let is_shape = work.is_alive(user) && matches!(work.nodes[user].op, Op::ShapeOf { .. });
            if is_shape && user != shape && work.nodes[user].input(0) == Some(edge) {
                work.replace(Edge::of(user), Edge::of(shape));
            }
        }
    }
}

/// Makes readers of equal shapes, all of whose free dims are symbols, read the first of them.
fn share_shapes(work: &mut Work<'_>, facts: &FxHashMap<Edge, Facts>) {
    let mut first: BTreeMap<SmallVec<[(u64, Symbol); 6]>, usize> = BTreeMap::new();
    for node in work.order() {
        if !work.is_alive(node) || !matches!(work.nodes[node].op, Op::ShapeOf { start: 0, end: None, .. }) {
            continue;
        }
        let Some(edge) = work.nodes[node].input(0) else { continue };
        let Some(symbols) = facts.get(&edge).map(|facts| &facts.dims) else { continue };
        let dims = work.tensor(edge).dims.iter().zip(symbols);
        let key: SmallVec<[(u64, Symbol); 6]> =
            dims.map(|(dim, &symbol)| (if dim.is_free { 0 } else { dim.size }, symbol)).collect();
        if key.iter().any(|&(size, symbol)| size == 0 && symbol == 0) {
            continue;
        }
        match first.get(&key) {
            Some(&first) => work.replace(Edge::of(node), Edge::of(first)),
            None => _ = first.insert(key, node),
        }
    }
}

/// The symbol that a node yields as a number, if it picks one, reshapes one, or is the shape of a list.
fn wanted(work: &Work<'_>, node: usize, known: &Facts, facts: &FxHashMap<Edge, Facts>) -> Option<Symbol> {
    let [Element::Symbol(symbol)] = known.elements.as_deref()? else { return None };
    let input = facts.get(&work.nodes[node].input(0)?)?;
    match work.nodes[node].op {
        Op::Gather { .. } => {
            let producer = work.producer(node, 0)?;
            matches!(work.nodes[producer].op, Op::ShapeOf { .. }).then_some(*symbol)
        }
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze => {
            let is_number = input.elements.as_ref().is_some_and(|elements| elements.len() == 1);
            (is_number && work.tensor(Edge::of(node)).dims.len() <= 1).then_some(*symbol)
        }
        _ => None,
    }
}

/// The shared source in the wanted form; made at its first use.
fn source_for(
    work: &mut Work<'_>,
    shapes_of: &mut BTreeMap<Edge, usize>,
    source: &mut Source,
    birth: Birth,
    wants_list: bool,
    user: usize,
) -> Edge {
    let id = work.nodes[user].source;
    let made = if wants_list { source.list } else { source.scalar };
    if let Some(made) = made {
        return made;
    }
    let other = if wants_list { source.scalar } else { source.list };
    let dims: SmallVec<[Dim; 6]> =
        if wants_list { smallvec![Dim { size: 1, is_free: false }] } else { SmallVec::new() };
    let output = Tensor { dtype: DType::I32, dims, layout: Default::default() };
    let node = match other {
        Some(other) => {
            let name = work.fresh_name(if wants_list { "Reshape" } else { "Squeeze" });
            let mut inputs: SmallVec<[Option<Edge>; 4]> = smallvec![Some(other)];
            if wants_list {
                inputs.push(Some(work.add_ints(&[1], id)));
            }
            Node {
                op: if wants_list {
                    Op::Reshape(ReshapeZero::IsZero)
                } else {
                    Op::Squeeze { allow_axis_skip: true }
                },
                kind: Kind::Reshape,
                originals: smallvec![name.clone()],
                name,
                inputs,
                outputs: smallvec![output],
                source: id,
                ..Node::default()
            }
        }
        None => {
            let is_list = work.tensor(birth.edge).dims.len() == 1;
            let shape = *shapes_of.entry(birth.edge).or_insert_with(|| {
                let own = work.users(birth.edge.node).iter().map(|&(user, _)| user);
                let mut own = own.filter(|&user| matches!(work.nodes[user].op, Op::ShapeOf { .. }));
                if let Some(own) = own.next().filter(|_| is_list) {
                    return own;
                }
                let rank = work.tensor(birth.edge).dims.len() as u64;
                work.add(Node {
                    op: Op::ShapeOf { to: DType::I32, start: 0, end: None },
                    kind: Kind::ShapeOf,
                    inputs: smallvec![Some(birth.edge)],
                    outputs: smallvec![Tensor::fixed(DType::I32, &[rank])],
                    source: id,
                    ..Node::default()
                })
            });
            if is_list {
                source.list = Some(Edge::of(shape));
                return source_for(work, shapes_of, source, birth, wants_list, user);
            }
            let index = work.add_ints(&[birth.axis as i64], id);
            if !wants_list {
                work.nodes[index.node].outputs[0].dims.clear();
            }
            let axis = work.add_ints(&[0], id);
            Node {
                op: Op::Gather { batch_dims: 0 },
                kind: Kind::Gather,
                inputs: smallvec![Some(Edge::of(shape)), Some(index), Some(axis)],
                outputs: smallvec![output],
                source: id,
                ..Node::default()
            }
        }
    };
    let made = Edge::of(work.add(node));
    *(if wants_list { &mut source.list } else { &mut source.scalar }) = Some(made);
    made
}

/// What is known of an output; births are added by the caller.
fn infer(work: &Work<'_>, edge: Edge, facts: &FxHashMap<Edge, Facts>) -> Facts {
    let node = &work.nodes[edge.node];
    let dims = &work.tensor(edge).dims;
    let none: SmallVec<[Symbol; 6]> = smallvec![0; dims.len()];
    let of = |index: usize| node.input(index).and_then(|edge| facts.get(&edge));
    let shape = |index: usize| of(index).map(|facts| &facts.dims);
    let mut known = Facts { dims: none, elements: None };
    if node.is_const() {
        known.elements = node.value.as_ref().and_then(|value| value.as_ints()).and_then(|values| {
            (values.len() <= 8).then(|| values.iter().map(|&value| Element::Known(value)).collect())
        });
        return known;
    }
    let first = || shape(0).filter(|first| first.len() == dims.len()).cloned();
    match &node.op {
        Op::Unary(_) | Op::Convert { .. } | Op::ConvertLike | Op::SameAsInput(_) => {
            known.dims = first().unwrap_or(known.dims);
            if matches!(node.op, Op::Convert { .. }) {
                known.elements = of(0).and_then(|facts| facts.elements.clone());
            }
        }
        Op::Binary(..) | Op::Select(_) => broadcast(work, edge, facts, &mut known.dims),
        Op::MatMul { transpose_a, transpose_b } => {
            if let (Some(a), Some(b)) = (shape(0), shape(1)) {
                let rank = dims.len();
                for (axis, symbol) in known.dims.iter_mut().enumerate().take(rank.saturating_sub(2)) {
                    let at = |dims: &SmallVec<[Symbol; 6]>| {
                        (axis + dims.len()).checked_sub(rank).map_or(0, |at| dims[at])
                    };
                    *symbol = join(at(a), at(b));
                }
                let row = a.len().checked_sub(if *transpose_a { 1 } else { 2 });
                let column = b.len().checked_sub(if *transpose_b { 2 } else { 1 });
                if let (Some(row), Some(column), true) = (row, column, rank >= 2) {
                    known.dims[rank - 2] = a[row];
                    known.dims[rank - 1] = b[column];
                }
            }
        }
        Op::Transpose => {
            if let (Some(from), Some(order)) = (shape(0), work.ints(edge.node, 1)) {
                for (symbol, &axis) in known.dims.iter_mut().zip(order) {
                    *symbol =
                        usize::try_from(axis).ok().and_then(|axis| from.get(axis)).copied().unwrap_or(0);
                }
            }
        }
        Op::Unsqueeze | Op::Squeeze { .. } => {
            if let Some(from) = shape(0) {
                let input = node.input(0).map(|edge| &work.tensor(edge).dims);
                known.dims = skip_ones(input.map_or(&[], |dims| dims), from, dims);
            }
            known.elements = of(0).and_then(|facts| facts.elements.clone());
        }
        Op::Reshape(zero) => {
            let pattern = of(1).and_then(|facts| facts.elements.clone());
            if let (Some(pattern), Some(from)) = (&pattern, shape(0)) {
                for (axis, symbol) in known.dims.iter_mut().enumerate() {
                    *symbol = match pattern.get(axis) {
                        Some(Element::Symbol(symbol)) => *symbol,
                        Some(Element::Known(0)) if *zero == ReshapeZero::CopiesDim => {
                            from.get(axis).copied().unwrap_or(0)
                        }
                        _ => 0,
                    };
                }
                rest_of_reshape(work, edge, pattern, from, &mut known.dims);
            }
            known.elements = of(0).and_then(|facts| facts.elements.clone());
        }
        Op::Concat { axis } => {
            let rank = dims.len() as i64;
            let axis = if *axis < 0 { axis + rank } else { *axis };
            if let Some(first) = first() {
                known.dims = first;
                if let Some(own) = usize::try_from(axis).ok().and_then(|axis| known.dims.get_mut(axis)) {
                    *own = 0;
                }
            }
            if dims.len() == 1 {
                let mut all = SmallVec::new();
                for input in 0..node.inputs.len() {
                    let length = node.input(input).map_or(1, |edge| work.tensor(edge).elements());
                    match of(input).and_then(|facts| facts.elements.clone()) {
                        Some(elements) => all.extend(elements),
                        None if length <= 8 => all.extend((0..length).map(|_| Element::Unknown)),
                        None => return known,
                    }
                }
                known.elements = (all.len() <= 16).then_some(all);
            }
        }
        Op::ShapeOf { .. } => {
            let from = node.input(0).map(|edge| &work.tensor(edge).dims);
            if let (Some(from), Some(symbols)) = (from, shape(0)) {
                let elements = from.iter().zip(symbols).map(|(dim, &symbol)| match (dim.is_free, symbol) {
                    (false, _) => Element::Known(dim.size as i64),
                    (true, 0) => Element::Unknown,
                    (true, symbol) => Element::Symbol(symbol),
                });
                known.elements = Some(elements.collect());
            }
        }
        Op::Gather { batch_dims: 0 } => gather(work, edge, facts, &mut known),
        Op::Reduce { keep_dims: true, .. } => {
            if let Some(first) = first() {
                known.dims = first;
                for (symbol, dim) in known.dims.iter_mut().zip(dims) {
                    if !dim.is_free {
                        *symbol = 0;
                    }
                }
            }
        }
        Op::Broadcast(_) | Op::Tile => {
            if let (Op::Broadcast(_), Some(target)) =
                (&node.op, of(1).and_then(|facts| facts.elements.clone()))
            {
                for (symbol, element) in known.dims.iter_mut().zip(&target) {
                    if let Element::Symbol(found) = element {
                        *symbol = *found;
                    }
                }
            }
        }
        Op::ScaledDotProductAttention { .. } => {
            known.dims = first().unwrap_or(known.dims);
        }
        Op::Slice | Op::StridedSlice(_) | Op::Split { .. } | Op::VariadicSplit => {
            // A dim that keeps its size is the same dim: slices cut dims known here.
            let input = node.input(0).map(|edge| &work.tensor(edge).dims);
            if let (Some(first), Some(input)) = (first(), input) {
                for (axis, symbol) in known.dims.iter_mut().enumerate() {
                    let is_same = dims[axis].is_free && input[axis].size == dims[axis].size;
                    *symbol = if is_same { first[axis] } else { 0 };
                }
            }
        }
        _ => {}
    }
    for (symbol, dim) in known.dims.iter_mut().zip(dims) {
        if !dim.is_free {
            *symbol = 0;
        }
    }
    known
}

fn join(a: Symbol, b: Symbol) -> Symbol {
    match (a, b) {
        (a, b) if a == b => a,
        (0, b) => b,
        (a, 0) => a,
        _ => 0,
    }
}

/// A dim of the result is that of the one input whose dim is not 1, or of all where they agree.
fn broadcast(work: &Work<'_>, edge: Edge, facts: &FxHashMap<Edge, Facts>, symbols: &mut [Symbol]) {
    let rank = symbols.len();
    for (axis, symbol) in symbols.iter_mut().enumerate() {
        let mut found: Option<Symbol> = None;
        for input in work.nodes[edge.node].inputs.iter().flatten() {
            let dims = &work.tensor(*input).dims;
            let Some(at) = (axis + dims.len()).checked_sub(rank) else { continue };
            let dim = dims[at];
            if !dim.is_free && dim.size == 1 {
                continue;
            }
            let own = facts.get(input).and_then(|facts| facts.dims.get(at)).copied().unwrap_or(0);
            found = Some(match found {
                Some(other) if other != own => 0,
                _ => own,
            });
        }
        *symbol = found.unwrap_or(0);
    }
}

/// Symbols of a tensor after dims of 1 were added or taken.
fn skip_ones(from_dims: &[Dim], from: &[Symbol], to: &[Dim]) -> SmallVec<[Symbol; 6]> {
    let is_one = |dim: &Dim| !dim.is_free && dim.size == 1;
    let mut symbols = from_dims.iter().zip(from).filter(|(dim, _)| !is_one(dim)).map(|(_, &symbol)| symbol);
    to.iter().map(|dim| if is_one(dim) { 0 } else { symbols.next().unwrap_or(0) }).collect()
}

/// The symbol of a -1 where all other dims are accounted for.
fn rest_of_reshape(
    work: &Work<'_>,
    edge: Edge,
    pattern: &[Element],
    from: &[Symbol],
    symbols: &mut [Symbol],
) {
    let mut rest: SmallVec<[Symbol; 6]> = from.iter().copied().filter(|&symbol| symbol != 0).collect();
    let input = work.nodes[edge.node].input(0).map(|edge| &work.tensor(edge).dims);
    let n_free = input.map_or(0, |dims| dims.iter().filter(|dim| dim.is_free).count());
    for &symbol in symbols.iter().filter(|&&symbol| symbol != 0) {
        if let Some(position) = rest.iter().position(|&other| other == symbol) {
            rest.remove(position);
        }
    }
    let n_left = n_free.saturating_sub(symbols.iter().filter(|&&symbol| symbol != 0).count());
    let fixed = |dims: &[Dim]| dims.iter().filter(|dim| !dim.is_free).map(|dim| dim.size).product::<u64>();
    let keeps_fixed = input.is_some_and(|input| fixed(input) == fixed(&work.tensor(edge).dims));
    if let (&[only], 1, true) = (&rest[..], n_left, keeps_fixed)
        && let Some(axis) = pattern.iter().position(|element| *element == Element::Known(-1))
        && let Some(symbol) = symbols.get_mut(axis)
    {
        *symbol = only;
    }
}

fn gather(work: &Work<'_>, edge: Edge, facts: &FxHashMap<Edge, Facts>, known: &mut Facts) {
    let node = &work.nodes[edge.node];
    let of = |index: usize| node.input(index).and_then(|edge| facts.get(&edge));
    if let (Some(elements), Some(indices)) =
        (of(0).and_then(|facts| facts.elements.as_ref()), work.ints(edge.node, 1))
    {
        let picked = indices.iter().map(|&index| {
            let index = if index < 0 { index + elements.len() as i64 } else { index };
            usize::try_from(index)
                .ok()
                .and_then(|index| elements.get(index))
                .copied()
                .unwrap_or(Element::Unknown)
        });
        known.elements = Some(picked.collect());
    }
    let (Some(data), Some(indices), Some(&[axis])) =
        (of(0).map(|facts| &facts.dims), of(1).map(|facts| &facts.dims), work.ints(edge.node, 2))
    else {
        return;
    };
    let axis = if axis < 0 { axis + data.len() as i64 } else { axis };
    let Ok(axis) = usize::try_from(axis) else { return };
    let before = data.iter().take(axis);
    let after = data.iter().skip(axis + 1);
    let all: SmallVec<[Symbol; 6]> = before.chain(indices).chain(after).copied().collect();
    if all.len() == known.dims.len() {
        known.dims = all;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;

    /// A Range as long as the second dim of x, found by two Gathers on two ShapeOfs, one a number and one a list.
    fn lengths(list: bool) -> Vec<String> {
        let (mut net, i64) = (Net::new(), DType::I64);
        let x = net.input("x", DType::F32, &[2, FREE]);
        let softmax = Op::SameAsInput(crate::graph::op::SameAsInput::Softmax);
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
