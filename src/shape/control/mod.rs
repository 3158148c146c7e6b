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

mod branches;
mod loops;

use super::context::{Context, normalize_axis};
use super::engine::{Options, Shapes, infer_graph};
use super::{Bound, TensorInfo};
use crate::DType;
use crate::error::{Error, ErrorKind, Port, Result};
use crate::graph::{Dims, Graph, Op, Value};
use crate::scenario::Binding;

/// Infers the bodies of a control-flow node, emits the node's outputs, and returns the bodies' shapes in the order of
/// [`Graph::bodies`](crate::graph::Graph::bodies).
pub(super) fn infer(op: &Op, context: &mut Context<'_>, options: Options) -> Result<Vec<Shapes>> {
    match op {
        Op::If(branches) => branches::infer(branches, context, options),
        Op::Loop(spec) => loops::infer(spec, context, options),
        _ => Ok(Vec::new()),
    }
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
    TensorInfo { dims, bound, value, ..TensorInfo::unknown(a.dtype) }
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
mod testing {
    use crate::DType;
    use crate::graph::{Builder, Format, Graph, NodeSpec, Op, TensorSpec, Value};
    use crate::ids::TensorId;
    use crate::shape::testing::{Input, ints};

    /// A body of `parameters` parameters; `build` gives the results' tensors.
    pub(super) fn body(
        parameters: usize,
        build: impl Fn(&mut Builder, &[TensorId]) -> Vec<TensorId>,
    ) -> Graph {
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

    pub(super) fn apply(builder: &mut Builder, op: Op, inputs: &[TensorId]) -> TensorId {
        let node = builder.node(NodeSpec { op, name: "inner", ..NodeSpec::default() });
        let tensor = builder.output(node, TensorSpec::default());
        builder.connect(node, &inputs.iter().map(|&input| Some(input)).collect::<Vec<_>>());
        tensor
    }

    pub(super) fn constant(builder: &mut Builder, dtype: DType, values: &[i64]) -> TensorId {
        builder.constant("constant", dtype, &[values.len() as u64], Value::ints(values.iter().copied()))
    }

    pub(super) fn flag(value: bool) -> Input {
        ints(DType::Boolean, &[], &[i64::from(value)])
    }
}
