//! Proves from the problem alone that a plan keeps buffers apart.
//!
//! What is proved: every buffer has one offset, a multiple of its alignment;
//! it ends inside the arena; no two buffers that live together share a byte;
//! and where the arena consists of blocks, they do not overlap inside of it, and
//! every buffer inside of one, which grows if the buffer does. What is not: that the live ranges are right. That is what
//! [`super::replay`] is for.

use crate::ids::BufferId;
use crate::problem::{Buffer, Plan, Problem};
use crate::units::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Most violations that [`check`] lists: a plan that is all wrong has n² of them.
pub const MAX_VIOLATIONS: usize = 1000;

/// One way in which a plan breaks its problem.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A buffer lives at no step: its live range ends at or before its start.
    EmptyLiveRange {
        /// The buffer.
        buffer: BufferId,
        /// Its range.
        live: Range<u32>,
    },
    /// The plan gives offsets to another number of buffers than there are.
    Count {
        /// Buffers of the problem.
        buffers: usize,
        /// Offsets of the plan.
        offsets: usize,
    },
    /// An offset is not a multiple of the buffer's alignment.
    Misaligned {
        /// The buffer.
        buffer: BufferId,
        /// Its offset.
        offset: Bytes,
        /// What it should be a multiple of.
        alignment: u64,
    },
    /// Offset plus size is past 2^64 - 1.
    Overflow {
        /// The buffer.
        buffer: BufferId,
        /// Its offset.
        offset: Bytes,
        /// Its size.
        size: Bytes,
    },
    /// A buffer ends past the end of the arena.
    OutOfArena {
        /// The buffer.
        buffer: BufferId,
        /// Its end.
        end: Bytes,
        /// The end of the arena.
        arena_size: Bytes,
    },
    /// A buffer is outside of all blocks, or not completely in one, or grows in a block that does not.
    OutOfBlock {
        /// The buffer.
        buffer: BufferId,
        /// Its bytes.
        bytes: Range<u64>,
    },
    /// A block starts before the one before it ends, or ends past the arena.
    MisplacedBlock {
        /// Its number.
        block: usize,
        /// Its bytes.
        bytes: Range<u64>,
    },
    /// Two buffers that live together share bytes.
    Overlap {
        /// The two, the one with the lower id first.
        buffers: [BufferId; 2],
        /// The bytes that they share.
        bytes: Range<u64>,
        /// The steps at which they do.
        steps: Range<u32>,
    },
}

/// Every way in which `plan` breaks `problem`; none if the plan holds.
///
/// At most [`MAX_VIOLATIONS`] are listed. A buffer of 0 bytes may have any offset.
///
/// Cost: O(n log n) time and O(n) memory for a plan that holds.
///
/// # Example
///
/// ```
/// use memgraph::{Bytes, problem::{Plan, Problem}, verify::geometry};
///
/// let problem = Problem::default().with(0, 2, 4).with(1, 3, 4);
/// let mut plan = Plan::default();
/// (plan.offsets, plan.arena_size) = (vec![Bytes(0), Bytes(3)], Bytes(7));
/// let violations = geometry::check(&problem, &plan);
/// assert_eq!(violations[0].to_string(), "buffers 0 and 1 share bytes 3..4 at steps 1..2");
/// ```
#[must_use]
pub fn check(problem: &Problem, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    if problem.buffers.len() != plan.offsets.len() {
        let (buffers, offsets) = (problem.buffers.len(), plan.offsets.len());
        found.push(Violation::Count { buffers, offsets });
    }
    check_blocks(plan, &mut found);
    let mut placed = Vec::with_capacity(problem.buffers.len());
    for (index, (buffer, &offset)) in problem.buffers.iter().zip(&plan.offsets).enumerate() {
        if found.len() >= MAX_VIOLATIONS {
            return found;
        }
        check_alone(BufferId::new(index), buffer, offset, plan.arena_size, &mut found);
        let bytes = offset.0..offset.0.saturating_add(buffer.size.0);
        if !bytes.is_empty() && !plan.blocks.is_empty() && !is_in_block(plan, &bytes, buffer.grows) {
            found.push(Violation::OutOfBlock { buffer: BufferId::new(index), bytes: bytes.clone() });
        }
        if !buffer.live.is_empty() && !bytes.is_empty() {
            placed.push(Placed { id: BufferId::new(index), live: buffer.live.clone(), bytes });
        }
    }
    find_overlaps(&placed, &mut found);
    found
}

fn check_blocks(plan: &Plan, found: &mut Vec<Violation>) {
    let mut end = 0;
    for (index, block) in plan.blocks.iter().enumerate().take(MAX_VIOLATIONS) {
        let Range { start, end: own_end } = block.bytes;
        if start < end || own_end < start || own_end > plan.arena_size.0 {
            found.push(Violation::MisplacedBlock { block: index, bytes: block.bytes.clone() });
        }
        end = own_end.max(end);
    }
}

/// Whether bytes are in one block of the required kind. Blocks are in order, else they are a violation.
///
/// A plan that lists the touched bytes is of an arena asked at run time, whose regions take buffers of both kinds.
fn is_in_block(plan: &Plan, bytes: &Range<u64>, grows: bool) -> bool {
    let next = plan.blocks.partition_point(|block| block.bytes.start <= bytes.start);
    let block = next.checked_sub(1).and_then(|index| plan.blocks.get(index));
    block.is_some_and(|block| {
        bytes.end <= block.bytes.end && (block.grows == grows || !plan.touched.is_empty())
    })
}

/// A buffer with bytes and steps.
struct Placed {
    id: BufferId,
    live: Range<u32>,
    bytes: Range<u64>,
}

fn check_alone(id: BufferId, buffer: &Buffer, offset: Bytes, arena_size: Bytes, found: &mut Vec<Violation>) {
    if buffer.live.is_empty() {
        found.push(Violation::EmptyLiveRange { buffer: id, live: buffer.live.clone() });
    }
    if buffer.alignment > 1 && !offset.0.is_multiple_of(buffer.alignment) {
        found.push(Violation::Misaligned { buffer: id, offset, alignment: buffer.alignment });
    }
    match offset.0.checked_add(buffer.size.0) {
        None => found.push(Violation::Overflow { buffer: id, offset, size: buffer.size }),
        Some(end) if end > arena_size.0 => {
            found.push(Violation::OutOfArena { buffer: id, end: Bytes(end), arena_size });
        }
        Some(_) => {}
    }
}

/// Sweeps over time. Buffers that collide with nothing are kept sorted by
/// offset, where only neighbours need a look; those that do collide, which a
/// plan that holds has none of, are compared one by one.
fn find_overlaps(placed: &[Placed], found: &mut Vec<Violation>) {
    let mut events: Vec<(u32, bool, usize)> = Vec::with_capacity(placed.len() * 2);
    for (index, buffer) in placed.iter().enumerate() {
        // At one step, what ends goes before what starts: ranges are half-open.
        events.extend([(buffer.live.start, true, index), (buffer.live.end, false, index)]);
    }
    events.sort_unstable();

    let mut apart: BTreeMap<u64, usize> = BTreeMap::new();
    let mut colliding: Vec<usize> = Vec::new();
    for (_, starts, index) in events {
        let Some(buffer) = placed.get(index) else { continue };
        if !starts {
            if apart.get(&buffer.bytes.start) == Some(&index) {
                apart.remove(&buffer.bytes.start);
            } else {
                colliding.retain(|&other| other != index);
            }
            continue;
        }
        let below = apart.range(..buffer.bytes.start).next_back();
        let inside = apart.range(buffer.bytes.clone());
        let others = below.into_iter().chain(inside).map(|(_, other)| other).chain(&colliding);
        let before = found.len();
        for other in others.filter_map(|&other| placed.get(other)) {
            if other.bytes.end > buffer.bytes.start && other.bytes.start < buffer.bytes.end {
                if found.len() >= MAX_VIOLATIONS {
                    return;
                }
                found.push(overlap(buffer, other));
            }
        }
        if found.len() == before {
            apart.insert(buffer.bytes.start, index);
        } else {
            colliding.push(index);
        }
    }
}

fn overlap(a: &Placed, b: &Placed) -> Violation {
    Violation::Overlap {
        buffers: [a.id.min(b.id), a.id.max(b.id)],
        bytes: a.bytes.start.max(b.bytes.start)..a.bytes.end.min(b.bytes.end),
        steps: a.live.start.max(b.live.start)..a.live.end.min(b.live.end),
    }
}

impl Violation {
    /// The violation in words, with buffers named by `name`.
    #[must_use]
    pub fn text(&self, name: impl Fn(BufferId) -> String) -> String {
        match self {
            Violation::EmptyLiveRange { buffer, live } => {
                format!("buffer {} lives over {}..{}, which is empty", name(*buffer), live.start, live.end)
            }
            Violation::Count { buffers, offsets } => format!("{offsets} offsets for {buffers} buffers"),
            Violation::Misaligned { buffer, offset, alignment } => {
                format!("offset {} of buffer {} is not a multiple of {alignment}", offset.0, name(*buffer))
            }
            Violation::Overflow { buffer, offset, size } => {
                format!("buffer {} of {} B at {} ends past 2^64 - 1", name(*buffer), size.0, offset.0)
            }
            Violation::OutOfArena { buffer, end, arena_size } => {
                format!("buffer {} ends at {}, past the arena of {} B", name(*buffer), end.0, arena_size.0)
            }
            Violation::OutOfBlock { buffer, bytes } => {
                format!("buffer {} at bytes {bytes:?} is not inside a block of its kind", name(*buffer))
            }
            Violation::MisplacedBlock { block, bytes } => {
                format!("block {block} at bytes {bytes:?} overlaps the one before, or ends past the arena")
            }
            Violation::Overlap { buffers: [a, b], bytes, steps } => {
                let (a, b) = (name(*a), name(*b));
                let (bytes, steps) = (format!("{bytes:?}"), format!("{steps:?}"));
                format!("buffers {a} and {b} share bytes {bytes} at steps {steps}")
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|buffer| buffer.index().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Block;

    /// offset ↑
    ///   8     ┌─b──┐
    ///   4  ┌──┴┐   └┬─d─┐
    ///   0  └─a─┴─c──┴───┘
    /// time → 0 1   3    5
    fn good() -> (Problem, Plan) {
        let problem = Problem::default().with(0, 2, 4).with(1, 4, 4).with(2, 4, 4).with(4, 6, 8);
        let offsets = [0, 4, 0, 0].map(Bytes).to_vec();
        (problem, Plan { offsets, arena_size: Bytes(8), ..Plan::default() })
    }

    fn id(index: usize) -> BufferId {
        BufferId::new(index)
    }

    #[test]
    fn a_good_plan_has_no_violation() {
        let (problem, plan) = good();
        assert_eq!(check(&problem, &plan), []);
    }

    #[test]
    fn planted_overlaps_are_found_with_bytes_and_steps() {
        let (problem, mut plan) = good();
        plan.offsets[1] = Bytes(3);
        let pairs = [([0, 1], 1..2), ([1, 2], 2..4)];
        let expected =
            pairs.map(|(pair, steps)| Violation::Overlap { buffers: pair.map(id), bytes: 3..4, steps });
        assert_eq!(check(&problem, &plan), expected);
    }

    #[test]
    fn every_pair_of_a_pile_is_found() {
        let mut problem = Problem::default();
        for start in 0..20 {
            problem = problem.with(start, 40, u64::from(40 - start));
        }
        let plan = Plan { offsets: (0..20).map(Bytes).collect(), arena_size: Bytes(100), ..Plan::default() };
        assert_eq!(check(&problem, &plan).len(), 20 * 19 / 2);
    }

    #[test]
    fn violations_are_capped() {
        let problem = (0..100).fold(Problem::default(), |problem, _| problem.with(0, 1, 1));
        let plan = Plan { offsets: vec![Bytes(0); 100], arena_size: Bytes(1), ..Plan::default() };
        assert_eq!(check(&problem, &plan).len(), MAX_VIOLATIONS);
    }

    #[test]
    fn planted_misalignment_is_found() {
        let (mut problem, plan) = good();
        problem.buffers[1].alignment = 8;
        let expected = Violation::Misaligned { buffer: id(1), offset: Bytes(4), alignment: 8 };
        assert_eq!(check(&problem, &plan), [expected]);
    }

    #[test]
    fn a_planted_end_past_the_arena_is_found() {
        let (problem, mut plan) = good();
        plan.arena_size = Bytes(7);
        let out = |index| Violation::OutOfArena { buffer: id(index), end: Bytes(8), arena_size: Bytes(7) };
        assert_eq!(check(&problem, &plan), [out(1), out(3)]);
    }

    #[test]
    fn a_planted_overflow_is_found() {
        let (problem, mut plan) = good();
        plan.offsets[0] = Bytes(u64::MAX - 1);
        let expected = Violation::Overflow { buffer: id(0), offset: Bytes(u64::MAX - 1), size: Bytes(4) };
        assert_eq!(check(&problem, &plan), [expected]);
    }

    #[test]
    fn planted_members_of_other_blocks_are_found() {
        let (problem, mut plan) = good();
        let block = |bytes, grows| Block { bytes, grows };
        plan.blocks = vec![block(0..8, false)];
        assert_eq!(check(&problem, &plan), []);
        // Buffer b at 4..8 and d at 0..8 are cut by the border at 6.
        plan.blocks = vec![block(0..6, false), block(6..8, false)];
        let out = |index, bytes| Violation::OutOfBlock { buffer: id(index), bytes };
        assert_eq!(check(&problem, &plan), [out(1, 4..8), out(3, 0..8)]);
        plan.blocks = vec![block(0..8, true)];
        assert_eq!(check(&problem, &plan).len(), 4);
    }

    #[test]
    fn planted_blocks_in_each_other_are_found() {
        let (problem, mut plan) = good();
        let block = |bytes| Block { bytes, grows: false };
        plan.blocks = vec![block(0..8), block(7..9)];
        let misplaced = Violation::MisplacedBlock { block: 1, bytes: 7..9 };
        assert_eq!(check(&problem, &plan), [misplaced]);
    }

    #[test]
    fn missing_and_extra_offsets_are_found() {
        let (problem, mut plan) = good();
        plan.offsets.push(Bytes(0));
        assert_eq!(check(&problem, &plan), [Violation::Count { buffers: 4, offsets: 5 }]);
        plan.offsets.truncate(3);
        assert_eq!(check(&problem, &plan), [Violation::Count { buffers: 4, offsets: 3 }]);
    }

    #[test]
    fn planted_empty_live_ranges_are_found() {
        let (mut problem, plan) = good();
        problem.buffers[2].live = 4..4;
        assert_eq!(check(&problem, &plan), [Violation::EmptyLiveRange { buffer: id(2), live: 4..4 }]);
    }

    #[test]
    fn buffers_of_no_bytes_collide_with_nothing() {
        let (problem, mut plan) = good();
        let problem = problem.with(0, 6, 0);
        plan.offsets.push(Bytes(2));
        assert_eq!(check(&problem, &plan), []);
    }
}
