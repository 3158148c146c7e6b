//! From a serialized execution graph to an [`ExecutionGraph`].
//!
//! The file has kinds, order, dims and layouts of one run. Two things are not in it, and are decided here:
//! which dims were free when the model was compiled ([`free_dims`]), and which nodes are views ([`views`]).

use super::info::{self, Executed};
use super::{Attention, ExecutedNode, ExecutionGraph, Kind, Layout, Output, Port, Precision};
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
use crate::runtime::Assumption;
use crate::runtime::openvino_cpu::Reshape;
use crate::schedule::NodeRef;
use crate::shape::Shapes;
use smallvec::SmallVec;

/// Whether `graph` is an execution graph: a runtime's own, serialized.
#[must_use]
pub fn is_execution_graph(graph: &Graph) -> bool {
    !graph.nodes().is_empty() && graph.nodes().iter().all(|node| matches!(node.op, Op::Executed))
}

/// Reads the execution graph that `graph` is.
///
/// `reshape` says whether the model was compiled with static dims; without it, the graph is looked at, and what was
/// concluded is an assumption.
///
/// Cost: linear in nodes and edges, after one sort.
///
/// # Errors
///
/// If a node was not executed, the execution orders are not a permutation, a node is before one that it reads, or a
/// shape is unknown.
pub fn read(graph: &Graph, shapes: &Shapes, reshape: Option<Reshape>) -> Result<ExecutionGraph> {
    let executed = info::read(graph)?;
    let order = execution_order(graph, &executed)?;
    let mut step_of = vec![0_u32; graph.nodes().len()];
    for (step, &(node, _)) in (0_u32..).zip(&order) {
        step_of[node.index()] = step;
    }
    let mut nodes = Vec::with_capacity(order.len());
    for (step, (node, executed)) in (0_u32..).zip(order) {
        nodes.push(read_node(graph, shapes, (step, node, executed), &step_of)?);
    }
    let mut execution = ExecutionGraph {
        is_dynamic: false,
        precision: precision(&nodes, &executed),
        kv_precision: executed.iter().find_map(|node| node.kv_cache_precision),
        nodes: nodes.into(),
        assumptions: Vec::new(),
        is_apart: false,
    };
    let proof = proof_of_static(&execution);
    execution.is_dynamic = match reshape {
        Some(reshape) => reshape == Reshape::Dynamic,
        None => proof.is_none(),
    };
    if reshape.is_none() {
        execution.assumptions.push(Assumption {
            rule: "compiled-shapes",
            text: match proof {
                Some(name) => format!("compiled with static shapes: \"{name}\" exists in static graphs only"),
                None => {
                    "compiled with the dims that the export leaves free, since nothing in the graph says \
                         otherwise; `--reshape static` if it was reshaped before compilation"
                        .to_owned()
                }
            },
        });
    }
    if execution.is_dynamic {
        free_dims(&mut execution);
    }
    views(&executed, &mut execution);
    mapped(&mut execution);
    Ok(execution)
}

/// The nodes by their place in the execution order.
fn execution_order<'e>(graph: &Graph, executed: &'e [Executed]) -> Result<Vec<(NodeId, &'e Executed)>> {
    let mut order: Vec<_> =
        executed.iter().enumerate().map(|(index, executed)| (NodeId::new(index), executed)).collect();
    order.sort_by_key(|(_, executed)| executed.order);
    for pair in order.windows(2) {
        if let [(_, a), (node, b)] = pair
            && a.order == b.order
        {
            let message = format!("two nodes have the execution order {}", b.order);
            return Err(Error::new(ErrorKind::Malformed, message).at(graph.location(*node, None)));
        }
    }
    Ok(order)
}

fn read_node(
    graph: &Graph,
    shapes: &Shapes,
    (step, node, executed): (u32, NodeId, &Executed),
    step_of: &[u32],
) -> Result<ExecutedNode> {
    let mut inputs = SmallVec::new();
    for &tensor in graph.inputs(node).iter().flatten() {
        let source = graph.tensor(tensor);
        let port = Port { step: step_of[source.node.index()], port: source.port };
        if port.step >= step {
            let message = format!(
                "the node runs at step {step} and reads \"{}\", which runs at step {}",
                graph.node_name(source.node),
                port.step
            );
            return Err(Error::new(ErrorKind::Malformed, message).at(graph.location(node, None)));
        }
        inputs.push(port);
    }
    let outputs = graph.outputs(node).enumerate().map(|(port, tensor)| {
        let info = shapes.tensor(tensor);
        let dims = info.dims.clone().ok_or_else(|| {
            Error::new(ErrorKind::UnboundDim, "an executed node has an output of unknown shape")
                .at(graph.location(node, None))
        })?;
        let layout = executed.layouts.get(port).map_or(Layout::Plain, |text| layout(text));
        Ok(Output { dtype: info.dtype, dims, is_dynamic: false, layout })
    });
    Ok(ExecutedNode {
        kind: Kind::from_name(graph.node_type(node)),
        name: graph.node_name(node).into(),
        originals: executed.originals.iter().cloned().collect(),
        source: NodeRef { graph: 0, node },
        inputs,
        outputs: outputs.collect::<Result<_>>()?,
        ..ExecutedNode::default()
    })
}

/// `acb`, `acdb`, `acdeb`: the second dim is the dense one; `aBcd16b`: blocks of it.
fn layout(text: &str) -> Layout {
    let block = text.strip_prefix("aBcd").map(|rest| rest.trim_start_matches('e'));
    if let Some(block) = block.and_then(|rest| rest.strip_suffix('b')?.parse().ok()) {
        return Layout::Blocks(block);
    }
    if text.len() > 2 && text.starts_with("ac") && text.ends_with('b') {
        Layout::ChannelsLast
    } else {
        Layout::Plain
    }
}

/// What matrix products compute in, read off their implementations.
fn precision(nodes: &[ExecutedNode], executed: &[Executed]) -> Precision {
    let products = nodes.iter().filter(|node| {
        matches!(node.kind, Kind::FullyConnected | Kind::Convolution | Kind::ScaledDotProductAttention)
    });
    for node in products {
        let Some(executed) = executed.get(node.source.node.index()) else { continue };
        if executed.primitive.ends_with("_bf16") {
            return Precision::Bf16;
        }
        if executed.primitive.ends_with("_f16") {
            return Precision::F16;
        }
    }
    Precision::F32
}

/// The name of a node that only a graph of static shapes has.
///
/// Element-wise chains become a Subgraph, and a layout Reorder takes in its Reshape and Transpose (`_fake`), only where
/// shapes are static. Source: OpenVINO 2026.4, the tokenization callback in
/// src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp, and 66 execution graphs.
fn proof_of_static(execution: &ExecutionGraph) -> Option<String> {
    let proves = |node: &&ExecutedNode| match node.kind {
        Kind::Subgraph => !holds_attention(node),
        Kind::Reorder => node.name.ends_with("_fake"),
        _ => false,
    };
    execution.nodes.iter().find(proves).map(|node| node.name.to_string())
}

/// Marks the outputs that had a free dim when the model was compiled.
///
/// The file has the dims of a run. A tensor is considered dynamic if what its shape comes from is: model inputs and
/// states are, dims read by ShapeOf are values and not shapes, and a shape given by a computed value is dynamic.
fn free_dims(execution: &mut ExecutionGraph) {
    let constants = execution.constants();
    let is_const = |port: &Port| constants.get(port.step as usize).copied().unwrap_or(false);
    for step in 0..execution.nodes.len() {
        let Some(node) = execution.nodes.get(step) else { continue };
        let is_dynamic = |index: usize| execution.input(node, index).is_some_and(|input| input.is_dynamic);
        let any = || (0..node.inputs.len()).any(is_dynamic);
        let computed = |from: usize| node.inputs.iter().skip(from).any(|port| !is_const(port));
        let free = match node.kind {
            Kind::Input => node.outputs.iter().any(|output| !output.dims.is_empty()),
            Kind::MemoryInput | Kind::NonZero => true,
            Kind::Const | Kind::ShapeOf => false,
            Kind::Range => computed(0),
            Kind::Gather => is_dynamic(0) || is_dynamic(1),
            Kind::Reshape
            | Kind::Broadcast
            | Kind::Tile
            | Kind::Pad
            | Kind::StridedSlice
            | Kind::Interpolate
            | Kind::TopK
            | Kind::OneHot => is_dynamic(0) || computed(1),
            _ => any(),
        };
        if let Some(node) = execution.nodes.get_mut(step) {
            node.outputs.iter_mut().for_each(|output| output.is_dynamic = free);
        }
    }
}

/// Marks the constants that are read where the file is mapped.
///
/// Weights and tables are used as they are. Others are f32: in an export of f32 the file's own bytes, in a compressed
/// one converted copies. Integers were i64 in the file. The file does not show which f32 constants were folded.
fn mapped(execution: &mut ExecutionGraph) {
    let mut weights = execution.nodes.iter().filter_map(|node| {
        let index = match node.kind {
            Kind::FullyConnected | Kind::LlmMlp | Kind::QkvProjection | Kind::Convolution => 1,
            Kind::Gather => 0,
            _ => return None,
        };
        let port = node.inputs.get(index)?;
        execution.node(port.step).filter(|node| node.is_const())?;
        Some(execution.output(*port)?.dtype)
    });
    let compressed = weights.any(|dtype| {
        matches!(dtype, DType::F16 | DType::BF16 | DType::U8 | DType::I8 | DType::U4 | DType::I4)
    });
    for node in execution.nodes.iter_mut().filter(|node| node.is_const()) {
        let dtype = node.outputs.first().map(|output| output.dtype);
        node.is_mapped = match dtype {
            Some(DType::F32) => !compressed,
            Some(DType::I32 | DType::I64) | None => false,
            Some(_) => true,
        };
    }
}

/// Settles views, the addends of fused sums, and the sizes of attentions.
fn views(executed: &[Executed], execution: &mut ExecutionGraph) {
    let constants = execution.constants();
    for step in 0..execution.nodes.len() {
        let Some(node) = execution.nodes.get(step) else { continue };
        let is_view = match node.kind {
            Kind::Gather | Kind::Split | Kind::Concat => {
                let executed = executed.get(node.source.node.index());
                executed.is_some_and(|executed| executed.primitive.starts_with("unknown"))
            }
            Kind::Rope => {
                let dims = |output: Option<&Output>| output.map(|output| output.dims.clone());
                dims(execution.input(node, 0)) == dims(node.outputs.first())
            }
            _ => false,
        };
        let addend = (node.kind == Kind::Convolution).then(|| addend(execution, node, &constants)).flatten();
        let attention = match node.kind {
            Kind::Subgraph if holds_attention(node) => subgraph_attention(execution, node),
            Kind::ScaledDotProductAttention => stateful_attention(execution, node),
            _ => None,
        };
        if let Some(node) = execution.nodes.get_mut(step) {
            (node.is_view, node.addend, node.attention) = (is_view, addend, attention.map(Box::new));
        }
    }
}

/// The addend is the last input, behind data, weights and bias, has the output's dims, and is not a constant.
fn addend(execution: &ExecutionGraph, node: &ExecutedNode, constants: &[bool]) -> Option<u32> {
    let index = node.inputs.len().checked_sub(1).filter(|&index| index >= 2)?;
    let port = *node.inputs.get(index)?;
    let is_const = constants.get(port.step as usize).copied().unwrap_or(false);
    let same = execution.output(port)?.dims == node.outputs.first()?.dims;
    (same && !is_const).then_some(index as u32)
}

/// A Subgraph with a Softmax is an attention: no other chain has one.
fn holds_attention(node: &ExecutedNode) -> bool {
    node.originals.iter().any(|name| name.to_ascii_lowercase().contains("softmax"))
}

/// Inputs are query, key (transposed: its last dims are head size and length), mask if any, value.
fn subgraph_attention(execution: &ExecutionGraph, node: &ExecutedNode) -> Option<Attention> {
    let elements =
        |output: &Output| output.dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    let (query, key) = (execution.input(node, 0)?, execution.input(node, 1)?);
    let value = execution.input(node, node.inputs.len().checked_sub(1)?)?;
    let [leading @ .., key_size, keys] = key.dims.as_slice() else { return None };
    let (batch, heads) = match leading {
        [batch, heads] => (*batch, *heads),
        _ => (1, leading.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim))),
    };
    let parts = batch.saturating_mul(heads);
    Some(Attention {
        batch,
        heads,
        kv_heads: heads,
        queries: elements(query).checked_div(parts.saturating_mul(*key_size))?,
        keys: *keys,
        key_size: *key_size,
        value_size: elements(value).checked_div(parts.saturating_mul(*keys))?,
        has_mask: node.inputs.len() > 3,
    })
}

/// Inputs are query, key and value [batch, heads, tokens, size], then mask, scale, beams, and the two states.
fn stateful_attention(execution: &ExecutionGraph, node: &ExecutedNode) -> Option<Attention> {
    let dims = |index: usize| match execution.input(node, index)?.dims.as_slice() {
        &[batch, heads, tokens, size] => Some([batch, heads, tokens, size]),
        _ => None,
    };
    let ([batch, heads, queries, key_size], key, value) = (dims(0)?, dims(1)?, dims(2)?);
    let state = node.inputs.len().checked_sub(2).and_then(dims);
    let past = state.map_or(0, |[_, _, past, _]| past);
    let has_mask = node.inputs.len() > 7;
    Some(Attention {
        batch,
        heads,
        kv_heads: key[1],
        queries,
        keys: past.checked_add(key[2])?,
        key_size,
        value_size: value[3],
        has_mask,
    })
}
