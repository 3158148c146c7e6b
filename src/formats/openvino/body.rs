//! Bodies of `If`, `Loop` and `TensorIterator`: port maps and back edges, on their way to canonical form.

use super::fault::malformed;
use super::tag::{attribute, number};
use super::xml::{Cursor, Tag};
use crate::error::Result;
use crate::graph::op::{If, Loop, LoopInput, LoopInputKind, LoopKind, LoopOutput, LoopSlice};
use crate::graph::{Graph, Op};
use crate::ids::TensorId;
use rustc_hash::{FxHashMap, FxHashSet};

/// A graph, with the numbers of its parameters and results by layer id.
#[derive(Debug)]
pub(super) struct Body {
    pub graph: Graph,
    pub parameters: FxHashMap<i64, u32>,
    pub results: FxHashMap<i64, u32>,
}

/// What a layer says about its bodies.
#[derive(Debug, Default)]
pub(super) struct Control {
    body_map: PortMap,
    then_map: PortMap,
    else_map: PortMap,
    /// Body parameter's layer id → body result's layer id.
    back_edges: FxHashMap<i64, i64>,
    body: Option<Body>,
    then_body: Option<Body>,
    else_body: Option<Body>,
}

#[derive(Debug, Default)]
struct PortMap {
    inputs: Vec<Mapped>,
    outputs: Vec<Mapped>,
}

/// A port of the layer joined to a parameter or result of the body.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    /// Label of the layer's port; -1: the loop itself.
    port: i64,
    /// Id of the body's layer.
    layer: i64,
    slice: Option<LoopSlice>,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Data,
    CurrentIteration,
    ExecutionCondition,
}

impl Control {
    /// Reads the open `port_map`, `then_port_map`, `else_port_map` or `back_edges`.
    pub(super) fn read_map(&mut self, cursor: &mut Cursor<'_>, map: &Tag<'_>) -> Result<()> {
        while let Some(tag) = cursor.child()? {
            if map.name() == "back_edges" {
                let from = number(cursor, &tag, "from-layer", attribute(cursor, &tag, "from-layer")?)?;
                let to = number(cursor, &tag, "to-layer", attribute(cursor, &tag, "to-layer")?)?;
                self.back_edges.insert(to, from);
            } else {
                let mapped = mapped(cursor, &tag)?;
                let ports = match map.name() {
                    "then_port_map" => &mut self.then_map,
                    "else_port_map" => &mut self.else_map,
                    _ => &mut self.body_map,
                };
                match tag.name() {
                    "input" => ports.inputs.push(mapped),
                    "output" => ports.outputs.push(mapped),
                    _ => {}
                }
            }
            cursor.skip()?;
        }
        Ok(())
    }

    /// Takes the body that stood in the element called `name`.
    pub(super) fn add_body(&mut self, name: &str, body: Body) {
        match name {
            "then_body" => self.then_body = Some(body),
            "else_body" => self.else_body = Some(body),
            _ => self.body = Some(body),
        }
    }

    /// The layer as [`Op::If`]; the labels are those of its ports.
    pub(super) fn into_if(self, inputs: &[u32], outputs: &[u32]) -> Result<Op> {
        let then_body = self.then_body.ok_or_else(|| malformed("the layer has no <then_body>"))?;
        let else_body = self.else_body.ok_or_else(|| malformed("the layer has no <else_body>"))?;
        let (inputs, outputs) = (by_label(inputs), by_label(outputs));
        every_parameter_is_fed(&self.then_map, &then_body)?;
        every_parameter_is_fed(&self.else_map, &else_body)?;
        Ok(Op::If(Box::new(If {
            then_inputs: branch_inputs(&self.then_map, &inputs, &then_body)?,
            else_inputs: branch_inputs(&self.else_map, &inputs, &else_body)?,
            then_outputs: branch_outputs(&self.then_map, &outputs, &then_body)?,
            else_outputs: branch_outputs(&self.else_map, &outputs, &else_body)?,
            then_body: then_body.graph,
            else_body: else_body.graph,
        })))
    }

    /// The layer as [`Op::Loop`]; a `Loop`'s first two inputs are its trip count and its condition.
    pub(super) fn into_loop(self, inputs: &[u32], outputs: &[u32], has_trip_count: bool) -> Result<Op> {
        let body = self.body.ok_or_else(|| malformed("the layer has no <body>"))?;
        every_parameter_is_fed(&self.body_map, &body)?;
        let input_count = inputs.len();
        let (inputs, outputs) = (by_label(inputs), by_label(outputs));
        let mut made = Loop {
            kind: if has_trip_count { LoopKind::Loop } else { LoopKind::TensorIterator },
            inputs: Vec::with_capacity(self.body_map.inputs.len()),
            outputs: Vec::with_capacity(self.body_map.outputs.len()),
            trip_count: (has_trip_count && input_count > 0).then_some(0),
            condition: (has_trip_count && input_count > 1).then_some(1),
            iteration_parameter: None,
            condition_result: None,
            body: Graph::default(),
        };
        for mapped in &self.body_map.inputs {
            let parameter = inner(&body.parameters, mapped.layer, "parameter")?;
            if mapped.purpose == Purpose::CurrentIteration {
                made.iteration_parameter = Some(parameter);
                continue;
            }
            let kind = match (mapped.slice, self.back_edges.get(&mapped.layer)) {
                (Some(slice), _) => LoopInputKind::Sliced(slice),
                (None, Some(&result)) => {
                    LoopInputKind::Carried { result: inner(&body.results, result, "result")? }
                }
                (None, None) => LoopInputKind::Invariant,
            };
            made.inputs.push(LoopInput { input: outer(&inputs, mapped.port, "input")?, parameter, kind });
        }
        for mapped in &self.body_map.outputs {
            let result = inner(&body.results, mapped.layer, "result")?;
            if mapped.purpose == Purpose::ExecutionCondition {
                made.condition_result = Some(result);
            }
            if mapped.port >= 0 {
                let output = outer(&outputs, mapped.port, "output")?;
                made.outputs.push(LoopOutput { result, output, concat: mapped.slice });
            }
        }
        made.body = body.graph;
        Ok(Op::Loop(Box::new(made)))
    }
}

/// Reads one entry of a port map.
fn mapped(cursor: &Cursor<'_>, tag: &Tag<'_>) -> Result<Mapped> {
    let int = |name: &str| attribute(cursor, tag, name);
    let int_or = |name: &str, default: i64| match int(name)? {
        Some(value) => number(cursor, tag, name, Some(value)),
        None => Ok(default),
    };
    let slice = match int("axis")? {
        None => None,
        Some(axis) => Some(LoopSlice {
            axis: number(cursor, tag, "axis", Some(axis))?,
            start: int_or("start", 0)?,
            end: int_or("end", -1)?,
            stride: int_or("stride", 1)?,
            part_size: int_or("part_size", 1)?,
            drops_axis: false,
        }),
    };
    let purpose = match attribute(cursor, tag, "purpose")? {
        Some("current_iteration") => Purpose::CurrentIteration,
        Some("execution_condition") => Purpose::ExecutionCondition,
        _ => Purpose::Data,
    };
    let port = number(cursor, tag, "external_port_id", int("external_port_id")?)?;
    let layer = number(cursor, tag, "internal_layer_id", int("internal_layer_id")?)?;
    Ok(Mapped { port, layer, slice, purpose })
}

/// Refuses a body that computes with a parameter which no port is mapped to: nothing would ever write it.
fn every_parameter_is_fed(map: &PortMap, body: &Body) -> Result<()> {
    let graph = &body.graph;
    let mapped: FxHashSet<i64> = map.inputs.iter().map(|mapped| mapped.layer).collect();
    let unmapped = body.parameters.iter().filter(|(id, _)| !mapped.contains(id));
    let mut unmapped: Vec<(i64, u32)> = unmapped.map(|(&id, &number)| (id, number)).collect();
    if unmapped.is_empty() {
        return Ok(());
    }
    unmapped.sort_unstable();
    let nodes = graph.execution_order().iter().chain(graph.results());
    let read: FxHashSet<TensorId> = nodes.flat_map(|&node| graph.inputs(node)).flatten().copied().collect();
    for (id, number) in unmapped {
        let node = graph.parameters().get(number as usize);
        if node.and_then(|&node| graph.output(node, 0)).is_some_and(|tensor| read.contains(&tensor)) {
            let message =
                format!("the port map gives no value to layer {id} of the body, a parameter that is read");
            return Err(malformed(message));
        }
    }
    Ok(())
}

fn branch_inputs(map: &PortMap, ports: &FxHashMap<i64, u32>, body: &Body) -> Result<Vec<(u32, u32)>> {
    let pair = |mapped: &Mapped| {
        Ok((outer(ports, mapped.port, "input")?, inner(&body.parameters, mapped.layer, "parameter")?))
    };
    map.inputs.iter().map(pair).collect()
}

fn branch_outputs(map: &PortMap, ports: &FxHashMap<i64, u32>, body: &Body) -> Result<Vec<(u32, u32)>> {
    let pair = |mapped: &Mapped| {
        Ok((inner(&body.results, mapped.layer, "result")?, outer(ports, mapped.port, "output")?))
    };
    map.outputs.iter().map(pair).collect()
}

fn by_label(labels: &[u32]) -> FxHashMap<i64, u32> {
    labels.iter().zip(0..).map(|(&label, index)| (i64::from(label), index)).collect()
}

fn outer(ports: &FxHashMap<i64, u32>, label: i64, side: &str) -> Result<u32> {
    let port = ports.get(&label).copied();
    port.ok_or_else(|| {
        malformed(format!("the port map names {side} port {label}, and the layer has no such {side}"))
    })
}

fn inner(layers: &FxHashMap<i64, u32>, id: i64, kind: &str) -> Result<u32> {
    let number = layers.get(&id).copied();
    number.ok_or_else(|| {
        malformed(format!("the port map names layer {id} of the body, which is not a {kind} of it"))
    })
}
