//! What OpenVINO's GPU plugin holds for a graph: the graph as written, in the device's types, with attention kept whole
//! or written out, weights uploaded, and states with room to grow.
//!
//! The plugin fuses element-wise operators into their producers; here each keeps its buffer, which its pool gives to
//! the next one. Peaks of language models and vision towers lie at attention, MLP and logits, which no fusion removes.

mod attention;
mod device;
mod options;

pub use options::OpenvinoGpu;

use super::Profile;
use crate::graph::Graph;
use crate::schedule::{Lowered, StorageClass, builder};
use crate::shape::Shapes;

/// Lowers a graph to what the plugin holds while it runs.
pub(super) fn apply(graph: &Graph, shapes: &Shapes, profile: &Profile, options: &OpenvinoGpu) -> Lowered {
    let mut lowered = builder::build(graph, shapes, profile);
    let bodies = graph.with_bodies();
    device::narrow(&mut lowered, &bodies);
    device::upload(&mut lowered, &bodies);
    device::states(&mut lowered, &bodies, options);
    if options.last_logits {
        device::last_logits(&mut lowered, graph, shapes);
    }
    device::outputs(&mut lowered, &bodies);
    attention::lower(&mut lowered, graph, shapes, options);
    device::inputs(&mut lowered, &bodies);
    for storage in lowered.storages.iter_mut().filter(|storage| storage.class.is_planned()) {
        storage.grows = true;
    }
    lowered
}

/// What the plugin holds once it has compiled a graph, of what it holds while it runs: its weights.
pub(super) fn compiled(running: &Lowered) -> Lowered {
    let weights = running.storages.iter().filter(|storage| storage.class == StorageClass::WeightsAnonymous);
    Lowered {
        storages: weights.cloned().collect(),
        assumptions: running.assumptions.clone(),
        unknown_tensors: running.unknown_tensors,
        ..Lowered::default()
    }
}
