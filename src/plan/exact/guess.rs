//! Plans in which items that seem to belong together do.
//!
//! Two guesses of each part ([`fuse`](super::fuse)) go on side by side, the
//! parts take turns, and what a guess leaves is searched now and then.

use super::fuse::{self, Fusion};
use super::params::Params;
use super::parts::{self, Part};
use super::rounds::{greedy, height, problem_of, search_part};
use crate::plan::random::Random;
use std::time::{Duration, Instant};

/// Boundaries looked at before the first search over what a guess leaves; then half as many again each time.
const FIRST_LOOKS: u64 = 4000;

/// Of how many items left, squared, a search tries as many placements as boundaries were looked at: the
/// more is left, the less likely is a plan, and the longer each placement takes.
const LEFT: u64 = 8000;

/// Placements that are tried before anything is changed, however much is left.
const FIRST_NODES: u64 = 4000;

/// Of more items that are left there is no search later, before time is up.
const MOST_LEFT: usize = 200;

/// The guesses of one part.
struct Guess<'a> {
    /// Which part it is.
    number: usize,
    part: &'a Part,
    lanes: [Fusion; 2],
    looks: u64,
}

impl<'a> Guess<'a> {
    /// None if few items seem to belong together.
    fn new(number: usize, part: &'a Part, seed: u64, deadline: Instant) -> Option<Guess<'a>> {
        if fuse::may_fuse(&part.items, part.sections, part.pressure) * 4 < part.items.len() {
            return None;
        }
        let start = |lane: u64| {
            Fusion::new(&part.items, part.sections, part.pressure, Random::new(seed ^ lane << 32), deadline)
        };
        let (first, second) = rayon::join(|| start(0), || start(1));
        let few = |fusion: &Fusion| 4 * fusion.fused().len() > 3 * part.items.len();
        (!few(&first)).then(|| Guess { number, part, lanes: [first, second], looks: 0 })
    }

    /// Changes both guesses some time, and searches what they leave: the best plan, if there is one.
    fn round(&mut self, seed: u64, deadline: Instant, params: Params) -> Option<Vec<u64>> {
        let Guess { part, lanes: [first, second], looks, .. } = self;
        let guess = |fusion: &mut Fusion| {
            fusion.improve(*looks);
            let left = (fusion.open() as u64).max(1);
            let nodes = if *looks == 0 { FIRST_NODES } else { looks.saturating_mul(LEFT) / (left * left) };
            let is_worth = *looks == 0 || fusion.open() <= MOST_LEFT;
            is_worth.then(|| place(part, fusion, seed, nodes, deadline, params)).flatten()
        };
        let (ours, theirs) = rayon::join(|| guess(first), || guess(second));
        if 6 * first.open() < 5 * second.open() {
            second.take_over(first);
        } else if 6 * second.open() < 5 * first.open() {
            first.take_over(second);
        }
        *looks = if *looks == 0 { FIRST_LOOKS } else { looks.saturating_mul(3) / 2 };
        ours.into_iter().chain(theirs).min_by_key(|offsets| height(part, offsets))
    }
}

/// Puts better plans of parts in the place of those that are above the goal.
///
/// Guesses are changed for the first six eighths of the time; then what they leave is searched for one.
pub(super) fn improve(
    parts: &[Part],
    plans: &mut [Vec<u64>],
    goal: u64,
    seed: u64,
    time: Duration,
    params: Params,
) {
    if !params.fusing {
        return;
    }
    let start = Instant::now();
    let deadline = start + time / 8 * 6;
    let is_open = |number: usize, plan: &[u64]| height(&parts[number], plan) > goal;
    let open = (0..parts.len()).filter(|&number| is_open(number, &plans[number]));
    let mut guesses: Vec<Guess<'_>> =
        open.filter_map(|number| Guess::new(number, &parts[number], seed, deadline)).collect();
    let mut keep = |guess: &Guess<'_>, found: Option<Vec<u64>>| {
        if let Some(offsets) = found
            && height(guess.part, &offsets) < height(guess.part, &plans[guess.number])
        {
            plans[guess.number] = offsets;
        }
        is_open(guess.number, &plans[guess.number])
    };
    while !guesses.is_empty() && Instant::now() < deadline {
        guesses.retain_mut(|guess| {
            let found = guess.round(seed, deadline, params);
            keep(guess, found)
        });
    }
    let deadline = start + time / 8 * 7;
    for (done, guess) in guesses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = Instant::now() + left / (guesses.len() - done) as u32;
        let [first, second] = &guess.lanes;
        let best = if first.open() <= second.open() { first } else { second };
        keep(guess, place(guess.part, best, seed, u64::MAX, share, params));
    }
}

/// A plan of what is left of a guess.
fn place(
    part: &Part,
    fusion: &Fusion,
    seed: u64,
    nodes: u64,
    deadline: Instant,
    params: Params,
) -> Option<Vec<u64>> {
    let fused = fusion.fused();
    let problem = problem_of(fused.iter().map(|(item, _)| item));
    let (unit, parts) = parts::split(&problem, params.sections)?;
    let mut offsets = vec![0; part.items.len()];
    for smaller in &parts {
        let time = deadline.saturating_duration_since(Instant::now());
        let (goal, start) = (part.pressure / unit, greedy(smaller, deadline));
        let found = search_part(smaller, goal, start, seed, time, nodes, params);
        for (&index, offset) in smaller.buffers.iter().zip(found.offsets) {
            for &(member, distance) in &fused[index].1 {
                offsets[member] = offset * unit + distance;
            }
        }
    }
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::exact::parts::Item;
    use crate::problem::Problem;

    /// A rectangle of steps × bytes that straight cuts divide: only where tiles meet that were cut apart is a plan as low.
    fn tiling(tiles: usize, seed: u64) -> Part {
        let mut random = Random::new(seed);
        let mut open = vec![((0_u32, 4000_u32), 100_000_u64)];
        while open.len() < tiles {
            let widest = |&((start, end), size): &((u32, u32), u64)| u64::from(end - start) * size;
            let (at, _) = open.iter().enumerate().max_by_key(|(_, tile)| widest(tile)).unwrap();
            let ((start, end), size) = open.swap_remove(at);
            let third = 1 + random.below(3);
            if random.below(2) == 0 {
                let cut = start + (u64::from(end - start) * third / 4) as u32 + random.below(5) as u32;
                open.extend([((start, cut), size), ((cut, end), size)]);
            } else {
                let cut = size * third / 4 + random.below(50);
                open.extend([((start, end), cut), ((start, end), size - cut)]);
            }
        }
        let add = |problem: Problem, ((start, end), size)| problem.with(start, end, size);
        let problem = open.into_iter().fold(Problem::default(), add);
        parts::split(&problem, true).unwrap().1.pop().unwrap()
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
    fn tiles_that_were_cut_apart_are_put_together() {
        let part = tiling(60, 1);
        let start = greedy(&part, Instant::now() + Duration::from_secs(60));
        assert!(height(&part, &start) > part.pressure);
        let parts = [part];
        let mut plans = [start];
        improve(&parts, &mut plans, 0, 0, Duration::from_secs(60), Params::default());
        assert_eq!(height(&parts[0], &plans[0]), parts[0].pressure);
        assert!(is_apart(&parts[0], &plans[0]));
    }

    #[test]
    fn a_guess_is_a_plan_of_all_items() {
        let part = tiling(40, 2);
        let deadline = Instant::now() + Duration::from_secs(60);
        let guess = Guess::new(0, &part, 0, deadline).unwrap();
        let offsets = place(&part, &guess.lanes[0], 0, FIRST_NODES, deadline, Params::default()).unwrap();
        assert_eq!(offsets.len(), part.items.len());
        assert!(is_apart(&part, &offsets));
    }

    #[test]
    fn where_nothing_seems_to_belong_together_there_is_no_guess() {
        // Whatever ends leaves another number of bytes than what starts next takes.
        let problem =
            Problem::default().with(0, 2, 101).with(1, 4, 57).with(3, 6, 211).with(5, 8, 23).with(7, 9, 83);
        let part = parts::split(&problem, true).unwrap().1.pop().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(Guess::new(0, &part, 0, deadline).is_none());
        let (parts, start) = ([part], vec![0, 300, 600, 900, 1200]);
        let mut plans = [start.clone()];
        improve(&parts, &mut plans, 0, 0, Duration::from_secs(60), Params::default());
        assert_eq!(plans, [start]);
    }

    #[test]
    fn a_part_below_the_highest_pressure_keeps_its_plan() {
        // The first part needs more than the second whatever the second's plan is.
        let high = parts::split(&Problem::default().with(0, 1, 1_000_000), true).unwrap().1.pop().unwrap();
        let high =
            Part { pressure: 1_000_000, items: vec![Item { size: 1_000_000, ..high.items[0] }], ..high };
        let parts = [high, tiling(20, 3)];
        let start = [vec![0], greedy(&parts[1], Instant::now() + Duration::from_secs(60))];
        let mut plans = start.clone();
        improve(&parts, &mut plans, 1_000_000, 0, Duration::from_secs(60), Params::default());
        assert_eq!(plans, start);
    }
}
