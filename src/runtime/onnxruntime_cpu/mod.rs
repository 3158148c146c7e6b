//! What ONNX Runtime's CPU provider holds in memory for a graph.
//!
//! One file per rule: `symbolic`, what it knows of shapes; `fuse`, the optimizer; `order`, the execution order;
//! `reuse`, which tensors share a buffer; `kernels`, in-place kernels and their workspace, and apart that of
//! `attention` and `nbits`, products with blocks of weights; `weights`, initializers; `creation`, what is allocated and
//! freed until the session is made; `bodies`, control flow; `steps`, what runs and which buffers it has; `precision`, what is computed in single instead of half.
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
mod initializers;
mod kernel;
mod kernels;
mod nbits;
mod options;
mod order;
mod precision;
mod reuse;
mod steps;
mod symbolic;
mod weights;
mod work;

use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::process::{Remainders, Start};
use crate::schedule::{Assumption, Known, Lowered, NodeRef, Process, Residency, Storage, StorageClass};
use crate::shape::Shapes;
use crate::units::Bytes;
use kernel::Kernel;
pub use options::{Arena, GraphOptimization, OnnxRunner, OnnxRuntimeCpu};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use steps::{Settings, lasting, run};
use work::Work;

/// One node of the graph that ONNX Runtime executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptimizedNode {
    /// Operator type, `nchwc.` before those of blocked layout.
    pub kind: String,
    /// The node of the file that it stands for: of those fused, the last.
    pub source: NodeId,
    /// What it reads of other nodes: their positions in the list, and outputs.
    pub inputs: Vec<(usize, usize)>,
    /// The tensors of the file that its outputs stand for.
    pub outputs: Vec<TensorId>,
}

/// The nodes that ONNX Runtime's CPU provider executes of a graph, bodies apart, in execution order.
#[must_use]
pub fn optimized(graph: &Graph, shapes: &Shapes, options: &OnnxRuntimeCpu) -> Vec<OptimizedNode> {
    nodes(graph, shapes, options)
}

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

/// Bytes of the owner of a tensor's data and of its count of references; seen in traces of 1.31.1.
const TENSOR_OBJECTS: [u64; 2] = [32, 24];

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
    let (work, order) = optimized_work(Work::new(graph, shapes), options);
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
            tensor_objects: TENSOR_OBJECTS,
        };
        // Regions of an arena stay, wherever the heap lies.
        let starts = if has_arena { &STARTS[..1] } else { &STARTS[..] };
        lowered.processes.extend(starts.iter().copied().map(process));
    }
    lowered
}

/// The session when it is made, at its highest point; no arena yet.
pub(super) fn created(graph: &Graph, shapes: &Shapes, options: &OnnxRuntimeCpu) -> Lowered {
    let (work, _) = optimized_work(Work::new(graph, shapes), options);
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
    let (work, order) = optimized_work(Work::new(graph, shapes), options);
    let mut written: FxHashMap<usize, (usize, usize)> = FxHashMap::default();
    for (position, &node) in order.iter().enumerate() {
        let ports = work.nodes[node].outputs.iter().enumerate();
        written.extend(ports.map(|(port, &value)| (value, (position, port))));
    }
    let made = order.iter().map(|&node| {
        let own = &work.nodes[node];
        OptimizedNode {
            kind: own.kind.name().unwrap_or_else(|| graph.node_type(own.source)).to_owned(),
            source: own.source,
            inputs: own.inputs().iter().flatten().filter_map(|value| written.get(value).copied()).collect(),
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
fn optimized_work<'a>(mut work: Work<'a>, options: &OnnxRuntimeCpu) -> (Work<'a>, Vec<usize>) {
    fuse::optimize(&mut work, options);
    let order = order::of(&work);
    (work, order)
}

/// What the nodes make the profile take for granted of the machine.
fn assumptions(work: &Work<'_>, order: &[usize]) -> Vec<Assumption> {
    let any = |kinds: &[Kernel]| order.iter().any(|&node| kinds.contains(&work.nodes[node].kind));
    let mut found = Vec::new();
    if any(&[Kernel::GroupQueryAttention, Kernel::MultiHeadAttention]) {
        let text = "attention works on blocks of scores that fit a second-level cache of 2 MiB, one block for each thread";
        found.push(Assumption { rule: "attention-blocks", text: text.to_owned() });
    }
    if any(&[Kernel::MatMulNBits]) {
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
