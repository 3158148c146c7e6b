//! A search that ejects: an item that fits nowhere takes the place of others, which are then placed anew.
//!
//! It starts with a plan and a height below that of the plan. The items above
//! the height are taken out. One of them after the other is put at the lowest
//! offset where it fits. If there is none, it is put where the items in its way
//! weigh least; those are taken out, and placed next.
//!
//! ```text
//! offset ↑ ─ ─ ─ ─ ─ height ─ ─ ─ ─ ─
//!           ├──a──┤├─b─┤                 c fits neither above a nor above b: it takes the place of b,
//!           ├───────d──────┤             the lighter one, and b is placed next.
//! time →         ├──c──┤
//! ```
//!
//! An item weighs more the larger it is and the longer it lives, and it gains
//! weight whenever it fits nowhere. So no two items take turns for long.
//!
//! An insertion takes time in proportion to the number of items, whatever their
//! number of sections: problems with tens of thousands of items, of which few
//! are above the height, are searched as well as small ones. A search that fails
//! proves nothing.
//!
//! Source: Nagata and Bräysy, "A powerful route minimization heuristic for the
//! vehicle routing problem with time windows", Operations Research Letters 37
//! (2009), whose guided ejection takes customers out of routes; the rest is ours.

use super::parts::{Item, Part};
use super::rounds::height;
use crate::plan::random::Random;
use std::time::Instant;

/// What bounds a search besides its deadline.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct Budget {
    /// Looks at placed items that one try costs, about: the more items, the fewer insertions.
    pub(in crate::plan) looks: u64,
    /// Most insertions of a try.
    pub(in crate::plan) steps: u64,
    /// Most tries.
    pub(in crate::plan) tries: u64,
}

/// Enough where few items are above the goal.
pub(super) const SHORT: Budget = Budget { looks: 2_000_000, steps: 5_000, tries: 2 };

/// All the time that there is.
pub(super) const LONG: Budget = Budget { looks: 60_000_000, steps: 100_000, tries: u64::MAX };

/// Of the way from the bound to the best plan what is left above the next height, in 1/16, for each of two searches;
/// the next one if neither finds a plan.
const AIMS: [[u64; 5]; 2] = [[8, 12, 14, 15, 10], [2, 4, 0, 6, 1]];

/// Exponent of size × duration in the weight of an item.
const EXPONENT: f64 = 0.3;

/// Weights are whole numbers of at least this.
const LEAST_WEIGHT: f64 = 16.0;

/// How many times its first weight an item gains when it fits nowhere.
const GROWTH: u64 = 3;

/// The offset of an item that is taken out.
const NOWHERE: u64 = u64::MAX;

/// Insertions between two looks at the clock.
const UNTIMED: u64 = 16;

/// Puts a plan that is lower than all of `plans` in their place, if one is found, down to height `goal` or to the
/// pressure; else the lowest is the first of them.
///
/// No try starts after the deadline. Which plan leads to a lower one depends less on its height than on how much of it
/// is above the goal, so the searches take turns at them.
pub(in crate::plan) fn descend(
    part: &Part,
    goal: u64,
    plans: &mut Vec<Vec<u64>>,
    seed: u64,
    budget: Budget,
    deadline: Instant,
) {
    let floor = goal.max(part.pressure);
    let steps = (budget.looks / part.items.len().max(1) as u64).clamp(UNTIMED, budget.steps);
    plans.sort_by_key(|plan| height(part, plan));
    let mut high = plans.first().map_or(0, |plan| height(part, plan));
    let mut lanes = [0, 1].map(|lane| Ejection::new(&part.items, Random::new(seed ^ lane << 32)));
    let mut misses = 0;
    for _ in 0..budget.tries {
        if high <= floor || Instant::now() >= deadline {
            break;
        }
        let aim = |lane: usize| u128::from(AIMS[lane][misses / plans.len() % AIMS[lane].len()]);
        let height_of = |lane| floor + (u128::from(high - floor) * aim(lane) / 16) as u64;
        let start_of = |lane: usize| &plans[(misses + lane) % plans.len()];
        let [one, other] = &mut lanes;
        let found = rayon::join(
            || one.run(start_of(0), height_of(0), steps, deadline),
            || other.run(start_of(1), height_of(1), steps, deadline),
        );
        misses += 1;
        for (lane, found) in lanes.iter().zip([found.0, found.1]) {
            if found && height(part, &lane.offsets) < high {
                *plans = vec![lane.offsets.clone()];
                high = height(part, &lane.offsets);
                misses = 0;
            }
        }
    }
}

/// A plan some of whose items are taken out.
#[derive(Debug)]
struct Ejection<'a> {
    items: &'a [Item],
    /// [`NOWHERE`] for items that are taken out.
    offsets: Vec<u64>,
    /// The same items, of which the last is placed next.
    pool: Vec<usize>,
    /// Bottoms and tops of the items that are placed, from the lowest.
    bottoms: Vec<Edge>,
    tops: Vec<Edge>,
    first_weight: Vec<u64>,
    weight: Vec<u64>,
    random: Random,
    /// Those bottoms and tops that are in the way of an item in time.
    near_bottoms: Vec<(u64, u32)>,
    near_tops: Vec<(u64, u32)>,
}

/// The bottom or the top of an item, with the sections where the item is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    at: u64,
    item: u32,
    start: u32,
    end: u32,
}

impl Edge {
    fn of(items: &[Item], index: usize, at: u64) -> Edge {
        let item = &items[index];
        Edge { at, item: index as u32, start: item.start as u32, end: item.end as u32 }
    }
}

impl<'a> Ejection<'a> {
    fn new(items: &'a [Item], random: Random) -> Ejection<'a> {
        let weigh = |item: &Item| (area(item).powf(EXPONENT) * LEAST_WEIGHT).max(LEAST_WEIGHT) as u64;
        let first_weight: Vec<u64> = items.iter().map(weigh).collect();
        Ejection {
            items,
            offsets: Vec::new(),
            pool: Vec::new(),
            bottoms: Vec::new(),
            tops: Vec::new(),
            weight: first_weight.clone(),
            first_weight,
            random,
            near_bottoms: Vec::new(),
            near_tops: Vec::new(),
        }
    }

    /// Whether at most `steps` insertions end in a plan of at most `height`, which is no less than the pressure.
    fn run(&mut self, plan: &[u64], height: u64, steps: u64, deadline: Instant) -> bool {
        self.start(plan, height);
        for step in 0..steps {
            let Some(index) = self.pool.pop() else { return true };
            if step % UNTIMED == 0 && Instant::now() >= deadline {
                return false;
            }
            self.insert(index, height);
        }
        self.pool.is_empty()
    }

    /// The plan without what is above `height`.
    fn start(&mut self, plan: &[u64], height: u64) {
        self.offsets.clear();
        self.offsets.extend_from_slice(plan);
        self.pool.clear();
        self.bottoms.clear();
        self.tops.clear();
        for (index, item) in self.items.iter().enumerate() {
            let top = plan[index] + item.size;
            if top > height {
                self.offsets[index] = NOWHERE;
                self.pool.push(index);
            } else {
                self.bottoms.push(Edge::of(self.items, index, plan[index]));
                self.tops.push(Edge::of(self.items, index, top));
            }
        }
        self.bottoms.sort_unstable();
        self.tops.sort_unstable();
        self.sort_pool(0);
    }

    /// Has the largest of the items that are last in the pool placed next.
    fn sort_pool(&mut self, first: usize) {
        let items = self.items;
        self.pool[first..].sort_by(|&a, &b| area(&items[a]).total_cmp(&area(&items[b])).then(a.cmp(&b)));
    }

    fn insert(&mut self, index: usize, height: u64) {
        let item = &self.items[index];
        gather(&self.bottoms, item, &mut self.near_bottoms);
        let offset = self.lowest_fit(item.size, height).unwrap_or_else(|| {
            self.weight[index] += GROWTH * self.first_weight[index];
            gather(&self.tops, item, &mut self.near_tops);
            let offset = self.cheapest(item.size, height);
            self.eject(offset, offset + item.size);
            offset
        });
        self.offsets[index] = offset;
        add(&mut self.bottoms, Edge::of(self.items, index, offset));
        add(&mut self.tops, Edge::of(self.items, index, offset + item.size));
    }

    /// The lowest offset with nothing in the way.
    fn lowest_fit(&self, size: u64, height: u64) -> Option<u64> {
        let mut offset = 0;
        for &(bottom, item) in &self.near_bottoms {
            if offset + size <= bottom {
                break;
            }
            offset = offset.max(bottom + self.items[item as usize].size);
        }
        (offset + size <= height).then_some(offset)
    }

    /// The offset where the items in the way weigh least, flush with one of them or with the bottom or the top of all.
    fn cheapest(&mut self, size: u64, height: u64) -> u64 {
        let (bottoms, tops) = (&self.near_bottoms, &self.near_tops);
        let last = height - size;
        let (mut entered, mut left, mut above, mut under) = (0, 0, 0, 0);
        let (mut offset, mut weight) = (0, 0);
        let (mut best, mut least, mut equals) = (0, u64::MAX, 0);
        loop {
            while let Some(&(_, item)) = bottoms.get(entered).filter(|edge| edge.0 < offset + size) {
                weight += self.weight[item as usize];
                entered += 1;
            }
            while let Some(&(_, item)) = tops.get(left).filter(|edge| edge.0 <= offset) {
                weight -= self.weight[item as usize];
                left += 1;
            }
            equals = if weight < least { 1 } else { equals + u64::from(weight == least) };
            if weight < least || weight == least && self.random.below(equals) == 0 {
                (best, least) = (offset, weight);
            }
            // The next offset is on top of one item or under one.
            while tops.get(above).is_some_and(|edge| edge.0 <= offset) {
                above += 1;
            }
            while bottoms.get(under).is_some_and(|edge| edge.0 <= offset + size) {
                under += 1;
            }
            if offset == last {
                return best;
            }
            let above = tops.get(above).map_or(last, |edge| edge.0);
            let under = bottoms.get(under).map_or(last, |edge| edge.0 - size);
            offset = last.min(above).min(under);
        }
    }

    /// Takes out what is in the way between two offsets.
    fn eject(&mut self, start: u64, end: u64) {
        let first = self.pool.len();
        for &(bottom, item) in &self.near_bottoms {
            let index = item as usize;
            let top = bottom + self.items[index].size;
            if bottom < end && start < top {
                remove(&mut self.bottoms, Edge::of(self.items, index, bottom));
                remove(&mut self.tops, Edge::of(self.items, index, top));
                self.offsets[index] = NOWHERE;
                self.pool.push(index);
            }
        }
        self.sort_pool(first);
    }
}

/// Size × duration.
fn area(item: &Item) -> f64 {
    item.size as f64 * (item.end - item.start) as f64
}

/// The edges of items that live together with `item`, in their order.
fn gather(edges: &[Edge], item: &Item, found: &mut Vec<(u64, u32)>) {
    let (start, end) = (item.start as u32, item.end as u32);
    found.clear();
    let near = edges.iter().filter(|edge| edge.start < end && start < edge.end);
    found.extend(near.map(|edge| (edge.at, edge.item)));
}

fn add(edges: &mut Vec<Edge>, edge: Edge) {
    edges.insert(edges.partition_point(|other| *other < edge), edge);
}

fn remove(edges: &mut Vec<Edge>, edge: Edge) {
    if let Ok(place) = edges.binary_search(&edge) {
        edges.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts;
    use super::super::rounds::greedy;
    use super::*;
    use crate::problem::Problem;
    use std::time::Duration;

    fn part(problem: &Problem) -> Part {
        parts::split(problem, true).unwrap().1.pop().unwrap()
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

    /// Many items of random sizes and lives.
    fn random_part(count: usize, seed: u64) -> Part {
        let mut random = Random::new(seed);
        let mut problem = Problem::default();
        for _ in 0..count {
            let start = random.below(100) as u32;
            problem = problem.with(start, start + 1 + random.below(40) as u32, 1 + random.below(1000));
        }
        part(&problem)
    }

    #[test]
    fn the_lighter_one_makes_room() {
        // offset ↑  ├──a──┤├──b──┤      c fits nowhere below 3. It takes the place of b, which is shorter,
        //           ├──────d─────┤      and the goal is not reached: b is left over.
        let items = [(0, 2, 1), (2, 3, 1), (0, 3, 1), (1, 3, 2)];
        let items = items.map(|(start, end, size)| Item { start, end, size });
        let mut search = Ejection::new(&items, Random::new(0));
        search.start(&[1, 1, 0, 2], 3);
        assert_eq!(search.pool, [3]);
        search.pool.clear();
        gather(&search.bottoms, &items[3], &mut search.near_bottoms);
        gather(&search.tops, &items[3], &mut search.near_tops);
        assert_eq!(search.lowest_fit(2, 3), None);
        // At 0 are d and the two above it in the way, at 1 only a and b.
        assert_eq!(search.cheapest(2, 3), 1);
        search.eject(1, 3);
        assert_eq!(search.pool, [1, 0]);
    }

    fn late() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// A lower plan than the greedy one, within a few tries.
    fn descend_from_greedy(part: &Part, goal: u64, seed: u64) -> Vec<u64> {
        let mut plans = vec![greedy(part, late())];
        descend(part, goal, &mut plans, seed, Budget { tries: 4, ..SHORT }, late());
        plans.swap_remove(0)
    }

    #[test]
    fn plans_get_lower_and_stay_apart() {
        for seed in 0..5 {
            let part = random_part(150, seed);
            let found = descend_from_greedy(&part, 0, seed);
            assert!(is_apart(&part, &found));
            assert!(height(&part, &found) < height(&part, &greedy(&part, late())));
            assert_eq!(found, descend_from_greedy(&part, 0, seed), "the same seed");
        }
    }

    #[test]
    fn a_plan_at_the_goal_is_enough() {
        let part = random_part(150, 1);
        let goal = height(&part, &greedy(&part, late())) - 1;
        let found = descend_from_greedy(&part, goal, 0);
        assert!((part.pressure..=goal).contains(&height(&part, &found)));
        assert_eq!(descend_from_greedy(&part, goal + 1, 0), greedy(&part, late()));
    }
}
