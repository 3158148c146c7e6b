//! The owner of each byte of one address space.

use crate::ids::ValueId;
use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint ranges of bytes, each holding bytes of one value.
///
/// A table is made where there are several: most storages outside of the arena hold one value, and there may be millions of
/// them.
#[derive(Clone, Debug, Default)]
pub(super) enum ByteMap {
    #[default]
    Empty,
    /// Start, end and owner.
    One(u64, u64, ValueId),
    Many(Box<Table>),
}

/// Start to end and owner.
type Table = BTreeMap<u64, (u64, ValueId)>;

impl ByteMap {
    /// Gives `bytes` to `value`.
    pub(super) fn write(&mut self, bytes: Range<u64>, value: ValueId) {
        if bytes.is_empty() {
            return;
        }
        let table = match self {
            ByteMap::Many(table) => table,
            &mut ByteMap::One(start, end, owner) if start < bytes.start || bytes.end < end => {
                *self = ByteMap::Many(Box::new(Table::from([(start, (end, owner))])));
                return self.write(bytes, value);
            }
            _ => {
                *self = ByteMap::One(bytes.start, bytes.end, value);
                return;
            }
        };
        // Arenas are mostly written again where they were written before.
        if let Some(range) = table.get_mut(&bytes.start)
            && range.0 == bytes.end
        {
            range.1 = value;
            return;
        }
        split(table, bytes.start);
        split(table, bytes.end);
        let covered: Vec<u64> = table.range(bytes.clone()).map(|(&start, _)| start).collect();
        for start in covered {
            table.remove(&start);
        }
        table.insert(bytes.start, (bytes.end, value));
    }

    /// The first part of `bytes` that does not belong to `value`, and whose it is.
    pub(super) fn first_other(
        &self,
        bytes: Range<u64>,
        value: ValueId,
    ) -> Option<(Range<u64>, Option<ValueId>)> {
        match self {
            ByteMap::Empty => other_in(bytes, value, None),
            &ByteMap::One(start, end, owner) => {
                let is_inside = end > bytes.start && start < bytes.end;
                other_in(bytes, value, is_inside.then_some((start, end, owner)))
            }
            ByteMap::Many(table) => {
                let at = bytes.start;
                let of = |(&start, &(end, owner)): (&u64, &(u64, ValueId))| (start, end, owner);
                let first = table.range(..=at).next_back().map(of).filter(|&(_, end, _)| end > at);
                if first.is_some_and(|(_, end, owner)| end >= bytes.end && owner == value) {
                    return None;
                }
                let rest = table.range(at.saturating_add(1)..bytes.end.max(at.saturating_add(1))).map(of);
                other_in(bytes, value, first.into_iter().chain(rest))
            }
        }
    }
}

/// The first part of `bytes` that does not belong to `value`, among the ranges that overlap them, in order.
fn other_in(
    bytes: Range<u64>,
    value: ValueId,
    ranges: impl IntoIterator<Item = (u64, u64, ValueId)>,
) -> Option<(Range<u64>, Option<ValueId>)> {
    let mut at = bytes.start;
    for (start, end, owner) in ranges {
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
fn split(table: &mut Table, at: u64) {
    if let Some((_, range)) = table.range_mut(..at).next_back()
        && range.0 > at
    {
        let (end, owner) = *range;
        range.0 = at;
        table.insert(at, (end, owner));
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
        assert!(matches!(&map, ByteMap::Many(table) if table.len() == 1));
        map.write(5..5, b);
        assert_eq!(map.first_other(0..10, a), None);
        assert_eq!(map.first_other(5..5, b), None);
    }
    #[test]
    fn one_range_is_no_table() {
        let [a, b] = [0, 1].map(ValueId::new);
        let mut map = ByteMap::default();
        map.write(4..8, a);
        assert_eq!(map.first_other(0..8, a), Some((0..4, None)));
        assert_eq!(map.first_other(6..12, a), Some((8..12, None)));
        assert_eq!(map.first_other(9..12, a), Some((9..12, None)));
        assert_eq!(map.first_other(5..7, b), Some((5..7, Some(a))));
        map.write(2..8, b);
        assert!(matches!(map, ByteMap::One(2, 8, owner) if owner == b));
    }
}
