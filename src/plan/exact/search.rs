//! The search: is there a plan of at most this height?
//!
//! Every plan can be pushed down until each item rests on the bottom or on
//! another item, so only such plans are looked for. They grow from below. The
//! tops of what is placed are a skyline over the sections; in a **valley**, a
//! stretch of one level between higher walls, the items that can be placed at that
//! level are those inside it. For one section of one valley the search
//! branches over what to place there at this level: one of those items, or nothing.
//!
//! ```text
//! offset ↑  █████           ██████    Items that cross a wall are above it.
//!           █████  valley   ██████    If nothing starts at this level over a
//!           ███████████████████████   section, the next item there rests on
//! time →                              a wall or on an item of the valley.
//! ```
//!
//! So no plan is met twice, and any valley and any section in it may be next:
//! the one with the fewest choices is. What is pruned:
//!
//! * a section whose level and remaining sizes add up to more than the height,
//!   items taken in order of the lowest offset left to each (the Jackson bound
//!   of scheduling one machine with release dates);
//! * an item that would rest on nothing;
//! * of equal items, all but one.
//!
//! Where no item crosses from one section to the next, both sides are solved
//! on their own. An item that spans such a part goes on top of it.
//!
//! Sections at which the search fails gain weight and are chosen earlier
//! (Boussemart et al., "Boosting Systematic Search by Weighting Constraints",
//! ECAI 2004); that, and restarts with other orders, is what makes it fast.
//! Pushing plans down and splitting them in time are ideas of Moffitt,
//! "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated
//! Machine Learning", ASPLOS 2023, whose search places items by offset.

use super::params::Params;
use super::parts::Item;
use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is a plan: [`Search::offsets`].
    Found,
    /// There is none.
    Infeasible,
    /// It ran out of nodes or time, or was stopped.
    Stopped,
}

/// When to give up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<'a> {
    /// Most placements tried.
    pub(super) nodes: u64,
    /// Latest time.
    pub(super) deadline: Instant,
    /// Set when the answer is no longer wanted.
    pub(super) cancel: &'a AtomicBool,
}

/// State of a search over one part.
#[derive(Debug)]
pub(super) struct Search<'a> {
    items: &'a [Item],
    params: Params,
    /// Items alive at each section; the order is free, and kept nearly sorted by release.
    alive: Vec<Vec<usize>>,
    /// Items that start at each section.
    starting: Vec<Vec<usize>>,
    /// Top of what is placed.
    floor: Vec<u64>,
    /// Whether the floor is an empty space that was given up, not the top of an item.
    hollow: Vec<bool>,
    /// Sizes of the items not yet placed.
    remaining: Vec<u64>,
    /// Items not yet placed that cross from the section before.
    crossing: Vec<u32>,
    /// Lowest offset left to each item: the highest floor below it.
    release: Vec<u64>,
    /// The lowest floor below each item.
    lowest: Vec<u64>,
    placed: Vec<bool>,
    /// Where each item is once it is found.
    pub(super) offsets: Vec<u64>,
    trail: Vec<Change>,
    /// Which item is tried first; larger is earlier.
    preference: Vec<f64>,
    /// Whether items flush with walls come before all others.
    counts_contacts: bool,
    /// How often each section was where the search failed.
    weight: Vec<f64>,
    /// Placements tried by this run.
    nodes: u64,
    marks: Vec<u64>,
    clock: u64,
    touched: Vec<usize>,
}

/// What to put back on the way up.
#[derive(Clone, Copy, Debug)]
enum Change {
    Floor { section: usize, floor: u64, hollow: bool },
    Release { item: usize, release: u64, lowest: u64 },
    Placed { item: usize },
}

/// A stretch of one level between higher walls.
#[derive(Clone, Copy, Debug)]
struct Valley {
    start: usize,
    end: usize,
    level: u64,
    /// The lowest level above this one at which something can rest.
    next_level: u64,
}

impl<'a> Search<'a> {
    /// Nothing placed; `sections` is the number of sections that the items span.
    pub(super) fn new(items: &'a [Item], sections: usize, params: Params) -> Search<'a> {
        let mut search = Search {
            items,
            params,
            alive: vec![Vec::new(); sections],
            starting: vec![Vec::new(); sections],
            floor: vec![0; sections],
            hollow: vec![false; sections],
            remaining: vec![0; sections],
            crossing: vec![0; sections + 1],
            release: vec![0; items.len()],
            lowest: vec![0; items.len()],
            placed: vec![false; items.len()],
            offsets: vec![0; items.len()],
            trail: Vec::new(),
            preference: vec![0.0; items.len()],
            counts_contacts: false,
            weight: vec![1.0; sections],
            nodes: 0,
            marks: vec![0; sections.max(items.len())],
            clock: 0,
            touched: Vec::new(),
        };
        for (index, item) in items.iter().enumerate() {
            search.starting[item.start].push(index);
            for section in item.start..item.end {
                search.alive[section].push(index);
                search.remaining[section] += item.size;
            }
            for boundary in item.start + 1..item.end {
                search.crossing[boundary] += 1;
            }
        }
        search
    }

    /// Sets which items are tried first, and forgets half of what earlier runs learned.
    pub(super) fn prefer(&mut self, counts_contacts: bool, preference: impl FnMut(&Item) -> f64) {
        self.counts_contacts = counts_contacts;
        self.preference.clear();
        self.preference.extend(self.items.iter().map(preference));
        for weight in &mut self.weight {
            *weight = 0.5 * (*weight + 1.0);
        }
    }

    /// Looks for a plan of at most `height`.
    pub(super) fn run(&mut self, height: u64, limits: Limits<'_>) -> Verdict {
        self.undo(0);
        self.nodes = 0;
        if self.remaining.iter().any(|&remaining| remaining > height) {
            return Verdict::Infeasible;
        }
        self.split(0, self.floor.len(), height, limits)
    }

    /// Solves each part of `start..end` between sections that no item crosses, the fullest first.
    fn split(&mut self, start: usize, end: usize, height: u64, limits: Limits<'_>) -> Verdict {
        let mut parts: Vec<(u64, usize, usize)> = Vec::new();
        let mut from = start;
        for boundary in start + 1..=end {
            if boundary == end || self.params.division && self.crossing[boundary] == 0 {
                let fullest = (from..boundary).map(|s| self.floor[s] + self.remaining[s]).max();
                if (from..boundary).any(|section| self.remaining[section] > 0) {
                    parts.push((height - fullest.unwrap_or(0).min(height), from, boundary));
                }
                from = boundary;
            }
        }
        parts.sort_unstable();
        for (_, start, end) in parts {
            match self.solve(start, end, height, limits) {
                Verdict::Found => {}
                other => return other,
            }
        }
        Verdict::Found
    }

    /// Solves a part that no section splits; leaves it as it was unless a plan is found.
    fn solve(&mut self, start: usize, end: usize, height: u64, limits: Limits<'_>) -> Verdict {
        let mark = self.trail.len();
        let verdict = match self.place_spanning(start, end, height) {
            Some(lower) if (start..end).all(|section| self.fits(section, lower)) => {
                self.split(start, end, lower, limits)
            }
            Some(_) => Verdict::Infeasible,
            None => self.branch(start, end, height, limits),
        };
        if verdict != Verdict::Found {
            self.undo(mark);
        }
        verdict
    }

    /// Puts items that span the whole part on top of it; the height left below them, if there are any.
    ///
    /// What is above such an item in some plan can change places with it.
    fn place_spanning(&mut self, start: usize, end: usize, height: u64) -> Option<u64> {
        let spans = |&&item: &&usize| {
            let spans = self.items[item].start <= start && self.items[item].end >= end;
            self.params.spanning && spans && !self.placed[item]
        };
        let spanning: Vec<usize> = self.alive[start].iter().filter(spans).copied().collect();
        let mut lower = height;
        for &item in &spanning {
            lower -= self.items[item].size;
            self.place(item, lower);
        }
        (!spanning.is_empty()).then_some(lower)
    }

    /// Branches over the items for one section of one valley.
    fn branch(&mut self, start: usize, end: usize, height: u64, limits: Limits<'_>) -> Verdict {
        loop {
            let (valleys, candidates, choices) = self.survey(start, end, height);
            match self.give_up_empty(&valleys, &choices, start, height) {
                Some(true) => continue,
                Some(false) => return Verdict::Infeasible,
                None => {}
            }
            let Some((valley, pivot)) = self.choose(&valleys, &choices, start, height) else {
                return Verdict::Found;
            };
            let mut options = candidates;
            options.retain(|&item| self.items[item].start <= pivot && pivot < self.items[item].end);
            options.sort_by_cached_key(|&item| self.rank(item, &valley, (start, end)));
            for position in 0..options.len() {
                let item = &self.items[options[position]];
                let is_known = options[..position].iter().any(|&earlier| self.items[earlier] == *item);
                if is_known && self.params.equal_buffers {
                    continue;
                }
                self.nodes += 1;
                if self.nodes > limits.nodes || self.nodes.is_multiple_of(64) && is_over(limits) {
                    return Verdict::Stopped;
                }
                match self.try_at(options[position], valley.level, (start, end), height, limits) {
                    Verdict::Infeasible => {}
                    other => return other,
                }
            }
            if valley.next_level + self.remaining[pivot] > height {
                self.fail_at(pivot);
                return Verdict::Infeasible;
            }
            self.set_floor(pivot, valley.next_level, true);
            if !self.propagate(pivot, pivot + 1, height) {
                return Verdict::Infeasible;
            }
        }
    }

    /// What is tried first is least: items flush with the walls of their valley, if that counts, then by preference.
    fn rank(
        &self,
        index: usize,
        valley: &Valley,
        part: (usize, usize),
    ) -> (Reverse<u32>, Reverse<u64>, usize) {
        let item = &self.items[index];
        let top = valley.level + item.size;
        let flush = |at_wall: bool, wall: Option<&u64>| {
            u32::from(at_wall) + u32::from(at_wall && wall.is_none_or(|&wall| wall == top))
        };
        let left = if item.start > part.0 { self.floor.get(item.start - 1) } else { None };
        let right = if item.end < part.1 { self.floor.get(item.end) } else { None };
        let contacts = flush(item.start == valley.start, left) + flush(item.end == valley.end, right);
        let contacts = if self.counts_contacts { contacts } else { 0 };
        // Preferences are not negative: their bits are in their order.
        (Reverse(contacts), Reverse(self.preference[index].to_bits()), index)
    }

    /// Places an item and solves what is left of `part`.
    fn try_at(
        &mut self,
        item: usize,
        level: u64,
        part: (usize, usize),
        height: u64,
        limits: Limits<'_>,
    ) -> Verdict {
        let mark = self.trail.len();
        let (start, end, top) = (self.items[item].start, self.items[item].end, level + self.items[item].size);
        self.place(item, level);
        for section in start..end {
            self.set_floor(section, top, false);
        }
        let verdict = match self.propagate(start, end, height) {
            true => self.split(part.0, part.1, height, limits),
            false => Verdict::Infeasible,
        };
        if verdict != Verdict::Found {
            self.undo(mark);
        }
        verdict
    }

    /// The valleys, the items that fit into them at their level, and how many of these each section has.
    fn survey(&self, start: usize, end: usize, height: u64) -> (Vec<Valley>, Vec<usize>, Vec<i64>) {
        let mut valleys: Vec<Valley> = Vec::new();
        let mut candidates = Vec::new();
        let mut choices = vec![0; end - start + 1];
        let mut from = start;
        while from < end {
            let level = self.floor[from];
            let length = self.floor[from..end].iter().take_while(|&&floor| floor == level).count();
            let to = from + length;
            let left = if from > start { self.floor[from - 1] } else { height };
            let right = if to < end { self.floor[to] } else { height };
            let wall = left.min(right);
            if wall > level {
                let mut next_level = wall;
                for &index in self.starting[from..to].iter().flatten() {
                    if self.can_lie_at(index, level) {
                        let item = &self.items[index];
                        candidates.push(index);
                        choices[item.start - start] += 1;
                        choices[item.end - start] -= 1;
                        next_level = next_level.min(level + item.size);
                    }
                }
                valleys.push(Valley { start: from, end: to, level, next_level });
            }
            from = to;
        }
        for section in 1..choices.len() {
            choices[section] += choices[section - 1];
        }
        (valleys, candidates, choices)
    }

    /// Whether an item that starts in a valley ends in it and rests on something.
    fn can_lie_at(&self, index: usize, level: u64) -> bool {
        let item = &self.items[index];
        !self.placed[index]
            && self.release[index] == level
            && self.lowest[index] == level
            && (!self.params.pushing || self.hollow[item.start..item.end].iter().any(|hollow| !hollow))
    }

    /// Raises sections that no item fits into. Some(false) if that leaves too little capacity.
    fn give_up_empty(
        &mut self,
        valleys: &[Valley],
        choices: &[i64],
        start: usize,
        height: u64,
    ) -> Option<bool> {
        let mut raised: Option<(usize, usize)> = None;
        for valley in valleys {
            for section in valley.start..valley.end {
                if choices[section - start] == 0 {
                    self.set_floor(section, valley.next_level, true);
                    raised = Some((raised.map_or(section, |(first, _)| first), section + 1));
                }
            }
        }
        raised.map(|(first, end)| self.propagate(first, end, height))
    }

    /// The section with the fewest choices, the fullest and most troublesome first among equals.
    fn choose(
        &self,
        valleys: &[Valley],
        choices: &[i64],
        start: usize,
        height: u64,
    ) -> Option<(Valley, usize)> {
        let mut best: Option<(f64, Valley, usize)> = None;
        for valley in valleys {
            for section in valley.start..valley.end {
                let may_be_empty = valley.next_level + self.remaining[section] <= height;
                let slack = height - self.floor[section] - self.remaining[section];
                let options = choices[section - start] as f64 + if may_be_empty { 1.5 } else { 0.0 };
                let key = match self.params.fewest_choices {
                    true => (options + slack as f64 / height as f64) / self.weight[section].sqrt(),
                    false => valley.level as f64,
                };
                if best.is_none_or(|(least, _, _)| key < least) {
                    best = Some((key, *valley, section));
                }
            }
        }
        best.map(|(_, valley, section)| (valley, section))
    }

    /// Takes over floors that changed within `start..end`; false if some section has too little room.
    fn propagate(&mut self, start: usize, end: usize, height: u64) -> bool {
        for section in start..end {
            if self.floor[section] + self.remaining[section] > height {
                self.fail_at(section);
                return false;
            }
        }
        let mut touched = std::mem::take(&mut self.touched);
        self.collect_alive(start, end, &mut touched);
        let fits = self.raise_releases(&mut touched, height) && self.check_sections(&touched, height);
        self.touched = touched;
        fits
    }

    /// The items not yet placed that are alive in `start..end`.
    fn collect_alive(&mut self, start: usize, end: usize, found: &mut Vec<usize>) {
        self.clock += 1;
        found.clear();
        for &item in self.alive[start..end].iter().flatten() {
            if !self.placed[item] && self.marks[item] != self.clock {
                self.marks[item] = self.clock;
                found.push(item);
            }
        }
    }

    /// Brings the lowest offsets of items up to date and keeps those items of which it rose.
    fn raise_releases(&mut self, items: &mut Vec<usize>, height: u64) -> bool {
        let mut fits = true;
        items.retain(|&index| {
            let item = &self.items[index];
            let (mut release, mut lowest) = (0, u64::MAX);
            for &floor in &self.floor[item.start..item.end] {
                release = floor.max(release);
                lowest = floor.min(lowest);
            }
            let before = (self.release[index], self.lowest[index]);
            if before != (release, lowest) {
                self.trail.push(Change::Release { item: index, release: before.0, lowest: before.1 });
                (self.release[index], self.lowest[index]) = (release, lowest);
            }
            fits &= release + item.size <= height;
            release != before.0
        });
        fits
    }

    /// Whether all sections of these items still have room.
    fn check_sections(&mut self, items: &[usize], height: u64) -> bool {
        self.clock += 1;
        for &index in items {
            for section in self.items[index].start..self.items[index].end {
                if self.marks[section] != self.clock {
                    self.marks[section] = self.clock;
                    if !self.fits(section, height) {
                        self.fail_at(section);
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Whether the items left at a section fit, each not below its lowest offset.
    fn fits(&mut self, section: usize, height: u64) -> bool {
        if !self.params.release_bound {
            return self.floor[section] + self.remaining[section] <= height;
        }
        let alive = &mut self.alive[section];
        for sorted in 1..alive.len() {
            let item = alive[sorted];
            let mut hole = sorted;
            while hole > 0 && self.release[alive[hole - 1]] < self.release[item] {
                alive[hole] = alive[hole - 1];
                hole -= 1;
            }
            alive[hole] = item;
        }
        let mut above = 0;
        alive.iter().filter(|&&item| !self.placed[item]).all(|&item| {
            above += self.items[item].size;
            self.release[item] + above <= height
        })
    }

    /// The section is where the search failed.
    fn fail_at(&mut self, section: usize) {
        if self.params.weights {
            self.weight[section] += 1.0;
        }
    }

    fn place(&mut self, index: usize, offset: u64) {
        self.trail.push(Change::Placed { item: index });
        self.placed[index] = true;
        self.offsets[index] = offset;
        let item = &self.items[index];
        for remaining in &mut self.remaining[item.start..item.end] {
            *remaining -= item.size;
        }
        for crossing in &mut self.crossing[item.start + 1..item.end] {
            *crossing -= 1;
        }
    }

    fn set_floor(&mut self, section: usize, floor: u64, hollow: bool) {
        let before = (self.floor[section], self.hollow[section]);
        self.trail.push(Change::Floor { section, floor: before.0, hollow: before.1 });
        (self.floor[section], self.hollow[section]) = (floor, hollow);
    }

    fn undo(&mut self, mark: usize) {
        for change in self.trail.drain(mark..).rev() {
            match change {
                Change::Floor { section, floor, hollow } => {
                    (self.floor[section], self.hollow[section]) = (floor, hollow);
                }
                Change::Release { item, release, lowest } => {
                    (self.release[item], self.lowest[item]) = (release, lowest);
                }
                Change::Placed { item: index } => {
                    let item = &self.items[index];
                    self.placed[index] = false;
                    for remaining in &mut self.remaining[item.start..item.end] {
                        *remaining += item.size;
                    }
                    for crossing in &mut self.crossing[item.start + 1..item.end] {
                        *crossing += 1;
                    }
                }
            }
        }
    }
}

fn is_over(limits: Limits<'_>) -> bool {
    limits.cancel.load(Ordering::Relaxed) || Instant::now() >= limits.deadline
}

#[cfg(test)]
mod tests;
