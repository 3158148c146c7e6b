//! Regions of memory that the outputs of a block share, and where they are drawn.

use crate::problem::{Plan, Problem};
use crate::units::Bytes;
use std::ops::Range;

/// Pixels between regions with unused addresses between them.
const GAP: i32 = 6;
/// Pixels that a range of addresses has at least.
const LEAST: f64 = 5.0;
/// A buffer so many times smaller than a region is not a part of it.
const ALIKE: u64 = 4;

/// Bytes that several buffers use one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Its addresses in the arena.
    pub(super) bytes: Range<u64>,
    /// Its buffers, by their position in the problem.
    pub(super) buffers: Vec<usize>,
}

/// The addresses of a buffer.
pub(super) fn addresses(problem: &Problem, plan: &Plan, buffer: usize) -> Range<u64> {
    let start = plan.offsets[buffer].0;
    start..start.saturating_add(problem.buffers[buffer].size.0)
}

/// Whether two ranges have a byte in common.
pub(super) fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

/// The regions of some buffers, by address: a block that grows is one, elsewhere buffers belong to the largest that they are
/// mostly inside of, unless they are far smaller and begin elsewhere.
///
/// Cost: buffers times regions.
pub(super) fn regions(problem: &Problem, plan: &Plan, buffers: &[usize]) -> Vec<Region> {
    let mut order = buffers.to_vec();
    order.sort_by_key(|&buffer| (std::cmp::Reverse(problem.buffers[buffer].size), plan.offsets[buffer]));
    let mut regions: Vec<(Range<u64>, Region)> = Vec::new();
    for buffer in order {
        let bytes = addresses(problem, plan, buffer);
        let growing = plan.blocks.iter().find(|block| block.grows && overlap(&block.bytes, &bytes));
        let middle = bytes.start.midpoint(bytes.end);
        let size = bytes.end - bytes.start;
        let is_part = |scope: &Range<u64>| {
            let is_alike = growing.is_some() || size >= (scope.end - scope.start) / ALIKE;
            scope.start == bytes.start || (scope.contains(&middle) && is_alike)
        };
        match regions.iter_mut().find(|(scope, _)| is_part(scope)) {
            Some((_, region)) => {
                region.bytes = region.bytes.start.min(bytes.start)..region.bytes.end.max(bytes.end);
                region.buffers.push(buffer);
            }
            None => {
                let scope = growing.map_or(bytes.clone(), |block| block.bytes.clone());
                regions.push((scope, Region { bytes, buffers: vec![buffer] }));
            }
        }
    }
    let mut regions: Vec<Region> = regions.into_iter().map(|(_, region)| region).collect();
    regions.sort_by_key(|region| (region.bytes.start, region.bytes.end));
    regions
}

/// Columns of addresses: those that no buffer uses are left out, and small buffers are wide enough to be seen.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Address and column of every edge, ascending.
    edges: Vec<(u64, i32)>,
}

impl Columns {
    /// The columns of some ranges of addresses between `left` and `right`.
    pub(super) fn new(mut ranges: Vec<Range<u64>>, (left, right): (i32, i32)) -> Columns {
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut points: Vec<u64> = ranges.iter().flat_map(|range| [range.start, range.end]).collect();
        points.sort_unstable();
        points.dedup();
        let pieces: Vec<(Range<u64>, bool)> = points
            .windows(2)
            .map(|pair| {
                (pair[0]..pair[1], ranges.iter().any(|range| range.start <= pair[0] && pair[1] <= range.end))
            })
            .collect();
        let gaps = pieces.iter().filter(|(_, is_used)| !is_used).count();
        let used: u64 =
            pieces.iter().filter(|(_, is_used)| *is_used).map(|(piece, _)| piece.end - piece.start).sum();
        let space = f64::from(right - left) - (gaps as i32 * GAP) as f64;
        let least = LEAST.min(space * 0.5 / (pieces.len() - gaps).max(1) as f64);
        let rest = space - least * (pieces.len() - gaps) as f64;
        let mut x = f64::from(left);
        let mut edges = vec![(points.first().copied().unwrap_or(0), left)];
        for (piece, is_used) in pieces {
            x += match is_used {
                true => least + rest * (piece.end - piece.start) as f64 / used.max(1) as f64,
                false => f64::from(GAP),
            };
            edges.push((piece.end, x.round() as i32));
        }
        Columns { edges }
    }

    /// The column of an address that is an edge of a range; elsewhere that of the next edge.
    pub(super) fn column(&self, address: u64) -> i32 {
        let at = self.edges.partition_point(|&(edge, _)| edge < address);
        self.edges.get(at).or(self.edges.last()).map_or(0, |&(_, x)| x)
    }
}

/// Bytes of some ranges together; those in several count once.
pub(super) fn together(ranges: impl Iterator<Item = Range<u64>>) -> Bytes {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_by_key(|range| range.start);
    let (mut sum, mut end) = (0, 0);
    for range in ranges {
        sum += range.end.saturating_sub(range.start.max(end));
        end = end.max(range.end);
    }
    Bytes(sum)
}

/// Of some outputs: how many bytes they have, and how many of them are in bytes that others use.
pub(super) fn shared(outputs: &[Range<u64>], others: &[Range<u64>]) -> (Bytes, Bytes) {
    let all: Bytes = outputs.iter().map(|range| Bytes(range.end - range.start)).sum();
    let in_common = outputs.iter().map(|range| {
        let common = others.iter().filter(|other| overlap(range, other));
        together(common.map(|other| other.start.max(range.start)..other.end.min(range.end)))
    });
    (all, in_common.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(offsets: &[u64]) -> Plan {
        Plan { offsets: offsets.iter().map(|&offset| Bytes(offset)).collect(), ..Plan::default() }
    }

    #[test]
    fn buffers_in_the_same_bytes_are_one_region() {
        // offset ↑  ┌b┐      ┌d┐     b at 8, d at 8 after it
        //           ┌a┐┌─c─┐         a at 0, c over most of a's bytes
        let problem = Problem::default().with(0, 1, 8).with(0, 1, 4).with(1, 3, 6).with(3, 4, 4);
        let found = regions(&problem, &plan(&[0, 8, 0, 8]), &[0, 1, 2, 3]);
        let buffers: Vec<_> = found.iter().map(|region| region.buffers.clone()).collect();
        assert_eq!(buffers, [vec![0, 2], vec![1, 3]]);
        assert_eq!(found[1].bytes, 8..12);
    }

    #[test]
    fn a_far_smaller_buffer_that_begins_elsewhere_is_a_region_of_its_own() {
        let problem = Problem::default().with(0, 1, 80).with(1, 2, 10).with(1, 2, 10);
        let found = regions(&problem, &plan(&[0, 0, 10]), &[0, 1, 2]);
        let buffers: Vec<_> = found.iter().map(|region| region.buffers.clone()).collect();
        assert_eq!(buffers, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn unused_addresses_are_left_out() {
        let columns = Columns::new(vec![0..10, 1_000_000..1_000_010], (0, 106));
        assert_eq!((columns.column(0), columns.column(10)), (0, 50));
        assert_eq!((columns.column(1_000_000), columns.column(1_000_010)), (56, 106));
    }

    #[test]
    fn a_small_buffer_is_wide_enough_to_be_seen() {
        let columns = Columns::new(vec![0..1, 1..1_000_000], (0, 200));
        assert!(columns.column(1) >= 5);
    }

    #[test]
    fn bytes_in_common_count_once() {
        assert_eq!(shared(&[0..10, 20..21], &[0..6, 4..8]), (Bytes(11), Bytes(8)));
        assert_eq!(shared(&[0..10, 20..30], &[5..25, 40..41]), (Bytes(20), Bytes(10)));
    }
}
