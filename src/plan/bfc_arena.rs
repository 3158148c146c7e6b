//! `bfc-arena`: ONNX Runtime's arena, asked buffer by buffer while the run goes on.
//!
//! Requests are rounded up to 256 bytes and taken from the smallest free chunk that holds them, in the bin of their
//! size or a higher one; a chunk of at least twice the request is split. Where none holds it the arena is extended by
//! a region: 1 MiB at first, doubled until the request fits, and doubled again after an extension that needed no
//! doubling. Regions never join, and are given back by [`shrink`] alone.
//!
//! A buffer that [`grows`](crate::problem::Buffer::grows) is asked for when it starts and given back when it ends.
//! All others are known before the run (the memory pattern of an earlier run): they are one request at the start,
//! within which each has the offset of a best-fit trace of their starts and ends.
//!
//! Of several equal chunks the one of the earliest region is taken; the runtime takes that of the lowest address.
//!
//! Source: ONNX Runtime, onnxruntime/core/framework/bfc_arena.cc and mem_pattern_planner.h, commit 009aae13, checked
//! against the extensions that 1.31.1 logs.

use super::free_list::{self, Ties};
use crate::problem::{Block, Buffer, Plan, Problem};
use crate::units::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Requests are multiples of this.
const UNIT: u64 = 256;
/// The first extension.
const FIRST_REGION: u64 = 1 << 20;
/// The first extension after regions were given back (`DEFAULT_INITIAL_GROWTH_CHUNK_SIZE_BYTES`).
const FIRST_REGION_AGAIN: u64 = 2 << 20;
/// A chunk is also split where more than this would be wasted.
const MOST_DEAD: u64 = 128 << 20;
/// Chunks of 256 << 20 bytes and more share the last bin.
const LAST_BIN: u32 = 20;

/// By how much the arena is extended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extension {
    /// By regions that double (`kNextPowerOfTwo`).
    #[default]
    Doubled,
    /// By what was asked for (`kSameAsRequested`).
    AsRequested,
}

/// Places buffers, in the regions that an earlier run left if there are some; `has_shrunk`: after it gave others back.
pub(super) fn plan(problem: &Problem, extension: Extension, before: Option<&Plan>, has_shrunk: bool) -> Plan {
    let buffers = &problem.buffers;
    let mut arena = Arena { extension, ..Arena::default() };
    for block in before.map_or(&[][..], |plan| &plan.blocks) {
        arena.restore(block.bytes.end - block.bytes.start);
    }
    if has_shrunk {
        arena.next_region = FIRST_REGION_AGAIN;
    }
    let mut offsets = vec![0; buffers.len()];
    place_pattern(buffers, &mut arena, &mut offsets);

    let mut starting: Vec<usize> =
        (0..buffers.len()).filter(|&index| buffers[index].grows && buffers[index].size.0 > 0).collect();
    let mut ending = starting.clone();
    starting.sort_by_key(|&index| buffers[index].live.start);
    ending.sort_by_key(|&index| buffers[index].live.end);
    let mut ending = ending.into_iter().peekable();
    let mut starts = offsets.clone();
    for index in starting {
        while let Some(ended) = ending.next_if(|&other| buffers[other].live.end <= buffers[index].live.start)
        {
            arena.release(starts[ended]);
        }
        let Buffer { size, alignment, .. } = buffers[index];
        starts[index] = arena.allocate(size.0 + slack(alignment));
        offsets[index] = crate::Bytes(starts[index]).align_up(alignment).0;
    }

    let used = buffers.iter().zip(&offsets).map(|(buffer, &offset)| offset..offset + buffer.size.0);
    let earlier = before.into_iter().flat_map(|plan| plan.touched.iter().cloned());
    let blocks = arena.regions.iter().map(|bytes| Block { bytes: bytes.clone(), grows: false });
    Plan {
        touched: union(used.chain(earlier)),
        blocks: blocks.collect(),
        arena_size: crate::Bytes(arena.end()),
        offsets: offsets.into_iter().map(crate::Bytes).collect(),
    }
}

/// The arena after a run without the regions that contain no `held` buffer, and for each region whether it stays; of regions
/// that double the first does.
///
/// Source: `BFCArena::Shrink`, onnxruntime/core/framework/bfc_arena.cc.
pub(super) fn shrink(
    problem: &Problem,
    plan: &Plan,
    extension: Extension,
    held: impl Fn(usize) -> bool,
) -> (Plan, Vec<bool>) {
    let buffers = problem.buffers.iter().enumerate();
    let there = buffers.filter(|&(index, buffer)| buffer.size.0 > 0 && held(index));
    let there: BTreeSet<u64> = there.map(|(index, _)| plan.offsets[index].0).collect();
    let stays = |(position, block): (usize, &Block)| {
        position == 0 && extension == Extension::Doubled || there.range(block.bytes.clone()).next().is_some()
    };
    let kept: Vec<bool> = plan.blocks.iter().enumerate().map(stays).collect();
    let mut left = Plan::default();
    for block in plan.blocks.iter().zip(&kept).filter_map(|(block, &stays)| stays.then_some(block)) {
        let start = left.arena_size.0;
        let end = start + (block.bytes.end - block.bytes.start);
        let first = plan.touched.partition_point(|touched| touched.end <= block.bytes.start);
        let inside = plan.touched[first..].iter().take_while(|touched| touched.start < block.bytes.end);
        let at = |place: u64| start + (place.clamp(block.bytes.start, block.bytes.end) - block.bytes.start);
        left.touched.extend(inside.map(|touched| at(touched.start)..at(touched.end)));
        left.blocks.push(Block { bytes: start..end, grows: block.grows });
        left.arena_size = crate::Bytes(end);
    }
    (left, kept)
}

/// One request for all buffers that are known before the run.
fn place_pattern(buffers: &[Buffer], arena: &mut Arena, offsets: &mut [u64]) {
    let known: Vec<usize> = (0..buffers.len()).filter(|&index| !buffers[index].grows).collect();
    let aligned: Vec<Buffer> = known
        .iter()
        .map(|&index| Buffer {
            alignment: UNIT.saturating_mul(odd(buffers[index].alignment)),
            ..buffers[index].clone()
        })
        .collect();
    let inside = free_list::offsets(&aligned, Ties::Lowest);
    let ends = aligned.iter().zip(&inside).map(|(buffer, offset)| offset + rounded(buffer.size.0));
    let peak = ends.max().unwrap_or(0);
    if peak == 0 {
        return;
    }
    let alignment = aligned.iter().map(|buffer| buffer.alignment).fold(1, |all, own| all.max(own));
    let start = crate::Bytes(arena.allocate(peak + slack(alignment))).align_up(alignment).0;
    for (index, offset) in known.into_iter().zip(inside) {
        offsets[index] = if buffers[index].size.0 == 0 { 0 } else { start + offset };
    }
}

/// Sorted, disjoint ranges that cover what the given ones cover.
fn union(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut ranges: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

/// What an alignment asks for beyond multiples of [`UNIT`].
fn odd(alignment: u64) -> u64 {
    if UNIT.is_multiple_of(alignment.max(1)) { 1 } else { alignment }
}

/// Room to move a buffer up to its alignment within its chunk.
fn slack(alignment: u64) -> u64 {
    if odd(alignment) == 1 { 0 } else { alignment }
}

fn rounded(bytes: u64) -> u64 {
    Bytes(bytes).align_up(UNIT).0
}

/// The bin of chunks of this size: powers of two from 256 bytes.
fn bin(size: u64) -> u32 {
    (size / UNIT).max(1).ilog2().min(LAST_BIN)
}

/// Regions side by side in one space of addresses, each cut into chunks.
#[derive(Debug)]
struct Arena {
    extension: Extension,
    regions: Vec<Range<u64>>,
    /// Every chunk by address: its size, and whether it is free.
    chunks: BTreeMap<u64, (u64, bool)>,
    /// Free chunks as (bin, size, address).
    free: BTreeSet<(u32, u64, u64)>,
    next_region: u64,
}

impl Default for Arena {
    fn default() -> Arena {
        Arena {
            extension: Extension::Doubled,
            regions: Vec::new(),
            chunks: BTreeMap::new(),
            free: BTreeSet::new(),
            next_region: FIRST_REGION,
        }
    }
}

impl Arena {
    fn end(&self) -> u64 {
        self.regions.last().map_or(0, |region| region.end)
    }

    fn allocate(&mut self, bytes: u64) -> u64 {
        let wanted = rounded(bytes);
        let fitting =
            |free: &BTreeSet<(u32, u64, u64)>| free.range((bin(wanted), wanted, 0)..).next().copied();
        let (_, size, start) = match fitting(&self.free) {
            Some(found) => found,
            None => {
                self.extend(wanted);
                fitting(&self.free).unwrap_or((0, wanted, self.end()))
            }
        };
        self.free.remove(&(bin(size), size, start));
        let is_split = size / 2 >= wanted || size - wanted >= MOST_DEAD;
        if is_split {
            self.add_free(start + wanted, size - wanted);
        }
        self.chunks.insert(start, (if is_split { wanted } else { size }, false));
        start
    }

    fn release(&mut self, start: u64) {
        let Some((mut size, false)) = self.chunks.remove(&start) else { return };
        let mut start = start;
        if !self.is_border(start + size)
            && let Some(&(next, true)) = self.chunks.get(&(start + size))
        {
            self.remove_free(start + size, next);
            size += next;
        }
        if !self.is_border(start)
            && let Some((&before, &(length, true))) = self.chunks.range(..start).next_back()
        {
            self.remove_free(before, length);
            start = before;
            size += length;
        }
        self.add_free(start, size);
    }

    /// Whether a region begins there: regions never join.
    fn is_border(&self, at: u64) -> bool {
        self.regions.binary_search_by_key(&at, |region| region.start).is_ok()
    }

    fn extend(&mut self, wanted: u64) {
        if self.extension == Extension::AsRequested {
            return self.add_region(wanted);
        }
        let mut is_doubled = false;
        while wanted > self.next_region {
            self.next_region = self.next_region.saturating_mul(2);
            is_doubled = true;
            if self.next_region > u64::MAX / 2 {
                self.next_region = wanted;
            }
        }
        self.add_region(self.next_region);
        if !is_doubled {
            self.next_region = self.next_region.saturating_mul(2);
        }
    }

    /// A region that an earlier run made.
    fn restore(&mut self, bytes: u64) {
        let is_doubled = bytes > self.next_region;
        self.next_region = if is_doubled { bytes } else { bytes.saturating_mul(2) };
        self.add_region(bytes);
    }

    fn add_region(&mut self, bytes: u64) {
        let start = self.end();
        self.regions.push(start..start.saturating_add(bytes));
        self.add_free(start, bytes);
    }

    fn add_free(&mut self, start: u64, size: u64) {
        self.chunks.insert(start, (size, true));
        self.free.insert((bin(size), size, start));
    }

    fn remove_free(&mut self, start: u64, size: u64) {
        self.chunks.remove(&start);
        self.free.remove(&(bin(size), size, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;

    const MIB: u64 = 1 << 20;

    /// Buffers of (start, end, bytes), all asked for one by one.
    fn growing(buffers: &[(u32, u32, u64)]) -> Problem {
        let buffers = buffers.iter().map(|&(start, end, size)| Buffer {
            live: start..end,
            size: Bytes(size),
            alignment: 1,
            grows: true,
        });
        Problem { buffers: buffers.collect() }
    }

    fn regions(plan: &Plan) -> Vec<u64> {
        plan.blocks.iter().map(|block| (block.bytes.end - block.bytes.start) / MIB).collect()
    }

    #[test]
    fn regions_double() {
        // Five buffers of 2.3 MiB that live together, as the first run of a vision tower logs them: 4, 4, 8 MiB.
        let problem = growing(&[(0, 9, 2408448); 5]);
        let plan = plan(&problem, Extension::Doubled, None, false);
        assert_eq!(regions(&plan), [4, 4, 8]);
        assert_eq!(plan.offsets.iter().map(|at| at.0 / MIB).collect::<Vec<_>>(), [0, 4, 8, 10, 12]);
    }

    #[test]
    fn regions_as_requested_are_no_larger() {
        let plan = plan(&growing(&[(0, 9, 1000), (0, 9, 5 * MIB)]), Extension::AsRequested, None, false);
        assert_eq!(
            plan.blocks.iter().map(|block| block.bytes.clone()).collect::<Vec<_>>(),
            [0..1024, 1024..1024 + 5 * MIB]
        );
    }

    #[test]
    fn freed_neighbours_join_and_a_large_chunk_is_split() {
        // offset ↑  ┌─b─┬──c──   c of 600 KiB fits where a and b of 300 KiB were.
        //           ├─a─┘
        // time →    0   1    2
        let kib = 1024;
        let plan = plan(
            &growing(&[(0, 1, 300 * kib), (0, 1, 300 * kib), (1, 2, 600 * kib)]),
            Extension::Doubled,
            None,
            false,
        );
        assert_eq!(plan.offsets, [0, 300 * kib, 0].map(Bytes));
        assert_eq!(regions(&plan), [1]);
        assert_eq!(plan.touched, vec![0..600 * kib]);
    }

    #[test]
    fn a_chunk_less_than_twice_the_request_is_taken_whole() {
        let plan = plan(&growing(&[(0, 9, 3 * MIB), (0, 9, MIB / 2)]), Extension::Doubled, None, false);
        assert_eq!(regions(&plan), [4, 4]);
    }

    #[test]
    fn the_second_run_asks_for_its_pattern_at_once() {
        let first = growing(&[(0, 2, 3 * MIB), (1, 3, 2 * MIB), (2, 4, 3 * MIB)]);
        let before = plan(&first, Extension::Doubled, None, false);
        assert_eq!(regions(&before), [4, 4]);
        let mut second = first.clone();
        second.buffers.iter_mut().for_each(|buffer| buffer.grows = false);
        let after = plan(&second, Extension::Doubled, Some(&before), false);
        // A pattern of 5 MiB fits in neither region: one of 8 MiB comes on top.
        assert_eq!(regions(&after), [4, 4, 8]);
        assert_eq!(after.offsets.iter().map(|at| at.0 / MIB).collect::<Vec<_>>(), [8, 11, 8]);
        // What the first run wrote to stays resident.
        assert_eq!(after.touched, vec![0..3 * MIB, 4 * MIB..6 * MIB, 8 * MIB..13 * MIB]);
    }

    #[test]
    fn one_pass_of_huge_requests_ends() {
        let problem = growing(&[(0, 1, 1 << 62), (1, 2, (1 << 62) + 1)]);
        assert_eq!(plan(&problem, Extension::Doubled, None, false).offsets.len(), 2);
    }

    #[test]
    fn an_arena_that_shrinks_keeps_its_first_region_and_those_that_are_held() {
        let first = growing(&[(0, 3, MIB), (0, 3, 2 * MIB), (1, 3, 4 * MIB), (2, 3, 8 * MIB)]);
        let before = plan(&first, Extension::Doubled, None, false);
        assert_eq!(regions(&before), [1, 2, 4, 8]);
        let (left, kept) = shrink(&first, &before, Extension::Doubled, |index| index == 2);
        assert_eq!((regions(&left), kept), (vec![1, 4], vec![true, false, true, false]));
        assert_eq!(left.touched, vec![0..MIB, MIB..5 * MIB]);
        // The same again, where 2 MiB are in the region of 4: the new ones are 2 MiB doubled, not twice the largest region.
        let after = plan(&first, Extension::Doubled, Some(&left), true);
        assert_eq!(regions(&after), [1, 4, 4, 8]);
        let (left, _) = shrink(&first, &before, Extension::AsRequested, |_| false);
        assert_eq!(left, Plan::default());
    }
}
