//! What a runtime makes of one pass over a graph: a schedule, the memory outside of it, and what it assumes.

use crate::error::Result;
use crate::schedule::{Draft, Known, NodeRef, Schedule, Storage, StorageClass};
use crate::units::Bytes;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A pass over a graph as a runtime executes it. Immutable once made.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    schedule: Arc<Schedule>,
    memory: Vec<Allocation>,
    assumptions: Vec<Assumption>,
    data: RuntimeData,
}

impl Lowered {
    /// Makes the result of a draft.
    ///
    /// # Errors
    ///
    /// Those of [`Draft::finish`].
    pub fn new(draft: Draft) -> Result<Lowered> {
        Ok(Lowered::of(Arc::new(draft.finish()?)))
    }

    /// Makes the result of a schedule, which several phases may share: its buffers are placed once then.
    #[must_use]
    pub fn of(schedule: Arc<Schedule>) -> Lowered {
        Lowered { schedule, ..Lowered::default() }
    }

    /// Whether another pass has this very schedule.
    #[must_use]
    pub fn shares_schedule(&self, other: &Lowered) -> bool {
        Arc::ptr_eq(&self.schedule, &other.schedule)
    }

    /// Adds memory that no step of the schedule reads or writes.
    #[must_use]
    pub fn with_memory(mut self, memory: impl IntoIterator<Item = Allocation>) -> Lowered {
        self.memory.extend(memory);
        self
    }

    /// Adds assumptions.
    #[must_use]
    pub fn with_assumptions(mut self, assumptions: impl IntoIterator<Item = Assumption>) -> Lowered {
        self.assumptions.extend(assumptions);
        self
    }

    /// Sets the data that the runtime reads again once the buffers are placed.
    #[must_use]
    pub fn with_data(mut self, data: RuntimeData) -> Lowered {
        self.data = data;
        self
    }

    /// What runs.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Memory outside of the schedule, allocated for the whole pass.
    #[must_use]
    pub fn memory(&self) -> &[Allocation] {
        &self.memory
    }

    /// Everything that is allocated: the storages of the schedule, by id, then the memory outside of it.
    pub fn allocations(&self) -> impl Iterator<Item = Allocation> {
        self.schedule.storages.iter().map(Allocation::from).chain(self.memory.iter().copied())
    }

    /// What the runtime's rules assume.
    #[must_use]
    pub fn assumptions(&self) -> &[Assumption] {
        &self.assumptions
    }

    /// The runtime's own data.
    #[must_use]
    pub fn data(&self) -> &RuntimeData {
        &self.data
    }

    /// The parts, for a runtime that carries memory over from the phase before.
    #[must_use]
    pub fn into_parts(self) -> (Draft, Vec<Allocation>, Vec<Assumption>, RuntimeData) {
        (Arc::unwrap_or_clone(self.schedule).into_draft(), self.memory, self.assumptions, self.data)
    }
}

/// Memory outside of the schedule: packed weights, workspace, code, objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocation {
    /// What it is for.
    pub class: StorageClass,
    /// Its length.
    pub bytes: Bytes,
    /// The node that it belongs to, for reports.
    pub node: NodeRef,
    /// How its length is known.
    pub known: Known,
}

impl From<&Storage> for Allocation {
    fn from(storage: &Storage) -> Allocation {
        let &Storage { class, bytes, node, known, .. } = storage;
        Allocation { class, bytes, node, known }
    }
}

/// How the resident set of a process differs from what a runtime has allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Residency {
    /// How the resident set is known; pages of libraries and of the allocator are estimates.
    pub known: Known,
    /// Allocated and never written: no page is behind it.
    pub untouched_bytes: Bytes,
    /// Of [`StorageClass::WeightsFile`]: pages that are never read.
    pub unread_bytes: Bytes,
    /// Anonymous pages beyond the allocations: freed memory that the allocator retains, written pages of libraries, stacks.
    pub kept_bytes: Bytes,
    /// All anonymous pages at the phase's peak, where the allocator is simulated; the sums of allocations do not count then.
    pub anonymous_bytes: Option<Bytes>,
    /// The same, where the allocator retains the least.
    pub anonymous_lower_bytes: Option<Bytes>,
    /// The same, where the allocator retains the most.
    pub anonymous_upper_bytes: Option<Bytes>,
    /// Of the allocations: bytes on devices with memory of their own, which the process does not map.
    pub device_bytes: Bytes,
    /// File-backed pages of the runtime's libraries.
    pub library_bytes: Bytes,
    /// [`StorageClass::WeightsFile`] is read into the heap, not mapped.
    pub is_file_in_heap: bool,
}

/// The result of a phase once its buffers are placed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// How the resident set differs from what is allocated.
    pub residency: Residency,
    /// Memory whose size follows from the plan.
    pub memory: Vec<Allocation>,
    /// The state of the process that the next phase begins with.
    pub carried: RuntimeData,
    /// Memory by type of buffer, where the runtime itself reports it so.
    pub buffers: Option<BufferTypes>,
}

/// Memory by type of buffer, as a runtime itself reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferTypes {
    /// One row per type.
    pub rows: Vec<BufferRow>,
    /// Bytes of the buffer for results.
    pub output: Bytes,
    /// Bytes of the work buffer that kernels share.
    pub work: Bytes,
    /// Nodes of the graph that memory is reserved for.
    pub nodes: u64,
    /// Its inputs, weights and caches.
    pub leafs: u64,
    /// Parts that the graph is split into, each computed by one device.
    pub splits: u64,
}

/// Memory in buffers of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferRow {
    /// The type, as the runtime names it.
    pub buffer_type: String,
    /// Whether the buffers are in the memory of a device, not of the host.
    pub is_on_device: bool,
    /// Bytes of weights.
    pub model: Bytes,
    /// Bytes of caches.
    pub context: Bytes,
    /// Bytes for intermediate results.
    pub compute: Bytes,
}

/// An assumption of a runtime's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assumption {
    /// Short, stable name of the rule.
    pub rule: &'static str,
    /// What is assumed, in one sentence, with its source.
    pub text: String,
}

/// Makes assumptions of a table of rules and sentences.
pub(super) fn assumptions(table: &[(&'static str, &str)]) -> Vec<Assumption> {
    table.iter().map(|&(rule, text)| Assumption { rule, text: text.to_owned() }).collect()
}

/// Data of a runtime that later stages hand back to it and cannot read.
#[derive(Clone, Default)]
pub struct RuntimeData(Option<Arc<dyn Any + Send + Sync>>);

impl RuntimeData {
    /// Wraps a value.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(value: T) -> RuntimeData {
        RuntimeData(Some(Arc::new(value)))
    }

    /// The value, if it has this type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for RuntimeData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "RuntimeData(..)" } else { "RuntimeData" })
    }
}
