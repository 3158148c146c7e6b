//! `first-fit`: in execution order, each buffer at the lowest offset that is free while it lives.
//!
//! It knows the whole life of a buffer when it places it, as an allocator at
//! run time does not: a gap that is taken later is not a gap. Ties: position in
//! the list.

use super::occupancy::Occupancy;
use crate::problem::Problem;

/// Offsets by buffer.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
    order.sort_by_key(|&index| problem.buffers[index].live.start);
    in_order(problem, &order)
}

/// Places buffers in `order`, each at the lowest offset that is free while it lives.
///
/// Cost: O(n log n) in the number of buffers plus that of pairs that overlap in time; see [`Occupancy`].
pub(super) fn in_order(problem: &Problem, order: &[usize]) -> Vec<u64> {
    let mut occupancy = Occupancy::new(problem);
    let mut offsets = vec![0; problem.buffers.len()];
    for &index in order {
        let buffer = &problem.buffers[index];
        if buffer.size.0 > 0 {
            offsets[index] = occupancy.place_lowest(index, buffer.size.0, buffer.alignment);
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_buffers_go_around_earlier_ones() {
        // offset ↑    ┌────b───┐
        //           ┌─┴a┬─c─┐  │
        //           └───┘   └──┘     c of 3 fits under b only where a has gone
        // time →    0 1 2   4  5
        let problem = Problem::default().with(0, 2, 3).with(1, 5, 4).with(2, 4, 3);
        assert_eq!(offsets(&problem), [0, 3, 0]);
    }
}
