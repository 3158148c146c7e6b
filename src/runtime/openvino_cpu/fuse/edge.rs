//! One output of one node, as nodes read it.

use crate::rewrite::Source;
use std::fmt;
use std::num::NonZeroU32;

/// One output of one node.
///
/// Small, since a graph has millions: an absent one is as long as one that is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Edge {
    /// Position of the node, counted from 1.
    number: NonZeroU32,
    port: u32,
}

impl Edge {
    /// Output `port` of the node at a position.
    pub(super) fn new(node: usize, port: usize) -> Edge {
        let number = u32::try_from(node).ok().and_then(|node| NonZeroU32::MIN.checked_add(node));
        Edge { number: number.expect("graphs are capped below 2^32 nodes"), port: port as u32 }
    }

    /// The first output of a node.
    pub(super) fn of(node: usize) -> Edge {
        Edge::new(node, 0)
    }

    /// Position of the node.
    pub(super) fn node(self) -> usize {
        self.number.get() as usize - 1
    }

    /// Which output.
    pub(super) fn port(self) -> usize {
        self.port as usize
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output {} of {}", self.port, self.node())
    }
}

impl Source for Edge {
    fn origin(self) -> usize {
        self.node()
    }
}
