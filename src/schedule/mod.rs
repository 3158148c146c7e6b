//! The schedule that a runtime executes: steps that read and write values in storages.
//!
//! A [`Schedule`] has no operators, no free dims and no aliases left to find: a planner or a checker needs nothing else.
//! A runtime fills a [`Draft`]; [`Draft::finish`] checks it and makes the schedule, which never changes afterwards.
//! `docs/ir.md` states what later stages may rely on.
//!
//! `builder` makes the schedule of the exported graph; [`lifetime`] turns a schedule into a planning problem.

mod alias;
pub(crate) mod builder;
mod fold;
pub mod lifetime;
pub(crate) mod state;

use crate::Bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{NodeId, StorageId, TensorId, ValueId};
use smallvec::SmallVec;

/// A schedule over storages, checked and immutable.
///
/// Steps run in order; a step first reads, then writes. Storages that are [planned](StorageClass::is_planned) share one
/// arena; buffer `i` of the planning problem is the `i`-th planned storage, in storage order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    draft: Draft,
}

/// A schedule while a runtime makes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// What steps read and write.
    pub values: Vec<Value>,
    /// Memory that values are in.
    pub storages: Vec<Storage>,
    /// Of the storages of class [`StorageClass::Io`]: bytes that the user allocates, not the runtime.
    pub user_bytes: Bytes,
    /// Tensors whose size is unknown: every total is a lower bound if there are any.
    pub unknown_tensors: u32,
}

/// One thing that runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The source node that it represents.
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
    /// The storage that it is in.
    pub storage: StorageId,
    /// Its place in the storage.
    pub offset: Bytes,
    /// Its length.
    pub bytes: Bytes,
    /// Where its content comes from.
    pub origin: Origin,
    /// The tensor of the source graph that it represents, if there is one.
    pub tensor: Option<TensorRef>,
}

/// Where a value's content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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
    /// Its size is unknown at planning time; the buffer is placed in a growable block.
    pub grows: bool,
}

impl Storage {
    /// A storage of known length that no step extends; offsets are free.
    #[must_use]
    pub fn new(class: StorageClass, bytes: Bytes, node: NodeRef, known: Known) -> Storage {
        Storage { class, bytes, alignment: 1, node, known, kept_until: 0, grows: false }
    }
}

/// What a storage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
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
    /// Model outputs that are in the planned arena.
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
#[non_exhaustive]
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

impl Draft {
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

    /// Makes the schedule.
    ///
    /// Cost: linear in reads, writes and values.
    ///
    /// # Errors
    ///
    /// If a step names a value, or a value a storage or another value, that does not exist. The error is an internal one: a
    /// bug of the runtime's rules, not of the model.
    pub fn finish(self) -> Result<Schedule> {
        let (values, storages) = (self.values.len(), self.storages.len());
        let is_value = |id: &ValueId| id.index() < values;
        let has_storage = |value: &Value| value.storage.index() < storages;
        let has_sources = |value: &Value| match &value.origin {
            Origin::Written | Origin::Resident => true,
            Origin::View(of) => is_value(of),
            Origin::Joined(of) => of.iter().all(is_value),
        };
        let step = self.steps.iter().position(|step| !step.reads.iter().chain(&step.writes).all(is_value));
        let value = self.values.iter().position(|value| !has_storage(value) || !has_sources(value));
        let fault = match (step, value) {
            (Some(step), _) => format!("step {step} names a value that does not exist"),
            (None, Some(value)) => format!("value {value} names a storage or a value that does not exist"),
            (None, None) => return Ok(Schedule { draft: self }),
        };
        Err(Error::new(ErrorKind::Internal, fault).note("this is a bug of memgraph, not of the model"))
    }
}

/// The program of docs/ir.md.
#[cfg(doctest)]
#[doc = include_str!("../../docs/ir.md")]
pub struct Promises;

impl std::ops::Deref for Schedule {
    type Target = Draft;

    /// The content, to read; there is no way to write to it.
    fn deref(&self) -> &Draft {
        &self.draft
    }
}

impl Schedule {
    /// The content, for a runtime that carries memory over from the phase before.
    #[must_use]
    pub fn into_draft(self) -> Draft {
        self.draft
    }
}
