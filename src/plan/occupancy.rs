//! Which bytes are taken while a buffer lives: the placed buffers that overlap it in time.
//!
//! Live ranges are kept in order of start. Those that overlap a given one start
//! before it ends, which is a prefix of that order, and end after it starts: a
//! tree of the latest end of every stretch finds them without a look at the
//! others. Buffers of equal live range are kept as one set of bytes, so that
//! weights, which live all together, are one entry. Among the byte ranges
//! found, the lowest fit takes linear time.

use crate::problem::Problem;
use crate::units::Bytes;

/// Live ranges per leaf of the tree: short stretches are faster to scan than to descend.
const STRETCH: usize = 8;

/// Fewer byte ranges than this are faster to sort than to put into buckets.
const FEW: usize = 64;

/// The buffers placed so far.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// Distinct live ranges, sorted, as (start, end).
    lives: Vec<(u32, u32)>,
    /// For each buffer, its entry in `lives`.
    life_of: Vec<usize>,
    /// For each entry of `lives` its end once a buffer of it is placed, and 0 before.
    ends: Vec<u32>,
    /// For each entry of `lives` the bytes taken: disjoint ranges, sorted, none touching the next.
    taken: Vec<Vec<(u64, u64)>>,
    /// Latest of `ends` below each node; node 1 is the root, node `i` has children `2i` and `2i + 1`.
    latest: Vec<u32>,
    leaves: usize,
    top: u64,
    /// Room for one search.
    ranges: Vec<(u64, u64)>,
    buckets: Vec<(u64, u64)>,
}

impl Occupancy {
    /// Nothing placed yet.
    pub(super) fn new(problem: &Problem) -> Occupancy {
        let live = |index: usize| (problem.buffers[index].live.start, problem.buffers[index].live.end);
        let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
        order.sort_by_key(|&index| live(index));
        let mut lives: Vec<(u32, u32)> = Vec::new();
        let mut life_of = vec![0; order.len()];
        for index in order {
            if lives.last() != Some(&live(index)) {
                lives.push(live(index));
            }
            life_of[index] = lives.len() - 1;
        }
        let leaves = lives.len().div_ceil(STRETCH).max(1).next_power_of_two();
        Occupancy {
            life_of,
            ends: vec![0; lives.len()],
            taken: vec![Vec::new(); lives.len()],
            lives,
            latest: vec![0; 2 * leaves],
            leaves,
            top: 0,
            ranges: Vec::new(),
            buckets: Vec::new(),
        }
    }

    /// Puts a buffer at the lowest multiple of `alignment` where `size` bytes are free while it lives.
    ///
    /// Cost: O(log n + k) for k overlapping byte ranges, O(k log k) if `size`
    /// is small against the arena.
    pub(super) fn place_lowest(&mut self, index: usize, size: u64, alignment: u64) -> u64 {
        let life = self.life_of[index];
        self.gather(life);
        let offset = if self.ranges.len() > FEW && self.top / size < 4 * self.ranges.len() as u64 {
            lowest_by_buckets(&self.ranges, &mut self.buckets, self.top, size, alignment)
        } else {
            self.ranges.sort_unstable();
            lowest_in_sorted(&self.ranges, size, alignment)
        };
        self.take(life, offset, offset + size);
        offset
    }

    fn take(&mut self, life: usize, start: u64, end: u64) {
        self.top = self.top.max(end);
        merge_in(&mut self.taken[life], start, end);
        let last_step = self.lives[life].1;
        self.ends[life] = last_step;
        let mut node = life / STRETCH + self.leaves;
        while node >= 1 && self.latest[node] < last_step {
            self.latest[node] = last_step;
            node /= 2;
        }
    }

    /// Fills `ranges` with the bytes taken by buffers that overlap an entry of `lives`.
    fn gather(&mut self, life: usize) {
        let (start, end) = self.lives[life];
        let count = self.lives.partition_point(|other| other.0 < end);
        self.ranges.clear();
        let mut stack = vec![(1, self.leaves)];
        while let Some((node, width)) = stack.pop() {
            let first = (node * width - self.leaves) * STRETCH;
            if self.latest[node] <= start || first >= count {
                continue;
            }
            if width > 1 {
                stack.extend([(2 * node + 1, width / 2), (2 * node, width / 2)]);
                continue;
            }
            for other in first..count.min(first + STRETCH) {
                if self.ends[other] > start {
                    self.ranges.extend_from_slice(&self.taken[other]);
                }
            }
        }
    }
}

/// Adds `start..end`, which is free, to disjoint sorted ranges, joining it to those that it touches.
fn merge_in(ranges: &mut Vec<(u64, u64)>, start: u64, end: u64) {
    let at = ranges.partition_point(|range| range.1 < start);
    let touches_below = ranges.get(at).is_some_and(|range| range.1 == start);
    let above = at + usize::from(touches_below);
    let touches_above = ranges.get(above).is_some_and(|range| range.0 == end);
    match (touches_below, touches_above) {
        (true, true) => {
            ranges[at].1 = ranges[above].1;
            ranges.remove(above);
        }
        (true, false) => ranges[at].1 = end,
        (false, true) => ranges[above].0 = start,
        (false, false) => ranges.insert(at, (start, end)),
    }
}

/// The lowest fit between ranges in order of their start.
fn lowest_in_sorted(ranges: &[(u64, u64)], size: u64, alignment: u64) -> u64 {
    let mut offset = 0;
    for &(start, end) in ranges {
        if offset + size <= start {
            break;
        }
        offset = offset.max(Bytes(end).align_up(alignment).0);
    }
    offset
}

/// The lowest fit between ranges in any order, none of which ends above `top`.
///
/// A gap that fits is at least as long as a bucket. So it ends with the first
/// range that starts in its bucket, and began where the ranges of all earlier
/// buckets end: starts and ends within one bucket need no order.
fn lowest_by_buckets(
    ranges: &[(u64, u64)],
    buckets: &mut Vec<(u64, u64)>,
    top: u64,
    size: u64,
    alignment: u64,
) -> u64 {
    buckets.clear();
    buckets.resize((top / size) as usize + 1, (u64::MAX, 0));
    for &(start, end) in ranges {
        let (first_start, last_end) = &mut buckets[(start / size) as usize];
        *first_start = start.min(*first_start);
        *last_end = end.max(*last_end);
    }
    let mut offset = 0;
    for &(first_start, last_end) in buckets.iter().filter(|bucket| bucket.1 > 0) {
        if offset + size <= first_start {
            break;
        }
        offset = offset.max(Bytes(last_end).align_up(alignment).0);
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::random::Random;
    use crate::problem::LiveRange;

    #[test]
    fn fits_agree_with_a_scan_of_all_pairs() {
        let mut random = Random::new(7);
        let mut problem = Problem::default();
        for _ in 0..600 {
            let start = random.below(30) as u32;
            problem = problem.with(start, start + 1 + random.below(20) as u32, 1 + random.below(30));
        }
        let mut occupancy = Occupancy::new(&problem);
        let mut placed: Vec<(LiveRange, u64, u64)> = Vec::new();
        for (index, buffer) in problem.buffers.iter().enumerate() {
            let (live, size, alignment) = (buffer.live.clone(), buffer.size.0, 1 + random.below(4));
            let free = |offset: u64| {
                placed.iter().all(|(other, start, end)| {
                    let apart_in_time = other.end <= live.start || live.end <= other.start;
                    apart_in_time || *end <= offset || offset + size <= *start
                })
            };
            let expected = (0..).map(|k| k * alignment).find(|&offset| free(offset)).unwrap();
            assert_eq!(occupancy.place_lowest(index, size, alignment), expected);
            placed.push((live, expected, expected + size));
        }
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = Vec::new();
        for (start, end) in [(10, 20), (30, 40), (0, 5), (20, 25), (26, 30)] {
            merge_in(&mut ranges, start, end);
        }
        assert_eq!(ranges, [(0, 5), (10, 25), (26, 40)]);
        merge_in(&mut ranges, 25, 26);
        assert_eq!(ranges, [(0, 5), (10, 40)]);
    }

    #[test]
    fn buckets_find_what_sorting_finds() {
        let mut random = Random::new(1);
        for _ in 0..2000 {
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            let mut end = 0;
            for _ in 0..random.below(40) {
                let start = end + random.below(12) * random.below(2);
                end = start + 1 + random.below(20);
                ranges.push((start, end));
            }
            let (size, alignment) = (1 + random.below(14), 1 + random.below(5));
            let expected = lowest_in_sorted(&ranges, size, alignment);
            for last in (1..ranges.len()).rev() {
                ranges.swap(last, random.below(last as u64 + 1) as usize);
            }
            let found = lowest_by_buckets(&ranges, &mut Vec::new(), end, size, alignment);
            assert_eq!(found, expected, "{ranges:?}, {size} bytes at multiples of {alignment}");
        }
    }
}
