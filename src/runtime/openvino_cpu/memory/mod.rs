//! What OpenVINO's CPU plugin holds in memory for an execution graph.
//!
//! One file per rule: [`regions`], what shares memory; [`life`], how long dynamic regions are held; and the memory in addition to
//! the activations. The result is an ordinary [`Lowered`]: static regions are planned by the `openvino` planner, which
//! also gives growing ones their blocks, and both checkers run on the plan.
//!
//! Not covered: several streams, `If` and `Loop`.
//!
//! Source: OpenVINO 2026.4.1 on x86-64 with AVX-512 and BF16; other instruction sets are assumptions.

mod attention_scratch;
mod capacity;
mod code;
mod convolution;
mod facts;
mod growth;
mod held;
mod inner_product;
mod int8;
mod io;
mod life;
mod objects;
mod paged;
mod recurrent;
mod regions;
mod residency;
mod scratchpad;
mod slices;
mod state;
mod tables;
mod tiles;
mod weights;

use super::calibration as fit;
use super::release::Change;
use super::{Host, ModelCache, OpenvinoCpu};
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::WeightRange;
use crate::ids::{StorageId, TensorId, ValueId};
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, Port};
use crate::runtime::{Allocation, Generation, Lowered, Residency, RuntimeData};
use crate::schedule::{
    Draft, Known, NodeRef, Origin, Schedule, Step, Storage, StorageClass, TensorRef, Value,
};
use crate::units::Bytes;
pub(in crate::runtime) use capacity::last_growth;
pub(super) use code::MAP;
use convolution::Convolutions;
pub(super) use facts::Facts;
use growth::Growth;
use held::Held;
pub(in crate::runtime) use held::Moment;
use regions::{Holder, Region, Regions, Role};
pub(super) use residency::WINDOW;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
pub(super) use state::Cached;
use std::sync::Arc;

/// What the rules find of an execution graph that does not depend on the moment.
#[derive(Debug)]
pub(in crate::runtime) struct Found<'a> {
    graph: &'a ExecutionGraph,
    options: &'a OpenvinoCpu,
    generation: Option<Generation>,
    constants: Vec<bool>,
    regions: Regions,
    convolutions: Convolutions,
    /// Memory outside of the schedule, with the moment from which on it is there.
    held: Vec<Held>,
    /// Tensors of the model without a size.
    unknown: u32,
}

impl<'a> Found<'a> {
    /// Applies the rules; `unknown` counts tensors of the model without a size.
    ///
    /// Cost: nearly linear in edges.
    pub(in crate::runtime) fn new(
        graph: &'a ExecutionGraph,
        options: &'a OpenvinoCpu,
        generation: Option<Generation>,
        unknown: u32,
    ) -> Found<'a> {
        let constants = graph.constants();
        let regions = regions::find(graph, &constants);
        let convolutions = Convolutions::of(graph, &options.machine);
        let held = held(graph, options, generation, &constants, &convolutions);
        Found { graph, options, generation, constants, regions, convolutions, held, unknown }
    }

    /// What runs; `tensor_of` gives the source graph's tensor of a port, for reports.
    ///
    /// Every node is a step, constants and inputs too: the plugin's time axis counts them.
    pub(in crate::runtime) fn draft(&self, tensor_of: impl Fn(Port) -> Option<TensorId>) -> Draft {
        let graph = self.graph;
        let mut draft = Draft { user_bytes: io::user_bytes(graph, &self.regions), ..Draft::default() };
        let sync_points =
            if graph.is_dynamic { life::sync_points(graph, &self.constants) } else { Vec::new() };
        let states = state::attention_states(graph);
        let storages = self.regions.list.iter().map(|region| storage(graph, region, &sync_points, &states));
        draft.storages = storages.collect();
        draft.steps = Vec::with_capacity(graph.nodes.len());
        let emitter = Emitter {
            graph,
            constants: &self.constants,
            regions: &self.regions,
            values: Vec::with_capacity(graph.nodes.len()),
            tensor_of,
            draft: &mut draft,
        };
        emitter.emit();
        draft.unknown_tensors = draft.unknown_tensors.max(self.unknown);
        draft
    }

    /// What a dynamic graph has of regions before it runs: its constants.
    fn before_running(&self) -> Vec<Allocation> {
        let constant = self.regions.list.iter().filter(|region| region.holder == Holder::Constant);
        let is_there = |region: &&Region| {
            region.members.first().and_then(|&port| self.graph.output(port)).is_some_and(|output| {
                // The mapped ones that are searched for subnormals.
                output.dtype == DType::F32
                    || !self.graph.node(region.start).is_some_and(|node| node.is_mapped)
            })
        };
        constant.filter(is_there).map(|region| self.constant(region)).collect()
    }

    /// The constants that the graph reads, from when it runs on.
    fn constants_read(&self) -> Vec<Allocation> {
        let constant = self.regions.list.iter().filter(|region| region.holder == Holder::Constant);
        constant.map(|region| self.constant(region)).collect()
    }

    fn constant(&self, region: &Region) -> Allocation {
        Allocation::from(&storage(self.graph, region, &[], &FxHashMap::default()))
    }
}

/// Lowers an execution graph as it is at `moment`; `schedule` is what runs.
///
/// A dynamic graph has no activations before it runs, and no steps then.
///
/// Cost: nearly linear in edges.
pub(in crate::runtime) fn apply(
    found: &Found<'_>,
    moment: Moment,
    model: &Model,
    schedule: &Arc<Schedule>,
) -> Result<Lowered> {
    let &Found { graph, options, generation, ref constants, ref convolutions, .. } = found;
    let mut memory: Vec<Allocation> = Vec::new();
    let mut assumptions = graph.assumptions.clone();
    let is_laid_out = moment == Moment::Running || !graph.is_dynamic;
    let lowered = if is_laid_out {
        Lowered::of(schedule.clone())
    } else {
        Lowered::new(Draft { unknown_tensors: found.unknown, ..Draft::default() })?
    };
    if !is_laid_out {
        memory.extend(found.before_running());
    } else if moment == Moment::Running {
        memory.extend(io::graph_copies(graph).iter().map(Held::allocation));
    }
    if options.host != Host::Plain {
        assumptions.push(paged::assumption());
        memory.push(paged::of_host());
    }
    let held = || found.held.iter().filter(|held| held.since <= moment);
    memory.extend(held().map(Held::allocation));
    let growth = (graph.is_dynamic && moment == Moment::Running).then(|| {
        let scratch = scratchpad::growth(graph, convolutions, &options.machine, options.quantization_group());
        let held: Vec<Held> = held().cloned().collect();
        let running = tiles::first_runs(graph, &options.machine);
        Arc::new(Growth::new(graph, constants, &held, scratch, running))
    });
    let storages = &lowered.schedule().storages;
    if moment == Moment::Compiled {
        memory.push(objects::model(model.nodes).allocation());
        memory.extend(early_peak(graph, model, storages, &memory));
    }
    let cached = state::cached(graph);
    let further_pools = if graph.is_dynamic { 0 } else { options.streams.saturating_sub(1) };
    let all: Vec<Allocation> = storages.iter().map(Allocation::from).chain(memory.iter().copied()).collect();
    let mut residency = residency(graph, options, &all, (cached, moment), model, generation);
    if is_laid_out {
        residency.untouched_bytes +=
            scratchpad::untouched(graph, convolutions, &options.machine, options.quantization_group());
        residency.kept_bytes += tables::kept(graph);
    }
    memory.extend(of_file((&all, &found.constants_read()), options, moment, model, &mut residency));
    let facts = Facts { residency, cached, further_pools, growth };
    let lowered = lowered.with_memory(memory).with_assumptions(assumptions);
    Ok(lowered.with_data(RuntimeData::new(facts)))
}

/// What is allocated early while a model is compiled, before the rest, and is more than the rest: a table as f32. Of
/// intermediate results, which share an arena, the largest is counted.
fn early_peak(
    graph: &ExecutionGraph,
    model: &Model,
    storages: &[Storage],
    memory: &[Allocation],
) -> Option<Allocation> {
    let of_heap = storages.iter().filter(|storage| storage.class != StorageClass::WeightsFile);
    let (arena, own): (Vec<&Storage>, Vec<&Storage>) =
        of_heap.partition(|storage| storage.class == StorageClass::Activation);
    let results = arena.iter().map(|storage| storage.bytes).max().unwrap_or(Bytes::ZERO);
    let own: Bytes = own.iter().map(|storage| storage.bytes).sum();
    let later = memory.iter().map(|held| held.bytes).sum::<Bytes>() + own + results;
    let early = tables::converted(graph) + objects::model(model.nodes).bytes;
    let bytes = if early > later { early - later } else { Bytes::ZERO };
    let held = Held {
        class: StorageClass::Workspace,
        bytes,
        node: NodeRef::default(),
        known: Known::Exact,
        since: Moment::Compiled,
    };
    (bytes > Bytes::ZERO).then(|| held.allocation())
}

/// Memory outside of the schedule, with the moment from which on it is there.
fn held(
    graph: &ExecutionGraph,
    options: &OpenvinoCpu,
    generation: Option<Generation>,
    constants: &[bool],
    convolutions: &Convolutions,
) -> Vec<Held> {
    let machine = &options.machine;
    let threads = u64::from(machine.cores);
    let code = code::held(graph, constants, options.streams as usize, convolutions, machine);
    let held = [
        weights::packed(graph, constants, options, convolutions),
        recurrent::held(graph, machine),
        state::held(graph),
        paged::held(graph, options, generation),
        attention_scratch::held(graph, threads),
        scratchpad::held(graph, convolutions, machine, options.quantization_group()).into_iter().collect(),
        slices::held(graph),
        objects::held(graph, u64::from(options.streams), machine.isa, &code),
        code,
    ];
    let there = held.into_iter().flatten();
    there.filter(|held| held.bytes > Bytes::ZERO).collect()
}

/// What of the weights' file is there in addition to `all`, of which the graph reads `read` when it runs; sets how it is resident.
///
/// Source: pages of the map in `/proc/self/smaps` behind the first inference of three quantized nets (2026.4.1): 17,328 KiB of a file
/// of 17,324, 18,212 of 18,210, 1,068 of 1,064.
fn of_file(
    (all, read): (&[Allocation], &[Allocation]),
    options: &OpenvinoCpu,
    moment: Moment,
    model: &Model,
    residency: &mut Residency,
) -> Vec<Allocation> {
    let rest = in_heap(all, model);
    match (options.mmap, options.model_cache, moment) {
        // Every constant of the model stays, also where the graph reads a converted copy.
        (false, ..) => {
            residency.is_file_in_heap = true;
            residency.unread_bytes = Bytes::ZERO;
            rest
        }
        // Every page of the weights is read when the compiled model is written.
        (true, ModelCache::First, _) => {
            residency.unread_bytes = Bytes::ZERO;
            rest
        }
        // Of the model, to find what was written for it, and of that, which is then mapped in its place.
        (true, ModelCache::Import, Moment::Compiled) => {
            residency.unread_bytes = Bytes::ZERO;
            let of_file = |held: &&Allocation| held.class == StorageClass::WeightsFile;
            let again: Vec<Allocation> = all.iter().filter(of_file).chain(&rest).copied().collect();
            rest.into_iter().chain(again).collect()
        }
        // The model is mapped, and not read yet.
        (true, _, Moment::Loaded) => Vec::new(),
        // What was converted or folded was read, and its pages stay.
        _ => in_heap(read, model),
    }
}

/// The constants of a model that is read into the heap, but for those that `counted` has: a block each.
fn in_heap(counted: &[Allocation], model: &Model) -> Vec<Allocation> {
    let of_file = counted.iter().filter(|storage| storage.class == StorageClass::WeightsFile);
    let nodes: FxHashSet<NodeRef> = of_file.map(|storage| storage.node).collect();
    let there = model.constants.iter().filter(|(node, _)| nodes.contains(node));
    let mut ranges: FxHashSet<WeightRange> = there.map(|&(_, range)| range).collect();
    let rest = model.constants.iter().filter(|&&(_, range)| ranges.insert(range));
    let rest = rest.map(|&(node, range)| Held {
        class: StorageClass::WeightsFile,
        bytes: Bytes(range.size),
        node,
        known: Known::Exact,
        since: Moment::Loaded,
    });
    rest.map(|held| held.allocation()).collect()
}

/// How the resident set differs from `all` allocations.
fn residency(
    graph: &ExecutionGraph,
    options: &OpenvinoCpu,
    all: &[Allocation],
    (cached, moment): (Cached, Moment),
    model: &Model,
    generation: Option<Generation>,
) -> Residency {
    let mut residency = residency::of_process(Some(graph), model.nodes, moment);
    let of_class = |class| all.iter().filter(move |held| held.class == class);
    let code: Bytes = of_class(StorageClass::Code).map(|held| held.bytes).sum();
    let room: Bytes = if moment == Moment::Running && cached.total == 0 {
        paged::untouched(graph, options, generation)
    } else {
        of_class(StorageClass::KvCache).map(|held| Bytes(held.bytes.0 / 2)).sum()
    };
    residency.untouched_bytes = code + room;
    if options.release.has(Change::HasSmallerLibraries) {
        let newer = Bytes(fit::LIBRARY_NEWER.estimate().known().0);
        residency.library_bytes = residency.library_bytes - newer.min(residency.library_bytes);
    }
    if options.host != Host::Plain {
        residency.kept_bytes += Bytes(fit::GENAI_KEPT.estimate().known().0);
    }
    match moment {
        Moment::Running => residency.unread_bytes = residency::unread(graph).into_values().sum(),
        // The model that is still there was counted with what its release leaves.
        _ => residency.kept_bytes = residency.kept_bytes - objects::model(model.nodes).bytes,
    }
    residency
}

/// The model that the user has read.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Model {
    /// Nodes of the export, those of bodies too.
    pub nodes: u64,
    /// Its constants that are in files, and where.
    pub constants: Vec<(NodeRef, WeightRange)>,
}

/// What there is while the model is read.
///
/// # Errors
///
/// None: the schedule is empty.
pub(in crate::runtime) fn loaded(model: &Model, options: &OpenvinoCpu) -> Result<Lowered> {
    let mut memory =
        vec![objects::model(model.nodes).allocation(), objects::reading(model.nodes).allocation()];
    let mut residency = residency::of_process(None, model.nodes, Moment::Loaded);
    if !options.mmap {
        residency.is_file_in_heap = true;
        memory.extend(in_heap(&[], model));
    }
    let facts = Facts { residency, ..Facts::default() };
    Ok(Lowered::new(Draft::default())?.with_memory(memory).with_data(RuntimeData::new(facts)))
}

/// The storage of a region.
fn storage(
    graph: &ExecutionGraph,
    region: &Region,
    sync_points: &[u32],
    states: &FxHashMap<Port, Bytes>,
) -> Storage {
    let node = region.members.first().and_then(|port| graph.node(port.step));
    let state = region.members.first().and_then(|port| states.get(port)).copied();
    let class = match region.holder {
        Holder::Pool => StorageClass::Activation,
        Holder::Input | Holder::Output => StorageClass::Io,
        Holder::State if state.is_some() => StorageClass::KvCache,
        Holder::State => StorageClass::State,
        Holder::Constant if node.is_some_and(|node| node.is_mapped) => StorageClass::WeightsFile,
        Holder::Constant => StorageClass::WeightsAnonymous,
    };
    let grows = graph.is_dynamic && region.is_dynamic && region.holder == Holder::Pool;
    let kept_until = if grows {
        life::held_until(region.start, region.finish, sync_points, graph.nodes.len())
    } else {
        region.finish
    };
    Storage {
        class,
        bytes: state.unwrap_or(region.bytes),
        alignment: 1,
        node: node.map(|node| node.source).unwrap_or_default(),
        known: Known::Exact,
        kept_until,
        grows,
    }
}

/// Turns nodes into steps, and ports into values.
struct Emitter<'a, F> {
    graph: &'a ExecutionGraph,
    constants: &'a [bool],
    regions: &'a Regions,
    /// The value of every port, by step.
    values: Vec<SmallVec<[Option<ValueId>; 1]>>,
    tensor_of: F,
    draft: &'a mut Draft,
}

impl<F: Fn(Port) -> Option<TensorId>> Emitter<'_, F> {
    fn emit(mut self) {
        for (step, node) in (0_u32..).zip(&self.graph.nodes) {
            // ShapeOf asks for dims only; its input is kept for it, but may be overwritten.
            let inputs = if node.kind == Kind::ShapeOf { &[] } else { node.inputs.as_slice() };
            let reads = inputs.iter().filter_map(|&port| self.value_of(port)).collect();
            let made: SmallVec<[Option<ValueId>; 1]> = (0_u32..)
                .zip(&node.outputs)
                .map(|(port, output)| self.value(node, Port { step, port }, output.bytes()))
                .collect();
            let is_resident = self.is_resident(step, node);
            let writes = if is_resident { SmallVec::new() } else { made.iter().copied().flatten().collect() };
            self.draft.steps.push(Step { node: node.source, reads, writes });
            self.values.push(made);
        }
    }

    /// Whether its outputs are there before the first step.
    fn is_resident(&self, step: u32, node: &ExecutedNode) -> bool {
        matches!(node.kind, Kind::Input | Kind::MemoryInput)
            || self.constants.get(step as usize).copied().unwrap_or(false)
    }

    fn value_of(&self, port: Port) -> Option<ValueId> {
        self.values.get(port.step as usize)?.get(port.port as usize).copied().flatten()
    }

    fn value(&mut self, node: &ExecutedNode, port: Port, bytes: Option<Bytes>) -> Option<ValueId> {
        let (region, offset, role) = self.regions.place(port)?;
        let bytes = bytes.unwrap_or_else(|| {
            self.draft.unknown_tensors += 1;
            Bytes::ZERO
        });
        let mut sources = node.inputs.iter().filter_map(|&input| self.value_of(input));
        let origin = match role {
            Role::View => Origin::View(sources.next()?),
            Role::Joined => Origin::Joined(sources.collect()),
            Role::Written if self.is_resident(port.step, node) => Origin::Resident,
            Role::Written => Origin::Written,
        };
        let storage = StorageId::new(region as usize);
        // The graph shows attention states as f32, and their storage has twice the tokens in another type.
        let bytes = match self.draft.storage(storage) {
            held if held.class == StorageClass::KvCache => bytes.min(Bytes(held.bytes.0 / 2)),
            _ => bytes,
        };
        let tensor = (self.tensor_of)(port).map(|tensor| TensorRef { graph: node.source.graph, tensor });
        self.draft.values.push(Value { storage, offset, bytes, origin, tensor });
        Some(ValueId::new(self.draft.values.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_that_the_graph_has_copies_of_stay_mapped() {
        let range = |offset| WeightRange { file: 0, offset, size: 4096 };
        let constants = vec![(NodeRef::default(), range(0)), (NodeRef::default(), range(4096))];
        let model = Model { nodes: 3, constants };
        let bytes = |moment| {
            let residency = &mut residency::of_process(None, model.nodes, moment);
            let held = of_file((&[], &[]), &OpenvinoCpu::default(), moment, &model, residency);
            held.iter().map(|held| held.bytes).sum::<Bytes>()
        };
        assert_eq!(bytes(Moment::Loaded), Bytes::ZERO);
        assert_eq!(bytes(Moment::Running), Bytes(8192));
    }
}
