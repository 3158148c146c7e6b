//! What ONNX Runtime's CPU provider holds in memory for a graph.
//!
//! One file per rule: `known_dims`, what it knows of shapes; `fuse`, the optimizer; `order`, the execution order;
//! `reuse`, which tensors share a buffer; `kernel`, the operators that it has, and which compute in place; `workspace`,
//! what they ask for while they run, and apart that of `attention`, `moe` and `nbits`, products with blocks of weights;
//! `initializers`, where files have them, and `weights`, where they are in the end; `creation`, what is allocated and
//! freed until the session is made; `bodies`, control flow; `steps`, what runs and which buffers it has; `precision`,
//! what is computed in single instead of half.
//! The result is an ordinary [`Lowered`] whose storages are the runtime's buffers, placed by the planner `bfc-arena`.
//!
//! In the first run of a set of shapes each buffer is a request of its own ([`Storage::grows`]); the second has a
//! memory pattern of the first, so that all but outputs and workspace are one request. See `repeated`.
//!
//! Not covered: parallel execution, providers other than CPU, sparse and sequence tensors (each counts as it is declared).
//!
//! Source: ONNX Runtime 1.31.1 on x86-64 with AVX-512.

mod arena_weights;
mod attention;
mod bodies;
pub mod calibration;
mod creation;
mod fuse;
mod initializers;
mod integers;
mod kernel;
mod known_dims;
mod moe;
mod nbits;
mod options;
mod order;
mod precision;
mod process;
mod reuse;
mod steps;
mod weights;
mod work;
mod workspace;

pub use options::{Arena, GraphOptimization, OnnxRunner, OnnxRuntimeCpu, REGISTRATION};

use super::{
    Allocation, Alternative, Assumption, Executed, ExecutedNode, ExecutedOutput, Lowered, Outcome, Pass,
    Phase, PhaseName, Placed, Residency, Runtime, RuntimeData,
};
use crate::error::Result;
use crate::graph::{Format, Graph};
use crate::machine::Machine;
use crate::plan::{self, Planner, Shrunk};
use crate::problem::{Plan, Problem};
use crate::process::{SplitRemainder, Start};
use crate::schedule::{Draft, Known, NodeRef, Storage, StorageClass};
use crate::shape::Shapes;
use crate::units::Bytes;
use calibration as fit;
use kernel::Kernel;
use process::{Facts, Process};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use steps::{Settings, run};
use work::Work;

/// A region of the arena has a table with 8 bytes for each 256 of it.
///
/// Source: `AllocationRegion`, ONNX Runtime, onnxruntime/core/framework/bfc_arena.h; traces of 1.31.1.
const TABLE: u64 = 256 / 8;

impl Runtime for OnnxRuntimeCpu {
    fn name(&self) -> &'static str {
        "onnxruntime-cpu"
    }

    fn version(&self) -> &'static str {
        "1.31.1"
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        self.entries()
    }

    fn alternatives(&self, _graph: &Graph) -> Vec<Alternative> {
        let has_arena = self.arena != Arena::Off;
        let is_external = self.external_weights == Some(true);
        Alternative::of_table([
            (self.prepacking, &[("no-prepacking", "true")], "set session.disable_prepacking=1"),
            (has_arena, &[("arena", "off")], "set enable_cpu_mem_arena=False"),
            (self.arena == Arena::Doubled, &[("arena", "same-as-requested")], "set arena_extend_strategy=1"),
            (
                has_arena && !self.shrinks_arena,
                &[("arena-shrinkage", "true")],
                "set memory.enable_memory_arena_shrinkage",
            ),
            (!is_external, &[("weights", "external")], "save the model with external data"),
        ])
    }

    fn planner(&self) -> Planner {
        match self.arena {
            Arena::Doubled => Planner::BfcArena,
            Arena::AsRequested => Planner::BfcArenaAsRequested,
            Arena::Off => Planner::BestFit,
        }
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Onnx]
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        let options = self.hosted_by(pass.scenario);
        let session = Session::new(pass.graph, pass.shapes, &options);
        let running = session.running()?;
        let again = (pass.name == PhaseName::Infer).then(|| repeated(&running, &options)).transpose()?;
        let created = pass.is_first.then(|| session.created()).transpose()?;
        let created = created.map(|lowered| (PhaseName::Compile, lowered));
        let again = again.map(|lowered| (PhaseName::InferAgain, lowered));
        Ok(created.into_iter().chain([(pass.name, running)]).chain(again).collect())
    }

    fn place(
        &self,
        _lowered: &Lowered,
        problem: &Problem,
        planner: Planner,
        before: Option<&Phase>,
    ) -> Result<Plan> {
        let Some(before) = before else { return plan::solve(problem, planner) };
        match self.shrunk(before, planner) {
            Some(shrunk) => plan::solve_after_shrinking(problem, planner, &shrunk),
            None => plan::solve_after(problem, planner, &before.plan),
        }
    }

    fn finish(&self, placed: &Placed<'_>) -> Result<Outcome> {
        let own = Facts::default();
        let facts = placed.lowered.data().get::<Facts>().unwrap_or(&own);
        // Without an arena, another set of shapes is simulated from the session's start.
        let continues = placed.planner.keeps_arena() || placed.name == PhaseName::InferAgain;
        let before = placed.before.filter(|_| continues);
        let carried = before.and_then(|before| before.outcome.carried.get::<Vec<Process>>());
        let mut processes = carried.unwrap_or(&facts.processes).clone();
        if let Some(shrunk) = before.and_then(|before| self.shrunk(before, placed.planner)) {
            process::shrink(&mut processes, &shrunk.kept);
        }
        process::follow(placed, facts, processes)
    }

    fn executed(&self, graph: &Graph, shapes: &Shapes) -> Result<Option<Executed>> {
        Ok(Some(Executed { nodes: nodes(graph, shapes, self, None), ..Executed::default() }))
    }

    fn passes(&self) -> Vec<&'static str> {
        fuse::passes()
    }

    fn executed_after(&self, graph: &Graph, shapes: &Shapes, pass: &str) -> Result<Option<Executed>> {
        Ok(Some(Executed { nodes: nodes(graph, shapes, self, Some(pass)), ..Executed::default() }))
    }

    fn reads_genai_config(&self) -> bool {
        true
    }
}

impl OnnxRuntimeCpu {
    /// What the phase before left of its arena, where regions that nothing is in are freed: the caller still has the outputs.
    fn shrunk(&self, before: &Phase, planner: Planner) -> Option<Shrunk> {
        if !self.shrinks_arena || !planner.keeps_arena() {
            return None;
        }
        let is_returned =
            |storage: &Storage| matches!(storage.class, StorageClass::Output | StorageClass::PresentCache);
        let planned = before.lowered.schedule().planned();
        let held: Vec<bool> = planned.map(|(_, storage)| is_returned(storage)).collect();
        Some(plan::shrink(&before.problem, planner, &before.plan, |index| held.get(index) == Some(&true)))
    }
}

/// A session: the optimized graph and its initializers.
struct Session<'a> {
    options: &'a OnnxRuntimeCpu,
    work: Work<'a>,
    order: Vec<usize>,
    weights: weights::Weights,
    objects: weights::Objects,
    /// How its creation may go, in the order of [`fit::MODES`].
    creations: [creation::Creation; 2],
}

impl<'a> Session<'a> {
    fn new(graph: &'a Graph, shapes: &'a Shapes, options: &'a OnnxRuntimeCpu) -> Session<'a> {
        let (work, order) = optimized(Work::new(graph, shapes), options);
        let weights = weights::of(&work, &Settings::new(options));
        let objects = weights::objects(&work, &weights);
        let creations = fit::MODES.map(|mode| creation::of(&work, &weights, options, objects, mode));
        Session { options, work, order, weights, objects, creations }
    }

    /// The first run with a set of shapes.
    ///
    /// Cost: linear in nodes and edges, but for the search among freed buffers.
    fn running(&self) -> Result<Lowered> {
        let Session { work, order, options, objects, .. } = self;
        let (mut draft, hosted) = run(work, order, &Settings::new(options));
        arena_weights::keep(&mut draft, work, &self.weights);
        let initializers = self.weights.held.iter().map(initializer);
        let unwritten = unwritten(&self.weights, options);
        let own = allocation(StorageClass::Runtime, objects.all().0, NodeRef::default(), Known::Assumed);
        let memory = initializers.chain(unwritten).chain(reserved(work, order, options)).chain([own]);
        let residency = Residency {
            known: Known::Assumed,
            unread_bytes: Bytes(weights::unread(work, order, options)),
            kept_bytes: Bytes(self.creations[0].heap.resident())
                - Bytes(self.creations[0].stays)
                - objects.all(),
            library_bytes: Bytes((fit::LIBRARY.estimate() + fit::LIBRARY_RUN.estimate()).known().0),
            ..Residency::default()
        };
        let assumptions =
            assumptions(work, order, &options.machine).into_iter().chain(of_runner(options.runner));
        let facts = Facts { residency, hosted, processes: self.processes() };
        let lowered = Lowered::new(draft)?.with_memory(memory).with_assumptions(assumptions);
        Ok(lowered.with_assumptions(options::assumptions()).with_data(RuntimeData::new(facts)))
    }

    /// The process when the session is made, in each way in which it may go.
    fn processes(&self) -> Vec<Process> {
        let has_arena = self.options.arena != Arena::Off;
        // Regions of an arena stay, at whatever addresses the heap is.
        let starts = if has_arena { &fit::STARTS[..1] } else { &fit::STARTS[..] };
        let of_mode = |(mode, creation): (SplitRemainder, &creation::Creation)| {
            let process = |&start: &Start| Process {
                heap: creation.heap.clone(),
                start,
                is_usual: mode == SplitRemainder::Joined,
                inputs: None,
                user_bytes: Bytes::ZERO,
                hosted: Vec::new(),
                blocks: Vec::new(),
                has_arena,
                alignment: creation::ALIGNMENT,
                bytes_per_table_byte: TABLE,
                tensor_objects: [fit::TENSOR_OWNER, fit::TENSOR_COUNT]
                    .map(|object| object.estimate().known().0),
            };
            starts.iter().map(process).collect::<Vec<_>>()
        };
        fit::MODES.into_iter().zip(&self.creations).flat_map(of_mode).collect()
    }

    /// The session when it is made, at its highest point.
    fn created(&self) -> Result<Lowered> {
        let Session { weights, options, objects, .. } = self;
        let session = &self.creations[0];
        // While the file is read, few pages of the library are there.
        let resident = |session: &creation::Creation| {
            let (reading, after) = session.resident_peaks;
            let (absent, _) = (fit::LIBRARY.estimate() - fit::LIBRARY_READING.estimate()).known();
            Bytes(after.max(reading.saturating_sub(absent)))
        };
        // What is mapped is read in a run, or when it is packed.
        let kept = weights.held.iter().filter(|held| !held.is_mapped);
        let mut memory: Vec<Allocation> = kept.map(initializer).collect();
        let unwritten = unwritten(weights, options);
        let reserved = unwritten.as_ref().map_or(0, |held| held.bytes.0);
        memory.extend(unwritten);
        let node = weights.held.first().map_or(NodeRef::default(), |held| held.node);
        let packing = session.peak.saturating_sub(session.stays.saturating_add(reserved));
        let transient =
            [(StorageClass::WeightsAnonymous, packing), (StorageClass::WeightsFile, session.mapped)];
        let transient = transient.into_iter().filter(|&(_, bytes)| bytes > 0);
        memory.extend(transient.map(|(class, bytes)| allocation(class, bytes, node, Known::Assumed)));
        memory.push(allocation(StorageClass::Runtime, objects.all().0, NodeRef::default(), Known::Assumed));
        let residency = Residency {
            known: Known::Assumed,
            anonymous_bytes: Some(resident(session)),
            anonymous_lower_bytes: self.creations.iter().map(resident).min(),
            anonymous_upper_bytes: self.creations.iter().map(resident).max(),
            kept_bytes: Bytes(session.heap.resident()) - Bytes(session.peak) - objects.all(),
            library_bytes: Bytes(fit::LIBRARY.estimate().known().0),
            ..Residency::default()
        };
        let facts = Facts { residency, ..Facts::default() };
        let lowered = Lowered::new(Draft::default())?.with_memory(memory);
        Ok(lowered.with_assumptions(options::assumptions()).with_data(RuntimeData::new(facts)))
    }
}

/// The same run again: its buffers are one memory pattern.
fn repeated(first: &Lowered, options: &OnnxRuntimeCpu) -> Result<Lowered> {
    let (mut draft, memory, assumptions, data) = first.clone().into_parts();
    if options.memory_pattern {
        let buffers = draft.storages.iter_mut().filter(|storage| storage.class == StorageClass::Activation);
        buffers.for_each(|storage| storage.grows = false);
    }
    Ok(Lowered::new(draft)?.with_memory(memory).with_assumptions(assumptions).with_data(data))
}

/// The nodes that are left of a graph, bodies apart, in execution order; after the pass named `last`, else after all.
fn nodes(graph: &Graph, shapes: &Shapes, options: &OnnxRuntimeCpu, last: Option<&str>) -> Vec<ExecutedNode> {
    let mut work = Work::new(graph, shapes);
    fuse::optimize(&mut work, options, last);
    let order = order::of(&work);
    let mut written: FxHashMap<usize, (usize, usize)> = FxHashMap::default();
    for (position, &node) in order.iter().enumerate() {
        let ports = work.nodes[node].outputs.iter().enumerate();
        written.extend(ports.map(|(port, &value)| (value, (position, port))));
    }
    let output = |node: usize, value: usize| {
        let own = &work.values[value];
        // The runtime names what a rewritten node writes after the node.
        let name = match value == own.tensor.index() {
            true => graph.tensor_names(own.tensor).next(),
            false => Some(graph.node_name(work.nodes[node].source)),
        };
        ExecutedOutput {
            dtype: own.dtype,
            dims: own.dims.clone().unwrap_or_default(),
            layout: "plain",
            is_dynamic: false,
            tensor: name.map(str::to_owned),
        }
    };
    let made = order.iter().map(|&node| {
        let own = &work.nodes[node];
        ExecutedNode {
            name: graph.node_name(own.source).to_owned(),
            kind: own.kind.name().unwrap_or_else(|| graph.node_type(own.source)).to_owned(),
            originals: vec![graph.node_name(own.source).to_owned()],
            inputs: own.inputs().iter().flatten().filter_map(|value| written.get(value).copied()).collect(),
            outputs: own.outputs.iter().map(|&value| output(node, value)).collect(),
            is_view: false,
            computes: true,
        }
    });
    made.collect()
}

/// The block for all initializers that a session without packing plans, and never writes to.
fn unwritten(weights: &weights::Weights, options: &OnnxRuntimeCpu) -> Option<Allocation> {
    let first = weights.held.first().filter(|_| !options.prepacking)?;
    let planned = weights.held.iter().filter(|held| !held.is_message);
    let bytes = planned.map(|held| held.bytes).fold(0, u64::saturating_add);
    Some(allocation(StorageClass::WeightsAnonymous, bytes, first.node, Known::Exact))
}

/// The graph that the runtime executes, and in which order.
fn optimized<'a>(mut work: Work<'a>, options: &OnnxRuntimeCpu) -> (Work<'a>, Vec<usize>) {
    fuse::optimize(&mut work, options, None);
    let order = order::of(&work);
    (work, order)
}

/// What the nodes make the profile take for granted of the machine.
fn assumptions(work: &Work<'_>, order: &[usize], machine: &Machine) -> Vec<Assumption> {
    let any = |kinds: &[Kernel]| order.iter().any(|&node| kinds.contains(&work.nodes[node].kind));
    let mut found = Vec::new();
    if any(&[Kernel::GroupQueryAttention, Kernel::MultiHeadAttention]) {
        let text = format!(
            "attention works on blocks of scores that fit a second-level cache of {} MiB, one block for each thread",
            machine.l2.0 as f64 / f64::from(1 << 20)
        );
        found.push(Assumption { rule: "attention-blocks", text });
    }
    if any(&[Kernel::MatMulNBits]) {
        let text = "weights in blocks are packed as on x86-64 with AVX-512 and VNNI; the largest workspace of their \
                    products, which lies next to the arena, counts throughout";
        found.push(Assumption { rule: "block-weights-packing", text: text.to_owned() });
    }
    if any(&[Kernel::MoE, Kernel::QMoE]) {
        let text = "the workspace of experts depends on how the router spreads tokens, of which each may send all to the \
                    same expert; experts run side by side, one for each thread at most";
        found.push(Assumption { rule: "routed-experts", text: text.to_owned() });
    }
    found
}

/// What the runner of the session makes the profile take for granted.
fn of_runner(runner: OnnxRunner) -> Option<Assumption> {
    let OnnxRunner::GenAi { shares_cache } = runner else { return None };
    let cache = if shares_cache {
        "each cache once for all tokens, as past and present of every pass"
    } else {
        "a present for each pass, which is the past of the next"
    };
    let text = format!(
        "ONNX Runtime GenAI allocates logits and caches next to the arena, {cache}; its tokenizer, sampler and own objects \
         are not counted: {} MiB of these in a measured run",
        fit::GENAI.estimate().known().0 as f64 / f64::from(1 << 20)
    );
    Some(Assumption { rule: "genai-runner", text })
}

/// What kernels hold next to the arena while they run: the most of any node, as if it were there throughout.
fn reserved(work: &Work<'_>, order: &[usize], options: &OnnxRuntimeCpu) -> Option<Allocation> {
    let of_node = |&node: &usize| {
        let products = nbits::reserved(work, node, options.prepacking);
        Some((products.or_else(|| moe::reserved(work, node, &options.machine))?, node))
    };
    let (bytes, node) =
        order.iter().filter_map(of_node).max_by_key(|&(bytes, node)| (bytes, Reverse(node)))?;
    let source = NodeRef { graph: 0, node: work.nodes[node].source };
    (bytes > 0).then(|| allocation(StorageClass::Workspace, bytes, source, Known::Assumed))
}

fn initializer(held: &weights::Held) -> Allocation {
    let class = if held.is_mapped { StorageClass::WeightsFile } else { StorageClass::WeightsAnonymous };
    allocation(class, held.bytes, held.node, Known::Exact)
}

fn allocation(class: StorageClass, bytes: u64, node: NodeRef, known: Known) -> Allocation {
    Allocation { class, bytes: Bytes(bytes), node, known }
}
