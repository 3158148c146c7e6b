//! An allocator at run time: blocks are taken when a buffer starts and given back when it ends.
//!
//! Free blocks are the gaps between live buffers; what is above the highest
//! live buffer is open. A request goes to the smallest gap that holds it, else
//! to the open end. Nothing is known of the future.

use crate::problem::{Buffer, Problem};
use crate::units::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Which of several equally small gaps is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ties {
    /// The one with the lowest offset.
    Lowest,
    /// The one with the highest offset.
    Highest,
}

/// Runs through the steps: buffers that end free their block before those that start take one.
///
/// Sizes are padded to their alignment. At one step, buffers go by position.
pub(super) fn offsets(buffers: &[Buffer], ties: Ties) -> Vec<u64> {
    let mut starting: Vec<usize> = (0..buffers.len()).filter(|&index| buffers[index].size.0 > 0).collect();
    let mut ending = starting.clone();
    starting.sort_by_key(|&index| buffers[index].live.start);
    ending.sort_by_key(|&index| buffers[index].live.end);

    let padded = |index: usize| buffers[index].size.align_up(buffers[index].alignment).0;
    let mut offsets = vec![0; buffers.len()];
    let mut free = FreeList::default();
    let mut ending = ending.into_iter().peekable();
    for index in starting {
        while let Some(ended) = ending.next_if(|&other| buffers[other].live.end <= buffers[index].live.start)
        {
            free.release(offsets[ended], padded(ended));
        }
        offsets[index] = free.allocate(padded(index), buffers[index].alignment, ties);
    }
    offsets
}

/// As [`offsets`], for the buffers of a problem.
pub(super) fn problem_offsets(problem: &Problem, ties: Ties) -> Vec<u64> {
    offsets(&problem.buffers, ties)
}

/// The gaps below `top`; everything from there on is free.
#[derive(Debug, Default)]
struct FreeList {
    /// Offset to size.
    gaps: BTreeMap<u64, u64>,
    /// The same as (size, offset).
    by_size: BTreeSet<(u64, u64)>,
    top: u64,
}

impl FreeList {
    fn allocate(&mut self, size: u64, alignment: u64, ties: Ties) -> u64 {
        let fits = |&(gap, offset): &(u64, u64)| Bytes(offset).align_up(alignment).0 - offset + size <= gap;
        let first = self.by_size.range((size, 0)..).copied().find(fits);
        let found = match (first, ties) {
            (Some((gap, _)), Ties::Highest) => {
                self.by_size.range((gap, 0)..=(gap, u64::MAX)).rev().copied().find(fits)
            }
            (first, _) => first,
        };
        let (start, end) = match found {
            Some((gap, offset)) => {
                self.remove(offset, gap);
                (offset, offset + gap)
            }
            None => (self.top, u64::MAX),
        };
        let offset = Bytes(start).align_up(alignment).0;
        self.insert(start, offset);
        if end == u64::MAX {
            self.top = offset + size;
        } else {
            self.insert(offset + size, end);
        }
        offset
    }

    fn release(&mut self, offset: u64, size: u64) {
        let (mut start, mut end) = (offset, offset + size);
        if let Some((&below, &gap)) = self.gaps.range(..start).next_back()
            && below + gap == start
        {
            self.remove(below, gap);
            start = below;
        }
        if let Some(&gap) = self.gaps.get(&end) {
            self.remove(end, gap);
            end += gap;
        }
        if end == self.top {
            self.top = start;
        } else {
            self.insert(start, end);
        }
    }

    fn insert(&mut self, start: u64, end: u64) {
        if start < end {
            self.gaps.insert(start, end - start);
            self.by_size.insert((end - start, start));
        }
    }

    fn remove(&mut self, offset: u64, gap: u64) {
        self.gaps.remove(&offset);
        self.by_size.remove(&(gap, offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_gap_wins_and_ties_are_settled() {
        // offset ↑ 22 ┌──e──────┐
        //          17 ├──d─┐    │   d (17..22) and b (4..9) leave gaps of 5 at step 2,
        //           9 ├──c─┼────┤   so f (4) goes to either of them, not to the end
        //           4 ├──b─┤    │
        //           0 └──a─┴────┘
        // time →      0    2    4
        let problem =
            Problem::default().with(0, 4, 4).with(0, 2, 5).with(0, 4, 8).with(0, 2, 5).with(0, 4, 1);
        let problem = problem.with(2, 4, 4);
        assert_eq!(problem_offsets(&problem, Ties::Lowest), [0, 4, 9, 17, 22, 4]);
        assert_eq!(problem_offsets(&problem, Ties::Highest), [0, 4, 9, 17, 22, 17]);
    }

    #[test]
    fn neighbouring_gaps_become_one() {
        let problem =
            Problem::default().with(0, 1, 4).with(0, 2, 4).with(0, 3, 4).with(2, 3, 8).with(3, 4, 13);
        assert_eq!(problem_offsets(&problem, Ties::Lowest), [0, 4, 8, 0, 0]);
    }

    #[test]
    fn what_alignment_skips_stays_free() {
        let mut problem = Problem::default().with(0, 9, 3).with(0, 9, 8).with(1, 9, 5);
        problem.buffers[1].alignment = 8;
        assert_eq!(problem_offsets(&problem, Ties::Lowest), [0, 8, 3]);
    }
}
