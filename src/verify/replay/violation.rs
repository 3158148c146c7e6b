//! What the replay finds.

use crate::ids::{StorageId, ValueId};
use crate::units::Bytes;
use std::fmt;
use std::ops::Range;

/// One way in which a plan, or the schedule itself, loses bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The plan gives offsets to another number of storages than are planned.
    Count {
        /// Planned storages of the schedule.
        storages: usize,
        /// Offsets of the plan.
        offsets: usize,
    },
    /// A step or a value names a value or a storage that there is not.
    Dangling {
        /// The step, if a step does.
        step: Option<usize>,
        /// The value that is not there, or that names a storage that is not there.
        value: ValueId,
    },
    /// A value ends past the end of its storage.
    OutOfStorage {
        /// The value.
        value: ValueId,
        /// Its end in the storage.
        end: Bytes,
        /// Its storage.
        storage: StorageId,
    },
    /// A value ends past the end of the arena.
    OutOfArena {
        /// The value.
        value: ValueId,
        /// Its end in the arena.
        end: Bytes,
        /// The end of the arena.
        arena_size: Bytes,
    },
    /// A view is not inside the value that it is a view of, or is a view of itself.
    LooseView {
        /// The view.
        value: ValueId,
    },
    /// The members of a joined value do not fill it side by side.
    LooseJoin {
        /// The joined value.
        value: ValueId,
    },
    /// A step reads bytes that hold something else.
    Lost {
        /// The step.
        step: usize,
        /// What it reads.
        value: ValueId,
        /// The first such bytes, in the arena or in the storage.
        bytes: Range<u64>,
        /// The owner of the bytes; none if they were never written.
        found: Option<ValueId>,
    },
    /// A step writes over bytes that it reads, in another storage than it reads.
    ClobbersRead {
        /// The step.
        step: usize,
        /// What it reads.
        read: ValueId,
        /// What it writes there.
        written: ValueId,
        /// The bytes.
        bytes: Range<u64>,
    },
    /// Two values that one step writes share bytes.
    WrittenTwice {
        /// The step.
        step: usize,
        /// The value that lost its bytes.
        value: ValueId,
        /// The first such bytes, in the arena or in the storage.
        bytes: Range<u64>,
        /// The value that has them.
        found: Option<ValueId>,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = |found: &Option<ValueId>| match found {
            Some(value) => format!("bytes of value {}", value.index()),
            None => "nothing".to_string(),
        };
        match self {
            Violation::Count { storages, offsets } => {
                write!(f, "{offsets} offsets for {storages} planned storages")
            }
            Violation::Dangling { step: Some(step), value } => {
                write!(f, "step {step} names value {}, which is not there", value.index())
            }
            Violation::Dangling { step: None, value } => {
                write!(f, "value {} names a storage or a value that is not there", value.index())
            }
            Violation::OutOfStorage { value, end, storage } => {
                let (value, end) = (value.index(), end.0);
                write!(f, "value {value} ends at {end} in storage {}, past its end", storage.index())
            }
            Violation::OutOfArena { value, end, arena_size } => {
                let (end, arena) = (end.0, arena_size.0);
                write!(f, "value {} ends at {end}, past the arena of {arena} B", value.index())
            }
            Violation::LooseView { value } => {
                write!(f, "value {} is a view, but is outside of the value that it shows", value.index())
            }
            Violation::LooseJoin { value } => {
                write!(f, "value {} is joined, but its members do not fill it side by side", value.index())
            }
            Violation::Lost { step, value, bytes, found } => {
                let (value, found) = (value.index(), whose(found));
                write!(
                    f,
                    "step {step} reads value {value} and finds {found} in {}..{}",
                    bytes.start, bytes.end
                )
            }
            Violation::ClobbersRead { step, read, written, bytes } => {
                let (read, written) = (read.index(), written.index());
                write!(
                    f,
                    "step {step} writes value {written} over value {read}, which it reads, in {}..{}",
                    bytes.start, bytes.end
                )
            }
            Violation::WrittenTwice { step, value, bytes, found } => {
                let (value, found) = (value.index(), whose(found));
                write!(
                    f,
                    "step {step} writes value {value} and leaves {found} in {}..{}",
                    bytes.start, bytes.end
                )
            }
        }
    }
}
