//! What a runtime keeps from one phase to the next.
//!
//! * Blocks that grow stay as large as the largest phase made them.
//! * Workspace stays. Where both phases have the same set of it for a node, each block is as large as the larger of the
//!   two; another set belongs to another kernel (one token, instead of a prompt), and both stay.
//! * An output's block stays at its largest.
//!
//! * A state of attention stays as long as it holds the tokens of the phase. A pass that overflows it allocates twice the
//!   new length; where tokens come one by one, that is twice the capacity and two more, until it holds them. States grow
//!   one after another, so that the old bytes of one are there together with the new of all. Tokens that were there before the
//!   first phase are assumed to be one prompt, of which the states have twice the capacity.
//!
//! Source: OpenVINO 2026.4.1, heap blocks over prefill, decode, reset and prefill again in 25 runs: none shrinks.

use super::memory::{Cached, Facts};
use crate::error::Result;
use crate::ids::StorageId;
use crate::problem::Plan;
use crate::runtime::{Allocation, Lowered, RuntimeData};
use crate::schedule::{NodeRef, Origin, Storage, StorageClass, Value};
use crate::units::Bytes;
use std::collections::BTreeMap;

/// Adds to a phase's memory what the phase before it retains.
///
/// # Errors
///
/// Those of [`Draft::finish`].
pub(super) fn storages(before: &Lowered, now: Lowered) -> Result<Lowered> {
    let mut facts = Facts::of(&now);
    let (mut draft, mut memory, assumptions, _) = now.into_parts();
    keep_workspace(before.memory(), &mut memory);
    let superseded = keep_states(before, &mut draft.storages, &mut memory, &mut facts);
    memory.extend(superseded);
    let (old, new) = (
        outputs(&before.schedule().storages, &before.schedule().values),
        outputs(&draft.storages, &draft.values),
    );
    if old.len() == new.len() {
        for (old, new) in old.into_iter().zip(new) {
            let bytes = before.schedule().storage(old).bytes;
            let storage = &mut draft.storages[new.index()];
            storage.bytes = storage.bytes.max(bytes);
        }
    }
    let lowered = Lowered::new(draft)?.with_memory(memory).with_assumptions(assumptions);
    Ok(lowered.with_data(RuntimeData::new(facts)))
}

/// Gives states of a first phase that has a past the room that they have if the past was one prompt.
///
/// # Errors
///
/// Those of [`Draft::finish`](crate::schedule::Draft::finish).
pub(super) fn first_chunk(now: Lowered) -> Result<Lowered> {
    let mut facts = Facts::of(&now);
    let Cached { total, added } = facts.cached;
    let past = total.saturating_sub(added);
    if past == 0 {
        return Ok(now);
    }
    let (mut draft, mut memory, assumptions, _) = now.into_parts();
    let storages = draft.storages.iter_mut().map(|storage| (storage.class, &mut storage.bytes));
    let memory_of = memory.iter_mut().map(|held| (held.class, &mut held.bytes));
    for (_, bytes) in storages.chain(memory_of).filter(|(class, _)| *class == StorageClass::KvCache) {
        let reallocated = *bytes;
        let of_past = Bytes((reallocated.0 / total).saturating_mul(past));
        let used = Bytes(reallocated.0 / 2);
        let kept = capacity(of_past, reallocated, facts.cached);
        let untouched = &mut facts.residency.untouched_bytes;
        *untouched = *untouched - used + (kept - used);
        *bytes = kept;
    }
    let lowered = Lowered::new(draft)?.with_memory(memory).with_assumptions(assumptions);
    Ok(lowered.with_data(RuntimeData::new(facts)))
}

/// Keeps each node's workspace, as large as either phase needs it.
fn keep_workspace(before: &[Allocation], now: &mut Vec<Allocation>) {
    let current = sets(now);
    for (node, old) in sets(before) {
        match current.get(&node) {
            Some(new) if new.len() == old.len() => {
                for (&new, &old) in new.iter().zip(&old) {
                    now[new].bytes = now[new].bytes.max(before[old].bytes);
                }
            }
            _ => now.extend(old.iter().map(|&index| before[index])),
        }
    }
}

/// Keeps what states have; where this very phase makes them grow, returns the old content of one, which is there next to the
/// new.
fn keep_states(
    before: &Lowered,
    storages: &mut [Storage],
    memory: &mut [Allocation],
    facts: &mut Facts,
) -> Option<Allocation> {
    let cached = facts.cached;
    let mut superseded: Option<Allocation> = None;
    let is_state = |class: &StorageClass| *class == StorageClass::KvCache;
    let kept = before.schedule().storages.iter().map(Allocation::from).chain(before.memory().iter().copied());
    let kept = kept.filter(|held| is_state(&held.class)).map(|held| held.bytes);
    let storages =
        storages.iter_mut().map(|storage| (storage.class, storage.node, storage.known, &mut storage.bytes));
    let memory = memory.iter_mut().map(|held| (held.class, held.node, held.known, &mut held.bytes));
    let states = storages.chain(memory).filter(|(class, ..)| is_state(class));
    for (old, (class, node, known, bytes)) in kept.zip(states) {
        if cached.total == 0 {
            // A cache of blocks, which the host application has sized.
            *bytes = (*bytes).max(old);
            continue;
        }
        // A state that is allocated at its present length has capacity for twice the tokens.
        let reallocated = *bytes;
        let used = Bytes(reallocated.0 / 2);
        let kept = capacity(old, reallocated, cached);
        let untouched = &mut facts.residency.untouched_bytes;
        *untouched = *untouched - used + (kept - used);
        *bytes = kept;
        let past = cached.total.saturating_sub(cached.added);
        let of_past = Bytes((reallocated.0 / cached.total).saturating_mul(past));
        let earlier = capacity(old, of_past, Cached { total: past, added: 1 });
        if past > 0 && earlier < kept && superseded.is_none_or(|largest| largest.bytes < earlier) {
            superseded = Some(Allocation { class, bytes: earlier, node, known });
        }
    }
    superseded
}

/// What a state that had so many bytes has after a pass that, had it allocated it, would have given it `reallocated`.
fn capacity(before: Bytes, reallocated: Bytes, cached: Cached) -> Bytes {
    let used = reallocated.0 / 2;
    if used <= before.0 {
        return before;
    }
    let token = used.checked_div(cached.total).unwrap_or(0);
    if cached.added != 1 || token == 0 {
        return reallocated;
    }
    let mut capacity = before.0;
    while capacity < used {
        capacity = capacity.saturating_add(token).saturating_mul(2);
    }
    Bytes(capacity).min(reallocated)
}

/// Grows a plan's blocks to those of the phase before it; the buffers keep their blocks.
pub(super) fn blocks(before: &Plan, mut now: Plan) -> Plan {
    if before.blocks.len() != now.blocks.len() {
        return now;
    }
    let old = std::mem::take(&mut now.blocks);
    let mut start = 0_u64;
    for (block, before) in old.iter().zip(&before.blocks) {
        let length = |bytes: &std::ops::Range<u64>| bytes.end.saturating_sub(bytes.start);
        let longest = if block.grows { length(&before.bytes) } else { 0 }.max(length(&block.bytes));
        let mut grown = block.clone();
        grown.bytes = start..start.saturating_add(longest);
        start = grown.bytes.end;
        now.blocks.push(grown);
    }
    for offset in &mut now.offsets {
        // Blocks are disjoint and in the order of their bytes.
        let place = old.partition_point(|block| block.bytes.end <= offset.0);
        if let (Some(old), Some(new)) = (old.get(place), now.blocks.get(place))
            && old.bytes.contains(&offset.0)
        {
            *offset = Bytes(new.bytes.start) + (*offset - Bytes(old.bytes.start));
        }
    }
    now.arena_size = now.arena_size.max(Bytes(start));
    now
}

/// Positions of the workspace of each node.
fn sets(memory: &[Allocation]) -> BTreeMap<NodeRef, Vec<usize>> {
    let mut sets: BTreeMap<NodeRef, Vec<usize>> = BTreeMap::new();
    let workspace = memory.iter().enumerate().filter(|(_, held)| held.class == StorageClass::Workspace);
    for (index, held) in workspace {
        sets.entry(held.node).or_default().push(index);
    }
    sets
}

/// Storages that outputs are written to, in order.
fn outputs(storages: &[Storage], values: &[Value]) -> Vec<StorageId> {
    let written = values.iter().filter(|value| value.origin == Origin::Written);
    let mut outputs: Vec<StorageId> = written.map(|value| value.storage).collect();
    outputs.retain(|&id| storages[id.index()].class == StorageClass::Io);
    outputs.sort_unstable();
    outputs.dedup();
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Block;
    use crate::schedule::Known;

    #[test]
    fn blocks_grow_and_keep_their_buffers() {
        let block = |bytes| Block { bytes, grows: true };
        let before = Plan { blocks: vec![block(0..10), block(10..12)], ..Plan::default() };
        let now = Plan {
            offsets: [0, 4, 4].map(Bytes).to_vec(),
            arena_size: Bytes(9),
            blocks: vec![block(0..4), block(4..9)],
            ..Plan::default()
        };
        let now = blocks(&before, now);
        assert_eq!(now.offsets, [0, 10, 10].map(Bytes));
        assert_eq!((now.blocks, now.arena_size), (vec![block(0..10), block(10..15)], Bytes(15)));
    }

    /// Measured: 257 tokens, one by one after 128, have room for 514; 640 at once after 512 for 2,304.
    #[test]
    fn a_state_that_overflows_has_room_for_twice_its_length() {
        let kept = |before: u64, total: u64, added| {
            capacity(Bytes(before * 10), Bytes(total * 2 * 10), Cached { total, added }).0 / 10
        };
        assert_eq!(kept(256, 256, 1), 256);
        assert_eq!(kept(256, 257, 1), 514);
        assert_eq!(kept(256, 514, 1), 514);
        assert_eq!(kept(256, 515, 1), 1030);
        assert_eq!(kept(1024, 1152, 640), 2304);
        assert_eq!(kept(256, 4, 4), 256);
    }

    /// Measured: 512 tokens after 512 fit the 1,024 that the first 512 made room for.
    #[test]
    fn a_second_chunk_fits_what_the_first_made_room_for() {
        let kept = |past: u64, added| {
            let total = past + added;
            capacity(Bytes(past * 2 * 10), Bytes(total * 2 * 10), Cached { total, added }).0 / 10
        };
        assert_eq!(kept(512, 512), 1024);
        assert_eq!(kept(512, 640), 2304);
    }

    #[test]
    fn workspace_of_another_kernel_is_kept_too() {
        let workspace = |bytes: &[u64]| -> Vec<Allocation> {
            let held = |&bytes: &u64| Allocation {
                class: StorageClass::Workspace,
                bytes: Bytes(bytes),
                node: NodeRef::default(),
                known: Known::Exact,
            };
            bytes.iter().map(held).collect()
        };
        let kept = |before: &[u64], now: &[u64]| {
            let mut memory = workspace(now);
            keep_workspace(&workspace(before), &mut memory);
            memory.iter().map(|held| held.bytes.0).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[8, 1], &[3, 4]), [8, 4]);
        assert_eq!(kept(&[8, 1], &[3]), [3, 8, 1]);
    }
}
