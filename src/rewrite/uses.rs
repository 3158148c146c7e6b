//! Who reads a value: a list in order whose entries are found without a look at the others.
//!
//! Values mostly have one or two readers; a mask, a constant or an input of the model may have as many as there are nodes,
//! and a pass that rewrites all of them would take quadratic time in a plain list. A long list therefore has an index of its
//! entries, and what is removed from it leaves a gap until half of it are gaps.

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

/// A use: the reader, and which of its inputs.
pub(crate) type Use = (usize, usize);

/// The uses of a value, one by one.
pub(crate) type Iter<'a> = std::iter::Filter<std::slice::Iter<'a, Use>, fn(&&'a Use) -> bool>;

/// Entries that are searched one by one.
const FEW: usize = 32;

/// A place without a use: no graph has so many nodes.
const GAP: Use = (usize::MAX, usize::MAX);

/// The uses of one value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses {
    /// In order, with gaps if there is an index.
    list: SmallVec<[Use; 2]>,
    index: Option<Box<Index>>,
}

/// Where the uses of a long list are.
#[derive(Clone, Debug, Default)]
struct Index {
    /// Places by use, in order. A use is there twice while a node is given an input that it has.
    places: FxHashMap<Use, SmallVec<[u32; 2]>>,
    n_gaps: usize,
}

impl Uses {
    /// Number of uses.
    pub(crate) fn len(&self) -> usize {
        self.list.len() - self.index.as_ref().map_or(0, |index| index.n_gaps)
    }

    /// Whether nothing reads the value.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The uses, in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        self.list.iter().filter(|&&found| found != GAP)
    }

    /// A copy of them.
    pub(crate) fn to_vec(&self) -> Vec<Use> {
        self.iter().copied().collect()
    }

    /// The only use.
    pub(crate) fn only(&self) -> Option<Use> {
        if self.len() == 1 { self.iter().next().copied() } else { None }
    }

    /// Adds a use behind all others.
    pub(super) fn push(&mut self, found: Use) {
        if let Some(index) = &mut self.index {
            index.places.entry(found).or_default().push(self.list.len() as u32);
        }
        self.list.push(found);
        if self.index.is_none() && self.list.len() > FEW {
            self.reindex();
        }
    }

    /// Removes the first entry of a use; the others stay in order.
    pub(super) fn remove(&mut self, found: Use) {
        let Some(index) = &mut self.index else {
            if let Some(place) = self.list.iter().position(|&known| known == found) {
                self.list.remove(place);
            }
            return;
        };
        let Some(place) = index.take(found) else { return };
        self.list[place] = GAP;
        index.n_gaps += 1;
        if 2 * index.n_gaps > self.list.len() {
            self.reindex();
        }
    }

    /// Removes the first entry of a use; the last entry takes its place.
    pub(super) fn swap_remove(&mut self, found: Use) {
        let Some(index) = &mut self.index else {
            if let Some(place) = self.list.iter().position(|&known| known == found) {
                self.list.swap_remove(place);
            }
            return;
        };
        let Some(place) = index.take(found) else { return };
        while self.list.last() == Some(&GAP) {
            self.list.pop();
            index.n_gaps -= 1;
        }
        let end = self.list.len().saturating_sub(1);
        let Some(last) = self.list.pop().filter(|_| place < end) else { return };
        self.list[place] = last;
        if let Some(places) = index.places.get_mut(&last) {
            places.retain(|known| *known as usize != end);
            let at = places.partition_point(|&known| (known as usize) < place);
            places.insert(at, place as u32);
        }
    }

    /// All uses, none of which is left.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Use> + use<> {
        std::mem::take(self).list.into_iter().filter(|&found| found != GAP)
    }

    /// Closes the gaps, and makes a new index where one is needed.
    fn reindex(&mut self) {
        self.list.retain(|found| *found != GAP);
        self.index = None;
        if self.list.len() > FEW {
            let mut places: FxHashMap<Use, SmallVec<[u32; 2]>> = FxHashMap::default();
            for (place, &found) in self.list.iter().enumerate() {
                places.entry(found).or_insert_with(|| smallvec![]).push(place as u32);
            }
            self.index = Some(Box::new(Index { places, n_gaps: 0 }));
        }
    }
}

impl Index {
    /// Forgets the first place of a use, and returns it.
    fn take(&mut self, found: Use) -> Option<usize> {
        let places = self.places.get_mut(&found)?;
        let first = places.remove(0);
        if places.is_empty() {
            self.places.remove(&found);
        }
        Some(first as usize)
    }
}

impl<'a> IntoIterator for &'a Uses {
    type Item = &'a Use;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same edits on a plain list.
    fn edit(uses: &mut Uses, plain: &mut Vec<Use>, kind: usize, found: Use) {
        let place = plain.iter().position(|&known| known == found);
        match (kind, place) {
            (0, _) => {
                uses.push(found);
                plain.push(found);
            }
            (1, place) => {
                uses.remove(found);
                _ = place.map(|place| plain.remove(place));
            }
            (_, place) => {
                uses.swap_remove(found);
                _ = place.map(|place| plain.swap_remove(place));
            }
        }
    }

    #[test]
    fn a_long_list_is_as_a_plain_one() {
        let (mut uses, mut plain) = (Uses::default(), Vec::new());
        let mut state = 1_u64;
        for step in 0..20_000_usize {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (state >> 33) as usize;
            // The list grows up to the middle, and becomes empty after it.
            let grows = number % 10 < if step < 10_000 { 6 } else { 2 };
            let kind = if grows { 0 } else { 1 + number / 10 % 2 };
            edit(&mut uses, &mut plain, kind, (number / 20 % 300, 0));
            assert_eq!(
                (uses.len(), uses.only()),
                (plain.len(), plain.first().filter(|_| plain.len() == 1).copied())
            );
            if step % 64 == 0 {
                assert_eq!(uses.to_vec(), plain);
            }
        }
        assert_eq!(uses.to_vec(), plain);
        assert_eq!(uses.take().collect::<Vec<_>>(), plain);
        assert!(uses.is_empty());
    }
}
