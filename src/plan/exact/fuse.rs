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
//! sums may be chance. A plan of the fused items is a plan of all of them; that
//! there is none says nothing.

use super::parts::Item;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::time::Instant;

/// Most items on one side of a match.
const SIDE: usize = 4;

/// Most items of one start, or of one end, that are searched for a match at a section.
const GROUP: usize = 10;

/// Items that keep their distance in bytes.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// The room that they take together.
    pub(super) item: Item,
    /// The items, as positions in the list they came from, with their distance from the lowest byte.
    pub(super) members: Vec<(usize, u64)>,
}

/// The items with all matches fused that are found by the deadline; those without a match are alone.
pub(super) fn fuse(items: &[Item], sections: usize, pressure: u64, deadline: Instant) -> Vec<Fused> {
    let mut sums = vec![0; sections];
    for item in items {
        sums[item.start..item.end].iter_mut().for_each(|sum| *sum += item.size);
    }
    let mut state = State {
        fused: Vec::new(),
        starting: vec![Vec::new(); sections + 1],
        ending: vec![Vec::new(); sections + 1],
    };
    for (index, item) in items.iter().enumerate() {
        state.add(Fused { item: item.clone(), members: vec![(index, 0)] });
    }
    let is_full = |boundary: &usize| sums[boundary - 1] == pressure && sums[*boundary] == pressure;
    let full: Vec<usize> = (1..sections).filter(is_full).collect();
    // The surest matches first: few items are less likely to match by chance.
    let mut stage = 0;
    while let Some(&(kind, most)) = STAGES.get(stage) {
        let before = state.fused.len();
        for &boundary in full.iter().take_while(|_| Instant::now() < deadline) {
            while match kind {
                Kind::Pair => state.fuse_pair(boundary, most),
                Kind::Pinwheel => state.fuse_pinwheel(boundary, most),
            } {}
        }
        stage = if state.fused.len() == before { stage + 1 } else { 0 };
    }
    state.fused.into_iter().flatten().collect()
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Pair,
    Pinwheel,
}

/// What is looked for, and in how many items at most; after a match it starts again.
const STAGES: [(Kind, usize); 8] = [
    (Kind::Pair, 2),
    (Kind::Pair, 3),
    (Kind::Pinwheel, 5),
    (Kind::Pair, 4),
    (Kind::Pinwheel, 7),
    (Kind::Pair, 2 * SIDE),
    (Kind::Pair, usize::MAX),
    (Kind::Pinwheel, usize::MAX),
];

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
    items: Vec<usize>,
}

impl State {
    fn add(&mut self, fused: Fused) {
        self.starting[fused.item.start].push(self.fused.len());
        self.ending[fused.item.end].push(self.fused.len());
        self.fused.push(Some(fused));
    }

    fn item(&self, index: usize) -> Option<&Item> {
        self.fused[index].as_ref().map(|fused| &fused.item)
    }

    /// Fuses the smallest match at a boundary.
    fn fuse_pair(&mut self, boundary: usize, most: usize) -> bool {
        let (ending, starting) = (self.ending_stacks(boundary), self.starting_stacks(boundary));
        let by_size = first_by(&ending, |stack| stack.size);
        let matches = starting.iter().filter_map(|right| Some((*by_size.get(&right.size)?, right)));
        let count = |(left, right): &(&Stack, &Stack)| left.items.len() + right.items.len();
        let Some((left, right)) = matches.min_by_key(count).filter(|found| count(found) <= most) else {
            return false;
        };
        self.replace(&[(left, 0), (right, 0)]);
        true
    }

    /// Fuses five stacks, the middle of which starts at a boundary.
    ///
    /// ```text
    ///  ├──top──┬─────┤
    ///  ├────┬──┤right│
    ///  │left│m ├─────┤
    ///  └────┴bottom──┘
    /// ```
    fn fuse_pinwheel(&mut self, boundary: usize, most: usize) -> bool {
        let (ending, starting) = (self.ending_stacks(boundary), self.starting_stacks(boundary));
        let by_size = first_by(&ending, |stack| stack.size);
        for middle in &starting {
            let (mut tops, mut rights) = (None, None);
            for bottom in starting.iter().filter(|bottom| bottom.far > middle.far) {
                let Some(&left) = by_size.get(&(middle.size + bottom.size)) else { continue };
                let tops = tops.get_or_insert_with(|| self.ending_stacks(middle.far));
                let rights = rights.get_or_insert_with(|| self.starting_stacks(middle.far));
                let by_shape = first_by(rights, |right| (right.far, right.size));
                for top in tops.iter().filter(|top| top.far == left.far) {
                    if let Some(&right) = by_shape.get(&(bottom.far, middle.size + top.size)) {
                        let lift = bottom.size;
                        let five = [(bottom, 0), (left, 0), (middle, lift), (right, lift), (top, left.size)];
                        if five.iter().map(|(stack, _)| stack.items.len()).sum::<usize>() <= most {
                            self.replace(&five);
                            return true;
                        }
                    }
                }
            }
        }
        false
    }

    fn ending_stacks(&mut self, boundary: usize) -> Vec<Stack> {
        let fused = &self.fused;
        self.ending[boundary].retain(|&index| fused[index].is_some());
        self.stacks(&self.ending[boundary], |item| item.start)
    }

    fn starting_stacks(&mut self, boundary: usize) -> Vec<Stack> {
        let fused = &self.fused;
        self.starting[boundary].retain(|&index| fused[index].is_some());
        self.stacks(&self.starting[boundary], |item| item.end)
    }

    /// Stacks of up to [`SIDE`] items of equal `far` side, and of all such items, the smallest numbers first.
    fn stacks(&self, indices: &[usize], far: impl Fn(&Item) -> usize) -> Vec<Stack> {
        let mut groups: BTreeMap<usize, Vec<(usize, u64)>> = BTreeMap::new();
        for &index in indices {
            if let Some(item) = self.item(index) {
                groups.entry(far(item)).or_default().push((index, item.size));
            }
        }
        let mut stacks: Vec<Stack> = Vec::new();
        for (far, group) in groups {
            if group.len() > SIDE {
                let (items, sizes): (_, Vec<u64>) = group.iter().copied().unzip();
                stacks.push(Stack { far, size: sizes.iter().sum(), items });
            }
            let mut layer = vec![(0, Stack { far, size: 0, items: Vec::new() })];
            for _ in 0..SIDE {
                let mut next = Vec::new();
                for (from, stack) in &layer {
                    for (position, &(index, size)) in group.iter().enumerate().take(GROUP).skip(*from) {
                        let items = stack.items.iter().copied().chain([index]).collect();
                        next.push((position + 1, Stack { far, size: stack.size + size, items }));
                    }
                }
                stacks.extend(next.iter().map(|(_, stack)| stack.clone()));
                layer = next;
            }
        }
        stacks.sort_by_key(|stack| stack.items.len());
        stacks
    }

    /// Puts one item in the place of several stacks, each with its distance from the lowest byte.
    fn replace(&mut self, stacks: &[(&Stack, u64)]) {
        let mut item = Item { start: usize::MAX, end: 0, size: 0 };
        let mut members = Vec::new();
        for &(stack, lift) in stacks {
            let mut at = lift;
            for fused in stack.items.iter().filter_map(|&index| self.fused[index].take()) {
                item.start = item.start.min(fused.item.start);
                item.end = item.end.max(fused.item.end);
                members.extend(fused.members.into_iter().map(|(member, offset)| (member, at + offset)));
                at += fused.item.size;
            }
            item.size = item.size.max(at);
        }
        self.add(Fused { item, members });
    }
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
        let fused = fuse(&items, 2, 7, soon());
        assert_eq!(fused.len(), 2);
        let pair = &fused[1];
        assert_eq!((&pair.item, &pair.members[..]), (&item(0, 2, 3), &[(0, 0), (1, 2), (2, 0)][..]));
    }

    #[test]
    fn pinwheels_are_fused() {
        let items = [item(0, 2, 2), item(2, 3, 5), item(1, 3, 2), item(0, 1, 5), item(1, 2, 3)];
        let fused = fuse(&items, 3, 7, soon());
        assert_eq!((fused.len(), &fused[0].item), (1, &item(0, 3, 7)));
        assert_eq!(fused[0].members, [(2, 0), (3, 0), (4, 2), (1, 2), (0, 5)]);
    }

    #[test]
    fn nothing_is_fused_where_there_is_room() {
        let items = [item(0, 1, 3), item(1, 2, 3), item(0, 2, 1)];
        assert_eq!(fuse(&items, 2, 5, soon()).len(), 3);
    }
}
