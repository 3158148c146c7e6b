//! What inference finds.

use super::{Bound, TensorInfo};
use crate::error::{Diagnostic, Error, Severity};
use crate::graph::Graph;
use crate::ids::{NodeId, TensorId};
use crate::scenario::{Binding, DataSizes};
use std::collections::BTreeMap;

/// How strict inference is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A declared static shape that inference contradicts is an error instead of a diagnostic.
    pub strict: bool,
    /// A node without a shape leaves its outputs unknown instead of being an error.
    pub allow_opaque: bool,
    /// What sizes that depend on data are taken to be.
    pub data_sizes: DataSizes,
}

/// The result of [`infer`](super::infer): what is known of every tensor of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Shapes {
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) bodies: BTreeMap<NodeId, Vec<Shapes>>,
    pub(super) binding: Binding,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) is_refused: bool,
    /// Elements of all values that are stored.
    pub(super) value_elements: u64,
    pub(super) data_sizes: DataSizes,
    /// A size is more than its least, of which no rule knows.
    pub(super) lacks_least: bool,
}

impl Shapes {
    /// All tensors, in the graph's order.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// What is known of a tensor.
    #[must_use]
    pub fn tensor(&self, id: TensorId) -> &TensorInfo {
        &self.tensors[id.index()]
    }

    /// Shapes of the bodies of a control-flow node, in the order of [`Graph::bodies`].
    #[must_use]
    pub fn bodies(&self, node: NodeId) -> &[Shapes] {
        self.bodies.get(&node).map_or(&[], Vec::as_slice)
    }

    /// What sizes that depend on data were taken to be.
    #[must_use]
    pub fn data_sizes(&self) -> DataSizes {
        self.data_sizes
    }

    /// Whether a size depends on data.
    #[must_use]
    pub fn depends_on_data(&self) -> bool {
        self.tensors.iter().any(|tensor| tensor.bound != Bound::Exact)
            || self.bodies.values().flatten().any(Shapes::depends_on_data)
    }

    /// Whether the least was asked for, and a size is there of which no rule knows the least.
    #[must_use]
    pub fn lacks_least(&self) -> bool {
        self.lacks_least || self.bodies.values().flatten().any(Shapes::lacks_least)
    }

    /// What the scenario bound.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Whether these are of a branch that cannot run, because it contradicts the shapes that it is given.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Problems that did not end inference; those of bodies included.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        let mut found: Vec<_> = self.diagnostics.iter().collect();
        found.extend(self.bodies.values().flatten().flat_map(Shapes::diagnostics));
        found.into_iter()
    }

    /// Of a branch that cannot run, because it contradicts the shapes it is given.
    pub(super) fn refused(body: &Graph, error: &Error) -> Shapes {
        Shapes {
            tensors: body.tensors().iter().map(|tensor| TensorInfo::unknown(tensor.dtype)).collect(),
            bodies: BTreeMap::new(),
            binding: Binding::default(),
            is_refused: true,
            value_elements: 0,
            data_sizes: DataSizes::default(),
            lacks_least: false,
            diagnostics: vec![Diagnostic {
                code: "MG0003",
                severity: Severity::Note,
                location: error.location().clone(),
                text: format!(
                    "this branch cannot run with these shapes, the other one is taken: {}",
                    error.message()
                ),
            }],
        }
    }
}
