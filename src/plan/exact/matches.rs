//! Which items seem to belong together at one boundary between two sections.
//!
//! A **bundle** is some items that start together and end together. A bundle
//! that ends at a boundary and one that starts there match if they are equally
//! large: then they may be in the same bytes.
//!
//! ```text
//! offset ↑   ├──x──┼──z──┤      ├─────────┤      the end of x and y, of sizes 2 and 1,
//!            │     │     │  =>  │    f    │      makes room for z, of size 3
//!            ├──y──┤     │      │         │
//! time →           t                             │
//! ```
//!
//! Equal sums may be chance. How many matches chance alone would make is
//! estimated by the number of pairs of sums of about one size that were
//! compared, over the number of such sizes.

use super::super::random::Random;
use super::forest::{Forest, Parts};
use super::subset_sum::SubsetSums;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// Up to how many items of a bundle all subsets are compared.
const SUBSETS: usize = 12;

/// So many items of one start or end can be chosen from freely.
const MANY: usize = 6;

/// Groups of one side that are chosen from.
const CANDIDATE_SETS: usize = 2;

/// Bundles of a boundary that some of many may fill, and so many if whichever do.
const TARGETS: usize = 64;
const LAST_TARGETS: usize = 12;

/// Subsets of many items that may fill a bundle and that were not compared before, about.
const FILLINGS: usize = 1 << 12;

/// A pinwheel is never surer than this, in 1/1024: its five sizes fit by themselves where items repeat.
const SUREST_PINWHEEL: i64 = -5 * 1024;

/// Bundles of one group among which pinwheels are looked for.
const WHEELS: usize = 64;

/// Above the logarithm of any chance, in 1/1024: what is tried when nothing else is left.
pub(super) const LAST: i64 = 1 << 40;

/// What is looked for, in this order at each boundary.
pub(super) const STAGES: [Kind; 9] = [
    Kind::Pair(64),
    Kind::Pair(256),
    Kind::Pinwheel(1),
    Kind::Pair(1024),
    Kind::Pair(4096),
    Kind::Pinwheel(WHEELS),
    Kind::Pair(16384),
    Kind::SubsetSumMatch,
    Kind::AnyFilling,
];

/// What a stage looks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Two bundles, of about so many for all items of one start and end.
    Pair(usize),
    /// Five bundles, of as many.
    Pinwheel(usize),
    /// A bundle, and which of many items make up its size, where chance would hardly do it.
    SubsetSumMatch,
    /// A bundle, and whichever of many items make up its size.
    AnyFilling,
}

/// Bundles that fit together.
#[derive(Clone, Debug)]
pub(super) struct Match {
    /// Their items, each with its distance from the lowest byte.
    pub(super) parts: Parts,
    /// The logarithm of how many such matches chance alone would make, in 1/1024.
    pub(super) chance: i64,
}

/// The chance of a match that a stage may find at a boundary, at least.
///
/// It would be one of a single item and of a bundle that the stages before did not compare.
pub(super) fn least_chance(forest: &Forest, boundary: usize, stage: usize, pressure: u64) -> i64 {
    let (ending, starting) = (forest.ending(boundary).len(), forest.starting(boundary).len());
    let compared = match STAGES.get(stage) {
        Some(Kind::Pair(most)) => most / 8,
        Some(Kind::Pinwheel(_)) => ending.max(starting),
        Some(Kind::SubsetSumMatch) => FILLINGS,
        Some(Kind::AnyFilling) | None => return LAST + ending as i64,
    };
    let single = ending.min(starting);
    chance(single as f64 * compared as f64, pressure as f64 / 4.0)
}

/// Looks for matches; keeps its memory from one boundary to the next.
#[derive(Debug, Default)]
pub(super) struct Finder {
    ending: Bundles,
    starting: Bundles,
    by_size: FxHashMap<u64, usize>,
}

impl Finder {
    /// The surest match of one kind at a boundary; `noise` is how far chances are mixed up, in 1/1024.
    pub(super) fn find(
        &mut self,
        forest: &Forest,
        boundary: usize,
        kind: Kind,
        noise: u64,
        random: &mut Random,
    ) -> Option<Match> {
        match kind {
            Kind::Pair(most) => {
                self.fill(forest, boundary, most);
                self.pair(forest, noise, random)
            }
            Kind::Pinwheel(most) => {
                self.fill(forest, boundary, most);
                self.pinwheel(forest, most)
            }
            Kind::SubsetSumMatch => {
                self.fill(forest, boundary, 1);
                self.subset_sum_match(forest)
            }
            Kind::AnyFilling => {
                self.fill(forest, boundary, 1);
                self.any_subset_sum_match(forest, random)
            }
        }
    }

    fn fill(&mut self, forest: &Forest, boundary: usize, most: usize) {
        self.ending.fill(forest, forest.ending(boundary), Side::Ending, most);
        self.starting.fill(forest, forest.starting(boundary), Side::Starting, most);
        self.by_size.clear();
        for (index, bundle) in self.ending.bundles.iter().enumerate() {
            let entry = self.by_size.entry(bundle.size).or_insert(index);
            let other = &self.ending.bundles[*entry];
            if self.ending.like(bundle) < self.ending.like(other) {
                *entry = index;
            }
        }
    }

    fn pair(&self, forest: &Forest, noise: u64, random: &mut Random) -> Option<Match> {
        let mut best: Option<(i64, &Bundle, &Bundle)> = None;
        let classes = |side: &Bundles| (side.count.len() / BUCKETS) as f64;
        let classes = classes(&self.ending) * classes(&self.starting);
        for right in &self.starting.bundles {
            let Some(&left) = self.by_size.get(&right.size) else { continue };
            let left = &self.ending.bundles[left];
            let spread = if noise > 0 { random.below(noise) as i64 } else { 0 };
            let (fewer, more) = (left.len().min(right.len()), left.len().max(right.len()));
            // Two large bundles may be parts that are apart, and too many to compare.
            let rank = if fewer >= 2 && more > SUBSETS {
                LAST + (fewer + more) as i64
            } else {
                let pairs = self.ending.like(left) * self.starting.like(right);
                chance(pairs * classes, width(right.size))
            };
            if best.is_none_or(|best| rank + spread < best.0) {
                best = Some((rank + spread, left, right));
            }
        }
        best.map(|(chance, left, right)| {
            let (left, right) = (self.ending.members(left), self.starting.members(right));
            Match { parts: smallest(forest, left, right), chance }
        })
    }

    /// The bundle, and some of the many items of one start or end on the other side that make up its size,
    /// which chance would do least.
    fn subset_sum_match(&self, forest: &Forest) -> Option<Match> {
        let mut best: Option<(i64, SubsetSumMatch<'_>)> = None;
        for (candidates, others) in self.candidate_sets() {
            let sizes: Vec<u64> = candidates.iter().map(|member| member.size).collect();
            let sums = SubsetSums::of_few(&sizes);
            let targets = others.targets(&sizes, TARGETS);
            for target in &targets {
                let Some(found) = sums.find(target.size) else { continue };
                if found.len().min(target.len()) >= 2 && found.len().max(target.len()) > SUBSETS {
                    continue;
                }
                let ways = ways_near(&sizes, found.len(), target.size);
                let chance = chance(ways * targets.len() as f64, 1.0);
                if chance < best.as_ref().map_or(0, |best| best.0) {
                    best = Some((chance, SubsetSumMatch { candidates, found, others, target }));
                }
            }
        }
        best.map(|(chance, subset_sum_match)| Match { parts: subset_sum_match.parts(forest), chance })
    }

    /// The same with whichever items make up the size: which does not matter if there are enough.
    fn any_subset_sum_match(&self, forest: &Forest, random: &mut Random) -> Option<Match> {
        self.candidate_sets().into_iter().find_map(|(candidates, others)| {
            let sizes: Vec<u64> = candidates.iter().map(|member| member.size).collect();
            let sums = SubsetSums::of_smallest(&sizes);
            others.targets(&sizes, LAST_TARGETS).into_iter().find_map(|target| {
                let found = sums.draw(target.size, random)?;
                let parts = SubsetSumMatch { candidates, found, others, target }.parts(forest);
                Some(Match { parts, chance: LAST })
            })
        })
    }

    /// The largest groups of either side, with the bundles of the other.
    fn candidate_sets(&self) -> Vec<(&[Member], &Bundles)> {
        let mut all = Vec::new();
        for (many, others) in [(&self.ending, &self.starting), (&self.starting, &self.ending)] {
            let mut candidate_sets: Vec<&[Member]> =
                many.groups().filter(|group| group.len() >= MANY).collect();
            candidate_sets.sort_by_key(|candidates| Reverse(candidates.len()));
            all.extend(
                candidate_sets.into_iter().take(CANDIDATE_SETS).map(|candidates| (candidates, others)),
            );
        }
        all
    }

    /// Five bundles, the middle of which starts at the boundary.
    ///
    /// ```text
    ///  ├──top──┬─────┤
    ///  ├────┬──┤right│
    ///  │left│m ├─────┤
    ///  └────┴bottom──┘
    /// ```
    fn pinwheel(&self, forest: &Forest, most: usize) -> Option<Match> {
        let (ending, starting) = (&self.ending, &self.starting);
        let [mut tops, mut rights] = [Bundles::default(), Bundles::default()];
        let mut far = None;
        let by_far = |bundle: &&Bundle| Reverse(bundle.far);
        let mut middles: Vec<&Bundle> = starting.bundles.iter().collect();
        middles.sort_by_key(by_far);
        for middle in &middles {
            for bottom in middles.iter().take_while(|bottom| bottom.far > middle.far) {
                let Some(&left) = self.by_size.get(&(middle.size + bottom.size)) else { continue };
                let left = &ending.bundles[left];
                if far.replace(middle.far) != Some(middle.far) {
                    tops.fill(forest, forest.ending(middle.far), Side::Ending, most);
                    rights.fill(forest, forest.starting(middle.far), Side::Starting, most);
                }
                for top in tops.bundles.iter().filter(|top| top.far == left.far) {
                    let fits =
                        |right: &&Bundle| right.far == bottom.far && right.size == middle.size + top.size;
                    let Some(right) = rights.bundles.iter().find(fits) else { continue };
                    let mut parts = Parts::new();
                    pile(forest, &starting.members(bottom), 0, &mut parts);
                    pile(forest, &ending.members(left), 0, &mut parts);
                    pile(forest, &starting.members(middle), bottom.size, &mut parts);
                    pile(forest, &rights.members(right), bottom.size, &mut parts);
                    pile(forest, &tops.members(top), left.size, &mut parts);
                    let pairs = ending.bundles.len() as f64 * (starting.bundles.len() as f64).powi(2);
                    let pairs = pairs * tops.bundles.len() as f64 * rights.bundles.len() as f64;
                    let chance = chance(pairs, left.size as f64 * right.size as f64).max(SUREST_PINWHEEL);
                    return Some(Match { parts, chance });
                }
            }
        }
        None
    }
}

/// A bundle, and members of a candidates that make up its size.
struct SubsetSumMatch<'a> {
    candidates: &'a [Member],
    found: Vec<usize>,
    others: &'a Bundles,
    target: &'a Bundle,
}

impl SubsetSumMatch<'_> {
    fn parts(self, forest: &Forest) -> Parts {
        let chosen = self.found.into_iter().map(|at| self.candidates[at].node).collect();
        smallest(forest, chosen, self.others.members(self.target))
    }
}

/// How many subsets of so many sizes are `target` large, if their sums are spread normally.
fn ways_near(sizes: &[u64], count: usize, target: u64) -> f64 {
    let (all, k) = (sizes.len() as f64, count as f64);
    let mean = sizes.iter().map(|&size| size as f64).sum::<f64>() / all;
    let variance = sizes.iter().map(|&size| (size as f64 - mean).powi(2)).sum::<f64>() / all;
    let spread = (k * variance * (1.0 - (k - 1.0) / (all - 1.0).max(1.0))).max(1.0);
    let ways: f64 = (0..count).map(|k| (all - k as f64) / (k as f64 + 1.0)).product();
    ways * (-(target as f64 - k * mean).powi(2) / (2.0 * spread)).exp()
        / (std::f64::consts::TAU * spread).sqrt()
}

/// The logarithm of how many matches chance alone would make, in 1/1024.
fn chance(pairs: f64, sums: f64) -> i64 {
    (1024.0 * (pairs.max(1e-9).ln() - sums.max(1.0).ln())) as i64
}

/// Sizes of one power of two and the same next bit count as about equal.
const BUCKETS: usize = 128;

fn bucket(size: u64) -> usize {
    let bits = size.max(1).ilog2();
    (2 * bits as usize) | ((size >> (bits.max(1) - 1)) & 1) as usize
}

/// How many sizes there are in the bucket of a size.
fn width(size: u64) -> f64 {
    (size.max(1).ilog2() as f64 - 1.0).exp2().max(1.0)
}

/// Of more items of one start and end, only so many, the largest, are chosen from.
const MOST: usize = u128::BITS as usize;

/// The class of a bundle that is all that has its start and end.
const WHOLE: usize = 0;

/// Some items that start together and end together.
#[derive(Clone, Copy, Debug)]
struct Bundle {
    /// Their other side: where those that end here start, and the other way round.
    far: usize,
    size: u64,
    /// Where the group begins of which they are some.
    group: usize,
    /// Which of the group they are, as bits.
    chosen: u128,
    /// How many they are, or [`WHOLE`].
    class: usize,
}

impl Bundle {
    fn len(&self) -> usize {
        self.chosen.count_ones() as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    far: usize,
    /// By size, the largest first.
    order: Reverse<u64>,
    node: usize,
    size: u64,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Ending,
    Starting,
}

/// The bundles on one side of a boundary.
#[derive(Debug, Default)]
struct Bundles {
    bundles: Vec<Bundle>,
    /// All items of the side, those of one group side by side.
    members: Vec<Member>,
    /// How many bundles there are of each class and [`bucket`].
    count: Vec<f64>,
}

impl Bundles {
    /// All bundles of few items, until there are more than `most` of a group, and of all items of each group.
    fn fill(&mut self, forest: &Forest, nodes: &[usize], side: Side, most: usize) {
        self.bundles.clear();
        self.members.clear();
        self.members.extend(nodes.iter().map(|&node| {
            let item = forest.item(node);
            let far = match side {
                Side::Ending => item.start,
                Side::Starting => item.end,
            };
            Member { far, order: Reverse(item.size), node, size: item.size }
        }));
        self.members.sort_unstable();
        self.count.clear();
        let Bundles { bundles, members, count } = self;
        let mut first = 0;
        for whole in members.chunk_by(|a, b| a.far == b.far) {
            let (far, group) = (whole[0].far, first);
            first += whole.len();
            let mut push = |class: usize, size: u64, chosen: u128| {
                bundles.push(Bundle { far, size, group, chosen, class });
                let at = class * BUCKETS + bucket(size);
                if at >= count.len() {
                    count.resize((class + 1) * BUCKETS, 0.0);
                }
                count[at] += 1.0;
            };
            let few = whole.len().min(MOST);
            if few > 1 && few == whole.len() {
                push(WHOLE, whole.iter().map(|member| member.size).sum(), u128::MAX >> (MOST - few));
            }
            let (mut ways, mut total) = (1.0, 0.0);
            for class in 1..few.max(2) {
                ways *= (few + 1 - class) as f64 / class as f64;
                total += ways;
                if class > 1 && total > most as f64 {
                    break;
                }
                for_each_choice(&whole[..few], class, |size, chosen| push(class, size, chosen));
            }
        }
    }

    /// How many bundles there are of its class and about its size.
    fn like(&self, bundle: &Bundle) -> f64 {
        self.count[bundle.class * BUCKETS + bucket(bundle.size)]
    }

    /// The single items and whole groups that are smaller than all of these sizes together.
    fn targets(&self, sizes: &[u64], most: usize) -> Vec<&Bundle> {
        let total: u64 = sizes.iter().sum();
        let is_target =
            |bundle: &&Bundle| (bundle.class == WHOLE || bundle.class == 1) && bundle.size < total;
        let mut targets: Vec<&Bundle> = self.bundles.iter().filter(is_target).collect();
        // The largest of those that are all of one start or end first.
        targets.sort_by_key(|bundle| (bundle.class != WHOLE, Reverse(bundle.size)));
        targets.truncate(most);
        targets
    }

    fn members(&self, bundle: &Bundle) -> Vec<usize> {
        let group = self.members[bundle.group..].iter().take(MOST).enumerate();
        group.filter(|&(at, _)| bundle.chosen >> at & 1 == 1).map(|(_, member)| member.node).collect()
    }

    fn groups(&self) -> impl Iterator<Item = &[Member]> {
        self.members.chunk_by(|a, b| a.far == b.far)
    }
}

/// Calls with all choices of `count` of at most [`MOST`] members; equal members can change places.
fn for_each_choice(group: &[Member], count: usize, mut call: impl FnMut(u64, u128)) {
    let mut path: SmallVec<[usize; 16]> = SmallVec::new();
    let (mut size, mut chosen) = (0, 0u128);
    let mut next = 0;
    loop {
        if next + count - path.len() <= group.len() {
            if path.len() + 1 == count {
                // The last one: each size once.
                let mut before = None;
                for (at, member) in group.iter().enumerate().skip(next) {
                    if before.replace(member.size) != Some(member.size) {
                        call(size + member.size, chosen | 1 << at);
                    }
                }
            } else {
                path.push(next);
                size += group[next].size;
                chosen |= 1 << next;
                next += 1;
                continue;
            }
        }
        let Some(last) = path.pop() else { return };
        size -= group[last].size;
        chosen &= !(1 << last);
        next = last + 1;
        while group.get(next).is_some_and(|member| member.size == group[last].size) {
            next += 1;
        }
    }
}

/// Two bundles side by side: the fewest items of either that are as large as each other.
///
/// Bundles that fit may be two smaller ones each, which are apart and fit one by one.
fn smallest(forest: &Forest, mut left: Vec<usize>, mut right: Vec<usize>) -> Parts {
    if left.len().min(right.len()) >= 2 && left.len().max(right.len()) <= SUBSETS {
        let sums = |nodes: &[usize]| {
            let mut sums = vec![0];
            for &node in nodes {
                let size = forest.item(node).size;
                sums.extend(sums.clone().into_iter().map(|sum: u64| sum + size));
            }
            sums.into_iter().zip(0u32..).skip(1)
        };
        let mut by_size: FxHashMap<u64, u32> = FxHashMap::default();
        for (size, subset) in sums(&left) {
            let entry = by_size.entry(size).or_insert(subset);
            if subset.count_ones() < entry.count_ones() {
                *entry = subset;
            }
        }
        let fits = sums(&right).filter_map(|(size, subset)| Some((*by_size.get(&size)?, subset)));
        if let Some((a, b)) = fits.min_by_key(|&(a, b)| (a.count_ones() + b.count_ones(), a, b)) {
            let pick = |nodes: Vec<usize>, subset: u32| {
                let chosen = nodes.into_iter().enumerate().filter(|&(at, _)| subset >> at & 1 == 1);
                chosen.map(|(_, node)| node).collect()
            };
            (left, right) = (pick(left, a), pick(right, b));
        }
    }
    let mut parts = Parts::new();
    pile(forest, &left, 0, &mut parts);
    pile(forest, &right, 0, &mut parts);
    parts
}

/// Adds items, one upon the other.
fn pile(forest: &Forest, nodes: &[usize], mut at: u64, parts: &mut Parts) {
    for &node in nodes {
        parts.push((node, at));
        at += forest.item(node).size;
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Item;
    use super::*;

    fn find(items: &[(usize, usize, u64)], boundary: usize, kind: Kind) -> Option<Parts> {
        let items: Vec<Item> = items.iter().map(|&(start, end, size)| Item { start, end, size }).collect();
        let sections = items.iter().map(|item| item.end).max().unwrap_or(0);
        let forest = Forest::new(&items, sections);
        let found = Finder::default().find(&forest, boundary, kind, 0, &mut Random::new(0));
        found.map(|found| found.parts)
    }

    #[test]
    fn what_takes_the_place_of_what_ends_is_found() {
        // The picture above, with w of size 4 alive all along.
        let items = [(0, 1, 2), (0, 1, 1), (1, 2, 3), (0, 2, 4)];
        assert_eq!(find(&items, 1, Kind::Pair(64)).unwrap()[..], [(0, 0), (1, 2), (2, 0)]);
    }

    #[test]
    fn stacks_are_no_larger_than_they_must_be() {
        let items = [(0, 1, 20), (0, 1, 31), (1, 2, 19), (1, 2, 12), (1, 2, 20)];
        let found = find(&items, 1, Kind::Pair(64)).unwrap();
        assert!(found[..] == [(0, 0), (4, 0)] || found[..] == [(1, 0), (2, 0), (3, 19)], "{found:?}");
    }

    #[test]
    fn pinwheels_are_found() {
        let items = [(0, 2, 2), (2, 3, 5), (1, 3, 2), (0, 1, 5), (1, 2, 3)];
        let expected = [(2, 0), (3, 0), (4, 2), (1, 2), (0, 5)];
        assert_eq!(find(&items, 1, Kind::Pinwheel(1)).unwrap()[..], expected);
    }

    #[test]
    fn gaps_are_filled_with_some_of_many() {
        let candidates = (0..20).map(|k| (0, 1, 1 << k));
        let items: Vec<_> = candidates.chain([(1, 2, 0b1011), (1, 3, 0xf_fff0)]).collect();
        assert!(find(&items, 1, Kind::Pair(64)).is_none());
        let found = find(&items, 1, Kind::AnyFilling).unwrap();
        let mut subset_sum_match: Vec<usize> =
            found.iter().map(|part| part.0).filter(|&node| node < 20).collect();
        subset_sum_match.sort_unstable();
        assert!(
            subset_sum_match == [0, 1, 3] || subset_sum_match == (4..20).collect::<Vec<_>>(),
            "{subset_sum_match:?}"
        );
    }

    #[test]
    fn choices_are_made_once() {
        let member = |size: u64| Member { far: 0, order: Reverse(size), node: 0, size };
        let group = [5, 5, 3, 3, 3].map(member);
        let mut sums = Vec::new();
        for_each_choice(&group, 3, |size, chosen| sums.push((size, chosen)));
        let expected = [(13, 0b111), (11, 0b1101), (9, 0b11100)];
        assert_eq!(sums, expected);
    }
}
