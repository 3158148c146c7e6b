//! Pages that a process has: buffers that are written, and what the C library's heap has besides.
//!
//! A compute buffer is reserved for the largest pass and touched by those that run: their tensors have the places of the
//! reserved ones, and their own sizes.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-alloc.c (`ggml_gallocr_alloc_graph`); calibration.rs.

use super::arenas::Spot;
use super::context::Reserved;
use super::scheduler::Split;
use super::tensor::Op;
use crate::machine::PAGE;
use crate::problem::Plan;
use crate::runtime::BufferTypes;
use crate::runtime::{Outcome, Phase, Residency, RuntimeData};
use crate::schedule::Known;
use crate::units::Bytes;

/// What a phase's residency is computed of once its buffers are placed.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Anonymous bytes that are all written: weights, caches, outputs, work, objects.
    pub(super) written: u64,
    /// File-backed pages of libraries.
    pub(super) library: u64,
    /// By buffer of the plan: bytes that are written from its start.
    pub(super) touches: Vec<(u32, u64)>,
    /// By buffer of the plan, the backend whose memory it is in, and where it is there.
    pub(super) spots: Vec<Spot>,
    /// Bytes on devices with memory of their own, but for those that are planned.
    pub(super) on_devices: u64,
    /// Backends with memory of their own.
    pub(super) apart: Vec<u8>,
    /// What llama.cpp prints.
    pub(super) buffers: BufferTypes,
}

/// Bytes of the compute buffer that earlier passes have written.
#[derive(Clone, Debug, Default)]
struct Touched(Vec<(u64, u64)>);

/// What the pass over `actual` writes, by buffer of the reserved graph. `None` where the two graphs differ, so that ggml
/// plans again; then all that is reserved counts.
pub(super) fn touches(reserved: &Reserved, actual: &Split) -> Vec<(u32, u64)> {
    let (actual, graph) = (&actual.graph, &reserved.split.graph);
    let same = actual.nodes.len() == graph.nodes.len() && actual.leafs.len() == graph.leafs.len();
    let source = if same { actual } else { graph };
    let pairs = source.leafs.iter().zip(&graph.leafs).chain(source.nodes.iter().zip(&graph.nodes));
    let mut found = Vec::new();
    for (&own, &place) in pairs {
        let tensor = source.get(own);
        // Embeddings are given instead of tokens only where there are images.
        let is_unset = tensor.op == Op::None && tensor.name == "inp_embd";
        let is_view = tensor.op != Op::None && (tensor.op.is_no_op() || tensor.view.is_some());
        if let (Some(buffer), false) = (reserved.allocation.of_tensor[place.index()], is_unset || is_view) {
            found.push((buffer, tensor.bytes()));
        }
    }
    found
}

/// The residency of a placed phase.
pub(super) fn of(facts: &Facts, plan: &Plan, before: Option<&Phase>) -> Outcome {
    let earlier = before.and_then(|before| before.outcome.carried.get::<Touched>());
    let mut ranges = earlier.cloned().unwrap_or_default().0;
    for &(buffer, bytes) in &facts.touches {
        let is_apart = facts.spots.get(buffer as usize).is_some_and(|(own, _)| facts.apart.contains(own));
        if let Some(offset) = plan.offsets.get(buffer as usize).filter(|_| bytes > 0 && !is_apart) {
            let end = (*offset + Bytes(bytes)).align_up(PAGE).0;
            ranges.push((offset.0 / PAGE * PAGE, end));
        }
    }
    let ranges = merged(ranges);
    let touched = ranges.iter().map(|(start, end)| end - start).fold(0, u64::saturating_add);
    let residency = Residency {
        known: Known::Assumed,
        anonymous_bytes: Some(Bytes(facts.written.saturating_add(touched))),
        library_bytes: Bytes(facts.library),
        device_bytes: Bytes(facts.on_devices),
        ..Residency::default()
    };
    Outcome {
        residency,
        carried: RuntimeData::new(Touched(ranges)),
        buffers: Some(facts.buffers.clone()),
        ..Outcome::default()
    }
}

/// The union of ranges, in order.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut union: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        match union.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => union.push((start, end)),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_once() {
        assert_eq!(merged(vec![(8, 12), (0, 4), (2, 6), (12, 13)]), [(0, 6), (8, 13)]);
    }
}
