//! Runs a schedule over a plan and watches the bytes.
//!
//! Every address space (the arena, and each storage outside it) is a map from
//! ranges of bytes to the value whose bytes they hold. A step first reads:
//! every byte of every value that it reads must hold what the value's origin
//! says. Then it writes: the bytes change owner. Nothing is believed but the
//! schedule and the plan; live ranges are not looked at, so a live range that
//! is too short shows as a read that finds another value's bytes.
//!
//! | origin | content |
//! |---|---|
//! | `Written` | its own bytes, from the end of each step that writes it |
//! | `Resident` | its own bytes, from before the first step |
//! | `View` | the bytes of the other value that lie at its place, unchanged |
//! | `Joined` | the bytes of its members, which fill its place side by side |
//!
//! A write may overwrite what the same step reads only in the same storage:
//! that is how a schedule declares an operator in-place. Scratch is a value
//! that nobody reads; writing it clobbers like any other write.

mod bytes;
mod content;

use crate::ids::{StorageId, ValueId};
use crate::problem::Plan;
use crate::schedule::{Draft, Origin, Step};
use crate::units::Bytes;
use bytes::ByteMap;
use content::Contents;
use std::fmt;
use std::ops::Range;

/// Most violations that [`check`] lists.
pub const MAX_VIOLATIONS: usize = 1000;

/// One way in which a plan, or the schedule itself, loses bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// A view does not lie inside the value that it is a view of, or is a view of itself.
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
        /// Whose bytes are there; nobody's if they were never written.
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

/// Every read and write that goes wrong when `schedule` runs over `plan`.
///
/// At most [`MAX_VIOLATIONS`] are listed.
///
/// Cost: O(m log m) time in the number m of reads and writes.
#[must_use]
pub fn check(schedule: &Draft, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let contents = Contents::resolve(schedule, plan, &mut found);
    let mut memory = Memory { spaces: vec![ByteMap::default(); schedule.storages.len() + 1] };
    for (index, value) in schedule.values.iter().enumerate() {
        if value.origin == Origin::Resident {
            memory.write(&contents, ValueId::new(index));
        }
    }
    for (index, step) in schedule.steps.iter().enumerate() {
        if found.len() >= MAX_VIOLATIONS {
            found.truncate(MAX_VIOLATIONS);
            break;
        }
        run(schedule, &contents, &mut memory, (index, step), &mut found);
    }
    found
}

/// All bytes there are.
struct Memory {
    /// The arena, then one space per storage.
    spaces: Vec<ByteMap>,
}

impl Memory {
    fn write(&mut self, contents: &Contents, value: ValueId) {
        if let Some(place) = contents.place(value)
            && let Some(space) = self.spaces.get_mut(place.space)
        {
            space.write(place.bytes.clone(), value);
        }
    }

    /// The first bytes that hold something else than the content of `value`, and whose they are.
    fn lost(&self, contents: &Contents, value: ValueId) -> Option<(Range<u64>, Option<ValueId>)> {
        let space = self.spaces.get(contents.place(value)?.space)?;
        contents.pieces(value).iter().find_map(|piece| space.first_other(piece.bytes.clone(), piece.root))
    }
}

/// Reads, then writes.
fn run(
    schedule: &Draft,
    contents: &Contents,
    memory: &mut Memory,
    (index, step): (usize, &Step),
    found: &mut Vec<Violation>,
) {
    for &value in step.reads.iter().chain(&step.writes) {
        if value.index() >= schedule.values.len() {
            found.push(Violation::Dangling { step: Some(index), value });
        }
    }
    for &value in &step.reads {
        if let Some((bytes, other)) = memory.lost(contents, value) {
            found.push(Violation::Lost { step: index, value, bytes, found: other });
        }
    }
    let is_written = |value: &&ValueId| {
        schedule.values.get(value.index()).is_some_and(|value| matches!(value.origin, Origin::Written))
    };
    for &written in step.writes.iter().filter(is_written) {
        let Some(place) = contents.place(written) else { continue };
        for &read in &step.reads {
            let Some(other) = contents.place(read) else { continue };
            if let Some(bytes) = place.shared_with(other)
                && place.storage != other.storage
            {
                found.push(Violation::ClobbersRead { step: index, read, written, bytes });
            }
        }
        memory.write(contents, written);
    }
    for &value in step.writes.iter().filter(is_written) {
        if let Some((bytes, other)) = memory.lost(contents, value) {
            found.push(Violation::WrittenTwice { step: index, value, bytes, found: other });
        }
    }
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
                write!(f, "value {} is a view, but lies outside the value that it shows", value.index())
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

#[cfg(test)]
mod tests;
