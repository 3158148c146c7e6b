//! Where walks over the graph start, and the last walk.

use std::cell::RefCell;
use std::rc::Rc;

/// Where walks start.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    /// Model outputs, by number.
    pub results: Vec<usize>,
    /// Model inputs, by number.
    pub parameters: Vec<usize>,
    /// Readers of variables, in the file's order.
    pub reads: Vec<usize>,
    /// Writers of variables, in the file's order.
    pub assigns: Vec<usize>,
}

/// The last walk from some roots, with the state of the graph that it is of.
#[derive(Debug, Default)]
pub(super) struct LastWalk(RefCell<Option<(u64, Rc<Vec<usize>>)>>);

impl LastWalk {
    /// The walk of a graph in this state: the last one, or a new one.
    pub(super) fn of(&self, state: u64, walk: impl FnOnce() -> Vec<usize>) -> Rc<Vec<usize>> {
        let mut last = self.0.borrow_mut();
        if let Some((known, order)) = &*last
            && *known == state
        {
            return order.clone();
        }
        let order = Rc::new(walk());
        *last = Some((state, order.clone()));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_made_again_where_the_graph_has_changed() {
        let last = LastWalk::default();
        assert_eq!(*last.of(1, || vec![1]), [1]);
        assert_eq!(*last.of(1, || vec![2]), [1]);
        assert_eq!(*last.of(2, || vec![3]), [3]);
    }
}
