//! `greedy-by-size`: largest buffer first, each at the lowest free offset.
//!
//! Ties: longer life first, then earlier start, then position in the list.
//! Cost: that of [`first_fit::in_order`].
//!
//! Source: greedy by size for offset calculation, Pisarchyk and Lee, "Efficient
//! Memory Management for Deep Neural Net Inference", arXiv:2001.03288, section 5.2.

use super::{best_fit, first_fit};
use crate::problem::Problem;
use std::cmp::Reverse;
use std::time::Instant;

/// Offsets by buffer.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    first_fit::in_order(problem, &order(problem))
}

/// The same by the deadline, else what a best-fit allocator does, which takes O(n log n) whatever overlaps.
pub(super) fn offsets_until(problem: &Problem, deadline: Instant) -> Vec<u64> {
    first_fit::in_order_until(problem, &order(problem), deadline)
        .unwrap_or_else(|| best_fit::offsets(problem))
}

/// The order in which buffers are placed.
pub(super) fn order(problem: &Problem) -> Vec<usize> {
    let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
    order.sort_by_key(|&index| {
        let buffer = &problem.buffers[index];
        (Reverse(buffer.size), Reverse(buffer.live.end - buffer.live.start), buffer.live.start)
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_sink() {
        // offset ↑  ┌─a─┐   ┌─c─┐
        //           └─┬─┴─b─┴─┬─┘
        //             └───────┘
        // time →    0 1 2   4 5 6
        let problem = Problem::default().with(0, 2, 2).with(1, 5, 9).with(4, 6, 3);
        assert_eq!(offsets(&problem), [9, 0, 9]);
    }

    #[test]
    fn a_gap_is_used_when_it_fits_with_alignment() {
        // Gap of 6 bytes at 10..16 between a (0..10) and b (16..26): c of 4 needs offset 12.
        let mut problem = Problem::default().with(0, 4, 10).with(0, 4, 10).with(0, 4, 4);
        problem.buffers[1].alignment = 16;
        problem.buffers[2].alignment = 4;
        assert_eq!(offsets(&problem), [0, 16, 12]);
    }

    #[test]
    fn ties_go_by_life_then_start_then_position() {
        let problem = Problem::default().with(0, 2, 4).with(1, 4, 4).with(0, 2, 4).with(0, 3, 4);
        assert_eq!(offsets(&problem), [8, 4, 12, 0]);
    }

    #[test]
    fn what_is_not_done_in_time_goes_best_fit() {
        let problem = (0..2000).fold(Problem::default(), |problem, at| problem.with(at % 50, 50 + at, 8));
        let plan = offsets_until(&problem, Instant::now());
        assert_eq!(plan, best_fit::offsets(&problem));
        assert_ne!(plan, offsets(&problem));
    }
}
