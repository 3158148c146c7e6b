//! `Loop`, `TensorIterator`, `Scan`: one body, run several times.

use super::body::{
    declared_parameters, either, exact_flag, malformed, outer, result_info, run, settle_axis, sized, slot,
};
use crate::error::Result;
use crate::graph::op::{Loop, LoopInputKind, LoopOutput, LoopSlice};
use crate::graph::{Dims, Graph, Op, Value};
use crate::ids::{NodeId, TensorId};
use crate::shape::context::{Context, normalize_axis};
use crate::shape::shapes::{Options, Shapes};
use crate::shape::start::Start;
use crate::shape::{Bound, TensorInfo};
use rustc_hash::FxHashMap;

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

/// More trips than this are not a count but mean "until the condition fails".
const MAX_TRIPS: i64 = 1 << 31;

pub(super) fn infer(
    spec: &Loop,
    context: &mut Context<'_>,
    options: Options,
    start: &Start,
) -> Result<Vec<Shapes>> {
    let trips = trips_from_inputs(spec, context)?;
    let entry = entry_parameters(spec, context, trips)?;
    let mut shapes = run(context, &spec.body, entry.clone(), options, start)?;
    let trips = trips_from_condition(spec, context, &shapes, trips)?;
    let trips = match trips {
        Trips::Exactly(_) => trips,
        _ => trips_by_running(spec, context, trips, options, start)?.unwrap_or(trips),
    };

    // One more run at every level would double the work with each.
    let is_deep = nesting(&spec.body) > MOST_NESTED;
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
            let grown = extrapolate(&last_entry, &next, trips, round);
            if let Some(grown) = grown.filter(|_| !is_deep) {
                shapes = run(context, &spec.body, grown, options, start)?;
                is_followed = true;
            }
        } else {
            last_entry = next;
            shapes = run(context, &spec.body, last_entry.clone(), options, start)?;
        }
    }

    let mut by_port: FxHashMap<u32, &LoopOutput> = FxHashMap::default();
    for output in &spec.outputs {
        by_port.entry(output.output).or_insert(output);
    }
    let carried = carried_inputs(spec);
    for port in 0..context.n_outputs() as u32 {
        let Some(output) = by_port.get(&port) else {
            return Err(malformed(context, format!("the body gives nothing to output {port}")));
        };
        let result = result_info(context, &spec.body, &shapes, output.result)?;
        let info = match &output.concat {
            Some(slice) => concatenated(context, result, slice, trips, is_even)?,
            None => left(context, result, carried.get(&output.result).copied(), trips, is_followed)?,
        };
        let info = sized(context, info, port, options, || match is_deep && trips != Trips::Unknown {
            true => format!(
                "what grows from trip to trip is followed up to {MOST_NESTED} loops within each other"
            ),
            false => "the number of trips is not known".into(),
        })?;
        context.emit_info(info);
    }
    Ok(vec![shapes])
}

/// Loops within a loop up to which what it carries may grow.
const MOST_NESTED: usize = 4;

/// Rounds of a body: fewer the more loops are inside, so that their product stays small.
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

/// Trips as the count, the first condition and the sliced inputs say.
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

/// Nodes that are inferred at most to see when a condition fails.
const MOST_EVALUATED: usize = 1 << 16;

/// The same of all loops of a model: 64 of the longest. A model may have many loops, and one within another
/// is run again each time that the outer one is.
const MOST_EVALUATED_IN_ALL: usize = 1 << 22;

/// Trips until the condition fails, where its numbers are known in every trip: the body is run trip by trip,
/// numbers and all. `None` if they are not, or if that takes too long.
fn trips_by_running(
    spec: &Loop,
    context: &Context<'_>,
    known: Trips,
    options: Options,
    start: &Start,
) -> Result<Option<Trips>> {
    let (Some(condition), Some(result)) = (spec.condition, spec.condition_result) else { return Ok(None) };
    let starts = outer(context, condition)?.value.as_ref().and_then(exact_flag);
    let nodes = spec.body.nodes().len().max(1);
    let left = MOST_EVALUATED.min(MOST_EVALUATED_IN_ALL.saturating_sub(start.evaluated.get()));
    let cap = (left / nodes) as u64;
    if starts != Some(true) || nesting(&spec.body) > 0 {
        return Ok(None);
    }
    let counter = spec.iteration_parameter.filter(|&number| is_read(&spec.body, number));
    let mut entry = entry_parameters(spec, context, Trips::Exactly(1))?;
    for trip in 1..=cap {
        start.evaluated.set(start.evaluated.get() + nodes);
        let shapes = run(context, &spec.body, entry.clone(), options, start)?;
        let goes_on = result_info(context, &spec.body, &shapes, result)?.value.as_ref().and_then(exact_flag);
        match goes_on {
            None => return Ok(None),
            Some(false) => return Ok(Some(Trips::Exactly(trip))),
            Some(true) if known.most() == Some(trip) => return Ok(Some(Trips::Exactly(trip))),
            Some(true) => {}
        }
        let mut next = entry.clone();
        for input in &spec.inputs {
            if let LoopInputKind::Carried { result } = input.kind {
                let returned = result_info(context, &spec.body, &shapes, result)?.clone();
                *slot(context, &mut next, input.parameter)? = returned;
            }
        }
        if let Some(iteration) = counter {
            let counter = slot(context, &mut next, iteration)?;
            counter.value = counter.value.is_some().then(|| Value::ints([trip as i64]));
        }
        if next == entry {
            // Every further trip is this one again.
            let most = known.most().filter(|most| (trip..=cap).contains(most));
            return Ok(most.map(Trips::Exactly));
        }
        entry = next;
    }
    Ok(None)
}

/// Whether a node of a body reads parameter `number`.
fn is_read(body: &Graph, number: u32) -> bool {
    let tensor = parameter_tensor(body, number);
    let mut nodes = (0..body.nodes().len()).map(NodeId::new);
    tensor.is_some() && nodes.any(|node| body.inputs(node).contains(&tensor))
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
    let handed = handed_through(&spec.body);
    for input in &spec.inputs {
        let info = outer(context, input.input)?;
        let entering = match &input.kind {
            LoopInputKind::Invariant => info.clone(),
            LoopInputKind::Carried { result } => {
                let is_kept = trips == Trips::Exactly(1)
                    || handed_as(&handed, *result) == parameter_tensor(&spec.body, input.parameter);
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
    let handed = handed_through(&spec.body);
    for input in &spec.inputs {
        if let LoopInputKind::Carried { result } = input.kind {
            let returned = result_info(context, &spec.body, shapes, result)?;
            let entering = slot(context, &mut next, input.parameter)?;
            entering.dims.clone_from(&returned.dims);
            entering.bound = returned.bound;
            if handed_as(&handed, result) != parameter_tensor(&spec.body, input.parameter) {
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

/// The node input that each result replaces in the next trip, by the result's number.
fn carried_inputs(spec: &Loop) -> FxHashMap<u32, u32> {
    let mut inputs = FxHashMap::default();
    for input in &spec.inputs {
        if let LoopInputKind::Carried { result } = input.kind {
            inputs.entry(result).or_insert(input.input);
        }
    }
    inputs
}

/// An output that is the result of the last trip, or the value of the node input `initial` if there is none.
fn left(
    context: &Context<'_>,
    result: &TensorInfo,
    initial: Option<u32>,
    trips: Trips,
    is_followed: bool,
) -> Result<TensorInfo> {
    let initial = initial.map(|input| outer(context, input)).transpose()?;
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

/// The body parameter's tensor that each result is, if nothing happens to it on the way.
///
/// Cost: linear in the body, as results share what they have in common.
fn handed_through(body: &Graph) -> Vec<Option<TensorId>> {
    let mut known: FxHashMap<TensorId, Option<TensorId>> = FxHashMap::default();
    let mut of_result = |tensor: TensorId| {
        let mut passed = Vec::new();
        let mut current = tensor;
        let parameter = loop {
            if let Some(&parameter) = known.get(&current) {
                break parameter;
            }
            let source = body.tensor(current);
            match body.node(source.node).op {
                Op::Parameter => break Some(current),
                Op::Identity | Op::Optional | Op::OptionalGetElement => {
                    passed.push(current);
                    let Some(from) = body.input(source.node, source.port as usize) else { break None };
                    current = from;
                }
                _ => break None,
            }
        };
        known.extend(passed.into_iter().map(|tensor| (tensor, parameter)));
        parameter
    };
    body.results().iter().map(|&result| of_result(body.input(result, 0)?)).collect()
}

fn handed_as(handed: &[Option<TensorId>], result: u32) -> Option<TensorId> {
    handed.get(result as usize).copied().flatten()
}

fn parameter_tensor(body: &Graph, number: u32) -> Option<TensorId> {
    body.output(*body.parameters().get(number as usize)?, 0)
}

#[cfg(test)]
mod tests;
