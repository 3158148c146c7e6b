//! Some of many sizes that add up to a given sum.
//!
//! Of many items that live together all along, any that are together as large
//! as a gap fill it: which does not matter.
//!
//! Source: Horowitz and Sahni, "Computing Partitions with Applications to the
//! Knapsack Problem", JACM 1974: all sums of either half of the items, sorted,
//! the ones walked upwards and the others downwards.

use super::super::random::Random;

/// Sums of one half that are kept, at most.
const SUMS: usize = 1 << 13;

/// The same where all subsets of [`SMALL`] items are.
const ALL_SUMS: usize = 1 << (SMALL / 2);

/// Items of one half.
const HALF: usize = u64::BITS as usize;

/// Items that make up the rest where the larger ones are drawn, and how often these are.
const SMALL: usize = 30;
const TRIES: usize = 4;

/// Equal sums that are looked at for the one of the fewest items.
const TIES: usize = 64;

/// The sums of many sizes, to look several targets up.
#[derive(Debug)]
pub(super) struct SubsetSums<'a> {
    sizes: &'a [u64],
    /// Positions by size, smallest first.
    order: Vec<usize>,
    /// Sorted sums of every other item, and of those between, each with its items as bits.
    halves: [Vec<(u64, u64)>; 2],
}

impl<'a> SubsetSums<'a> {
    /// Of many sizes, the subsets of few items of either half.
    pub(super) fn of_few(sizes: &'a [u64]) -> SubsetSums<'a> {
        SubsetSums::new(sizes, 2 * HALF, SUMS)
    }

    /// Of the smallest sizes, all subsets.
    pub(super) fn of_smallest(sizes: &'a [u64]) -> SubsetSums<'a> {
        SubsetSums::new(sizes, SMALL, ALL_SUMS)
    }

    fn new(sizes: &'a [u64], items: usize, most: usize) -> SubsetSums<'a> {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&index| sizes[index]);
        let half = |first: usize| {
            let half = order.iter().take(items).skip(first).step_by(2);
            sums(&half.map(|&index| sizes[index]).collect::<Vec<u64>>(), most)
        };
        let halves = [half(0), half(1)];
        SubsetSums { sizes, order, halves }
    }

    /// Positions of sizes that add up to `target`, few of them if there is a choice; none if none were found.
    pub(super) fn find(&self, target: u64) -> Option<Vec<usize>> {
        let [first, second] = &self.halves;
        let (a, b) = meet(first, second, target)?;
        let pick = |first: usize, subset: u64| {
            let items = self.order.iter().skip(first).step_by(2).enumerate().take(HALF);
            items.filter(move |&(at, _)| subset >> at & 1 == 1).map(|(_, &index)| index)
        };
        Some(pick(0, a).chain(pick(1, b)).collect())
    }

    /// The same where the sizes that are not [`of_smallest`](Self::of_smallest) are drawn at random.
    pub(super) fn draw(&self, target: u64, random: &mut Random) -> Option<Vec<usize>> {
        let (small, large) = self.order.split_at(self.order.len().min(SMALL));
        let tries = if large.is_empty() { 1 } else { TRIES };
        (0..tries).find_map(|_| {
            let most: u64 = small.iter().map(|&index| self.sizes[index]).sum();
            let mut left = target;
            let mut chosen = Vec::new();
            let mut large = large.to_vec();
            while left > most / 2 && !large.is_empty() {
                let index = large.swap_remove(random.below(large.len() as u64) as usize);
                if self.sizes[index] <= left {
                    left -= self.sizes[index];
                    chosen.push(index);
                }
            }
            let rest = self.find(left)?;
            chosen.extend(rest);
            Some(chosen)
        })
    }
}

/// The sums of subsets, fewest items first until too many, sorted, each with its items as bits.
fn sums(sizes: &[u64], most: usize) -> Vec<(u64, u64)> {
    let mut sums = vec![(0, 0)];
    let mut from = 0;
    for class in 1..=sizes.len() {
        // Each subset of one item less gets one that comes after its last.
        let until = sums.len();
        let ways: f64 = (0..class).map(|k| (sizes.len() - k) as f64 / (k + 1) as f64).product();
        if class > 1 && until as f64 + ways > most as f64 {
            break;
        }
        for at in from..until {
            let (sum, subset): (u64, u64) = sums[at];
            let next = HALF - subset.leading_zeros() as usize;
            sums.extend((next..sizes.len()).map(|more| (sum + sizes[more], subset | 1 << more)));
        }
        from = until;
    }
    sums.sort_unstable();
    sums
}

/// One of each that add up to `target`, with the fewest items of the first that are met.
fn meet(first: &[(u64, u64)], second: &[(u64, u64)], target: u64) -> Option<(u64, u64)> {
    let mut best: Option<(u64, u64)> = None;
    let mut met = 0;
    let mut end = second.len();
    for &(sum, subset) in first {
        if sum > target {
            break;
        }
        while end > 0 && second[end - 1].0 > target - sum {
            end -= 1;
        }
        let mut at = end;
        while at > 0 && second[at - 1].0 == target - sum {
            at -= 1;
            met += 1;
            let found = (subset, second[at].1);
            let items = |(a, b): (u64, u64)| a.count_ones() + b.count_ones();
            if best.is_none_or(|best| items(found) < items(best)) {
                best = Some(found);
            }
            if met >= TIES {
                return best;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_adds_up_is_found() {
        let sizes = [7, 100, 3, 12, 55];
        let sums = SubsetSums::of_few(&sizes);
        let mut found = sums.find(70).unwrap();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
        assert_eq!(sums.find(71), None);
    }

    #[test]
    fn few_items_are_preferred() {
        let sizes = [1, 2, 3, 4, 5, 15];
        assert_eq!(SubsetSums::of_few(&sizes).find(15), Some(vec![5]));
    }

    #[test]
    fn sums_of_many_items_are_found() {
        let mut random = Random::new(5);
        let sizes: Vec<u64> = (0..80).map(|_| 1 + random.below(1 << 20)).collect();
        let target = sizes.iter().step_by(3).sum();
        let found = SubsetSums::of_smallest(&sizes).draw(target, &mut random).unwrap();
        assert_eq!(found.iter().map(|&index| sizes[index]).sum::<u64>(), target);
        let mut once = found.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), found.len());
    }
}
