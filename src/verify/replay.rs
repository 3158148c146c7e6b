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
//! | `View` | the bytes of the other value at the same offset, unchanged |
//! | `Joined` | the bytes of its members, which fill its place side by side |
//!
//! A write may overwrite what the same step reads only in the same storage:
//! that is how a schedule declares an operator in-place. Scratch is a value
//! that nothing reads; writing it clobbers like any other write.

mod bytes;
mod content;
mod violation;

use crate::ids::ValueId;
use crate::problem::Plan;
use crate::schedule::{Draft, Origin, Step};
use bytes::ByteMap;
use content::Contents;
use std::ops::Range;

pub use violation::Violation;

/// Most violations that [`check`] lists.
pub const MAX_VIOLATIONS: usize = 1000;

/// Every read and write that goes wrong when `schedule` runs over `plan`.
///
/// At most [`MAX_VIOLATIONS`] are listed.
///
/// Cost: O(m log m) time in the number m of reads and writes.
#[must_use]
pub fn check(schedule: &Draft, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let contents = Contents::resolve(schedule, plan, &mut found);
    let apart = schedule.storages.iter().filter(|storage| !storage.class.is_planned()).count();
    let mut memory = Memory { spaces: vec![ByteMap::default(); apart + 1] };
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
    /// The arena, then one space per storage outside of it.
    spaces: Vec<ByteMap>,
}

impl Memory {
    fn write(&mut self, contents: &Contents, value: ValueId) {
        if let Some(place) = contents.place(value)
            && let Some(space) = self.spaces.get_mut(place.space as usize)
        {
            space.write(place.bytes.clone(), value);
        }
    }

    /// The first bytes that hold something else than the content of `value`, and whose they are.
    fn lost(&self, contents: &Contents, value: ValueId) -> Option<(Range<u64>, Option<ValueId>)> {
        let space = self.spaces.get(contents.place(value)?.space as usize)?;
        contents.pieces(value).find_map(|piece| space.first_other(piece.bytes, piece.root))
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

#[cfg(test)]
mod tests;
