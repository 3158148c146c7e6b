//! Two searches over one part in rounds: one for a plan at the bound, one for a plan lower than the best so far.

use super::params::Params;
use super::parts::{Item, Part};
use super::search::{Limits, Search, Verdict};
use crate::plan::random::Random;
use crate::plan::{greedy_by_breadth, greedy_by_size};
use crate::problem::{Buffer, Problem};
use crate::units::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Larger parts keep their greedy plan: a search would take one step per second.
pub(super) const MAX_ITEMS: usize = 6_000;

/// Sections × items alive there, over all sections: bounds the memory of a search.
const MAX_CELLS: usize = 20_000_000;

/// Placements that the first rounds try.
const FIRST_ROUND: u64 = 1000;

/// How many heights the second search takes turns at.
const AIMS: u32 = 5;

/// Rounds in which the first search looks for a plan at the bound alone.
const PATIENCE: u32 = 24;

/// Exponents of duration and size by which items are preferred, one pair per round.
const PREFERENCES: [(f64, f64); 6] = [(1.0, 1.0), (1.0, 0.0), (1.0, 0.5), (0.5, 1.0), (2.0, 1.0), (0.0, 1.0)];

/// Offsets of a part in units, and the height below which it has no plan.
pub(super) struct Found {
    pub offsets: Vec<u64>,
    pub low: u64,
}

/// Whether a search over the part is bounded in memory and gets anywhere.
pub(super) fn is_searchable(part: &Part) -> bool {
    let cells: usize = part.items.iter().map(|item| item.end - item.start).sum();
    part.items.len() <= MAX_ITEMS && cells <= MAX_CELLS
}

/// Searches for a plan lower than `best`, down to height `goal` or the part's own lower bound.
///
/// No round starts after so many `nodes`.
pub(super) fn search_part(
    part: &Part,
    goal: u64,
    mut best: Vec<u64>,
    seed: u64,
    time: Duration,
    nodes: u64,
    params: Params,
) -> Found {
    let deadline = Instant::now() + time;
    let mut high = height(part, &best);
    let mut low = part.pressure;
    if !is_searchable(part) {
        return Found { offsets: best, low };
    }
    let mut lanes = [(0, 1), (1, PREFERENCES.len())].map(|(number, period)| Lane {
        period,
        search: Search::new(&part.items, part.sections, params),
        random: Random::new(seed.wrapping_mul(2).wrapping_add(number)),
        params,
        budget: if params.restarts { FIRST_ROUND } else { u64::MAX },
        runs: 0,
    });
    let (mut misses, mut rounds) = (0, 0u32);
    let mut spent = 0u64;
    while high > low.max(goal) && spent < nodes && Instant::now() < deadline {
        spent = spent.saturating_add(lanes[0].budget);
        let floor = low.max(goal);
        // The second search aims by turns at a half, a quarter … of the way down. So does the first one most of the time
        // once it has found nothing at the bound.
        let above = |misses: u32| high - ((high - floor) >> (1 + misses % AIMS)).max(1);
        let first = if rounds < PATIENCE || rounds % 4 == 0 { floor } else { above(misses + 2) };
        let heights = [first, above(misses)];
        rounds += 1;
        let verdicts = round(&mut lanes, heights, floor, deadline);
        for ((lane, height_tried), verdict) in lanes.iter().zip(heights).zip(verdicts) {
            match verdict {
                Verdict::Found if height(part, &lane.search.offsets) < high => {
                    best.clone_from(&lane.search.offsets);
                    high = height(part, &best);
                }
                Verdict::Infeasible => low = low.max(height_tried + 1),
                Verdict::Found | Verdict::Stopped => {}
            }
        }
        misses = if verdicts[1] == Verdict::Found { 0 } else { misses + 1 };
    }
    Found { offsets: best, low }
}

/// One of the two searches.
struct Lane<'a> {
    search: Search<'a>,
    random: Random,
    params: Params,
    /// Placements of the next run.
    budget: u64,
    runs: usize,
    /// For how many runs it counts contacts, before it does not for as many.
    period: usize,
}

impl Lane<'_> {
    /// Starts the search again, with another order of preference and what failed before in mind.
    fn run(&mut self, height: u64, deadline: Instant, cancel: &AtomicBool) -> Verdict {
        let block = self.runs / self.period;
        let turn = self.runs % self.period + block / 2 * self.period;
        let turn = if self.params.preferences { turn } else { 0 };
        let (duration, size) = PREFERENCES[turn % PREFERENCES.len()];
        let noise = if self.runs < 2 * PREFERENCES.len() { 0.0 } else { 0.5 };
        let random = &mut self.random;
        let contacts = block.is_multiple_of(2) && self.params.contacts;
        self.search.prefer(contacts, |item| {
            let spread = 1.0 + noise * random.below(1 << 20) as f64 / f64::from(1 << 20);
            ((item.end - item.start) as f64).powf(duration) * (item.size as f64).powf(size) * spread
        });
        let verdict = self.search.run(height, Limits { nodes: self.budget, deadline, cancel });
        self.runs += 1;
        if self.runs.is_multiple_of(PREFERENCES.len()) {
            self.budget = self.budget.saturating_mul(3) / 2;
        }
        verdict
    }
}

/// Runs both searches, or the second alone. A plan of the first at the bound ends the second.
fn round(lanes: &mut [Lane<'_>; 2], heights: [u64; 2], floor: u64, deadline: Instant) -> [Verdict; 2] {
    let (never, cancel) = (AtomicBool::new(false), AtomicBool::new(false));
    let [first, second] = lanes;
    if !first.params.two_searches {
        return [Verdict::Stopped, second.run(heights[1], deadline, &never)];
    }
    let (first, second) = rayon::join(
        || {
            let verdict = first.run(heights[0], deadline, &never);
            cancel.store(verdict == Verdict::Found && heights[0] == floor, Ordering::Relaxed);
            verdict
        },
        || second.run(heights[1], deadline, &cancel),
    );
    [first, second]
}

/// A problem whose steps are sections and whose bytes are units.
pub(super) fn problem_of<'a>(items: impl Iterator<Item = &'a Item>) -> Problem {
    let buffer = |item: &Item| Buffer {
        live: item.start as u32..item.end as u32,
        size: Bytes(item.size),
        alignment: 1,
        grows: false,
    };
    Problem { buffers: items.map(buffer).collect() }
}

/// The best of the greedy plans that are done by the deadline.
pub(super) fn greedy(part: &Part, deadline: Instant) -> Vec<u64> {
    let problem = problem_of(part.items.iter());
    let by_size = greedy_by_size::offsets_until(&problem, deadline);
    let Some(by_breadth) = greedy_by_breadth::offsets_until(&problem, deadline) else { return by_size };
    if height(part, &by_breadth) < height(part, &by_size) { by_breadth } else { by_size }
}

pub(in crate::plan) fn height(part: &Part, offsets: &[u64]) -> u64 {
    part.items.iter().zip(offsets).map(|(item, offset)| offset + item.size).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::parts;
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn late() -> Instant {
        Instant::now() + LONG
    }

    fn part(problem: &Problem) -> Part {
        let (_, parts) = parts::split(problem, true).unwrap();
        parts.into_iter().max_by_key(|part| part.items.len()).unwrap()
    }

    /// offset ↑  ┌──top──┬─┐
    ///           ├─┬───┬─┤r│     Only as a pinwheel do these five fill
    ///           │l│ m │ │ │     9 steps × 7 bytes; greedy needs 9.
    ///           └─┴─┴─bot─┘
    /// time →    0 3   6   9
    fn pinwheel() -> Part {
        part(&Problem::default().with(0, 6, 2).with(6, 9, 5).with(3, 9, 2).with(0, 3, 5).with(3, 6, 3))
    }

    fn is_apart(part: &Part, offsets: &[u64]) -> bool {
        let placed: Vec<(&Item, u64)> = part.items.iter().zip(offsets.iter().copied()).collect();
        placed.iter().enumerate().all(|(index, (a, low))| {
            placed[..index].iter().all(|(b, other)| {
                let are_together = a.start < b.end && b.start < a.end;
                !are_together || low + a.size <= *other || other + b.size <= *low
            })
        })
    }

    #[test]
    fn the_lower_greedy_plan_is_the_start() {
        let part = pinwheel();
        let problem = problem_of(part.items.iter());
        let heights = [greedy_by_size::offsets(&problem), greedy_by_breadth::offsets(&problem)]
            .map(|offsets| height(&part, &offsets));
        assert_eq!(Some(height(&part, &greedy(&part, late()))), heights.into_iter().min());
    }

    #[test]
    fn a_search_ends_at_the_bound() {
        let part = pinwheel();
        assert_eq!((height(&part, &greedy(&part, late())), part.pressure), (9, 7));
        let found = search_part(&part, 0, greedy(&part, late()), 0, LONG, u64::MAX, Params::default());
        assert_eq!((height(&part, &found.offsets), found.low), (7, 7));
        assert!(is_apart(&part, &found.offsets));
    }

    #[test]
    fn a_search_that_ends_empty_raises_the_bound() {
        // 8 bytes are alive at most, and no plan has fewer than 9.
        let problem = Problem::default().with(4, 6, 1).with(10, 11, 3).with(0, 3, 3).with(5, 9, 4);
        let part = part(&problem.with(6, 10, 3).with(9, 10, 5).with(3, 8, 1).with(1, 5, 5));
        assert_eq!(part.pressure, 8);
        let found = search_part(&part, 0, greedy(&part, late()), 0, LONG, u64::MAX, Params::default());
        assert_eq!((height(&part, &found.offsets), found.low), (9, 9));
    }

    #[test]
    fn a_goal_that_is_met_is_not_searched_for() {
        let part = pinwheel();
        let found = search_part(&part, 9, greedy(&part, late()), 0, LONG, u64::MAX, Params::default());
        assert_eq!((found.offsets, found.low), (greedy(&part, late()), 7));
    }

    #[test]
    fn no_round_starts_without_nodes_or_time() {
        let part = pinwheel();
        for (time, nodes) in [(LONG, 0), (Duration::ZERO, u64::MAX)] {
            let found = search_part(&part, 0, greedy(&part, late()), 0, time, nodes, Params::default());
            assert_eq!((found.offsets, found.low), (greedy(&part, late()), 7));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        let part = pinwheel();
        let offsets = |seed| {
            search_part(&part, 0, greedy(&part, late()), seed, LONG, u64::MAX, Params::default()).offsets
        };
        assert_eq!(offsets(7), offsets(7));
    }

    #[test]
    fn a_part_of_too_many_items_keeps_its_plan() {
        let items: Vec<Item> = (0..=MAX_ITEMS).map(|at| Item { start: at, end: at + 1, size: 1 }).collect();
        let part = Part { buffers: (0..items.len()).collect(), sections: items.len(), pressure: 1, items };
        assert!(!is_searchable(&part));
        let best: Vec<u64> = vec![1; part.items.len()];
        assert_eq!(search_part(&part, 0, best.clone(), 0, LONG, u64::MAX, Params::default()).offsets, best);
    }
}
