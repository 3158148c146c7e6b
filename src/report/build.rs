//! From the walked phases to the report.

use super::breakdown::By;
use super::component::{self, Component};
use super::model::{self, Report, SCHEMA_VERSION};
use crate::error::Severity;
use crate::graph::{Graph, Op};
use crate::ids::StorageId;
use crate::phases::{Phase, PhaseName};
use crate::plan::{self, Planner};
use crate::problem;
use crate::runtime::{Allocation, Runtime};
use crate::scenario::{Task, input_name};
use crate::schedule::{Known, NodeRef, StorageClass, TensorRef};
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// What a report is about, and how it is to be told.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The graph that was read.
    pub graph: &'a Graph,
    /// SHA-256 of its file, in hex; empty where nobody asked.
    pub sha256: String,
    /// The runtime that was modelled.
    pub runtime: &'a dyn Runtime,
    /// The planner that placed the buffers.
    pub planner: Planner,
    /// The walked phases, in order; at least one.
    pub phases: &'a [Phase],
    /// How the breakdown groups.
    pub by: By,
    /// Steps and buffers are wanted.
    pub full: bool,
}

/// Makes the report of a run: the highest phase in full, the peaks of all.
///
/// Cost: linear in steps and storages, after one sort.
#[must_use]
pub fn build(subject: &Subject<'_>) -> Report {
    let views = views(subject);
    let Some(highest) = views.iter().reduce(higher) else {
        return empty(subject);
    };
    let mut totals = highest.totals();
    // A phase that misses tensors may be the highest in truth.
    let unknown =
        subject.phases.iter().map(|phase| u64::from(phase.lowered.schedule().unknown_tensors)).max();
    if let Some(unknown) = unknown.filter(|&unknown| unknown > 0) {
        totals.known = model::Known::LowerBound;
        totals.unknown_tensors = Some(unknown);
    }
    let frame = empty(subject);
    // Second safeguard: what shape inference could not size makes the total a lower bound under every runtime.
    if frame.diagnostics.iter().any(|found| found.severity == Severity::Incomplete.name()) {
        totals.known = model::Known::LowerBound;
    }
    Report {
        totals,
        phases: views.iter().map(View::phase).collect(),
        peak: highest.peak(),
        blocks: highest.blocks(),
        breakdown: highest.breakdown(subject.by),
        planner: highest.planner(subject),
        steps: subject.full.then(|| highest.steps()),
        buffers: subject.full.then(|| highest.buffers()),
        ..frame
    }
}

/// The phase that a report tells in full.
#[cfg(feature = "svg")]
pub(super) fn highest<'a>(subject: &Subject<'a>) -> Option<View<'a>> {
    views(subject).into_iter().reduce(higher)
}

/// Every phase of a run.
pub(super) fn views<'a>(subject: &Subject<'a>) -> Vec<View<'a>> {
    subject.phases.iter().map(|phase| View::of(subject.graph, phase)).collect()
}

fn higher<'a, V: std::borrow::Borrow<View<'a>>>(best: V, next: V) -> V {
    if next.borrow().total() > best.borrow().total() { next } else { best }
}

/// The parts that do not depend on sizes.
fn empty(subject: &Subject<'_>) -> Report {
    let graph = subject.graph;
    let bodies = graph.with_bodies();
    let first = subject.phases.first();
    // A phase in which nothing runs takes less for granted than the others.
    let mut assumptions: Vec<_> = Vec::new();
    for assumption in subject.phases.iter().flat_map(|phase| phase.lowered.assumptions()) {
        if !assumptions.contains(&assumption) {
            assumptions.push(assumption);
        }
    }
    let diagnostics = subject.phases.iter().flat_map(|phase| phase.shapes.diagnostics());
    let mut told = FxHashSet::default();
    let diagnostics: Vec<_> = diagnostics
        .map(|found| model::Diagnostic {
            code: found.code.to_owned(),
            severity: found.severity.name().to_owned(),
            r#where: found.location.to_string(),
            text: found.text.clone(),
        })
        .filter(|found| told.insert((found.code.clone(), found.r#where.clone(), found.text.clone())))
        .collect();
    Report {
        schema_version: SCHEMA_VERSION,
        tool: model::Tool::this(),
        component: None,
        model: model::Model {
            path: graph.file().display().to_string(),
            format: graph.format().name().to_owned(),
            sha256: subject.sha256.clone(),
            nodes: bodies.iter().map(|body| body.nodes().len() as u64).sum(),
            tensors: bodies.iter().map(|body| body.tensors().len() as u64).sum(),
        },
        scenario: model::Scenario {
            task: match first.map(|phase| phase.scenario.task) {
                Some(Task::Llm) => "llm",
                Some(Task::Vision) => "vision",
                _ => "general",
            }
            .to_owned(),
            batch: first.and_then(|phase| phase.scenario.batch),
            prompt: first.and_then(|phase| phase.scenario.prompt),
            past: first.map_or(0, |phase| phase.scenario.past),
            patches: None,
            image_tokens: None,
            inputs: first.map(|phase| inputs(graph, phase)).unwrap_or_default(),
            bindings: first
                .map(|phase| phase.shapes.binding().bound.iter().cloned().collect())
                .unwrap_or_default(),
        },
        profile: model::Profile {
            name: subject.runtime.name().to_owned(),
            version: subject.runtime.version().to_owned(),
            options: options(subject),
        },
        assumptions: assumptions
            .into_iter()
            .map(|assumption| model::Assumption {
                rule: assumption.rule.to_owned(),
                text: assumption.text.clone(),
            })
            .collect(),
        diagnostics,
        totals: model::Totals::default(),
        phases: Vec::new(),
        peak: model::Peak::default(),
        blocks: Vec::new(),
        breakdown: Vec::new(),
        planner: model::Planner::default(),
        components: Vec::new(),
        comparison: None,
        steps: None,
        buffers: None,
    }
}

fn inputs(graph: &Graph, phase: &Phase) -> BTreeMap<String, Vec<u64>> {
    let parameters = graph.parameters().iter().zip(&phase.shapes.binding().parameters);
    parameters
        .map(|(&node, info)| {
            (input_name(graph, node).to_owned(), info.dims.as_deref().unwrap_or_default().to_vec())
        })
        .collect()
}

fn options(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let planner = ("planner", subject.planner.name().to_owned());
    subject
        .runtime
        .options()
        .into_iter()
        .chain([planner])
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// One phase with what several parts of the report need.
pub(super) struct View<'a> {
    pub(super) phase: &'a Phase,
    pub(super) bodies: Vec<&'a Graph>,
    /// Everything that is allocated; the first are the storages of the schedule, by id.
    pub(super) allocations: Vec<Allocation>,
    /// First step of the highest pressure, and that pressure.
    pub(super) peak_step: u32,
    pub(super) peak_pressure: Bytes,
    by_class: FxHashMap<StorageClass, Bytes>,
    /// Bytes of the user's own inputs.
    inputs: Bytes,
}

impl<'a> View<'a> {
    fn of(graph: &'a Graph, phase: &'a Phase) -> View<'a> {
        let curve = problem::pressure(&phase.problem);
        let (peak_step, peak_pressure) = curve
            .iter()
            .fold((0, Bytes::ZERO), |best, &(step, bytes)| if bytes > best.1 { (step, bytes) } else { best });
        let mut by_class: FxHashMap<StorageClass, Bytes> = FxHashMap::default();
        let allocations: Vec<Allocation> = phase.allocations().collect();
        for held in &allocations {
            *by_class.entry(held.class).or_default() += held.bytes;
        }
        let inputs = phase.lowered.schedule().user_bytes;
        View { phase, bodies: graph.with_bodies(), allocations, peak_step, peak_pressure, by_class, inputs }
    }

    pub(super) fn class(&self, class: StorageClass) -> Bytes {
        self.by_class.get(&class).copied().unwrap_or_default()
    }

    /// Constants in mapped pages of their file.
    fn weights_file(&self) -> Bytes {
        match self.phase.outcome.residency.is_file_in_heap {
            true => Bytes::ZERO,
            false => self.class(StorageClass::WeightsFile),
        }
    }

    /// Constants in memory of their own.
    fn weights_anonymous(&self) -> Bytes {
        self.weights() - self.weights_file()
    }

    pub(super) fn weights(&self) -> Bytes {
        self.class(StorageClass::WeightsFile) + self.class(StorageClass::WeightsAnonymous)
    }

    pub(super) fn total(&self) -> Bytes {
        self.weights() + self.temp()
    }

    fn temp(&self) -> Bytes {
        let resident = [
            StorageClass::Io,
            StorageClass::KvCache,
            StorageClass::State,
            StorageClass::Workspace,
            StorageClass::Runtime,
            StorageClass::Code,
        ];
        resident.into_iter().map(|class| self.class(class)).sum::<Bytes>() + self.phase.plan.arena_size
    }

    /// Bytes by storage.
    pub(super) fn totals(&self) -> model::Totals {
        let known = self.allocations.iter().map(|held| held.known).fold(Known::Exact, Known::and);
        let known = if self.phase.lowered.schedule().unknown_tensors > 0 { Known::LowerBound } else { known };
        model::Totals {
            weights_file_bytes: self.weights_file().0,
            weights_anonymous_bytes: self.weights_anonymous().0,
            arena_bytes: (self.phase.plan.arena_size - self.growing() - self.returned()).0,
            dynamic_bytes: self.growing().0,
            io_bytes: (self.class(StorageClass::Io) + self.class(StorageClass::Output)).0,
            kv_cache_bytes: (self.class(StorageClass::KvCache) + self.class(StorageClass::PresentCache)).0,
            state_bytes: self.class(StorageClass::State).0,
            scratch_bytes: self.class(StorageClass::Workspace).0,
            runtime_bytes: (self.class(StorageClass::Runtime) + self.class(StorageClass::Code)).0,
            temp_bytes: self.temp().0,
            total_bytes: self.total().0,
            lower_bound_bytes: self.peak_pressure.0,
            largest_allocation_bytes: self.largest_allocation().0,
            known: known.into(),
            unknown_tensors: None,
            parts_sum_bytes: None,
        }
    }

    /// Bytes of the arena that hold what the run returns.
    fn returned(&self) -> Bytes {
        self.class(StorageClass::Output) + self.class(StorageClass::PresentCache)
    }

    /// Bytes of the arena that were never written to, so that no page is behind them.
    fn untouched(&self) -> Bytes {
        let plan = &self.phase.plan;
        if plan.touched.is_empty() {
            return Bytes::ZERO;
        }
        const PAGE: u64 = 4096;
        let pages =
            plan.touched.iter().map(|range| range.end.next_multiple_of(PAGE) - range.start / PAGE * PAGE);
        plan.arena_size - Bytes(pages.fold(0, u64::saturating_add)).min(plan.arena_size)
    }

    /// Bytes of the arena's blocks that grow.
    fn growing(&self) -> Bytes {
        let blocks = self.phase.plan.blocks.iter().filter(|block| block.grows);
        blocks.map(|block| Bytes(block.bytes.end - block.bytes.start)).sum()
    }

    /// The allocations that the arena consists of: class, and bytes of each.
    fn arena_blocks(&self) -> Vec<(&'static str, Bytes)> {
        let plan = &self.phase.plan;
        if plan.blocks.is_empty() {
            return vec![("arena", plan.arena_size)];
        }
        let name = |grows| if grows { "dynamic" } else { "arena" };
        let blocks = plan.blocks.iter();
        blocks.map(|block| (name(block.grows), Bytes(block.bytes.end - block.bytes.start))).collect()
    }

    /// The largest block of the arena, or the largest storage outside of it that the runtime allocates.
    fn largest_allocation(&self) -> Bytes {
        let storages = self.allocations.iter();
        let apart = storages
            .filter(|storage| !storage.class.is_planned() && storage.class != StorageClass::WeightsFile)
            .filter(|storage| storage.class != StorageClass::Runtime);
        let inside = self.arena_blocks().into_iter().map(|(_, bytes)| bytes);
        apart.map(|storage| storage.bytes).chain(inside).max().unwrap_or_default()
    }

    /// The phase's peak.
    pub(super) fn phase(&self) -> model::Phase {
        let residency = &self.phase.outcome.residency;
        let heap = self.weights_anonymous() + self.temp() - self.inputs;
        let file = self.weights_file() - residency.unread_bytes + residency.library_bytes;
        let anonymous = residency
            .anonymous_bytes
            .unwrap_or_else(|| heap - residency.untouched_bytes + residency.kept_bytes - self.untouched());
        let upper = residency.anonymous_upper_bytes.filter(|&upper| upper > anonymous);
        let step = self.phase.lowered.schedule().steps.get(self.peak_step as usize);
        model::Phase {
            name: self.phase.name.name().to_owned(),
            heap_peak_bytes: heap.0,
            resident_peak_bytes: (anonymous + file).0,
            resident_peak_upper_bytes: upper.map(|upper| (upper + file).0),
            file_resident_bytes: file.0,
            tokens: self.tokens(),
            step: step.map(|_| u64::from(self.peak_step)),
            node: step.map(|step| self.node_name(step.node).to_owned()),
            ..model::Phase::default()
        }
    }

    /// Tokens of a sequence once the phase has run.
    fn tokens(&self) -> Option<u64> {
        let scenario = &self.phase.scenario;
        let runs = matches!(self.phase.name, PhaseName::Prefill | PhaseName::Decode);
        scenario.prompt.filter(|_| runs).map(|prompt| prompt.saturating_add(scenario.past))
    }

    pub(super) fn node_name(&self, node: NodeRef) -> &str {
        self.bodies[node.graph as usize].node_name(node.node)
    }

    /// A step's number and node, in words.
    #[cfg(feature = "svg")]
    pub(super) fn step_name(&self, step: usize) -> String {
        let node = self.phase.lowered.schedule().steps.get(step).map(|step| self.node_name(step.node));
        node.map_or("after the last step".to_owned(), |node| format!("step {step}, {node}"))
    }

    pub(super) fn node_type(&self, node: NodeRef) -> &str {
        self.bodies[node.graph as usize].node_type(node.node)
    }

    /// Storages that hold bytes at the peak: everything resident, and the planned ones alive there.
    pub(super) fn alive(&self) -> impl Iterator<Item = StorageId> + '_ {
        let resident = self.allocations.iter().enumerate().filter(|(_, storage)| !storage.class.is_planned());
        let resident = resident.map(|(index, _)| StorageId::new(index));
        let planned = self.phase.lowered.schedule().planned().zip(&self.phase.problem.buffers);
        resident
            .chain(planned.filter(|(_, buffer)| buffer.live.contains(&self.peak_step)).map(|((id, _), _)| id))
    }

    /// The step of the highest pressure.
    pub(super) fn peak(&self) -> model::Peak {
        let names = self.first_tensors();
        let is_weights = |class| matches!(class, StorageClass::WeightsFile | StorageClass::WeightsAnonymous);
        let own = [(StorageClass::Runtime, "runtime objects"), (StorageClass::Code, "generated code")];
        let is_own = |class| own.iter().any(|&(own, _)| own == class);
        let own = own.map(|(class, name)| model::Live {
            tensor: name.to_owned(),
            node: name.to_owned(),
            bytes: self.class(class).0,
            class: class.name().to_owned(),
        });
        let mut live: Vec<model::Live> = self
            .alive()
            .map(|id| (id, &self.allocations[id.index()]))
            .filter(|(_, storage)| !is_weights(storage.class) && !is_own(storage.class))
            .map(|(id, storage)| model::Live {
                tensor: self.tensor_name(storage.node, names[id.index()]),
                node: self.node_name(storage.node).to_owned(),
                bytes: storage.bytes.0,
                class: storage.class.name().to_owned(),
            })
            .chain(own)
            .filter(|live| live.bytes > 0)
            .collect();
        live.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.node.cmp(&b.node)));
        let node = self
            .phase
            .lowered
            .schedule()
            .steps
            .get(self.peak_step as usize)
            .map(|step| self.node_name(step.node).to_owned());
        model::Peak {
            phase: self.phase.name.name().to_owned(),
            step: u64::from(self.peak_step),
            node: node.unwrap_or_default(),
            live,
        }
    }

    /// The tensor of the first value in each storage.
    fn first_tensors(&self) -> Vec<Option<TensorRef>> {
        let mut first = vec![None; self.allocations.len()];
        for value in &self.phase.lowered.schedule().values {
            let slot = &mut first[value.storage.index()];
            *slot = slot.or(value.tensor);
        }
        first
    }

    fn tensor_name(&self, node: NodeRef, tensor: Option<TensorRef>) -> String {
        let name =
            tensor.and_then(|found| self.bodies[found.graph as usize].tensor_names(found.tensor).next());
        name.unwrap_or(self.node_name(node)).to_owned()
    }

    fn blocks(&self) -> Vec<model::Block> {
        let is_in_heap = self.phase.outcome.residency.is_file_in_heap;
        let mut groups: BTreeMap<(std::cmp::Reverse<u64>, &str), (u64, NodeRef)> = BTreeMap::new();
        for storage in &self.allocations {
            if !storage.class.is_planned()
                && storage.class != StorageClass::Runtime
                && (is_in_heap || storage.class != StorageClass::WeightsFile)
                && storage.bytes > Bytes::ZERO
            {
                let class = match storage.class {
                    StorageClass::WeightsFile => StorageClass::WeightsAnonymous,
                    class => class,
                };
                let key = (std::cmp::Reverse(storage.bytes.0), class.name());
                groups.entry(key).or_insert((0, storage.node)).0 += 1;
            }
        }
        let mut inside: BTreeMap<_, u64> = BTreeMap::new();
        for (class, bytes) in self.arena_blocks() {
            *inside.entry((class, bytes)).or_default() += 1;
        }
        let buffers = self.phase.problem.buffers.len();
        let arena = inside.into_iter().map(|((class, bytes), count)| model::Block {
            class: class.to_owned(),
            bytes: bytes.0,
            count,
            what: format!("{buffers} buffers of intermediate results"),
            is_aggregate: false,
        });
        let graph = self.bodies[0];
        let by_file = self.bytes_by_file();
        let mapped = graph.weight_files().iter().zip(0_u32..).filter(|_| !is_in_heap);
        let files = mapped.map(|(weights, file)| model::Block {
            class: StorageClass::WeightsFile.name().to_owned(),
            bytes: by_file.get(&file).copied().unwrap_or_default().0,
            count: 1,
            what: weights.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            is_aggregate: false,
        });
        let others = groups.into_iter().map(|((bytes, class), (count, node))| model::Block {
            class: class.to_owned(),
            bytes: bytes.0,
            count,
            what: self.node_name(node).to_owned(),
            is_aggregate: false,
        });
        let objects = model::Block {
            class: StorageClass::Runtime.name().to_owned(),
            bytes: self.class(StorageClass::Runtime).0,
            count: 1,
            what: "runtime objects, in many small allocations".to_owned(),
            is_aggregate: true,
        };
        let others = others.chain([objects]);
        let mut blocks: Vec<_> = arena.chain(files).chain(others).filter(|block| block.bytes > 0).collect();
        blocks.sort_by_key(|block| std::cmp::Reverse(block.bytes.saturating_mul(block.count)));
        blocks
    }

    /// Bytes of the constants that lie in each weights file.
    fn bytes_by_file(&self) -> FxHashMap<u32, Bytes> {
        let mut by_file: FxHashMap<u32, Bytes> = FxHashMap::default();
        let storages = self.allocations.iter();
        for storage in storages.filter(|storage| storage.class == StorageClass::WeightsFile) {
            let node = storage.node;
            if let Op::Constant(constant) = &self.bodies[node.graph as usize].node(node.node).op
                && let Some(range) = constant.range
            {
                *by_file.entry(range.file).or_default() += storage.bytes;
            }
        }
        by_file
    }

    /// An arena lasts: what another planner needs is the most that it needs in any phase up to this one.
    fn planner(&self, subject: &Subject<'_>) -> model::Planner {
        let (arena, bound) = (self.phase.plan.arena_size.0, self.peak_pressure.0);
        let gap = if bound == 0 { 0.0 } else { arena as f64 / bound as f64 - 1.0 };
        let mut best = (subject.planner, arena);
        if arena > bound {
            let so_far = subject.phases.iter().filter(|phase| phase.name <= self.phase.name);
            let plans = so_far.filter_map(|phase| plan::best_of_greedy(&phase.problem).ok());
            let other = plans.map(|(planner, plan)| (planner, plan.arena_size.0)).max_by_key(|other| other.1);
            best = other.filter(|other| other.1 < arena).unwrap_or(best);
        }
        model::Planner {
            name: subject.planner.name().to_owned(),
            arena_bytes: arena,
            lower_bound_bytes: bound,
            gap,
            best_name: best.0.name().to_owned(),
            best_arena_bytes: best.1,
        }
    }

    fn steps(&self) -> Vec<model::Step> {
        let components: Vec<Vec<Component>> = self.bodies.iter().map(|body| component::of(body)).collect();
        let mut curve = problem::pressure(&self.phase.problem).into_iter().peekable();
        let mut pressure = Bytes::ZERO;
        let steps = self.phase.lowered.schedule().steps.iter().zip(0_u32..);
        steps
            .map(|(step, now)| {
                while let Some((_, bytes)) = curve.next_if(|(start, _)| *start <= now) {
                    pressure = bytes;
                }
                let component = components[step.node.graph as usize][step.node.node.index()];
                model::Step {
                    index: u64::from(now),
                    node: self.node_name(step.node).to_owned(),
                    op: self.node_type(step.node).to_owned(),
                    component: component.part.to_owned(),
                    pressure_bytes: pressure.0,
                }
            })
            .collect()
    }

    fn buffers(&self) -> Vec<model::Buffer> {
        let lowered = self.phase.lowered.schedule();
        let mut tensors: Vec<Vec<String>> = vec![Vec::new(); lowered.storages.len()];
        for value in &lowered.values {
            if let Some(tensor) = value.tensor {
                let node = lowered.storage(value.storage).node;
                tensors[value.storage.index()].push(self.tensor_name(node, Some(tensor)));
            }
        }
        let planned = lowered.planned().zip(&self.phase.problem.buffers).zip(&self.phase.plan.offsets);
        let buffers = planned.enumerate().map(|(id, (((storage, _), buffer), offset))| model::Buffer {
            id: id as u64,
            start: u64::from(buffer.live.start),
            end: u64::from(buffer.live.end),
            size_bytes: buffer.size.0,
            offset_bytes: offset.0,
            tensors: std::mem::take(&mut tensors[storage.index()]),
        });
        buffers.collect()
    }
}

impl Report {
    /// Whether every number stands: no unknown sizes.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.totals.known != model::Known::LowerBound
    }
}
