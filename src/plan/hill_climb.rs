//! `hill-climb`: greedy by size, then small changes of the order while they do not hurt.
//!
//! The buffers are placed first-fit in an order. A change takes a buffer that
//! ends at the top of the arena, or one that lives together with it, and moves
//! it to an earlier place in the order. A change that makes the arena higher is
//! taken back. The number of changes is fixed by the size of the problem, so
//! that the plan depends on the seed alone; a time limit may end it earlier.
//!
//! Source: the idea is TVM's, src/tir/usmp/algo/hill_climb.cc; the moves are ours.

use super::random::Random;
use super::{Options, Solution, Stop, best_fit, finish, first_fit, greedy_by_size};
use crate::problem::{Problem, lower_bound};
use std::time::Instant;

/// Placements of single buffers that a run may cost in all.
const PLACEMENTS: usize = 2_000_000;

/// The best plan of a fixed number of changes, or of those within the time limit.
pub(super) fn solve(problem: &Problem, options: &Options) -> Solution {
    let (first, deadline) = (options.share(1, 2), options.deadline());
    let height = |offsets: &[u64]| {
        let ends = problem.buffers.iter().zip(offsets).map(|(buffer, offset)| offset + buffer.size.0);
        ends.max().unwrap_or(0)
    };
    let bound = lower_bound(problem);
    let goal = options.goal(bound).0;
    let mut order = greedy_by_size::order(problem);
    // What does not get there in half of the time would not get anywhere in the other half.
    let Some(mut best) = first_fit::in_order_until(problem, &order, first) else {
        let plan = finish(problem, best_fit::offsets(problem));
        let stopped = Some(options.stop(plan.arena_size, bound, Stop::TimeLimit));
        return Solution { plan, bound, stopped };
    };
    let mut best_height = height(&best);
    let mut random = Random::new(options.seed);
    let mut stopped = Stop::Budget;
    for _ in 0..PLACEMENTS / order.len().max(1) {
        if best_height <= goal {
            break;
        }
        // Unless this change is done in time.
        stopped = Stop::TimeLimit;
        if Instant::now() >= deadline {
            break;
        }
        let undo = order.clone();
        move_one(problem, &best, best_height, &mut order, &mut random);
        let Some(offsets) = first_fit::in_order_until(problem, &order, deadline) else { break };
        let found = height(&offsets);
        if found <= best_height {
            (best, best_height) = (offsets, found);
        } else {
            order = undo;
        }
        stopped = Stop::Budget;
    }
    let plan = finish(problem, best);
    let stopped = Some(options.stop(plan.arena_size, bound, stopped));
    Solution { plan, bound, stopped }
}

/// Moves a buffer at the top, or one that lives together with it, to an earlier place in the order.
fn move_one(problem: &Problem, offsets: &[u64], height: u64, order: &mut [usize], random: &mut Random) {
    let buffers = &problem.buffers;
    let at_top = |&index: &usize| offsets[index] + buffers[index].size.0 == height;
    let tops: Vec<usize> = (0..buffers.len()).filter(at_top).collect();
    let Some(&top) = random.choose(&tops) else { return };
    let live = &buffers[top].live;
    let neighbour =
        |index: usize| buffers[index].live.start < live.end && live.start < buffers[index].live.end;
    let neighbours: Vec<usize> = (0..order.len()).filter(|&place| neighbour(order[place])).collect();
    let from = match random.below(2) {
        0 => order.iter().position(|&index| index == top),
        _ => random.choose(&neighbours).copied(),
    };
    if let Some(from) = from {
        let to = random.below(from as u64 + 1) as usize;
        order[to..=from].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Planner, solve};

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
}
