//! What the runtime really executes: steps that read and write values in storages.
//!
//! After lowering there are no operators, no free dims and no aliases left to
//! find: a planner or a checker needs nothing but this. Everything that
//! depends on the runtime happens here and in [`crate::runtime`], nowhere else.

mod alias;
pub(crate) mod builder;
mod fold;
pub mod lifetime;
pub(crate) mod state;

use crate::Bytes;
use crate::ids::{NodeId, StorageId, TensorId, ValueId};
use crate::process::{GlibcHeap, Start};
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

/// Something that a profile takes for granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Short, stable name of the rule.
    pub rule: &'static str,
    /// What is assumed, in one sentence, with its source.
    pub text: String,
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
