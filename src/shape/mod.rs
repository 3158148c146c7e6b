//! Shape inference: a graph and a scenario in, a concrete shape for every tensor out.
//!
//! Runs on numbers: the scenario binds every free dim first, so there is no
//! symbolic algebra, and another length is the same pass again. Small values
//! (shapes, axes, bounds) are carried along, as in `ShapeOf → Gather → Concat →
//! Reshape`. Knows no format and no runtime. One rule per canonical operator,
//! in [`rules`].

mod arithmetic;
mod context;
mod control;
mod engine;
mod layout;
pub mod rules;
#[cfg(test)]
mod testing;

pub use context::text;
pub use engine::{Options, Shapes, infer};

use crate::graph::{Dims, Value};
use crate::{Bytes, DType};

/// How a shape is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Bound {
    /// It is this.
    #[default]
    Exact,
    /// It depends on data; no dim is larger than this.
    UpperBound,
}

impl Bound {
    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Bound::Exact => "exact",
            Bound::UpperBound => "upper_bound",
        }
    }
}

/// What is known of a tensor in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Element type.
    pub dtype: DType,
    /// Dims; `None`: unknown (an operator without a rule was allowed, or reads an unknown tensor).
    pub dims: Option<Dims>,
    /// How the dims are known.
    pub bound: Bound,
    /// The elements, where they are few and computable.
    pub value: Option<Value>,
}

impl TensorInfo {
    /// A tensor of known dims.
    #[must_use]
    pub fn known(dtype: DType, dims: impl IntoIterator<Item = u64>) -> TensorInfo {
        TensorInfo { dtype, dims: Some(dims.into_iter().collect()), bound: Bound::Exact, value: None }
    }

    /// A tensor of which only the type is known.
    #[must_use]
    pub fn unknown(dtype: DType) -> TensorInfo {
        TensorInfo { dtype, dims: None, bound: Bound::Exact, value: None }
    }

    /// Number of elements; `None`: unknown. Saturates.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        Some(self.dims.as_ref()?.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)))
    }

    /// Packed bytes; `None`: dims or the type's size are unknown.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        self.dtype.bytes(self.elements()?)
    }
}
