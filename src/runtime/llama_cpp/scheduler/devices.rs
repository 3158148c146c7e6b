//! Devices, what is on them, and what they compute.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-backend.cpp (`ggml_backend_sched_split_graph`); llama.cpp 0.5.0, src/llama-context.cpp
//! (`graph_get_cb`).

use crate::runtime::llama_cpp::offload::Offload;
use crate::runtime::llama_cpp::tensor::{Graph, Id, Op, Pin, Place, Tensor};
use crate::runtime::llama_cpp::weights::Weights;

/// Passes of fewer tokens have their norms on the devices of their layers.
///
/// Source: llama.cpp 0.5.0, src/llama-context.cpp (`graph_get_cb`).
const FEW_TOKENS: u64 = 32;

/// Devices and what is on them.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct Devices<'a> {
    /// What was asked for.
    pub(in crate::runtime::llama_cpp) offload: &'a Offload,
    /// By layer, and last of the output: the device.
    pub(in crate::runtime::llama_cpp) layers: &'a [Option<u8>],
    /// The weights.
    pub(in crate::runtime::llama_cpp) weights: &'a Weights,
    /// By tensor of a cache: the device.
    pub(in crate::runtime::llama_cpp) caches: &'a [Option<u8>],
}

/// Where the bytes of a tensor are that has a buffer before the graph is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffer {
    /// On this device.
    Device(u8),
    /// As stored, so that devices may copy from it.
    Host,
    /// In a layout that the CPU alone reads.
    Packed,
}

impl Devices<'_> {
    /// The number of the CPU.
    pub(in crate::runtime::llama_cpp) fn cpu(&self) -> u8 {
        self.offload.devices.len() as u8
    }

    /// The buffer of a weight or of a cache, or of the one that a view is of.
    pub(super) fn buffer(&self, tensor: &Tensor) -> Option<Buffer> {
        let device = |device: Option<u8>| device.map_or(Buffer::Host, Buffer::Device);
        match tensor.place {
            Place::Compute => None,
            Place::Cache(number) => Some(device(self.caches.get(number as usize).copied().flatten())),
            Place::Weight(number) => {
                let buffer = self.weights.all.get(number as usize)?.buffer;
                let is_packed = buffer.device().is_none() && !buffer.is_plain_host();
                Some(if is_packed { Buffer::Packed } else { device(buffer.device()) })
            }
        }
    }

    /// Whether a backend reads buffers of this type.
    pub(super) fn reads(&self, backend: u8, buffer: Buffer) -> bool {
        match buffer {
            Buffer::Device(device) => device == backend,
            Buffer::Host | Buffer::Packed => backend == self.cpu(),
        }
    }

    /// Whether a backend computes a node.
    pub(super) fn computes(&self, backend: u8, graph: &Graph, node: &Tensor) -> bool {
        let Some(device) = self.offload.devices.get(usize::from(backend)) else { return true };
        let is_elsewhere = |&source: &Id| {
            let source = graph.get(source);
            let buffer = self.buffer(source).filter(|_| source.view.is_none());
            matches!(buffer, Some(Buffer::Device(other)) if other != backend)
        };
        !node.sources.iter().any(is_elsewhere) && device.computes(graph, node)
    }

    /// The backend that a node is bound to before all others.
    pub(super) fn pinned(&self, graph: &Graph, node: &Tensor, tokens: u64) -> Option<u8> {
        let count = self.layers.len().saturating_sub(1) as u64;
        let is_whole = self.offload.layers.is_none_or(|layers| layers > count);
        match node.pin {
            Pin::Layer(layer) if tokens < FEW_TOKENS || is_whole => {
                let device = self.layers.get(layer as usize).copied().flatten();
                let backend = device.unwrap_or(self.cpu());
                self.computes(backend, graph, node).then_some(backend)
            }
            Pin::Host if !self.offload.caches => Some(self.cpu()),
            _ => None,
        }
    }
}

/// Whether a node computes nothing, so that it follows the tensor that it is a view of.
pub(super) fn is_view(tensor: &Tensor) -> bool {
    tensor.op.is_no_op()
}

/// Whether a weight's place does not decide where an operator runs.
///
/// Source: ggml-backend.cpp (`ggml_backend_sched_backend_id_from_cur`).
pub(super) fn ignores_weights(op: Op) -> bool {
    matches!(op, Op::Rope | Op::FlashAttention)
}
