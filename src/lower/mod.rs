//! What the runtime really executes: steps that read and write values in storages.
//!
//! After lowering there are no operators, no free dims and no aliases left to
//! find: a planner or a checker needs nothing but this. Everything that
//! depends on the runtime happens here and in [`crate::profile`], nowhere else.

mod alias;
pub mod execution;
mod fold;
pub mod fuse;
mod glibc_heap;
mod onnxruntime_cpu;
mod openvino_cpu;
mod openvino_gpu;
mod schedule;
mod state;

use crate::Bytes;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, StorageId, TensorId, ValueId};
use crate::profile::{Cache, Generation, OnnxRuntimeCpu, OpenvinoCpu, Profile, Reshape, Runtime};
use crate::shape::Shapes;
use execution::{ExecutionGraph, Precision};
pub use glibc_heap::{GlibcHeap, Object, Remainders, Start};
use openvino_cpu::Moment;
use smallvec::SmallVec;

/// A schedule over storages.
///
/// Steps run in order; a step first reads, then writes. Storages that are
/// [planned](StorageClass::is_planned) share one arena; buffer `i` of the
/// planning problem is the `i`-th planned storage, in storage order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// What steps read and write.
    pub values: Vec<Value>,
    /// Where values lie.
    pub storages: Vec<Storage>,
    /// What the profile took for granted.
    pub assumptions: Vec<Assumption>,
    /// Of the storages of class [`StorageClass::Io`]: bytes that the user allocates, not the runtime.
    pub user_bytes: Bytes,
    /// Storages that the runner of a session allocates beside the runtime's arena: caches, and what a run returns.
    pub runners: Vec<StorageId>,
    /// How the resident set differs from what is allocated.
    pub residency: Residency,
    /// The process when the phase begins, or once the phase is proved when it ends: in each way in which it may go, equal
    /// processes being different. Empty: it is not followed.
    pub processes: Vec<Process>,
    /// Arenas of a static graph beside the planned one, of the same size: one per further stream.
    pub further_pools: u32,
    /// Tokens in the states of attention.
    pub cached: Cached,
    /// Tensors whose size is unknown: every total is a lower bound if there are any.
    pub unknown_tensors: u32,
}

/// A process whose heap is followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// The heap.
    pub heap: GlibcHeap,
    /// What is taken for granted of the heap when a run starts.
    pub start: Start,
    /// It is one of those whose middle is told; the others count for the upper bound alone.
    pub is_usual: bool,
    /// The user's arrays; `None`: they are still to be allocated.
    pub inputs: Option<Vec<u64>>,
    /// Of the resident bytes, those that became so for the user's arrays.
    pub user_bytes: Bytes,
    /// The runner's blocks, each with its length.
    pub runners: Vec<(u64, Bytes)>,
    /// The blocks of the arena, in the order of the plan's, each with its table.
    pub blocks: Vec<(u64, u64)>,
    /// Buffers lie in an arena; else each is a block of its own.
    pub has_arena: bool,
    /// What the runtime aligns its blocks to.
    pub alignment: u64,
    /// A region of the arena has a table with one byte for so many of it, written when it is made.
    pub bytes_per_table_byte: u64,
    /// Bytes of the two objects that come after a tensor's own bytes, in this order; a view has the first alone.
    pub tensor_objects: [u64; 2],
}

/// Tokens that the states of attention hold after a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cached {
    /// All of them.
    pub total: u64,
    /// Those that the pass added.
    pub added: u64,
}

/// How the resident set of a process differs from what a runtime has allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Residency {
    /// Allocated, and never written: no page is behind it.
    pub untouched_bytes: Bytes,
    /// Of [`StorageClass::WeightsFile`]: pages that nobody reads.
    pub unread_bytes: Bytes,
    /// Anonymous pages beyond the allocations: freed memory that the allocator keeps, written pages of libraries, stacks.
    pub kept_bytes: Bytes,
    /// All anonymous pages at the phase's peak, where the allocator is followed; what is allocated then tells nothing.
    pub anonymous_bytes: Option<Bytes>,
    /// The same, where the allocator keeps the most.
    pub anonymous_upper_bytes: Option<Bytes>,
    /// File-backed pages of the runtime's libraries.
    pub library_bytes: Bytes,
    /// [`StorageClass::WeightsFile`] is read into the heap, not mapped.
    pub is_file_in_heap: bool,
}

/// One thing that runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The source node that it stands for.
    pub node: NodeRef,
    /// Values that must hold when it starts.
    pub reads: SmallVec<[ValueId; 4]>,
    /// Values that it writes; those with a [`Origin::View`] cost no write.
    pub writes: SmallVec<[ValueId; 2]>,
}

/// A node of a graph or of one of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeRef {
    /// Position in [`Graph::with_bodies`](crate::graph::Graph::with_bodies); 0 is the main graph.
    pub graph: u32,
    /// The node there.
    pub node: NodeId,
}

/// A tensor of a graph or of one of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorRef {
    /// Position in [`Graph::with_bodies`](crate::graph::Graph::with_bodies); 0 is the main graph.
    pub graph: u32,
    /// The tensor there.
    pub tensor: TensorId,
}

impl Default for NodeRef {
    fn default() -> Self {
        NodeRef { graph: 0, node: NodeId::new(0) }
    }
}

/// A tensor as the runtime holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The storage that it lies in.
    pub storage: StorageId,
    /// Its place in the storage.
    pub offset: Bytes,
    /// Its length.
    pub bytes: Bytes,
    /// Where its content comes from.
    pub origin: Origin,
    /// The tensor of the source graph that it stands for, if there is one.
    pub tensor: Option<TensorRef>,
}

/// Where a value's content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The step that writes it puts new bytes there. In-place is this, in the storage of a value that dies.
    Written,
    /// It is there before the first step: inputs, weights, state.
    Resident,
    /// The bytes of another value, or a part of them, untouched.
    View(ValueId),
    /// The bytes of several values side by side, which were written in place.
    Joined(Vec<ValueId>),
}

/// Bytes that one or more values share.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// What it is for.
    pub class: StorageClass,
    /// Its length.
    pub bytes: Bytes,
    /// The offset must be a multiple of this.
    pub alignment: u64,
    /// The node that it belongs to, for reports.
    pub node: NodeRef,
    /// How its length is known.
    pub known: Known,
    /// It is held at least until after this step, though nothing may read it there.
    pub kept_until: u32,
    /// Its size is not known when memory is divided, so that it lies in a block that grows.
    pub grows: bool,
}

/// What a storage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StorageClass {
    /// Constants, in pages of their file.
    WeightsFile,
    /// Constants, copied, converted or packed.
    WeightsAnonymous,
    /// Intermediate results.
    Activation,
    /// Workspace of one step.
    Scratch,
    /// Model inputs and outputs.
    Io,
    /// Keys and values kept between tokens.
    KvCache,
    /// Any other state kept between runs.
    State,
    /// Workspace that the runtime keeps between steps and runs.
    Workspace,
    /// The runtime's own objects: nodes, compiled kernels, caches.
    Runtime,
    /// Memory that the runtime generates machine code into.
    Code,
    /// Model outputs that lie in the planned arena.
    Output,
    /// Keys and values that a run returns, in the planned arena.
    PresentCache,
}

impl StorageClass {
    /// Every class, in the order of reports.
    pub const ALL: [StorageClass; 12] = [
        StorageClass::WeightsFile,
        StorageClass::WeightsAnonymous,
        StorageClass::Activation,
        StorageClass::Scratch,
        StorageClass::Io,
        StorageClass::KvCache,
        StorageClass::State,
        StorageClass::Workspace,
        StorageClass::Runtime,
        StorageClass::Code,
        StorageClass::Output,
        StorageClass::PresentCache,
    ];

    /// Whether it holds constants.
    #[must_use]
    pub fn is_weights(self) -> bool {
        matches!(self, StorageClass::WeightsFile | StorageClass::WeightsAnonymous)
    }

    /// Whether storages of this class share the planned arena; all others are resident for the whole run.
    #[must_use]
    pub fn is_planned(self) -> bool {
        matches!(
            self,
            StorageClass::Activation
                | StorageClass::Scratch
                | StorageClass::Output
                | StorageClass::PresentCache
        )
    }

    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StorageClass::WeightsFile => "weights_file",
            StorageClass::WeightsAnonymous => "weights_anonymous",
            StorageClass::Activation => "activation",
            StorageClass::Scratch => "scratch",
            StorageClass::Io => "io",
            StorageClass::KvCache => "kv_cache",
            StorageClass::State => "state",
            StorageClass::Workspace => "workspace",
            StorageClass::Runtime => "runtime",
            StorageClass::Code => "code",
            StorageClass::Output => "output",
            StorageClass::PresentCache => "present_cache",
        }
    }
}

/// How a number is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Known {
    /// It is this.
    #[default]
    Exact,
    /// It is at most this.
    UpperBound,
    /// A rule without proof gives this.
    Assumed,
    /// It is at least this.
    LowerBound,
}

impl Known {
    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Known::Exact => "exact",
            Known::UpperBound => "upper_bound",
            Known::Assumed => "assumed",
            Known::LowerBound => "lower_bound",
        }
    }

    /// What a sum of two such numbers is: the weaker statement, in the order of this enum.
    #[must_use]
    pub fn and(self, other: Known) -> Known {
        self.max(other)
    }
}

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
    onnxruntime_cpu::nodes(graph, shapes, options)
}

/// Something that a profile takes for granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Short, stable name of the rule.
    pub rule: &'static str,
    /// What is assumed, in one sentence, with its source.
    pub text: String,
}

/// Lowers a graph to what `profile`'s runtime executes.
///
/// Cost: linear in nodes and edges.
///
/// # Errors
///
/// If the profile knows no rule for what the graph asks, or an execution graph contradicts itself.
pub fn apply(graph: &Graph, shapes: &Shapes, profile: &Profile) -> Result<Lowered> {
    match profile.runtime {
        Runtime::Written => Ok(schedule::build(graph, shapes, profile)),
        Runtime::OpenvinoCpu(options) => {
            let execution = executed(graph, shapes, &options)?;
            Ok(openvino_cpu(graph, &execution, profile, &options, Moment::Running))
        }
        Runtime::OpenvinoGpu(options) => Ok(openvino_gpu::apply(graph, shapes, profile, &options)),
        Runtime::OnnxRuntimeCpu(options) => {
            let mut lowered = onnxruntime_cpu::apply(graph, shapes, &options);
            lowered.assumptions.extend(profile.assumptions());
            Ok(lowered)
        }
    }
}

/// What a runtime holds while it reads a graph's file; `None` where the profile tells nothing of it.
#[must_use]
pub fn loaded(graph: &Graph, profile: &Profile) -> Option<Lowered> {
    match profile.runtime {
        Runtime::OpenvinoCpu(options) => Some(openvino_cpu::loaded(&model(graph), &options)),
        _ => None,
    }
}

/// The model as the user holds it.
fn model(graph: &Graph) -> openvino_cpu::Model {
    let bodies = graph.with_bodies();
    let nodes = bodies.iter().map(|body| body.nodes().len() as u64).sum();
    let ranges = (0_u32..).zip(&bodies).flat_map(|(graph, body)| {
        body.nodes().iter().enumerate().filter_map(move |(node, found)| match &found.op {
            Op::Constant(constant) => Some((NodeRef { graph, node: NodeId::new(node) }, constant.range?)),
            _ => None,
        })
    });
    openvino_cpu::Model { nodes, constants: ranges.collect() }
}

/// What [`apply`] gives, and before it what the runtime holds once it has compiled the graph and nothing runs; `None` where
/// the profile tells nothing of that.
///
/// # Errors
///
/// Those of [`apply`].
pub fn apply_from_start(
    graph: &Graph,
    shapes: &Shapes,
    profile: &Profile,
) -> Result<(Option<Lowered>, Lowered)> {
    match profile.runtime {
        Runtime::Written => Ok((None, apply(graph, shapes, profile)?)),
        Runtime::OpenvinoGpu(_) => {
            let running = apply(graph, shapes, profile)?;
            Ok((Some(openvino_gpu::compiled(&running)), running))
        }
        Runtime::OpenvinoCpu(options) => {
            let execution = executed(graph, shapes, &options)?;
            let at = |moment| openvino_cpu(graph, &execution, profile, &options, moment);
            Ok((Some(at(Moment::Compiled)), at(Moment::Running)))
        }
        Runtime::OnnxRuntimeCpu(options) => {
            let mut created = onnxruntime_cpu::created(graph, shapes, &options);
            created.assumptions.extend(profile.assumptions());
            Ok((Some(created), apply(graph, shapes, profile)?))
        }
    }
}

/// What a second run with the same shapes does otherwise than the first; `None` where the runtime makes no difference.
#[must_use]
pub fn repeated(first: &Lowered, profile: &Profile) -> Option<Lowered> {
    match profile.runtime {
        Runtime::OnnxRuntimeCpu(options) => Some(onnxruntime_cpu::repeated(first, &options)),
        _ => None,
    }
}

/// The last length up to `length` tokens at which `profile`'s cache of keys and values grows, in a generation of `batch`
/// sequences; `None` where it never does.
#[must_use]
pub fn last_growth(profile: &Profile, batch: u64, generation: Generation, length: u64) -> Option<u64> {
    match profile.runtime {
        Runtime::Written | Runtime::OpenvinoGpu(_) | Runtime::OnnxRuntimeCpu(_) => None,
        Runtime::OpenvinoCpu(options) => openvino_cpu::last_growth(options.cache, batch, generation, length),
    }
}

/// The graph that OpenVINO's CPU plugin executes: read where the file is one, else made from the export.
///
/// # Errors
///
/// If an execution graph contradicts itself or `options`, or an export has no shapes to compile with.
pub fn executed(graph: &Graph, shapes: &Shapes, options: &OpenvinoCpu) -> Result<ExecutionGraph> {
    let mut execution = if execution::is_execution_graph(graph) {
        let read = execution::read(graph, shapes, options.reshape)?;
        agrees(graph, "precision", options.precision, Some(read.precision.dtype()))?;
        agrees(graph, "kv-precision", options.kv_precision, read.kv_precision)?;
        read
    } else {
        let options = fuse::Options {
            precision: options.precision(),
            is_dynamic: options.reshape != Some(Reshape::Static),
            last_logits: options.last_logits,
            kv_precision: options.kv_precision,
            is_paged: options.cache == Cache::Paged,
        };
        fuse::execution_graph(graph, shapes, options)?
    };
    // Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/config.h.
    execution.kv_precision.get_or_insert(DType::U8);
    let has_blocks = execution.nodes.iter().any(|node| node.kind == execution::Kind::PagedAttention);
    if has_blocks && execution.kv_precision == Some(DType::F32) && execution.precision != Precision::F32 {
        let precision = execution.precision.dtype();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("a paged cache of f32 was asked for, and attention computes in {precision}"),
        )
        .in_file(graph.file())
        .note("OpenVINO refuses to compile this")
        .help(format!("add `--precision f32`, or give `--kv-precision u8` or `{precision}`")));
    }
    Ok(execution)
}

fn openvino_cpu(
    graph: &Graph,
    execution: &ExecutionGraph,
    profile: &Profile,
    options: &OpenvinoCpu,
    moment: Moment,
) -> Lowered {
    let tensor_of = |port: execution::Port| {
        let node = execution.node(port.step)?.source.node;
        graph.output(node, port.port as usize)
    };
    let mut lowered = openvino_cpu::apply(execution, options, moment, &model(graph), tensor_of);
    lowered.assumptions.extend(profile.assumptions());
    lowered
}

/// An execution graph is what it is: an option that contradicts it is an error.
fn agrees(graph: &Graph, flag: &str, asked: Option<DType>, found: Option<DType>) -> Result<()> {
    match (asked, found) {
        (Some(asked), Some(found)) if asked != found => Err(Error::new(
            ErrorKind::Usage,
            format!("`--{flag} {asked}` was given, and the execution graph was compiled with {found}"),
        )
        .in_file(graph.file())
        .help(format!("leave `--{flag}` away, or give the model that the graph was compiled from"))),
        _ => Ok(()),
    }
}

impl Lowered {
    /// The value with this id.
    #[must_use]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The storage with this id.
    #[must_use]
    pub fn storage(&self, id: StorageId) -> &Storage {
        &self.storages[id.index()]
    }

    /// The storages that are planned: the `i`-th is buffer `i` of the problem.
    pub fn planned(&self) -> impl Iterator<Item = (StorageId, &Storage)> {
        let storages = self.storages.iter().enumerate();
        storages
            .filter(|(_, storage)| storage.class.is_planned())
            .map(|(index, storage)| (StorageId::new(index), storage))
    }
}
