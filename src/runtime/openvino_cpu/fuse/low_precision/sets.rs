//! Sets of nodes that grow together.

/// Which nodes are in one set: a forest, whose roots stand for the sets.
#[derive(Debug)]
pub(super) struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    /// As many sets of one node each.
    pub(super) fn new(nodes: usize) -> Sets {
        Sets { parent: (0..nodes).collect() }
    }

    /// The node that represents the set of another.
    pub(super) fn find(&mut self, node: usize) -> usize {
        let mut root = node;
        while self.parent[root] != root {
            self.parent[root] = self.parent[self.parent[root]];
            root = self.parent[root];
        }
        root
    }

    /// Makes two sets one.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[b] = a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_sets_have_one_root() {
        let mut sets = Sets::new(4);
        sets.join(0, 1);
        sets.join(2, 1);
        assert_eq!(sets.find(0), sets.find(2));
        assert_ne!(sets.find(0), sets.find(3));
    }
}
