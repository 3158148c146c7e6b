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

pub(super) mod eject;
mod forest;
mod fuse;
mod guess;
mod matches;
mod params;
pub(super) mod parts;
pub(super) mod rounds;
mod search;
mod subset_sum;

use super::{Options, Solution, Stop, finish, greedy_by_breadth, greedy_by_size};
use crate::problem::{Plan, Problem, lower_bound};
use crate::units::Bytes;
pub use params::Params;
use parts::Part;
use rounds::{MAX_ITEMS, height, is_searchable, problem_of, search_part};
use std::iter;
use std::time::{Duration, Instant};

/// Searches that run side by side.
const THREADS: usize = 2;

/// Stack of a search per item, with a margin for unoptimised builds.
const FRAME_BYTES: usize = 8 << 10;

/// Searches that may be on one stack: a thread that waits for a search takes up another.
const NESTED: usize = 4;

/// Of more items the ejection search gets most of the first half of the time.
const MANY_ITEMS: usize = 500;

/// The part of the time that a search by sections gets before.
const FIRST_SEARCH: u32 = 8;

/// The best plan found within the time limit, and the best bound proved.
pub(super) fn solve(problem: &Problem, options: &Options) -> Solution {
    let (half, deadline) = (options.share(1, 2), options.deadline());
    let bound = lower_bound(problem);
    let goal = options.goal(bound);
    let known = first_plans(problem, greedy_by_breadth::offsets_until, half);
    let end = |plan: Plan, bound: Bytes, otherwise: Stop| {
        let stopped = Some(options.stop(plan.arena_size, bound, otherwise));
        Solution { plan, bound, stopped }
    };
    if known[0].arena_size <= goal {
        return end(known[0].clone(), bound, Stop::Optimal);
    }
    let params = options.exact;
    let Some((unit, parts)) = parts::split(problem, params.sections) else {
        return end(known[0].clone(), bound, Stop::Alignments);
    };
    // A search has a frame for every item of its part.
    let largest = parts.iter().map(|part| part.items.len()).max().unwrap_or(0).min(MAX_ITEMS);
    let stack = NESTED * largest.max(1000) * FRAME_BYTES;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).stack_size(stack).build();
    let Ok(pool) = pool else { return end(known[0].clone(), bound, Stop::Threads) };
    let task = Task { unit, goal: goal.0 / unit, seed: options.seed, params, deadline };
    let (low, offsets) = pool.install(|| {
        let starts = parts.iter().map(|part| starts(part, unit, &known, half)).collect();
        task.solve(&parts, starts, problem.buffers.len())
    });
    let bound = bound.max(proved(problem, low * unit));
    let plan = finish(problem, offsets);
    let stopped = if Instant::now() < deadline { Stop::Size } else { Stop::TimeLimit };
    let plans = known.into_iter().take(1).chain([plan]);
    let best = plans.min_by_key(|plan| plan.arena_size).unwrap_or_default();
    end(best, bound, stopped)
}

/// A greedy plan by size and what `another` makes by the deadline, the lower one first; there is at least one.
pub(super) fn first_plans(
    problem: &Problem,
    another: fn(&Problem, Instant) -> Option<Vec<u64>>,
    deadline: Instant,
) -> Vec<Plan> {
    let (by_size, other) =
        rayon::join(|| greedy_by_size::offsets_until(problem, deadline), || another(problem, deadline));
    let mut plans: Vec<Plan> =
        iter::once(by_size).chain(other).map(|offsets| finish(problem, offsets)).collect();
    plans.sort_by_key(|plan| plan.arena_size);
    plans
}

/// Plans of a part: those of the whole problem that are multiples of the unit, or else one by size.
pub(super) fn starts(part: &Part, unit: u64, known: &[Plan], deadline: Instant) -> Vec<Vec<u64>> {
    let scaled = |plan: &Plan| -> Option<Vec<u64>> {
        let offsets = part.buffers.iter().map(|&index| plan.offsets[index].0);
        offsets.map(|offset| offset.is_multiple_of(unit).then_some(offset / unit)).collect()
    };
    let mut starts: Vec<Vec<u64>> = known.iter().filter_map(scaled).collect();
    if starts.is_empty() {
        starts.push(greedy_by_size::offsets_until(&problem_of(part.items.iter()), deadline));
    }
    starts
}

/// What the searches have in common.
struct Task {
    unit: u64,
    /// A plan of this height in units is enough.
    goal: u64,
    seed: u64,
    params: Params,
    deadline: Instant,
}

impl Task {
    /// The height in units below which there is no plan, and offsets of all buffers.
    fn solve(&self, parts: &[Part], mut starts: Vec<Vec<Vec<u64>>>, buffers: usize) -> (u64, Vec<u64>) {
        let mut low = parts.iter().map(|part| part.pressure).max().unwrap_or(0);
        let goal = low.max(self.goal);
        for (part, starts) in parts.iter().zip(&mut starts).filter(|_| self.params.ejection) {
            eject::descend(part, goal, starts, self.seed, eject::SHORT, self.deadline);
        }
        let mut plans: Vec<Vec<u64>> = starts.iter_mut().map(|starts| starts.remove(0)).collect();
        guess::improve(parts, &mut plans, goal, self.seed, self.left(), self.params);
        // What is not done in its share of the time goes on in what others left.
        for turn in 0.. {
            let goal = low.max(self.goal);
            let is_open = |&number: &usize| {
                let part = &parts[number];
                height(part, &plans[number]) > goal && (self.params.ejection || is_searchable(part))
            };
            let mut open: Vec<usize> = (0..parts.len()).filter(is_open).collect();
            if open.is_empty() || turn > 0 && Instant::now() >= self.deadline {
                break;
            }
            // The small parts first: they leave their time to the large ones.
            open.sort_by_key(|&number| parts[number].items.len());
            for (done, &number) in open.iter().enumerate() {
                let share = match open.len() {
                    1 => self.left(),
                    all => self.left() / (all - done + 1) as u32,
                };
                let mut known = vec![std::mem::take(&mut plans[number])];
                known.append(&mut starts[number]);
                (low, plans[number]) = self.improve(&parts[number], low, known, turn, share);
            }
        }
        let mut offsets = vec![0; buffers];
        for (part, plan) in parts.iter().zip(plans) {
            for (&index, offset) in part.buffers.iter().zip(plan) {
                offsets[index] = offset * self.unit;
            }
        }
        (low, offsets)
    }

    /// Uses the time for one part of which plans are known: `low`, or more if that is proved, and the best plan.
    fn improve(
        &self,
        part: &Part,
        low: u64,
        mut plans: Vec<Vec<u64>>,
        turn: u64,
        time: Duration,
    ) -> (u64, Vec<u64>) {
        let (start, seed) = (Instant::now(), self.seed.wrapping_add(turn));
        let (mut low, mut goal) = (low, low.max(self.goal));
        let is_searchable = is_searchable(part);
        if self.params.ejection && (part.items.len() > MANY_ITEMS || !is_searchable) {
            // Most parts that the search can solve are solved early.
            if is_searchable {
                plans.sort_by_key(|plan| height(part, plan));
                let best = plans[0].clone();
                let found = search_part(part, goal, best, seed, time / FIRST_SEARCH, u64::MAX, self.params);
                low = low.max(found.low);
                goal = goal.max(low);
                plans[0] = found.offsets;
            }
            let time = if is_searchable { time / 2 } else { time };
            eject::descend(part, goal, &mut plans, seed, eject::LONG, start + time);
        }
        let best = plans.swap_remove(0);
        if !is_searchable {
            return (low, best);
        }
        let left = time.saturating_sub(start.elapsed());
        let found = search_part(part, goal, best, seed, left, u64::MAX, self.params);
        (low.max(found.low), found.offsets)
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
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
