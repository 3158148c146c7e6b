//! `If`, `Loop`, `Scan` and `SequenceMap`: bodies and what enters and leaves them.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Loop.html>, `onnx__If.html`, `onnx__Scan.html`.

use super::attributes::Layer;
use super::ops::Make;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::op::{If, Ints, Loop, LoopInput, LoopInputKind, LoopKind, LoopOutput, LoopSlice};
use crate::graph::{Builder, Format, Graph, NodeSpec, Op, TensorSpec};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::borrow::Cow;

/// A body that was read.
#[derive(Debug)]
pub(super) struct Body<'m> {
    pub graph: Graph,
    /// Parameters that the body declares; those for outside names follow.
    pub n_inputs: usize,
    /// Names of outside, in the order of their parameters.
    pub captures: Vec<Cow<'m, str>>,
}

/// The canonical operator, and the outside names that are its further inputs.
///
/// # Errors
///
/// If the bodies do not have the inputs and outputs that the node needs.
pub(super) fn node<'m>(
    make: Make,
    layer: &Layer<'_>,
    bodies: SmallVec<[Body<'m>; 2]>,
) -> Result<(Op, Vec<Cow<'m, str>>)> {
    let mut captures: Vec<Cow<'m, str>> = Vec::new();
    let mut numbers: FxHashMap<Cow<'m, str>, usize> = FxHashMap::default();
    let first = layer.inputs.len();
    let mut maps = SmallVec::<[Vec<(u32, u32)>; 2]>::new();
    let mut graphs = bodies.into_iter().map(|body| {
        let inputs = body.captures.into_iter().zip(body.n_inputs as u32..).map(|(name, parameter)| {
            let number = *numbers.entry(name.clone()).or_insert_with(|| {
                captures.push(name);
                captures.len() - 1
            });
            ((first + number) as u32, parameter)
        });
        maps.push(inputs.collect());
        (body.graph, body.n_inputs)
    });
    let bodies: SmallVec<[(Graph, usize); 2]> = graphs.by_ref().collect();
    drop(graphs);
    let mut bodies = bodies.into_iter();
    let mut maps = maps.into_iter();
    let op = match make {
        Make::If => {
            let (Some((then_body, then_inputs)), Some((else_body, else_inputs))) =
                (bodies.next(), bodies.next())
            else {
                return Err(malformed("an `If` needs two bodies".to_owned()));
            };
            needs(then_inputs == 0, "the then branch", "inputs", then_inputs, 0)?;
            needs(else_inputs == 0, "the else branch", "inputs", else_inputs, 0)?;
            let outputs = |body: &Graph| -> Result<Vec<(u32, u32)>> {
                needs(
                    body.results().len() >= layer.outputs,
                    "a branch",
                    "outputs",
                    body.results().len(),
                    layer.outputs,
                )?;
                Ok((0..layer.outputs as u32).map(|port| (port, port)).collect())
            };
            Op::If(Box::new(If {
                then_outputs: outputs(&then_body)?,
                else_outputs: outputs(&else_body)?,
                then_inputs: maps.next().unwrap_or_default(),
                else_inputs: maps.next().unwrap_or_default(),
                then_body,
                else_body,
            }))
        }
        _ => {
            let Some((body, n_inputs)) = bodies.next() else {
                return Err(malformed("the node has no body".to_owned()));
            };
            let captured = maps.next().unwrap_or_default().into_iter();
            let captured = captured.map(|(input, parameter)| LoopInput {
                input,
                parameter,
                kind: LoopInputKind::Invariant,
            });
            let mut spec = match make {
                Make::Scan if layer.version < 9 => {
                    return Ok((batched_scan(layer, body, n_inputs, captured.collect())?, captures));
                }
                Make::Scan => scan(layer, body, n_inputs)?,
                // Whether a further input is a tensor or a sequence is nowhere said.
                Make::SequenceMap if layer.inputs.len() > 1 => return Ok((Op::Opaque, Vec::new())),
                Make::SequenceMap => map(layer, body, n_inputs)?,
                _ => loop_(layer, body, n_inputs)?,
            };
            spec.inputs.extend(captured);
            Op::Loop(Box::new(spec))
        }
    };
    Ok((op, captures))
}

/// Inputs: trip count, condition, carried; the body's: iteration, condition, carried; its results: condition,
/// carried, then what is stacked over all trips.
fn loop_(layer: &Layer<'_>, body: Graph, n_inputs: usize) -> Result<Loop> {
    let inputs = layer.inputs.len().max(2);
    let n_carried = inputs - 2;
    needs(n_inputs == inputs, "the body", "inputs", n_inputs, inputs)?;
    needs(body.results().len() > n_carried, "the body", "outputs", body.results().len(), n_carried + 1)?;
    let carried = (2..inputs as u32).map(|input| LoopInput {
        input,
        parameter: input,
        kind: LoopInputKind::Carried { result: input - 1 },
    });
    let condition = layer.has(1).then_some(LoopInput {
        input: 1,
        parameter: 1,
        kind: LoopInputKind::Carried { result: 0 },
    });
    let n_results = body.results().len() as u32;
    let outputs = (1..n_results).take(layer.outputs).map(|result| LoopOutput {
        result,
        output: result - 1,
        concat: (result as usize > n_carried).then(|| stacked(0, false)),
    });
    Ok(Loop {
        kind: LoopKind::Loop,
        inputs: condition.into_iter().chain(carried).collect(),
        outputs: outputs.collect(),
        trip_count: layer.has(0).then_some(0),
        condition: layer.has(1).then_some(1),
        iteration_parameter: Some(0),
        condition_result: Some(0),
        body,
    })
}

/// Inputs: states, then what is cut into slices; the body's alike; its results: states, then what is stacked.
fn scan(layer: &Layer<'_>, body: Graph, n_inputs: usize) -> Result<Loop> {
    let of_attribute = |error: super::attributes::AttributeError| malformed(error.to_string());
    let ints = |name| layer.ints_or_none(name).map_err(of_attribute);
    let scanned = Scanned {
        in_axes: ints("scan_input_axes")?,
        in_directions: ints("scan_input_directions")?,
        out_axes: ints("scan_output_axes")?,
        out_directions: ints("scan_output_directions")?,
    };
    scan_of(layer, layer.inputs.len(), &scanned, body, n_inputs)
}

/// Along which axes a scan runs, and which way.
#[derive(Debug, Default)]
struct Scanned {
    in_axes: Ints,
    in_directions: Ints,
    out_axes: Ints,
    out_directions: Ints,
}

/// Before operator set 9: the lengths of the sequences come first, which shapes do not follow, and all else has a batch
/// in front. So it is a scan of one sequence, run for each of the batch.
fn batched_scan(layer: &Layer<'_>, body: Graph, n_inputs: usize, captured: Vec<LoopInput>) -> Result<Op> {
    let of_attribute = |error: super::attributes::AttributeError| malformed(error.to_string());
    let in_directions = layer.ints_or_none("directions").map_err(of_attribute)?;
    let inputs = layer.inputs.len().saturating_sub(1);
    let file = body.file().to_owned();
    let mut scan = scan_of(layer, inputs, &Scanned { in_directions, ..Scanned::default() }, body, n_inputs)?;
    let n_outputs = scan.outputs.len();

    let mut builder = Builder::new(&file, Format::Onnx);
    let add = |builder: &mut Builder, op, name: &str, type_name, n_outputs| {
        let node = builder.node(NodeSpec { op, name, type_name, ..NodeSpec::default() });
        let outputs = (0..n_outputs).map(|_| builder.output(node, TensorSpec::default()));
        (node, outputs.map(Some).collect::<Vec<_>>())
    };
    let mut whole = Vec::new();
    let mut given = Vec::new();
    for number in 0..(inputs + captured.len()) as u32 {
        let (node, outputs) = add(&mut builder, Op::Parameter, &format!("input {number}"), "Parameter", 1);
        builder.connect(node, &[]);
        given.extend(outputs);
        let outside = (number as usize).checked_sub(inputs).and_then(|index| captured.get(index));
        whole.push(match outside {
            Some(captured) => {
                scan.inputs.push(LoopInput { input: number, ..captured.clone() });
                LoopInput { input: captured.input, parameter: number, kind: LoopInputKind::Invariant }
            }
            None => {
                let kind = LoopInputKind::Sliced(stacked(0, false));
                LoopInput { input: number + 1, parameter: number, kind }
            }
        });
    }
    let (node, results) =
        add(&mut builder, Op::Loop(Box::new(scan)), "scan of one sequence", "Scan", n_outputs);
    builder.connect(node, &given);
    for (number, result) in results.into_iter().enumerate() {
        let (node, _) = add(&mut builder, Op::Result, &format!("output {number}"), "Result", 0);
        builder.connect(node, &[result]);
    }
    let outputs = (0..n_outputs as u32).map(|port| LoopOutput {
        result: port,
        output: port,
        concat: Some(stacked(0, false)),
    });
    Ok(Op::Loop(Box::new(Loop {
        kind: LoopKind::Scan,
        inputs: whole,
        outputs: outputs.collect(),
        trip_count: None,
        condition: None,
        iteration_parameter: None,
        condition_result: None,
        body: builder.finish()?,
    })))
}

/// A scan over so many states and slices.
fn scan_of(
    layer: &Layer<'_>,
    inputs: usize,
    scanned: &Scanned,
    body: Graph,
    n_inputs: usize,
) -> Result<Loop> {
    let of_attribute = |error: super::attributes::AttributeError| malformed(error.to_string());
    let n_sliced = layer.int_needed("num_scan_inputs").map_err(of_attribute)?;
    let n_states = usize::try_from(n_sliced).ok().and_then(|n_sliced| inputs.checked_sub(n_sliced));
    let n_states = n_states.ok_or_else(|| malformed(format!("{n_sliced} of {inputs} inputs are scanned")))?;
    needs(n_inputs == inputs, "the body", "inputs", n_inputs, inputs)?;
    let n_results = body.results().len();
    needs(n_results >= n_states, "the body", "outputs", n_results, n_states)?;
    let Scanned { in_axes, in_directions, out_axes, out_directions } = scanned;
    let at = |list: &Ints, index: usize| list.get(index).copied().unwrap_or(0);
    let entering = (0..inputs).map(|input| LoopInput {
        input: input as u32,
        parameter: input as u32,
        kind: match input.checked_sub(n_states) {
            None => LoopInputKind::Carried { result: input as u32 },
            Some(index) => LoopInputKind::Sliced(stacked(at(in_axes, index), at(in_directions, index) == 1)),
        },
    });
    let leaving = (0..n_results.min(layer.outputs)).map(|result| LoopOutput {
        result: result as u32,
        output: result as u32,
        concat: result
            .checked_sub(n_states)
            .map(|index| stacked(at(out_axes, index), at(out_directions, index) == 1)),
    });
    Ok(Loop {
        kind: LoopKind::Scan,
        inputs: entering.collect(),
        outputs: leaving.collect(),
        trip_count: None,
        condition: None,
        iteration_parameter: None,
        condition_result: None,
        body,
    })
}

/// The body runs once per element, and each of its results becomes a sequence.
fn map(layer: &Layer<'_>, body: Graph, n_inputs: usize) -> Result<Loop> {
    needs(n_inputs == 1, "the body", "inputs", n_inputs, 1)?;
    let outputs = (0..body.results().len().min(layer.outputs) as u32).map(|port| LoopOutput {
        result: port,
        output: port,
        concat: Some(stacked(0, false)),
    });
    Ok(Loop {
        kind: LoopKind::SequenceMap,
        inputs: vec![LoopInput { input: 0, parameter: 0, kind: LoopInputKind::Sliced(stacked(0, false)) }],
        outputs: outputs.collect(),
        trip_count: None,
        condition: None,
        iteration_parameter: None,
        condition_result: None,
        body,
    })
}

/// One index of an axis per trip, the axis gone inside.
fn stacked(axis: i64, backwards: bool) -> LoopSlice {
    let (start, end, stride) = if backwards { (-1, 0, -1) } else { (0, -1, 1) };
    LoopSlice { axis, start, end, stride, part_size: 1, drops_axis: true }
}

fn needs(holds: bool, who: &str, what: &str, found: usize, expected: usize) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(malformed(format!("{who} has {found} {what}, and the node needs {expected}")))
}

#[cold]
fn malformed(message: String) -> Error {
    Error::new(ErrorKind::Malformed, message).help("the model is inconsistent; re-export it")
}
