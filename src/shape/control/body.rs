//! What branches and loops do with a body.

use crate::DType;
use crate::error::{Error, ErrorKind, Port, Result};
use crate::graph::{Dims, Graph, Value};
use crate::shape::context::{Context, normalize_axis};
use crate::shape::engine::infer_graph;
use crate::shape::shapes::{Options, Shapes};
use crate::shape::start::Start;
use crate::shape::{Bound, TensorInfo};
use std::rc::Rc;

/// What holds of both: the larger of each two dims, as a bound where they differ.
pub(super) fn either(a: &TensorInfo, b: &TensorInfo) -> TensorInfo {
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
pub(super) fn exact_flag(value: &Value) -> Option<bool> {
    match value.as_ints()? {
        [flag] if !value.is_upper_bound => Some(*flag != 0),
        _ => None,
    }
}

/// What the file declares of a body's parameters.
pub(super) fn declared_parameters(body: &Graph) -> Vec<TensorInfo> {
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

pub(super) fn run(
    context: &Context<'_>,
    body: &Graph,
    parameters: Vec<TensorInfo>,
    options: Options,
    outer: &Start,
) -> Result<Shapes> {
    let start = Start { parameters, variables: Vec::new(), evaluated: Rc::clone(&outer.evaluated) };
    infer_graph(body, &start, options).map_err(|error| {
        error.note(format!("in a body of \"{}\"", context.graph().node_name(context.node())))
    })
}

pub(super) fn outer<'a>(context: &Context<'a>, input: u32) -> Result<&'a TensorInfo> {
    context.input(input as usize).map_err(|error| malformed(context, error.to_string()))
}

pub(super) fn slot<'p>(
    context: &Context<'_>,
    parameters: &'p mut [TensorInfo],
    number: u32,
) -> Result<&'p mut TensorInfo> {
    let count = parameters.len();
    parameters.get_mut(number as usize).ok_or_else(|| {
        malformed(context, format!("the port map names parameter {number} of a body, which has {count}"))
    })
}

pub(super) fn result_info<'s>(
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

pub(super) fn settle_axis(context: &Context<'_>, axis: i64, rank: usize, input: u32) -> Result<usize> {
    normalize_axis(axis, rank).map_err(|error| {
        Error::new(ErrorKind::Shape, error.to_string())
            .at(context.graph().location(context.node(), Some(Port::Input(input as usize))))
    })
}

#[cold]
pub(super) fn malformed(context: &Context<'_>, message: String) -> Error {
    Error::new(ErrorKind::Malformed, message)
        .at(context.graph().location(context.node(), None))
        .help("the model is inconsistent; re-export it")
}

/// `info` if its dims are known; else what the file declares, or an error unless unknown sizes are allowed.
pub(super) fn sized(
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
