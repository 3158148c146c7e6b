//! Which node of one graph is which node of another.
//!
//! Rules are tried in order, each on the nodes that are still without a counterpart: the strictest first. Nodes that a rule
//! cannot distinguish are paired in order of execution.
//!
//! 1. the same name and the same surroundings;
//! 2. the same module path and operator: the file was exported again, with other types or shapes;
//! 3. the same surroundings, of which both graphs have as many; in the same layer, then in any, then nearer surroundings:
//!    names were renumbered, or are gone, and layers with them;
//! 4. the same name and operator;
//! 5. the same operator, types and shapes in the same layer.

use super::identity::{Node, ROUNDS};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::hash::Hash;

/// For each key of the second graph, the key of the first that it is; keys without a counterpart are not in it.
///
/// Cost: linear in nodes.
pub(super) fn counterparts<'a>(old: &'a [Node], new: &'a [Node]) -> FxHashMap<&'a str, &'a str> {
    let mut pairs = Pairs { old, new, of_old: vec![None; old.len()], of_new: vec![None; new.len()] };
    pairs.by(|node| Some((&*node.key, node.colors[ROUNDS])));
    pairs.by(|node| node.has_path.then_some((&*node.key, &*node.type_name)));
    pairs.by_equal_counts(|node| node.colors[ROUNDS]);
    pairs.by(|node| Some((node.colors[ROUNDS], node.layer)));
    for round in (1..=ROUNDS).rev() {
        pairs.by(|node| Some(node.colors[round]));
    }
    pairs.by(|node| Some((&*node.key, &*node.type_name)));
    pairs.by(|node| Some((node.colors[0], node.layer)));
    pairs.keys()
}

struct Pairs<'a> {
    old: &'a [Node],
    new: &'a [Node],
    of_old: Vec<Option<usize>>,
    of_new: Vec<Option<usize>>,
}

impl<'a> Pairs<'a> {
    /// Pairs nodes whose features are equal, in their order, where both graphs have as many of them left.
    fn by_equal_counts<K: Eq + Hash>(&mut self, feature: impl Fn(&'a Node) -> K) {
        let mut left: FxHashMap<K, [usize; 2]> = FxHashMap::default();
        for (side, (nodes, of)) in
            [(self.old, &self.of_old), (self.new, &self.of_new)].into_iter().enumerate()
        {
            for (node, _) in nodes.iter().zip(of).filter(|(_, other)| other.is_none()) {
                left.entry(feature(node)).or_default()[side] += 1;
            }
        }
        self.by(|node| Some(feature(node)).filter(|key| left.get(key).is_some_and(|[old, new]| old == new)));
    }

    /// Pairs nodes whose features are equal, in their order.
    fn by<K: Eq + Hash>(&mut self, feature: impl Fn(&'a Node) -> Option<K>) {
        let mut waiting: FxHashMap<K, VecDeque<usize>> = FxHashMap::default();
        for (index, node) in self.old.iter().enumerate().filter(|(index, _)| self.of_old[*index].is_none()) {
            if let Some(key) = feature(node) {
                waiting.entry(key).or_default().push_back(index);
            }
        }
        for (index, node) in self.new.iter().enumerate() {
            if self.of_new[index].is_some() {
                continue;
            }
            let found = feature(node).and_then(|key| waiting.get_mut(&key)?.pop_front());
            if let Some(other) = found {
                self.of_new[index] = Some(other);
                self.of_old[other] = Some(index);
            }
        }
    }

    /// The pairs as names. Nodes may share a name: an equal name is preferred, and no old name is given twice.
    fn keys(&self) -> FxHashMap<&'a str, &'a str> {
        let mut found: FxHashMap<&str, &str> = FxHashMap::default();
        let mut taken: FxHashSet<&str> = FxHashSet::default();
        let pairs = || {
            let each = self.new.iter().zip(&self.of_new);
            each.filter_map(|(node, other)| Some((&*node.key, &*self.old.get((*other)?)?.key)))
        };
        for (key, other) in pairs().filter(|(key, other)| key == other).chain(pairs()) {
            if !found.contains_key(key) && taken.insert(other) {
                found.insert(key, other);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(key: &str, type_name: &str, colors: [u64; 4], layer: Option<u32>) -> Node {
        let has_path = key.contains('/');
        Node { key: key.to_owned(), type_name: type_name.to_owned(), layer, has_path, colors }
    }

    #[test]
    fn a_numbered_name_is_not_trusted_where_the_structure_says_otherwise() {
        // The numbers moved on by one: Add_2 is now what was Add_1.
        let old = [node("Add_1", "Add", [1, 1, 1, 1], None), node("Add_2", "Add", [1, 1, 1, 2], None)];
        let new = [node("Add_2", "Add", [1, 1, 1, 1], None), node("Add_3", "Add", [1, 1, 1, 2], None)];
        let found = counterparts(&old, &new);
        assert_eq!((found["Add_2"], found["Add_3"]), ("Add_1", "Add_2"));
    }

    #[test]
    fn a_module_path_is_the_same_node_with_other_types() {
        let old = [node("/layers.0/MatMul", "MatMul", [1; 4], Some(0))];
        let new = [node("/layers.0/MatMul", "MatMul", [2; 4], Some(0))];
        assert_eq!(counterparts(&old, &new)["/layers.0/MatMul"], "/layers.0/MatMul");
    }

    #[test]
    fn what_is_on_one_side_alone_has_no_counterpart() {
        let old = [node("a", "Add", [1; 4], None)];
        let new = [node("a", "Add", [1; 4], None), node("b", "Mul", [5; 4], None)];
        let found = counterparts(&old, &new);
        assert_eq!((found.get("a"), found.get("b")), (Some(&"a"), None));
    }

    #[test]
    fn layers_that_one_side_lacks_do_not_change_the_order() {
        let of = |name: &str, layer| node(name, "Relu", [7; 4], layer);
        let (old, new) = ([of("n1", Some(0)), of("n2", Some(0))], [of("m8", None), of("m9", Some(0))]);
        let found = counterparts(&old, &new);
        assert_eq!((found["m8"], found["m9"]), ("n1", "n2"));
    }

    #[test]
    fn equal_layers_are_paired_in_order() {
        let layer = |name: &str, layer| node(name, "Relu", [7; 4], Some(layer));
        let (old, new) = ([layer("n1", 0), layer("n2", 1)], [layer("m8", 0), layer("m9", 1)]);
        let found = counterparts(&old, &new);
        assert_eq!((found["m8"], found["m9"]), ("n1", "n2"));
    }
}
