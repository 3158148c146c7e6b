//! `onnxruntime`: ONNX Runtime's buffer reuse, then its memory pattern.
//!
//! Two passes in execution order. First, a buffer reuses the most recently
//! freed buffer of exactly its size, if there is one (the runtime asks for the
//! same shape and element size, which a problem does not know); taken-over
//! buffers are one block, held from the first start to the last end, idle time
//! included. Then the blocks go through a best-fit trace, the lowest gap first
//! among equals. Sizes are padded to their alignment.
//!
//! Source: ONNX Runtime, onnxruntime/core/framework/allocation_planner.cc
//! (`ComputeSingleStreamReusePlan`) and mem_pattern_planner.h (`TraceAllocation`),
//! commit 00ca1689, checked against runs of 1.31.1.

use super::free_list::{self, Ties};
use crate::problem::{Buffer, Problem};
use rustc_hash::FxHashMap;

/// Offsets by buffer.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    let (blocks, block_of) = reuse(problem);
    let offsets = free_list::offsets(&blocks, Ties::Lowest);
    block_of.into_iter().map(|block| offsets[block]).collect()
}

/// Joins buffers to blocks; the second list gives the block of each buffer.
fn reuse(problem: &Problem) -> (Vec<Buffer>, Vec<usize>) {
    let buffers = &problem.buffers;
    let mut starting: Vec<usize> = (0..buffers.len()).collect();
    let mut ending = starting.clone();
    starting.sort_by_key(|&index| buffers[index].live.start);
    ending.sort_by_key(|&index| buffers[index].live.end);

    let shape = |index: usize| (buffers[index].size, buffers[index].alignment);
    let mut freed: FxHashMap<_, Vec<usize>> = FxHashMap::default();
    let mut blocks: Vec<Buffer> = Vec::new();
    let mut block_of = vec![0; buffers.len()];
    let mut ending = ending.into_iter().peekable();
    for index in starting {
        while let Some(ended) = ending.next_if(|&other| buffers[other].live.end <= buffers[index].live.start)
        {
            freed.entry(shape(ended)).or_default().push(block_of[ended]);
        }
        block_of[index] = match freed.get_mut(&shape(index)).and_then(Vec::pop) {
            Some(block) => {
                blocks[block].live.end = buffers[index].live.end;
                block
            }
            None => {
                blocks.push(buffers[index].clone());
                blocks.len() - 1
            }
        };
    }
    (blocks, block_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_freed_block_of_the_same_size_is_taken_over() {
        // a and b (4 each) are free from step 1 and 2 on; c (4) takes b, d (4) takes a, e (3) neither.
        let problem =
            Problem::default().with(0, 1, 4).with(0, 2, 4).with(2, 5, 4).with(3, 4, 4).with(4, 5, 3);
        let (blocks, block_of) = reuse(&problem);
        assert_eq!(block_of, [0, 1, 1, 0, 2]);
        assert_eq!(blocks.iter().map(|block| block.live.clone()).collect::<Vec<_>>(), [0..4, 0..5, 4..5]);
    }

    #[test]
    fn a_block_is_held_while_it_is_idle() {
        // offset ↑       ┌─b─┐           The block of a and c is held from 0 to 6,
        //           ┌─a──┴╌╌╌┴─c─┐       so b is above it although a is dead.
        // time →    0    2   4   6
        let problem = Problem::default().with(0, 2, 4).with(2, 4, 3).with(4, 6, 4);
        assert_eq!(offsets(&problem), [0, 4, 0]);
    }
}
