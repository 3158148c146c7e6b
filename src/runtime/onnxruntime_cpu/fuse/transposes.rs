//! Level 1: transpositions are moved down, through the operators that read them, until they cancel.
//!
//! A node is visited once, inputs before users. One that reads a transposition reads its data instead, and what it writes is
//! transposed, if that costs less: the dims other than 1 of what is transposed before the node, and behind it unless a
//! transposition follows there. Of a transposition of which another operator needs the result, the data are not asked for.
//!
//! Not covered: graphs with QuantizeLinear or DequantizeLinear, around which transpositions keep to pairs of them.
//!
//! Source: onnxruntime/core/optimizer/transpose_optimization/onnx_transpose_optimization.cc (`OptimizeImpl`,
//! `ProcessTranspose`, `CalculateCost`, `handler_map`), ort_transpose_optimization.cc (`OrtExtendedHandlers`), ONNX Runtime
//! 1.31.1; checked against the graphs that it saves of small models.

mod axes;
mod handlers;
mod moves;

use super::super::kernel::Kernel;
use super::super::order;
use super::super::work::Work;
use super::constants;
use crate::shape::Dim;
use axes::Axes;
use handlers::{Handler, handler, order_of};
use moves::Made;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// Most times that the level's passes are repeated.
///
/// Source: `InferenceSession`, `graph_transformer_mgr_` with `max_num_graph_transformation_steps`, 10 by default.
const STEPS: usize = 10;

/// Moves transpositions, until none moves.
pub(super) fn push(work: &mut Work<'_>) {
    for _ in 0..STEPS {
        let nodes = order::of(work);
        let is_any = |kind: Kernel| nodes.iter().any(|&node| work.is(node, kind));
        if !is_any(Kernel::Transpose)
            || is_any(Kernel::DequantizeLinear)
            || is_any(Kernel::QuantizeLinear)
            || !step(work, &nodes)
        {
            return;
        }
        constants::fold(work);
        constants::merge_duplicates(work);
    }
}

/// One walk over the nodes; whether any transposition moved.
fn step(work: &mut Work<'_>, nodes: &[usize]) -> bool {
    let mut known = Known { leading: leading(work, nodes), needed_by: FxHashMap::default() };
    let mut made = Made::default();
    let mut has_moved = false;
    for &node in nodes {
        let Some(handler) = handler(work.nodes[node].kind).filter(|_| work.is_alive(node)) else { continue };
        let mut costs: Option<Costs> = None;
        for input in 0..work.nodes[node].inputs().len() {
            let Some(transpose) = work.producer(node, input, Kernel::Transpose) else { continue };
            let Some(order) = order_of(work, transpose) else { continue };
            let costs = costs.get_or_insert_with(|| Costs::of(work, node, handler));
            if known.is_worth(work, node, costs, input, &order) && made.moves(work, transpose, node, &order) {
                has_moved = true;
                break;
            }
        }
    }
    has_moved
}

/// What one walk knows of values.
struct Known {
    /// From which a transposition is reached.
    leading: FxHashSet<usize>,
    /// Of a transposition's result, an operator that needs it as it is; `None`: there is none. Looked for once, since a result
    /// may have many readers.
    needed_by: FxHashMap<usize, Option<usize>>,
}

impl Known {
    /// Whether a transposition is moved from an input to what the node writes.
    ///
    /// Each order is tried once: a node that refuses it at one input refuses it at all others.
    fn is_worth(
        &mut self,
        work: &Work<'_>,
        node: usize,
        costs: &mut Costs,
        input: usize,
        order: &Axes,
    ) -> bool {
        // Inputs are listed in ascending order.
        if costs.inputs.binary_search(&input).is_err() {
            return false;
        }
        if costs.handler == Handler::Transpose {
            return true;
        }
        let Some(transposed) = costs.transposed.remove(order) else { return false };
        let gone = transposed.into_iter().filter(|&value| self.goes(work, value));
        let mut cost = costs.others - gone.map(|value| rank(work, value)).sum::<i64>();
        if cost < 0 && costs.handler.goes_on() {
            let outputs = &work.nodes[node].outputs;
            if !outputs.iter().any(|value| self.leading.contains(value)) {
                cost += outputs.iter().map(|&value| rank(work, value)).max().unwrap_or(0);
            }
        }
        cost < 0
    }

    /// Whether all that reads a transposition's result could read its data. What a walk adds could.
    fn goes(&mut self, work: &Work<'_>, transposed: usize) -> bool {
        let needs = |reader: &usize| handler(work.nodes[*reader].kind).is_none();
        let needed_by =
            self.needed_by.entry(transposed).or_insert_with(|| work.readers(transposed).find(needs));
        if needed_by.is_some_and(|reader| !work.is_alive(reader)) {
            *needed_by = work.readers(transposed).find(needs);
        }
        needed_by.is_none() && !work.is_output(transposed)
    }
}

/// The costs of reading the inputs of one node from behind a transposition.
///
/// They are found once per node, since each of its many inputs may be behind a transposition of its own.
struct Costs {
    handler: Handler,
    /// Inputs that a transposition may be at.
    inputs: SmallVec<[usize; 4]>,
    /// The cost of those that are behind none.
    others: i64,
    /// The values of those that are behind one, by its order, until that is tried.
    transposed: FxHashMap<Axes, SmallVec<[usize; 4]>>,
}

impl Costs {
    fn of(work: &Work<'_>, node: usize, handler: Handler) -> Costs {
        let inputs = handler.inputs(work, node);
        let (mut others, mut transposed) = (0, FxHashMap::<Axes, SmallVec<[usize; 4]>>::default());
        for value in inputs.iter().filter_map(|&input| work.input(node, input)) {
            let is_constant = work.values[value].is_constant;
            let transpose = work.writer(value).filter(|&writer| work.is(writer, Kernel::Transpose));
            match transpose.and_then(|transpose| order_of(work, transpose)) {
                // A constant costs nothing.
                Some(order) => transposed.entry(order).or_default().extend((!is_constant).then_some(value)),
                None if is_constant => {}
                None => others += rank(work, value),
            }
        }
        Costs { handler, inputs, others, transposed }
    }
}

/// Dims of a value that are not known to be 1.
///
/// Source: `EstimateValueRank`: 5 for a tensor of unknown rank.
fn rank(work: &Work<'_>, value: usize) -> i64 {
    let count = |dims: &[Dim]| dims.iter().filter(|&&dim| dim != Dim::Known(1)).count() as i64;
    work.values[value].shape.as_deref().map_or(5, count)
}

/// The values from which a transposition is reached through operators that one may be moved through.
fn leading(work: &Work<'_>, nodes: &[usize]) -> FxHashSet<usize> {
    let mut leading = FxHashSet::default();
    for &node in nodes.iter().rev() {
        let Some(handler) = handler(work.nodes[node].kind) else { continue };
        let goes_on =
            || handler.goes_on() && work.nodes[node].outputs.iter().any(|value| leading.contains(value));
        if handler == Handler::Transpose || goes_on() {
            let inputs = handler.inputs(work, node);
            leading.extend(inputs.into_iter().filter_map(|input| work.input(node, input)));
        }
    }
    leading
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;
    use crate::ids::TensorId;

    /// Heads and tokens swapped.
    fn swapped(draft: &mut Draft, data: TensorId) -> TensorId {
        let order = draft.ints(&[4], &[0, 2, 1, 3]);
        draft.node(Kernel::Transpose, &[data, order])
    }

    #[test]
    fn transpositions_around_other_operators_cancel() {
        let mut draft = Draft::default();
        let (data, bias) = (draft.input(&[2, 6, 4, 8]), draft.stored(crate::DType::F32, &[6, 8]));
        let first = swapped(&mut draft, data);
        let sum = draft.node(Kernel::Add, &[first, bias]);
        let softmax = draft.node(Kernel::Softmax, &[sum]);
        let second = swapped(&mut draft, softmax);
        let output = draft.node(Kernel::Relu, &[second]);
        draft.returns(output);
        let (kinds, dims) = draft.with(|work| {
            push(work);
            let nodes = order::of(work);
            let dims: Vec<_> =
                nodes.iter().map(|&node| work.values[work.output(node).unwrap()].dims.clone()).collect();
            let kinds: Vec<_> = nodes.into_iter().map(|node| work.nodes[node].kind).collect();
            (kinds, dims)
        });
        assert_eq!(kinds, [Kernel::Add, Kernel::Softmax, Kernel::Relu]);
        assert!(dims.iter().all(|dims| dims.as_deref() == Some(&[2, 6, 4, 8])), "{dims:?}");
    }

    /// Transpositions that are left around a Concat of eight transposed values, some of which are returned.
    fn left(order: impl Fn(usize) -> [i64; 4], is_returned: impl Fn(usize) -> bool) -> usize {
        let mut draft = Draft::default();
        let values: Vec<TensorId> = (0..8)
            .map(|index| {
                let data = draft.input(&[4, 4, 4, 4]);
                let order = draft.ints(&[4], &order(index));
                let value = draft.node(Kernel::Transpose, &[data, order]);
                if is_returned(index) {
                    draft.returns(value);
                }
                value
            })
            .collect();
        let output = draft.node(Kernel::Concat, &values);
        let back = draft.ints(&[4], &[0, 2, 1, 3]);
        let output = draft.node(Kernel::Transpose, &[output, back]);
        draft.returns(output);
        draft.kinds(push).into_iter().filter(|&kind| kind == Kernel::Transpose).count()
    }

    #[test]
    fn an_order_that_is_refused_at_one_input_leaves_the_others() {
        let swap = [0, 2, 1, 3];
        // All are needed as they are.
        assert_eq!(left(|_| swap, |_| true), 9);
        // The first has an order of its own and is needed; the others cancel.
        let order = |index: usize| if index == 0 { [1, 0, 2, 3] } else { swap };
        assert_eq!(left(order, |index| index == 0), 2);
    }

    #[test]
    fn one_that_would_only_move_stays() {
        let mut draft = Draft::default();
        let data = draft.input(&[2, 6, 4, 8]);
        let first = swapped(&mut draft, data);
        let output = draft.node(Kernel::Relu, &[first]);
        draft.returns(output);
        assert_eq!(draft.kinds(push), [Kernel::Transpose, Kernel::Relu]);
    }

    #[test]
    fn dims_are_those_of_the_data_unless_a_product_reads_the_result() {
        let of = |reader: Kernel| {
            let mut draft = Draft::default();
            let data = draft.free_input("data", "batch,,,", &[2, 8, 8, 8]);
            let (index, axis) = (draft.ints(&[], &[1]), draft.ints(&[], &[0]));
            let first = swapped(&mut draft, data);
            let shape = draft.node(Kernel::Shape, &[first]);
            let dim = draft.node(Kernel::Gather, &[shape, index, axis]);
            draft.returns(dim);
            let output = draft.node(reader, &[first, first]);
            draft.returns(output);
            draft.kinds(push).into_iter().filter(|&kind| kind == Kernel::Gather).count()
        };
        assert_eq!((of(Kernel::Concat), of(Kernel::MatMul)), (2, 1));
    }
}
