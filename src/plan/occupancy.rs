//! Which bytes are taken while a buffer lives: the placed buffers that overlap it in time.
//!
//! Live ranges are kept in order of start. Those that overlap a given one start
//! before it ends, which is a prefix of that order, and end after it starts: a
//! tree of the latest end of every stretch finds them without a look at the
//! others. Buffers of equal live range are kept as one set of bytes, so that
//! weights, which live all together, are one entry. Among the byte ranges
//! found, the lowest fit takes linear time: they are put into buckets by their
//! start, and only those below the fit are put in order.

use super::filled::Filled;
use crate::problem::Problem;
use crate::units::Bytes;
use std::ops::Range;

/// Live ranges per leaf of the tree: short stretches are faster to scan than to descend.
const STRETCH: usize = 32;

/// Live ranges from which on [`Filled`] is faster than a look at everything that overlaps.
const MANY: usize = 2048;

/// Sizes of a buffer: a place within so many above the floor is near it.
const NEAR: u64 = 32;

/// Byte ranges from which on those near the floor are looked at first.
const CROWD: usize = 256;

/// Fewer byte ranges than this are faster to sort than to put into buckets.
const FEW: usize = 64;

/// The buffers placed so far.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// Distinct live ranges, sorted, as (start, end).
    lives: Vec<(u32, u32)>,
    /// For each buffer, its entry in `lives`.
    life_of: Vec<usize>,
    /// For each entry of `lives` what is taken.
    taken: Vec<Taken>,
    /// Bytes taken besides the first range of an entry: disjoint ranges, sorted, none touching the next.
    more: Vec<Vec<(u64, u64)>>,
    /// Latest end of what is placed below each node; node 1 is the root, node `i` has children `2i` and `2i + 1`.
    latest: Vec<u32>,
    /// Lowest start and highest end of the byte ranges below each node.
    extents: Vec<(u64, u64)>,
    leaves: usize,
    top: u64,
    /// Where there are many live ranges.
    filled: Option<Filled>,
    /// The last search found a place near its floor among many ranges.
    is_near: bool,
    /// Room for one search.
    ranges: Vec<(u64, u64)>,
    stack: Vec<(usize, usize)>,
    room: Room,
}

/// The bytes occupied by the buffers of one live range, stored inline because most have one range.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    first: (u64, u64),
    /// When they end once one is placed, and 0 before.
    end: u32,
    /// Number of the list of further ranges, counted from 1; 0: there is none.
    more: u32,
}

/// What a buffer needs.
#[derive(Clone, Copy, Debug)]
struct Need {
    size: u64,
    alignment: u64,
    /// A multiple of the alignment that no fit is below.
    floor: u64,
}

/// Memory that searches use again.
#[derive(Debug, Default)]
struct Room {
    buckets: Vec<(u64, u64)>,
    ends: Vec<usize>,
    sorted: Vec<(u64, u64)>,
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
            taken: vec![Taken::default(); lives.len()],
            more: Vec::new(),
            latest: vec![0; 2 * leaves],
            extents: vec![(u64::MAX, 0); 2 * leaves],
            filled: (lives.len() >= MANY).then(|| Filled::new(&lives)),
            leaves,
            top: 0,
            is_near: false,
            ranges: Vec::new(),
            stack: Vec::new(),
            room: Room::default(),
            lives,
        }
    }

    /// Puts a buffer at the lowest multiple of `alignment` where `size` bytes are free while it lives.
    ///
    /// Cost: O(log n + k) for k overlapping byte ranges, unless most of them
    /// start within one k-th of the arena. Of those that start far above the place, most searches see none.
    pub(super) fn place_lowest(&mut self, index: usize, size: u64, alignment: u64) -> u64 {
        let life = self.life_of[index];
        let floor = self.filled.as_ref().map_or(0, |filled| filled.floor(self.lives[life]));
        let need = Need { size, alignment, floor: Bytes(floor).align_up(alignment).0 };
        let ceiling = need.floor.saturating_add(size.saturating_mul(NEAR));
        let offset = self.lowest_below(life, floor, ceiling, need).unwrap_or_else(|| {
            self.gather(life, floor..u64::MAX);
            self.lowest(need)
        });
        // A fit like this one is found sooner by looking near the floor first.
        self.is_near = offset + size <= ceiling && (self.is_near || self.ranges.len() > CROWD);
        self.take(life, offset, offset + size);
        offset
    }

    /// The lowest fit below a ceiling, where the last one was near its floor; what is not looked at starts at the ceiling or
    /// above it.
    fn lowest_below(&mut self, life: usize, floor: u64, ceiling: u64, need: Need) -> Option<u64> {
        if !self.is_near {
            return None;
        }
        self.gather(life, floor..ceiling);
        Some(self.lowest(need)).filter(|offset| offset + need.size <= ceiling)
    }

    /// The lowest fit between the ranges that were gathered.
    fn lowest(&mut self, need: Need) -> u64 {
        let count = self.ranges.len();
        if count <= FEW {
            self.ranges.sort_unstable();
            let mut offset = need.floor;
            raise(&mut offset, &self.ranges, need);
            offset
        } else if self.top >> need.size.ilog2() < 4 * count as u64 {
            lowest_by_buckets(&self.ranges, &mut self.room, self.top, need)
        } else {
            lowest_by_sorting(&self.ranges, &mut self.room, self.top, need)
        }
    }

    /// Byte ranges that the last search found.
    pub(super) fn looked_at(&self) -> usize {
        self.ranges.len()
    }

    fn take(&mut self, life: usize, start: u64, end: u64) {
        self.top = self.top.max(end);
        let last_step = self.lives[life].1;
        let taken = &mut self.taken[life];
        if taken.end == 0 {
            *taken = Taken { first: (start, end), end: last_step, more: 0 };
        } else {
            if taken.more == 0 {
                self.more.push(Vec::new());
                taken.more = self.more.len() as u32;
            }
            merge_in(&mut self.more[taken.more as usize - 1], start, end);
        }
        let mut node = life / STRETCH + self.leaves;
        while node >= 1 {
            let (latest, (lowest, highest)) = (&mut self.latest[node], &mut self.extents[node]);
            if *latest >= last_step && *lowest <= start && *highest >= end {
                break;
            }
            *latest = last_step.max(*latest);
            (*lowest, *highest) = (start.min(*lowest), end.max(*highest));
            node /= 2;
        }
        if let Some(filled) = &mut self.filled {
            filled.take(self.lives[life], start, end);
        }
    }

    /// Fills `ranges` with what buffers that overlap an entry of `lives` have taken within some bytes.
    fn gather(&mut self, life: usize, bytes: Range<u64>) {
        let (start, end) = self.lives[life];
        let count = self.lives.partition_point(|other| other.0 < end);
        self.ranges.clear();
        self.stack.clear();
        self.stack.push((1, self.leaves));
        while let Some((node, width)) = self.stack.pop() {
            let first = (node * width - self.leaves) * STRETCH;
            let (lowest, highest) = self.extents[node];
            let is_apart = highest <= bytes.start || lowest >= bytes.end;
            if self.latest[node] <= start || first >= count || is_apart {
                continue;
            }
            if width > 1 {
                self.stack.extend([(2 * node + 1, width / 2), (2 * node, width / 2)]);
                continue;
            }
            let end = count.min(first + STRETCH);
            for taken in self.taken[first..end].iter().filter(|taken| taken.end > start) {
                let is_inside = taken.first.1 > bytes.start && taken.first.0 < bytes.end;
                self.ranges.extend(is_inside.then_some(taken.first));
                if taken.more > 0 {
                    // Sorted by start and disjoint, so by end as well.
                    let more = &self.more[taken.more as usize - 1];
                    let above = &more[more.partition_point(|range| range.1 <= bytes.start)..];
                    self.ranges.extend(above.iter().take_while(|range| range.0 < bytes.end));
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

/// Raises `offset` to the lowest fit above it between ranges in order of their start; whether one was found below a start.
fn raise(offset: &mut u64, ranges: &[(u64, u64)], need: Need) -> bool {
    for &(start, end) in ranges {
        if *offset + need.size <= start {
            return true;
        }
        // The offset is a multiple already: what ends below it does not matter.
        if end > *offset {
            *offset = Bytes(end).align_up(need.alignment).0;
        }
    }
    false
}

/// The lowest fit between ranges in any order, none of which ends above `top`.
///
/// A gap that fits is at least as long as a bucket. So it ends with the first
/// range that starts in its bucket, and began where the ranges of all earlier
/// buckets end: starts and ends within one bucket need no order.
fn lowest_by_buckets(ranges: &[(u64, u64)], room: &mut Room, top: u64, need: Need) -> u64 {
    let shift = need.size.ilog2();
    let buckets = &mut room.buckets;
    buckets.clear();
    buckets.resize((top >> shift) as usize + 1, (u64::MAX, 0));
    for &(start, end) in ranges {
        let (first_start, last_end) = &mut buckets[(start >> shift) as usize];
        *first_start = start.min(*first_start);
        *last_end = end.max(*last_end);
    }
    let mut offset = need.floor;
    for bucket in buckets.iter().filter(|bucket| bucket.1 > 0) {
        if raise(&mut offset, std::slice::from_ref(bucket), need) {
            break;
        }
    }
    offset
}

/// The same, with about one range in each bucket, which are sorted up to the first fit.
fn lowest_by_sorting(ranges: &[(u64, u64)], room: &mut Room, top: u64, need: Need) -> u64 {
    let shift = (top / ranges.len() as u64).max(1).ilog2();
    let Room { ends, sorted, .. } = room;
    ends.clear();
    ends.resize((top >> shift) as usize + 1, 0);
    for &(start, _) in ranges {
        ends[(start >> shift) as usize] += 1;
    }
    let mut before = 0;
    for end in ends.iter_mut() {
        before += std::mem::replace(end, before);
    }
    sorted.resize(ranges.len(), (0, 0));
    for &range in ranges {
        let place = &mut ends[(range.0 >> shift) as usize];
        sorted[*place] = range;
        *place += 1;
    }
    let mut offset = need.floor;
    let mut first = 0;
    for &end in ends.iter() {
        let bucket = &mut sorted[first..end];
        bucket.sort_unstable();
        if raise(&mut offset, bucket, need) {
            break;
        }
        first = end;
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
            let mut expected = 0;
            let need = Need { size, alignment, floor: 0 };
            raise(&mut expected, &ranges, need);
            for last in (1..ranges.len()).rev() {
                ranges.swap(last, random.below(last as u64 + 1) as usize);
            }
            let room = &mut Room::default();
            let found = lowest_by_buckets(&ranges, room, end, need);
            assert_eq!(found, expected, "{ranges:?}, {size} bytes at multiples of {alignment}");
            if ranges.is_empty() {
                continue;
            }
            let found = lowest_by_sorting(&ranges, room, end, need);
            assert_eq!(found, expected, "{ranges:?}, {size} bytes at multiples of {alignment}");
        }
    }
}
