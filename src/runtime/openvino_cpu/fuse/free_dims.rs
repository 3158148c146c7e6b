//! Which free dim each dim is, and which numbers are free dims, as OpenVINO's symbolic propagation finds them.
//!
//! It is the shape engine's symbolic pass over the exported graph, less what OpenVINO does not follow:
//! [`keeps_dim`] and [`keeps_integers`] are the tables. A dim is free where the file declares it so, as exports
//! declare what the runtime's own inference of the exported model left; every free dim that is not followed is a symbol
//! of its own from there on.
//!
//! Source: `SymbolicPropagation`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/symbolic_transformations.

use super::dim::Place;
use super::sdpa_state;
use super::work::{Edge, FreeDims, Work};
use crate::graph::op::{Binary, BroadcastMode, RecurrentForm, ShapeClass};
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::shape::dim::{DimList, ElementList};
use crate::shape::{self, Dim, Element, Filter, Shapes, Symbol, SymbolicScenario, Symbols, TensorInfo};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

impl FreeDims {
    /// Follows every symbol through the graph.
    pub(super) fn of(work: &Work<'_>) -> FreeDims {
        if !work.is_dynamic {
            return FreeDims::default();
        }
        let mut filter = Propagation {
            graph: work.graph,
            shapes: work.shapes,
            equal: Equal::default(),
            is_stateful: &|node| sdpa_state::has_states(work, node.index()),
        };
        let shapes = shape::infer_symbolic(work.graph, SymbolicScenario::default(), &mut filter);
        let roots = shapes.symbols().iter().map(|symbol| filter.equal.root(symbol)).collect();
        FreeDims { shapes: Some(shapes), roots }
    }

    /// The symbol of a free dim, unless a pass made the tensor or cut it.
    pub(super) fn symbol(&self, work: &Work<'_>, edge: Edge, axis: usize) -> Option<Symbol> {
        let dim = work.tensor(edge).dims.get(axis).filter(|dim| dim.is_free())?;
        let tensor = exported(work.graph, edge)?;
        let exported = work.shapes.tensor(tensor).dims.as_ref()?.get(axis)?;
        let symbol = self.shapes.as_ref()?.tensor(tensor).dim(axis).symbol()?;
        let place = Place { tensor, axis: u16::try_from(axis).ok()? };
        dim.is_size_of(super::dim::Dim::free(*exported, place)).then(|| self.root(symbol))
    }

    /// The symbols of a tensor, dim by dim.
    pub(super) fn symbols(&self, work: &Work<'_>, edge: Edge) -> impl Iterator<Item = (usize, Symbol)> {
        (0..work.tensor(edge).dims.len()).filter_map(move |axis| Some((axis, self.symbol(work, edge, axis)?)))
    }

    /// The integers of a small tensor, where one at least is known or a symbol.
    pub(super) fn integers(&self, work: &Work<'_>, edge: Edge) -> Option<ElementList> {
        let mut elements = self.shapes.as_ref()?.tensor(exported(work.graph, edge)?).integers()?;
        for element in &mut elements {
            if let Element::Symbol(symbol) = element {
                *symbol = self.root(*symbol);
            }
        }
        Some(elements)
    }

    fn root(&self, symbol: Symbol) -> Symbol {
        self.roots.get(symbol.index()).copied().unwrap_or(symbol)
    }
}

/// The tensor of the file that an edge is; `None`: a pass made it.
fn exported(graph: &Graph, edge: Edge) -> Option<TensorId> {
    (edge.node() < graph.nodes().len()).then(|| graph.output(NodeId::new(edge.node()), edge.port()))?
}

/// Symbols that are known to be one.
#[derive(Debug, Default)]
struct Equal {
    /// By symbol, an older one that is the same; most symbols have none.
    roots: FxHashMap<Symbol, Symbol>,
}

impl Equal {
    fn root(&mut self, mut symbol: Symbol) -> Symbol {
        while let Some(&root) = self.roots.get(&symbol) {
            // Every second step is left out the next time: long chains become short.
            let next = self.roots.get(&root).copied().unwrap_or(root);
            self.roots.insert(symbol, next);
            symbol = next;
        }
        symbol
    }

    fn join(&mut self, a: Symbol, b: Symbol) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.roots.insert(a.max(b), a.min(b));
        }
    }

    /// Gives one symbol to dims that a Concat needs to be equal.
    fn join_all<'t>(&mut self, axis: i64, mut inputs: impl Iterator<Item = &'t TensorInfo>) {
        let Some(first) = inputs.next() else { return };
        let rank = first.rank().unwrap_or(0);
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        for other in inputs {
            for place in (0..rank).filter(|&place| place as i64 != axis) {
                if let (Dim::Symbol(a), Dim::Symbol(b)) = (first.dim(place), other.dim(place)) {
                    self.join(a, b);
                }
            }
        }
    }

    /// The symbol of a dim of what is broadcast, where those of all inputs are equal.
    fn of_all<'t>(
        &mut self,
        axis: usize,
        rank: usize,
        inputs: impl Iterator<Item = &'t TensorInfo>,
    ) -> Option<Symbol> {
        let mut common = None;
        for input in inputs {
            let Some(axis) = (axis + input.rank()?).checked_sub(rank) else { continue };
            match input.dim(axis) {
                Dim::Known(1) => {}
                Dim::Symbol(symbol) => {
                    let root = self.root(symbol);
                    common.is_none_or(|common| common == root).then_some(())?;
                    common = Some(root);
                }
                _ => return None,
            }
        }
        common
    }
}

/// The filter: what OpenVINO finds of each node.
struct Propagation<'a> {
    graph: &'a Graph,
    shapes: &'a Shapes,
    equal: Equal,
    /// Whether an attention takes in its states.
    is_stateful: &'a dyn Fn(NodeId) -> bool,
}

impl Filter for Propagation<'_> {
    fn after(&mut self, node: NodeId, tensors: &[TensorInfo], outputs: &mut [TensorInfo], _: &mut Symbols) {
        let graph = self.graph;
        let op = &graph.node(node).op;
        // Most nodes are constants, of which all is known.
        if matches!(op, Op::Constant(_)) {
            return;
        }
        let input = |index: usize| graph.input(node, index).map(|tensor| &tensors[tensor.index()]);
        let inputs = || graph.inputs(node).iter().flatten().map(|tensor| &tensors[tensor.index()]);
        let is_broadcast = matches!(op, Op::Binary(..) | Op::Select(_));
        let attention = match *op {
            Op::ScaledDotProductAttention { causal } => {
                let inputs: SmallVec<[&TensorInfo; 5]> = inputs().collect();
                Some(self.attention(&inputs, causal, (self.is_stateful)(node)))
            }
            _ => None,
        };
        for (tensor, info) in graph.outputs(node).zip(outputs) {
            if !keeps_integers(op, info) {
                info.forget_elements();
            }
            // OpenVINO follows a free dim through a conversion to floats too, which may round it.
            if let (Op::Convert { .. }, Some(integers), None) =
                (op, input(0).and_then(TensorInfo::integers), info.integers())
            {
                info.set_integers(integers);
            }
            let Some(sizes) = &self.shapes.tensor(tensor).dims else { continue };
            let declared = graph.tensor(tensor).shape.dims.as_deref().unwrap_or_default();
            let dims: DimList = (0..sizes.len())
                .map(|axis| match declared.get(axis).and_then(|dim| dim.as_known()) {
                    Some(size) => Dim::Known(size),
                    None if let Some(symbols) = &attention => {
                        symbols.get(axis).copied().flatten().map_or(Dim::Unknown, Dim::Symbol)
                    }
                    None if keeps_dim(op, axis, sizes.len(), &input) => match info.dim(axis) {
                        Dim::Symbol(symbol) => Dim::Symbol(self.equal.root(symbol)),
                        _ if is_broadcast => {
                            self.equal.of_all(axis, sizes.len(), inputs()).map_or(Dim::Unknown, Dim::Symbol)
                        }
                        _ => Dim::Unknown,
                    },
                    None => Dim::Unknown,
                })
                .collect();
            info.set_shape(dims);
        }
        if let Op::Concat { axis } = *op {
            self.equal.join_all(axis, inputs());
        }
    }
}

impl Propagation<'_> {
    /// The symbols of what an attention writes, dim by dim.
    ///
    /// With its states taken in, they are those of the queries. Without, OpenVINO merges dims into the queries' own while it
    /// overwrites them: batches that differ have no symbol, and the length has that of the mask's rows alone.
    ///
    /// Source: `shape_infer`, OpenVINO 2026.4, src/core/shape_inference/include/scaled_dot_product_attention_shape_inference.hpp;
    /// `Dimension::broadcast_merge`, src/core/src/dimension.cpp; checked against the symbols that operators of the wheel have.
    fn attention(
        &mut self,
        inputs: &[&TensorInfo],
        causal: bool,
        is_stateful: bool,
    ) -> SmallVec<[Option<Symbol>; 4]> {
        let Some((query, others)) = inputs.split_first() else { return SmallVec::new() };
        let rank = query.rank().unwrap_or(0);
        let mut root = |dim: Dim| dim.symbol().map(|symbol| self.equal.root(symbol));
        let mut symbols: SmallVec<[Option<Symbol>; 4]> =
            (0..rank).map(|axis| root(query.dim(axis))).collect();
        if is_stateful {
            return symbols;
        }
        let mask = others.get(2).filter(|mask| !causal && mask.rank().is_some_and(|rank| rank > 1));
        for other in others.iter().take(2).chain(mask) {
            let own = other.rank().unwrap_or(0);
            for axis in 0..rank.saturating_sub(2) {
                let Some(place) = (axis + own).checked_sub(rank) else { continue };
                symbols[axis] = match (symbols[axis], root(other.dim(place))) {
                    (Some(a), Some(b)) if a != b => None,
                    (a, b) => a.or(b),
                };
            }
        }
        if let (Some(mask), Some(length)) = (mask, rank.checked_sub(2)) {
            symbols[length] = root(mask.dim(mask.rank().unwrap_or(2) - 2));
        }
        symbols
    }
}

/// Whether a dim of an output is followed.
fn keeps_dim<'t>(
    op: &Op,
    axis: usize,
    rank: usize,
    input: &impl Fn(usize) -> Option<&'t TensorInfo>,
) -> bool {
    match op {
        Op::Parameter | Op::ReadValue(_) | Op::Unary(_) | Op::Convert { .. } | Op::ConvertLike => true,
        Op::Dropout { .. } | Op::BatchNormalization { .. } | Op::FakeQuantize { .. } => true,
        Op::LayerNormalization(_) | Op::SimplifiedLayerNormalization(_) => true,
        Op::Binary(..) | Op::Select(_) | Op::MatMul { .. } | Op::Transpose => true,
        Op::Unsqueeze | Op::Squeeze { .. } | Op::Reshape(_) | Op::Concat { .. } => true,
        Op::Reduce { keep_dims, .. } => *keep_dims,
        Op::Gather { batch_dims } => *batch_dims == 0,
        Op::Tile(_) | Op::Scatter(_) | Op::Pad(..) | Op::ScaledDotProductAttention { .. } => true,
        Op::Slice | Op::StridedSlice(_) | Op::Split { .. } => true,
        // Lengths count only where they are constant: `VariadicSplit`, src/core/shape_inference/include.
        Op::VariadicSplit => {
            let along = input(1).and_then(TensorInfo::integers);
            let along = along.and_then(|elements| match elements[..] {
                [Element::Known(along)] if along < 0 => rank.checked_add_signed(isize::try_from(along).ok()?),
                [Element::Known(along)] => usize::try_from(along).ok(),
                _ => None,
            });
            along != Some(axis)
        }
        // A dim of the data alone is not.
        Op::Broadcast(BroadcastMode::Bidirectional) => {
            let target = input(1).and_then(TensorInfo::integers);
            let own = |target: &ElementList| (axis + target.len()).checked_sub(rank).map(|at| target[at]);
            matches!(target.as_ref().and_then(own), Some(Element::Symbol(_)))
        }
        Op::Broadcast(_) => true,
        Op::Convolution(_)
        | Op::Pool(_)
        | Op::GlobalPool(_)
        | Op::Interpolate(_)
        | Op::AdaptivePool { .. } => axis == 0,
        Op::Recurrent(spec) => spec.form == RecurrentForm::OpenVino,
        op => op.shape_class() == ShapeClass::SameAsInput,
    }
}

/// Whether the elements of an output are followed.
fn keeps_integers(op: &Op, info: &TensorInfo) -> bool {
    match op {
        Op::ShapeOf { .. } | Op::Convert { .. } | Op::Reshape(_) => true,
        Op::Unsqueeze | Op::Squeeze { .. } | Op::Select(_) | Op::Binary(Binary::Equal, _) => true,
        Op::Gather { batch_dims } => *batch_dims == 0,
        Op::Concat { .. } | Op::Slice | Op::StridedSlice(_) => info.rank() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, Broadcast, Recurrent, RecurrentKind, Reduce};

    const F32: DType = DType::F32;

    /// Runs a check on what is known of the free dims of a graph.
    fn with(net: Net, is_dynamic: bool, check: impl FnOnce(&Work<'_>, &FreeDims)) {
        let (graph, shapes) = net.shapes();
        let work = Work::new(&graph, &shapes, if is_dynamic { DYNAMIC } else { STATIC });
        check(&work, &FreeDims::of(&work));
    }

    /// The edge of an output of the exported graph.
    fn edge(work: &Work<'_>, tensor: TensorId) -> Edge {
        let tensor = work.graph.tensor(tensor);
        Edge::new(tensor.node.index(), tensor.port as usize)
    }

    #[test]
    fn a_reduction_is_followed_only_where_its_rank_stays() {
        let mut net = Net::new();
        let x = net.input("x", F32, &[FREE, FREE, 8]);
        let axes = net.ints("axes", &[2]);
        let mean = |keep_dims| Op::Reduce { kind: Reduce::Mean, keep_dims, noop_with_empty_axes: false };
        let kept = net.op("kept", mean(true), &[x, axes], F32, &[FREE, FREE, 1]);
        let dropped = net.op("dropped", mean(false), &[x, axes], F32, &[FREE, FREE]);
        with(net, true, |work, facts| {
            let symbols = |tensor| facts.symbols(work, edge(work, tensor)).collect::<Vec<_>>();
            assert_eq!(symbols(x).len(), 2);
            assert_eq!(symbols(x), symbols(kept));
            assert_ne!(symbols(x), symbols(dropped));
        });
    }

    #[test]
    fn numbers_are_followed_through_conversions_and_not_through_arithmetic() {
        let (mut net, i64) = (Net::new(), DType::I64);
        let x = net.input("x", F32, &[FREE]);
        let shape = net.op("shape", Op::ShapeOf { to: i64, start: 0, end: None }, &[x], i64, &[1]);
        let float = net.op("float", Op::Convert { to: F32 }, &[shape], F32, &[1]);
        let one = net.ints("one", &[1]);
        let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let same = net.op("same", product, &[shape, one], i64, &[1]);
        with(net, true, |work, facts| {
            let length = facts.symbol(work, edge(work, x), 0).map(Element::Symbol);
            let integer = |tensor| facts.integers(work, edge(work, tensor)).map(|list| list[0]);
            assert!(length.is_some());
            assert_eq!((integer(shape), integer(float)), (length, length));
            assert_eq!(integer(same), None);
        });
    }

    #[test]
    fn a_concat_makes_dims_equal() {
        let mut net = Net::new();
        let [a, b] = ["a", "b"].map(|name| net.input(name, F32, &[FREE, 4]));
        let softmax = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[b], F32, &[FREE, 4]);
        net.op("joined", Op::Concat { axis: 1 }, &[a, softmax], F32, &[FREE, 8]);
        with(net, true, |work, facts| {
            let symbol = |tensor| facts.symbol(work, edge(work, tensor), 0);
            assert_eq!(symbol(a), symbol(b));
            assert_eq!(facts.symbol(work, edge(work, a), 1), None);
        });
    }

    #[test]
    fn a_sum_of_dims_that_a_concat_made_equal_has_their_symbol() {
        let mut net = Net::new();
        let [a, b] = ["a", "b"].map(|name| net.input(name, F32, &[FREE, 4]));
        let add = Op::Binary(Binary::Add, Broadcast::Numpy);
        let before = net.op("before", add.clone(), &[a, b], F32, &[FREE, 4]);
        net.op("joined", Op::Concat { axis: 1 }, &[a, b], F32, &[FREE, 8]);
        let after = net.op("after", add, &[a, b], F32, &[FREE, 4]);
        with(net, true, |work, facts| {
            let symbol = |tensor| facts.symbol(work, edge(work, tensor), 0);
            assert_eq!(symbol(after), symbol(a));
            assert_ne!(symbol(before), symbol(a));
        });
    }

    #[test]
    fn rows_of_a_mask_are_the_length_of_what_an_attention_writes() {
        let mut net = Net::new();
        let heads: &[i64] = &[FREE, 8, FREE, 64];
        let [query, key, value] = ["query", "key", "value"].map(|name| net.input(name, F32, heads));
        let attention = Op::ScaledDotProductAttention { causal: false };
        let plain = net.op("plain", attention.clone(), &[query, key, value], F32, heads);
        let mask = net.input("mask", F32, &[1, 1, FREE, FREE]);
        let masked = net.op("masked", attention, &[query, key, value, mask], F32, heads);
        with(net, true, |work, facts| {
            let symbol = |tensor, axis| facts.symbol(work, edge(work, tensor), axis);
            assert_eq!(symbol(plain, 2), symbol(query, 2));
            assert_eq!(symbol(masked, 2), symbol(mask, 2));
            // Batches of queries and keys differ, and the one of the values is left.
            assert_eq!(symbol(plain, 0), symbol(value, 0));
        });
    }

    #[test]
    fn nothing_is_free_in_a_static_model() {
        let mut net = Net::new();
        let x = net.input("x", F32, &[FREE]);
        with(net, false, |work, facts| {
            assert_eq!(facts.symbols(work, edge(work, x)).count(), 0);
            assert_eq!(facts.integers(work, edge(work, x)), None);
        });
    }

    #[test]
    fn computed_lengths_of_parts_are_not_followed() {
        let mut net = Net::new();
        let [x, y] = ["x", "y"].map(|name| net.input(name, F32, &[FREE, 8]));
        let i64 = DType::I64;
        let shape = net.op("shape", Op::ShapeOf { to: i64, start: 0, end: None }, &[x], i64, &[2]);
        let (index, axis) = (net.ints("index", &[0]), net.int("axis", 0));
        let length = net.op("length", Op::Gather { batch_dims: 0 }, &[shape, index, axis], i64, &[1]);
        let rest = net.ints("rest", &[-1]);
        let lengths = net.op("lengths", Op::Concat { axis: 0 }, &[length, rest], i64, &[2]);
        let part: &[i64] = &[FREE, 8];
        let parts = net.split("parts", Op::VariadicSplit, &[y, axis, lengths], F32, &[part; 2]);
        with(net, true, |work, facts| {
            let own = facts.symbol(work, edge(work, x), 0);
            assert!(own.is_some());
            assert_ne!(facts.symbol(work, edge(work, parts[0]), 0), own);
        });
    }

    #[test]
    fn batches_and_steps_of_a_sequence_are_followed() {
        let mut net = Net::new();
        let x = net.input("x", F32, &[FREE, FREE, 8]);
        let [low, high] = [0.0, 1.0].map(|limit| net.number("limit", limit));
        let quantize = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        let x = net.op("fq", quantize, &[x, low, high, low, high], F32, &[FREE, FREE, 8]);
        let state = net.input("state", F32, &[FREE, 1, 4]);
        let lengths = net.input("lengths", DType::I32, &[FREE]);
        let weights = [8, 4].map(|columns| net.weight("weights", F32, &[1, 12, columns]));
        let bias = net.weight("bias", F32, &[1, 12]);
        let (kind, form) = (RecurrentKind::Gru, RecurrentForm::OpenVino);
        let op = Op::Recurrent(Box::new(Recurrent {
            kind,
            is_sequence: true,
            hidden_size: 4,
            directions: 1,
            form,
        }));
        let outputs: [&[i64]; 2] = [&[FREE, 1, FREE, 4], &[FREE, 1, 4]];
        let made = net.split("gru", op, &[x, state, lengths, weights[0], weights[1], bias], F32, &outputs);
        with(net, true, |work, facts| {
            let symbol = |tensor, axis| facts.symbol(work, edge(work, tensor), axis);
            assert!(symbol(x, 1).is_some());
            assert_eq!([symbol(made[0], 0), symbol(made[0], 2)], [symbol(x, 0), symbol(x, 1)]);
            assert_eq!(symbol(made[1], 0), symbol(x, 0));
        });
    }
}
