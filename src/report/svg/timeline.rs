//! Bytes at every step of a phase, by what they are for.
//!
//! The arena's buffers count over their live ranges, and what the arena has reserved beyond them is a layer of its own.
//! Memory outside of the arena counts from the first step if it holds something before the run, otherwise from the step that
//! first touches it, and to the end: outputs and caches outlive the run. The totals of a report count it throughout, because
//! a plan must provide for it; a picture shows when it fills, and what it does not yet fill is a layer of its own as well.

use super::super::view::View;
use super::colors::{self, FREE, KINDS, LATER};
use crate::schedule::Origin;
use crate::units::Bytes;

/// Bytes of each of [`KINDS`] at one time.
pub(super) type Sample = [u64; KINDS.len()];

/// A phase over time: a sample per step, and one for what is left after the last.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Everything.
    pub(super) all: Vec<Sample>,
    /// The arena alone: its buffers, and what else of it is reserved.
    pub(super) arena: Vec<Sample>,
}

/// Bytes at every step; after the last, the arena counts only if it is retained.
///
/// Cost: linear in steps, reads, writes and storages, after one sort of the buffers.
pub(super) fn timeline(view: &View<'_>, retains_arena: bool, is_first: bool) -> Timeline {
    let schedule = view.phase.lowered.schedule();
    let steps = schedule.steps.len();
    let mut apart = Changes::new(steps);
    let is_in_heap = view.phase.outcome.residency.is_file_in_heap;
    let first = first_uses(view);
    let storages = view.allocations.iter().zip(&first).filter(|(storage, _)| !storage.class.is_planned());
    for (storage, &from) in storages {
        // A file that is read into the heap is not mapped.
        let row = match colors::row(storage.class) {
            0 if is_in_heap => 1,
            row => row,
        };
        // What no step touches is there throughout, and so are weights, and what a phase before has filled.
        let was_filled = !is_first && retains_arena;
        let from = if from == steps || storage.class.is_weights() || was_filled { 0 } else { from };
        apart.add(row, from, steps + 1, storage.bytes);
    }
    let mut planned = Changes::new(steps);
    for ((_, storage), buffer) in schedule.planned().zip(&view.phase.problem.buffers) {
        let (start, end) = (buffer.live.start as usize, buffer.live.end as usize);
        planned.add(colors::row(storage.class), start, end, buffer.size);
    }
    let mut arena = planned.samples();
    for (step, (sample, reserved)) in arena.iter_mut().zip(reserved(view)).enumerate() {
        if step < steps || retains_arena || steps == 0 {
            sample[FREE] = reserved.0.saturating_sub(total(sample));
        }
    }
    let both = apart.samples().into_iter().zip(&arena);
    let all = both.enumerate().map(|(step, (mut sample, arena))| {
        for (bytes, arena) in sample.iter_mut().zip(arena) {
            *bytes = bytes.saturating_add(*arena);
        }
        // After the last step, everything has been used.
        let counted = if step < steps { view.total().0 } else { 0 };
        sample[LATER] = counted.saturating_sub(total(&sample));
        sample
    });
    Timeline { all: all.collect(), arena }
}

impl Timeline {
    /// Leaves the sample with the most in use, for a phase in which no step of the model runs.
    pub(super) fn keep_highest(&mut self) {
        for samples in [&mut self.all, &mut self.arena] {
            let best = samples.iter().copied().max_by_key(used);
            samples.clear();
            samples.extend(best);
        }
    }
}

/// What begins and ends at every step.
struct Changes {
    steps: usize,
    rows: Vec<[i128; KINDS.len()]>,
}

impl Changes {
    fn new(steps: usize) -> Changes {
        Changes { steps, rows: vec![[0; KINDS.len()]; steps + 2] }
    }

    fn add(&mut self, row: usize, from: usize, to: usize, bytes: Bytes) {
        self.rows[from.min(self.steps)][row] += i128::from(bytes.0);
        self.rows[to.min(self.steps + 1)][row] -= i128::from(bytes.0);
    }

    fn samples(&self) -> Vec<Sample> {
        let mut alive = [0_i128; KINDS.len()];
        let samples = self.rows.iter().take(self.steps + 1).map(|change| {
            for (bytes, change) in alive.iter_mut().zip(change) {
                *bytes += change;
            }
            alive.map(|bytes| u64::try_from(bytes).unwrap_or_default())
        });
        samples.collect()
    }
}

/// The first step that uses each allocation; the number of steps where none does.
fn first_uses(view: &View<'_>) -> Vec<usize> {
    let schedule = view.phase.lowered.schedule();
    let steps = schedule.steps.len();
    let mut first = vec![steps; view.allocations.len()];
    for (index, step) in schedule.steps.iter().enumerate() {
        for &value in step.reads.iter().chain(&step.writes) {
            let slot = &mut first[schedule.value(value).storage.index()];
            *slot = index.min(*slot);
        }
    }
    for value in &schedule.values {
        if value.origin == Origin::Resident && value.bytes > Bytes::ZERO {
            first[value.storage.index()] = 0;
        }
    }
    first
}

/// Bytes of the arena that are allocated at every step, and after the last: a block that grows has the bytes of its buffers so
/// far, and one that is larger than they ever are was retained from the phase before.
fn reserved(view: &View<'_>) -> Vec<Bytes> {
    let (plan, problem) = (&view.phase.plan, &view.phase.problem);
    let steps = view.phase.lowered.schedule().steps.len();
    let mut blocks: Vec<_> = plan.blocks.iter().filter(|block| block.grows).collect();
    blocks.sort_by_key(|block| block.bytes.start);
    let mut growth = vec![Bytes::ZERO; steps + 1];
    let mut most = vec![0_u64; blocks.len()];
    let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
    order.sort_by_key(|&index| problem.buffers[index].live.start);
    for index in order {
        let (buffer, offset) = (&problem.buffers[index], plan.offsets[index].0);
        let after = blocks.partition_point(|block| block.bytes.start <= offset);
        let Some(at) = after.checked_sub(1).filter(|&at| offset < blocks[at].bytes.end) else { continue };
        let end = (offset + buffer.size.0 - blocks[at].bytes.start)
            .min(blocks[at].bytes.end - blocks[at].bytes.start);
        if end > most[at] {
            growth[(buffer.live.start as usize).min(steps)] += Bytes(end - most[at]);
            most[at] = end;
        }
    }
    let rest: Bytes = most.iter().map(|&bytes| Bytes(bytes)).sum();
    let mut reserved = plan.arena_size - rest;
    let all = growth.into_iter().map(|bytes| {
        reserved += bytes;
        reserved
    });
    all.collect()
}

/// What is in use or reserved: everything in a sample but what is used later.
pub(super) fn used(sample: &Sample) -> u64 {
    total(sample) - sample[LATER]
}

/// Everything in a sample.
pub(super) fn total(sample: &Sample) -> u64 {
    sample.iter().fold(0, |sum, &bytes| sum.saturating_add(bytes))
}

/// The most that every kind takes in any of the samples.
pub(super) fn most<'a>(samples: impl Iterator<Item = &'a Sample>) -> Sample {
    samples.fold(Sample::default(), |mut most, sample| {
        for (most, &bytes) in most.iter_mut().zip(sample) {
            *most = bytes.max(*most);
        }
        most
    })
}
