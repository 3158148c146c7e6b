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
use crate::problem::{Block, Plan, Problem};
use crate::units::Bytes;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// The members of one block, whose size is that of the first.
type Members = Vec<BufferId>;

/// Blocks that are not used at the current step, by size and number, and when the others are free.
#[derive(Debug, Default)]
struct Pool {
    free: BTreeSet<(u64, usize)>,
    busy: BinaryHeap<Reverse<(u32, u64, usize)>>,
}

/// One block behind the other.
///
/// Cost: O(n log n) in buffers.
pub(super) fn plan(problem: &Problem) -> Plan {
    let mut order: Vec<usize> =
        (0..problem.buffers.len()).filter(|&index| problem.buffers[index].size > Bytes::ZERO).collect();
    order.sort_by_key(|&index| (problem.buffers[index].live.start, index));
    let mut blocks: Vec<Members> = Vec::new();
    // Buffers that grow have blocks of their own.
    let mut pools = [Pool::default(), Pool::default()];
    for index in order {
        let buffer = &problem.buffers[index];
        let pool = &mut pools[usize::from(buffer.grows)];
        while let Some(&Reverse((end, size, block))) = pool.busy.peek() {
            if end > buffer.live.start {
                break;
            }
            pool.busy.pop();
            pool.free.insert((size, block));
        }
        let size = buffer.size.0;
        let found = pool.free.range((size, 0)..(size.saturating_mul(2), 0)).next().copied();
        let (size, block) = found.unwrap_or((size, blocks.len()));
        if pool.free.remove(&(size, block)) {
            blocks[block].push(BufferId::new(index));
        } else {
            blocks.push(vec![BufferId::new(index)]);
        }
        pool.busy.push(Reverse((buffer.live.end, size, block)));
    }
    placed(problem, blocks)
}

fn placed(problem: &Problem, blocks: Vec<Members>) -> Plan {
    let mut plan = Plan { offsets: vec![Bytes::ZERO; problem.buffers.len()], ..Plan::default() };
    for members in blocks {
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
