//! From a problem to what the search works on: sections, units, parts.

use crate::problem::Problem;
use std::collections::BTreeMap;

/// A buffer of the search: a size in units, alive over sections `start..end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Item {
    pub(in crate::plan) start: usize,
    pub(in crate::plan) end: usize,
    pub(in crate::plan) size: u64,
}

/// Buffers that do not live together with any other part's.
#[derive(Debug)]
pub(in crate::plan) struct Part {
    /// The buffers, as positions in the problem.
    pub(in crate::plan) buffers: Vec<usize>,
    /// The same, as items.
    pub(in crate::plan) items: Vec<Item>,
    /// Sections that the items span.
    pub(in crate::plan) sections: usize,
    /// The largest sum of sizes at one section: no plan is lower.
    pub(in crate::plan) pressure: u64,
}

/// The unit of sizes, and the parts; none if alignments are too different for a common unit.
///
/// Sizes are padded to the largest alignment, which all others must divide.
/// Then offsets are sums of sizes, and all of them are multiples of the
/// greatest common divisor of the sizes: the unit. Buffers of no bytes are in
/// no part. Unless steps are reduced to sections, every step where something
/// changes is one.
pub(in crate::plan) fn split(problem: &Problem, reduced: bool) -> Option<(u64, Vec<Part>)> {
    let alignment = problem.buffers.iter().map(|buffer| buffer.alignment.max(1)).max().unwrap_or(1);
    if problem.buffers.iter().any(|buffer| !alignment.is_multiple_of(buffer.alignment.max(1))) {
        return None;
    }
    let size = |index: usize| problem.buffers[index].size.align_up(alignment).0;
    let indices: Vec<usize> = (0..problem.buffers.len()).filter(|&index| size(index) > 0).collect();
    let unit = indices.iter().map(|&index| size(index)).fold(0, greatest_common_divisor).max(1);

    let lives = if reduced { sections(problem, &indices) } else { steps(problem, &indices) };
    let mut by_start: Vec<(usize, usize, usize)> =
        indices.iter().zip(lives).map(|(&index, (start, end))| (start, end, index)).collect();
    by_start.sort_unstable();
    let mut parts: Vec<Part> = Vec::new();
    let (mut first, mut reach) = (0, 0);
    for (start, end, index) in by_start {
        if start >= reach {
            parts.push(Part { buffers: Vec::new(), items: Vec::new(), sections: 0, pressure: 0 });
            first = start;
        }
        reach = end.max(reach);
        if let Some(part) = parts.last_mut() {
            part.buffers.push(index);
            part.items.push(Item { start: start - first, end: end - first, size: size(index) / unit });
            part.sections = reach - first;
        }
    }
    for part in &mut parts {
        let mut changes: BTreeMap<usize, i128> = BTreeMap::new();
        for item in &part.items {
            *changes.entry(item.start).or_default() += i128::from(item.size);
            *changes.entry(item.end).or_default() -= i128::from(item.size);
        }
        let mut alive = 0;
        for change in changes.into_values() {
            alive += change;
            part.pressure = part.pressure.max(u64::try_from(alive).unwrap_or(u64::MAX));
        }
    }
    Some((unit, parts))
}

/// Live ranges in sections, in the order of `indices`.
///
/// A section is a largest set of buffers that all live together. A step whose
/// buffers all live at a neighbouring section constrains nothing and is none.
///
/// ```text
///  steps     0 1 2 3 4 5 6        sections   0 1
///  a         ┝━━━━━┥              a          ┝━┥
///  b             ┝━━━━━┥          b          ┝━━━┥
///  c                 ┝━━━┥        c            ┝━┥
/// ```
fn sections(problem: &Problem, indices: &[usize]) -> Vec<(usize, usize)> {
    let mut events: Vec<(u32, bool, usize)> = Vec::with_capacity(2 * indices.len());
    for (position, &index) in indices.iter().enumerate() {
        let live = &problem.buffers[index].live;
        events.extend([(live.start, true, position), (live.end, false, position)]);
    }
    events.sort_unstable();
    let mut lives = vec![(0, 0); indices.len()];
    let mut section = 0;
    let mut is_new = false;
    for (_, starts, position) in events {
        if starts {
            lives[position].0 = section;
            is_new = true;
        } else {
            section += usize::from(is_new);
            is_new = false;
            lives[position].1 = section;
        }
    }
    lives
}

/// Live ranges in steps where something starts or ends, in the order of `indices`.
fn steps(problem: &Problem, indices: &[usize]) -> Vec<(usize, usize)> {
    let lives = indices.iter().map(|&index| &problem.buffers[index].live);
    let mut steps: Vec<u32> = lives.clone().flat_map(|live| [live.start, live.end]).collect();
    steps.sort_unstable();
    steps.dedup();
    let at = |step| steps.partition_point(|&other| other < step);
    lives.map(|live| (at(live.start), at(live.end))).collect()
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_constrain_nothing_are_no_sections() {
        let problem =
            Problem::default().with(0, 3, 6).with(2, 5, 4).with(4, 6, 2).with(9, 11, 8).with(1, 2, 0);
        let (unit, parts) = split(&problem, true).unwrap();
        assert_eq!((unit, parts.len()), (2, 2));
        let lives: Vec<_> = parts[0].items.iter().map(|item| (item.start, item.end, item.size)).collect();
        assert_eq!(lives, [(0, 1, 3), (0, 2, 2), (1, 2, 1)]);
        assert_eq!((parts[0].sections, parts[0].pressure), (2, 5));
        assert_eq!((&parts[1].buffers[..], parts[1].pressure), (&[3][..], 4));
    }

    #[test]
    fn without_sections_every_change_counts() {
        let problem = Problem::default().with(0, 3, 6).with(2, 5, 4).with(4, 6, 2);
        let lives = |reduced| {
            let (_, parts) = split(&problem, reduced).unwrap();
            parts[0].items.iter().map(|item| (item.start, item.end)).collect::<Vec<_>>()
        };
        assert_eq!(lives(true), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(lives(false), [(0, 2), (1, 4), (3, 5)]);
    }

    #[test]
    fn sizes_are_padded_to_the_largest_alignment() {
        let mut problem = Problem::default().with(0, 1, 65).with(0, 1, 10);
        problem.buffers[0].alignment = 64;
        problem.buffers[1].alignment = 16;
        let (unit, parts) = split(&problem, true).unwrap();
        assert_eq!((unit, parts[0].pressure), (64, 3));
        problem.buffers[1].alignment = 48;
        assert!(split(&problem, true).is_none());
    }
}
