//! `hill-climb`: two greedy plans, and then changes that lower the plan.
//!
//! One plan has the largest buffers first. The other has those first that live
//! while most bytes are alive, then those that live longest. Buffers above an
//! aimed height take the place of others, which are placed anew: see
//! [`eject`]. How many buffers are placed in all is fixed by the size of the
//! problem, so that the plan depends on the seed alone; a time limit may end it earlier.
//!
//! Source: the second order is that of the hill climb of Arm's Vela 3.10,
//! ethosu/vela/hillclimb_allocation.py, `LiveRangeInfo.__lt__`. Vela then swaps,
//! in the order, two buffers that affect the highest one, and places all again.

use super::exact::eject::{self, Budget};
use super::exact::{first_plans, parts, rounds, starts};
use super::{Options, Solution, Stop, finish, first_fit, greedy_by_breadth};
use crate::problem::{Plan, Problem, lower_bound};
use std::cmp::Reverse;
use std::time::Instant;

/// At most 20,000 placements a try of each of two searches, fewer if there are more than 300 buffers.
const BUDGET: Budget = Budget { looks: 6_000_000, steps: 20_000, tries: 30 };

/// The best plan of a fixed number of placements, or of those within the time limit.
pub(super) fn solve(problem: &Problem, options: &Options) -> Solution {
    let (first, deadline) = (options.share(1, 2), options.deadline());
    let bound = lower_bound(problem);
    let goal = options.goal(bound);
    let known = first_plans(problem, by_pressure, first);
    let end = |plan: Plan, otherwise: Stop| {
        let stopped = Some(options.stop(plan.arena_size, bound, otherwise));
        Solution { plan, bound, stopped }
    };
    if known[0].arena_size <= goal {
        return end(known[0].clone(), Stop::Optimal);
    }
    let Some((unit, parts)) = parts::split(problem, true) else {
        return end(known[0].clone(), Stop::Alignments);
    };
    let low = parts.iter().map(|part| part.pressure).max().unwrap_or(0);
    let goal = low.max(goal.0 / unit);
    let mut offsets = vec![0; problem.buffers.len()];
    for part in &parts {
        let mut plans = starts(part, unit, &known, first);
        eject::descend(part, goal, &mut plans, options.seed, BUDGET, deadline);
        let best = plans.iter().min_by_key(|plan| rounds::height(part, plan));
        for (&index, offset) in part.buffers.iter().zip(best.into_iter().flatten()) {
            offsets[index] = offset * unit;
        }
    }
    let plan = finish(problem, offsets);
    let stopped = if Instant::now() < deadline { Stop::Budget } else { Stop::TimeLimit };
    let plans = known.into_iter().take(1).chain([plan]);
    let best = plans.min_by_key(|plan| plan.arena_size).unwrap_or_default();
    end(best, stopped)
}

/// Offsets of buffers placed in the order of the most bytes alive during their lives, then of duration, start and size.
fn by_pressure(problem: &Problem, deadline: Instant) -> Option<Vec<u64>> {
    let mut order: Vec<usize> = (0..problem.buffers.len()).collect();
    let peaks = greedy_by_breadth::peaks(problem);
    order.sort_by_key(|&index| {
        let buffer = &problem.buffers[index];
        let live = &buffer.live;
        (Reverse(peaks[index].0), Reverse(live.end - live.start), live.start, Reverse(buffer.size))
    });
    first_fit::in_order_until(problem, &order, deadline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Planner, solve};
    use std::time::Duration;

    #[test]
    fn climbs_where_greedy_is_off() {
        // offset ↑ 5 ┌d┬──c──┐     By size, a and b (3 each) come first and leave
        //          3 │ ├─b─┐ │     no room of 2 under the top for c; the optimum is 5.
        //          0 └a┴───┴─┘
        let problem = Problem::default()
            .with(0, 2, 3)
            .with(3, 6, 3)
            .with(1, 4, 2)
            .with(0, 1, 2)
            .with(5, 7, 2)
            .with(2, 3, 3)
            .with(4, 5, 2)
            .with(6, 7, 3);
        let greedy = solve(&problem, Planner::GreedyBySize).unwrap().arena_size;
        let climbed = solve(&problem, Planner::HillClimb).unwrap().arena_size;
        assert!(lower_bound(&problem) == climbed && climbed <= greedy, "{climbed} {greedy}");
    }

    #[test]
    fn what_lives_at_the_peak_is_placed_first() {
        // offset ↑  ├──c──┤         The peak is at step 2. The longer of the two that live there is first,
        //           ├a┤├──b──┤      then the shorter, and then a, which is larger than both.
        let problem = Problem::default().with(0, 1, 5).with(2, 5, 4).with(1, 3, 3);
        let late = Instant::now() + Duration::from_secs(60);
        assert_eq!(by_pressure(&problem, late), Some(vec![0, 0, 4]));
    }
}
