//! Shape inference: a shape for every tensor of a graph.
//!
//! One rule per canonical operator, in `rules`, serves two passes. [`infer`] is given a scenario that binds every
//! free dim to a number, and every shape is known. [`infer_symbolic`] gives every free dim of an input a symbol:
//! what a runtime knows that compiles a model before sizes are known. There is no algebra on symbols ([`dim`]), so
//! that another length is the concrete pass again. Small values (shapes, axes, bounds) are carried along, as in
//! `ShapeOf → Gather → Concat → Reshape`. Knows no format and no runtime: what a runtime's own inference forgets is a
//! [`Filter`] in that runtime's folder.

mod arithmetic;
mod context;
mod control;
pub mod dim;
mod engine;
mod integers;
mod layout;
mod rules;
mod shapes;
mod start;
mod symbolic;
#[cfg(test)]
mod testing;
mod unread;

pub use context::text;
pub use dim::{Dim, Element, Symbol};
pub use engine::infer;
pub(crate) use rules::reshape::reshaped;
pub use shapes::{Options, Shapes};
pub use symbolic::{Everything, Filter, SymbolicScenario, SymbolicShapes, Symbols, infer_symbolic};

use crate::graph::{Dims, Value};
use crate::{Bytes, DType};
use dim::{DimList, ElementList, Partial};

/// How a shape is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
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

/// What is known of a tensor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Element type.
    pub dtype: DType,
    /// Dims, where all of them are known. `None`: an operator without a rule was allowed, or the tensor reads an
    /// unknown one; in symbolic inference also where [`shape`](TensorInfo::shape) has a dim that is not a number.
    pub dims: Option<Dims>,
    /// How the dims are known.
    pub bound: Bound,
    /// The elements, where they are few and computable.
    pub value: Option<Value>,
    /// What is known besides; only symbolic inference allocates it.
    pub partial: Option<Box<Partial>>,
}

impl TensorInfo {
    /// A tensor of known dims.
    #[must_use]
    pub fn known(dtype: DType, dims: impl IntoIterator<Item = u64>) -> TensorInfo {
        TensorInfo { dims: Some(dims.into_iter().collect()), ..TensorInfo::unknown(dtype) }
    }

    /// A tensor of which only the type is known.
    #[must_use]
    pub fn unknown(dtype: DType) -> TensorInfo {
        TensorInfo { dtype, dims: None, bound: Bound::Exact, value: None, partial: None }
    }

    /// A tensor of known rank.
    #[must_use]
    pub fn of_shape(dtype: DType, dims: impl IntoIterator<Item = Dim>) -> TensorInfo {
        let mut info = TensorInfo::unknown(dtype);
        info.set_shape(dims);
        info
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

    /// The dims, each known, a symbol or unknown; `None`: not even the rank is known.
    #[must_use]
    pub fn shape(&self) -> Option<DimList> {
        match &self.dims {
            Some(dims) => Some(dims.iter().map(|&dim| Dim::Known(dim)).collect()),
            None => self.partial.as_ref()?.dims.clone(),
        }
    }

    /// Number of dims; `None`: unknown.
    #[must_use]
    pub fn rank(&self) -> Option<usize> {
        match &self.dims {
            Some(dims) => Some(dims.len()),
            None => self.partial.as_ref()?.dims.as_ref().map(|dims| dims.len()),
        }
    }

    /// Dim `axis`; unknown if there is none.
    #[must_use]
    pub fn dim(&self, axis: usize) -> Dim {
        let dim = match (&self.dims, &self.partial) {
            (Some(dims), _) => dims.get(axis).map(|&dim| Dim::Known(dim)),
            (None, Some(partial)) => partial.dims.as_ref().and_then(|dims| dims.get(axis)).copied(),
            (None, None) => None,
        };
        dim.unwrap_or(Dim::Unknown)
    }

    /// The elements of an integer tensor, each known, a symbol or unknown; `None`: nothing is known of them.
    #[must_use]
    pub fn integers(&self) -> Option<ElementList> {
        match &self.value {
            Some(value) => Some(value.as_ints()?.iter().map(|&value| Element::Known(value)).collect()),
            None => self.partial.as_ref()?.elements.clone(),
        }
    }

    /// Changes the dims; the elements stay.
    pub fn set_shape(&mut self, dims: impl IntoIterator<Item = Dim>) {
        let mut rest = dims.into_iter();
        let mut known = Dims::new();
        while let Some(dim) = rest.next() {
            match dim {
                Dim::Known(size) => known.push(size),
                _ => {
                    let before = known.into_iter().map(Dim::Known);
                    let dims = before.chain([dim]).chain(rest).collect();
                    self.dims = None;
                    return self.set_partial(|own| own.dims = Some(dims));
                }
            }
        }
        self.dims = Some(known);
        self.set_partial(|own| own.dims = None);
    }

    /// Forgets the dims and the rank.
    pub fn forget_shape(&mut self) {
        self.dims = None;
        self.set_partial(|own| own.dims = None);
    }

    /// Forgets the elements.
    pub fn forget_elements(&mut self) {
        self.value = None;
        self.set_partial(|own| own.elements = None);
    }

    /// Changes the elements to these integers.
    pub fn set_integers(&mut self, elements: ElementList) {
        match elements.iter().map(|element| element.known()).collect::<Option<Vec<_>>>() {
            Some(values) => self.value = Some(Value::ints(values)),
            None => self.set_partial(|own| own.elements = Some(elements)),
        }
    }

    fn set_partial(&mut self, change: impl FnOnce(&mut Partial)) {
        let mut partial = self.partial.take();
        let mut own = partial.as_deref_mut().map(std::mem::take).unwrap_or_default();
        change(&mut own);
        if own.dims.is_some() || own.elements.is_some() {
            let mut partial = partial.unwrap_or_default();
            *partial = own;
            self.partial = Some(partial);
        }
    }
}
