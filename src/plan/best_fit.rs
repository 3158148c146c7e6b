//! `best-fit`: what a best-fit allocator does when it meets the buffers one by one.
//!
//! Among equally small gaps the highest is taken, as ggml's graph allocator
//! does, whose compute buffer this reproduces when the problem's buffers are
//! those of the reserve graph, in its order.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-alloc.c, `ggml_dyn_tallocr_alloc`, read 2026-11-20.

use super::free_list::{self, Ties};
use crate::problem::Problem;

/// Offsets by buffer.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    free_list::problem_offsets(problem, Ties::Highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_gap_that_holds_a_buffer_is_taken() {
        // offset ↑ 27      ┌─g─┐
        //          18 ├─d──┴───┤   At step 1, a and c leave gaps of 8 and 5. e (5) goes to the smaller one, not to
        //          17 ├─c─┬─e──┤   the lowest; f (8) to the larger one; g (9) fits into none and goes on top.
        //          12 ├─b─┴────┤
        //           8 ├─a─┬─f──┤
        // time →      0   1    3
        let problem = Problem::default().with(0, 1, 8).with(0, 3, 4).with(0, 1, 5).with(0, 3, 1);
        let problem = problem.with(1, 3, 5).with(1, 3, 8).with(2, 3, 9);
        assert_eq!(offsets(&problem), [0, 8, 12, 17, 12, 0, 18]);
    }

    #[test]
    fn of_equal_gaps_the_highest_is_taken() {
        let problem =
            Problem::default().with(0, 1, 4).with(0, 2, 4).with(0, 1, 4).with(0, 2, 4).with(1, 2, 4);
        assert_eq!(offsets(&problem), [0, 4, 8, 12, 8]);
    }
}
