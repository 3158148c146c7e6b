//! Guesses which items belong together, so that fewer are left to place.
//!
//! Where a section and the next are both full, what ends between them makes
//! room for exactly what starts. Items that [`matches`](super::matches) finds
//! to fit are fused to one item, wherever the surest match is, until none is
//! left. If that does not end with items that span all sections, some guesses
//! were wrong, or there is room to spare. Then what crosses a few boundaries,
//! near one where something is left, is split again and fused otherwise; what
//! leaves no more items than before is kept, and now and then a little more.
//!
//! A plan of the fused items is a plan of all of them; that there is none says
//! nothing.

use super::super::random::Random;
use super::forest::Forest;
use super::matches::{Finder, Match, STAGES, least_chance};
use super::parts::Item;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// How far noise changes the logarithm of a chance, in 1/1024: at least, and how often that doubles.
const NOISE: (u64, u64) = (512, 5);

/// Percent of the changes that split what crosses some boundaries, and not some items at one.
const WINDOWS: u64 = 40;

/// The most boundaries of a window, as a power of two.
const WIDTHS: u64 = 4;

/// Percent of what crosses a window that is split; one of these by turns of chance.
const SHARES: [u64; 4] = [100, 100, 70, 40];

/// Most items that are split at one boundary.
const SPLITS: u64 = 4;

/// Percent of the changes that look one stage further for matches.
const FURTHER: u64 = 60;

/// How many items more are kept on average, as is a change that leaves more.
const TEMPERATURE: f64 = 0.25;

/// Items that are fused, and fused again.
#[derive(Debug)]
pub(super) struct Fusion {
    forest: Forest,
    pressure: u64,
    /// The boundaries between two full sections.
    is_full: Vec<bool>,
    /// What is known of a boundary counts only if it is of this version.
    versions: Vec<u32>,
    finder: Finder,
    random: Random,
    deadline: Instant,
    /// Boundaries looked at.
    pub(super) looks: u64,
}

impl Fusion {
    /// All matches fused that are found by the deadline.
    pub(super) fn new(
        items: &[Item],
        sections: usize,
        pressure: u64,
        random: Random,
        deadline: Instant,
    ) -> Fusion {
        let is_full = full_boundaries(items, sections, pressure);
        let mut fusion = Fusion {
            forest: Forest::new(items, sections),
            pressure,
            versions: vec![0; is_full.len()],
            finder: Finder::default(),
            random,
            deadline,
            looks: 0,
            is_full,
        };
        let boundaries = (0..=sections).collect();
        fusion.settle(boundaries, 0, STAGES.len());
        fusion.forest.keep();
        fusion
    }

    /// How many items are left that do not span all sections. Others can be in any order.
    pub(super) fn open(&self) -> usize {
        self.forest.open()
    }

    /// What is left, each with the items in it and their distances from its lowest byte.
    pub(super) fn fused(&self) -> Vec<(Item, Vec<(usize, u64)>)> {
        self.forest.roots()
    }

    /// Goes on where another guess of the same items is.
    pub(super) fn take_over(&mut self, other: &Fusion) {
        self.forest.clone_from(&other.forest);
        self.versions.clone_from(&other.versions);
    }

    /// Makes changes until the given number of boundaries was looked at, or the deadline has passed.
    pub(super) fn improve(&mut self, looks: u64) {
        let end = self.looks.saturating_add(looks);
        while self.open() > 0 && self.looks < end && Instant::now() < self.deadline {
            let before = self.forest.open();
            self.change();
            let chance = (self.random.below(1 << 20) + 1) as f64 / f64::from(1 << 20);
            let more = (-TEMPERATURE * chance.ln()) as usize;
            if self.forest.open() <= before + more {
                self.forest.keep();
            } else {
                self.forest.undo();
            }
        }
    }

    /// Splits something near a boundary at which something is left, and fuses what fits.
    fn change(&mut self) {
        let is_open =
            |&boundary: &usize| self.is_full[boundary] && !self.forest.starting(boundary).is_empty();
        let open: Vec<usize> = (0..self.is_full.len()).filter(is_open).collect();
        // A boundary costs a look even if nothing can be done there.
        self.looks += 1;
        let Some(&boundary) = self.random.choose(&open) else { return };
        let noise = NOISE.0 << self.random.below(NOISE.1);
        let mut touched = if self.random.below(100) < WINDOWS {
            self.split_window(boundary)
        } else {
            self.split_some(boundary)
        };
        touched.sort_unstable();
        touched.dedup();
        let mut stages = 2;
        while stages < STAGES.len() && self.random.below(100) < FURTHER {
            stages += 1;
        }
        self.settle(touched, noise, stages);
    }

    /// Splits what is cut at some boundaries around the given one; the boundaries that this touches.
    fn split_window(&mut self, boundary: usize) -> Vec<usize> {
        let most = 1 << self.random.below(WIDTHS);
        let width = 1 + self.random.below(most);
        let first = boundary.saturating_sub(self.random.below(width) as usize);
        let end = (first + width as usize).min(self.is_full.len());
        let share = SHARES[self.random.below(SHARES.len() as u64) as usize];
        let mut touched: Vec<usize> = (first..end).collect();
        for section in first..end {
            for node in self.forest.cuts(section).to_vec() {
                // An earlier one may have split it: then it is no longer cut here.
                if self.random.below(100) < share && self.forest.cuts(section).contains(&node) {
                    touched.extend(self.forest.split_down_to(node));
                }
            }
        }
        touched
    }

    /// Splits a few of the items that start or end at a boundary; the boundaries that this touches.
    fn split_some(&mut self, boundary: usize) -> Vec<usize> {
        let mut around = self.forest.ending(boundary).to_vec();
        around.extend_from_slice(self.forest.starting(boundary));
        around.sort_unstable();
        let mut touched = vec![boundary];
        for _ in 0..1 + self.random.below(SPLITS) {
            if around.is_empty() {
                break;
            }
            let mut depth = 1;
            while self.random.below(2) == 0 {
                depth += 1;
            }
            let root = around.swap_remove(self.random.below(around.len() as u64) as usize);
            let mut stack = vec![(root, depth)];
            while let Some((node, depth)) = stack.pop() {
                let parts = self.forest.parts(node).clone();
                if depth > 0 && !parts.is_empty() {
                    touched.extend(self.forest.split(node));
                    stack.extend(parts.into_iter().map(|(part, _)| (part, depth - 1)));
                }
            }
        }
        touched
    }

    /// Fuses matches, the surest first, until none is left at the boundaries given and those touched.
    fn settle(&mut self, boundaries: Vec<usize>, noise: u64, stages: usize) {
        // Only the entry of a boundary's latest version counts.
        let mut queue = BinaryHeap::new();
        for boundary in boundaries {
            self.enqueue(boundary, &mut queue);
        }
        while let Some(Reverse(Entry { boundary, version, stage, found, .. })) = queue.pop() {
            if self.versions[boundary] != version {
                continue;
            }
            if let Some(found) = found {
                // A pinwheel has items that do not touch this boundary.
                if !self.forest.are_roots(&found.parts) {
                    self.enqueue(boundary, &mut queue);
                    continue;
                }
                for touched in self.forest.fuse(found.parts) {
                    self.enqueue(touched, &mut queue);
                }
                continue;
            }
            let Some(&kind) = STAGES.get(stage).filter(|_| stage < stages) else { continue };
            if self.forest.starting(boundary).is_empty() || self.forest.ending(boundary).is_empty() {
                continue;
            }
            if Instant::now() >= self.deadline {
                break;
            }
            self.looks += 1;
            let found = self.finder.find(&self.forest, boundary, kind, noise, &mut self.random);
            let chance = match &found {
                Some(found) => found.chance,
                None => least_chance(&self.forest, boundary, stage + 1, self.pressure),
            };
            queue.push(Reverse(Entry { chance, boundary, version, stage: stage + 1, found }));
        }
    }

    /// Has a boundary looked at from the first stage on, if it is between full sections.
    fn enqueue(&mut self, boundary: usize, queue: &mut BinaryHeap<Reverse<Entry>>) {
        if self.is_full[boundary] {
            self.versions[boundary] = self.versions[boundary].wrapping_add(1);
            queue.push(Reverse(Entry {
                chance: least_chance(&self.forest, boundary, 0, self.pressure),
                boundary,
                version: self.versions[boundary],
                stage: 0,
                found: None,
            }));
        }
    }
}

/// The next thing to do at a boundary: fuse what was found, or look for more. Ordered by all but what was found.
#[derive(Debug)]
struct Entry {
    chance: i64,
    boundary: usize,
    version: u32,
    stage: usize,
    found: Option<Match>,
}

impl Entry {
    fn key(&self) -> (i64, usize, u32, usize) {
        (self.chance, self.boundary, self.version, self.stage)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// How many items start or end between two full sections: no others are fused, apart from those of pinwheels.
pub(super) fn may_fuse(items: &[Item], sections: usize, pressure: u64) -> usize {
    let is_full = full_boundaries(items, sections, pressure);
    items.iter().filter(|item| is_full[item.start] || is_full[item.end]).count()
}

/// For each boundary whether the section before it and the one after it are as full as any.
fn full_boundaries(items: &[Item], sections: usize, pressure: u64) -> Vec<bool> {
    let mut changes = vec![0i128; sections + 1];
    for item in items {
        changes[item.start] += i128::from(item.size);
        changes[item.end] -= i128::from(item.size);
    }
    let mut alive = 0;
    let mut before = false;
    let is_full = changes.into_iter().map(|change| {
        alive += change;
        let now = alive == i128::from(pressure);
        std::mem::replace(&mut before, now) && now
    });
    is_full.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn item(start: usize, end: usize, size: u64) -> Item {
        Item { start, end, size }
    }

    fn fusion(items: &[Item], sections: usize, pressure: u64) -> Fusion {
        let deadline = Instant::now() + Duration::from_secs(60);
        Fusion::new(items, sections, pressure, Random::new(0), deadline)
    }

    #[test]
    fn matches_are_fused_until_none_is_left() {
        // offset ↑  ├──1──┼────2────┤
        //           ├──0──┤         ├─4─┤    w, of size 4, is alive all along
        // time →    0     1         2   3
        let items = [item(0, 1, 2), item(0, 1, 1), item(1, 2, 3), item(0, 3, 4), item(2, 3, 3)];
        let fusion = fusion(&items, 3, 7);
        assert_eq!(fusion.open(), 0);
        let fused = fusion.fused();
        assert_eq!(fused[0], (item(0, 3, 4), vec![(3, 0)]));
        assert_eq!(fused[1], (item(0, 3, 3), vec![(0, 0), (1, 2), (2, 0), (4, 0)]));
    }

    #[test]
    fn nothing_is_fused_where_there_is_room() {
        let items = [item(0, 1, 3), item(1, 2, 3), item(0, 2, 1)];
        assert_eq!(fusion(&items, 2, 5).fused().len(), 3);
    }

    /// Any guess, and any change of it, keeps what is fused apart and as high as it is.
    #[test]
    fn what_is_fused_stays_apart() {
        let mut random = Random::new(3);
        for seed in 0..50 {
            let mut open = vec![(0, 12, 0, 40)];
            while open.len() < 60 {
                let (start, end, low, high) = open.swap_remove(random.below(open.len() as u64) as usize);
                if end - start > 1 && (high - low < 2 || random.below(2) == 0) {
                    let at = start + 1 + random.below((end - start - 1) as u64) as usize;
                    open.extend([(start, at, low, high), (at, end, low, high)]);
                } else if high - low > 1 {
                    let at = low + 1 + random.below(high - low - 1);
                    open.extend([(start, end, low, at), (start, end, at, high)]);
                } else {
                    open.push((start, end, low, high));
                }
            }
            let items: Vec<Item> =
                open.into_iter().map(|(start, end, low, high)| item(start, end, high - low)).collect();
            let mut fusion = fusion(&items, 12, 40);
            fusion.random = Random::new(seed);
            fusion.improve(500);
            let mut seen = vec![0; items.len()];
            for (whole, members) in fusion.fused() {
                for (at, &(one, offset)) in members.iter().enumerate() {
                    seen[one] += 1;
                    let (first, top) = (&items[one], offset + items[one].size);
                    assert!(whole.start <= first.start && first.end <= whole.end && top <= whole.size);
                    for &(other, below) in &members[..at] {
                        let second = &items[other];
                        let apart_in_time = second.end <= first.start || first.end <= second.start;
                        assert!(apart_in_time || top <= below || below + second.size <= offset);
                    }
                }
            }
            assert!(seen.iter().all(|&count| count == 1));
        }
    }
}
