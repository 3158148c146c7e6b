//! The owner of each byte of one address space.

use crate::ids::ValueId;
use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint ranges of bytes, each holding bytes of one value.
#[derive(Clone, Debug, Default)]
pub(super) struct ByteMap {
    /// Start to end and owner.
    ranges: BTreeMap<u64, (u64, ValueId)>,
}

impl ByteMap {
    /// Gives `bytes` to `value`.
    pub(super) fn write(&mut self, bytes: Range<u64>, value: ValueId) {
        if bytes.is_empty() {
            return;
        }
        self.split(bytes.start);
        self.split(bytes.end);
        let covered: Vec<u64> = self.ranges.range(bytes.clone()).map(|(&start, _)| start).collect();
        for start in covered {
            self.ranges.remove(&start);
        }
        self.ranges.insert(bytes.start, (bytes.end, value));
    }

    /// The first part of `bytes` that does not belong to `value`, and whose it is.
    pub(super) fn first_other(
        &self,
        bytes: Range<u64>,
        value: ValueId,
    ) -> Option<(Range<u64>, Option<ValueId>)> {
        let mut at = bytes.start;
        let first = self.ranges.range(..=at).next_back().filter(|&(_, &(end, _))| end > at);
        let rest = self.ranges.range(at.saturating_add(1)..bytes.end.max(at.saturating_add(1)));
        for (&start, &(end, owner)) in first.into_iter().chain(rest) {
            if at >= bytes.end {
                return None;
            }
            if start > at {
                return Some((at..start, None));
            }
            if owner != value {
                return Some((at..end.min(bytes.end), Some(owner)));
            }
            at = end;
        }
        (at < bytes.end).then_some((at..bytes.end, None))
    }

    /// Cuts the range around `at` in two.
    fn split(&mut self, at: u64) {
        if let Some((_, range)) = self.ranges.range_mut(..at).next_back()
            && range.0 > at
        {
            let (end, owner) = *range;
            range.0 = at;
            self.ranges.insert(at, (end, owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_writes_cut_earlier_ones() {
        let [a, b] = [0, 1].map(ValueId::new);
        let mut map = ByteMap::default();
        assert_eq!(map.first_other(3..9, a), Some((3..9, None)));
        map.write(0..10, a);
        assert_eq!(map.first_other(0..10, a), None);
        assert_eq!(map.first_other(4..12, a), Some((10..12, None)));
        map.write(4..6, b);
        assert_eq!(map.first_other(0..10, a), Some((4..6, Some(b))));
        assert_eq!(map.first_other(0..4, a), None);
        assert_eq!(map.first_other(5..10, b), Some((6..10, Some(a))));
        map.write(0..10, a);
        assert_eq!(map.ranges.len(), 1);
        map.write(5..5, b);
        assert_eq!(map.first_other(0..10, a), None);
        assert_eq!(map.first_other(5..5, b), None);
    }
}
