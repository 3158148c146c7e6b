//! The parts of a graph, and copies of what they read of each other.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-backend.cpp (`ggml_backend_sched_split_graph`, passes 5 and 6).

use super::assign::Assignment;
use super::devices::{Devices, is_view};
use crate::runtime::llama_cpp::tensor::{Graph, Id, Op, Place, Sources, Tensor};
use rustc_hash::{FxHashMap, FxHashSet};

/// Copies of what is passed between the devices of a pipeline.
///
/// Source: ggml-backend.cpp (`GGML_SCHED_MAX_COPIES`).
const PIPELINE_COPIES: usize = 4;

/// A graph with its copies between backends.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime::llama_cpp) struct Split {
    /// The graph. Its nodes are in the order of the allocator; copies are leafs that some of them read.
    pub(in crate::runtime::llama_cpp) graph: Graph,
    /// By tensor, the backend.
    pub(in crate::runtime::llama_cpp) backends: Vec<u8>,
    /// By node, the backend whose buffer the allocator gives it.
    pub(in crate::runtime::llama_cpp) of_nodes: Vec<u8>,
    /// By tensor that was added, the one that it is a copy of; they are the last ones.
    pub(in crate::runtime::llama_cpp) copied: Vec<Id>,
    /// Parts of the graph.
    pub(in crate::runtime::llama_cpp) splits: u64,
}

impl Split {
    /// A graph that one backend computes.
    pub(in crate::runtime::llama_cpp) fn whole(graph: Graph) -> Split {
        let (backends, of_nodes) = (vec![0; graph.tensors.len()], vec![0; graph.nodes.len()]);
        Split { graph, backends, of_nodes, copied: Vec::new(), splits: 1 }
    }

    /// The tensor that this one is a copy of; itself if it is none.
    pub(in crate::runtime::llama_cpp) fn original(&self, id: Id) -> Id {
        let first = self.graph.tensors.len() - self.copied.len();
        id.index().checked_sub(first).and_then(|number| self.copied.get(number)).copied().unwrap_or(id)
    }
}

/// A part of a graph: consecutive nodes on one backend.
#[derive(Clone, Debug)]
struct Part {
    backend: u8,
    /// Position of its first node.
    start: usize,
    /// What is copied before it runs.
    inputs: Vec<Id>,
}

struct Splitting<'a> {
    devices: &'a Devices<'a>,
    graph: Graph,
    assignment: Assignment,
    /// By tensor and backend, its copies there.
    copies: FxHashMap<(Id, u8), Vec<Id>>,
    copied: Vec<Id>,
    /// Copies of each tensor.
    count: usize,
}

/// Splits the graph of a pass of so many tokens.
///
/// Cost: linear in nodes and sources, for each device.
pub(in crate::runtime::llama_cpp) fn split(devices: &Devices<'_>, graph: Graph, tokens: u64) -> Split {
    if devices.offload.devices.is_empty() {
        return Split::whole(graph);
    }
    let assignment = Assignment::of(devices, &graph, tokens);
    let layers = devices.layers.len().saturating_sub(1) as u64;
    let count = if devices.offload.is_pipeline(layers) { PIPELINE_COPIES } else { 1 };
    let mut splitting =
        Splitting { devices, graph, assignment, copies: FxHashMap::default(), copied: Vec::new(), count };
    let parts = splitting.parts();
    let inputs = if count > 1 { splitting.copy_inputs() } else { Vec::new() };
    splitting.finish(&parts, &inputs)
}

impl Splitting<'_> {
    /// Finds the parts, and replaces what a node reads of another backend by a copy.
    fn parts(&mut self) -> Vec<Part> {
        let nodes = self.graph.nodes.clone();
        let own = |splitting: &Self, id: Id| splitting.assignment.get(id).unwrap_or(splitting.devices.cpu());
        let first = nodes.iter().find(|&&id| !is_view(self.graph.get(id)));
        let backend = first.map_or(self.devices.cpu(), |&id| own(self, id));
        let mut parts = vec![Part { backend, start: 0, inputs: Vec::new() }];
        for (number, &id) in nodes.iter().enumerate() {
            if is_view(self.graph.get(id)) {
                continue;
            }
            let backend = own(self, id);
            let Some(last) = parts.last_mut() else { break };
            let reloads =
                backend == last.backend && !last.inputs.is_empty() && self.reads_other_weight(id, backend);
            if backend != last.backend || reloads {
                parts.push(Part { backend, start: number, inputs: Vec::new() });
            }
            let Some(last) = parts.last_mut() else { break };
            self.replace_sources(id, last);
        }
        parts
    }

    /// Whether a node reads a weight that its backend has to copy: in a part of its own, memory of earlier ones is free.
    fn reads_other_weight(&self, id: Id, backend: u8) -> bool {
        self.graph.get(id).sources.iter().any(|&source| {
            let tensor = self.graph.get(source);
            matches!(tensor.place, Place::Weight(_))
                && tensor.view.is_none()
                && self.assignment.get(source) != Some(backend)
                && !self.assignment.is_read(self.devices, &self.graph, source, backend)
        })
    }

    fn replace_sources(&mut self, id: Id, part: &mut Part) {
        for index in 0..self.graph.get(id).sources.len() {
            let source = self.graph.get(id).sources[index];
            let is_here = self.assignment.get(source) == Some(part.backend)
                || self.assignment.is_read(self.devices, &self.graph, source, part.backend);
            if is_here {
                continue;
            }
            let copy = match self.copies.get(&(source, part.backend)).and_then(|copies| copies.first()) {
                Some(&copy) => copy,
                None => {
                    let is_kept = self.count > 1;
                    let made: Vec<Id> =
                        (0..self.count).map(|_| self.copy(source, part.backend, is_kept)).collect();
                    let first = made[0];
                    self.copies.insert((source, part.backend), made);
                    part.inputs.push(source);
                    first
                }
            };
            self.graph.tensors[id.index()].sources[index] = copy;
        }
    }

    /// Adds a tensor of the same layout.
    fn copy(&mut self, of: Id, backend: u8, is_kept: bool) -> Id {
        let tensor = Tensor {
            op: Op::None,
            sources: Sources::new(),
            view: None,
            place: Place::Compute,
            is_input: is_kept,
            is_output: is_kept,
            ..self.graph.get(of).clone()
        };
        self.added(tensor, of, backend)
    }

    fn added(&mut self, tensor: Tensor, of: Id, backend: u8) -> Id {
        let made = self.graph.push(tensor);
        self.assignment.push(backend);
        self.copied.push(of);
        made
    }

    /// Inputs of the graph, each with copies in its own place.
    fn copy_inputs(&mut self) -> Vec<Id> {
        let leafs = self.graph.leafs.clone();
        let inputs: Vec<Id> = leafs.into_iter().filter(|&leaf| self.graph.get(leaf).is_input).collect();
        for &leaf in &inputs {
            let backend = self.assignment.get(leaf).unwrap_or(self.devices.cpu());
            if self.copies.contains_key(&(leaf, backend)) {
                continue;
            }
            self.graph.set_output(leaf);
            let others = (1..self.count).map(|_| self.copy(leaf, backend, true));
            let made: Vec<Id> = [leaf].into_iter().chain(others).collect();
            self.copies.insert((leaf, backend), made);
        }
        inputs
    }

    /// Puts the copies into the lists: each part starts with those of what it reads.
    fn finish(mut self, parts: &[Part], inputs: &[Id]) -> Split {
        let nodes = std::mem::take(&mut self.graph.nodes);
        let mut listed: Vec<Id> = Vec::with_capacity(nodes.len());
        let mut of_nodes: Vec<u8> = Vec::with_capacity(nodes.len());
        let mut kept: Vec<Id> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            for &input in &part.inputs {
                let backend = self.assignment.get(input).unwrap_or_default();
                // A view that reads the source, so that it is not freed before it was copied.
                let view = Tensor {
                    op: Op::None,
                    sources: Sources::from_slice(&[input]),
                    view: Some(self.graph.get(input).view.unwrap_or((input, 0))),
                    is_input: false,
                    is_output: false,
                    ..self.graph.get(input).clone()
                };
                let reader = self.added(view, input, backend);
                listed.push(reader);
                of_nodes.push(backend);
                let copies = self.copies.get(&(input, part.backend)).cloned().unwrap_or_default();
                listed.extend(copies.first());
                of_nodes.push(part.backend);
                kept.extend(copies);
            }
            let end = parts.get(number + 1).map_or(nodes.len(), |next| next.start);
            for &node in &nodes[part.start..end] {
                listed.push(node);
                of_nodes.push(self.assignment.get(node).unwrap_or_default());
            }
        }
        if self.count > 1 {
            let own = |leaf: &Id| (*leaf, self.assignment.get(*leaf).unwrap_or_default());
            let inputs = inputs.iter().flat_map(|leaf| self.copies.get(&own(leaf)).into_iter().flatten());
            let first: Vec<Id> = inputs.copied().chain(kept).collect();
            let known: FxHashSet<Id> = first.iter().copied().collect();
            let others: Vec<Id> =
                self.graph.leafs.iter().copied().filter(|leaf| !known.contains(leaf)).collect();
            self.graph.leafs = [first, others].concat();
        }
        self.graph.nodes = listed;
        let (backends, splits) = (self.assignment.finish(), parts.len() as u64);
        Split { graph: self.graph, backends, of_nodes, copied: self.copied, splits }
    }
}
