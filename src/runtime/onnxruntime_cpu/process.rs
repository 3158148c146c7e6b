//! What a phase allocates, in the order in which it does, in the heap of a process that a profile follows.
//!
//! The user's arrays are allocated before the first run, in holes of the heap like everything else; what became
//! resident for them is not the runtime's. Regions of an arena are blocks that stay, each with a table of its chunks.
//! Without an arena every buffer is a block of its own, but those that are known before the run, which are one.

use crate::error::Result;
use crate::ids::StorageId;
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::process::{GlibcHeap, Object, Start};
use crate::runtime::{Allocation, Lowered, Outcome, Placed, Residency, RuntimeData};
use crate::schedule::{Draft, Known, NodeRef, Step, Storage, StorageClass};
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// What the rules find of a phase before its buffers are placed, read again by [`Runtime::finish`](crate::runtime::Runtime::finish).
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// What is resident of the phase.
    pub residency: Residency,
    /// Storages that the host application allocates outside of the runtime's arena: caches, and what a run returns.
    pub hosted: Vec<StorageId>,
    /// The process when the session is made, in each way in which it may go; empty: it is not simulated.
    pub processes: Vec<Process>,
}

/// A process whose heap is simulated, when a phase ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    /// The heap.
    pub heap: GlibcHeap,
    /// Assumptions about the heap at the start of a run.
    pub start: Start,
    /// It is one of those whose median is reported; the others count for the upper bound alone.
    pub is_usual: bool,
    /// The user's arrays; `None`: they are still to be allocated.
    pub inputs: Option<Vec<u64>>,
    /// Of the resident bytes, those that became so for the user's arrays.
    pub user_bytes: Bytes,
    /// The host application's blocks, each with its length.
    pub hosted: Vec<(u64, Bytes)>,
    /// The blocks of the arena, in the order of the plan's, each with its table.
    pub blocks: Vec<(u64, u64)>,
    /// Buffers are in an arena; else each is a block of its own.
    pub has_arena: bool,
    /// What the runtime aligns its blocks to.
    pub alignment: u64,
    /// A region of the arena has a table with one byte for so many of it, written when it is made.
    pub bytes_per_table_byte: u64,
    /// Bytes of the two objects that come after a tensor's own bytes, in this order; a view has the first alone.
    pub tensor_objects: [u64; 2],
}

/// Runs a phase in its processes and reports what is resident at the peak.
///
/// Cost: O(n log n) in blocks and initializers.
///
/// # Errors
///
/// Those of the planner that sizes the one block of all known buffers.
pub(super) fn follow(placed: &Placed<'_>, facts: &Facts, mut processes: Vec<Process>) -> Result<Outcome> {
    let Placed { lowered, problem, plan, .. } = *placed;
    let has_arena = placed.planner.keeps_arena();
    // With another planner than the runtime's, the simulated allocator has no meaning.
    processes.retain(|process| process.has_arena == has_arena);
    let mut peaks = Vec::with_capacity(processes.len());
    for process in &mut processes {
        allocate_inputs(process, lowered.schedule(), &facts.hosted);
        allocate_hosted(process, lowered.schedule(), &facts.hosted);
        process.heap.forget_peak();
        if has_arena {
            extend(process, plan);
        } else {
            run(process, lowered.schedule(), problem)?;
        }
        use_workspace(process, lowered);
        peaks.push(Bytes(process.heap.peak()) - process.user_bytes);
    }
    let tables =
        processes.first().filter(|_| has_arena).map(|process| tables(plan, process.bytes_per_table_byte));
    let usual = processes.iter().zip(&peaks).filter(|(process, _)| process.is_usual);
    let usual = median(usual.map(|(_, &peak)| peak).collect());
    let residency = match usual {
        Some(_) => Residency {
            anonymous_bytes: usual,
            anonymous_lower_bytes: peaks.iter().copied().min(),
            anonymous_upper_bytes: peaks.into_iter().max(),
            ..facts.residency
        },
        None => facts.residency,
    };
    let memory = tables.into_iter().collect();
    Ok(Outcome { residency, memory, carried: RuntimeData::new(processes), ..Outcome::default() })
}

/// Lets the user allocate and write the arrays of the first run.
fn allocate_inputs(process: &mut Process, schedule: &Draft, hosted: &[StorageId]) {
    if process.inputs.is_some() {
        return;
    }
    let before = Bytes(process.heap.resident());
    let hosted: FxHashSet<StorageId> = hosted.iter().copied().collect();
    let is_input = |&(index, storage): &(usize, &Storage)| {
        matches!(storage.class, StorageClass::Io | StorageClass::KvCache)
            && !hosted.contains(&StorageId::new(index))
    };
    let inputs = schedule.storages.iter().enumerate().filter(is_input);
    process.inputs = Some(inputs.map(|(_, input)| process.heap.take_written(input.bytes.0, 1)).collect());
    process.user_bytes = Bytes(process.heap.resident()) - before;
}

/// Lets the host application allocate what the phase is given and returns; of what it had before, blocks of the same length
/// stay, and the others are freed once the new ones are there.
fn allocate_hosted(process: &mut Process, schedule: &Draft, hosted: &[StorageId]) {
    let mut before = std::mem::take(&mut process.hosted);
    // Where the blocks of each length are: there may be as many as storages.
    let mut places: FxHashMap<Bytes, BTreeSet<usize>> = FxHashMap::default();
    for (place, &(_, length)) in before.iter().enumerate() {
        places.entry(length).or_default().insert(place);
    }
    for &id in hosted {
        let bytes = schedule.storage(id).bytes;
        let block = match places.get_mut(&bytes).and_then(BTreeSet::pop_first) {
            Some(same) => {
                let last = before.len() - 1;
                let of_last = places.get_mut(&before[last].1).filter(|_| same != last);
                if let Some(of_last) = of_last {
                    of_last.remove(&last);
                    of_last.insert(same);
                }
                before.swap_remove(same)
            }
            None => (process.heap.take_written(bytes.0, process.alignment), bytes),
        };
        process.hosted.push(block);
    }
    before.into_iter().for_each(|(block, _)| process.heap.free(block));
}

/// Adds the regions that the arena did not have before, and writes what the phase writes.
fn extend(process: &mut Process, plan: &Plan) {
    for block in plan.blocks.iter().skip(process.blocks.len()) {
        let bytes = block.bytes.end.saturating_sub(block.bytes.start);
        let region = process.heap.malloc(bytes, process.alignment);
        let table = process.heap.take_written(bytes / process.bytes_per_table_byte.max(1), 1);
        process.blocks.push((region, table));
    }
    // Both are sorted by address.
    let mut ends_before = 0;
    for touched in &plan.touched {
        ends_before +=
            plan.blocks[ends_before..].iter().take_while(|block| block.bytes.end <= touched.start).count();
        let blocks = plan.blocks.iter().zip(&process.blocks).skip(ends_before);
        for (block, &(address, _)) in blocks.take_while(|(block, _)| block.bytes.start < touched.end) {
            let start = touched.start.max(block.bytes.start);
            let end = touched.end.min(block.bytes.end);
            if start < end {
                process.heap.write(address, start - block.bytes.start, end - start);
            }
        }
    }
}

/// Gives back the regions of the arena that do not stay, with their tables.
pub(super) fn shrink(processes: &mut [Process], kept: &[bool]) {
    for process in processes {
        let blocks = std::mem::take(&mut process.blocks);
        for (position, (region, table)) in blocks.into_iter().enumerate() {
            if kept.get(position) == Some(&false) {
                process.heap.free(region);
                process.heap.free(table);
            } else {
                process.blocks.push((region, table));
            }
        }
    }
}

/// What kernels hold next to the arena, as if it were asked for when all of the arena is there.
fn use_workspace(process: &mut Process, lowered: &Lowered) {
    for workspace in lowered.allocations().filter(|held| held.class == StorageClass::Workspace) {
        let block = process.heap.take_written(workspace.bytes.0, process.alignment);
        process.heap.free(block);
    }
}

/// Allocates each buffer when it starts and frees it when it ends, with its tensor's objects.
///
/// The objects of a tensor in a buffer that was there already stay until the run ends, and so do those of inputs: only the
/// values that own buffers are released where they are last used.
///
/// Source: `GenerateDeallocationPlan`, ONNX Runtime, onnxruntime/core/framework/allocation_planner.cc; a trace of 1.31.1, in
/// which 101 of 102 such objects are freed when the run ends.
fn run(process: &mut Process, schedule: &Draft, problem: &Problem) -> Result<()> {
    let objects = process.tensor_objects;
    process.heap.run(process.start, &objects);
    let known = Problem { buffers: problem.buffers.iter().filter(|buffer| !buffer.grows).cloned().collect() };
    let pattern = plan::solve(&known, Planner::BestFit)?.arena_size;
    let pattern = (pattern > Bytes::ZERO).then(|| process.heap.take_written(pattern.0, process.alignment));

    let buffers = &problem.buffers;
    let is_asked_for = |&index: &usize| buffers[index].grows && buffers[index].size.0 > 0;
    let mut starting: Vec<usize> = (0..buffers.len()).filter(is_asked_for).collect();
    let mut ending = starting.clone();
    starting.sort_by_key(|&index| buffers[index].live.start);
    ending.sort_by_key(|&index| buffers[index].live.end);
    let (mut starting, mut ending) = (starting.into_iter().peekable(), ending.into_iter().peekable());
    let mut blocks = vec![None; buffers.len()];
    let heap = &mut process.heap;
    let inputs = process.inputs.iter().flatten();
    let mut kept: Vec<Object> = inputs.map(|_| heap.take_object(objects[0])).collect();
    let free = |heap: &mut GlibcHeap, block: Option<(u64, [Object; 2])>| {
        let Some((address, objects)) = block else { return };
        heap.free(address);
        objects.into_iter().for_each(|object| heap.free_object(object));
    };
    for (step, views) in (0..).zip(views(schedule)) {
        while let Some(ended) = ending.next_if(|&index| buffers[index].live.end <= step) {
            free(heap, blocks[ended].take());
        }
        while let Some(index) = starting.next_if(|&index| buffers[index].live.start <= step) {
            let address = heap.take_written(buffers[index].size.0, process.alignment);
            blocks[index] = Some((address, objects.map(|bytes| heap.take_object(bytes))));
        }
        kept.extend((0..views).map(|_| heap.take_object(objects[0])));
    }
    ending.for_each(|index| free(heap, blocks[index].take()));
    kept.into_iter().for_each(|object| heap.free_object(object));
    pattern.into_iter().for_each(|block| heap.free(block));
    Ok(())
}

/// By step, how many tensors share existing buffers: their objects stay until the run ends.
fn views(schedule: &Draft) -> Vec<usize> {
    let mut is_there = vec![false; schedule.storages.len()];
    let mut is_view = |storage: StorageId| std::mem::replace(&mut is_there[storage.index()], true);
    let of_step = |step: &Step| {
        let storages = step.writes.iter().map(|&value| schedule.value(value).storage);
        storages.filter(|&storage| is_view(storage)).count()
    };
    schedule.steps.iter().map(of_step).collect()
}

/// The middle of some figures, or between the two in the middle.
fn median(mut figures: Vec<Bytes>) -> Option<Bytes> {
    figures.sort_unstable();
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    let lower = if figures.len().is_multiple_of(2) { *figures.get(middle.checked_sub(1)?)? } else { upper };
    Some(Bytes(lower.0 + (upper.0 - lower.0) / 2))
}

/// The tables of all regions.
fn tables(plan: &Plan, bytes_per_table_byte: u64) -> Allocation {
    let regions = plan.blocks.iter().map(|block| block.bytes.end.saturating_sub(block.bytes.start));
    let bytes = regions.map(|region| region / bytes_per_table_byte.max(1));
    Allocation {
        class: StorageClass::Runtime,
        bytes: Bytes(bytes.fold(0, u64::saturating_add)),
        node: NodeRef::default(),
        known: Known::Exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::SplitRemainder;

    #[test]
    fn of_blocks_of_one_length_the_first_stays_and_the_last_takes_its_place() {
        let mut process = Process {
            heap: GlibcHeap::new(SplitRemainder::Joined),
            start: Start::default(),
            is_usual: true,
            inputs: None,
            user_bytes: Bytes::ZERO,
            hosted: [(1, 8), (2, 4), (3, 8), (4, 8)].map(|(block, length)| (block, Bytes(length))).to_vec(),
            blocks: Vec::new(),
            has_arena: true,
            alignment: 1,
            bytes_per_table_byte: 1,
            tensor_objects: [0; 2],
        };
        let storage =
            |bytes: u64| Storage::new(StorageClass::KvCache, Bytes(bytes), NodeRef::default(), Known::Exact);
        let schedule = Draft { storages: [8, 8, 4, 8].map(storage).to_vec(), ..Draft::default() };
        let hosted: Vec<StorageId> = (0..4).map(StorageId::new).collect();
        allocate_hosted(&mut process, &schedule, &hosted);
        let blocks: Vec<u64> = process.hosted.iter().map(|&(block, _)| block).collect();
        assert_eq!(blocks, [1, 4, 2, 3]);
    }

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        let of = |figures: &[u64]| median(figures.iter().map(|&bytes| Bytes(bytes)).collect());
        assert_eq!(of(&[7]), Some(Bytes(7)));
        assert_eq!(of(&[90, 10, 20, 40]), Some(Bytes(30)));
        assert_eq!(of(&[]), None);
    }
}
