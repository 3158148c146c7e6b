//! Vision projectors: files of `general.architecture` clip, which libmtmd runs in a scheduler of their own.
//!
//! Weights are read into a buffer. Compute memory is reserved for a warm-up image when the file is loaded, and grows where an
//! image needs more. One file per part: `tower`, what a file says; `encoder`, what towers have in common; `projectors`, the
//! graphs.
//!
//! Source: llama.cpp 0.5.0, tools/mtmd/clip.cpp (`clip_model_loader`, `clip_graph`), tools/mtmd/models.

mod encoder;
mod projectors;
mod tower;

pub(super) use tower::{ARCHITECTURE, Tower};

use super::allocate;
use super::cache::Caches;
use super::context::Reserved;
use super::expand::{self, Numbers};
use super::options::LlamaCpp;
use super::residency::Facts;
use super::scheduler::Split;
use super::weights::Weights;
use super::{arenas, calibration as fit, lower};
use crate::error::Result;
use crate::graph::{Graph, Stored};
use crate::ids::NodeId;
use crate::runtime::{Allocation, BufferRow, BufferTypes, Lowered, Pass, PhaseName, RuntimeData};
use crate::scenario::Scenario;
use crate::schedule::{Draft, Known, NodeRef, StorageClass};
use crate::units::Bytes;

/// A loaded projector.
struct Session<'a> {
    tower: Tower<'a>,
    weights: Weights,
    warm: Reserved,
}

/// Whether a file is a projector.
pub(super) fn is_projector(stored: &Stored) -> bool {
    stored.text("general.architecture") == Some(ARCHITECTURE)
}

/// Adds the nodes of the warm-up's graph to the graph of a file.
pub(super) fn expand(file: &Graph, stored: &Stored, options: &LlamaCpp) -> Result<Graph> {
    let tower = Tower::read(stored, file.file())?;
    let built = projectors::graph(&tower, tower.warm_up, options.flash_attention)?;
    expand::expand(file, &Caches::default(), &Weights::whole(stored), built)
}

/// Lowers loading, warm-up and the pass over an image.
pub(super) fn lower(
    pass: &Pass<'_>,
    stored: &Stored,
    options: &LlamaCpp,
) -> Result<Vec<(PhaseName, Lowered)>> {
    let tower = Tower::read(stored, pass.graph.file())?;
    let warm = reserve(&tower, tower.warm_up, options)?;
    let session = Session { weights: Weights::whole(stored), tower, warm };
    let mut phases = Vec::new();
    if pass.is_first {
        phases.push((PhaseName::Load, session.loaded()?));
        phases.push((PhaseName::Compile, session.running(None, pass.graph)?));
    }
    let size = session.tower.image(pass.scenario);
    let own = reserve(&session.tower, size, options)?;
    phases.push((pass.name, session.running(Some(&own), pass.graph)?));
    Ok(phases)
}

/// Dims of what a projector returns for the image of a scenario: rows of the text model's embedding.
pub(super) fn output(
    stored: &Stored,
    graph: &Graph,
    scenario: &Scenario,
    options: &LlamaCpp,
) -> Result<[u64; 2]> {
    let tower = Tower::read(stored, graph.file())?;
    let built = projectors::graph(&tower, tower.image(scenario), options.flash_attention)?;
    let ne = built.nodes.last().map_or([0; 4], |&last| built.ne(last));
    Ok([ne[1].saturating_mul(ne[2]).saturating_mul(ne[3]), ne[0]])
}

fn reserve(tower: &Tower<'_>, size: (u64, u64), options: &LlamaCpp) -> Result<Reserved> {
    let graph = projectors::graph(tower, size, options.flash_attention)?;
    let counts = (graph.nodes.len() as u64, graph.leafs.len() as u64);
    let split = Split::whole(graph);
    let allocation = allocate::allocate(&split, &[])?;
    Ok(Reserved { split, counts, allocation })
}

impl Session<'_> {
    fn loaded(&self) -> Result<Lowered> {
        let memory = self.model_memory();
        let facts = Facts {
            written: memory.iter().map(|held| held.bytes).sum::<Bytes>().0,
            library: fit::LIBRARY.estimate().known().0,
            buffers: self.buffers(0),
            ..Facts::default()
        };
        self.lowered(Draft::default(), memory, facts)
    }

    /// The projector with what the warm-up has reserved; an image's pass runs in it, or the warm-up's.
    fn running(&self, own: Option<&Reserved>, graph: &Graph) -> Result<Lowered> {
        let runs = own.unwrap_or(&self.warm);
        let stored = self.tower.stored.tensors.len();
        let numbers = Numbers::of_split(stored, &Caches::default(), &self.weights, &runs.split);
        let numbers = numbers.within(graph.nodes().len());
        let draft = lower::schedule(runs, &[], &numbers);
        let planned = arenas::bytes(runs, 1).into_iter().sum::<u64>();
        let warm = arenas::bytes(&self.warm, 1).into_iter().sum::<u64>();
        let compute = planned.max(warm);
        let mut memory = self.model_memory();
        memory.push(allocation(StorageClass::Workspace, compute - planned, None));
        memory.retain(|held| held.bytes > Bytes::ZERO);
        let own = memory.iter().map(|held| held.bytes).sum::<Bytes>().0;
        let facts = Facts {
            written: own,
            library: fit::LIBRARY.estimate().known().0,
            touches: super::residency::touches(runs, &runs.split),
            spots: arenas::spots(runs),
            buffers: self.buffers(compute),
            ..Facts::default()
        };
        self.lowered(draft, memory, facts)
    }

    fn lowered(&self, draft: Draft, memory: Vec<Allocation>, facts: Facts) -> Result<Lowered> {
        let lowered = Lowered::new(draft)?.with_memory(memory);
        Ok(lowered
            .with_assumptions(crate::runtime::assumptions(ASSUMPTIONS))
            .with_data(RuntimeData::new(facts)))
    }

    /// Weights, which are read and not mapped.
    fn model_memory(&self) -> Vec<Allocation> {
        let weights = self.weights.all.iter();
        weights
            .map(|weight| allocation(StorageClass::WeightsAnonymous, weight.bytes, Some(weight.tensor)))
            .collect()
    }

    fn buffers(&self, compute: u64) -> BufferTypes {
        // As libmtmd counts them, without the bytes between two tensors.
        let model = Bytes(self.weights.all.iter().map(|weight| weight.bytes).fold(0, u64::saturating_add));
        let row = BufferRow {
            buffer_type: "CPU".to_owned(),
            model,
            compute: Bytes(compute),
            ..BufferRow::default()
        };
        let (nodes, leafs) = self.warm.counts;
        BufferTypes { rows: vec![row], nodes, leafs, splits: 1, ..BufferTypes::default() }
    }
}

fn allocation(class: StorageClass, bytes: u64, tensor: Option<u32>) -> Allocation {
    let node = tensor
        .map_or_else(NodeRef::default, |tensor| NodeRef { graph: 0, node: NodeId::new(tensor as usize) });
    Allocation { class, bytes: Bytes(bytes), node, known: Known::Exact }
}

/// What every analysis of a projector assumes.
const ASSUMPTIONS: &[(&str, &str)] = &[
    ("projector-on-cpu", "the projector is computed by the CPU backend (`--no-mmproj-offload`)"),
    (
        "warm-up",
        "the projector is warmed up when it is loaded, and keeps the compute buffer of its largest image",
    ),
];
