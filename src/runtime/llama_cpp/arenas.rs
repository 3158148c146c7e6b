//! The compute buffers: one per backend, each planned alone.

use super::context::Reserved;
use crate::error::Result;
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::units::Bytes;

/// The place of a buffer: its backend, and where it is in that backend's compute buffer.
pub(super) type Spot = (u8, u64);

/// The places of a graph's buffers, in their order.
pub(super) fn spots(reserved: &Reserved) -> Vec<Spot> {
    reserved.allocation.buffers.iter().map(|buffer| (buffer.backend, buffer.offset)).collect()
}

/// Bytes of the buffer of each of `count` backends that a graph needs.
pub(super) fn bytes(reserved: &Reserved, count: usize) -> Vec<u64> {
    let mut sizes = vec![0; count];
    for buffer in &reserved.allocation.buffers {
        let size: &mut u64 = &mut sizes[usize::from(buffer.backend)];
        *size = (*size).max(buffer.offset.saturating_add(buffer.bytes));
    }
    sizes
}

/// Plans the buffers of each backend alone, one arena behind the other: with `best-fit` where ggml has them, else by a planner.
pub(super) fn place(problem: &Problem, planner: Planner, spots: &[Spot]) -> Result<Plan> {
    if spots.len() != problem.buffers.len() || spots.is_empty() {
        return plan::solve(problem, planner);
    }
    let count = spots.iter().max_by_key(|(backend, _)| backend).map_or(1, |(last, _)| usize::from(*last) + 1);
    let mut whole = Plan { offsets: vec![Bytes::ZERO; problem.buffers.len()], ..Plan::default() };
    for backend in 0..count {
        let own: Vec<usize> =
            (0..spots.len()).filter(|&index| usize::from(spots[index].0) == backend).collect();
        let part = Problem { buffers: own.iter().map(|&index| problem.buffers[index].clone()).collect() };
        let plan = match planner {
            Planner::BestFit => known(&part, own.iter().map(|&index| spots[index].1)),
            _ => plan::solve(&part, planner)?,
        };
        let base = whole.arena_size.align_up(ALIGNMENT);
        for (&index, &offset) in own.iter().zip(&plan.offsets) {
            whole.offsets[index] = base + offset;
        }
        whole.arena_size = base + plan.arena_size;
    }
    Ok(whole)
}

/// The plan of buffers whose places are known.
fn known(problem: &Problem, offsets: impl Iterator<Item = u64>) -> Plan {
    let offsets: Vec<Bytes> = offsets.map(Bytes).collect();
    let ends = problem.buffers.iter().zip(&offsets).map(|(buffer, &offset)| offset + buffer.size);
    let arena_size = ends.max().unwrap_or(Bytes::ZERO);
    Plan { offsets, arena_size, ..Plan::default() }
}

/// Alignment of every backend's buffers.
const ALIGNMENT: u64 = 128;
