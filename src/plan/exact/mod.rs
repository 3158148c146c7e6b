//! `exact`: a search that ends with the best plan, or with the gap that is left.
//!
//! The problem is cut into parts that do not live together, and steps are
//! reduced to those that constrain something ([`parts`]). A part that greedy
//! planners leave above its pressure goes to the [`search`] for a plan of a
//! given height. Two searches run side by side, in rounds of a fixed number of
//! tried placements: one at the proved lower bound, one below the best plan
//! so far. Each round restarts them with another order of preference; what
//! failed before weighs in. A plan at the bound, or a search that ends empty
//! one unit below the best plan, is the proof.
//!
//! Rounds count placements, not seconds: the same seed gives the same plan,
//! unless the time limit cuts a round.

mod forest;
mod fuse;
mod guess;
mod matches;
mod parts;
mod rounds;
mod search;
mod subset_sum;

use super::{Options, Solution, finish, greedy_by_size};
use crate::problem::{Problem, lower_bound};
use crate::units::Bytes;
use parts::Part;
use rounds::{MAX_ITEMS, greedy, height, is_searchable, search_part};
use std::time::Instant;

/// Searches that run side by side.
const THREADS: usize = 2;

/// Stack of a search per item, with a margin for unoptimised builds.
const FRAME_BYTES: usize = 8 << 10;

/// Searches that may be on one stack: a thread that waits for a search takes up another.
const NESTED: usize = 4;

/// The best plan found within the time limit, and the best bound proved.
pub(super) fn solve(problem: &Problem, options: &Options) -> Solution {
    let (first, second, deadline) = (options.share(1, 3), options.share(1, 2), options.deadline());
    let bound = lower_bound(problem);
    let greedy = finish(problem, greedy_by_size::offsets_until(problem, first));
    let Some((unit, parts)) = parts::split(problem).filter(|_| greedy.arena_size > bound) else {
        return Solution { plan: greedy, bound };
    };
    // A search has a frame for every item of its part.
    let largest = parts.iter().map(|part| part.items.len()).max().unwrap_or(0).min(MAX_ITEMS);
    let stack = NESTED * largest.max(1000) * FRAME_BYTES;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).stack_size(stack).build();
    let Ok(pool) = pool else { return Solution { plan: greedy, bound } };
    let (low, offsets) =
        pool.install(|| solve_parts(problem, unit, &parts, options.seed, [second, deadline]));
    let plan = finish(problem, offsets);
    Solution {
        bound: bound.max(proved(problem, low * unit)),
        plan: if plan.arena_size < greedy.arena_size { plan } else { greedy },
    }
}

/// The height in units below which there is no plan, and offsets of all buffers.
///
/// Greedy plans end by the first deadline, the search by the second.
fn solve_parts(
    problem: &Problem,
    unit: u64,
    parts: &[Part],
    seed: u64,
    [first, deadline]: [Instant; 2],
) -> (u64, Vec<u64>) {
    let mut low = parts.iter().map(|part| part.pressure).max().unwrap_or(0);
    let mut plans: Vec<Vec<u64>> = parts.iter().map(|part| greedy(part, first)).collect();
    guess::improve(parts, &mut plans, seed, deadline.saturating_duration_since(Instant::now()));
    // What is not done in its share of the time goes on in what others left.
    for turn in 0.. {
        let is_open =
            |&number: &usize| height(&parts[number], &plans[number]) > low && is_searchable(&parts[number]);
        let mut open: Vec<usize> = (0..parts.len()).filter(is_open).collect();
        if open.is_empty() || turn > 0 && Instant::now() >= deadline {
            break;
        }
        // The small parts first: they leave their time to the large ones.
        open.sort_by_key(|&number| parts[number].items.len());
        for (done, &number) in open.iter().enumerate() {
            let part = &parts[number];
            let left = deadline.saturating_duration_since(Instant::now());
            let share = if open.len() == 1 { left } else { left / (open.len() - done + 1) as u32 };
            let best = std::mem::take(&mut plans[number]);
            let found = search_part(part, low, best, seed.wrapping_add(turn), share, u64::MAX);
            low = low.max(found.low);
            plans[number] = found.offsets;
        }
    }
    let mut offsets = vec![0; problem.buffers.len()];
    for (part, plan) in parts.iter().zip(plans) {
        for (&index, offset) in part.buffers.iter().zip(plan) {
            offsets[index] = offset * unit;
        }
    }
    (low, offsets)
}

/// What a bound on padded sizes says of the arena, whose last buffer is not padded.
///
/// Only if all alignments are equal: then any plan has padded buffers that are apart, too.
fn proved(problem: &Problem, padded: u64) -> Bytes {
    let mut alignments = problem.buffers.iter().map(|buffer| buffer.alignment.max(1));
    let first = alignments.next().unwrap_or(1);
    let are_equal = alignments.all(|alignment| alignment == first);
    Bytes(if are_equal { (padded + 1).saturating_sub(first) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Planner, solve_with};

    /// offset ↑  ┌──top──┬─┐
    ///           ├─┬───┬─┤r│     Only as a pinwheel do these five fill
    ///           │l│ m │ │ │     9 steps × 7 bytes; greedy needs 9.
    ///           └─┴─┴─bot─┘
    /// time →    0 3   6   9
    fn pinwheel() -> Problem {
        Problem::default().with(0, 6, 2).with(6, 9, 5).with(3, 9, 2).with(0, 3, 5).with(3, 6, 3)
    }

    #[test]
    fn a_pinwheel_is_found() {
        let solution = solve_with(&pinwheel(), Planner::Exact, &Options::default()).unwrap();
        assert_eq!((solution.plan.arena_size, solution.bound), (Bytes(7), Bytes(7)));
    }

    #[test]
    fn parts_are_as_high_as_the_highest() {
        let mut problem = pinwheel();
        for buffer in pinwheel().buffers {
            problem = problem.with(buffer.live.start + 20, buffer.live.end + 20, 3 * buffer.size.0);
        }
        let solution = solve_with(&problem, Planner::Exact, &Options::default()).unwrap();
        assert_eq!((solution.plan.arena_size, solution.bound), (Bytes(21), Bytes(21)));
    }

    #[test]
    fn a_bound_above_the_pressure_is_proved() {
        let problem = Problem::default().with(4, 6, 1).with(10, 11, 3).with(0, 3, 3).with(5, 9, 4);
        let problem = problem.with(6, 10, 3).with(9, 10, 5).with(3, 8, 1).with(1, 5, 5);
        assert_eq!(lower_bound(&problem), Bytes(8));
        let solution = solve_with(&problem, Planner::Exact, &Options::default()).unwrap();
        assert_eq!((solution.plan.arena_size, solution.bound), (Bytes(9), Bytes(9)));
    }

    #[test]
    fn padding_is_no_proof_of_bytes_below_it() {
        let mut problem = pinwheel();
        problem.buffers.iter_mut().for_each(|buffer| buffer.alignment = 4);
        assert_eq!(proved(&problem, 12), Bytes(9));
        problem.buffers[0].alignment = 2;
        assert_eq!(proved(&problem, 12), Bytes(0));
    }
}
