//! What a phase allocates, in the order in which it does, in the heap of a process that a profile follows.
//!
//! The user's arrays are there before the first run, and lie in holes of the heap like everything else; what became
//! resident for them is not the runtime's. Regions of an arena are blocks that stay, each with a table of its chunks.
//! Without an arena every buffer is a block of its own, but those that are known before the run, which are one.

use crate::error::Result;
use crate::ids::StorageId;
use crate::lower::{Known, Lowered, NodeRef, Process, Storage, StorageClass};
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::units::Bytes;

/// Runs a phase in its processes, if they are followed, and tells what is resident at the peak.
///
/// Cost: O(n log n) in blocks and initializers.
///
/// # Errors
///
/// Those of the planner that sizes the one block of all known buffers.
pub(super) fn follow(lowered: &mut Lowered, problem: &Problem, plan: &Plan, has_arena: bool) -> Result<()> {
    let mut processes = std::mem::take(&mut lowered.processes);
    // Another planner than the runtime's tells nothing of what the runtime allocates.
    processes.retain(|process| process.has_arena == has_arena);
    let mut peaks = Vec::with_capacity(processes.len());
    for process in &mut processes {
        allocate_inputs(process, lowered);
        allocate_for_runner(process, lowered);
        process.heap.forget_peak();
        if has_arena {
            extend(process, plan);
        } else {
            run(process, problem)?;
        }
        use_workspace(process, lowered);
        peaks.push(Bytes(process.heap.peak()) - process.user_bytes);
    }
    if let Some(process) = processes.first().filter(|_| has_arena) {
        lowered.storages.push(tables(plan, process.bytes_per_table_byte));
    }
    if let [mostly, ..] = peaks[..] {
        lowered.residency.anonymous_bytes = Some(mostly);
        lowered.residency.anonymous_upper_bytes = peaks.into_iter().max();
    }
    lowered.processes = processes;
    Ok(())
}

/// Lets the user allocate and write the arrays of the first run.
fn allocate_inputs(process: &mut Process, lowered: &Lowered) {
    if process.inputs.is_some() {
        return;
    }
    let before = Bytes(process.heap.resident());
    let is_input = |&(index, storage): &(usize, &Storage)| {
        matches!(storage.class, StorageClass::Io | StorageClass::KvCache)
            && !lowered.runners.contains(&StorageId::new(index))
    };
    let inputs = lowered.storages.iter().enumerate().filter(is_input);
    process.inputs = Some(inputs.map(|(_, input)| process.heap.take_written(input.bytes.0, 1)).collect());
    process.user_bytes = Bytes(process.heap.resident()) - before;
}

/// Lets the runner allocate what the phase is given and returns; of what it had before, blocks of the same length stay, and
/// the others go once the new ones are there.
fn allocate_for_runner(process: &mut Process, lowered: &Lowered) {
    let mut before = std::mem::take(&mut process.runners);
    for &id in &lowered.runners {
        let bytes = lowered.storage(id).bytes;
        let block = match before.iter().position(|&(_, length)| length == bytes) {
            Some(same) => before.swap_remove(same),
            None => (process.heap.take_written(bytes.0, process.alignment), bytes),
        };
        process.runners.push(block);
    }
    before.into_iter().for_each(|(block, _)| process.heap.give_back(block));
}

/// Adds the regions that the arena did not have before, and writes what the phase writes.
fn extend(process: &mut Process, plan: &Plan) {
    for block in plan.blocks.iter().skip(process.blocks.len()) {
        let bytes = block.bytes.end.saturating_sub(block.bytes.start);
        let region = process.heap.take(bytes, process.alignment);
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
                process.heap.give_back(region);
                process.heap.give_back(table);
            } else {
                process.blocks.push((region, table));
            }
        }
    }
}

/// What kernels hold beside the arena, as if it were asked for when all of the arena is there.
fn use_workspace(process: &mut Process, lowered: &Lowered) {
    for storage in lowered.storages.iter().filter(|storage| storage.class == StorageClass::Workspace) {
        let block = process.heap.take_written(storage.bytes.0, process.alignment);
        process.heap.give_back(block);
    }
}

/// Allocates each buffer when it starts and frees it when it ends.
fn run(process: &mut Process, problem: &Problem) -> Result<()> {
    let known = Problem { buffers: problem.buffers.iter().filter(|buffer| !buffer.grows).cloned().collect() };
    let pattern = plan::solve(&known, Planner::BestFit)?.arena_size;
    let pattern = (pattern > Bytes::ZERO).then(|| process.heap.take_written(pattern.0, process.alignment));

    process.heap.run();
    let buffers = &problem.buffers;
    let mut starting: Vec<usize> =
        (0..buffers.len()).filter(|&index| buffers[index].grows && buffers[index].size.0 > 0).collect();
    let mut ending = starting.clone();
    starting.sort_by_key(|&index| buffers[index].live.start);
    ending.sort_by_key(|&index| buffers[index].live.end);
    let mut blocks = vec![0; buffers.len()];
    let mut ending = ending.into_iter().peekable();
    for index in starting {
        while let Some(ended) = ending.next_if(|&other| buffers[other].live.end <= buffers[index].live.start)
        {
            process.heap.give_back(blocks[ended]);
        }
        blocks[index] = process.heap.take_written(buffers[index].size.0, process.alignment);
    }
    ending.for_each(|index| process.heap.give_back(blocks[index]));
    pattern.into_iter().for_each(|block| process.heap.give_back(block));
    Ok(())
}

/// The tables of all regions.
fn tables(plan: &Plan, bytes_per_table_byte: u64) -> Storage {
    let regions = plan.blocks.iter().map(|block| block.bytes.end.saturating_sub(block.bytes.start));
    let bytes = regions.map(|region| region / bytes_per_table_byte.max(1));
    Storage {
        class: StorageClass::Runtime,
        bytes: Bytes(bytes.fold(0, u64::saturating_add)),
        alignment: 1,
        node: NodeRef::default(),
        known: Known::Exact,
        kept_until: 0,
        grows: false,
    }
}
