//! Up to where memory is filled without a gap, per step: the lowest offset that a buffer can have.
//!
//! If all bytes below an offset are taken at one step of a live range, no fit for it is lower. A tree over the steps
//! stores this offset as a lower bound: it is exact where buffers are stacked without gaps, and never too high. So a
//! search can skip what is placed below, which is nearly everything where many buffers are alive together.

/// Nodes of the tree that one update may visit. An update that is cut short leaves lower bounds, which are valid.
const MAX_VISITED: usize = 256;

/// The filled prefix of each step.
#[derive(Debug)]
pub(super) struct Filled {
    /// The steps at which live ranges start or end, sorted.
    steps: Vec<u32>,
    /// Least and greatest prefix below each node. Below a node where they are equal, all prefixes are that value and the
    /// children may be out of date.
    prefixes: Vec<(u64, u64)>,
}

/// A node of the tree and the leaves below it.
#[derive(Clone, Copy)]
struct Node {
    index: usize,
    first: usize,
    end: usize,
}

impl Node {
    fn children(self) -> [Node; 2] {
        let middle = self.first.midpoint(self.end);
        let child = |index, first, end| Node { index, first, end };
        [child(2 * self.index, self.first, middle), child(2 * self.index + 1, middle, self.end)]
    }
}

impl Filled {
    /// Nothing placed yet, for buffers of these live ranges.
    pub(super) fn new(lives: &[(u32, u32)]) -> Filled {
        let mut steps: Vec<u32> = lives.iter().flat_map(|&(start, end)| [start, end]).collect();
        steps.sort_unstable();
        steps.dedup();
        let leaves = steps.len().max(1).next_power_of_two();
        Filled { steps, prefixes: vec![(0, 0); 2 * leaves] }
    }

    /// An offset that no fit for this live range is below.
    pub(super) fn floor(&self, life: (u32, u32)) -> u64 {
        self.greatest(self.root(), self.range(life))
    }

    /// Records that `start..end` is occupied during a live range; `start` is at least its floor.
    pub(super) fn take(&mut self, life: (u32, u32), start: u64, end: u64) {
        let (root, range) = (self.root(), self.range(life));
        self.extend(root, range, (start, end), &mut MAX_VISITED.clone());
    }

    fn root(&self) -> Node {
        Node { index: 1, first: 0, end: self.prefixes.len() / 2 }
    }

    fn range(&self, life: (u32, u32)) -> (usize, usize) {
        let at = |step| self.steps.partition_point(|&other| other < step);
        (at(life.0), at(life.1))
    }

    fn greatest(&self, node: Node, range: (usize, usize)) -> u64 {
        if node.end <= range.0 || range.1 <= node.first {
            return 0;
        }
        let (least, greatest) = self.prefixes[node.index];
        if least == greatest || (range.0 <= node.first && node.end <= range.1) {
            return greatest;
        }
        let [left, right] = node.children();
        self.greatest(left, range).max(self.greatest(right, range))
    }

    /// Raises prefixes that end at `taken.0` to `taken.1`.
    fn extend(&mut self, node: Node, range: (usize, usize), taken: (u64, u64), left: &mut usize) {
        let (least, greatest) = self.prefixes[node.index];
        let is_apart = node.end <= range.0 || range.1 <= node.first;
        if is_apart || greatest < taken.0 || *left == 0 {
            return;
        }
        *left -= 1;
        let is_inside = range.0 <= node.first && node.end <= range.1;
        if least == greatest && (is_inside || greatest != taken.0) {
            if greatest == taken.0 {
                self.prefixes[node.index] = (taken.1, taken.1);
            }
            return;
        }
        let children = node.children();
        if least == greatest {
            children.iter().for_each(|child| self.prefixes[child.index] = (least, greatest));
        }
        children.iter().for_each(|&child| self.extend(child, range, taken, left));
        let [left, right] = children.map(|child| self.prefixes[child.index]);
        self.prefixes[node.index] = (left.0.min(right.0), left.1.max(right.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::random::Random;

    #[test]
    fn floors_are_never_above_the_filled_bytes() {
        let mut random = Random::new(3);
        for _ in 0..50 {
            let lives: Vec<(u32, u32)> = (0..60)
                .map(|_| {
                    let start = random.below(40) as u32;
                    (start, start + 1 + random.below(20) as u32)
                })
                .collect();
            let mut filled = Filled::new(&lives);
            // Per step, the end of what is filled from 0 on.
            let mut exact = [0_u64; 64];
            for &life in &lives {
                let steps = life.0 as usize..life.1 as usize;
                let floor = filled.floor(life);
                let highest = exact[steps.clone()].iter().copied().max().unwrap();
                assert!(floor <= highest, "{floor} is above {highest}");
                let start = highest + random.below(2) * random.below(3);
                let end = start + 1 + random.below(9);
                filled.take(life, start, end);
                exact[steps].iter_mut().filter(|prefix| **prefix == start).for_each(|prefix| *prefix = end);
            }
        }
    }

    #[test]
    fn a_stack_of_nested_buffers_is_exact() {
        // offset ↑    ┌─c─┐
        //           ┌─┴───┴─b┐
        //         ┌─┴────────┴─a┐
        let lives = [(0, 8), (1, 7), (2, 6)];
        let mut filled = Filled::new(&lives);
        for (at, &life) in lives.iter().enumerate() {
            assert_eq!(filled.floor(life), 4 * at as u64);
            filled.take(life, 4 * at as u64, 4 * at as u64 + 4);
        }
        assert_eq!(filled.floor((0, 1)), 4);
        assert_eq!(filled.floor((2, 6)), 12);
    }
}
