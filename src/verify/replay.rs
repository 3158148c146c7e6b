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
mod clock;
mod content;
mod violation;

use crate::ids::{StorageId, ValueId};
use crate::problem::Plan;
use crate::schedule::{Draft, Origin, Step};
use bytes::ByteMap;
use clock::Clock;
use content::{Contents, Part, Place};
use rustc_hash::FxHashMap;
use std::ops::Range;

pub use violation::Violation;

/// Most violations that [`check`] lists.
pub const MAX_VIOLATIONS: usize = 1000;

/// Every read and write that goes wrong when `schedule` runs over `plan`.
///
/// At most [`MAX_VIOLATIONS`] are listed.
///
/// Cost: O(m log² m) time in the number m of reads, writes and members of joined values.
#[must_use]
pub fn check(schedule: &Draft, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let contents = Contents::resolve(schedule, plan, &mut found);
    let apart = schedule.storages.iter().filter(|storage| !storage.class.is_planned()).count();
    let bounds = contents.bounds_of_spaces_with_joins();
    let clocks = bounds.into_iter().map(|(space, bounds)| (space, Clock::new(bounds))).collect();
    let mut memory = Memory { spaces: vec![ByteMap::default(); apart + 1], clocks };
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
    /// Of the spaces with values of many pieces, by number: what holds is checked again only after a write.
    clocks: FxHashMap<u32, Clock>,
}

impl Memory {
    fn write(&mut self, contents: &Contents, value: ValueId) {
        if let Some(place) = contents.place(value)
            && let Some(space) = self.spaces.get_mut(place.space as usize)
        {
            space.write(place.bytes.clone(), value);
            if let Some(clock) = self.clocks.get_mut(&place.space) {
                clock.write(&place.bytes);
            }
        }
    }

    /// The first bytes that hold something else than the content of `value`, and whose they are.
    fn lost(&self, contents: &Contents, value: ValueId) -> Option<(Range<u64>, Option<ValueId>)> {
        let number = contents.place(value)?.space;
        let space = self.spaces.get(number as usize)?;
        lost_in(space, self.clocks.get(&number), contents.part(value)?)
    }
}

/// The first bytes that hold something else than `part` says, and the value that they are of.
fn lost_in(space: &ByteMap, clock: Option<&Clock>, part: &Part) -> Option<(Range<u64>, Option<ValueId>)> {
    let pair = match part {
        Part::One(piece) => return space.first_other(piece.bytes.clone(), piece.root),
        Part::Two(pair) => pair,
    };
    if let Some(clock) = clock
        && pair.checked.get() > 0
        && clock.last_write(&pair.bytes) <= pair.checked.get()
    {
        return None;
    }
    let lost = pair.parts.iter().find_map(|part| lost_in(space, clock, part));
    if let Some(clock) = clock
        && lost.is_none()
    {
        pair.checked.set(clock.now());
    }
    lost
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
    let is_wide = step.reads.len() > NARROW && step.writes.len() > NARROW;
    let spans = if is_wide { spans(contents, &step.reads) } else { None };
    for &written in step.writes.iter().filter(is_written) {
        let Some(place) = contents.place(written) else { continue };
        let is_apart = spans.as_deref().is_some_and(|spans| is_apart(spans, place));
        let reads: &[ValueId] = if is_apart { &[] } else { &step.reads[..] };
        for &read in reads {
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

/// Reads or writes of a step up to which each write is compared with each read.
const NARROW: usize = 16;

/// From the first to the last byte that a step reads of one storage.
struct Span {
    space: u32,
    bytes: Range<u64>,
    storage: StorageId,
}

/// The spans of what a step reads, in order of address; `None` if they overlap, which in a plan that holds
/// they do not.
fn spans(contents: &Contents, reads: &[ValueId]) -> Option<Vec<Span>> {
    let places = reads.iter().filter_map(|&read| contents.place(read));
    let mut places: Vec<&Place> = places.filter(|place| !place.bytes.is_empty()).collect();
    places.sort_unstable_by_key(|place| (place.storage, place.bytes.start));
    let mut spans: Vec<Span> = Vec::new();
    for place in places {
        match spans.last_mut() {
            Some(last) if last.storage == place.storage => {
                last.bytes.end = last.bytes.end.max(place.bytes.end);
            }
            _ => spans.push(Span { space: place.space, bytes: place.bytes.clone(), storage: place.storage }),
        }
    }
    spans.sort_unstable_by_key(|span| (span.space, span.bytes.start));
    let is_apart =
        |pair: &[Span]| matches!(pair, [a, b] if a.space != b.space || a.bytes.end <= b.bytes.start);
    spans.windows(2).all(is_apart).then_some(spans)
}

/// Whether `place` shares bytes with no span of another storage.
fn is_apart(spans: &[Span], place: &Place) -> bool {
    let from = spans.partition_point(|span| (span.space, span.bytes.end) <= (place.space, place.bytes.start));
    let after = spans.get(from..).unwrap_or_default().iter();
    let mut met = after.take_while(|span| span.space == place.space && span.bytes.start < place.bytes.end);
    // A storage has one span, so the second of two is of another storage.
    met.next().is_none_or(|span| span.storage == place.storage) && met.next().is_none()
}

#[cfg(test)]
mod tests;
