//! The address axis of an arena, on which long ranges that hardly any step uses are drawn small.

use super::canvas::{Anchor, Canvas, MARGIN, SMALL, WIDTH};
use super::page;
use super::plot::LEFT;
use crate::problem::{Plan, Problem};
use crate::units::Bytes;
use std::ops::Range;

/// A range that is used for less than this share of the steps is drawn small,
const SPARSE: f64 = 0.02;
/// if it is longer than this share of the arena.
const LONG: f64 = 0.125;
/// Its pixels.
const SMALL_HEIGHT: i32 = 40;

/// Rows of addresses.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// Row of the highest address.
    pub(super) top: i32,
    /// Row of address 0.
    pub(super) bottom: i32,
    /// Address and row of every point where the scale changes, ascending.
    knots: Vec<(u64, i32)>,
    sparse: Vec<Range<u64>>,
}

impl Addresses {
    /// Rows for the buffers of a phase of so many steps, between `top` and `bottom`.
    ///
    /// Cost: O(n log n) in buffers.
    pub(super) fn new(problem: &Problem, plan: &Plan, steps: usize, (top, bottom): (i32, i32)) -> Addresses {
        let placed = problem.buffers.iter().zip(&plan.offsets);
        let end = placed.clone().map(|(buffer, offset)| (*offset + buffer.size).0).max().unwrap_or(0).max(1);
        let mut changes: Vec<(u64, i64)> = placed
            .flat_map(|(buffer, offset)| {
                let used = buffer.live.len() as i64;
                [(offset.0, used), ((*offset + buffer.size).0, -used)]
            })
            .collect();
        changes.extend([(0, 0), (end, 0)]);
        let sparse = sparse(changes, steps, end);
        let left: u64 = sparse.iter().map(|range| range.end - range.start).sum();
        // A little space above the highest buffer.
        let high = f64::from(bottom - top) / 1.04 - f64::from(SMALL_HEIGHT) * sparse.len() as f64;
        let scale = high / (end - left).max(1) as f64;
        let mut knots = vec![(0, bottom)];
        let mut y = f64::from(bottom);
        let mut at = 0;
        for range in &sparse {
            y -= (range.start - at) as f64 * scale;
            knots.push((range.start, y.round() as i32));
            y -= f64::from(SMALL_HEIGHT);
            knots.push((range.end, y.round() as i32));
            at = range.end;
        }
        y -= (end - at) as f64 * scale;
        knots.push((end, y.round() as i32));
        Addresses { top, bottom, knots, sparse }
    }

    /// The row of an address.
    pub(super) fn row(&self, address: u64) -> i32 {
        let after = self.knots.partition_point(|&(knot, _)| knot < address).max(1);
        match (self.knots.get(after - 1), self.knots.get(after)) {
            (Some(&(from, low)), Some(&(to, high))) if to > from => {
                let share = (address - from.min(address)) as f64 / (to - from) as f64;
                low + (f64::from(high - low) * share).round() as i32
            }
            (Some(&(_, row)), _) => row,
            _ => self.bottom,
        }
    }

    /// Draws lines at round addresses, labelled, and what is drawn small.
    pub(super) fn axis(&self, canvas: &mut Canvas) {
        let end = self.knots.last().map_or(0, |knot| knot.0);
        let left: u64 = self.sparse.iter().map(|range| range.end - range.start).sum();
        let step = page::byte_ticks((end - left) as f64, 6).get(1).map_or(end, |tick| tick.0).max(1);
        let mut free = self.bottom + 1;
        for address in (0..=end / step).take(4096).map(|count| count * step) {
            let y = self.row(address);
            if y < free && !self.sparse.iter().any(|range| range.start < address && address < range.end) {
                canvas.line("grid", &[(LEFT, y), (WIDTH - MARGIN, y)]);
                canvas.text("soft", &page::byte_label(address, step), (LEFT - 8, y), Anchor::Right);
                free = y - 15;
            }
        }
        for range in &self.sparse {
            let (low, high) = (self.row(range.start), self.row(range.end));
            canvas.rect("band", (LEFT, high, WIDTH - MARGIN, low), "");
            let words =
                format!("{} to {} are hardly used, and drawn small", Bytes(range.start), Bytes(range.end));
            canvas.sized("soft", &words, (LEFT + 8, (low + high) / 2), Anchor::Left, SMALL);
        }
    }
}

/// Long ranges of addresses that few steps use; none where nothing else would be left.
fn sparse(mut changes: Vec<(u64, i64)>, steps: usize, end: u64) -> Vec<Range<u64>> {
    changes.sort_unstable();
    let mut found: Vec<Range<u64>> = Vec::new();
    let mut used = 0;
    for pair in changes.windows(2) {
        used += pair[0].1;
        let (from, to) = (pair[0].0, pair[1].0);
        if from == to || used as f64 > steps as f64 * SPARSE {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.end == from => last.end = to,
            _ => found.push(from..to),
        }
    }
    found.retain(|range| (range.end - range.start) as f64 > end as f64 * LONG);
    let is_all = found.iter().map(|range| range.end - range.start).sum::<u64>() >= end;
    if is_all || found.len() > 3 { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(offsets: &[u64]) -> Plan {
        Plan { offsets: offsets.iter().map(|&offset| Bytes(offset)).collect(), ..Plan::default() }
    }

    #[test]
    fn a_range_that_one_step_uses_is_drawn_small() {
        // 500 of 600 bytes are alive at one step of 1,000; 100 above them throughout.
        let problem = Problem::default().with(0, 1, 500).with(0, 1000, 100);
        let rows = Addresses::new(&problem, &plan(&[0, 500]), 1000, (0, 300));
        assert_eq!(rows.row(0) - rows.row(500), SMALL_HEIGHT);
        assert!(rows.row(500) - rows.row(600) > 200, "{rows:?}");
    }

    #[test]
    fn an_arena_in_use_has_one_scale() {
        let problem = Problem::default().with(0, 10, 50).with(0, 10, 50);
        let rows = Addresses::new(&problem, &plan(&[0, 50]), 10, (0, 104));
        assert_eq!((rows.row(0), rows.row(50), rows.row(100)), (104, 54, 4));
        assert!(rows.sparse.is_empty());
    }

    #[test]
    fn nothing_has_rows_too() {
        let rows = Addresses::new(&Problem::default(), &Plan::default(), 0, (0, 100));
        assert!(rows.row(0) == 100 && rows.row(7) <= 100);
    }
}
