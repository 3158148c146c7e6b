//! How many tokens a router can send to one expert, and to which it sends how many.
//!
//! Where experts are run one after the other, the tokens of one are found by `NonZero` of its part of
//! `OneHot(TopK(scores))`. The experts of a token are distinct, so each token is found once at most.
//!
//! Source: transformers 4.57, `MixtralSparseMoeBlock.forward` (`expert_mask`), as exported to OpenVINO and ONNX.

use crate::graph::Op;
use crate::ids::{NodeId, TensorId};
use crate::shape::context::{Context, RuleError, normalize_axis};
use smallvec::SmallVec;

/// Conversions and reshapes between the lengths of parts and a constant, at most: each split walks them, and
/// exports have one or two. Behind more of them, lengths count as computed of data.
const MOST_CONVERSIONS: usize = 64;

/// Nodes between the mask of all experts and what `NonZero` reads, at most.
const MOST_MOVES: usize = 8;

/// The most elements other than 0 that a node's input has, where that is one expert's part of a mask of experts.
pub(super) fn most_of_one_expert(context: &Context<'_>) -> Option<u64> {
    let graph = context.graph();
    let part = graph.input(context.node(), 0)?;
    let mask = source(context, part, |op| {
        matches!(op, Op::Gather { .. } | Op::Split { .. } | Op::Transpose | Op::Squeeze { .. })
    })?;
    if !matches!(graph.node(graph.tensor(mask).node).op, Op::OneHot { .. }) {
        return None;
    }
    let chosen = graph.input(graph.tensor(mask).node, 0)?;
    let experts = source(context, chosen, |_| false)?;
    let Op::TopK { axis, .. } = graph.node(graph.tensor(experts).node).op else { return None };
    let dims = context.tensor(chosen).dims.as_deref()?;
    // All experts of all tokens, in any order.
    if graph.tensor(experts).port != 1 || extents(dims) != extents(context.tensor(part).dims.as_deref()?) {
        return None;
    }
    let of_token = dims.get(normalize_axis(axis, dims.len()).ok()?).copied().filter(|&count| count > 0)?;
    dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim))?.checked_div(of_token)
}

/// Whether the lengths of parts are computed of data, and the file declares no shape: each part is the whole at most.
///
/// Lengths that are a constant of the file are one of which the elements are missing.
pub(super) fn lengths_depend_on_data(context: &Context<'_>) -> bool {
    let graph = context.graph();
    let is_unknown = !context.is_symbolic() && matches!(context.ints(2), Err(RuleError::UnknownValue(_)));
    let is_declared = |tensor: TensorId| graph.tensor(tensor).shape.as_known().is_some();
    if !is_unknown || graph.outputs(context.node()).any(is_declared) {
        return false;
    }
    let mut source = graph.input(context.node(), 2);
    for _ in 0..MOST_CONVERSIONS {
        let Some(tensor) = source else { break };
        let node = graph.tensor(tensor).node;
        if !matches!(graph.node(node).op, Op::Convert { .. } | Op::Reshape(_)) {
            break;
        }
        source = graph.input(node, 0);
    }
    let is_constant = |tensor: TensorId| matches!(graph.node(graph.tensor(tensor).node).op, Op::Constant(_));
    !source.is_some_and(is_constant)
}

/// The upper bound of the rows of a Concat along `axis`, if its inputs are computed row by row from slices of one tensor
/// and each slice starts where the previous one stops: the rows of that tensor.
///
/// Source: transformers 4.57, `GraniteMoeParallelExperts.forward` (`inputs.split(expert_size)`), as exported to OpenVINO.
pub(super) fn most_of_parts(context: &Context<'_>, axis: usize) -> Option<u64> {
    if context.is_exact() || context.n_inputs() < 2 {
        return None;
    }
    let graph = context.graph();
    let mut last: Option<(TensorId, TensorId)> = None;
    for index in 0..context.n_inputs() {
        let of_rows = |op: &Op| matches!(op, Op::MatMul { transpose_a: false, .. }) && axis == 0;
        let part = source(context, graph.input(context.node(), index)?, of_rows)?;
        let slice = graph.tensor(part).node;
        if !matches!(graph.node(slice).op, Op::Slice) || !is_slice_along(context, slice, axis) {
            return None;
        }
        let [data, start, stop] = [0, 1, 2].map(|input| graph.input(slice, input));
        let bound = |tensor: TensorId| {
            source(context, tensor, |op| matches!(op, Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze))
        };
        let (data, start, stop) = (data?, bound(start?)?, bound(stop?)?);
        if last.is_some_and(|last| last != (data, start)) {
            return None;
        }
        last = Some((data, stop));
    }
    let whole = context.tensor(last?.0).dims.as_deref()?;
    whole.get(axis).copied()
}

/// Whether a Slice has that one axis and step 1.
fn is_slice_along(context: &Context<'_>, slice: NodeId, axis: usize) -> bool {
    let graph = context.graph();
    let ints = |input: usize| {
        graph
            .input(slice, input)
            .and_then(|tensor| context.tensor(tensor).value.as_ref()?.as_ints().map(<[i64]>::to_vec))
    };
    ints(3).as_deref() == Some(&[1]) && ints(4) == i64::try_from(axis).ok().map(|axis| vec![axis])
}

/// Follows a tensor up through conversions and `moves`.
fn source(context: &Context<'_>, tensor: TensorId, moves: impl Fn(&Op) -> bool) -> Option<TensorId> {
    let graph = context.graph();
    let mut tensor = tensor;
    for _ in 0..MOST_MOVES {
        let node = graph.tensor(tensor).node;
        let op = &graph.node(node).op;
        if !matches!(op, Op::Convert { .. } | Op::Identity) && !moves(op) {
            return Some(tensor);
        }
        tensor = graph.input(node, 0)?;
    }
    None
}

/// The dims that are not 1, sorted.
fn extents(dims: &[u64]) -> SmallVec<[u64; 4]> {
    let mut extents: SmallVec<[u64; 4]> = dims.iter().copied().filter(|&dim| dim != 1).collect();
    extents.sort_unstable();
    extents
}

#[cfg(test)]
mod tests {
    use crate::DType;
    use crate::graph::{Builder, Format, NodeSpec, Op, TensorSpec, Value};
    use crate::ids::TensorId;
    use crate::scenario::DataSizes;
    use crate::shape::engine::infer_graph;
    use crate::shape::start::Start;
    use crate::shape::testing::{f32, infer, scalar, tensor};
    use crate::shape::{Bound, Options, TensorInfo};

    /// Columns that `NonZero` finds for one of 4 experts, where each of 10 tokens goes to 2.
    fn columns(permutation: &[i64], data_sizes: DataSizes) -> u64 {
        let mut builder = Builder::new("test".as_ref(), Format::OpenVino);
        let scores = builder.node(NodeSpec { op: Op::Parameter, name: "scores", ..NodeSpec::default() });
        let scores = builder.output(scores, TensorSpec { dtype: DType::F32, ..TensorSpec::default() });
        let mut ints = |dims: &[u64], values: &[i64]| {
            builder.constant("constant", DType::I64, dims, Value::ints(values.iter().copied()))
        };
        let [two, four, one, zero] = [2, 4, 1, 0].map(|value| ints(&[], &[value]));
        let permutation = ints(&[3], permutation);
        let mut node = |op: Op, inputs: &[TensorId], outputs: usize| {
            let node = builder.node(NodeSpec { op, name: "node", ..NodeSpec::default() });
            let made: Vec<_> = (0..outputs).map(|_| builder.output(node, TensorSpec::default())).collect();
            builder.connect(node, &inputs.iter().copied().map(Some).collect::<Vec<_>>());
            made[outputs - 1]
        };
        let top = Op::TopK { axis: 1, index_type: DType::I64, largest_first: Some(true) };
        let chosen = node(top, &[scores, two], 2);
        let mask = node(Op::OneHot { axis: 2 }, &[chosen, four, one, zero], 1);
        let mask = node(Op::Transpose, &[mask, permutation], 1);
        let part = node(Op::Gather { batch_dims: 0 }, &[mask, one, zero], 1);
        let found = node(Op::NonZero { to: DType::I64 }, &[part], 1);
        let graph = builder.finish().unwrap();
        let parameters = vec![TensorInfo::known(DType::F32, [10, 4])];
        let options = Options { data_sizes, ..Options::default() };
        let shapes = infer_graph(&graph, &Start { parameters, ..Start::default() }, options).unwrap();
        assert!(!shapes.lacks_least());
        shapes.tensor(found).dims.as_deref().unwrap()[1]
    }

    /// Rows of a Concat of two products of slices of 12 rows, between bounds that are inputs.
    fn joined(slices: [[usize; 2]; 2], data_sizes: DataSizes) -> u64 {
        let mut builder = Builder::new("test".as_ref(), Format::OpenVino);
        let mut parameter = |dtype: DType| {
            let node = builder.node(NodeSpec { op: Op::Parameter, name: "input", ..NodeSpec::default() });
            builder.output(node, TensorSpec { dtype, ..TensorSpec::default() })
        };
        let [data, weight] = [(); 2].map(|()| parameter(DType::F32));
        let bounds = [(); 4].map(|()| parameter(DType::I64));
        let [one, zero] =
            [1, 0].map(|value| builder.constant("constant", DType::I64, &[1], Value::ints([value])));
        let mut node = |op: Op, inputs: &[TensorId]| {
            let node = builder.node(NodeSpec { op, name: "node", ..NodeSpec::default() });
            let output = builder.output(node, TensorSpec::default());
            builder.connect(node, &inputs.iter().copied().map(Some).collect::<Vec<_>>());
            output
        };
        let parts = slices.map(|[start, stop]| {
            let part = node(Op::Slice, &[data, bounds[start], bounds[stop], one, zero]);
            node(Op::MatMul { transpose_a: false, transpose_b: false }, &[part, weight])
        });
        let all = node(Op::Concat { axis: 0 }, &parts);
        let graph = builder.finish().unwrap();
        let mut parameters =
            vec![TensorInfo::known(DType::F32, [12, 8]), TensorInfo::known(DType::F32, [8, 4])];
        parameters.extend([(); 4].map(|()| TensorInfo::known(DType::I64, [1])));
        let options = Options { data_sizes, ..Options::default() };
        let shapes = infer_graph(&graph, &Start { parameters, ..Start::default() }, options).unwrap();
        shapes.tensor(all).dims.as_deref().unwrap()[0]
    }

    #[test]
    fn adjacent_slices_are_at_most_the_whole() {
        assert_eq!(joined([[0, 1], [1, 2]], DataSizes::Most), 12);
        assert_eq!(joined([[0, 1], [2, 3]], DataSizes::Most), 24);
        assert_eq!(joined([[0, 1], [1, 2]], DataSizes::Least), 0);
    }

    #[test]
    fn parts_of_unknown_lengths_are_the_whole_at_most() {
        let whole = f32(&[12, 3]);
        let parts = infer(Op::VariadicSplit, &[whole, scalar(0), tensor(DType::I64, &[4])], 4).unwrap();
        assert!(
            parts.iter().all(|part| part.dims.as_deref() == Some(&[12, 3]) && part.bound != Bound::Exact)
        );
    }

    #[test]
    fn an_expert_has_each_token_once() {
        assert_eq!(columns(&[2, 1, 0], DataSizes::Most), 10);
        assert_eq!(columns(&[2, 1, 0], DataSizes::Least), 0);
    }

    #[test]
    fn what_is_not_one_expert_has_no_such_bound() {
        // The second choices of all tokens: 10 tokens, 4 experts.
        assert_eq!(columns(&[1, 0, 2], DataSizes::Most), 40);
    }
}
