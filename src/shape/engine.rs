//! The pass over the graph: each node's rule in execution order.

use super::context::{Context, MAX_VALUE_ELEMENTS, RuleError, text};
use super::layout::MAX_ALL_VALUES;
use super::shapes::{Options, Shapes};
use super::start::Start;
use super::{Bound, TensorInfo, control, rules, unread};
use crate::error::{Diagnostic, Error, ErrorKind, Port, Result, Severity};
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::scenario::{Binding, Scenario};
use std::collections::BTreeMap;

/// Tensors larger than this are an error: no machine holds them, and sums of them could overflow.
/// 8 TiB: 2^20 tensors (`formats::limits`) of this size still sum to less than 2^63.
const MAX_TENSOR_BYTES: u64 = 1 << 43;

/// Infers every tensor's shape in the run that `scenario` describes.
///
/// Cost: linear in nodes and edges; values of at most 4,096 elements are computed along the way.
///
/// # Errors
///
/// If a dim is unbound (the error lists what could bind it), shapes contradict each other, or a node has no rule
/// and no static declared shape (unless `scenario` allows opaque nodes).
pub fn infer(graph: &Graph, scenario: &Scenario) -> Result<Shapes> {
    let binding = scenario.bind(graph)?;
    let &Scenario { strict, allow_opaque, data_sizes, .. } = scenario;
    let options = Options { strict, allow_opaque, data_sizes };
    let mut shapes = infer_graph(graph, &Start::of(&binding), options)?;
    shapes.diagnostics.extend(unread::diagnostics(graph));
    Ok(Shapes { binding, ..shapes })
}

/// [`infer`] with parameters and variables given: the entry for bodies.
pub(super) fn infer_graph(graph: &Graph, start: &Start, options: Options) -> Result<Shapes> {
    let unset = TensorInfo::unknown(crate::DType::Dynamic);
    let mut shapes = Shapes {
        tensors: vec![unset; graph.tensors().len()],
        bodies: BTreeMap::new(),
        binding: Binding::default(),
        diagnostics: Vec::new(),
        is_refused: false,
        value_elements: 0,
        data_sizes: options.data_sizes,
        lacks_least: false,
    };
    for (&parameter, info) in graph.parameters().iter().zip(&start.parameters) {
        if let Some(tensor) = graph.output(parameter, 0) {
            shapes.tensors[tensor.index()] = info.clone();
        }
    }
    for &node in graph.execution_order() {
        if !matches!(graph.node(node).op, Op::Parameter) {
            infer_node(graph, node, start, &mut shapes, options)?;
        }
    }
    Ok(shapes)
}

fn infer_node(
    graph: &Graph,
    node: NodeId,
    start: &Start,
    shapes: &mut Shapes,
    options: Options,
) -> Result<()> {
    let op = &graph.node(node).op;
    let outcome = match op {
        Op::If(_) | Op::Loop(_) => {
            let mut context = Context::new(graph, node, &shapes.tensors, options.data_sizes);
            let bodies = control::infer(op, &mut context, options, start)?;
            shapes.lacks_least |= context.lacks_least();
            let outputs = context.into_outputs();
            shapes.bodies.insert(node, bodies);
            Ok(outputs)
        }
        _ => {
            let mut context = Context::new(graph, node, &shapes.tensors, options.data_sizes);
            let inferred = rules::infer(op, &mut context, start);
            shapes.lacks_least |= context.lacks_least();
            if let Some(text) = context.assumption() {
                shapes.diagnostics.push(Diagnostic {
                    code: "MG0004",
                    severity: Severity::Note,
                    location: graph.location(node, None),
                    text: text.to_owned(),
                });
            }
            inferred.map(|()| context.into_outputs())
        }
    };
    match outcome {
        Ok(outputs) => {
            for (port, (tensor, info)) in graph.outputs(node).zip(outputs).enumerate() {
                settle(graph, node, port, tensor, info, shapes, options)?;
            }
            Ok(())
        }
        Err(RuleError::Mismatch(message)) => Err(Error::new(ErrorKind::Shape, message)
            .at(graph.location(node, None))
            .note(input_shapes(graph, node, shapes))),
        Err(reason) => fall_back(graph, node, &reason, shapes, options),
    }
}

/// Stores an output, after checking it against the caps and against what the file declares.
fn settle(
    graph: &Graph,
    node: NodeId,
    port: usize,
    tensor: TensorId,
    mut info: TensorInfo,
    shapes: &mut Shapes,
    options: Options,
) -> Result<()> {
    let declared = graph.tensor(tensor);
    if info.dtype == crate::DType::Dynamic {
        info.dtype = declared.dtype;
    }
    if let Some(dims) = &info.dims {
        let elements = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim.max(1)));
        let bytes = elements.and_then(|elements| info.dtype.bytes(elements).or(Some(crate::Bytes(elements))));
        if bytes.is_none_or(|bytes| bytes.0 > MAX_TENSOR_BYTES) {
            let message =
                format!("a tensor of shape {} {} is over the limit of 8 TiB", text(dims), info.dtype);
            return Err(Error::new(ErrorKind::Limit, message)
                .at(graph.location(node, Some(Port::Output(port))))
                .help("bind smaller dims; if the model really needs this, no machine can run it"));
        }
        let contradicts = declared.shape.as_known().is_some_and(|known| known != *dims);
        if contradicts && info.bound == Bound::Exact {
            let text = format!("inferred shape {} differs from the declared {}", text(dims), declared.shape);
            let location = graph.location(node, Some(Port::Output(port)));
            if options.strict {
                return Err(Error::new(ErrorKind::Shape, text)
                    .at(location)
                    .help("without `--strict` the inferred shape is taken, and this is a diagnostic"));
            }
            shapes.diagnostics.push(Diagnostic {
                code: "MG0001",
                severity: Severity::Warning,
                location,
                text,
            });
        }
    }
    if info.value.as_ref().is_some_and(|value| value.len() as u64 > MAX_VALUE_ELEMENTS) {
        info.value = None;
    }
    shapes.value_elements += info.value.as_ref().map_or(0, |value| value.len() as u64);
    if shapes.value_elements > MAX_ALL_VALUES {
        let message = format!("the values of small tensors have over {MAX_ALL_VALUES} elements in all");
        return Err(Error::new(ErrorKind::Limit, message)
            .at(graph.location(node, Some(Port::Output(port))))
            .help("no known export comes near this limit; check that the file is what it should be"));
    }
    if info.dims.is_none() {
        shapes.diagnostics.push(Diagnostic {
            code: "MG0002",
            severity: Severity::Incomplete,
            location: graph.location(node, Some(Port::Output(port))),
            text: "size unknown; the totals are lower bounds".to_owned(),
        });
    }
    shapes.tensors[tensor.index()] = info;
    Ok(())
}

/// A node whose rule cannot decide: the declared shapes where all are static, else unknown if that is allowed.
fn fall_back(
    graph: &Graph,
    node: NodeId,
    reason: &RuleError,
    shapes: &mut Shapes,
    options: Options,
) -> Result<()> {
    let declared: Option<Vec<_>> =
        graph.outputs(node).map(|tensor| graph.tensor(tensor).shape.as_known()).collect();
    if let Some(declared) = declared {
        for (tensor, dims) in graph.outputs(node).zip(declared) {
            shapes.tensors[tensor.index()] = TensorInfo::known(graph.tensor(tensor).dtype, dims);
        }
        return Ok(());
    }
    let location = graph.location(node, None);
    if matches!(graph.node(node).op, Op::Executed) && !options.allow_opaque {
        return Err(Error::new(ErrorKind::UnboundDim, "an executed node has outputs of free dims")
            .at(location)
            .note("an execution graph has the dims of the last inference, and free dims before the first")
            .help("run one inference before `get_runtime_model()` and serialize again"));
    }
    let is_opaque = graph.node(node).op.is_opaque();
    let what = if is_opaque { "the operator has no shape rule".to_owned() } else { reason.to_string() };
    if !options.allow_opaque {
        let unread = match reason {
            RuleError::UnknownValue(port) => unread::error(graph, node, *port),
            _ => None,
        };
        if let Some(error) = unread {
            return Err(error.note(input_shapes(graph, node, shapes)));
        }
        let kind = if is_opaque { ErrorKind::Unsupported } else { ErrorKind::UnboundDim };
        return Err(Error::new(kind, format!("cannot size the outputs: {what}"))
            .at(location)
            .note(input_shapes(graph, node, shapes))
            .help("give the value with `--value NAME=1,2,3` if it is an input of the model; `--allow-opaque` counts the tensor as unknown and the total as a lower bound"));
    }
    for tensor in graph.outputs(node) {
        shapes.tensors[tensor.index()] = TensorInfo::unknown(graph.tensor(tensor).dtype);
    }
    let text = format!("size unknown: {what}; the totals are lower bounds");
    shapes.diagnostics.push(Diagnostic { code: "MG0002", severity: Severity::Incomplete, location, text });
    Ok(())
}

/// The node's input shapes in words.
fn input_shapes(graph: &Graph, node: NodeId, shapes: &Shapes) -> String {
    let inputs = graph.inputs(node).iter().map(|slot| match slot {
        None => "absent".to_owned(),
        Some(tensor) => {
            let info = shapes.tensor(*tensor);
            let dims = info.dims.as_deref().map_or("[...]".to_owned(), text);
            format!("{dims} {}", info.dtype)
        }
    });
    format!("inputs: {}", inputs.collect::<Vec<_>>().join(", "))
}
