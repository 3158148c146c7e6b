//! `naive`: one buffer after the other, no reuse.
//!
//! The ceiling that every other planner is measured against.

use crate::problem::Problem;
use crate::units::Bytes;

/// Offsets in the order of the list, each rounded up to its alignment.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    let mut end = 0;
    let place = |buffer: &crate::problem::Buffer| {
        if buffer.size == Bytes::ZERO {
            return 0;
        }
        let offset = Bytes(end).align_up(buffer.alignment).0;
        end = offset + buffer.size.0;
        offset
    };
    problem.buffers.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_stack_up() {
        // offset ↑     ┌──b──┐
        //        ┌──a──┘
        // time → 0     2     4
        let mut problem = Problem::default().with(0, 2, 5).with(2, 4, 3);
        problem.buffers[1].alignment = 4;
        assert_eq!(offsets(&problem), [0, 8]);
    }
}
