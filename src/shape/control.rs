//! Shapes through control flow: `If`, `Loop`, `TensorIterator`, `Scan`.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/condition/if-8.html>,
//! `infrastructure/loop-5`, `infrastructure/tensor-iterator-1`; ONNX <https://onnx.ai/onnx/operators/onnx__Loop.html>,
//! `If`, `Scan`.
//!
//! * `If`: outputs of the branch that a known condition takes; else the larger of both, dim by dim, as a bound.
//! * `Loop`: a sliced input enters with `part_size` at its axis, a concatenated result leaves with trips · its dim.
//!   A carried tensor whose shape changes is followed round by round; one that grows evenly is extrapolated.
//!
//! Bodies are inferred once per round, and carried values are unknown inside unless the body hands them through.

use super::context::{Context, normalize_axis};
use super::engine::{Options, Shapes, infer_graph};
use super::{Bound, TensorInfo};
use crate::DType;
use crate::error::{Error, ErrorKind, Port, Result};
use crate::graph::op::{If, Loop, LoopInputKind, LoopSlice};
use crate::graph::{Dims, Graph, Op, Value};
use crate::ids::TensorId;
use crate::scenario::Binding;

/// Infers the bodies of a control-flow node, emits the node's outputs, and returns the bodies' shapes in the order of
/// [`Graph::bodies`](crate::graph::Graph::bodies).
pub(super) fn infer(op: &Op, context: &mut Context<'_>, options: Options) -> Result<Vec<Shapes>> {
    match op {
        Op::If(branches) => infer_if(branches, context, options),
        Op::Loop(spec) => infer_loop(spec, context, options),
        _ => Ok(Vec::new()),
    }
}

fn infer_if(branches: &If, context: &mut Context<'_>, options: Options) -> Result<Vec<Shapes>> {
    let infer_branch = |body: &Graph, inputs: &[(u32, u32)]| {
        let mut parameters = declared_parameters(body);
        for &(input, parameter) in inputs {
            *slot(context, &mut parameters, parameter)? = outer(context, input)?.clone();
        }
        run(context, body, parameters, options)
    };
    let then_shapes = infer_branch(&branches.then_body, &branches.then_inputs);
    let else_shapes = infer_branch(&branches.else_body, &branches.else_inputs);
    let taken = outer(context, 0)?.value.as_ref().and_then(exact_flag);

    // A branch that contradicts these shapes cannot be the one that runs.
    let (then_shapes, else_shapes, taken) = match (then_shapes, else_shapes) {
        (Ok(then_shapes), Ok(else_shapes)) => (then_shapes, else_shapes, taken),
        (Ok(then_shapes), Err(error)) if can_be_skipped(&error, taken, true) => {
            (then_shapes, Shapes::refused(&branches.else_body, &error), Some(true))
        }
        (Err(error), Ok(else_shapes)) if can_be_skipped(&error, taken, false) => {
            (Shapes::refused(&branches.then_body, &error), else_shapes, Some(false))
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };

    let find = |outputs: &[(u32, u32)], port: u32| {
        outputs.iter().find(|(_, output)| *output == port).map(|&(result, _)| result)
    };
    for port in 0..context.n_outputs() as u32 {
        let side = |body, shapes, outputs: &[(u32, u32)]| match find(outputs, port) {
            Some(result) => result_info(context, body, shapes, result).cloned(),
            None => Err(malformed(context, format!("a branch gives nothing to output {port}"))),
        };
        let chosen = match taken {
            Some(true) => side(&branches.then_body, &then_shapes, &branches.then_outputs)?,
            Some(false) => side(&branches.else_body, &else_shapes, &branches.else_outputs)?,
            None => {
                let then_info = side(&branches.then_body, &then_shapes, &branches.then_outputs)?;
                let else_info = side(&branches.else_body, &else_shapes, &branches.else_outputs)?;
                either(&then_info, &else_info)
            }
        };
        let chosen = sized(context, chosen, port, options, || "the branches give it different ranks".into())?;
        context.emit_info(chosen);
    }
    Ok(vec![then_shapes, else_shapes])
}

/// Whether the failed branch does not matter, since the other one, of condition `other`, runs.
fn can_be_skipped(error: &Error, taken: Option<bool>, other: bool) -> bool {
    taken.map_or(error.kind() == ErrorKind::Shape, |taken| taken == other)
}

/// What holds of both: the larger of each two dims, as a bound where they differ.
fn either(a: &TensorInfo, b: &TensorInfo) -> TensorInfo {
    let dims = match (&a.dims, &b.dims) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            Some(a.iter().zip(b).map(|(&a, &b)| a.max(b)).collect::<Dims>())
        }
        _ => None,
    };
    let bound = if a.dims == b.dims { a.bound.max(b.bound) } else { Bound::UpperBound };
    let value = a.value.clone().filter(|_| a.value == b.value && a.dims == b.dims);
    TensorInfo { dtype: a.dtype, dims, bound, value }
}

/// How often a loop's body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trips {
    Exactly(u64),
    AtMost(u64),
    Unknown,
}

impl Trips {
    fn most(self) -> Option<u64> {
        match self {
            Trips::Exactly(count) | Trips::AtMost(count) => Some(count),
            Trips::Unknown => None,
        }
    }
}

/// More trips than this are no count but "until the condition fails".
const MAX_TRIPS: i64 = 1 << 31;

fn infer_loop(spec: &Loop, context: &mut Context<'_>, options: Options) -> Result<Vec<Shapes>> {
    let trips = trips_from_inputs(spec, context)?;
    let entry = entry_parameters(spec, context, trips)?;
    let mut shapes = run(context, &spec.body, entry.clone(), options)?;
    let trips = trips_from_condition(spec, context, &shapes, trips)?;

    // Whether the carried shapes of every trip are known, and whether they are all the same.
    let mut is_followed = trips == Trips::Exactly(0);
    let mut is_even = true;
    let mut last_entry = entry;
    let rounds = trips.most().unwrap_or(u64::MAX).min(max_rounds(&spec.body));
    for round in 1..=rounds {
        let next = next_entry(spec, context, &shapes, &last_entry)?;
        is_followed = next == last_entry || trips.most() == Some(round);
        if is_followed {
            break;
        }
        is_even = false;
        if round == rounds {
            // Every further trip is taken to add what this one added.
            if let Some(grown) = extrapolate(&last_entry, &next, trips, round) {
                shapes = run(context, &spec.body, grown, options)?;
                is_followed = true;
            }
        } else {
            last_entry = next;
            shapes = run(context, &spec.body, last_entry.clone(), options)?;
        }
    }

    for port in 0..context.n_outputs() as u32 {
        let Some(output) = spec.outputs.iter().find(|output| output.output == port) else {
            return Err(malformed(context, format!("the body gives nothing to output {port}")));
        };
        let result = result_info(context, &spec.body, &shapes, output.result)?;
        let info = match &output.concat {
            Some(slice) => concatenated(context, result, slice, trips, is_even)?,
            None => left(spec, context, result, output.result, trips, is_followed)?,
        };
        let info = sized(context, info, port, options, || "the number of trips is not known".into())?;
        context.emit_info(info);
    }
    Ok(vec![shapes])
}

/// Rounds of a body: fewer the more loops lie inside, so that their product stays small.
fn max_rounds(body: &Graph) -> u64 {
    match nesting(body) {
        0 => 32,
        1 => 4,
        2 => 2,
        _ => 1,
    }
}

fn nesting(graph: &Graph) -> usize {
    let inner = graph.nodes().iter().flat_map(|node| Graph::bodies(&node.op));
    inner.map(|(_, body)| 1 + nesting(body)).max().unwrap_or(0)
}

/// Trips as the count, the first condition and the sliced inputs tell.
fn trips_from_inputs(spec: &Loop, context: &Context<'_>) -> Result<Trips> {
    let mut sliced = None;
    for input in &spec.inputs {
        if let LoopInputKind::Sliced(slice) = &input.kind {
            let info = outer(context, input.input)?;
            if let Some(dims) = &info.dims {
                let axis = settle_axis(context, slice.axis, dims.len(), input.input)?;
                let size = dims.get(axis).copied().unwrap_or(0);
                let count = slice_count(slice, size);
                sliced = Some(match info.bound {
                    Bound::Exact => Trips::Exactly(count),
                    Bound::UpperBound => Trips::AtMost(count),
                });
            }
        }
    }
    let Some(count) = spec.trip_count else { return Ok(sliced.unwrap_or(Trips::Unknown)) };
    let value = outer(context, count)?.value.as_ref();
    let counted = match value.and_then(|value| Some((value.as_ints()?.first()?, value.is_upper_bound))) {
        Some((&count, is_bound)) if (0..MAX_TRIPS).contains(&count) => {
            if is_bound {
                Trips::AtMost(count as u64)
            } else {
                Trips::Exactly(count as u64)
            }
        }
        _ => sliced.and_then(Trips::most).map_or(Trips::Unknown, Trips::AtMost),
    };
    let condition = match spec.condition {
        Some(condition) => outer(context, condition)?.value.as_ref().and_then(exact_flag),
        None => Some(true),
    };
    Ok(match condition {
        Some(true) => counted,
        Some(false) => Trips::Exactly(0),
        None => counted.most().map_or(Trips::Unknown, Trips::AtMost),
    })
}

/// Trips as the condition to go on limits them.
fn trips_from_condition(spec: &Loop, context: &Context<'_>, shapes: &Shapes, trips: Trips) -> Result<Trips> {
    let Some(result) = spec.condition_result else { return Ok(trips) };
    let goes_on = result_info(context, &spec.body, shapes, result)?.value.as_ref().and_then(exact_flag);
    Ok(match (goes_on, trips) {
        (Some(true), _) | (_, Trips::Exactly(0..=1)) => trips,
        (Some(false), Trips::Exactly(_)) => Trips::Exactly(1),
        (Some(false), _) => Trips::AtMost(1),
        (None, _) => trips.most().map_or(Trips::Unknown, Trips::AtMost),
    })
}

/// Number of slices, ends included. Source: OpenVINO 2026.4, src/core/src/op/tensor_iterator.cpp.
fn slice_count(slice: &LoopSlice, size: u64) -> u64 {
    let settle = |index: i64| {
        let index = i128::from(index);
        if index < 0 { index + i128::from(size) } else { index }
    };
    let span = (settle(slice.end) - settle(slice.start)).unsigned_abs() + 1;
    let step = u128::from(slice.part_size.unsigned_abs().max(1));
    if size == 0 { 0 } else { u64::try_from(span / step).unwrap_or(u64::MAX) }
}

/// What the body's parameters hold in the first trip, with the values that hold in every trip.
fn entry_parameters(spec: &Loop, context: &Context<'_>, trips: Trips) -> Result<Vec<TensorInfo>> {
    let mut parameters = declared_parameters(&spec.body);
    for input in &spec.inputs {
        let info = outer(context, input.input)?;
        let entering = match &input.kind {
            LoopInputKind::Invariant => info.clone(),
            LoopInputKind::Carried { result } => {
                let is_kept = trips == Trips::Exactly(1)
                    || handed_through(&spec.body, *result) == parameter_tensor(&spec.body, input.parameter);
                TensorInfo { value: info.value.clone().filter(|_| is_kept), ..info.clone() }
            }
            LoopInputKind::Sliced(slice) => sliced(context, info, slice, input.input)?,
        };
        *slot(context, &mut parameters, input.parameter)? = entering;
    }
    if let Some(iteration) = spec.iteration_parameter {
        let entering = slot(context, &mut parameters, iteration)?;
        let dims = entering.dims.take().unwrap_or_default();
        let value = (trips == Trips::Exactly(1)).then(|| Value::ints([0]));
        *entering = TensorInfo { value, ..TensorInfo::known(entering.dtype, dims) };
        if entering.elements() != Some(1) {
            entering.value = None;
        }
    }
    Ok(parameters)
}

fn sliced(context: &Context<'_>, info: &TensorInfo, slice: &LoopSlice, input: u32) -> Result<TensorInfo> {
    let mut sliced = TensorInfo { value: None, ..info.clone() };
    if let Some(dims) = &mut sliced.dims {
        let axis = settle_axis(context, slice.axis, dims.len(), input)?;
        if slice.drops_axis {
            dims.remove(axis);
        } else if let Some(size) = dims.get_mut(axis) {
            *size = slice.part_size.unsigned_abs();
        }
    }
    Ok(sliced)
}

/// What the body's parameters hold in the trip after the one that `shapes` is of.
fn next_entry(
    spec: &Loop,
    context: &Context<'_>,
    shapes: &Shapes,
    entry: &[TensorInfo],
) -> Result<Vec<TensorInfo>> {
    let mut next = entry.to_vec();
    for input in &spec.inputs {
        if let LoopInputKind::Carried { result } = input.kind {
            let returned = result_info(context, &spec.body, shapes, result)?;
            let entering = slot(context, &mut next, input.parameter)?;
            entering.dims.clone_from(&returned.dims);
            entering.bound = returned.bound;
            if handed_through(&spec.body, result) != parameter_tensor(&spec.body, input.parameter) {
                entering.value = None;
            }
        }
    }
    Ok(next)
}

/// Parameters in the last trip, if each further trip adds to every dim what trip `round` added; `None` if a rank
/// changes or a size overflows.
fn extrapolate(
    before: &[TensorInfo],
    after: &[TensorInfo],
    trips: Trips,
    round: u64,
) -> Option<Vec<TensorInfo>> {
    let further = trips.most()?.checked_sub(round)?;
    before
        .iter()
        .zip(after)
        .map(|(before, after)| {
            if before.dims == after.dims {
                return Some(after.clone());
            }
            let (old, new) = (before.dims.as_ref()?, after.dims.as_ref()?);
            if old.len() != new.len() {
                return None;
            }
            let grow = |(&old, &new): (&u64, &u64)| {
                let step = i128::from(new) - i128::from(old);
                let last = i128::from(old).checked_add(step.checked_mul(i128::from(further))?)?;
                // What shrinks was largest at first.
                u64::try_from(last.max(i128::from(old))).ok()
            };
            let dims = old.iter().zip(new).map(grow).collect::<Option<Dims>>()?;
            Some(TensorInfo { dims: Some(dims), bound: Bound::UpperBound, ..after.clone() })
        })
        .collect()
}

/// An output that joins the results of all trips.
fn concatenated(
    context: &Context<'_>,
    result: &TensorInfo,
    slice: &LoopSlice,
    trips: Trips,
    is_even: bool,
) -> Result<TensorInfo> {
    let (Some(dims), Some(count)) = (&result.dims, trips.most()) else {
        return Ok(TensorInfo::unknown(result.dtype));
    };
    let rank = dims.len() + usize::from(slice.drops_axis);
    let axis = normalize_axis(slice.axis, rank).map_err(|error| malformed(context, error.to_string()))?;
    let mut dims = dims.clone();
    if slice.drops_axis {
        dims.insert(axis, count);
    } else if let Some(size) = dims.get_mut(axis) {
        *size = size.saturating_mul(count);
    }
    let is_exact = matches!(trips, Trips::Exactly(_)) && is_even && result.bound == Bound::Exact;
    let bound = if is_exact { Bound::Exact } else { Bound::UpperBound };
    Ok(TensorInfo { bound, ..TensorInfo::known(result.dtype, dims) })
}

/// An output that is the result of the last trip, or the initial value if there is none.
fn left(
    spec: &Loop,
    context: &Context<'_>,
    result: &TensorInfo,
    number: u32,
    trips: Trips,
    is_followed: bool,
) -> Result<TensorInfo> {
    let carried = spec.inputs.iter().find(|input| input.kind == LoopInputKind::Carried { result: number });
    let initial = carried.map(|input| outer(context, input.input)).transpose()?;
    let followed = if is_followed || initial.is_none_or(|initial| initial.dims == result.dims) {
        result.clone()
    } else {
        TensorInfo::unknown(result.dtype)
    };
    Ok(match (initial, trips) {
        (Some(initial), Trips::Exactly(0)) => initial.clone(),
        (_, Trips::Exactly(_)) | (None, _) => followed,
        (Some(initial), _) => either(initial, &followed),
    })
}

/// The body parameter's tensor that result `number` is, if nothing happens to it on the way.
fn handed_through(body: &Graph, number: u32) -> Option<TensorId> {
    let mut tensor = body.input(*body.results().get(number as usize)?, 0)?;
    // A chain has no cycle, so it is no longer than the graph.
    for _ in 0..body.nodes().len() {
        let source = body.tensor(tensor);
        match body.node(source.node).op {
            Op::Parameter => return Some(tensor),
            Op::Identity => tensor = body.input(source.node, source.port as usize)?,
            _ => return None,
        }
    }
    None
}

fn parameter_tensor(body: &Graph, number: u32) -> Option<TensorId> {
    body.output(*body.parameters().get(number as usize)?, 0)
}

/// A single exact boolean.
fn exact_flag(value: &Value) -> Option<bool> {
    match value.as_ints()? {
        [flag] if !value.is_upper_bound => Some(*flag != 0),
        _ => None,
    }
}

/// What the file declares of a body's parameters.
fn declared_parameters(body: &Graph) -> Vec<TensorInfo> {
    let declared = body.parameters().iter().map(|&parameter| match body.output(parameter, 0) {
        None => TensorInfo::unknown(DType::Dynamic),
        Some(tensor) => {
            let tensor = body.tensor(tensor);
            match tensor.shape.as_known() {
                Some(dims) => TensorInfo::known(tensor.dtype, dims),
                None => TensorInfo::unknown(tensor.dtype),
            }
        }
    });
    declared.collect()
}

fn run(context: &Context<'_>, body: &Graph, parameters: Vec<TensorInfo>, options: Options) -> Result<Shapes> {
    let binding = Binding { parameters, ..Binding::default() };
    infer_graph(body, binding, options).map_err(|error| {
        error.note(format!("in a body of \"{}\"", context.graph().node_name(context.node())))
    })
}

fn outer<'a>(context: &Context<'a>, input: u32) -> Result<&'a TensorInfo> {
    context.input(input as usize).map_err(|error| malformed(context, error.to_string()))
}

fn slot<'p>(
    context: &Context<'_>,
    parameters: &'p mut [TensorInfo],
    number: u32,
) -> Result<&'p mut TensorInfo> {
    let count = parameters.len();
    parameters.get_mut(number as usize).ok_or_else(|| {
        malformed(context, format!("the port map names parameter {number} of a body, which has {count}"))
    })
}

fn result_info<'s>(
    context: &Context<'_>,
    body: &Graph,
    shapes: &'s Shapes,
    number: u32,
) -> Result<&'s TensorInfo> {
    let result = body.results().get(number as usize).and_then(|&result| body.input(result, 0));
    result.map(|tensor| shapes.tensor(tensor)).ok_or_else(|| {
        let count = body.results().len();
        malformed(context, format!("the port map names result {number} of a body, which has {count}"))
    })
}

fn settle_axis(context: &Context<'_>, axis: i64, rank: usize, input: u32) -> Result<usize> {
    normalize_axis(axis, rank).map_err(|error| {
        Error::new(ErrorKind::Shape, error.to_string())
            .at(context.graph().location(context.node(), Some(Port::Input(input as usize))))
    })
}

#[cold]
fn malformed(context: &Context<'_>, message: String) -> Error {
    Error::new(ErrorKind::Malformed, message)
        .at(context.graph().location(context.node(), None))
        .help("the model is inconsistent; re-export it")
}

/// `info` if its dims are known; else what the file declares, or an error unless unknown sizes are allowed.
fn sized(
    context: &Context<'_>,
    info: TensorInfo,
    port: u32,
    options: Options,
    why: impl FnOnce() -> String,
) -> Result<TensorInfo> {
    if info.dims.is_some() {
        return Ok(info);
    }
    let graph = context.graph();
    let declared = graph.output(context.node(), port as usize).map(|tensor| graph.tensor(tensor));
    if let Some(dims) = declared.and_then(|tensor| tensor.shape.as_known()) {
        return Ok(TensorInfo::known(info.dtype, dims));
    }
    if options.allow_opaque {
        return Ok(info);
    }
    Err(Error::new(ErrorKind::UnboundDim, format!("cannot size output {port}: {}", why()))
        .at(graph.location(context.node(), Some(Port::Output(port as usize))))
        .help("`--value NAME=1` gives a condition or a trip count that is an input of the model; `--allow-opaque` counts the tensor as unknown and the total as a lower bound"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{Binary, Broadcast, LoopInput, LoopOutput};
    use crate::graph::{Builder, Format, NodeSpec, PartialShape, TensorSpec};
    use crate::shape::testing::{self, *};

    /// A body of `parameters` parameters; `build` gives the results' tensors.
    fn body(parameters: usize, build: impl Fn(&mut Builder, &[TensorId]) -> Vec<TensorId>) -> Graph {
        let mut builder = Builder::new("body".as_ref(), Format::OpenVino);
        let inputs: Vec<_> = (0..parameters)
            .map(|_| {
                let node =
                    builder.node(NodeSpec { op: Op::Parameter, name: "parameter", ..NodeSpec::default() });
                builder.output(node, TensorSpec::default())
            })
            .collect();
        for tensor in build(&mut builder, &inputs) {
            let node = builder.node(NodeSpec { op: Op::Result, name: "result", ..NodeSpec::default() });
            builder.connect(node, &[Some(tensor)]);
        }
        builder.finish().unwrap()
    }

    fn apply(builder: &mut Builder, op: Op, inputs: &[TensorId]) -> TensorId {
        let node = builder.node(NodeSpec { op, name: "inner", ..NodeSpec::default() });
        let tensor = builder.output(node, TensorSpec::default());
        builder.connect(node, &inputs.iter().map(|&input| Some(input)).collect::<Vec<_>>());
        tensor
    }

    fn constant(builder: &mut Builder, dtype: DType, values: &[i64]) -> TensorId {
        builder.constant("constant", dtype, &[values.len() as u64], Value::ints(values.iter().copied()))
    }

    /// `If(condition, data)`: squeezes axis 0 if true, hands data through if false.
    fn squeeze_or_keep() -> Op {
        let squeeze = body(1, |builder, inputs| {
            let axis = constant(builder, DType::I64, &[0]);
            vec![apply(builder, Op::Squeeze { allow_axis_skip: false }, &[inputs[0], axis])]
        });
        let keep = body(1, |_, inputs| inputs.to_vec());
        Op::If(Box::new(If {
            then_body: squeeze,
            else_body: keep,
            then_inputs: vec![(1, 0)],
            else_inputs: vec![(1, 0)],
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        }))
    }

    fn flag(value: bool) -> Input {
        ints(DType::Boolean, &[], &[i64::from(value)])
    }

    #[test]
    fn a_known_condition_takes_its_branch() {
        assert_eq!(testing::dims(squeeze_or_keep(), &[flag(true), f32(&[1, 5])]), [5]);
        assert_eq!(testing::dims(squeeze_or_keep(), &[flag(false), f32(&[1, 5])]), [1, 5]);
    }

    #[test]
    fn a_branch_that_contradicts_the_shapes_cannot_run() {
        let out = output(squeeze_or_keep(), &[tensor(DType::Boolean, &[]), f32(&[3, 5])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[3, 5][..], Bound::Exact));
        assert!(testing::infer(squeeze_or_keep(), &[flag(true), f32(&[3, 5])], 1).is_err());
    }

    #[test]
    fn branches_of_different_ranks_have_no_size() {
        let inputs = [tensor(DType::Boolean, &[]), f32(&[1, 5])];
        assert!(testing::infer(squeeze_or_keep(), &inputs, 1).unwrap_err().is_unbound_dim());
    }

    #[test]
    fn an_unknown_condition_bounds_by_the_larger_branch() {
        let tile = |count| {
            body(1, move |builder, inputs| {
                let repeats = constant(builder, DType::I64, &[count]);
                vec![apply(builder, Op::Tile, &[inputs[0], repeats])]
            })
        };
        let op = Op::If(Box::new(If {
            then_body: tile(2),
            else_body: tile(3),
            then_inputs: vec![(1, 0)],
            else_inputs: vec![(1, 0)],
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        }));
        let out = output(op, &[tensor(DType::Boolean, &[]), f32(&[5])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[15][..], Bound::UpperBound));
    }

    fn whole(axis: i64, part_size: i64, drops_axis: bool) -> LoopSlice {
        LoopSlice { axis, start: 0, end: -1, stride: part_size, part_size, drops_axis }
    }

    /// Inputs: sequence (sliced along axis 0) and state; outputs: last state, all states.
    fn scan(part_size: i64, drops_axis: bool) -> Op {
        let body = body(2, |builder, inputs| {
            vec![apply(builder, Op::Binary(Binary::Add, Broadcast::Numpy), &[inputs[1], inputs[0]])]
        });
        Op::Loop(Box::new(Loop {
            body,
            inputs: vec![
                LoopInput {
                    input: 0,
                    parameter: 0,
                    kind: LoopInputKind::Sliced(whole(0, part_size, drops_axis)),
                },
                LoopInput { input: 1, parameter: 1, kind: LoopInputKind::Carried { result: 0 } },
            ],
            outputs: vec![
                LoopOutput { result: 0, output: 0, concat: None },
                LoopOutput { result: 0, output: 1, concat: Some(whole(0, part_size, drops_axis)) },
            ],
            trip_count: None,
            condition: None,
            iteration_parameter: None,
            condition_result: None,
        }))
    }

    #[test]
    fn slices_enter_and_results_are_joined() {
        assert_eq!(all_dims(scan(1, false), &[f32(&[7, 4]), f32(&[1, 4])], 2), [[1, 4], [7, 4]]);
        assert_eq!(all_dims(scan(2, false), &[f32(&[8, 4]), f32(&[2, 4])], 2), [[2, 4], [8, 4]]);
        let outputs = all_dims(scan(1, true), &[f32(&[7, 4]), f32(&[4])], 2);
        assert_eq!(outputs, [&[4][..], &[7, 4]]);
        let outputs = testing::infer(scan(1, false), &[f32(&[7, 4]), f32(&[1, 4])], 2).unwrap();
        assert!(outputs.iter().all(|output| output.bound == Bound::Exact));
    }

    /// Inputs: trip count, condition, state, piece; each trip appends the piece to the state.
    fn appending(goes_on: bool) -> Op {
        let body = body(2, move |builder, inputs| {
            let joined = apply(builder, Op::Concat { axis: 0 }, &[inputs[0], inputs[1]]);
            vec![joined, constant(builder, DType::Boolean, &[i64::from(goes_on)])]
        });
        Op::Loop(Box::new(Loop {
            body,
            inputs: vec![
                LoopInput { input: 2, parameter: 0, kind: LoopInputKind::Carried { result: 0 } },
                LoopInput { input: 3, parameter: 1, kind: LoopInputKind::Invariant },
            ],
            outputs: vec![LoopOutput { result: 0, output: 0, concat: None }],
            trip_count: Some(0),
            condition: Some(1),
            iteration_parameter: None,
            condition_result: Some(1),
        }))
    }

    #[test]
    fn growing_state_is_followed_and_then_extrapolated() {
        let apply = |count, condition: Input| {
            let out = output(appending(true), &[scalar(count), condition, f32(&[10, 4]), f32(&[3, 4])]);
            (out.dims.unwrap().to_vec(), out.bound)
        };
        assert_eq!(apply(0, flag(true)), (vec![10, 4], Bound::Exact));
        assert_eq!(apply(1, flag(true)), (vec![13, 4], Bound::Exact));
        assert_eq!(apply(5, flag(true)), (vec![25, 4], Bound::Exact));
        assert_eq!(apply(1000, flag(true)), (vec![3010, 4], Bound::UpperBound));
        assert_eq!(apply(5, flag(false)), (vec![10, 4], Bound::Exact));
        assert_eq!(apply(5, tensor(DType::Boolean, &[])), (vec![25, 4], Bound::UpperBound));
    }

    #[test]
    fn a_condition_that_fails_at_once_ends_the_loop_after_one_trip() {
        let inputs = [scalar(5), flag(true), f32(&[10, 4]), f32(&[3, 4])];
        assert_eq!(testing::dims(appending(false), &inputs), [13, 4]);
    }

    #[test]
    fn growth_without_a_trip_count_has_no_size() {
        for count in [tensor(DType::I64, &[]), scalar(i64::MAX), scalar(-1)] {
            let inputs = [count, flag(true), f32(&[10, 4]), f32(&[3, 4])];
            assert!(testing::infer(appending(true), &inputs, 1).unwrap_err().is_unbound_dim());
        }
    }

    #[test]
    fn a_port_map_beyond_the_body_is_malformed() {
        let Op::If(mut branches) = squeeze_or_keep() else { unreachable!() };
        branches.then_inputs = vec![(1, 7)];
        let error = testing::infer(Op::If(branches.clone()), &[flag(true), f32(&[1, 5])], 1).unwrap_err();
        assert!(error.message().contains("parameter 7"), "{error}");
        branches.then_inputs = vec![(9, 0)];
        assert!(testing::infer(Op::If(branches.clone()), &[flag(true), f32(&[1, 5])], 1).is_err());
        branches.then_inputs = vec![(1, 0)];
        branches.then_outputs = vec![(3, 0)];
        assert!(testing::infer(Op::If(branches), &[flag(true), f32(&[1, 5])], 1).is_err());
    }

    #[test]
    fn a_declared_shape_stands_in_for_an_unknown_one() {
        let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
        let mut slots = Vec::new();
        for _ in 0..2 {
            let node = builder.node(NodeSpec { op: Op::Parameter, name: "p", ..NodeSpec::default() });
            slots.push(Some(builder.output(node, TensorSpec::default())));
        }
        let node = builder.node(NodeSpec { op: squeeze_or_keep(), name: "if", ..NodeSpec::default() });
        let shape = PartialShape::known(&[5]);
        let out = builder.output(node, TensorSpec { shape, ..TensorSpec::default() });
        builder.connect(node, &slots);
        let graph = builder.finish().unwrap();
        let parameters = vec![tensor(DType::Boolean, &[]).unwrap(), f32(&[1, 5]).unwrap()];
        let binding = Binding { parameters, ..Binding::default() };
        let shapes = infer_graph(&graph, binding, Options::default()).unwrap();
        assert_eq!(shapes.tensor(out).dims.as_deref(), Some(&[5][..]));
    }
}
