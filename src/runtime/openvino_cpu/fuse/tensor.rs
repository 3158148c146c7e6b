//! What a node writes, while the graph is rewritten.

use super::dim::Dim;
use crate::DType;
use crate::graph::Dims;
use crate::runtime::openvino_cpu::execution::Layout;
use smallvec::SmallVec;

/// What a node writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    /// Element type.
    pub dtype: DType,
    /// Dims.
    pub dims: SmallVec<[Dim; 4]>,
    /// Order in memory.
    pub layout: Layout,
}

impl Tensor {
    /// A tensor whose dims are all known when the model is compiled.
    pub(super) fn fixed(dtype: DType, dims: &[u64]) -> Tensor {
        let dims = dims.iter().map(|&size| Dim::fixed(size)).collect();
        Tensor { dtype, dims, layout: Layout::Plain }
    }

    /// Whether a dim was free when the model was compiled.
    pub(super) fn is_free(&self) -> bool {
        self.dims.iter().any(|dim| dim.is_free())
    }

    /// The dims of this run.
    pub(super) fn sizes(&self) -> Dims {
        self.dims.iter().map(|dim| dim.size()).collect()
    }

    /// The dims of this run, to be replaced by those of another; nothing is asked.
    pub(super) fn replaceable_sizes(&self) -> Dims {
        self.dims.iter().map(|dim| dim.replaceable()).collect()
    }

    /// Number of elements; saturates.
    pub(super) fn elements(&self) -> u64 {
        self.dims.iter().fold(1, |product: u64, dim| product.saturating_mul(dim.size()))
    }

    /// Whether another has the same sizes in this run.
    pub(super) fn has_sizes_of(&self, other: &Tensor) -> bool {
        self.dims.len() == other.dims.len()
            && self.dims.iter().zip(&other.dims).all(|(own, other)| own.is_size_of(*other))
    }

    /// Whether it has no element.
    pub(super) fn is_empty(&self) -> bool {
        self.dims.iter().any(|dim| dim.is(0))
    }

    /// Whether it has one element.
    pub(super) fn is_number(&self) -> bool {
        self.dims.iter().all(|dim| dim.is(1))
    }

    /// The last dim, where it is known when the model is compiled.
    pub(super) fn last(&self) -> Option<u64> {
        self.dims.last().and_then(|dim| dim.known())
    }
}
