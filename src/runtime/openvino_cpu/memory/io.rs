//! Inputs and outputs.
//!
//! A dynamic graph reads the user's memory, and writes to a block per output that grows. A static graph allocates a
//! block per input and per output when it is compiled, and the request allocates them once more; the first inference
//! takes the request's in place of the graph's, which are freed: until then both are there.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/infer_request.cpp, and the phases of 20 static runs.

use super::held::{Held, Moment};
use super::regions::{Holder, Regions};
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind};
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;

/// The graph's own copies of inputs and outputs.
pub(super) fn graph_copies(graph: &ExecutionGraph) -> Vec<Held> {
    if graph.is_dynamic {
        return Vec::new();
    }
    let copies = graph.nodes.iter().filter_map(|node| {
        let held = match node.kind {
            Kind::Input => node.outputs.first(),
            Kind::Output => graph.input(node, 0),
            _ => None,
        };
        Some(Held {
            class: StorageClass::Io,
            bytes: held?.bytes()?,
            node: node.source,
            known: Known::Exact,
            since: Moment::Compiled,
        })
    });
    copies.collect()
}

/// Bytes of the inputs that the user allocates: all of a dynamic graph's.
pub(super) fn user_bytes(graph: &ExecutionGraph, regions: &Regions) -> Bytes {
    let inputs = regions.list.iter().filter(|region| graph.is_dynamic && region.holder == Holder::Input);
    inputs.map(|region| region.bytes).sum()
}
