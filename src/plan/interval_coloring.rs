//! `interval-coloring`: buffers that never live together share a block; blocks are placed one after the other.
//!
//! In order of (start, end), each buffer goes to the first block, in order of
//! creation, whose last buffer has ended; else to a new block. Sizes play no
//! part, so the same buffers share a block whatever their sizes turn out to
//! be: that is why runtimes with dynamic shapes do it. A block is as large as
//! its largest buffer.
//!
//! Cost: O(n log n).
//!
//! Source: OpenVINO CPU plugin, dynamic shapes, observed to the block on
//! 2026.4.1 (sizes and count of all blocks in 120 runs of 24 models).

use crate::ids::BufferId;
use crate::problem::Problem;
use crate::units::Bytes;

/// The blocks, in order of creation, each with its buffers in order of life.
///
/// Depends on the live ranges alone. Buffers of no bytes are placed like all others.
#[must_use]
pub(crate) fn blocks(problem: &Problem) -> Vec<Vec<BufferId>> {
    let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
    order.sort_by_key(|&index| (problem.buffers[index].live.start, problem.buffers[index].live.end));
    let mut ends = FirstEnded::new(order.len());
    let mut blocks: Vec<Vec<BufferId>> = Vec::new();
    for index in order {
        let live = &problem.buffers[index].live;
        let block = ends.first_ended_by(live.start).unwrap_or(blocks.len());
        if block == blocks.len() {
            blocks.push(Vec::new());
        }
        ends.set(block, live.end);
        blocks[block].push(BufferId::new(index));
    }
    blocks
}

/// Offsets by buffer: blocks are placed one after the other.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    let mut offsets = vec![0; problem.buffers.len()];
    let mut end = 0;
    for block in blocks(problem) {
        let buffers = || block.iter().map(|&id| problem.buffer(id));
        let size = buffers().map(|buffer| buffer.size.0).max().unwrap_or(0);
        for (&id, buffer) in block.iter().zip(buffers()) {
            // Alignments may differ within a block; each buffer starts at its own.
            offsets[id.index()] =
                if buffer.size == Bytes::ZERO { 0 } else { Bytes(end).align_up(buffer.alignment).0 };
        }
        let ends = buffers().zip(&block).map(|(buffer, id)| offsets[id.index()] + buffer.size.0);
        end = ends.max().unwrap_or(0).max(end + size);
    }
    offsets
}

/// The end of each block's last buffer, in a tree that knows the earliest of every stretch.
struct FirstEnded {
    leaves: usize,
    /// Earliest end below each node; blocks that do not exist yet never end.
    earliest: Vec<u32>,
}

impl FirstEnded {
    fn new(blocks: usize) -> FirstEnded {
        let leaves = blocks.max(1).next_power_of_two();
        FirstEnded { leaves, earliest: vec![u32::MAX; 2 * leaves] }
    }

    fn first_ended_by(&self, step: u32) -> Option<usize> {
        let mut node = 1;
        if self.earliest[node] > step || self.earliest[node] == u32::MAX {
            return None;
        }
        while node < self.leaves {
            node *= 2;
            if self.earliest[node] > step {
                node += 1;
            }
        }
        Some(node - self.leaves)
    }

    fn set(&mut self, block: usize, end: u32) {
        let mut node = block + self.leaves;
        self.earliest[node] = end;
        while node > 1 {
            node /= 2;
            self.earliest[node] = self.earliest[2 * node].min(self.earliest[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_as_large_as_its_largest_buffer() {
        // offset ↑ 9  ┌──b──┐  ┌d┐
        //          0  ├a┐  ┌┴c─┴┐│   a and c share a block of 9, b and d one of 4
        // time →      0 2  3    5 6
        let problem = Problem::default().with(0, 2, 3).with(0, 4, 4).with(3, 5, 9).with(4, 6, 1);
        let blocks: Vec<Vec<usize>> =
            blocks(&problem).iter().map(|block| block.iter().map(|id| id.index()).collect()).collect();
        assert_eq!(blocks, [vec![0, 2], vec![1, 3]]);
        assert_eq!(offsets(&problem), [0, 9, 0, 9]);
    }

    #[test]
    fn the_first_block_is_taken_not_the_best() {
        let problem = Problem::default().with(0, 1, 1).with(0, 2, 8).with(2, 3, 8).with(2, 3, 1);
        assert_eq!(offsets(&problem), [0, 8, 0, 8]);
    }
}
