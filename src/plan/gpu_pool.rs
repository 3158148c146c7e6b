//! `gpu-pool`: the pool of OpenVINO's GPU plugin with dynamic shapes.
//!
//! In the order in which they are written, buffers take the smallest block that is at least as large, of which they fill
//! more than half, and of whose users none lives with them; else a new block of their own size. Blocks are allocations
//! of their own, never split and never joined.
//!
//! ```text
//! block ↑  1 │ b b b │ d (more than half of b)
//!          0 │ a │ c c c │ (as large as a)
//!            └────────────→ time
//! ```
//!
//! Source: openvino src/plugins/intel_gpu/src/runtime/memory_pool.cpp, `get_from_non_padded_pool`, 2025.

use crate::ids::BufferId;
use crate::problem::{Block, LiveRange, Plan, Problem};
use crate::units::Bytes;
use std::collections::BTreeMap;

/// Blocks by size and number: the users' live ranges, sorted, and the members.
type Blocks = BTreeMap<(u64, usize), (BTreeMap<u32, u32>, Vec<BufferId>)>;

/// One block behind the other.
///
/// Cost: O(n · b) in buffers and blocks that are large enough, each looked at in O(log n).
pub(super) fn plan(problem: &Problem) -> Plan {
    let mut order: Vec<usize> =
        (0..problem.buffers.len()).filter(|&index| problem.buffers[index].size > Bytes::ZERO).collect();
    order.sort_by_key(|&index| (problem.buffers[index].live.start, index));
    let mut blocks: Blocks = BTreeMap::new();
    for index in order {
        let buffer = &problem.buffers[index];
        let size = buffer.size.0;
        let most = size.saturating_mul(2);
        let found = blocks
            .range((size, 0)..(most, 0))
            .find(|(_, (users, members))| {
                let is_of_kind = |&id: &BufferId| problem.buffer(id).grows == buffer.grows;
                is_free(users, &buffer.live) && members.iter().take(1).all(is_of_kind)
            })
            .map(|(&key, _)| key);
        let key = found.unwrap_or((size, blocks.len()));
        let (users, members) = blocks.entry(key).or_default();
        users.insert(buffer.live.start, buffer.live.end);
        members.push(BufferId::new(index));
    }
    placed(problem, blocks)
}

/// Whether none of the sorted, disjoint users lives with `live`.
fn is_free(users: &BTreeMap<u32, u32>, live: &LiveRange) -> bool {
    users.range(..live.end).next_back().is_none_or(|(_, &end)| end <= live.start)
}

fn placed(problem: &Problem, blocks: Blocks) -> Plan {
    let mut plan = Plan { offsets: vec![Bytes::ZERO; problem.buffers.len()], ..Plan::default() };
    let mut ordered: Vec<_> = blocks.into_iter().collect();
    ordered.sort_by_key(|&((_, number), _)| number);
    for (_, (_, members)) in ordered {
        let start = plan.arena_size;
        let mut end = start;
        let grows = members.iter().any(|&id| problem.buffer(id).grows);
        for id in members {
            let buffer = problem.buffer(id);
            let offset = start.align_up(buffer.alignment);
            plan.offsets[id.index()] = offset;
            end = end.max(offset + buffer.size);
        }
        plan.blocks.push(Block { bytes: start.0..end.0, grows });
        plan.arena_size = end;
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_takes_the_smallest_block_that_it_fills_by_half() {
        let problem = Problem::default()
            .with(0, 2, 100) // a new block
            .with(0, 3, 60) // another one
            .with(3, 4, 51) // both are free: the smaller one
            .with(3, 4, 52) // of the larger one it is more than half
            .with(4, 5, 30) // half of 60 is not more than half
            .with(4, 5, 50); // 60 is free
        let plan = plan(&problem);
        assert_eq!(plan.offsets, [0, 100, 100, 0, 160, 100].map(Bytes));
        let blocks: Vec<_> = plan.blocks.iter().map(|block| block.bytes.clone()).collect();
        assert_eq!(blocks, [0..100, 100..160, 160..190]);
    }

    #[test]
    fn users_that_live_together_never_share() {
        let problem = Problem::default().with(0, 2, 8).with(1, 3, 8).with(2, 4, 8);
        assert_eq!(plan(&problem).offsets, [0, 8, 0].map(Bytes));
    }
}
