//! Half precision: on x86-64 most kernels have none, so the runtime computes in single around them.
//!
//! * A Softmax is spelt out first: it is a function of the standard's, and its kernel has no half precision.
//! * What a kernel without half precision reads or writes is in single; a Cast is inserted where half precision comes in or goes
//!   out. A kernel that has it joins them where all its neighbours are such.
//! * Rewrites of level `extended` and above are made after that, so that `basic` and `extended` leave every Cast in place,
//!   those of initializers too; `all` folds the Cast of an initializer that one node reads.
//!
//! Source: ONNX Runtime, onnxruntime/core/optimizer/insert_cast_transformer.cc (`IsIsolatedFp16NodeOnCpu`) and
//! fuse_initializers_transformer.cc; checked against the graphs that 1.31.1 saves at each level.

use super::kernel::Kernel;
use super::options::GraphOptimization;
use super::work::Work;
use super::{initializers, order};
use crate::DType;
use crate::graph::Op;
use crate::shape::Dim;
use rustc_hash::FxHashMap;
use smallvec::smallvec;

/// Whether anything is in half precision.
pub(super) fn has_half(work: &Work<'_>) -> bool {
    work.values.iter().any(|value| value.dtype == DType::F16)
}

/// Puts into single what is computed in single.
pub(super) fn widen(work: &mut Work<'_>) {
    let options = work.options;
    work.is_widened = true;
    work.alive().for_each(|node| spell_out(work, node));
    let needs: Vec<bool> = (0..work.nodes.len()).map(|node| needs_single(work, node)).collect();
    let is_single: Vec<bool> =
        (0..work.nodes.len()).map(|node| needs[node] || is_isolated(work, node, &needs)).collect();
    let folds = options.optimization == GraphOptimization::All;
    let mut singles: FxHashMap<usize, usize> = FxHashMap::default();
    for node in order::of(work) {
        if !is_single[node] {
            continue;
        }
        for index in 0..work.nodes[node].inputs().len() {
            let Some(value) = work.input(node, index).filter(|&value| is_half(work, value)) else { continue };
            if work.values[value].is_constant && folds && work.is_only_reader(value, node) {
                let is_mapped = initializers::is_mapped(work, value, &options);
                let own = &mut work.values[value];
                own.dtype = DType::F32;
                own.is_stored &= !is_mapped;
            } else {
                let single = *singles.entry(value).or_insert_with(|| cast(work, value));
                work.set_input(node, index, single);
            }
        }
        for port in 0..work.nodes[node].outputs.len() {
            let value = work.nodes[node].outputs[port];
            if is_half(work, value) {
                singles.insert(value, write_single(work, node, port, &is_single));
            }
        }
    }
}

fn is_half(work: &Work<'_>, value: usize) -> bool {
    work.values[value].dtype == DType::F16
}

/// Whether a node reads or writes half precision that its kernel has not.
fn needs_single(work: &Work<'_>, node: usize) -> bool {
    let own = &work.nodes[node];
    let mut values = own.inputs().iter().flatten().chain(&own.outputs);
    work.is_alive(node) && !own.kind.takes_half() && values.any(|&value| is_half(work, value))
}

/// Whether a node with a half-precision kernel is between nodes without one.
fn is_isolated(work: &Work<'_>, node: usize, needs: &[bool]) -> bool {
    let own = &work.nodes[node];
    let has_body = matches!(work.graph.node(own.source).op, Op::If(_) | Op::Loop(_));
    let mut halves = own.inputs().iter().flatten().chain(&own.outputs);
    if !work.is_alive(node)
        || has_body
        || own.kind == Kernel::Cast
        || !halves.any(|&value| is_half(work, value))
    {
        return false;
    }
    let mut writers = own.inputs().iter().flatten().filter_map(|&value| work.writer(value)).peekable();
    let mut outputs = own.outputs.iter().copied();
    writers.peek().is_some()
        && writers.all(|writer| needs[writer])
        && outputs.all(|value| !work.is_output(value) && work.readers(value).all(|reader| needs[reader]))
}

/// Lets a node write an output in single, and a Cast write the one in half precision where that is still read.
fn write_single(work: &mut Work<'_>, node: usize, port: usize, is_single: &[bool]) -> usize {
    let value = work.nodes[node].outputs[port];
    let single = work.single(value);
    work.write(node, port, single);
    let reads_half = |reader: usize| is_single.get(reader) != Some(&true);
    if work.is_output(value) || work.readers(value).any(reads_half) {
        work.add(Kernel::Cast, work.nodes[node].source, smallvec![Some(single)], value);
    }
    single
}

/// Writes a Softmax in half precision as the five operators that the standard defines it by, over the last axis.
///
/// Source: the standard's function for Softmax, version 13; before it there is none.
fn spell_out(work: &mut Work<'_>, node: usize) {
    let own = &work.nodes[node];
    // Before version 13 the axes from one to the last are normalized over together.
    let is_one_axis = matches!(work.graph.node(own.source).op, Op::Softmax(span) if !span.to_end);
    let is_function = work.is(node, Kernel::Softmax) && is_one_axis;
    let (Some(input), Some(output)) = (work.input(node, 0), work.output(node)) else { return };
    if !is_function || !is_half(work, output) {
        return;
    }
    let source = own.source;
    work.remove(node);
    let mut step = |kind: Kernel, inputs: &[usize], is_reduced: bool, output: Option<usize>| {
        let output = output.unwrap_or_else(|| work.like(input));
        if is_reduced {
            let own = &mut work.values[output];
            own.dims.as_mut().and_then(|dims| dims.last_mut()).into_iter().for_each(|dim| *dim = 1);
            let known = own.shape.as_mut().and_then(|dims| dims.last_mut());
            known.into_iter().for_each(|dim| *dim = Dim::Known(1));
        }
        let inputs = inputs.iter().copied().map(Some).collect();
        work.add(kind, source, inputs, output);
        output
    };
    let largest = step(Kernel::ReduceMax, &[input], true, None);
    let shifted = step(Kernel::Sub, &[input, largest], false, None);
    let powers = step(Kernel::Exp, &[shifted], false, None);
    let sum = step(Kernel::ReduceSum, &[powers], true, None);
    step(Kernel::Div, &[powers, sum], false, Some(output));
}

/// The value in single that a Cast makes of one in half precision.
fn cast(work: &mut Work<'_>, value: usize) -> usize {
    let single = work.single(value);
    let parameter = work.graph.tensor(work.values[value].tensor).node;
    let source = work.writer(value).map_or(parameter, |writer| work.nodes[writer].source);
    work.add(Kernel::Cast, source, smallvec![Some(value)], single);
    single
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft;
    use super::*;
    use crate::graph::op::AxisSpan;
    use crate::ids::TensorId;

    /// What is executed of a graph that is put into single at a level.
    fn widened(draft: Draft, optimization: GraphOptimization) -> Vec<Kernel> {
        draft.kinds(|work| {
            work.options.optimization = optimization;
            widen(work);
        })
    }

    /// A product with an initializer in half precision.
    fn product(draft: &mut Draft, x: TensorId, width: u64) -> TensorId {
        let weight = draft.stored(DType::F16, &[width, width]);
        draft.node(Kernel::MatMul, &[x, weight])
    }

    #[test]
    fn a_kernel_without_half_precision_stands_between_casts() {
        let of = |optimization| {
            let mut draft = Draft::default();
            let x = draft.input_of(DType::F16, &[2, 8]);
            let output = product(&mut draft, x, 8);
            draft.returns(output);
            widened(draft, optimization)
        };
        // The initializer's Cast is folded, and left in place below the highest level.
        assert_eq!(of(GraphOptimization::All), [Kernel::Cast, Kernel::MatMul, Kernel::Cast]);
        assert_eq!(of(GraphOptimization::Basic), [Kernel::Cast, Kernel::Cast, Kernel::MatMul, Kernel::Cast]);
    }

    #[test]
    fn neighbours_in_single_pass_it_on() {
        let mut draft = Draft::default();
        let x = draft.input_of(DType::F16, &[2, 8]);
        let first = product(&mut draft, x, 8);
        let second = product(&mut draft, first, 8);
        draft.returns(second);
        let kinds = widened(draft, GraphOptimization::All);
        assert_eq!(kinds, [Kernel::Cast, Kernel::MatMul, Kernel::MatMul, Kernel::Cast]);
    }

    #[test]
    fn a_kernel_with_half_precision_joins_neighbours_without() {
        let of = |is_between: bool| {
            let mut draft = Draft::default();
            let (x, pattern) = (draft.input_of(DType::F16, &[8, 2]), draft.ints(&[2], &[2, 8]));
            let first = if is_between { product(&mut draft, x, 2) } else { x };
            let reshaped = draft.node(Kernel::Reshape, &[first, pattern]);
            let output = product(&mut draft, reshaped, 8);
            draft.returns(output);
            widened(draft, GraphOptimization::All)
        };
        let joined = [Kernel::Cast, Kernel::MatMul, Kernel::Reshape, Kernel::MatMul, Kernel::Cast];
        assert_eq!(of(true), joined);
        assert_eq!(of(false), [Kernel::Reshape, Kernel::Cast, Kernel::MatMul, Kernel::Cast]);
    }

    #[test]
    fn a_softmax_over_one_axis_is_spelt_out() {
        let of = |span| {
            let mut draft = Draft::default();
            let x = draft.input_of(DType::F16, &[2, 8]);
            let output = draft.op(Op::Softmax(span), &[x]);
            draft.returns(output);
            widened(draft, GraphOptimization::All)
        };
        let steps = [Kernel::ReduceMax, Kernel::Sub, Kernel::Exp, Kernel::ReduceSum, Kernel::Div];
        assert_eq!(of(AxisSpan::LAST), [&[Kernel::Cast], &steps[..], &[Kernel::Cast]].concat());
        let before_13 = AxisSpan { axis: 1, to_end: true };
        assert_eq!(of(before_13), [Kernel::Cast, Kernel::Softmax, Kernel::Cast]);
    }

    #[test]
    fn single_precision_stays_as_it_is() {
        let mut draft = Draft::default();
        let (x, weight) = (draft.input(&[2, 8]), draft.stored(DType::F32, &[8, 8]));
        let output = draft.node(Kernel::MatMul, &[x, weight]);
        draft.returns(output);
        assert!(!draft.with(|work| has_half(work)));
    }
}
