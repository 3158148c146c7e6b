//! The C library's allocator, as far as the resident set of a process depends on it.
//!
//! A freed block stays resident where it is in the heap: whether it does, and whether a later request fits into the
//! hole, decides how much a process keeps. What is followed here, for large blocks:
//!
//! * a request goes to the smallest hole that holds it; else to the top of the heap; else, from the threshold for
//!   mappings on, it is mapped by itself; else the heap grows;
//! * a mapped block that is freed is gone, and raises the threshold to its own size, up to 32 MiB;
//! * a freed block of the heap joins free neighbours; a top of twice the threshold is given back, but for 128 KiB;
//! * a page is resident once it was written to.
//!
//! A request for aligned memory takes room for the alignment as well, and frees what it does not need of that. Small
//! objects may take these split_remainder, and then a block that is freed leaves a hole which no request of the same size
//! fits into. Which of the two happens depends on where the heap's top is modulo the alignment, see [`SplitRemainder`].
//!
//! * a thread keeps seven small blocks of a length, and gives them to requests that need no alignment.
//!
//! In a run, what an aligned request leaves before the block and after it is followed block by block: it is kept by the
//! thread, or joins its neighbours with the next large request or free. The tensors' objects, which are as long, are made
//! right after their bytes, of what the thread kept last. Of the heap in which a run starts, two things are not known,
//! see [`Start`].
//!
//! Not followed: bins for small blocks. At creation these come from the top, since objects that are not counted fill small
//! holes, in a run from such holes; arenas of further threads.
//!
//! Source: glibc 2.36, malloc/malloc.c (`sysmalloc`, `_int_malloc`, `_int_memalign`, `_int_free`, `systrim`, `munmap_chunk`),
//! checked against traces of 12 sessions of ONNX Runtime 1.31.1.

use crate::machine::PAGE;
use std::collections::{BTreeMap, BTreeSet};

/// The smallest block; a smaller rest is not split off (`MINSIZE`).
const SMALLEST: u64 = 32;
/// `DEFAULT_MMAP_THRESHOLD`, `DEFAULT_TRIM_THRESHOLD` and `DEFAULT_TOP_PAD`.
const FIRST_THRESHOLD: u64 = 128 << 10;
/// `DEFAULT_MMAP_THRESHOLD_MAX`.
const LAST_THRESHOLD: u64 = 32 << 20;
/// Only a free that makes this much free looks at the top (`FASTBIN_CONSOLIDATION_THRESHOLD`).
const TRIMMING: u64 = 64 << 10;
/// The longest block that a thread keeps, and how many it keeps of a length (`tcache_max_bytes`, `TCACHE_FILL_COUNT`).
const CACHED: u64 = 1040;
const CACHED_COUNT: usize = 7;
/// The longest freed block that does not join its neighbours at once (`global_max_fast`).
const FAST: u64 = 128;
/// Alignment that every block has.
const UNIT: u64 = 16;
/// Where mapped blocks begin; the heap is below.
const MAPPED: u64 = 1 << 60;
/// Small blocks of a run, which are not followed.
const ELSEWHERE: u64 = u64::MAX;
/// Larger requests than this are not followed; the sums of a million others stay below [`MAPPED`].
const LARGEST: u64 = 1 << 40;

/// How the padding of an aligned block is reused once the block is freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SplitRemainder {
    /// It joins the block's hole when the block is freed.
    #[default]
    Joined,
    /// A small object takes it for good.
    Taken,
}

/// What is not known of the heap in which a run starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// Where it is modulo the alignment: a multiple of 16.
    pub place: u64,
    /// There are small holes for objects, of which the thread keeps as many as it can when it takes one. Without, an object
    /// takes a hole of the next length.
    pub has_small_holes: bool,
}

/// Small blocks other than those of a run.
#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    start: Start,
    /// Freed rests that join their neighbours with the next large request or free: address and length.
    fast: Vec<(u64, u64)>,
}

/// A small block of a run: its address if it is a rest of a large one, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    address: Option<u64>,
    length: u64,
}

/// A heap that grows by `brk`, and blocks that are mapped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GlibcHeap {
    split_remainder: SplitRemainder,
    threshold: u64,
    trim: u64,
    /// Where the top begins, and where the heap ends.
    top: u64,
    end: u64,
    /// Blocks of the heap in use: address to length.
    used: BTreeMap<u64, u64>,
    /// Holes by address, and as (length, address).
    holes: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
    /// Freed small blocks that the thread keeps for itself, by length; `None`: one somewhere below.
    cached: BTreeMap<u64, Vec<Option<u64>>>,
    /// Other blocks than those of a run; `None`: it is not followed.
    run: Option<Run>,
    /// Mapped blocks: address to length.
    mapped: BTreeMap<u64, u64>,
    next_mapping: u64,
    /// Written pages, disjoint: start to end.
    written: BTreeMap<u64, u64>,
    resident: u64,
    peak: u64,
}

impl GlibcHeap {
    /// A heap in which nothing was allocated yet.
    #[must_use]
    pub(crate) fn new(split_remainder: SplitRemainder) -> GlibcHeap {
        GlibcHeap {
            split_remainder,
            threshold: FIRST_THRESHOLD,
            trim: FIRST_THRESHOLD,
            top: 0,
            end: 0,
            used: BTreeMap::new(),
            holes: BTreeMap::new(),
            by_length: BTreeSet::new(),
            cached: BTreeMap::new(),
            run: None,
            mapped: BTreeMap::new(),
            next_mapping: MAPPED,
            written: BTreeMap::new(),
            resident: 0,
            peak: 0,
        }
    }

    /// A run starts, or one more. Objects of the given bytes were freed before, and fill the lists of the thread.
    pub(crate) fn run(&mut self, start: Start, objects: &[u64]) {
        if self.run.is_none() {
            self.run = Some(Run { start, ..Run::default() });
            for &bytes in objects {
                self.cached.entry(length(bytes)).or_default().resize(CACHED_COUNT, None);
            }
        }
    }

    /// Bytes of resident pages now.
    #[must_use]
    pub(crate) fn resident(&self) -> u64 {
        self.resident
    }

    /// The most that were resident since [`GlibcHeap::forget_peak`].
    #[must_use]
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Resets the peak.
    pub(crate) fn forget_peak(&mut self) {
        self.peak = self.resident;
    }

    /// Allocates (`malloc`, or `posix_memalign` where the alignment is above 16) and returns the block's address.
    pub(crate) fn malloc(&mut self, bytes: u64, alignment: u64) -> u64 {
        let length = length(bytes);
        if self.run.is_some() && alignment > UNIT {
            return self.take_in_run(length, alignment);
        }
        let wanted = if alignment > UNIT { self::length(length + alignment + SMALLEST) } else { length };
        if alignment <= UNIT
            && let Some(address) = self.cached.get_mut(&length).and_then(Vec::pop).flatten()
        {
            self.used.insert(address, length);
            return address;
        }
        let hole = self.by_length.range((wanted, 0)..).next().copied().filter(|_| length > CACHED);
        let address = if let Some((found, address)) = hole {
            self.remove_hole(address, found);
            return self.cut(address, found, wanted, length);
        } else if self.end - self.top >= wanted + SMALLEST {
            self.top
        } else if wanted >= self.threshold {
            return self.map(wanted);
        } else {
            let missing = wanted + FIRST_THRESHOLD + SMALLEST - (self.end - self.top);
            self.end += missing.next_multiple_of(PAGE);
            self.top
        };
        self.top += wanted;
        self.cut(address, wanted, wanted, length)
    }

    /// Allocates, and writes all of it.
    pub(crate) fn take_written(&mut self, bytes: u64, alignment: u64) -> u64 {
        let address = self.malloc(bytes, alignment);
        self.write(address, 0, bytes);
        address
    }

    /// Writes to a range of a block.
    pub(crate) fn write(&mut self, address: u64, start: u64, bytes: u64) {
        let block = self.used.get(&address).or_else(|| self.mapped.get(&address));
        if let (Some(&length), true) = (block, bytes > 0) {
            let (start, end) = (start.min(length), start.saturating_add(bytes).min(length));
            self.write_pages((address + start) / PAGE * PAGE, (address + end).next_multiple_of(PAGE));
        }
        self.peak = self.peak.max(self.resident);
    }

    /// Frees a block; an address that is none changes nothing.
    pub(crate) fn free(&mut self, address: u64) {
        if let Some(length) = self.mapped.remove(&address) {
            self.drop_pages(address, address + length);
            if length > self.threshold && length <= LAST_THRESHOLD {
                self.threshold = length;
                self.trim = 2 * length;
            }
        } else if let Some(length) = self.used.remove(&address) {
            self.release(address, length);
        }
    }

    /// Allocates a small object of a run.
    pub(crate) fn take_object(&mut self, bytes: u64) -> Object {
        let length = length(bytes);
        let cached = self.cached.entry(length).or_default();
        if let Some(address) = cached.pop() {
            return Object { address, length };
        }
        if self.run.as_ref().is_some_and(|run| !run.start.has_small_holes) {
            return Object { address: None, length: length + UNIT };
        }
        cached.resize(CACHED_COUNT, None);
        Object { address: None, length }
    }

    /// Frees a small object of a run.
    pub(crate) fn free_object(&mut self, object: Object) {
        let Object { address, length } = object;
        let cached = self.cached.entry(length).or_default();
        if cached.len() < CACHED_COUNT {
            cached.push(address);
        } else if let (Some(address), Some(run)) = (address, &mut self.run) {
            run.fast.push((address, length));
        }
    }

    /// Takes an aligned block of a run: what the alignment leaves before it and after it is freed.
    fn take_in_run(&mut self, length: u64, alignment: u64) -> u64 {
        if length <= CACHED {
            // Found among small holes somewhere below.
            return ELSEWHERE;
        }
        self.consolidate();
        let wanted = self::length(length + alignment + SMALLEST);
        let hole = self.by_length.range((wanted, 0)..).next().copied();
        let (start, room) = if let Some((found, address)) = hole {
            self.remove_hole(address, found);
            if found - wanted >= SMALLEST {
                self.join(address + wanted, found - wanted);
                (address, wanted)
            } else {
                (address, found)
            }
        } else {
            if self.end - self.top < wanted + SMALLEST {
                if wanted >= self.threshold {
                    return self.map(wanted);
                }
                let missing = wanted + FIRST_THRESHOLD + SMALLEST - (self.end - self.top);
                self.end += missing.next_multiple_of(PAGE);
            }
            self.top += wanted;
            (self.top - wanted, wanted)
        };
        let place = self.run.as_ref().map_or(0, |run| run.start.place);
        let mut before = (start + place).next_multiple_of(alignment) - (start + place);
        if before > 0 && before < SMALLEST {
            before += alignment;
        }
        let address = start + before;
        let after = room - before - length;
        let kept = if after > SMALLEST { length } else { length + after };
        self.used.insert(address, kept);
        if before > 0 {
            self.release(start, before);
        }
        if after > SMALLEST {
            self.release(address + length, after);
        }
        address
    }

    /// Joins freed small chunks with their neighbours (`malloc_consolidate`).
    fn consolidate(&mut self) {
        let fast = self.run.as_mut().map(|run| std::mem::take(&mut run.fast));
        for (address, length) in fast.into_iter().flatten() {
            self.join(address, length);
        }
    }

    /// Frees a range of the heap: for the thread's own use, or to join its neighbours.
    fn release(&mut self, address: u64, length: u64) {
        if length <= CACHED {
            let cached = self.cached.entry(length).or_default();
            if cached.len() < CACHED_COUNT {
                return cached.push(Some(address));
            }
            if let (Some(run), true) = (&mut self.run, length <= FAST) {
                return run.fast.push((address, length));
            }
        }
        let length = self.join(address, length);
        if length >= TRIMMING {
            self.consolidate();
        }
        if length >= TRIMMING && self.end - self.top >= self.trim {
            self.trim_top();
        }
    }

    /// Frees a range and joins it with its free neighbours; the length of what became of it.
    fn join(&mut self, address: u64, mut length: u64) -> u64 {
        let mut start = address;
        if let Some(&next) = self.holes.get(&(address + length)) {
            self.remove_hole(address + length, next);
            length += next;
        }
        if let Some((&before, &hole)) = self.holes.range(..start).next_back()
            && before + hole == start
        {
            self.remove_hole(before, hole);
            start = before;
            length += hole;
        }
        if start + length == self.top {
            self.top = start;
        } else {
            self.holes.insert(start, length);
            self.by_length.insert((length, start));
        }
        length
    }

    /// Takes `wanted` bytes of a free range into use; of these a block of `length` is asked for.
    fn cut(&mut self, address: u64, free: u64, wanted: u64, length: u64) -> u64 {
        let kept = if free - wanted < SMALLEST { free } else { wanted };
        if kept < free {
            self.holes.insert(address + kept, free - kept);
            self.by_length.insert((free - kept, address + kept));
        }
        let block = if self.split_remainder == SplitRemainder::Joined { kept } else { length };
        self.used.insert(address, block);
        address
    }

    fn map(&mut self, wanted: u64) -> u64 {
        let length = (wanted + UNIT / 2).next_multiple_of(PAGE);
        let address = self.next_mapping;
        // A page apart, so that no two are neighbours.
        self.next_mapping += length + PAGE;
        self.mapped.insert(address, length);
        address
    }

    fn remove_hole(&mut self, address: u64, length: u64) {
        self.holes.remove(&address);
        self.by_length.remove(&(length, address));
    }

    fn trim_top(&mut self) {
        let Some(spare) = (self.end - self.top).checked_sub(SMALLEST + 1 + FIRST_THRESHOLD) else { return };
        let end = self.end;
        self.end -= spare / PAGE * PAGE;
        self.drop_pages(self.end, end);
    }

    /// Gives back the pages of a range, which ends where written pages end, if not before.
    fn drop_pages(&mut self, start: u64, end: u64) {
        while let Some((&from, &to)) = self.written.range(..end).next_back()
            && to > start
        {
            self.written.remove(&from);
            self.resident -= to - from.max(start);
            if from < start {
                self.written.insert(from, start);
            }
        }
    }

    fn write_pages(&mut self, start: u64, end: u64) {
        let (mut joined_start, mut joined_end) = (start, end);
        let mut known = 0;
        while let Some((&from, &to)) = self.written.range(..=joined_end).next_back()
            && to >= joined_start
        {
            self.written.remove(&from);
            known += to - from;
            joined_start = joined_start.min(from);
            joined_end = joined_end.max(to);
        }
        self.written.insert(joined_start, joined_end);
        self.resident += joined_end - joined_start - known;
    }
}

/// The length of a block with its header.
fn length(bytes: u64) -> u64 {
    (bytes.min(LARGEST) + UNIT / 2).next_multiple_of(UNIT).max(SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Resident MiB after `count` blocks of 1 MiB were taken and freed one after another, with an object of 32 bytes that
    /// is freed with its block, or stays.
    fn resident_after(count: usize, place: u64, stays: bool) -> u64 {
        let mut heap = GlibcHeap::new(SplitRemainder::Joined);
        let first = heap.malloc(4 * MIB, 1);
        heap.free(first);
        heap.run(Start { place, has_small_holes: false }, &[]);
        for _ in 0..count {
            let block = heap.take_written(MIB, 64);
            let object = heap.take_object(32);
            heap.malloc(1016, 1);
            heap.free(block);
            if !stays {
                heap.free_object(object);
            }
        }
        heap.resident() / MIB
    }

    #[test]
    fn what_lies_beside_a_block_decides_whether_its_hole_serves_again() {
        // The rest before a block that starts 16 past a multiple of 64 is as long as an object of 32 bytes, which is in
        // it: for good, and no hole serves again; or until the block is freed, and the thread keeps it.
        assert_eq!(resident_after(20, 16, true), 20);
        // Where nothing is left before a block, the thread keeps seven rests of 112 bytes; then holes serve.
        assert_eq!(resident_after(20, 0, true), 8);
        assert_eq!(resident_after(20, 0, false), 8);
    }

    #[test]
    fn an_object_in_a_small_hole_leaves_rests_alone() {
        let mut heap = GlibcHeap::new(SplitRemainder::Joined);
        heap.run(Start { place: 16, has_small_holes: true }, &[32]);
        let taken: Vec<Object> = (0..20).map(|_| heap.take_object(32)).collect();
        assert!(taken.iter().all(|object| *object == Object { address: None, length: 48 }));
    }

    #[test]
    fn a_freed_mapping_raises_the_threshold() {
        let mut heap = GlibcHeap::new(SplitRemainder::Joined);
        let (a, b) = (heap.take_written(4 * MIB, 1), heap.take_written(2 * MIB, 1));
        assert_eq!(heap.resident(), 6 * MIB);
        heap.free(a);
        assert_eq!((heap.resident(), heap.threshold), (2 * MIB, 4 * MIB + PAGE));
        // From now on 2 MiB are in the heap, and stay resident when they are freed below another block.
        let c = heap.take_written(2 * MIB, 1);
        heap.take_written(MIB, 1);
        heap.free(b);
        heap.free(c);
        assert_eq!((heap.resident() / MIB, heap.peak() / MIB), (3, 6));
    }

    #[test]
    fn a_large_top_is_given_back() {
        let mut heap = GlibcHeap::new(SplitRemainder::Joined);
        let blocks = [(); 40].map(|()| heap.take_written(100_000, 1));
        blocks.into_iter().for_each(|block| heap.free(block));
        assert!(heap.resident() <= 2 * FIRST_THRESHOLD, "{}", heap.resident());
    }

    #[test]
    fn a_hole_serves_an_aligned_request_of_the_same_size_unless_a_small_object_took_the_remainder() {
        let resident = |split_remainder| {
            let mut heap = GlibcHeap::new(split_remainder);
            let first = heap.malloc(4 * MIB, 1);
            heap.free(first);
            let (a, _) = (heap.take_written(2 * MIB, 64), heap.take_written(MIB, 64));
            heap.free(a);
            heap.take_written(2 * MIB, 64);
            heap.resident() / MIB
        };
        assert_eq!(resident(SplitRemainder::Joined), 3);
        assert_eq!(resident(SplitRemainder::Taken), 5);
    }

    #[test]
    fn a_thread_keeps_seven_small_blocks_of_a_length() {
        let mut heap = GlibcHeap::new(SplitRemainder::Joined);
        let blocks: Vec<u64> = (0..9).map(|_| heap.take_written(500, 1)).collect();
        blocks.iter().for_each(|&block| heap.free(block));
        assert_eq!(heap.malloc(500, 1), blocks[6]);
        assert_eq!(heap.cached.values().map(Vec::len).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn huge_requests_and_unknown_addresses_are_harmless() {
        let mut heap = GlibcHeap::new(SplitRemainder::Taken);
        let block = heap.take_written(u64::MAX, 64);
        heap.free(block);
        heap.free(block);
        heap.free(77);
        assert_eq!(heap.resident(), 0);
    }
}
