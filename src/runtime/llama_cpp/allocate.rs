//! From which node to which each tensor has memory, where, and which tensors share it: ggml's graph allocator.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-alloc.c (`ggml_gallocr_alloc_graph_impl`, `ggml_gallocr_allocate_node`,
//! `ggml_gallocr_free_node`).

use super::device::Device;
use super::free_blocks::FreeBlocks;
use super::scheduler::Split;
use super::tensor::{Graph, Id, Op, Place};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;

/// Memory of one or more tensors, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    /// Its bytes, with those up to the next tensor.
    pub(super) bytes: u64,
    /// Its place in the compute buffer of its backend.
    pub(super) offset: u64,
    /// The backend whose memory it is in.
    pub(super) backend: u8,
    /// The tensor that is there first.
    pub(super) first: Id,
    /// The step before which it is allocated: 0 for leafs, and the number of a node plus 1.
    pub(super) start: usize,
    /// Number of the last node that it is allocated for.
    pub(super) end: usize,
}

/// The buffers of a graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Allocation {
    /// Buffers, in the order in which they are allocated.
    pub(super) buffers: Vec<Buffer>,
    /// By tensor, the buffer that its bytes are in.
    pub(super) of_tensor: Vec<Option<u32>>,
}

/// What the allocator knows of a tensor.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    children: u32,
    views: u32,
    is_allocated: bool,
}

/// Walks a graph as ggml's allocator does; backends after the devices are the CPU.
///
/// Cost: linear in tensors and sources, times free blocks.
///
/// # Errors
///
/// If there are more free blocks than ggml has.
pub(super) fn allocate(split: &Split, devices: &[Device]) -> Result<Allocation> {
    let graph = &split.graph;
    let mut walk = Walk {
        graph,
        devices,
        uses: vec![Uses::default(); graph.tensors.len()],
        made: Allocation { buffers: Vec::new(), of_tensor: vec![None; graph.tensors.len()] },
        last: graph.nodes.len().saturating_sub(1),
        free: vec![FreeBlocks::new(); devices.len() + 1],
        is_over: false,
    };
    for &leaf in &graph.leafs {
        walk.place(leaf, 0, split.backends[leaf.index()]);
    }
    for &node in &graph.nodes {
        let tensor = graph.get(node);
        // What computes nothing at all only holds what it reads, until a copy of it was made.
        if let Some((root, _)) = tensor.view.filter(|_| tensor.op != Op::None) {
            walk.uses[root.index()].views += 1;
        }
        // A cast is a source of itself.
        for source in &tensor.sources {
            walk.uses[source.index()].children += 1;
        }
    }
    for (number, &node) in graph.nodes.iter().enumerate() {
        for index in 0..graph.get(node).sources.len() {
            walk.place(graph.get(node).sources[index], number + 1, split.of_nodes[number]);
        }
        walk.place(node, number + 1, split.of_nodes[number]);
        for index in 0..graph.get(node).sources.len() {
            walk.release(graph.get(node).sources[index], number);
        }
    }
    match walk.is_over {
        false => Ok(walk.made),
        true => Err(Error::new(
            ErrorKind::Unsupported,
            "the graph's memory falls into more free blocks than ggml has",
        )),
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    devices: &'a [Device],
    uses: Vec<Uses>,
    made: Allocation,
    last: usize,
    /// By backend, the CPU last.
    free: Vec<FreeBlocks>,
    /// A tensor found no place.
    is_over: bool,
}

impl Walk<'_> {
    /// Gives a tensor memory: that of a source which nothing else reads, or its own.
    fn place(&mut self, id: Id, start: usize, backend: u8) {
        let tensor = self.graph.get(id);
        let is_own = tensor.place == Place::Compute && tensor.view.is_none();
        if !is_own || self.uses[id.index()].is_allocated {
            return;
        }
        self.uses[id.index()].is_allocated = true;
        if tensor.op.is_in_place()
            && let Some(source) = self.reusable(id)
        {
            self.uses[source.index()].is_allocated = false;
            let buffer = self.made.of_tensor[source.index()];
            self.made.of_tensor[id.index()] = buffer;
            if let Some(buffer) = buffer {
                self.made.buffers[buffer as usize].end = self.last;
            }
            return;
        }
        self.made.of_tensor[id.index()] = Some(self.made.buffers.len() as u32);
        let bytes = match self.devices.get(usize::from(backend)) {
            Some(device) => Bytes(device.bytes(self.graph, tensor)).align_up(device.alignment()).0,
            None => tensor.padded(),
        };
        let place = self.blocks(backend).and_then(|blocks| blocks.allocate(bytes));
        self.is_over |= place.is_none();
        let offset = place.unwrap_or(0);
        self.made.buffers.push(Buffer { bytes, offset, backend, first: id, start, end: self.last });
    }

    /// The free blocks of a backend's compute buffer.
    fn blocks(&mut self, backend: u8) -> Option<&mut FreeBlocks> {
        self.free.get_mut(usize::from(backend))
    }

    /// The first source whose memory a tensor may take: allocated itself, so no view and no weight, of the same layout,
    /// and read by nothing else.
    fn reusable(&self, id: Id) -> Option<Id> {
        let tensor = self.graph.get(id);
        tensor.sources.iter().copied().find(|&source| {
            let (own, uses) = (self.graph.get(source), self.uses[source.index()]);
            let is_alike = own.dtype == tensor.dtype && own.ne == tensor.ne && own.nb == tensor.nb;
            uses.is_allocated && !own.is_output && is_alike && uses.children == 1 && uses.views == 0
        })
    }

    /// A node has read a source: the last to do so frees it.
    fn release(&mut self, id: Id, number: usize) {
        let uses = &mut self.uses[id.index()];
        uses.children = uses.children.saturating_sub(1);
        if uses.children > 0 || uses.views > 0 {
            return;
        }
        match self.graph.get(id).view {
            Some((root, _)) => {
                let uses = &mut self.uses[root.index()];
                uses.views = uses.views.saturating_sub(1);
                if uses.views == 0 && uses.children == 0 && uses.is_allocated {
                    self.free(root, number);
                }
            }
            None if uses.is_allocated => self.free(id, number),
            None => {}
        }
    }

    fn free(&mut self, id: Id, number: usize) {
        if self.graph.get(id).is_output {
            return;
        }
        self.uses[id.index()].is_allocated = false;
        if let Some(buffer) = self.made.of_tensor[id.index()] {
            let buffer = &mut self.made.buffers[buffer as usize];
            buffer.end = number;
            let (backend, offset, bytes) = (buffer.backend, buffer.offset, buffer.bytes);
            if let Some(blocks) = self.blocks(backend) {
                blocks.release(offset, bytes);
            }
        }
    }
}
