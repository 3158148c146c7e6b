//! Memory that the GPU plugin retains from one phase to the next: that of states.

use crate::error::Result;
use crate::ids::StorageId;
use crate::runtime::Lowered;
use crate::schedule::{Storage, StorageClass};
use crate::units::Bytes;

/// Keeps a state's memory as long as the phase's content fits into it.
///
/// Buffers that are far too large for one token are freed. Source: openvino
/// src/plugins/intel_gpu/src/graph/primitive_inst.cpp, 2025.
///
/// # Errors
///
/// Those of [`Draft::finish`](crate::schedule::Draft::finish).
pub(super) fn states(before: &Lowered, now: Lowered) -> Result<Lowered> {
    let (mut draft, memory, assumptions, data) = now.into_parts();
    let (old, new) = (of_attention(&before.schedule().storages), of_attention(&draft.storages));
    if old.len() == new.len() {
        let mut content = vec![Bytes::ZERO; draft.storages.len()];
        for value in &draft.values {
            let slot = &mut content[value.storage.index()];
            *slot = (*slot).max(value.offset + value.bytes);
        }
        for (old, new) in old.into_iter().zip(new) {
            let kept = before.schedule().storage(old).bytes;
            if kept >= content[new.index()] {
                draft.storages[new.index()].bytes = kept;
            }
        }
    }
    let lowered = Lowered::new(draft)?.with_memory(memory).with_assumptions(assumptions);
    Ok(lowered.with_data(data))
}

/// States of attention, in order.
fn of_attention(storages: &[Storage]) -> Vec<StorageId> {
    let states = storages.iter().enumerate().filter(|(_, storage)| storage.class == StorageClass::KvCache);
    states.map(|(index, _)| StorageId::new(index)).collect()
}
