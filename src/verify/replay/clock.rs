//! When the bytes of one address space were last written.

use std::ops::Range;

/// A binary tree over the ranges between given bounds; a node's children are at twice its index and the one
/// after.
///
/// A range is written as a few whole nodes. Time only grows, so of a write of a node and one of a part of it
/// the later one has the higher time, and nothing moves down the tree.
pub(super) struct Clock {
    bounds: Vec<u64>,
    /// The last write of all of a node at once.
    whole: Vec<u64>,
    /// The last write of a part of a node, except those of all of a node above it.
    latest: Vec<u64>,
    now: u64,
}

impl Clock {
    /// Before any write; each range that is written or asked for starts and ends at one of `bounds`.
    pub(super) fn new(mut bounds: Vec<u64>) -> Clock {
        bounds.sort_unstable();
        bounds.dedup();
        let nodes = 2 * bounds.len().next_power_of_two();
        Clock { bounds, whole: vec![0; nodes], latest: vec![0; nodes], now: 1 }
    }

    /// The time of the last write; 1 before any.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Notes a write.
    ///
    /// Cost: logarithmic in the bounds.
    pub(super) fn write(&mut self, bytes: &Range<u64>) {
        let (mut from, mut to) = self.leaves(bytes);
        if from >= to {
            return;
        }
        self.now += 1;
        for leaf in [from, to - 1] {
            let mut node = leaf;
            while node > 0 {
                self.latest[node] = self.now;
                node /= 2;
            }
        }
        while from < to {
            if from % 2 == 1 {
                (self.whole[from], self.latest[from]) = (self.now, self.now);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                (self.whole[to], self.latest[to]) = (self.now, self.now);
            }
            from /= 2;
            to /= 2;
        }
    }

    /// The time of the last write of any of `bytes`; 0 if there was none.
    ///
    /// Cost: logarithmic in the bounds.
    pub(super) fn last_write(&self, bytes: &Range<u64>) -> u64 {
        let (mut from, mut to) = self.leaves(bytes);
        if from >= to {
            return 0;
        }
        let mut last = 0;
        for leaf in [from, to - 1] {
            let mut node = leaf;
            while node > 0 {
                last = last.max(self.whole[node]);
                node /= 2;
            }
        }
        while from < to {
            if from % 2 == 1 {
                last = last.max(self.latest[from]);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                last = last.max(self.latest[to]);
            }
            from /= 2;
            to /= 2;
        }
        last
    }

    /// The leaves that overlap `bytes`.
    fn leaves(&self, bytes: &Range<u64>) -> (usize, usize) {
        if bytes.is_empty() {
            return (0, 0);
        }
        let first = self.whole.len() / 2;
        let from = self.bounds.partition_point(|&bound| bound <= bytes.start).saturating_sub(1);
        let to = self.bounds.partition_point(|&bound| bound < bytes.end);
        (first + from, first + to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_a_range_is_that_of_any_of_its_bytes() {
        let mut clock = Clock::new((0..=13).collect());
        let mut times = [0; 13];
        // Ranges of all lengths, in an order that jumps about.
        for step in 0..200_usize {
            let start = step * 7 % 13;
            let end = start + 1 + step * 5 % (13 - start);
            clock.write(&(start as u64..end as u64));
            times[start..end].fill(clock.now());
            for from in 0..13 {
                for to in from + 1..=13 {
                    let expected = times[from..to].iter().max().copied().unwrap();
                    assert_eq!(clock.last_write(&(from as u64..to as u64)), expected, "{from}..{to}");
                }
            }
        }
        clock.write(&(4..4));
        assert_eq!(clock.last_write(&(4..4)), 0);
    }
}
