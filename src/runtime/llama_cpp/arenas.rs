//! The compute buffers: one per backend, each planned alone.

use super::context::Reserved;
use crate::error::Result;
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::units::Bytes;

/// Bytes of the buffer of each of `count` backends that a graph needs.
pub(super) fn bytes(reserved: &Reserved, count: usize) -> Result<Vec<u64>> {
    let mut problems = vec![Problem::default(); count];
    for buffer in &reserved.allocation.buffers {
        let number = |step: usize| u32::try_from(step).unwrap_or(u32::MAX);
        let problem = &mut problems[usize::from(buffer.backend)];
        *problem = std::mem::take(problem).with(number(buffer.start), number(buffer.end + 2), buffer.bytes);
    }
    problems.iter().map(|problem| Ok(plan::solve(problem, Planner::BestFit)?.arena_size.0)).collect()
}

/// Plans the buffers of each backend alone, one arena behind the other; `backends` has the backend of each buffer.
pub(super) fn place(problem: &Problem, planner: Planner, backends: &[u8]) -> Result<Plan> {
    let count = backends.iter().max().map_or(1, |&last| usize::from(last) + 1);
    if count == 1 || backends.len() != problem.buffers.len() {
        return plan::solve(problem, planner);
    }
    let mut whole = Plan { offsets: vec![Bytes::ZERO; problem.buffers.len()], ..Plan::default() };
    for backend in 0..count {
        let own: Vec<usize> =
            (0..backends.len()).filter(|&index| usize::from(backends[index]) == backend).collect();
        let part = Problem { buffers: own.iter().map(|&index| problem.buffers[index].clone()).collect() };
        let plan = plan::solve(&part, planner)?;
        let base = Bytes(whole.arena_size.0.next_multiple_of(ALIGNMENT));
        for (&index, &offset) in own.iter().zip(&plan.offsets) {
            whole.offsets[index] = base + offset;
        }
        whole.arena_size = base + plan.arena_size;
    }
    Ok(whole)
}

/// Alignment of every backend's buffers.
const ALIGNMENT: u64 = 128;
