//! Plans in which items that seem to belong together do.
//!
//! Two guesses of each part ([`fuse`](super::fuse)) go on side by side, the
//! parts take turns, and what a guess leaves is searched now and then.

use super::fuse::Fusion;
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
        let start = |lane: u64| {
            Fusion::new(&part.items, part.sections, part.pressure, Random::new(seed ^ lane << 32), deadline)
        };
        let (first, second) = rayon::join(|| start(0), || start(1));
        let few = |fusion: &Fusion| 4 * fusion.fused().len() > 3 * part.items.len();
        (!few(&first)).then(|| Guess { number, part, lanes: [first, second], looks: 0 })
    }

    /// Changes both guesses some time, and searches what they leave: the best plan, if there is one.
    fn round(&mut self, seed: u64, deadline: Instant) -> Option<Vec<u64>> {
        let Guess { part, lanes: [first, second], looks, .. } = self;
        let guess = |fusion: &mut Fusion| {
            fusion.improve(*looks);
            let left = (fusion.open() as u64).max(1);
            let nodes = if *looks == 0 { FIRST_NODES } else { looks.saturating_mul(LEFT) / (left * left) };
            let is_worth = *looks == 0 || fusion.open() <= MOST_LEFT;
            is_worth.then(|| place(part, fusion, seed, nodes, deadline)).flatten()
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

/// Puts better plans of parts in the place of those that are above their pressure.
///
/// Guesses are changed for the first six eighths of the time; then what they leave is searched for one.
pub(super) fn improve(parts: &[Part], plans: &mut [Vec<u64>], seed: u64, time: Duration) {
    let start = Instant::now();
    let low = parts.iter().map(|part| part.pressure).max().unwrap_or(0);
    let deadline = start + time / 8 * 6;
    let is_open = |number: usize, plan: &[u64]| height(&parts[number], plan) > low;
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
            let found = guess.round(seed, deadline);
            keep(guess, found)
        });
    }
    let deadline = start + time / 8 * 7;
    for (done, guess) in guesses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = Instant::now() + left / (guesses.len() - done) as u32;
        let [first, second] = &guess.lanes;
        let best = if first.open() <= second.open() { first } else { second };
        keep(guess, place(guess.part, best, seed, u64::MAX, share));
    }
}

/// A plan of what is left of a guess.
fn place(part: &Part, fusion: &Fusion, seed: u64, nodes: u64, deadline: Instant) -> Option<Vec<u64>> {
    let fused = fusion.fused();
    let problem = problem_of(fused.iter().map(|(item, _)| item));
    let (unit, parts) = parts::split(&problem)?;
    let mut offsets = vec![0; part.items.len()];
    for smaller in &parts {
        let time = deadline.saturating_duration_since(Instant::now());
        let found = search_part(smaller, part.pressure / unit, greedy(smaller), seed, time, nodes);
        for (&index, offset) in smaller.buffers.iter().zip(found.offsets) {
            for &(member, distance) in &fused[index].1 {
                offsets[member] = offset * unit + distance;
            }
        }
    }
    Some(offsets)
}
