//! The backend of each tensor.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-backend.cpp (`ggml_backend_sched_split_graph`, passes 1 to 4,
//! `ggml_backend_sched_backend_id_from_cur`).

use super::devices::{Buffer, Devices, ignores_weights, is_view};
use crate::runtime::llama_cpp::tensor::{Graph, Id, Place};

/// By tensor, its backend.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    backends: Vec<Option<u8>>,
}

impl Assignment {
    /// Assigns every tensor of a graph.
    pub(super) fn of(devices: &Devices<'_>, graph: &Graph, tokens: u64) -> Assignment {
        let mut made = Assignment { backends: vec![None; graph.tensors.len()] };
        for &node in &graph.nodes {
            made.backends[node.index()] = devices.pinned(graph, graph.get(node), tokens);
        }
        for &id in graph.leafs.iter().chain(&graph.nodes) {
            if made.backends[id.index()].is_none() {
                made.backends[id.index()] = devices.by_buffers(graph, id);
            }
        }
        let nodes: Vec<Id> = graph.nodes.iter().copied().filter(|&id| !is_view(graph.get(id))).collect();
        // Devices first, so that the CPU is between two nodes of a device only where it has to be.
        for skips_cpu in [true, false] {
            made.spread(devices, graph, nodes.iter(), skips_cpu);
            made.spread(devices, graph, nodes.iter().rev(), skips_cpu);
        }
        for &id in &nodes {
            if made.get(id).is_none() {
                made.backends[id.index()] = made.most_operands(devices, graph, id);
            }
        }
        made.fill(graph);
        made
    }

    /// The backend of a tensor, if it has one yet.
    pub(super) fn get(&self, id: Id) -> Option<u8> {
        self.backends[id.index()]
    }

    /// Gives a tensor that was added a backend.
    pub(super) fn push(&mut self, backend: u8) {
        self.backends.push(Some(backend));
    }

    /// The backends of all tensors; those that no node needs have the first.
    pub(super) fn finish(self) -> Vec<u8> {
        self.backends.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Gives nodes without a backend that of the one before them, where it computes them.
    fn spread<'a>(
        &mut self,
        devices: &Devices<'_>,
        graph: &Graph,
        nodes: impl Iterator<Item = &'a Id>,
        skips_cpu: bool,
    ) {
        let mut last: Option<u8> = None;
        for &id in nodes {
            match (self.get(id), last) {
                (Some(own), _) => last = Some(own).filter(|&own| !(skips_cpu && own == devices.cpu())),
                (None, Some(backend)) if devices.computes(backend, graph, graph.get(id)) => {
                    self.backends[id.index()] = Some(backend);
                }
                (None, _) => {}
            }
        }
    }

    /// The backend that reads the most operands of a node, of those that compute it.
    fn most_operands(&self, devices: &Devices<'_>, graph: &Graph, id: Id) -> Option<u8> {
        let node = graph.get(id);
        let count = |backend: u8| {
            let is_read = |&&source: &&Id| self.is_read(devices, graph, source, backend);
            node.sources.iter().filter(is_read).count()
        };
        let able = (0..=devices.cpu()).filter(|&backend| devices.computes(backend, graph, node));
        // The first of those with the most.
        able.rev().max_by_key(|&backend| count(backend))
    }

    /// Whether a backend reads a tensor where it is.
    pub(super) fn is_read(&self, devices: &Devices<'_>, graph: &Graph, id: Id, backend: u8) -> bool {
        let tensor = graph.get(id);
        if let Some(buffer) = devices.buffer(tensor) {
            return devices.reads(backend, buffer);
        }
        let root = tensor.view.map(|(root, _)| root);
        self.get(id).or_else(|| self.get(root?)) == Some(backend)
    }

    /// Views follow what they are a view of, and operands the node that reads them first.
    fn fill(&mut self, graph: &Graph) {
        for &id in &graph.nodes {
            let node = graph.get(id);
            if let (Some((root, _)), None) = (node.view, self.get(id)) {
                self.backends[id.index()] = self.get(root);
            }
            for &source in &node.sources {
                if self.get(source).is_none() {
                    let root = graph.get(source).view.map(|(root, _)| root);
                    self.backends[source.index()] = root.map_or(self.get(id), |root| self.get(root));
                }
            }
        }
    }
}

impl Devices<'_> {
    /// The backend that buffers decide: a tensor's own, the CPU for inputs, else that of a weight.
    fn by_buffers(&self, graph: &Graph, id: Id) -> Option<u8> {
        let tensor = graph.get(id);
        let owner = |buffer: Buffer| {
            (0..=self.cpu()).find(|&own| self.reads(own, buffer) && self.computes(own, graph, tensor))
        };
        if let Some(buffer) = self.buffer(tensor) {
            return owner(buffer);
        }
        if tensor.is_input {
            return Some(self.cpu());
        }
        if ignores_weights(tensor.op) {
            return None;
        }
        let is_weight = |source: &Id| {
            let source = graph.get(*source);
            matches!(source.place, Place::Weight(_)) && source.view.is_none()
        };
        let weight = *tensor.sources.iter().find(|source| is_weight(source))?;
        let buffer = self.buffer(graph.get(weight))?;
        let own = owner(buffer);
        if own == Some(self.cpu()) && buffer == Buffer::Host && self.offload.operators {
            let takes = |&backend: &u8| {
                self.computes(backend, graph, tensor)
                    && self.offload.devices[usize::from(backend)].takes_from_host(tensor)
            };
            return (0..self.cpu()).find(takes).or(own);
        }
        own
    }
}
