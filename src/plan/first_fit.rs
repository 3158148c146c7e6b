//! `first-fit`: in execution order, each buffer at the lowest offset that is free while it lives.
//!
//! It knows the whole life of a buffer when it places it, as an allocator at
//! run time does not: a gap that is taken later is not a gap. Ties: position in
//! the list.

use super::occupancy::Occupancy;
use crate::problem::Problem;
use std::time::Instant;

/// Byte ranges that are looked at between two looks at the clock.
const RANGES_PER_LOOK: usize = 100_000;

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
        place(&mut occupancy, problem, index, &mut offsets);
    }
    offsets
}

/// As [`in_order`], or nothing if the deadline passes before the last buffer is placed.
pub(super) fn in_order_until(problem: &Problem, order: &[usize], deadline: Instant) -> Option<Vec<u64>> {
    let mut occupancy = Occupancy::new(problem);
    let mut offsets = vec![0; problem.buffers.len()];
    let mut looked_at = 0;
    for &index in order {
        place(&mut occupancy, problem, index, &mut offsets);
        looked_at += 1 + occupancy.looked_at();
        if looked_at >= RANGES_PER_LOOK {
            if Instant::now() >= deadline {
                return None;
            }
            looked_at = 0;
        }
    }
    Some(offsets)
}

fn place(occupancy: &mut Occupancy, problem: &Problem, index: usize, offsets: &mut [u64]) {
    let buffer = &problem.buffers[index];
    if buffer.size.0 > 0 {
        offsets[index] = occupancy.place_lowest(index, buffer.size.0, buffer.alignment);
    }
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

    #[test]
    fn a_deadline_ends_it_without_a_plan() {
        let problem = (0..2000).fold(Problem::default(), |problem, at| problem.with(at, 4000 - at, 8));
        let order: Vec<usize> = (0..2000).rev().collect();
        let now = Instant::now();
        assert_eq!(in_order_until(&problem, &order, now), None);
        let late = now + std::time::Duration::from_secs(60);
        assert_eq!(in_order_until(&problem, &order, late), Some(in_order(&problem, &order)));
    }
}
