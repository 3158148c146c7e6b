//! Vision projectors: files of `general.architecture` clip, which libmtmd runs in a scheduler of their own.
//!
//! Weights are read into a buffer: of the first device, unless it is not asked to take the projector. Compute memory is reserved
//! for a warm-up image when the file is loaded, and grows where an image needs more. One file per part: `tower`, what a file
//! says; `encoder`, what towers have in common; `projectors`, the graphs.
//!
//! Source: llama.cpp 0.5.0, tools/mtmd/clip.cpp (`clip_ctx`, `clip_model_loader`, `clip_graph`), tools/mtmd/models, common/arg.cpp
//! (`--mmproj-offload`).

mod encoder;
mod projectors;
mod tower;

pub(super) use tower::{ARCHITECTURE, Tower};

use super::allocate;
use super::cache::Caches;
use super::context::Reserved;
use super::expand::{self, Numbers};
use super::offload::Offload;
use super::options::LlamaCpp;
use super::residency::Facts;
use super::scheduler::{self, Devices};
use super::tensor::Op;
use super::weights::Weights;
use super::{arenas, calibration as fit, lower};
use crate::error::Result;
use crate::graph::{Graph, Stored};
use crate::ids::NodeId;
use crate::runtime::{Allocation, BufferRow, BufferTypes, Lowered, Pass, PhaseName, RuntimeData};
use crate::scenario::Scenario;
use crate::schedule::{Draft, Known, NodeRef, StorageClass};
use crate::units::Bytes;

/// A projector's file on its backends: the device that takes it, if one does, and the CPU.
struct Loaded<'a> {
    tower: Tower<'a>,
    offload: Offload,
    weights: Weights,
    flash_attention: bool,
}

/// A loaded projector.
struct Session<'a> {
    loaded: Loaded<'a>,
    warm: Reserved,
}

/// Whether a file is a projector.
pub(super) fn is_projector(stored: &Stored) -> bool {
    stored.text("general.architecture") == Some(ARCHITECTURE)
}

/// Adds the nodes of the warm-up's graph to the graph of a file.
pub(super) fn expand(file: &Graph, stored: &Stored, options: &LlamaCpp) -> Result<Graph> {
    let loaded = Loaded::of(stored, file, options)?;
    let built = projectors::graph(&loaded.tower, loaded.tower.warm_up, loaded.flash_attention)?;
    expand::expand(file, &Caches::default(), &loaded.weights, built)
}

/// Lowers loading, warm-up and the pass over an image.
pub(super) fn lower(
    pass: &Pass<'_>,
    stored: &Stored,
    options: &LlamaCpp,
) -> Result<Vec<(PhaseName, Lowered)>> {
    let loaded = Loaded::of(stored, pass.graph, options)?;
    let warm = loaded.reserve(loaded.tower.warm_up)?;
    let session = Session { loaded, warm };
    let mut phases = Vec::new();
    if pass.is_first {
        phases.push((PhaseName::Load, session.loaded()?));
        phases.push((PhaseName::Compile, session.running(None, pass.graph)?));
    }
    let size = session.loaded.tower.image(pass.scenario);
    let own = session.loaded.reserve(size)?;
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

impl<'a> Loaded<'a> {
    fn of(stored: &'a Stored, file: &Graph, options: &LlamaCpp) -> Result<Loaded<'a>> {
        let tower = Tower::read(stored, file.file())?;
        let device = options.offload.projector;
        let offload = Offload { devices: device.into_iter().collect(), ..Offload::default() };
        let weights = Weights::whole(stored, device);
        let mut loaded = Loaded { tower, offload, weights, flash_attention: options.flash_attention };
        if options.is_flash_automatic && !loaded.attends_on_device()? {
            loaded.flash_attention = false;
        }
        Ok(loaded)
    }

    /// Whether the device computes attention in one operator, which is tried with the warm-up's image.
    ///
    /// Source: tools/mtmd/clip.cpp (`warmup`).
    fn attends_on_device(&self) -> Result<bool> {
        let Some(device) = self.offload.devices.first() else { return Ok(true) };
        let graph = projectors::graph(&self.tower, self.tower.warm_up, true)?;
        let nodes = graph.nodes.iter().map(|&id| graph.get(id));
        let mut attention = nodes.filter(|node| node.op == Op::FlashAttention);
        Ok(attention.all(|node| device.computes(&graph, node)))
    }

    fn reserve(&self, size: (u64, u64)) -> Result<Reserved> {
        let graph = projectors::graph(&self.tower, size, self.flash_attention)?;
        let counts = (graph.nodes.len() as u64, graph.leafs.len() as u64);
        let devices = Devices { offload: &self.offload, layers: &[], weights: &self.weights, caches: &[] };
        let split = scheduler::split(&devices, graph, 1);
        let allocation = allocate::allocate(&split, &self.offload.devices)?;
        Ok(Reserved { split, counts, allocation })
    }

    /// Whether the backend of this number has memory of its own.
    fn is_apart(&self, backend: usize) -> bool {
        self.offload.devices.get(backend).is_some_and(|device| !device.is_unified())
    }
}

impl Session<'_> {
    fn loaded(&self) -> Result<Lowered> {
        let memory = self.model_memory();
        let on_devices = if self.loaded.is_apart(0) { self.weight_bytes() } else { 0 };
        let facts = Facts {
            written: memory.iter().map(|held| held.bytes).sum::<Bytes>().0 - on_devices,
            library: fit::LIBRARY.estimate().known().0,
            on_devices,
            buffers: self.buffers(&[]),
            ..Facts::default()
        };
        self.lowered(Draft::default(), memory, facts)
    }

    /// The projector with what the warm-up has reserved; an image's pass runs in it, or the warm-up's.
    fn running(&self, own: Option<&Reserved>, graph: &Graph) -> Result<Lowered> {
        let runs = own.unwrap_or(&self.warm);
        let loaded = &self.loaded;
        let stored = loaded.tower.stored.tensors.len();
        let numbers = Numbers::of_split(stored, &Caches::default(), &loaded.weights, &runs.split);
        let numbers = numbers.within(graph.nodes().len());
        let draft = lower::schedule(runs, &[], &numbers);
        let count = loaded.offload.devices.len() + 1;
        let planned = arenas::bytes(runs, count);
        let warm = arenas::bytes(&self.warm, count);
        let compute: Vec<u64> = planned.iter().zip(warm).map(|(&own, warm)| own.max(warm)).collect();
        let mut memory = self.model_memory();
        let model: u64 = memory.iter().map(|held| held.bytes).sum::<Bytes>().0;
        let (mut written, mut on_devices) =
            if loaded.is_apart(0) { (model - self.weight_bytes(), self.weight_bytes()) } else { (model, 0) };
        for (backend, (&whole, &planned)) in compute.iter().zip(&planned).enumerate() {
            memory.push(allocation(StorageClass::Workspace, whole - planned, None));
            // Facts hold all of a device's buffer, and of the host's what is not planned.
            match loaded.is_apart(backend) {
                true => on_devices = on_devices.saturating_add(whole),
                false => written = written.saturating_add(whole - planned),
            }
        }
        memory.retain(|held| held.bytes > Bytes::ZERO);
        let apart = (0..count).filter(|&backend| loaded.is_apart(backend));
        let facts = Facts {
            written,
            library: fit::LIBRARY.estimate().known().0,
            touches: super::residency::touches(runs, &runs.split),
            spots: arenas::spots(runs),
            on_devices,
            apart: apart.map(|backend| backend as u8).collect(),
            buffers: self.buffers(&compute),
        };
        self.lowered(draft, memory, facts)
    }

    fn lowered(&self, draft: Draft, memory: Vec<Allocation>, facts: Facts) -> Result<Lowered> {
        let lowered = Lowered::new(draft)?.with_memory(memory);
        let place = if self.loaded.offload.devices.is_empty() { ON_CPU } else { ON_DEVICE };
        let assumptions = [place, ASSUMPTIONS].into_iter().flat_map(crate::runtime::assumptions);
        Ok(lowered.with_assumptions(assumptions.collect::<Vec<_>>()).with_data(RuntimeData::new(facts)))
    }

    /// Weights, which are read and not mapped.
    fn model_memory(&self) -> Vec<Allocation> {
        let weights = self.loaded.weights.all.iter();
        weights
            .map(|weight| allocation(StorageClass::WeightsAnonymous, weight.bytes, Some(weight.tensor)))
            .collect()
    }

    /// Bytes of all weights where they are.
    fn weight_bytes(&self) -> u64 {
        self.loaded.weights.all.iter().map(|weight| weight.bytes).fold(0, u64::saturating_add)
    }

    /// The buffers of each backend, the device first.
    fn buffers(&self, compute: &[u64]) -> BufferTypes {
        // As libmtmd counts them, without the bytes between two tensors and behind rows.
        let stored = self.loaded.tower.stored.tensors.iter();
        let model = Bytes(stored.map(|tensor| tensor.bytes()).fold(0, u64::saturating_add));
        let names = self.loaded.offload.devices.iter().map(|device| device.name());
        let names = names.chain(["CPU".to_owned()]).enumerate();
        let row = |(backend, buffer_type)| BufferRow {
            buffer_type,
            model: if backend == 0 { model } else { Bytes::ZERO },
            compute: Bytes(compute.get(backend).copied().unwrap_or(0)),
            ..BufferRow::default()
        };
        let (nodes, leafs) = self.warm.counts;
        let splits = self.warm.split.splits;
        BufferTypes { rows: names.map(row).collect(), nodes, leafs, splits, ..BufferTypes::default() }
    }
}

fn allocation(class: StorageClass, bytes: u64, tensor: Option<u32>) -> Allocation {
    let node = tensor
        .map_or_else(NodeRef::default, |tensor| NodeRef { graph: 0, node: NodeId::new(tensor as usize) });
    Allocation { class, bytes: Bytes(bytes), node, known: Known::Exact }
}

/// What every analysis of a projector assumes.
const ASSUMPTIONS: &[(&str, &str)] = &[(
    "warm-up",
    "the projector is warmed up when it is loaded, and keeps the compute buffer of its largest image",
)];

/// Without a device.
const ON_CPU: &[(&str, &str)] =
    &[("projector-on-cpu", "the projector is computed by the CPU backend (`--no-mmproj-offload`)")];

/// With one.
const ON_DEVICE: &[(&str, &str)] = &[(
    "projector-on-device",
    "the projector is on the first device of the list, as `--mmproj-offload` is the default",
)];
