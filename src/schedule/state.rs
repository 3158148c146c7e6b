//! State: variables and cache tensors, and where their new content is written.

use super::{Draft, Origin, StorageClass};
use crate::Bytes;
use crate::ids::{StorageId, ValueId};

/// The class of a model input or output of this name: caches that the caller keeps are not plain I/O.
///
/// Source: `past_key_values.N.key` and `present.N.key` of Optimum and ONNX Runtime GenAI exports.
pub(crate) fn io_class(name: &str) -> StorageClass {
    if name.starts_with("past_") || name.starts_with("present") {
        StorageClass::KvCache
    } else {
        StorageClass::Io
    }
}

/// The class of a variable of this name.
///
/// Source: variable ids of optimum-intel exports, `past_key_values.9.valuepresent.9.value`.
pub(crate) fn variable_class(name: &str) -> StorageClass {
    let is_cache = ["past_key", "present", ".key", ".value", "k_cache", "v_cache"]
        .iter()
        .any(|mark| name.contains(mark));
    if is_cache { StorageClass::KvCache } else { StorageClass::State }
}

/// Lets the step that makes a state's new content write it into the state itself, where the old content is read by no
/// later step; the copy at the end and the buffer that it was made in go away.
pub(crate) fn settle(draft: &mut Draft, states: &[Option<StorageId>]) {
    if states.iter().all(Option::is_none) {
        return;
    }
    let mut is_state = vec![false; draft.storages.len()];
    for storage in states.iter().flatten() {
        is_state[storage.index()] = true;
    }
    let last_read = last_reads(draft);
    let mut written_by = vec![None; draft.storages.len()];
    for (index, step) in draft.steps.iter().enumerate() {
        for &value in &step.writes {
            written_by[draft.value(value).storage.index()].get_or_insert(index);
        }
    }

    let mut moves = vec![None; draft.storages.len()];
    let mut taken = vec![false; draft.storages.len()];
    let mut copies: Vec<(ValueId, ValueId)> = Vec::new();
    draft.steps.retain(|step| {
        let (&[read], &[written]) = (&step.reads[..], &step.writes[..]) else { return true };
        let (from, to) = (&draft.values[read.index()], &draft.values[written.index()]);
        let (source, target) = (from.storage.index(), to.storage.index());
        let held = &draft.storages[source];
        let is_whole =
            from.offset == Bytes::ZERO && held.bytes == from.bytes && held.class == StorageClass::Activation;
        let is_free =
            written_by[source].is_some_and(|step| last_read[target].is_none_or(|last| last <= step));
        let can_move = is_state[target]
            && !is_state[source]
            && is_whole
            && is_free
            && !taken[target]
            && moves[source].is_none();
        if can_move {
            moves[source] = Some(to.storage);
            taken[target] = true;
            copies.push((written, read));
        }
        !can_move
    });
    // A state that starts with what was just computed is read by later steps.
    for (copy, of) in copies {
        draft.values[copy.index()].origin = Origin::View(of);
    }
    if moves.iter().all(Option::is_none) {
        return;
    }

    let mut renumbered = Vec::with_capacity(draft.storages.len());
    let mut kept = 0;
    for moved in &moves {
        renumbered.push(StorageId::new(kept));
        kept += usize::from(moved.is_none());
    }
    for value in &mut draft.values {
        let storage = moves[value.storage.index()].unwrap_or(value.storage);
        value.storage = renumbered[storage.index()];
    }
    let mut index = 0;
    draft.storages.retain(|_| {
        index += 1;
        moves[index - 1].is_none()
    });
}

/// The last step that reads the content a storage has before the run, views of it included.
fn last_reads(draft: &Draft) -> Vec<Option<usize>> {
    let mut last = vec![None; draft.storages.len()];
    let mut known = vec![None; draft.values.len()];
    for (index, step) in draft.steps.iter().enumerate() {
        for &value in &step.reads {
            if is_old_content(draft, value, &mut known) {
                last[draft.value(value).storage.index()] = Some(index);
            }
        }
    }
    last
}

/// `known` is what was found of values before: many steps may read the end of a long chain of views.
fn is_old_content(draft: &Draft, value: ValueId, known: &mut [Option<bool>]) -> bool {
    let mut views = Vec::new();
    let mut current = value;
    let is_old = loop {
        match &draft.value(current).origin {
            Origin::View(of) => {
                if let Some(is_old) = known[current.index()] {
                    break is_old;
                }
                views.push(current);
                current = *of;
            }
            origin => break matches!(origin, Origin::Resident),
        }
    };
    for view in views {
        known[view.index()] = Some(is_old);
    }
    is_old
}
