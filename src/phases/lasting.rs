//! What a runtime keeps from one phase to the next.
//!
//! * Blocks that grow stay as large as the largest phase made them.
//! * Workspace stays. Where both phases have the same set of it for a node, each block is as large as the larger of the
//!   two; another set belongs to another kernel (one token, instead of a prompt), and both stay.
//! * An output's block stays at its largest.
//!
//! * A state of attention stays as long as it holds the tokens of the phase. A pass that overflows it allocates twice the
//!   new length; where tokens come one by one, that is twice the capacity and two more, until it holds them. States grow
//!   one after another, so that the old bytes of one are there beside the new of all.
//!
//! Source: OpenVINO 2026.4.1, heap blocks over prefill, decode, reset and prefill again in 25 runs: none shrinks.

use crate::ids::StorageId;
use crate::problem::Plan;
use crate::schedule::{Cached, Known, Lowered, NodeRef, Origin, Storage, StorageClass};
use crate::units::Bytes;
use std::collections::BTreeMap;

/// Adds to a phase's storages what the phase before it left.
pub(super) fn keep_storages(before: &Lowered, now: &mut Lowered) {
    let mut kept = sets(before);
    let mut current = sets(now);
    for (node, old) in &mut kept {
        match current.get_mut(node) {
            Some(new) if new.len() == old.len() => {
                for (&new, &old) in new.iter().zip(old.iter()) {
                    let bytes = before.storage(old).bytes;
                    let storage = &mut now.storages[new.index()];
                    storage.bytes = storage.bytes.max(bytes);
                }
            }
            _ => now.storages.extend(old.iter().map(|&id| before.storage(id).clone())),
        }
    }
    keep_states(before, now);
    let (old, new) = (outputs(before), outputs(now));
    if old.len() == new.len() {
        for (old, new) in old.into_iter().zip(new) {
            let bytes = before.storage(old).bytes;
            let storage = &mut now.storages[new.index()];
            storage.bytes = storage.bytes.max(bytes);
        }
    }
}

/// Keeps what states have; where this very phase makes them grow, the old content of one is there beside the new.
fn keep_states(before: &Lowered, now: &mut Lowered) {
    let cached = now.cached;
    let mut outgrown: Option<Storage> = None;
    for (old, new) in states(before).into_iter().zip(states(now)) {
        let old = before.storage(old).bytes;
        let storage = &mut now.storages[new.index()];
        if cached.total == 0 {
            // A cache of blocks, which its runner has sized.
            storage.bytes = storage.bytes.max(old);
            continue;
        }
        // A state that is allocated at its present length has room for twice the tokens.
        let anew = storage.bytes;
        let used = Bytes(anew.0 / 2);
        let kept = capacity(old, anew, cached);
        now.residency.untouched_bytes = now.residency.untouched_bytes - used + (kept - used);
        storage.bytes = kept;
        let past = cached.total.saturating_sub(cached.added);
        let of_past = Bytes((anew.0 / cached.total).saturating_mul(past));
        let earlier = capacity(old, of_past, Cached { total: past, added: 1 });
        if past > 0 && earlier < kept && outgrown.as_ref().is_none_or(|largest| largest.bytes < earlier) {
            outgrown = Some(Storage { bytes: earlier, ..storage.clone() });
        }
    }
    now.storages.extend(outgrown);
}

/// Adds the arenas of the streams that are idle, which are as large as the one that was planned.
pub(super) fn add_pools(lowered: &mut Lowered, plan: &Plan) {
    let pool = Storage {
        class: StorageClass::Workspace,
        bytes: plan.arena_size,
        alignment: 1,
        node: NodeRef::default(),
        known: Known::Exact,
        kept_until: 0,
        grows: false,
    };
    lowered.storages.extend((0..lowered.further_pools).map(|_| pool.clone()));
    lowered.residency.untouched_bytes +=
        Bytes(plan.arena_size.0.saturating_mul(lowered.further_pools.into()));
}

/// What a state that had so many bytes has after a pass that, had it allocated it, would have given it `anew`.
fn capacity(before: Bytes, anew: Bytes, cached: Cached) -> Bytes {
    let used = anew.0 / 2;
    if used <= before.0 {
        return before;
    }
    let token = used.checked_div(cached.total).unwrap_or(0);
    if cached.added != 1 || token == 0 {
        return anew;
    }
    let mut capacity = before.0;
    while capacity < used {
        capacity = capacity.saturating_add(token).saturating_mul(2);
    }
    Bytes(capacity).min(anew)
}

/// Keeps a state's memory as long as the phase's content fits into it.
///
/// Of the GPU plugin: buffers that are far too large for one token are given back. Source: openvino
/// src/plugins/intel_gpu/src/graph/primitive_inst.cpp, 2025.
pub(super) fn keep_gpu_states(before: &Lowered, now: &mut Lowered) {
    let (old, new) = (states(before), states(now));
    if old.len() != new.len() {
        return;
    }
    let mut content = vec![Bytes::ZERO; now.storages.len()];
    for value in &now.values {
        let slot = &mut content[value.storage.index()];
        *slot = (*slot).max(value.offset + value.bytes);
    }
    for (old, new) in old.into_iter().zip(new) {
        let kept = before.storage(old).bytes;
        if kept >= content[new.index()] {
            now.storages[new.index()].bytes = kept;
        }
    }
}

/// Grows a plan's blocks to those of the phase before it; the buffers keep their blocks.
pub(super) fn keep_blocks(before: &Plan, now: &mut Plan) {
    if before.blocks.len() != now.blocks.len() {
        return;
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
        let block = old.iter().zip(&now.blocks).find(|(old, _)| old.bytes.contains(&offset.0));
        if let Some((old, new)) = block {
            *offset = Bytes(new.bytes.start) + (*offset - Bytes(old.bytes.start));
        }
    }
    now.arena_size = now.arena_size.max(Bytes(start));
}

/// Workspace by node.
fn sets(lowered: &Lowered) -> BTreeMap<NodeRef, Vec<StorageId>> {
    let mut sets: BTreeMap<NodeRef, Vec<StorageId>> = BTreeMap::new();
    let is_workspace = |storage: &Storage| storage.class == StorageClass::Workspace;
    for (index, storage) in lowered.storages.iter().enumerate().filter(|(_, storage)| is_workspace(storage)) {
        sets.entry(storage.node).or_default().push(StorageId::new(index));
    }
    sets
}

/// States of attention, in order.
fn states(lowered: &Lowered) -> Vec<StorageId> {
    let storages = lowered.storages.iter().enumerate();
    let states = storages.filter(|(_, storage)| storage.class == StorageClass::KvCache);
    states.map(|(index, _)| StorageId::new(index)).collect()
}

/// Storages that outputs are written to, in order.
fn outputs(lowered: &Lowered) -> Vec<StorageId> {
    let written = lowered.values.iter().filter(|value| value.origin == Origin::Written);
    let mut outputs: Vec<StorageId> = written.map(|value| value.storage).collect();
    outputs.retain(|&id| lowered.storage(id).class == StorageClass::Io);
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
        let mut now = Plan {
            offsets: [0, 4, 4].map(Bytes).to_vec(),
            arena_size: Bytes(9),
            blocks: vec![block(0..4), block(4..9)],
            ..Plan::default()
        };
        keep_blocks(&before, &mut now);
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

    #[test]
    fn workspace_of_another_kernel_stays_beside() {
        let workspace = |bytes: &[u64]| {
            let storage = |&bytes: &u64| Storage {
                class: StorageClass::Workspace,
                bytes: Bytes(bytes),
                alignment: 1,
                node: NodeRef::default(),
                known: Known::Exact,
                kept_until: 0,
                grows: false,
            };
            Lowered { storages: bytes.iter().map(storage).collect(), ..Lowered::default() }
        };
        let kept = |before: &[u64], now: &[u64]| {
            let mut lowered = workspace(now);
            keep_storages(&workspace(before), &mut lowered);
            lowered.storages.iter().map(|storage| storage.bytes.0).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[8, 1], &[3, 4]), [8, 4]);
        assert_eq!(kept(&[8, 1], &[3]), [3, 8, 1]);
    }
}
