//! `greedy-by-breadth`: the step with the most bytes alive first, its buffers largest first.
//!
//! Steps go by pressure, the earlier first among equals. The buffers alive at
//! a step that have no place yet go by size, the largest first, then by
//! position, each to the lowest offset that is free while it lives.
//!
//! Source: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
//! Inference", arXiv:2001.03288, section 4.2, with offsets instead of shared objects.

use super::first_fit;
use crate::problem::{LiveRange, Problem, pressure};
use std::cmp::Reverse;
use std::time::Instant;

/// Offsets by buffer.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    first_fit::in_order(problem, &order(problem))
}

/// The same, or nothing if it takes longer than up to the deadline.
pub(super) fn offsets_until(problem: &Problem, deadline: Instant) -> Option<Vec<u64>> {
    first_fit::in_order_until(problem, &order(problem), deadline)
}

fn order(problem: &Problem) -> Vec<usize> {
    let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
    let peaks = peaks(problem);
    // A buffer is placed with the first of its steps, that is, with its highest.
    order.sort_by_key(|&index| (Reverse(peaks[index]), Reverse(problem.buffers[index].size)));
    order
}

/// For each buffer the most bytes alive at a step of its life, and which step is the first of these.
pub(super) fn peaks(problem: &Problem) -> Vec<(u64, Reverse<usize>)> {
    let curve = pressure(problem);
    let peaks = Peaks::new(curve.iter().map(|&(_, bytes)| bytes.0));
    let highest = |live: &LiveRange| {
        // The curve changes only where the sum does: the buffer may start inside a stretch.
        let first = curve.partition_point(|&(step, _)| step <= live.start).saturating_sub(1);
        let last = curve.partition_point(|&(step, _)| step < live.end);
        peaks.highest(first, last)
    };
    problem.buffers.iter().map(|buffer| highest(&buffer.live)).collect()
}

/// The highest entry of any stretch of a list, and the first of them among equals.
struct Peaks {
    leaves: usize,
    nodes: Vec<(u64, Reverse<usize>)>,
}

impl Peaks {
    fn new(heights: impl ExactSizeIterator<Item = u64>) -> Peaks {
        let leaves = heights.len();
        let mut nodes = vec![(0, Reverse(usize::MAX)); leaves];
        nodes.extend(heights.enumerate().map(|(index, height)| (height, Reverse(index))));
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].max(nodes[2 * node + 1]);
        }
        Peaks { leaves, nodes }
    }

    fn highest(&self, first: usize, end: usize) -> (u64, Reverse<usize>) {
        let (mut left, mut right) = (first + self.leaves, end + self.leaves);
        let mut best = (0, Reverse(usize::MAX));
        while left < right {
            if left & 1 == 1 {
                best = best.max(self.nodes[left]);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                best = best.max(self.nodes[right]);
            }
            left >>= 1;
            right >>= 1;
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_step_goes_first() {
        // offset ↑         ┌─c─┐
        //           ┌───────┤ b ├──┐
        //           └───a───┴───┴d─┘   step 4 has the most bytes: b and c before the larger a and d
        // time →    0       4   5  6
        let problem = Problem::default().with(0, 4, 9).with(4, 5, 8).with(4, 5, 5).with(5, 6, 10);
        assert_eq!(offsets(&problem), [0, 0, 8, 0]);
        let problem = problem.with(0, 5, 2);
        assert_eq!(offsets(&problem), [0, 0, 8, 0, 13]);
    }

    #[test]
    fn peaks_are_the_first_of_the_highest() {
        let peaks = Peaks::new([3, 7, 7, 1, 9].into_iter());
        assert_eq!(peaks.highest(0, 4), (7, Reverse(1)));
        assert_eq!(peaks.highest(2, 5), (9, Reverse(4)));
        assert_eq!(peaks.highest(3, 3), (0, Reverse(usize::MAX)));
    }
}
