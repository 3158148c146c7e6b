//! What ONNX Runtime's CPU provider holds in memory for a graph.
//!
//! One file per rule: `symbolic`, what it knows of shapes; `fuse`, the optimizer; `order`, the execution order;
//! `reuse`, which tensors share a buffer; `kernels`, in-place kernels and their workspace, and apart that of
//! `attention` and `nbits`, products with blocks of weights; `weights`, initializers; `creation`, what is allocated and
//! freed until the session is made; `bodies`, control flow; `precision`, what is computed in single instead of half.
//! The result is an ordinary [`Lowered`] whose storages are the runtime's buffers, placed by the planner `bfc-arena`.
//!
//! In the first run of a set of shapes each buffer is a request of its own ([`Storage::grows`]); the second has a
//! memory pattern of the first, so that all but outputs and workspace are one request. See [`repeated`].
//!
//! Not covered: parallel execution, providers other than CPU, sparse and sequence tensors (each counts as it is declared).
//!
//! Source: ONNX Runtime 1.31.1 on x86-64 with AVX-512.

mod attention;
mod bodies;
mod creation;
mod fuse;
mod kernels;
mod nbits;
mod order;
mod precision;
mod reuse;
mod symbolic;
mod weights;
mod work;

use super::{
    Assumption, Known, Lowered, NodeRef, OptimizedNode, Origin, Process, Remainders, Residency, Start, Step,
    Storage, StorageClass, TensorRef, Value, state,
};
use crate::graph::{Graph, Op};
use crate::ids::{StorageId, ValueId};
use crate::profile::{Arena, OnnxRunner, OnnxRuntimeCpu};
use crate::scenario::input_name;
use crate::shape::Shapes;
use crate::units::Bytes;
use bodies::Iterated;
use reuse::Reuse;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::cmp::Reverse;
use work::Work;

/// Pages of the runtime's library that the creation of a session touches; measured on chains of 1 to 1,600 nodes.
const LIBRARY: u64 = 7_598_080;
/// Of these, pages that reading a file touches; measured when the buffer is freed that the file was read through.
const LIBRARY_READING: u64 = 204_800;
/// Pages that a first run adds; measured on a model of products, a norm and a softmax, of 64 columns.
const LIBRARY_RUN: u64 = 671_744;

/// A region of the arena has a table with 8 bytes for each 256 of it.
///
/// Source: `AllocationRegion`, ONNX Runtime, onnxruntime/core/framework/bfc_arena.h; traces of 1.31.1.
const TABLE: u64 = 256 / 8;

/// The number of the iteration and the condition, which a loop keeps beside its body.
const COUNTER: u64 = 8;
const CONDITION: u64 = 1;

/// Requests that stand for what the iterations of a loop give to be stacked, at the most.
const MOST_ITERATIONS: u64 = 16;

/// How a creation mostly goes, and how it goes where the heap keeps the most.
const MODES: [Remainders; 2] = [Remainders::Joined, Remainders::Taken];

/// How the heap may be when a run starts: at one of four places, and with free small blocks, or without. `malloc_info` of
/// four sessions counts 3, 51, 55 and 132 blocks of 48 bytes; the place changes from process to process.
const STARTS: [Start; 8] = {
    let mut starts = [Start { place: 0, has_small_holes: true }; 8];
    let mut index = 0;
    while index < starts.len() {
        starts[index] = Start { place: 16 * (index as u64 % 4), has_small_holes: index < 4 };
        index += 1;
    }
    starts
};

/// Lowers a graph to the first run of it.
///
/// Cost: linear in nodes and edges, but for the search among freed buffers.
pub(super) fn apply(graph: &Graph, shapes: &Shapes, options: &OnnxRuntimeCpu) -> Lowered {
    let (work, order) = optimized(Work::new(graph, shapes), options);
    let settings = Settings::new(graph, options);
    let mut lowered = run(&work, &order, &settings);
    let weights = weights::of(&work, &settings);
    let objects = objects(graph);
    let sessions = MODES.map(|mode| creation::of(&work, &weights, options, objects, mode));
    lowered.storages.extend(weights.held.iter().map(initializer));
    lowered.storages.extend(unwritten(&weights, options));
    lowered.storages.extend(reserved(&work, &order, options));
    lowered.assumptions.extend(assumptions(&work, &order));
    lowered.assumptions.extend(of_runner(options.runner));
    lowered.residency = Residency {
        unread_bytes: Bytes(weights::unread(&work, &order, options)),
        kept_bytes: Bytes(sessions[0].heap.resident())
            - Bytes(sessions[0].stays)
            - objects.graph
            - objects.session,
        library_bytes: Bytes(LIBRARY + LIBRARY_RUN),
        ..Residency::default()
    };
    let bytes = objects.graph + objects.session;
    lowered.storages.push(lasting(StorageClass::Runtime, bytes.0, NodeRef::default(), Known::Assumed));
    let has_arena = options.arena != Arena::Off;
    for (mode, session) in MODES.into_iter().zip(sessions) {
        let process = |start: Start| Process {
            heap: session.heap.clone(),
            start,
            is_usual: mode == Remainders::Joined,
            inputs: None,
            user_bytes: Bytes::ZERO,
            runners: Vec::new(),
            blocks: Vec::new(),
            has_arena,
            alignment: creation::ALIGNMENT,
            bytes_per_table_byte: TABLE,
        };
        // Regions of an arena stay, wherever the heap lies.
        let starts = if has_arena { &STARTS[..1] } else { &STARTS[..] };
        lowered.processes.extend(starts.iter().copied().map(process));
    }
    lowered
}

/// The session when it is made, at its highest point; no arena yet.
pub(super) fn created(graph: &Graph, shapes: &Shapes, options: &OnnxRuntimeCpu) -> Lowered {
    let (work, _) = optimized(Work::new(graph, shapes), options);
    let weights = weights::of(&work, &Settings::new(graph, options));
    let objects = objects(graph);
    let sessions = MODES.map(|mode| creation::of(&work, &weights, options, objects, mode));
    let session = &sessions[0];
    // While the file is read, few pages of the library are there.
    let resident = |session: &creation::Creation| {
        let (reading, after) = session.resident_peaks;
        Bytes(after.max(reading.saturating_sub(LIBRARY - LIBRARY_READING)))
    };
    let mut lowered = Lowered::default();
    // What is mapped is read in a run, or when it is packed.
    let kept = weights.held.iter().filter(|held| !held.is_mapped);
    lowered.storages.extend(kept.map(initializer));
    let unwritten = unwritten(&weights, options);
    let reserved = unwritten.as_ref().map_or(0, |storage| storage.bytes.0);
    lowered.storages.extend(unwritten);
    let node = weights.held.first().map_or(NodeRef::default(), |held| held.node);
    let mut transient = |class, bytes| {
        if bytes > 0 {
            lowered.storages.push(lasting(class, bytes, node, Known::Assumed));
        }
    };
    transient(
        StorageClass::WeightsAnonymous,
        session.peak.saturating_sub(session.stays.saturating_add(reserved)),
    );
    transient(StorageClass::WeightsFile, session.mapped);
    lowered.residency = Residency {
        anonymous_bytes: Some(resident(session)),
        anonymous_upper_bytes: sessions.iter().map(resident).max(),
        kept_bytes: Bytes(session.heap.resident()) - Bytes(session.peak) - objects.graph - objects.session,
        library_bytes: Bytes(LIBRARY),
        ..Residency::default()
    };
    let bytes = objects.graph + objects.session;
    lowered.storages.push(lasting(StorageClass::Runtime, bytes.0, NodeRef::default(), Known::Assumed));
    lowered
}

/// The same run again: its buffers are one memory pattern.
pub(super) fn repeated(first: &Lowered, options: &OnnxRuntimeCpu) -> Lowered {
    let mut lowered = first.clone();
    if options.memory_pattern {
        let buffers = lowered.storages.iter_mut().filter(|storage| storage.class == StorageClass::Activation);
        buffers.for_each(|storage| storage.grows = false);
    }
    lowered
}

/// The nodes that are left, as they are executed.
pub(super) fn nodes(graph: &Graph, shapes: &Shapes, options: &OnnxRuntimeCpu) -> Vec<OptimizedNode> {
    let (work, order) = optimized(Work::new(graph, shapes), options);
    let mut written: FxHashMap<usize, (usize, usize)> = FxHashMap::default();
    for (position, &node) in order.iter().enumerate() {
        let ports = work.nodes[node].outputs.iter().enumerate();
        written.extend(ports.map(|(port, &value)| (value, (position, port))));
    }
    let made = order.iter().map(|&node| {
        let own = &work.nodes[node];
        OptimizedNode {
            kind: own.kind.to_string(),
            source: own.source,
            inputs: own.inputs.iter().flatten().filter_map(|value| written.get(value).copied()).collect(),
            outputs: own.outputs.iter().map(|&value| work.values[value].tensor).collect(),
        }
    });
    made.collect()
}

/// The block for all initializers that a session without packing plans, and never writes to.
fn unwritten(weights: &weights::Weights, options: &OnnxRuntimeCpu) -> Option<Storage> {
    let first = weights.held.first().filter(|_| !options.prepacking)?;
    let planned = weights.held.iter().filter(|held| !held.is_message);
    let bytes = planned.map(|held| held.bytes).fold(0, u64::saturating_add);
    Some(lasting(StorageClass::WeightsAnonymous, bytes, first.node, Known::Exact))
}

/// The graph that the runtime executes, and in which order.
fn optimized<'a>(mut work: Work<'a>, options: &OnnxRuntimeCpu) -> (Work<'a>, Vec<usize>) {
    fuse::optimize(&mut work, options);
    let order = order::of(&work);
    (work, order)
}

/// What the nodes make the profile take for granted of the machine.
fn assumptions(work: &Work<'_>, order: &[usize]) -> Vec<Assumption> {
    let any = |kinds: &[&str]| order.iter().any(|&node| kinds.contains(&&*work.nodes[node].kind));
    let mut found = Vec::new();
    if any(&["GroupQueryAttention", "MultiHeadAttention"]) {
        let text = "attention works on blocks of scores that fit a second-level cache of 2 MiB, one block for each thread";
        found.push(Assumption { rule: "attention-blocks", text: text.to_owned() });
    }
    if any(&["MatMulNBits"]) {
        let text = "weights in blocks are packed as on x86-64 with AVX-512 and VNNI; the largest workspace of their \
                    products, which lies beside the arena, counts throughout";
        found.push(Assumption { rule: "block-weights-packing", text: text.to_owned() });
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
        "ONNX Runtime GenAI allocates logits and caches beside the arena, {cache}; its tokenizer, sampler and own objects \
         are not counted: 0.25 MiB of these in a measured run"
    );
    Some(Assumption { rule: "genai-runner", text })
}

/// What kernels hold beside the arena while they run: the most of any node, as if it were there throughout.
fn reserved(work: &Work<'_>, order: &[usize], options: &OnnxRuntimeCpu) -> Option<Storage> {
    let of_node = |&node: &usize| Some((nbits::reserved(work, node, options.prepacking)?, node));
    let (bytes, node) =
        order.iter().filter_map(of_node).max_by_key(|&(bytes, node)| (bytes, Reverse(node)))?;
    let source = NodeRef { graph: 0, node: work.nodes[node].source };
    (bytes > 0).then(|| lasting(StorageClass::Workspace, bytes, source, Known::Assumed))
}

/// What holds for all graphs of a model.
struct Settings<'a> {
    options: &'a OnnxRuntimeCpu,
    /// Number of each graph and body in [`Graph::with_bodies`], by address.
    numbers: FxHashMap<usize, u32>,
    /// By number of a body, its [`Emitter::peak`]: an `If` within an `If` would ask for it again at every level.
    peaks: RefCell<FxHashMap<u32, (u64, u32)>>,
}

impl<'a> Settings<'a> {
    fn new(graph: &Graph, options: &'a OnnxRuntimeCpu) -> Settings<'a> {
        let graphs = graph.with_bodies().into_iter().zip(0..);
        let numbers = graphs.map(|(graph, number)| (std::ptr::from_ref(graph).addr(), number)).collect();
        Settings { options, numbers, peaks: RefCell::default() }
    }

    fn number(&self, graph: &Graph) -> u32 {
        self.numbers.get(&std::ptr::from_ref(graph).addr()).copied().unwrap_or(0)
    }
}

/// Steps, buffers and values of one pass over a graph.
fn run(work: &Work<'_>, order: &[usize], settings: &Settings<'_>) -> Lowered {
    let mut emitter = Emitter::new(work, order, settings, Lowered::default());
    for &parameter in work.graph.parameters() {
        if let Some(tensor) = work.graph.output(parameter, 0) {
            let class = state::io_class(input_name(work.graph, parameter));
            let value = emitter.given(tensor.index(), class);
            let value = emitter.lowered.value(value);
            if class == StorageClass::KvCache && settings.options.runner != OnnxRunner::Session {
                emitter.lowered.runners.push(value.storage);
            } else {
                emitter.lowered.user_bytes += value.bytes;
            }
        }
    }
    order.iter().for_each(|&node| emitter.step(node));
    let mut lowered = emitter.lowered;
    let last = lowered.steps.len().saturating_sub(1) as u32;
    for storage in &mut lowered.storages {
        if matches!(storage.class, StorageClass::Output | StorageClass::PresentCache) {
            storage.kept_until = last;
        }
    }
    lowered
}

struct Emitter<'a> {
    work: &'a Work<'a>,
    settings: &'a Settings<'a>,
    number: u32,
    lowered: Lowered,
    reuse: Reuse,
    values: FxHashMap<usize, ValueId>,
    /// Of a body, what its results are outside.
    results: FxHashMap<usize, StorageClass>,
    /// What intermediate results are: those of a loop are in no memory pattern but their body's.
    inner_class: StorageClass,
}

impl<'a> Emitter<'a> {
    fn new(work: &'a Work<'a>, order: &[usize], settings: &'a Settings<'a>, lowered: Lowered) -> Emitter<'a> {
        Emitter {
            work,
            settings,
            number: settings.number(work.graph),
            lowered,
            reuse: reuse::plan(work, order, settings.options.memory_reuse),
            values: FxHashMap::default(),
            results: FxHashMap::default(),
            inner_class: StorageClass::Activation,
        }
    }

    fn step(&mut self, node: usize) {
        let work = self.work;
        let source = NodeRef { graph: self.number, node: work.nodes[node].source };
        let is_shape = matches!(&*work.nodes[node].kind, "Shape" | "Size");
        let inputs = work.nodes[node].inputs.iter().flatten().filter(|_| !is_shape);
        let mut reads: SmallVec<[ValueId; 4]> = inputs.filter_map(|&value| self.read(value)).collect();
        let mut workspace = kernels::scratch(work, node, u64::from(self.settings.options.threads));
        let bodies = bodies::of(work, node);
        if work.is(node, "If") {
            reads.extend(self.branch(&bodies));
        } else if let [body] = &bodies[..]
            && let Some(iterated) = &body.iterated
        {
            reads.extend(self.iterations(body, iterated, &reads, source));
        } else {
            for body in &bodies {
                let (bytes, unknown) = self.peak(body);
                self.lowered.unknown_tensors += unknown;
                workspace.push(bytes);
            }
        }
        let mut writes: SmallVec<[ValueId; 2]> = SmallVec::new();
        for &value in &work.nodes[node].outputs {
            if !self.values.contains_key(&value) {
                writes.extend(self.write(value, source));
            }
        }
        writes.extend(workspace.into_iter().map(|bytes| self.scratch(bytes, source)));
        self.lowered.steps.push(Step { node: source, reads, writes });
    }

    /// The steps of the branch that needs most, and what it gives.
    fn branch(&mut self, bodies: &[bodies::Body<'_>]) -> Vec<ValueId> {
        let highest = match bodies {
            [only] => Some(only),
            _ => bodies.iter().rev().max_by_key(|body| self.peak(body).0),
        };
        let Some(body) = highest else { return Vec::new() };
        let (work, order) = self.inside(body);
        let lowered = std::mem::take(&mut self.lowered);
        let mut inner = Emitter::new(&work, &order, self.settings, lowered);
        inner.inner_class = self.inner_class;
        for &(outer, value) in &body.passed {
            inner.values.extend(self.values.get(&outer).map(|&id| (value, id)));
        }
        for &(value, outer) in &body.results {
            let is_returned = self.reuse.origin[outer] == reuse::Origin::Returned;
            let class = if is_returned { self.returned(outer) } else { self.inner_class };
            inner.results.insert(value, class);
        }
        order.iter().for_each(|&node| inner.step(node));
        let values = std::mem::take(&mut inner.values);
        self.lowered = inner.lowered;
        let given = body.results.iter().filter_map(|&(value, outer)| Some((outer, *values.get(&value)?)));
        let given: Vec<(usize, ValueId)> = given.collect();
        self.values.extend(given.iter().copied());
        given.into_iter().map(|(_, value)| value).collect()
    }

    /// The iterations of a `Loop`; what they leave for its outputs.
    fn iterations(
        &mut self,
        body: &bodies::Body<'_>,
        iterated: &Iterated,
        outside: &[ValueId],
        source: NodeRef,
    ) -> Vec<ValueId> {
        if iterated.trips == Some(0) {
            return Vec::new();
        }
        let counters = [COUNTER, CONDITION].map(|bytes| self.scratch(bytes, source));
        let writes = counters.into_iter().collect();
        self.lowered.steps.push(Step { node: source, reads: outside.iter().copied().collect(), writes });
        let (work, order) = self.inside(body);
        let lowered = std::mem::take(&mut self.lowered);
        let mut inner = Emitter::new(&work, &order, self.settings, lowered);
        inner.inner_class = StorageClass::Scratch;
        for &(outer, value) in body.passed.iter().chain(&iterated.entering) {
            inner.values.extend(self.values.get(&outer).map(|&id| (value, id)));
        }
        let results = || iterated.carried.iter().chain(&iterated.stacked);
        inner.results.extend(results().map(|&value| (value, StorageClass::Scratch)));
        order.iter().for_each(|&node| inner.step(node));
        let values = std::mem::take(&mut inner.values);
        self.lowered = inner.lowered;
        let given = |results: &[usize]| -> Vec<ValueId> {
            results.iter().filter_map(|value| values.get(value).copied()).collect()
        };
        let (carried, mut kept) = (given(&iterated.carried), given(&iterated.stacked));
        kept.extend(counters);
        let others = iterated.trips.map_or(1, |trips| trips - 1);
        if others == 0 {
            return carried.into_iter().chain(kept).collect();
        }

        let (pattern, _) = self.peak(body);
        let bytes_of = |value: usize| work.bytes(value).unwrap_or(0);
        let mut requests = vec![pattern];
        requests.extend(iterated.carried.iter().map(|&value| bytes_of(value)));
        // Where they are many, a request stands for several iterations.
        let blocks = others.min(MOST_ITERATIONS);
        for &value in &iterated.stacked {
            let block = bytes_of(value).saturating_mul(others).div_ceil(blocks);
            requests.extend((0..blocks).map(|_| block));
        }
        let requests = requests.into_iter().filter(|&bytes| bytes > 0);
        let writes: SmallVec<[ValueId; 2]> = requests.map(|bytes| self.scratch(bytes, source)).collect();
        let reads = outside.iter().chain(&carried).chain(&kept).copied().collect();
        // The pattern is the body's own, and gone when the outputs are made.
        kept.extend(writes.iter().skip(usize::from(pattern > 0)));
        self.lowered.steps.push(Step { node: source, reads, writes });
        kept
    }

    /// A request that lasts as long as something reads it.
    fn scratch(&mut self, bytes: u64, source: NodeRef) -> ValueId {
        let storage =
            Storage { grows: true, ..lasting(StorageClass::Scratch, bytes, source, Known::Assumed) };
        self.value(storage, bytes, Origin::Written, None)
    }

    fn inside<'b>(&self, body: &bodies::Body<'b>) -> (Work<'b>, Vec<usize>) {
        let work = body.optimized(self.work, self.settings.options);
        let order = order::of(&work);
        (work, order)
    }

    /// What a body holds at its highest step, and how many of its tensors have no known size.
    fn peak(&self, body: &bodies::Body<'_>) -> (u64, u32) {
        let number = self.settings.number(body.graph);
        if let Some(&known) = self.settings.peaks.borrow().get(&number) {
            return known;
        }
        let (work, order) = self.inside(body);
        let mut inner = Emitter::new(&work, &order, self.settings, Lowered::default());
        // What a loop's body gives is counted where it is kept.
        let results = body.iterated.iter().flat_map(|own| own.carried.iter().chain(&own.stacked));
        inner.results.extend(results.map(|&value| (value, StorageClass::Io)));
        order.iter().for_each(|&node| inner.step(node));
        let found = (peak(&inner.lowered), inner.lowered.unknown_tensors);
        self.settings.peaks.borrow_mut().insert(number, found);
        found
    }

    fn read(&mut self, value: usize) -> Option<ValueId> {
        if let Some(&found) = self.values.get(&value) {
            return Some(found);
        }
        let own = &self.work.values[value];
        let is_captured = own.writer.is_none() && !own.is_constant;
        is_captured.then(|| self.given(value, StorageClass::Io))
    }

    /// A model input: the caller's.
    fn given(&mut self, value: usize, class: StorageClass) -> ValueId {
        let node = self.work.graph.tensor(self.work.values[value].tensor).node;
        let node = NodeRef { graph: self.number, node };
        let bytes = self.bytes(value);
        let id =
            self.value(lasting(class, bytes, node, self.known(value)), bytes, Origin::Resident, Some(value));
        self.values.insert(value, id);
        id
    }

    fn write(&mut self, value: usize, source: NodeRef) -> Option<ValueId> {
        let bytes = self.bytes(value);
        let id = match self.reuse.origin[value] {
            reuse::Origin::Given | reuse::Origin::Unused => return None,
            reuse::Origin::Aliased(input) => {
                let from = self.read(input)?;
                let storage = self.lowered.value(from).storage;
                self.push(storage, bytes, Origin::View(from), Some(value))
            }
            reuse::Origin::Reused => {
                let owner = self.values.get(&self.reuse.buffer[value]).copied()?;
                let storage = self.lowered.value(owner).storage;
                let held = &mut self.lowered.storages[storage.index()];
                held.bytes = held.bytes.max(Bytes(bytes));
                self.push(storage, bytes, Origin::Written, Some(value))
            }
            reuse::Origin::Allocated => {
                let class = self.inner_class;
                let storage = Storage { grows: true, ..lasting(class, bytes, source, self.known(value)) };
                self.value(storage, bytes, Origin::Written, Some(value))
            }
            reuse::Origin::Returned => {
                let class = self.results.get(&value).copied().unwrap_or_else(|| self.returned(value));
                if let Some(past) = self.past_of(value, bytes).filter(|_| class == StorageClass::KvCache) {
                    self.push(past, bytes, Origin::Written, Some(value))
                } else {
                    let grows = class.is_planned();
                    let storage = Storage { grows, ..lasting(class, bytes, source, self.known(value)) };
                    let id = self.value(storage, bytes, Origin::Written, Some(value));
                    self.lowered.runners.extend((!grows).then_some(self.lowered.value(id).storage));
                    id
                }
            }
        };
        self.values.insert(value, id);
        Some(id)
    }

    /// The class of a value that the model returns.
    fn returned(&self, value: usize) -> StorageClass {
        let mut names = self.work.graph.tensor_names(self.work.values[value].tensor);
        let is_cache = names.any(|name| state::io_class(name) == StorageClass::KvCache);
        match (self.settings.options.runner, is_cache) {
            (OnnxRunner::Session, false) => StorageClass::Output,
            (OnnxRunner::Session, true) => StorageClass::PresentCache,
            (OnnxRunner::GenAi { .. }, false) => StorageClass::Io,
            (OnnxRunner::GenAi { .. }, true) => StorageClass::KvCache,
        }
    }

    /// Of a present that is written where its past lies, that storage.
    fn past_of(&self, value: usize, bytes: u64) -> Option<StorageId> {
        if self.settings.options.runner != (OnnxRunner::GenAi { shares_cache: true }) {
            return None;
        }
        let node = self.work.values[value].writer?;
        let past = attention::shared_past(self.work, node, value)?;
        let past = self.lowered.value(*self.values.get(&past)?);
        (past.bytes == Bytes(bytes)).then_some(past.storage)
    }

    fn value(&mut self, storage: Storage, bytes: u64, origin: Origin, value: Option<usize>) -> ValueId {
        let id = StorageId::new(self.lowered.storages.len());
        self.lowered.storages.push(storage);
        self.push(id, bytes, origin, value)
    }

    fn push(&mut self, storage: StorageId, bytes: u64, origin: Origin, value: Option<usize>) -> ValueId {
        let tensor =
            value.map(|value| TensorRef { graph: self.number, tensor: self.work.values[value].tensor });
        let id = ValueId::new(self.lowered.values.len());
        self.lowered.values.push(Value { storage, offset: Bytes::ZERO, bytes: Bytes(bytes), origin, tensor });
        id
    }

    fn bytes(&mut self, value: usize) -> u64 {
        self.work.bytes(value).unwrap_or_else(|| {
            self.lowered.unknown_tensors += 1;
            0
        })
    }

    fn known(&self, value: usize) -> Known {
        if self.work.values[value].is_bound { Known::UpperBound } else { Known::Exact }
    }
}

fn initializer(held: &weights::Held) -> Storage {
    let class = if held.is_mapped { StorageClass::WeightsFile } else { StorageClass::WeightsAnonymous };
    lasting(class, held.bytes, held.node, Known::Exact)
}

fn objects(graph: &Graph) -> weights::Objects {
    let graphs = graph.with_bodies();
    let nodes = graphs.iter().flat_map(|graph| graph.nodes());
    let nodes = nodes.filter(|node| !matches!(node.op, Op::Constant(_) | Op::Parameter | Op::Result));
    weights::objects(nodes.count())
}

fn lasting(class: StorageClass, bytes: u64, node: NodeRef, known: Known) -> Storage {
    Storage { class, bytes: Bytes(bytes), alignment: 1, node, known, kept_until: 0, grows: false }
}

/// Bytes of planned storages at the step where they are most.
fn peak(lowered: &Lowered) -> u64 {
    let mut changes: Vec<i128> = vec![0; lowered.steps.len() + 2];
    let end = lowered.steps.len().saturating_sub(1);
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; lowered.storages.len()];
    for (now, step) in lowered.steps.iter().enumerate() {
        for &value in step.reads.iter().chain(&step.writes) {
            lives[lowered.value(value).storage.index()].get_or_insert((now, now)).1 = now;
        }
    }
    for (storage, life) in lowered.storages.iter().zip(lives) {
        if let (true, Some((first, last))) = (storage.class.is_planned(), life) {
            let is_returned = matches!(storage.class, StorageClass::Output | StorageClass::PresentCache);
            let last = if is_returned { end } else { last };
            changes[first] += i128::from(storage.bytes.0);
            changes[last + 1] -= i128::from(storage.bytes.0);
        }
    }
    let (mut now, mut most) = (0_i128, 0_i128);
    for change in changes {
        now += change;
        most = most.max(now);
    }
    u64::try_from(most).unwrap_or(u64::MAX)
}
