//! Adds the nodes that a node of the file is written out as.

use super::work::{Build, Dim, Edge, Node, Patch, Tensor};
use crate::graph::Op;
use crate::ids::NodeId;

/// Adds nodes to a patch, for one node of the file.
pub(super) struct Writer<'a> {
    /// What the nodes go to.
    pub patch: &'a mut Patch,
    /// The node of the file that they represent.
    pub source: NodeId,
}

impl Writer<'_> {
    /// Adds a node that is named after its operator.
    pub(super) fn named(&mut self, op: Op, tensor: Tensor, inputs: impl IntoIterator<Item = Edge>) -> Edge {
        let is_of_kind = matches!(op, Op::Mvn(_));
        let word = if is_of_kind { super::kind::word(&op) } else { op.kind().name().to_owned() };
        let (kind, name) = (super::kind::of(&op, &word), self.patch.fresh_name(&word));
        Edge::of(self.patch.add(Node::named(name, op, kind, self.source).writing(tensor), inputs))
    }

    /// Adds a constant list of integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> Edge {
        self.patch.add_ints(values, self.source)
    }

    /// Adds a constant list of the sizes of dims.
    pub(super) fn dims(&mut self, dims: &[Dim]) -> Edge {
        let dims: Vec<i64> = dims.iter().map(|dim| dim.size() as i64).collect();
        self.ints(&dims)
    }
}
