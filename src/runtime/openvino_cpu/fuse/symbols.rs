//! Which free dim each dim is, and which numbers are free dims.
//!
//! Every free dim that no rule derives from another one gets a symbol of its own, which is followed from there. What reads free dims as numbers is joined by
//! [`symbol_sources`](super::symbol_sources).
//!
//! Source: `SymbolicPropagation`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/symbolic_transformations.

use super::work::{Dim, Edge, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, BroadcastMode, PadInputs, ReshapeZero, ShapeClass, TileInputs};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

/// A free dim's identity, from 1; 0 stands for none.
pub(super) type Symbol = u32;

/// An element of a small integer tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Element {
    /// An integer.
    Known(i64),
    /// A free dim.
    Symbol(Symbol),
    /// Anything.
    Unknown,
}

/// What is known of one tensor.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Per dim, the symbol of a free dim.
    pub dims: SmallVec<[Symbol; 6]>,
    /// Elements of small integer tensors, where any is known.
    pub elements: Option<SmallVec<[Element; 6]>>,
}

/// Follows every symbol through the graph.
pub(super) fn follow(work: &Work<'_>, order: &[usize]) -> FxHashMap<Edge, Facts> {
    let mut n_born = 0;
    let mut facts: FxHashMap<Edge, Facts> = FxHashMap::default();
    for &node in order {
        for port in 0..work.nodes[node].outputs.len() {
            let edge = Edge { node, port };
            let mut known = infer(work, edge, &facts);
            for (symbol, dim) in known.dims.iter_mut().zip(&work.tensor(edge).dims) {
                if dim.is_free && *symbol == 0 {
                    n_born += 1;
                    *symbol = n_born;
                }
            }
            facts.insert(edge, known);
        }
    }
    join_equal(work, order, n_born, &mut facts);
    facts
}

/// Gives one symbol to dims that a Concat needs to be equal.
fn join_equal(work: &Work<'_>, order: &[usize], n_born: Symbol, facts: &mut FxHashMap<Edge, Facts>) {
    let mut root: Vec<Symbol> = (0..=n_born).collect();
    let find = |root: &[Symbol], mut symbol: Symbol| {
        while root[symbol as usize] != symbol {
            symbol = root[symbol as usize];
        }
        symbol
    };
    for &node in order {
        let Op::Concat { axis } = work.nodes[node].op else { continue };
        let inputs: SmallVec<[&Facts; 4]> =
            work.nodes[node].inputs().iter().flatten().filter_map(|edge| facts.get(edge)).collect();
        let Some((first, rest)) = inputs.split_first() else { continue };
        let axis = if axis < 0 { axis + first.dims.len() as i64 } else { axis };
        for other in rest {
            for (place, (&a, &b)) in first.dims.iter().zip(&other.dims).enumerate() {
                let (a, b) = (find(&root, a), find(&root, b));
                if place as i64 != axis && a != 0 && b != 0 && a != b {
                    root[a.max(b) as usize] = a.min(b);
                }
            }
        }
    }
    for known in facts.values_mut() {
        known.dims.iter_mut().for_each(|symbol| *symbol = find(&root, *symbol));
        for element in known.elements.iter_mut().flatten() {
            if let Element::Symbol(symbol) = element {
                *symbol = find(&root, *symbol);
            }
        }
    }
}

/// What is known of an output; the caller gives a symbol to what has none.
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
        op if keeps_dims(op) => {
            known.dims = first().unwrap_or(known.dims);
            if matches!(node.op, Op::Convert { .. }) {
                known.elements = of(0).and_then(|facts| facts.elements.clone());
            }
        }
        Op::Binary(..) | Op::Select(_) => {
            broadcast(work, edge, facts, &mut known.dims);
            let elements = |index: usize| of(index).and_then(|facts| facts.elements.as_deref());
            known.elements = match node.op {
                Op::Binary(Binary::Equal, _) => equal(elements(0), elements(1)),
                Op::Select(_) => picked(elements(0), elements(1), elements(2)),
                _ => None,
            };
        }
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
                for input in 0..node.inputs().len() {
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
        Op::Broadcast(_) | Op::Tile(TileInputs::Repeats) => {
            if let (Op::Broadcast(_), Some(target)) =
                (&node.op, of(1).and_then(|facts| facts.elements.clone()))
            {
                let data = shape(0)
                    .zip(node.input(0))
                    .filter(|_| matches!(node.op, Op::Broadcast(BroadcastMode::Bidirectional)));
                for (axis, (symbol, element)) in known.dims.iter_mut().zip(&target).enumerate() {
                    let Element::Symbol(found) = element else { continue };
                    // Both ways, a dim of the data that is another symbol may be the larger one.
                    let own = data.and_then(|(symbols, edge)| {
                        let at = (axis + symbols.len()).checked_sub(dims.len())?;
                        work.tensor(edge).dims.get(at).filter(|dim| dim.is_free).map(|_| symbols[at])
                    });
                    *symbol = if own.is_none_or(|own| own == *found) { *found } else { 0 };
                }
            }
            if let (Op::Tile(_), Some(repeats)) = (&node.op, work.ints(edge.node, 1)) {
                known.dims = first().unwrap_or(known.dims);
                for (symbol, _) in known.dims.iter_mut().zip(repeats).filter(|&(_, &times)| times != 1) {
                    *symbol = 0;
                }
            }
        }
        Op::ScaledDotProductAttention { .. } => {
            known.dims = first().unwrap_or(known.dims);
            let rank = known.dims.len();
            for input in [1, 2, 3] {
                let (Some(other), Some(edge)) = (shape(input), node.input(input)) else { continue };
                // Batch dims of all, and of the mask the queries too, are broadcast to each other.
                let n_dims = if input == 3 { rank.saturating_sub(1) } else { rank.saturating_sub(2) };
                for axis in 0..n_dims {
                    let Some(at) = (axis + other.len()).checked_sub(rank) else { continue };
                    let is_one = |dim: &Dim| !dim.is_free && dim.size == 1;
                    let is_other_one = work.tensor(edge).dims.get(at).is_none_or(is_one);
                    if !is_other_one && other[at] != known.dims[axis] {
                        known.dims[axis] = 0;
                    }
                }
            }
        }
        Op::Scatter(_) | Op::Pad(_, PadInputs::Separate) => {
            known.dims = first().unwrap_or(known.dims);
            keep_unchanged(work, edge, &mut known.dims);
        }
        Op::Convolution(_)
        | Op::Pool(_)
        | Op::GlobalPool(_)
        | Op::Interpolate(_)
        | Op::AdaptivePool { .. } => {
            if let (Some(batch), Some(own)) = (shape(0).and_then(|dims| dims.first()), known.dims.first_mut())
            {
                *own = *batch;
            }
        }
        Op::Slice | Op::StridedSlice(_) | Op::Split { .. } | Op::VariadicSplit => {
            // A dim that keeps its size is the same dim: slices cut dims known here.
            known.dims = first().unwrap_or(known.dims);
            keep_unchanged(work, edge, &mut known.dims);
            forget_cut(work, edge.node, &mut known.dims);
            if let Some(elements) = of(0).and_then(|facts| facts.elements.as_ref()) {
                known.elements = slice_of(work, edge, elements);
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

/// Whether the first output has the dims of the first input, by the operator alone.
fn keeps_dims(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(_)
            | Op::Convert { .. }
            | Op::ConvertLike
            | Op::Dropout { .. }
            | Op::BatchNormalization { .. }
            | Op::LayerNormalization(_)
            | Op::SimplifiedLayerNormalization(_)
    ) || op.shape_class() == ShapeClass::SameAsInput
}

/// A dim that a Slice cuts by bounds that are not constant is another.
fn forget_cut(work: &Work<'_>, node: usize, symbols: &mut [Symbol]) {
    let is_settled = work.reads_const(node, 1) && work.reads_const(node, 2);
    if !matches!(work.nodes[node].op, Op::Slice) || is_settled {
        return;
    }
    for &axis in work.ints(node, 4).unwrap_or_default() {
        let axis = if axis < 0 { axis + symbols.len() as i64 } else { axis };
        if let Some(symbol) = usize::try_from(axis).ok().and_then(|axis| symbols.get_mut(axis)) {
            *symbol = 0;
        }
    }
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
        for input in work.nodes[edge.node].inputs().iter().flatten() {
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

/// Forgets the symbols of dims whose size is another one than the first input's.
fn keep_unchanged(work: &Work<'_>, edge: Edge, symbols: &mut [Symbol]) {
    let Some(input) = work.nodes[edge.node].input(0) else { return };
    let (from, to) = (&work.tensor(input).dims, &work.tensor(edge).dims);
    for (axis, symbol) in symbols.iter_mut().enumerate() {
        if from.get(axis).map(|dim| dim.size) != to.get(axis).map(|dim| dim.size) {
            *symbol = 0;
        }
    }
}

/// Elements `start..stop` of a list, where the node is a slice of one with step 1.
fn slice_of(work: &Work<'_>, edge: Edge, elements: &[Element]) -> Option<SmallVec<[Element; 6]>> {
    let node = edge.node;
    let (&[start], Some(&[1])) = (work.ints(node, 1)?, work.ints(node, 3)) else { return None };
    if !matches!(work.nodes[node].op, Op::Slice | Op::StridedSlice(_)) || work.tensor(edge).dims.len() != 1 {
        return None;
    }
    let length = usize::try_from(work.tensor(edge).elements()).ok()?;
    let start = if start < 0 { start.saturating_add(elements.len() as i64) } else { start };
    let start = usize::try_from(start).ok()?;
    Some(elements.get(start..start.checked_add(length)?)?.iter().copied().collect())
}

/// Element `index` of a list, or of a list of one the only one.
fn element(list: &[Element], index: usize) -> Element {
    let index = if list.len() == 1 { 0 } else { index };
    list.get(index).copied().unwrap_or(Element::Unknown)
}

/// Where two lists agree, as 1 and 0; a dim is never negative.
fn equal(first: Option<&[Element]>, second: Option<&[Element]>) -> Option<SmallVec<[Element; 6]>> {
    let (first, second) = (first?, second?);
    let compared = (0..first.len().max(second.len())).map(|index| {
        match (element(first, index), element(second, index)) {
            (Element::Known(a), Element::Known(b)) => Element::Known(i64::from(a == b)),
            (Element::Symbol(a), Element::Symbol(b)) if a == b => Element::Known(1),
            (Element::Symbol(_), Element::Known(number)) | (Element::Known(number), Element::Symbol(_))
                if number < 0 =>
            {
                Element::Known(0)
            }
            _ => Element::Unknown,
        }
    });
    Some(compared.collect())
}

/// What a Select takes, where the condition is known.
fn picked(
    condition: Option<&[Element]>,
    then: Option<&[Element]>,
    other: Option<&[Element]>,
) -> Option<SmallVec<[Element; 6]>> {
    let (condition, then, other) = (condition?, then?, other?);
    let length = condition.len().max(then.len()).max(other.len());
    let picked = (0..length).map(|index| match element(condition, index) {
        Element::Known(0) => element(other, index),
        Element::Known(_) => element(then, index),
        _ => Element::Unknown,
    });
    Some(picked.collect())
}
