//! Some of many sizes that add up to a given sum.
//!
//! Of many items that live together all along, any that are together as large
//! as a gap fill it: which does not matter.
//!
//! Source: Horowitz and Sahni, "Computing Partitions with Applications to the
//! Knapsack Problem", JACM 1974: all sums of either half of the items, sorted,
//! the ones walked upwards and the others downwards.

use super::super::random::Random;
use std::cmp::Ordering;

/// Items of which all subsets are looked at, half of them at a time.
const ALL: usize = 30;

/// How often the larger items are drawn.
const TRIES: usize = 4;

/// Positions of sizes that add up to `target`; none if none were found.
///
/// The smallest [`ALL`] sizes are searched exactly. What the larger ones
/// contribute is drawn at random, so that the smaller can make up the rest.
/// Cost: O(n + 2^([`ALL`] / 2)).
pub(super) fn subset_of_sum(sizes: &[u64], target: u64, random: &mut Random) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| sizes[index]);
    let (small, large) = order.split_at(sizes.len().min(ALL));
    let most: u64 = small.iter().map(|&index| sizes[index]).sum();
    let halves = small.split_at(small.len() / 2);
    let [first, second] = [halves.0, halves.1].map(|half| sums(sizes, half));
    for _ in 0..if large.is_empty() { 1 } else { TRIES } {
        let mut left = target;
        let mut chosen = Vec::new();
        let mut large = large.to_vec();
        while left > most / 2 && !large.is_empty() {
            let index = large.swap_remove(random.below(large.len() as u64) as usize);
            if sizes[index] <= left {
                left -= sizes[index];
                chosen.push(index);
            }
        }
        if let Some((a, b)) = meet(&first, &second, left) {
            let pick = |half: &[usize], subset: u32| {
                let chosen = half.iter().enumerate().filter(|&(at, _)| subset >> at & 1 == 1);
                chosen.map(|(_, &index)| index).collect::<Vec<_>>()
            };
            chosen.extend(pick(halves.0, a).into_iter().chain(pick(halves.1, b)));
            return Some(chosen);
        }
    }
    None
}

/// The sums of all subsets, sorted, each with its items as bits.
fn sums(sizes: &[u64], half: &[usize]) -> Vec<(u64, u32)> {
    let mut sums = vec![(0, 0)];
    for (at, &index) in half.iter().enumerate() {
        let more: Vec<_> = sums.iter().map(|&(sum, subset)| (sum + sizes[index], subset | 1 << at)).collect();
        sums.extend(more);
    }
    sums.sort_unstable();
    sums
}

/// One of each that add up to `target`.
fn meet(first: &[(u64, u32)], second: &[(u64, u32)], target: u64) -> Option<(u32, u32)> {
    let mut downwards = second.iter().rev().peekable();
    for &(sum, subset) in first {
        while let Some(&&(other, with)) = downwards.peek() {
            match (sum + other).cmp(&target) {
                Ordering::Greater => downwards.next(),
                Ordering::Equal => return Some((subset, with)),
                Ordering::Less => break,
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_adds_up_is_found() {
        let sizes = [7, 100, 3, 12, 55];
        let mut random = Random::new(0);
        let mut found = subset_of_sum(&sizes, 70, &mut random).unwrap();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
        assert_eq!(subset_of_sum(&sizes, 71, &mut random), None);
    }

    #[test]
    fn sums_of_many_items_are_found() {
        let mut random = Random::new(5);
        let sizes: Vec<u64> = (0..80).map(|_| 1 + random.below(1 << 20)).collect();
        let target = sizes.iter().step_by(3).sum();
        let found = subset_of_sum(&sizes, target, &mut random).unwrap();
        assert_eq!(found.iter().map(|&index| sizes[index]).sum::<u64>(), target);
    }
}
