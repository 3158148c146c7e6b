//! Items fused into larger ones, and taken apart again.
//!
//! Each tree is a guess of which items are adjacent, and its root is an item like
//! any other. All edits since the last one that was kept can be undone.

use super::parts::Item;
use smallvec::SmallVec;

/// What is put together, each with its distance from the lowest byte.
pub(super) type Parts = SmallVec<[(usize, u64); 4]>;

/// Sections, as positions in time.
pub(super) type Boundaries = SmallVec<[usize; 8]>;

/// An item, or several that keep their distance in bytes.
#[derive(Clone, Debug)]
struct Node {
    item: Item,
    /// None for the items that there were at first.
    parts: Parts,
    /// What it is a part of.
    parent: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    Fused(usize),
    Split(usize),
}

/// All that is fused at one time.
#[derive(Clone, Debug)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    /// Nodes that are in no tree.
    unused: Vec<usize>,
    /// By section, the roots that start and that end there.
    starting: Vec<Vec<usize>>,
    ending: Vec<Vec<usize>>,
    /// By section, the nodes of which a part starts there and none before: where a cut takes them apart.
    cuts: Vec<Vec<usize>>,
    /// Roots that do not span all sections.
    open: usize,
    edits: Vec<Edit>,
}

impl Forest {
    /// Each item alone; item `i` is node `i`.
    pub(super) fn new(items: &[Item], sections: usize) -> Forest {
        let node = |item: &Item| Node { item: item.clone(), parts: Parts::new(), parent: None };
        let mut forest = Forest {
            nodes: items.iter().map(node).collect(),
            unused: Vec::new(),
            starting: vec![Vec::new(); sections + 1],
            ending: vec![Vec::new(); sections + 1],
            cuts: vec![Vec::new(); sections + 1],
            open: 0,
            edits: Vec::new(),
        };
        (0..items.len()).for_each(|index| forest.link(index));
        forest
    }

    /// The room that a node takes.
    pub(super) fn item(&self, node: usize) -> &Item {
        &self.nodes[node].item
    }

    /// What a node was fused from, if anything.
    pub(super) fn parts(&self, node: usize) -> &Parts {
        &self.nodes[node].parts
    }

    /// Whether nothing has been fused with any of these, which were roots at some time since an edit was kept.
    pub(super) fn are_roots(&self, parts: &Parts) -> bool {
        parts.iter().all(|&(part, _)| self.nodes[part].parent.is_none())
    }

    /// The roots that start at a section.
    pub(super) fn starting(&self, section: usize) -> &[usize] {
        &self.starting[section]
    }

    /// The roots that end where a section starts.
    pub(super) fn ending(&self, section: usize) -> &[usize] {
        &self.ending[section]
    }

    /// The nodes that a cut at the start of a section takes apart.
    pub(super) fn cuts(&self, section: usize) -> &[usize] {
        &self.cuts[section]
    }

    /// Roots that do not span all sections: what is left to do.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Puts one root in the place of several; the boundaries that this touches.
    pub(super) fn fuse(&mut self, parts: Parts) -> Boundaries {
        let mut item = Item { start: usize::MAX, end: 0, size: 0 };
        for &(part, distance) in &parts {
            let part = &self.nodes[part].item;
            item.start = item.start.min(part.start);
            item.end = item.end.max(part.end);
            item.size = item.size.max(distance + part.size);
        }
        let node = Node { item, parts, parent: None };
        let id = match self.unused.pop() {
            Some(id) => {
                self.nodes[id] = node;
                id
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.join(id);
        self.edits.push(Edit::Fused(id));
        self.boundaries(id)
    }

    /// Puts its parts in the place of a root; the boundaries that this touches.
    pub(super) fn split(&mut self, root: usize) -> Boundaries {
        self.part(root);
        self.edits.push(Edit::Split(root));
        self.boundaries(root)
    }

    /// Splits all that a node is in, and the node; the boundaries that this touches.
    pub(super) fn split_down_to(&mut self, node: usize) -> Vec<usize> {
        let mut path = vec![node];
        while let Some(parent) = path.last().and_then(|&node| self.nodes[node].parent) {
            path.push(parent);
        }
        path.into_iter().rev().flat_map(|root| self.split(root)).collect()
    }

    /// Takes back all edits since the last that was kept.
    pub(super) fn undo(&mut self) {
        while let Some(edit) = self.edits.pop() {
            match edit {
                Edit::Fused(id) => {
                    self.part(id);
                    self.unused.push(id);
                }
                Edit::Split(id) => self.join(id),
            }
        }
    }

    /// Makes all edits so far final.
    pub(super) fn keep(&mut self) {
        let split = self.edits.drain(..).filter_map(|edit| match edit {
            Edit::Split(id) => Some(id),
            Edit::Fused(_) => None,
        });
        self.unused.extend(split);
    }

    /// The roots, each with the items in it and their distances from its lowest byte.
    pub(super) fn roots(&self) -> Vec<(Item, Vec<(usize, u64)>)> {
        let mut roots: Vec<usize> = self.starting.iter().flatten().copied().collect();
        roots.sort_unstable();
        let members = |root: usize| {
            let mut members = Vec::new();
            let mut stack = vec![(root, 0)];
            while let Some((node, at)) = stack.pop() {
                let parts = &self.nodes[node].parts;
                if parts.is_empty() {
                    members.push((node, at));
                }
                stack.extend(parts.iter().rev().map(|&(part, distance)| (part, at + distance)));
            }
            members
        };
        roots.into_iter().map(|root| (self.nodes[root].item.clone(), members(root))).collect()
    }

    /// Where the parts of a node start and end.
    fn boundaries(&self, node: usize) -> Boundaries {
        let parts = self.nodes[node].parts.iter().map(|&(part, _)| &self.nodes[part].item);
        let mut boundaries: Boundaries = parts.flat_map(|item| [item.start, item.end]).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        boundaries
    }

    /// The sections before which a node is cut: where parts of it start that are not its first.
    fn inner_starts(&self, node: usize) -> SmallVec<[usize; 2]> {
        let Node { item, parts, .. } = &self.nodes[node];
        let starts = parts.iter().map(|&(part, _)| self.nodes[part].item.start);
        let mut starts: SmallVec<[usize; 2]> = starts.filter(|&start| start > item.start).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    fn join(&mut self, id: usize) {
        for position in 0..self.nodes[id].parts.len() {
            let part = self.nodes[id].parts[position].0;
            self.unlink(part);
            self.nodes[part].parent = Some(id);
        }
        for section in self.inner_starts(id) {
            self.cuts[section].push(id);
        }
        self.link(id);
    }

    fn part(&mut self, id: usize) {
        self.unlink(id);
        for section in self.inner_starts(id) {
            remove(&mut self.cuts[section], id);
        }
        for position in 0..self.nodes[id].parts.len() {
            let part = self.nodes[id].parts[position].0;
            self.nodes[part].parent = None;
            self.link(part);
        }
    }

    fn link(&mut self, id: usize) {
        let item = &self.nodes[id].item;
        self.starting[item.start].push(id);
        self.ending[item.end].push(id);
        self.open += usize::from(!self.spans(id));
    }

    fn unlink(&mut self, id: usize) {
        let Item { start, end, .. } = self.nodes[id].item;
        remove(&mut self.starting[start], id);
        remove(&mut self.ending[end], id);
        self.open -= usize::from(!self.spans(id));
    }

    fn spans(&self, id: usize) -> bool {
        let item = &self.nodes[id].item;
        item.start == 0 && item.end + 1 == self.starting.len()
    }
}

fn remove(list: &mut Vec<usize>, id: usize) {
    if let Some(position) = list.iter().position(|&other| other == id) {
        list.swap_remove(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(start: usize, end: usize, size: u64) -> Item {
        Item { start, end, size }
    }

    /// offset ↑  ├─1─┬───┤
    ///           ├─0─┤ 2 ├─3─┤
    /// time →    0   1   2   3
    fn forest() -> Forest {
        let mut forest = Forest::new(&[item(0, 1, 2), item(0, 1, 1), item(1, 2, 3), item(2, 3, 3)], 3);
        forest.fuse(Parts::from_slice(&[(0, 0), (1, 2), (2, 0)]));
        forest.fuse(Parts::from_slice(&[(4, 0), (3, 0)]));
        forest
    }

    #[test]
    fn roots_know_where_their_items_lie() {
        let forest = forest();
        assert_eq!(forest.roots(), [(item(0, 3, 3), vec![(0, 0), (1, 2), (2, 0), (3, 0)])]);
        assert_eq!((forest.open(), forest.cuts(1), forest.cuts(2)), (0, &[4][..], &[5][..]));
    }

    #[test]
    fn what_is_split_is_undone() {
        let mut forest = forest();
        forest.keep();
        forest.split_down_to(4);
        assert_eq!((forest.open(), forest.roots().len()), (4, 4));
        forest.fuse(Parts::from_slice(&[(2, 0), (3, 0)]));
        assert_eq!(forest.open(), 3);
        forest.undo();
        assert_eq!((forest.open(), forest.roots().len()), (0, 1));
        assert_eq!((forest.cuts(1), forest.cuts(2)), (&[4][..], &[5][..]));
    }

    #[test]
    fn nodes_of_no_tree_are_used_again() {
        let mut forest = forest();
        for _ in 0..10 {
            let pair = forest.cuts(1)[0];
            forest.split_down_to(pair);
            forest.fuse(Parts::from_slice(&[(0, 0), (1, 2), (2, 0)]));
            let root = forest.starting(0)[0];
            forest.fuse(Parts::from_slice(&[(root, 0), (3, 0)]));
            forest.keep();
        }
        assert!(forest.nodes.len() <= 8, "{}", forest.nodes.len());
    }
}
