//! The nodes of an executed graph, and where those of a kind are.
//!
//! What a graph needs is mostly asked of the nodes of a kind or two, which may be three of a million: the index is made once,
//! when it is first asked, and again after any change.

use super::kind::Kind;
use super::node::ExecutedNode;
use rustc_hash::FxHashMap;
use std::mem::{Discriminant, discriminant};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

/// Nodes in execution order: the position is the step. They are read and changed as a [`Vec`].
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    list: Vec<ExecutedNode>,
    /// Steps by kind, in order; all kinds without a rule are together.
    steps: OnceLock<FxHashMap<Discriminant<Kind>, Vec<u32>>>,
}

impl Nodes {
    /// The nodes of a kind with their steps, in order.
    ///
    /// Cost: linear in all nodes when first asked after a change, then in the nodes of the kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (u32, &ExecutedNode)> + use<'_> {
        let steps = self.steps.get_or_init(|| self.index());
        let steps = steps.get(&discriminant(&kind)).map(Vec::as_slice).unwrap_or_default();
        let nodes = steps.iter().filter_map(|&step| Some((step, self.list.get(step as usize)?)));
        nodes.filter(move |(_, node)| node.kind == kind)
    }

    /// Number of nodes of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.of_kind(kind).count()
    }

    /// Whether a node is of one of these kinds.
    #[must_use]
    pub fn has<const N: usize>(&self, kinds: [Kind; N]) -> bool {
        kinds.into_iter().any(|kind| self.of_kind(kind).next().is_some())
    }

    fn index(&self) -> FxHashMap<Discriminant<Kind>, Vec<u32>> {
        let mut steps: FxHashMap<Discriminant<Kind>, Vec<u32>> = FxHashMap::default();
        for (step, node) in (0_u32..).zip(&self.list) {
            steps.entry(discriminant(&node.kind)).or_default().push(step);
        }
        steps
    }
}

impl PartialEq for Nodes {
    fn eq(&self, other: &Nodes) -> bool {
        self.list == other.list
    }
}

impl Deref for Nodes {
    type Target = Vec<ExecutedNode>;

    fn deref(&self) -> &Vec<ExecutedNode> {
        &self.list
    }
}

impl DerefMut for Nodes {
    fn deref_mut(&mut self) -> &mut Vec<ExecutedNode> {
        self.steps.take();
        &mut self.list
    }
}

impl From<Vec<ExecutedNode>> for Nodes {
    fn from(list: Vec<ExecutedNode>) -> Nodes {
        Nodes { list, steps: OnceLock::new() }
    }
}

impl<'a> IntoIterator for &'a Nodes {
    type Item = &'a ExecutedNode;
    type IntoIter = std::slice::Iter<'a, ExecutedNode>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_the_index_anew() {
        let node = |kind| ExecutedNode { kind, ..ExecutedNode::default() };
        let other = |name: &str| Kind::Other(name.into());
        let mut nodes = Nodes::from(vec![node(Kind::Rope), node(other("A")), node(other("B"))]);
        let steps = |nodes: &Nodes, kind| nodes.of_kind(kind).map(|(step, _)| step).collect::<Vec<u32>>();
        assert_eq!((steps(&nodes, other("A")), steps(&nodes, other("B"))), (vec![1], vec![2]));
        assert!(!nodes.has([Kind::Gather, other("C")]));
        nodes.push(node(Kind::Rope));
        assert_eq!((steps(&nodes, Kind::Rope), nodes.count(Kind::Rope)), (vec![0, 3], 2));
        nodes[0].kind = Kind::Gather;
        assert!(nodes.has([Kind::Gather]));
        assert_eq!(steps(&nodes, Kind::Rope), [3]);
    }
}
