//! Which bytes are taken when: a segment tree over time whose nodes hold sets of byte ranges.
//!
//! A live range is cut into O(log n) nodes of the tree. A node keeps two sets:
//! the bytes of buffers whose live range covers the node whole (`covering`),
//! and the bytes of buffers that touch the node at all (`touching`). What is
//! taken at some step of a live range is then the union of `touching` over the
//! nodes that the range is cut into and of `covering` over their ancestors.
//! Touching ranges are merged, so packed regions stay one entry.

use crate::problem::{LiveRange, Problem};
use crate::units::Bytes;

/// The bytes taken so far.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// Sorted distinct starts and ends of all live ranges: leaf `i` is `steps[i]..steps[i + 1]`.
    steps: Vec<u32>,
    /// Leaves, rounded up to a power of two; node `i` has children `2i` and `2i + 1`, node 1 is the root.
    leaves: usize,
    covering: Vec<RangeSet>,
    touching: Vec<RangeSet>,
}

impl Occupancy {
    /// Nothing taken, for buffers of `problem`.
    pub(super) fn new(problem: &Problem) -> Occupancy {
        let mut steps: Vec<u32> =
            problem.buffers.iter().flat_map(|buffer| [buffer.live.start, buffer.live.end]).collect();
        steps.sort_unstable();
        steps.dedup();
        let leaves = steps.len().max(1).next_power_of_two();
        let empty = vec![RangeSet::default(); 2 * leaves];
        Occupancy { steps, leaves, covering: empty.clone(), touching: empty }
    }

    /// The lowest multiple of `alignment` at which `size` bytes are free over all of `live`.
    pub(super) fn lowest_fit(&self, live: &LiveRange, size: u64, alignment: u64) -> u64 {
        let sets = self.sets_over(live);
        let mut offset = 0;
        let mut agreeing = 0;
        // Round and round over the sets until all of them, one after the other, are free at the same place.
        for set in sets.iter().cycle() {
            let before = offset;
            while let Some(end) = set.collision(offset, offset + size) {
                offset = Bytes(end).align_up(alignment).0;
            }
            agreeing = if offset == before { agreeing + 1 } else { 1 };
            if agreeing >= sets.len() {
                break;
            }
        }
        offset
    }

    /// Takes `size` bytes at `offset` over `live`.
    pub(super) fn insert(&mut self, live: &LiveRange, offset: u64, size: u64) {
        let end = offset + size;
        let (mut left, mut right) = self.leaf_range(live);
        let (first, last) = (left, right - 1);
        while left < right {
            if left & 1 == 1 {
                self.covering[left].insert(offset, end);
                self.touching[left].insert(offset, end);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                self.covering[right].insert(offset, end);
                self.touching[right].insert(offset, end);
            }
            left >>= 1;
            right >>= 1;
        }
        let (mut low, mut high) = (first >> 1, last >> 1);
        while low >= 1 {
            self.touching[low].insert(offset, end);
            if high != low {
                self.touching[high].insert(offset, end);
            }
            low >>= 1;
            high >>= 1;
        }
    }

    /// All non-empty sets whose union is what is taken at some step of `live`.
    fn sets_over(&self, live: &LiveRange) -> Vec<&RangeSet> {
        let mut sets = Vec::new();
        let (mut left, mut right) = self.leaf_range(live);
        let (mut low, mut high) = (left, right - 1);
        while left < right {
            if left & 1 == 1 {
                sets.push(&self.touching[left]);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                sets.push(&self.touching[right]);
            }
            left >>= 1;
            right >>= 1;
        }
        while low >= 1 {
            sets.push(&self.covering[low]);
            if high != low {
                sets.push(&self.covering[high]);
            }
            low >>= 1;
            high >>= 1;
        }
        sets.retain(|set| !set.ranges.is_empty());
        sets
    }

    /// First and one past the last leaf of a non-empty live range, as node numbers.
    fn leaf_range(&self, live: &LiveRange) -> (usize, usize) {
        let leaf = |step: u32| self.steps.partition_point(|&other| other < step) + self.leaves;
        (leaf(live.start), leaf(live.end))
    }
}

/// Disjoint byte ranges, sorted; ranges that touch are one.
#[derive(Clone, Debug, Default)]
struct RangeSet {
    ranges: Vec<(u64, u64)>,
}

impl RangeSet {
    /// Where the first range ends that shares a byte with `start..end`.
    fn collision(&self, start: u64, end: u64) -> Option<u64> {
        let index = self.ranges.partition_point(|&(_, other_end)| other_end <= start);
        self.ranges.get(index).filter(|range| range.0 < end).map(|range| range.1)
    }

    /// Adds `start..end`, merging what it touches.
    fn insert(&mut self, start: u64, end: u64) {
        let from = self.ranges.partition_point(|&(_, other_end)| other_end < start);
        let to = from + self.ranges[from..].partition_point(|&(other_start, _)| other_start <= end);
        if from == to {
            self.ranges.insert(from, (start, end));
            return;
        }
        let merged = (start.min(self.ranges[from].0), end.max(self.ranges[to - 1].1));
        self.ranges[from] = merged;
        self.ranges.drain(from + 1..to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut set = RangeSet::default();
        for (start, end) in [(10, 20), (30, 40), (0, 5), (20, 25), (26, 30)] {
            set.insert(start, end);
        }
        assert_eq!(set.ranges, [(0, 5), (10, 25), (26, 40)]);
        set.insert(4, 27);
        assert_eq!(set.ranges, [(0, 40)]);
    }

    #[test]
    fn fits_agree_with_a_scan_of_all_pairs() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut problem = Problem::default();
        for _ in 0..300 {
            let start = random(60) as u32;
            problem = problem.with(start, start + 1 + random(20) as u32, 1 + random(30));
        }
        let mut occupancy = Occupancy::new(&problem);
        let mut placed: Vec<(LiveRange, u64, u64)> = Vec::new();
        for buffer in &problem.buffers {
            let (live, size, alignment) = (buffer.live.clone(), buffer.size.0, 1 + random(4));
            let free = |offset: u64| {
                placed.iter().all(|(other, start, end)| {
                    other.end <= live.start
                        || live.end <= other.start
                        || *end <= offset
                        || offset + size <= *start
                })
            };
            let expected = (0..).map(|k| k * alignment).find(|&offset| free(offset)).unwrap();
            assert_eq!(occupancy.lowest_fit(&live, size, alignment), expected);
            occupancy.insert(&live, expected, size);
            placed.push((live, expected, expected + size));
        }
    }
}
