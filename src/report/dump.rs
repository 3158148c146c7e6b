//! The boxes of the line as JSON.

use super::model::dump;
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::plan::Planner;
use crate::problem::{self, Plan, Problem};
use crate::runtime::{Executed, ExecutedOutput, Phase};
use crate::scenario::input_name;
use crate::schedule::{NodeRef, Origin};
use crate::shape::{Shapes, TensorInfo};

/// The graph as it was read.
#[must_use]
pub fn graph(graph: &Graph) -> String {
    render(&graph_of(graph))
}

/// Every tensor's shape, bodies included.
#[must_use]
pub fn shapes(graph: &Graph, shapes: &Shapes) -> String {
    render(&shapes_of(graph, shapes))
}

/// The graph that a runtime executes.
#[must_use]
pub fn executed(graph: &Executed) -> String {
    let source = |&(node, port): &(usize, usize)| dump::Source { node: node as u64, port: port as u64 };
    let stored = |output: &ExecutedOutput| dump::Stored {
        dtype: output.dtype.name().to_owned(),
        shape: output.dims.to_vec(),
        layout: output.layout.to_owned(),
        is_dynamic: output.is_dynamic,
        tensor: output.tensor.clone(),
    };
    let nodes = graph.nodes.iter().map(|node| dump::Executed {
        name: node.name.clone(),
        r#type: node.kind.clone(),
        originals: node.originals.clone(),
        inputs: node.inputs.iter().map(source).collect(),
        outputs: node.outputs.iter().map(stored).collect(),
        is_view: node.is_view,
    });
    render(&dump::Execution {
        nodes: nodes.collect(),
        is_dynamic: graph.is_dynamic,
        assumptions: graph.assumptions.clone(),
    })
}

/// The schedule and the memory outside of it, as the report of the same phase uses them.
#[must_use]
pub fn lowered(graph: &Graph, phase: &Phase) -> String {
    let schedule = phase.lowered.schedule();
    let bodies = graph.with_bodies();
    let name = |node: NodeRef| bodies[node.graph as usize].node_name(node.node).to_owned();
    let indices = |ids: &[crate::ids::ValueId]| ids.iter().map(|id| id.index() as u64).collect::<Vec<_>>();
    let steps = schedule.steps.iter().enumerate().map(|(index, step)| dump::Step {
        index: index as u64,
        node: name(step.node),
        r#type: bodies[step.node.graph as usize].node_type(step.node.node).to_owned(),
        reads: indices(&step.reads),
        writes: indices(&step.writes),
    });
    let values = schedule.values.iter().map(|value| {
        let (origin, of) = match &value.origin {
            Origin::Written => ("written", vec![]),
            Origin::Resident => ("resident", vec![]),
            Origin::View(of) => ("view", indices(&[*of])),
            Origin::Joined(of) => ("joined", indices(of)),
        };
        let tensor =
            value.tensor.and_then(|found| bodies[found.graph as usize].tensor_names(found.tensor).next());
        dump::Value {
            storage: value.storage.index() as u64,
            offset_bytes: value.offset.0,
            size_bytes: value.bytes.0,
            origin: origin.to_owned(),
            of,
            tensor: tensor.map(str::to_owned),
        }
    });
    let alignments = schedule.storages.iter().map(|storage| storage.alignment).chain(std::iter::repeat(1));
    let storages = phase.allocations().zip(alignments).map(|(held, alignment)| dump::Storage {
        class: held.class.name().to_owned(),
        size_bytes: held.bytes.0,
        alignment,
        node: name(held.node),
        known: held.known.name().to_owned(),
    });
    render(&dump::Lowered { steps: steps.collect(), values: values.collect(), storages: storages.collect() })
}

/// The planning problem, and where a plan puts its buffers.
#[must_use]
pub fn problem(problem: &Problem, plan: Option<(&Plan, Planner)>) -> String {
    let buffers = problem.buffers.iter().enumerate().map(|(id, buffer)| dump::Buffer {
        id: id as u64,
        start: u64::from(buffer.live.start),
        end: u64::from(buffer.live.end),
        size_bytes: buffer.size.0,
        alignment: buffer.alignment,
        offset_bytes: plan.and_then(|(plan, _)| plan.offsets.get(id)).map(|offset| offset.0),
    });
    render(&dump::Problem {
        buffers: buffers.collect(),
        lower_bound_bytes: problem::lower_bound(problem).0,
        arena_bytes: plan.map(|(plan, _)| plan.arena_size.0),
        planner: plan.map(|(_, planner)| planner.name().to_owned()),
    })
}

fn render(data: &impl serde::Serialize) -> String {
    // Serializing plain data with string keys cannot fail.
    let mut text = serde_json::to_string_pretty(data).unwrap_or_default();
    text.push('\n');
    text
}

fn graph_of(graph: &Graph) -> dump::Graph {
    let nodes = graph.nodes().iter().enumerate().map(|(index, node)| {
        let id = NodeId::new(index);
        let inputs = graph.inputs(id).iter().map(|slot| {
            slot.map(|tensor| graph.tensor(tensor))
                .map(|tensor| dump::Source { node: tensor.node.index() as u64, port: u64::from(tensor.port) })
        });
        let outputs = graph.outputs(id).map(|tensor| dump::Declared {
            names: graph.tensor_names(tensor).map(str::to_owned).collect(),
            shape: graph.tensor(tensor).shape.to_string(),
            dtype: graph.tensor(tensor).dtype.name().to_owned(),
        });
        dump::Node {
            id: index as u64,
            name: graph.text(node.name).to_owned(),
            r#type: graph.text(node.type_name).to_owned(),
            opset: graph.text(node.opset).to_owned(),
            op: op_text(&node.op),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
        }
    });
    dump::Graph {
        name: graph.name().to_owned(),
        format: graph.format().name().to_owned(),
        nodes: nodes.collect(),
        execution_order: graph.execution_order().iter().map(|id| id.index() as u64).collect(),
        graphs: bodies(graph, |_, _, body| graph_of(body)),
    }
}

/// The operator with its attributes; bodies are separate.
fn op_text(op: &Op) -> String {
    match op {
        Op::If(_) => "If".to_owned(),
        Op::Loop(_) => "Loop".to_owned(),
        op => format!("{op:?}"),
    }
}

fn shapes_of(graph: &Graph, shapes: &Shapes) -> dump::Shapes {
    let tensors = graph.execution_order().iter().flat_map(|&node| graph.outputs(node));
    let inputs = graph.parameters().iter().filter_map(|&node| {
        graph.output(node, 0).map(|tensor| port(input_name(graph, node), shapes.tensor(tensor)))
    });
    let outputs = graph.results().iter().filter_map(|&node| {
        let tensor = graph.input(node, 0)?;
        let name = graph.tensor_names(tensor).next().unwrap_or(graph.node_name(node));
        Some(port(name, shapes.tensor(tensor)))
    });
    dump::Shapes {
        tensors: tensors.map(|tensor| tensor_of(graph, shapes, tensor)).collect(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        graphs: bodies(graph, |node, index, body| match shapes.bodies(node).get(index) {
            Some(shapes) => shapes_of(body, shapes),
            None => dump::Shapes { tensors: vec![], inputs: vec![], outputs: vec![], graphs: vec![] },
        }),
    }
}

fn bodies<T>(graph: &Graph, content: impl Fn(NodeId, usize, &Graph) -> T) -> Vec<dump::Body<T>> {
    let mut found = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let id = NodeId::new(index);
        for (number, (word, body)) in Graph::bodies(&node.op).into_iter().enumerate() {
            found.push(dump::Body {
                node: graph.node_name(id).to_owned(),
                body: word.to_owned(),
                content: content(id, number, body),
            });
        }
    }
    found
}

fn tensor_of(graph: &Graph, shapes: &Shapes, id: TensorId) -> dump::Tensor {
    let (tensor, info) = (graph.tensor(id), shapes.tensor(id));
    dump::Tensor {
        node: graph.node_name(tensor.node).to_owned(),
        r#type: graph.node_type(tensor.node).to_owned(),
        port: u64::from(tensor.port),
        shape: info.dims.as_ref().map(|dims| dims.to_vec()),
        dtype: info.dtype.name().to_owned(),
        value_known: info.value.is_some(),
        bound: info.bound.name().to_owned(),
    }
}

fn port(name: &str, info: &TensorInfo) -> dump::Port {
    dump::Port {
        name: name.to_owned(),
        shape: info.dims.as_ref().map(|dims| dims.to_vec()),
        dtype: info.dtype.name().to_owned(),
        bound: info.bound.name().to_owned(),
    }
}
