//! The planning problem and its answer: types only.
//!
//! A [`Problem`] knows sizes and live ranges, nothing of graphs or runtimes.
//! Steps are half-open everywhere: a buffer live over `0..2` holds its bytes
//! at steps 0 and 1.

use crate::ids::BufferId;
use crate::units::Bytes;
use std::ops::Range;

/// Half-open range of steps `[start, end)` during which a buffer must hold its bytes.
pub type LiveRange = Range<u32>;

/// Contiguous bytes with one live range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Buffer {
    /// Steps during which the bytes must hold.
    pub live: LiveRange,
    /// Bytes needed, before alignment padding.
    pub size: Bytes,
    /// The offset must be a multiple of this; 1 for none.
    pub alignment: u64,
    /// The size is not known when memory is divided: placement may depend only on the live range.
    pub grows: bool,
}

/// Buffers to be placed in one arena.
///
/// # Example
///
/// ```
/// use memgraph::{Bytes, problem::Problem};
///
/// let problem = Problem::default().with(0, 2, 4).with(1, 3, 4);
/// assert_eq!(problem.buffers.len(), 2);
/// assert_eq!(problem.naive_total(), Bytes(8));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The buffers; a [`BufferId`] is a position in this list.
    pub buffers: Vec<Buffer>,
}

impl Problem {
    /// Adds a buffer of `size` bytes live over `start..end`, alignment 1.
    #[must_use]
    pub fn with(mut self, start: u32, end: u32, size: u64) -> Problem {
        self.buffers.push(Buffer { live: start..end, size: Bytes(size), alignment: 1, grows: false });
        self
    }

    /// The buffer with this id.
    #[must_use]
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.index()]
    }

    /// Sum of all sizes, each rounded up to its alignment: the arena without any reuse.
    #[must_use]
    pub fn naive_total(&self) -> Bytes {
        self.buffers.iter().map(|buffer| buffer.size.align_up(buffer.alignment)).sum()
    }
}

/// Where each buffer of a [`Problem`] is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Offset of each buffer in the arena, in the problem's order.
    pub offsets: Vec<Bytes>,
    /// Length of the arena: no buffer ends later. Planners that count in coarse units may round it up.
    pub arena_size: Bytes,
    /// Parts of the arena that are allocations of their own, by offset; empty: the arena is one.
    pub blocks: Vec<Block>,
    /// Bytes of the arena that were ever written to, sorted and disjoint, where a planner lists them; empty: all of them.
    pub touched: Vec<Range<u64>>,
}

/// A part of an arena that is an allocation of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// Its bytes in the arena.
    pub bytes: Range<u64>,
    /// It grows to its largest buffer, and stays.
    pub grows: bool,
}

/// How many bytes are alive, as a step function of time.
///
/// Each pair is a step and the bytes alive from that step up to the step of
/// the next pair; before the first pair and from the last pair on nothing is
/// alive. Sizes are before alignment padding. Buffers with an empty live
/// range count nowhere.
///
/// Cost: O(n log n) time and O(n) memory in the number of buffers; O(n) time where they start and end at most steps.
#[must_use]
pub fn pressure(problem: &Problem) -> Vec<(u32, Bytes)> {
    let there = || problem.buffers.iter().filter(|buffer| !buffer.live.is_empty());
    let steps = there().map(|buffer| (buffer.live.end as usize).saturating_add(1)).max().unwrap_or(0);
    if steps <= DENSE.saturating_mul(problem.buffers.len()) {
        let mut changes = vec![0_i128; steps];
        for buffer in there() {
            let size = i128::from(buffer.size.0);
            changes[buffer.live.start as usize] += size;
            changes[buffer.live.end as usize] -= size;
        }
        return curve((0_u32..).zip(changes));
    }
    let mut changes: Vec<(u32, i128)> = Vec::with_capacity(problem.buffers.len() * 2);
    for buffer in there() {
        let size = i128::from(buffer.size.0);
        changes.extend([(buffer.live.start, size), (buffer.live.end, -size)]);
    }
    changes.sort_unstable_by_key(|&(step, _)| step);
    let groups = changes.chunk_by(|a, b| a.0 == b.0);
    curve(groups.map(|group| (group[0].0, group.iter().map(|&(_, change)| change).sum())))
}

/// Steps per buffer up to which a list of all steps takes less than sorting those at which something changes.
const DENSE: usize = 4;

/// The sums of changes, by step, where they differ from the one before.
fn curve(changes: impl Iterator<Item = (u32, i128)>) -> Vec<(u32, Bytes)> {
    let mut alive: i128 = 0;
    let mut before = Bytes::ZERO;
    let mut curve = Vec::new();
    for (step, change) in changes {
        alive += change;
        let bytes = Bytes(u64::try_from(alive).unwrap_or(u64::MAX));
        if bytes != before {
            curve.push((step, bytes));
            before = bytes;
        }
    }
    curve
}

/// Returns the pressure lower bound: the most bytes alive at one step.
///
/// No plan can use a smaller arena, so `plan.arena_size / lower_bound(problem)`
/// measures how far a planner is from the floor. The bound is not always
/// reachable: fragmentation can force a larger arena.
///
/// Sizes are in bytes, before alignment padding. Steps are half-open:
/// a buffer live over `0..2` occupies memory at steps 0 and 1.
///
/// Cost: O(n log n) time and O(n) memory in the number of buffers.
///
/// Source: OpenVINO calls this number `MemorySolver::max_depth`.
///
/// # Example
///
/// ```
/// use memgraph::{Bytes, problem::Problem};
///
/// let problem = Problem::default().with(0, 2, 4).with(1, 3, 4);
/// assert_eq!(memgraph::problem::lower_bound(&problem), Bytes(8)); // both alive at step 1
/// ```
#[must_use]
pub fn lower_bound(problem: &Problem) -> Bytes {
    pressure(problem).into_iter().map(|(_, bytes)| bytes).max().unwrap_or(Bytes::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_a_step_function() {
        // offset ↑        ┌──b──┐
        //           ┌──a──┴──┐  │     ┌c┐
        // time →    0  1  2  3  4  5  6  7
        let problem = Problem::default().with(0, 3, 4).with(2, 4, 8).with(6, 7, 1).with(5, 5, 100);
        let expected = [(0, 4), (2, 12), (3, 8), (4, 0), (6, 1), (7, 0)].map(|(s, b)| (s, Bytes(b)));
        assert_eq!(pressure(&problem), expected);
        assert_eq!(lower_bound(&problem), Bytes(12));
    }

    #[test]
    fn it_is_the_same_where_steps_are_far_apart() {
        let near = Problem::default().with(0, 3, 4).with(2, 4, 8).with(6, 7, 1).with(5, 5, 100);
        let mut far = near.clone();
        for buffer in &mut far.buffers {
            buffer.live = 1000 * buffer.live.start..1000 * buffer.live.end;
        }
        let expected: Vec<_> =
            pressure(&near).into_iter().map(|(step, bytes)| (1000 * step, bytes)).collect();
        assert_eq!(pressure(&far), expected);
    }

    #[test]
    fn huge_sizes_saturate() {
        let problem = Problem::default().with(0, 1, u64::MAX).with(0, 1, u64::MAX);
        assert_eq!(lower_bound(&problem), Bytes(u64::MAX));
        assert_eq!(lower_bound(&Problem::default()), Bytes::ZERO);
    }
}
