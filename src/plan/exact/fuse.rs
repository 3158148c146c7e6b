//! Guesses which items belong together, so that fewer are left to place.
//!
//! Where a section and the next are both full, what ends between them makes
//! room for exactly what starts. If some items that end there, all of one
//! start, are together as large as some that start there, all of one end, then
//! they most likely lie in the same bytes: they are fused to one item.
//!
//! ```text
//! offset ↑   ├──x──┼──z──┤      ├─────────┤      the end of x and y, of sizes 2 and 1,
//!            │     │     │  =>  │    f    │      makes room for z, of size 3
//!            ├──y──┤     │      │         │
//! time →           t                             │
//! ```
//!
//! Five items in a pinwheel are fused in the same way. It is a guess: equal
//! sums may be chance. How many matches chance alone would make is estimated
//! by the number of pairs of sums that were compared, over their size; the
//! match of which there would be fewest goes first, wherever it is. A plan of
//! the fused items is a plan of all of them; that there is none says nothing.

use super::super::random::Random;
use super::parts::Item;
use super::subset_sum::subset_of_sum;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::Hash;
use std::time::Instant;

/// Most items of one side of a match, unless they are all of one start or end.
const SIDE: usize = 4;

/// Of how many items of one start, or of one end, all subsets of 0, 1, 2 … items are tried.
const GROUP: [usize; SIDE + 1] = [0, usize::MAX, 48, 16, 10];

/// How far noise changes the logarithm of a chance, in 1/1024.
const NOISE: u64 = 512;

/// Up to how many items of a stack all subsets are compared.
const SUBSETS: usize = 12;

/// The logarithm of a chance that is small enough to count on, in 1/1024.
const HARDLY: i64 = -3 * 1024;

/// So many items of one start or end can be chosen from freely.
const MANY: usize = 13;

/// Items of a boundary that are filled with some of many.
const TARGETS: usize = 8;

/// Above the logarithm of any chance, in 1/1024: what is tried when nothing else is left.
const LAST: i64 = 1 << 40;

/// The class of a stack that is all that has its start or end.
const WHOLE: usize = 0;

/// What is looked for, in this order at each boundary: pairs of stacks with so many items at most, pinwheels, and fillings.
const STAGES: [Kind; 7] = [
    Kind::Pair(2),
    Kind::Pair(3),
    Kind::Pinwheel(2),
    Kind::Pair(4),
    Kind::Pinwheel(3),
    Kind::Pair(2 * SIDE),
    Kind::Filling,
];

/// What a stage looks for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Two stacks of at most so many items together.
    Pair(usize),
    /// Five stacks of fewer than so many items each.
    Pinwheel(usize),
    /// One item, and whichever of many make up its size.
    Filling,
}

/// Items that keep their distance in bytes.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// The room that they take together.
    pub(super) item: Item,
    /// The items, as positions in the list they came from, with their distance from the lowest byte.
    pub(super) members: Vec<(usize, u64)>,
}

/// The items with all matches fused that are found by the deadline; those without a match are alone.
///
/// `noise`, if there is any, mixes up which matches seem surest: other guesses, if the first were wrong.
pub(super) fn fuse(
    items: &[Item],
    sections: usize,
    pressure: u64,
    mut noise: Option<Random>,
    deadline: Instant,
) -> Vec<Fused> {
    let mut changes = vec![0i128; sections + 1];
    for item in items {
        changes[item.start] += i128::from(item.size);
        changes[item.end] -= i128::from(item.size);
    }
    let mut state = State {
        fused: Vec::with_capacity(2 * items.len()),
        starting: vec![Vec::new(); sections + 1],
        ending: vec![Vec::new(); sections + 1],
    };
    for (index, item) in items.iter().enumerate() {
        state.add(Fused { item: item.clone(), members: vec![(index, 0)] });
    }
    let mut random = noise.clone().unwrap_or(Random::new(0));
    let mut alive = 0;
    let mut is_full = vec![false; sections + 1];
    let mut before = false;
    for (boundary, change) in changes.into_iter().enumerate() {
        alive += change;
        let now = alive == i128::from(pressure);
        is_full[boundary] = before && now;
        before = now;
    }
    // Only the entry of a boundary's latest version counts.
    let mut versions = vec![0u32; sections + 1];
    let mut queue = BinaryHeap::new();
    let mut found: FxHashMap<usize, Match> = FxHashMap::default();
    let first = |state: &State, boundary: usize, version: u32| {
        Reverse((least_chance(state, boundary, 0, pressure), boundary, version, 0))
    };
    queue.extend((1..sections).filter(|&b| is_full[b]).map(|boundary| first(&state, boundary, 0)));
    while let Some(Reverse((_, boundary, version, stage))) = queue.pop() {
        if versions[boundary] != version {
            continue;
        }
        if let Some(best) = found.remove(&boundary) {
            for touched in state.replace(&best.stacks).into_iter().filter(|&touched| is_full[touched]) {
                versions[touched] += 1;
                found.remove(&touched);
                queue.push(first(&state, touched, versions[touched]));
            }
            continue;
        }
        let Some(&kind) = STAGES.get(stage) else { continue };
        if Instant::now() >= deadline {
            break;
        }
        let best = match kind {
            Kind::Pair(most) => state.find_pair(boundary, most, noise.as_mut()),
            Kind::Pinwheel(most) => state.find_pinwheel(boundary, most),
            Kind::Filling => state.find_filling(boundary, &mut random),
        };
        let chance = match &best {
            Some(best) => best.chance,
            None => least_chance(&state, boundary, stage + 1, pressure),
        };
        if let Some(best) = best {
            found.insert(boundary, best);
        }
        queue.push(Reverse((chance, boundary, version, stage + 1)));
    }
    state.fused.into_iter().flatten().collect()
}

/// What is left to be fused at one time.
struct State {
    /// None once fused into a later one.
    fused: Vec<Option<Fused>>,
    /// By section, what starts and what ends there; may name what is fused already.
    starting: Vec<Vec<usize>>,
    ending: Vec<Vec<usize>>,
}

/// Some items that start, or that end, together at both sides.
#[derive(Clone, Debug)]
struct Stack {
    /// Their other side: where those that end here start, and the other way round.
    far: usize,
    size: u64,
    items: SmallVec<[usize; SIDE]>,
    /// How many items they are, or [`WHOLE`].
    class: usize,
}

/// The stacks on one side of a boundary, those of the smallest class first.
struct Stacks {
    stacks: Vec<Stack>,
    /// How many there are of each class.
    count: [usize; SIDE + 1],
}

/// Stacks that fit together, each with its distance from the lowest byte.
struct Match {
    stacks: Vec<(Stack, u64)>,
    chance: i64,
}

/// The logarithm of how many matches chance alone would make, in 1/1024.
fn chance(pairs: f64, sums: f64) -> i64 {
    (1024.0 * (pairs.max(1.0).ln() - sums.max(1.0).ln())) as i64
}

/// The chance of a match that a stage may find at a boundary, at least.
fn least_chance(state: &State, boundary: usize, stage: usize, pressure: u64) -> i64 {
    let pairs = state.ending[boundary].len() as f64 * state.starting[boundary].len() as f64;
    let items = match STAGES.get(stage) {
        Some(Kind::Pair(most)) => *most,
        Some(Kind::Pinwheel(most)) => 1 + most,
        Some(Kind::Filling) | None => return LAST + state.ending[boundary].len() as i64,
    };
    chance(pairs.powf(items as f64 / 2.0), pressure as f64)
}

impl State {
    fn add(&mut self, fused: Fused) {
        self.starting[fused.item.start].push(self.fused.len());
        self.ending[fused.item.end].push(self.fused.len());
        self.fused.push(Some(fused));
    }

    /// The surest pair of stacks at a boundary, the one in the place of the other.
    fn find_pair(&self, boundary: usize, most: usize, noise: Option<&mut Random>) -> Option<Match> {
        let (ending, starting) = (self.ending_stacks(boundary, most), self.starting_stacks(boundary, most));
        let by_size = first_by(&ending.stacks, |stack| stack.size);
        let mut best: Option<(i64, &Stack, &Stack)> = None;
        let mut noise = noise;
        for right in &starting.stacks {
            let Some(&left) = by_size.get(&right.size) else { continue };
            if left.class.max(1) + right.class.max(1) > most {
                continue;
            }
            let pairs = ending.count[left.class] as f64 * starting.count[right.class] as f64;
            let spread = noise.as_mut().map_or(0, |noise| noise.below(NOISE) as i64);
            let chance = chance(pairs, right.size as f64) + spread;
            if best.is_none_or(|best| chance < best.0) {
                best = Some((chance, left, right));
            }
        }
        best.map(|(chance, left, right)| {
            let (left, right) = self.refine(left, right).unwrap_or((left.clone(), right.clone()));
            Match { stacks: vec![(left, 0), (right, 0)], chance }
        })
    }

    /// The fewest items of two stacks that are as large as each other, if that is hardly chance.
    ///
    /// Two stacks that fit may be two smaller ones each, which lie apart and fit one by one.
    fn refine(&self, left: &Stack, right: &Stack) -> Option<(Stack, Stack)> {
        let sizes = |stack: &Stack| -> Option<Vec<u64>> {
            let items =
                stack.items.iter().map(|&index| self.fused[index].as_ref().map(|fused| fused.item.size));
            items.collect()
        };
        let (lefts, rights) = (sizes(left)?, sizes(right)?);
        if lefts.len().min(rights.len()) < 2 || lefts.len().max(rights.len()) > SUBSETS {
            return None;
        }
        let mut by_size: FxHashMap<u64, u32> = FxHashMap::default();
        for (subset, size) in subsets(&lefts) {
            let entry = by_size.entry(size).or_insert(subset);
            if subset.count_ones() < entry.count_ones() {
                *entry = subset;
            }
        }
        let fits = subsets(&rights).filter_map(|(subset, size)| Some((*by_size.get(&size)?, subset, size)));
        let (a, b, size) = fits.min_by_key(|&(a, b, _)| (a.count_ones() + b.count_ones(), a, b))?;
        let choices = |all: usize, some: u32| {
            (0..some).fold(1.0, |n, k| n * (all as f64 - f64::from(k)) / f64::from(k + 1))
        };
        let pairs = choices(lefts.len(), a.count_ones()) * choices(rights.len(), b.count_ones());
        let pick = |stack: &Stack, subset: u32| {
            let items = stack.items.iter().enumerate().filter(|&(at, _)| subset >> at & 1 == 1);
            Stack {
                far: stack.far,
                size,
                items: items.map(|(_, &index)| index).collect(),
                class: stack.class,
            }
        };
        (chance(pairs, size as f64) < HARDLY).then(|| (pick(left, a), pick(right, b)))
    }

    /// An item, and some of the many items of one start or end on the other side that make up its size.
    ///
    /// Which of them does not matter if there are enough.
    fn find_filling(&self, boundary: usize, random: &mut Random) -> Option<Match> {
        let sides = [self.ending_stacks(boundary, 2), self.starting_stacks(boundary, 2)];
        let whole =
            |side: &'_ Stacks| side.stacks.iter().filter(|stack| stack.class == WHOLE).cloned().collect();
        let groups: [Vec<Stack>; 2] = [whole(&sides[0]), whole(&sides[1])];
        for (many, others) in [(0, 1), (1, 0)] {
            let Some(group) = groups[many].iter().max_by_key(|group| group.items.len()) else { continue };
            if group.items.len() < MANY {
                continue;
            }
            let sizes: Option<Vec<u64>> = group
                .items
                .iter()
                .map(|&index| self.fused[index].as_ref().map(|fused| fused.item.size))
                .collect();
            let sizes = sizes?;
            // What is not part of a crowd itself, the largest first.
            let few = groups[others].iter().filter(|other| other.items.len() < MANY).map(|other| other.far);
            let few: Vec<usize> = few.collect();
            let single = |stack: &&Stack| stack.items.len() == 1 && few.contains(&stack.far);
            let mut targets: Vec<&Stack> = sides[others].stacks.iter().filter(single).collect();
            targets.sort_by_key(|stack| Reverse(stack.size));
            for target in targets.into_iter().filter(|target| target.size < group.size).take(TARGETS) {
                if let Some(chosen) = subset_of_sum(&sizes, target.size, random) {
                    let items = chosen.into_iter().map(|at| group.items[at]).collect();
                    let filling = Stack { far: group.far, size: target.size, items, class: SIDE };
                    return Some(Match { stacks: vec![(filling, 0), (target.clone(), 0)], chance: LAST });
                }
            }
        }
        None
    }

    /// Five stacks, the middle of which starts at a boundary.
    ///
    /// ```text
    ///  ├──top──┬─────┤
    ///  ├────┬──┤right│
    ///  │left│m ├─────┤
    ///  └────┴bottom──┘
    /// ```
    fn find_pinwheel(&self, boundary: usize, most: usize) -> Option<Match> {
        let (ending, starting) = (self.ending_stacks(boundary, most), self.starting_stacks(boundary, most));
        let by_size = first_by(&ending.stacks, |stack| stack.size);
        for middle in &starting.stacks {
            let mut sides: Option<(Stacks, Stacks)> = None;
            for bottom in starting.stacks.iter().filter(|bottom| bottom.far > middle.far) {
                let Some(&left) = by_size.get(&(middle.size + bottom.size)) else { continue };
                let (tops, rights) = sides.get_or_insert_with(|| {
                    (self.ending_stacks(middle.far, most), self.starting_stacks(middle.far, most))
                });
                for top in tops.stacks.iter().filter(|top| top.far == left.far) {
                    let fits =
                        |right: &&Stack| right.far == bottom.far && right.size == middle.size + top.size;
                    if let Some(right) = rights.stacks.iter().find(fits) {
                        let five = [(bottom, 0), (left, 0), (middle, bottom.size), (right, bottom.size)];
                        let five = five.into_iter().chain([(top, left.size)]);
                        let pairs = ending.stacks.len() as f64 * (starting.stacks.len() as f64).powi(2);
                        let pairs = pairs * tops.stacks.len() as f64 * rights.stacks.len() as f64;
                        return Some(Match {
                            stacks: five.map(|(stack, lift)| (stack.clone(), lift)).collect(),
                            chance: chance(pairs, left.size as f64 * right.size as f64),
                        });
                    }
                }
            }
        }
        None
    }

    fn ending_stacks(&self, boundary: usize, most: usize) -> Stacks {
        self.stacks(&self.ending[boundary], most, |item| item.start)
    }

    fn starting_stacks(&self, boundary: usize, most: usize) -> Stacks {
        self.stacks(&self.starting[boundary], most, |item| item.end)
    }

    /// Stacks of fewer than `most` items of equal `far` side, and of all such items.
    fn stacks(&self, indices: &[usize], most: usize, far: impl Fn(&Item) -> usize) -> Stacks {
        let mut groups: BTreeMap<usize, Vec<(u64, usize)>> = BTreeMap::new();
        for &index in indices {
            if let Some(fused) = &self.fused[index] {
                groups.entry(far(&fused.item)).or_default().push((fused.item.size, index));
            }
        }
        let mut stacks: Vec<Stack> = Vec::new();
        for (far, mut group) in groups {
            group.sort_unstable_by_key(|&(size, index)| (Reverse(size), index));
            let size = group.iter().map(|&(size, _)| size).sum();
            stacks.push(Stack {
                far,
                size,
                items: group.iter().map(|&(_, index)| index).collect(),
                class: WHOLE,
            });
            let mut layer = vec![(0, Stack { far, size: 0, items: SmallVec::new(), class: 0 })];
            let classes = most.min(SIDE + 1).min(group.len());
            for (class, &among) in GROUP.iter().enumerate().take(classes).skip(1) {
                let mut next = Vec::new();
                for (from, stack) in &layer {
                    let mut last = None;
                    for (position, &(size, index)) in group.iter().enumerate().take(among).skip(*from) {
                        // Equal items can change places.
                        if last.replace(size) == Some(size) {
                            continue;
                        }
                        let mut items = stack.items.clone();
                        items.push(index);
                        next.push((position + 1, Stack { far, size: stack.size + size, items, class }));
                    }
                }
                stacks.extend(next.iter().map(|(_, stack)| stack.clone()));
                layer = next;
            }
        }
        stacks.sort_by_key(|stack| stack.class);
        let mut count = [0; SIDE + 1];
        stacks.iter().for_each(|stack| count[stack.class] += 1);
        Stacks { stacks, count }
    }

    /// Puts one item in the place of several stacks; the boundaries at which something changed.
    fn replace(&mut self, stacks: &[(Stack, u64)]) -> Vec<usize> {
        let mut item = Item { start: usize::MAX, end: 0, size: 0 };
        let mut members = Vec::new();
        let mut touched = Vec::new();
        for (stack, lift) in stacks {
            let mut at = *lift;
            for fused in stack.items.iter().filter_map(|&index| self.fused[index].take()) {
                item.start = item.start.min(fused.item.start);
                item.end = item.end.max(fused.item.end);
                touched.extend([fused.item.start, fused.item.end]);
                members.extend(fused.members.into_iter().map(|(member, offset)| (member, at + offset)));
                at += fused.item.size;
            }
            item.size = item.size.max(at);
        }
        touched.sort_unstable();
        touched.dedup();
        for &boundary in &touched {
            let fused = &self.fused;
            self.ending[boundary].retain(|&index| fused[index].is_some());
            self.starting[boundary].retain(|&index| fused[index].is_some());
        }
        self.add(Fused { item, members });
        touched
    }
}

/// All subsets but the empty and the full one, as bits, and their sums.
fn subsets(sizes: &[u64]) -> impl Iterator<Item = (u32, u64)> {
    let mut sums: Vec<u64> = vec![0];
    for size in sizes {
        sums.extend_from_within(..);
        let half = sums.len() / 2;
        sums[half..].iter_mut().for_each(|sum| *sum += size);
    }
    sums.pop();
    sums.into_iter().enumerate().skip(1).map(|(subset, sum)| (subset as u32, sum))
}

/// The first stack of each key.
fn first_by<K: Eq + Hash>(stacks: &[Stack], key: impl Fn(&Stack) -> K) -> FxHashMap<K, &Stack> {
    stacks.iter().rev().map(|stack| (key(stack), stack)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn item(start: usize, end: usize, size: u64) -> Item {
        Item { start, end, size }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn what_takes_the_place_of_what_ends_is_fused() {
        // The picture above, with w of size 4 alive all along.
        let items = [item(0, 1, 2), item(0, 1, 1), item(1, 2, 3), item(0, 2, 4)];
        let fused = fuse(&items, 2, 7, None, soon());
        assert_eq!(fused.len(), 2);
        let pair = &fused[1];
        assert_eq!((&pair.item, &pair.members[..]), (&item(0, 2, 3), &[(0, 0), (1, 2), (2, 0)][..]));
    }

    #[test]
    fn pinwheels_are_fused() {
        let items = [item(0, 2, 2), item(2, 3, 5), item(1, 3, 2), item(0, 1, 5), item(1, 2, 3)];
        let fused = fuse(&items, 3, 7, None, soon());
        assert_eq!((fused.len(), &fused[0].item), (1, &item(0, 3, 7)));
        assert_eq!(fused[0].members, [(2, 0), (3, 0), (4, 2), (1, 2), (0, 5)]);
    }

    #[test]
    fn nothing_is_fused_where_there_is_room() {
        let items = [item(0, 1, 3), item(1, 2, 3), item(0, 2, 1)];
        assert_eq!(fuse(&items, 2, 5, None, soon()).len(), 3);
    }
}
