//! Bytes alive at every step, by storage class.
//!
//! The arena's buffers count over their live ranges. What lies outside of the arena counts from the first step if it
//! holds something before the run, else from the step that first touches it, and to the end: outputs and caches outlive
//! the run. The totals of a report count it throughout, because a plan must provide for it; a picture shows when it fills.

use super::super::view::View;
use crate::schedule::{Origin, StorageClass};
use crate::units::Bytes;

/// Classes in the order in which they are stacked, lowest first.
pub(super) const STACK: [StorageClass; 8] = [
    StorageClass::Code,
    StorageClass::Runtime,
    StorageClass::Workspace,
    StorageClass::KvCache,
    StorageClass::State,
    StorageClass::Io,
    StorageClass::Scratch,
    StorageClass::Activation,
];

/// Bytes of each class of [`STACK`] at one time.
pub(super) type Sample = [u64; STACK.len()];

/// Bytes alive at every step, and one sample more: what is left after the last.
///
/// Cost: linear in steps, reads, writes and storages.
pub(super) fn samples(view: &View<'_>) -> Vec<Sample> {
    let lowered = view.phase.lowered.schedule();
    let steps = lowered.steps.len();
    let mut first = vec![steps; view.allocations.len()];
    for (index, step) in lowered.steps.iter().enumerate() {
        for &value in step.reads.iter().chain(&step.writes) {
            let slot = &mut first[lowered.value(value).storage.index()];
            *slot = index.min(*slot);
        }
    }
    for value in &lowered.values {
        if value.origin == Origin::Resident && value.bytes > Bytes::ZERO {
            first[value.storage.index()] = 0;
        }
    }

    let mut changes = vec![[0_i128; STACK.len()]; steps + 2];
    let mut add = |class: StorageClass, from: usize, to: usize, bytes: Bytes| {
        if let Some(row) = STACK.iter().position(|&stacked| stacked == class) {
            changes[from.min(steps)][row] += i128::from(bytes.0);
            changes[to.min(steps + 1)][row] -= i128::from(bytes.0);
        }
    };
    for (storage, &from) in
        view.allocations.iter().zip(&first).filter(|(storage, _)| !storage.class.is_planned())
    {
        // What no step touches is held throughout.
        add(storage.class, if from == steps { 0 } else { from }, steps + 1, storage.bytes);
    }
    for ((_, storage), buffer) in lowered.planned().zip(&view.phase.problem.buffers) {
        add(storage.class, buffer.live.start as usize, buffer.live.end as usize, buffer.size);
    }

    let mut alive = [0_i128; STACK.len()];
    let after = changes.iter().take(steps + 1).map(|change| {
        for (bytes, change) in alive.iter_mut().zip(change) {
            *bytes += change;
        }
        alive.map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX))
    });
    after.collect()
}

/// All that is alive in a sample.
pub(super) fn total(sample: &Sample) -> u64 {
    sample.iter().fold(0, |sum, &bytes| sum.saturating_add(bytes))
}

/// The first step with the most bytes alive; 0 where nothing runs.
pub(super) fn highest(samples: &[Sample]) -> usize {
    let totals = samples.iter().map(total).enumerate();
    totals.fold((0, 0), |best, (step, bytes)| if bytes > best.1 { (step, bytes) } else { best }).0
}
