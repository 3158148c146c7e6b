//! What a shape rule sees: its node's inputs; and what it says: its outputs.
//!
//! A rule that understands symbols reads [`Context::shape`] and [`Context::integers`]; one that reads
//! [`Context::dims`], [`Context::ints`] or [`Context::value`] needs numbers, and gives up where there are none.

use super::dim::{Dim, DimList, Element, ElementList};
use super::{Bound, TensorInfo};
use crate::DType;
use crate::graph::{Graph, Value};
use crate::ids::{NodeId, TensorId};
use crate::scenario::DataSizes;
use smallvec::SmallVec;
use std::cell::Cell;

pub(crate) use super::layout::MAX_VALUE_ELEMENTS;

/// Why a rule could not give shapes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RuleError {
    /// The shape of an input is unknown.
    #[error("the shape of input {0} is not known")]
    UnknownShape(usize),
    /// The value of an input is needed, and unknown.
    #[error("the value of input {0} is not known, and the output's shape depends on it")]
    UnknownValue(usize),
    /// Inputs or attributes contradict each other; the text names the two values that disagree.
    #[error("{0}")]
    Mismatch(String),
}

/// What a rule returns.
pub(crate) type RuleResult<T = ()> = Result<T, RuleError>;

/// A mismatch whose text is formatted like `format!`.
macro_rules! mismatch {
    ($($arg:tt)*) => { $crate::shape::context::RuleError::Mismatch(format!($($arg)*)) };
}
pub(crate) use mismatch;

/// One node under inference: inputs are read, outputs are emitted in port order.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    graph: &'a Graph,
    node: NodeId,
    tensors: &'a [TensorInfo],
    outputs: SmallVec<[TensorInfo; 2]>,
    /// An input's shape, or a value that the rule read, is an upper bound.
    inexact: Cell<bool>,
    /// What the rule took for granted.
    assumption: Option<&'static str>,
    /// Sizes may be symbols.
    is_symbolic: bool,
    /// What sizes that depend on data are taken to be.
    data_sizes: DataSizes,
    /// The least was asked for, and the rule does not know it.
    lacks_least: bool,
}

/// Lists of more integers than this are not carried along unless all are known: a shape has fewer dims.
const MAX_PARTIAL_ELEMENTS: u64 = 64;

impl<'a> Context<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        node: NodeId,
        tensors: &'a [TensorInfo],
        data_sizes: DataSizes,
    ) -> Context<'a> {
        Context {
            graph,
            node,
            tensors,
            outputs: SmallVec::new(),
            inexact: Cell::new(false),
            assumption: None,
            is_symbolic: false,
            data_sizes,
            lacks_least: false,
        }
    }

    /// The same for symbolic inference.
    pub(super) fn symbolic(graph: &'a Graph, node: NodeId, tensors: &'a [TensorInfo]) -> Context<'a> {
        Context { is_symbolic: true, ..Context::new(graph, node, tensors, DataSizes::Most) }
    }

    /// Whether sizes may be symbols.
    pub(crate) fn is_symbolic(&self) -> bool {
        self.is_symbolic
    }

    pub(super) fn into_outputs(self) -> SmallVec<[TensorInfo; 2]> {
        self.outputs
    }

    /// The graph of the node.
    pub(crate) fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// The node.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// All that is known of a tensor that was inferred before.
    pub(crate) fn tensor(&self, id: TensorId) -> &'a TensorInfo {
        &self.tensors[id.index()]
    }

    /// Number of input slots, absent ones included.
    pub(crate) fn n_inputs(&self) -> usize {
        self.graph.inputs(self.node).len()
    }

    /// Number of outputs that the file declares.
    pub(crate) fn n_outputs(&self) -> usize {
        self.graph.outputs(self.node).len()
    }

    /// Whether input `index` is there.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.graph.input(self.node, index).is_some()
    }

    /// All that is known of input `index`.
    pub(crate) fn input(&self, index: usize) -> RuleResult<&'a TensorInfo> {
        let tensor =
            self.graph.input(self.node, index).ok_or_else(|| mismatch!("input {index} is missing"))?;
        Ok(&self.tensors[tensor.index()])
    }

    /// Dims of input `index`, each known, a symbol or unknown.
    pub(crate) fn shape(&self, index: usize) -> RuleResult<DimList> {
        let input = self.input(index)?;
        let dims = input.shape().ok_or(RuleError::UnknownShape(index))?;
        if input.bound == Bound::UpperBound {
            self.inexact.set(true);
        }
        Ok(dims)
    }

    /// Number of dims of input `index`.
    pub(crate) fn rank(&self, index: usize) -> RuleResult<usize> {
        self.input(index)?.rank().ok_or(RuleError::UnknownShape(index))
    }

    /// The integers of input `index`, each known, a symbol or unknown; an error where none is known, unless the
    /// inference is symbolic and their number is known.
    pub(crate) fn integers(&self, index: usize) -> RuleResult<ElementList> {
        let input = self.input(index)?;
        if let Some(value) = self.value(index) {
            let values = value.as_ints().ok_or(RuleError::UnknownValue(index))?;
            return Ok(values.iter().map(|&value| Element::Known(value)).collect());
        }
        if let (Some(elements), true) = (input.integers(), self.is_symbolic) {
            return Ok(elements);
        }
        match input.elements() {
            Some(count) if self.is_symbolic && count <= MAX_PARTIAL_ELEMENTS => {
                Ok(ElementList::from_elem(Element::Unknown, count as usize))
            }
            _ => Err(RuleError::UnknownValue(index)),
        }
    }

    /// Dims of input `index`, if all are known.
    pub(crate) fn dims(&self, index: usize) -> RuleResult<&'a [u64]> {
        let input = self.input(index)?;
        let dims = input.dims.as_deref().ok_or(RuleError::UnknownShape(index))?;
        if input.bound == Bound::UpperBound {
            self.inexact.set(true);
        }
        Ok(dims)
    }

    /// Element type of input `index`; [`DType::Dynamic`] if it is absent.
    pub(crate) fn dtype(&self, index: usize) -> DType {
        self.input(index).map_or(DType::Dynamic, |input| input.dtype)
    }

    /// The value of input `index`, where it is known.
    pub(crate) fn value(&self, index: usize) -> Option<&'a Value> {
        let value = self.input(index).ok()?.value.as_ref()?;
        if value.is_upper_bound {
            self.inexact.set(true);
        }
        Some(value)
    }

    /// The integers of input `index`; an error where they are unknown.
    pub(crate) fn ints(&self, index: usize) -> RuleResult<&'a [i64]> {
        self.input(index)?;
        self.value(index).and_then(Value::as_ints).ok_or(RuleError::UnknownValue(index))
    }

    /// The single integer of input `index`; an error where it is unknown.
    pub(crate) fn int(&self, index: usize) -> RuleResult<i64> {
        match self.ints(index)? {
            [value] => Ok(*value),
            values => Err(mismatch!("input {index} must have one element, and has {}", values.len())),
        }
    }

    /// The numbers of input `index` as floats; an error where they are unknown.
    pub(crate) fn floats(&self, index: usize) -> RuleResult<SmallVec<[f64; 4]>> {
        self.input(index)?;
        self.value(index).map(Value::to_floats).ok_or(RuleError::UnknownValue(index))
    }

    /// Whether nothing that was read so far is an upper bound.
    pub(crate) fn is_exact(&self) -> bool {
        !self.inexact.get()
    }

    /// Dims of inputs `indices` joined the NumPy way. Of two dims that differ though they must agree, one of an upper
    /// bound gives way to an exact one, and the larger counts if both are bounds.
    pub(crate) fn broadcast(&self, indices: impl IntoIterator<Item = usize>) -> RuleResult<DimList> {
        let mut joined = DimList::new();
        let mut joined_bound = Bound::Exact;
        for index in indices {
            let dims = self.shape(index)?;
            let bound = self.input(index)?.bound;
            joined = broadcast_bounded((&joined, joined_bound), (&dims, bound))?;
            joined_bound = joined_bound.max(bound);
        }
        Ok(joined)
    }

    /// Dims of input `index` joined with `target`, which may be a bound itself.
    pub(crate) fn broadcast_to(&self, index: usize, target: &[Dim]) -> RuleResult<DimList> {
        let dims = self.shape(index)?;
        let bound = if self.is_exact() { Bound::Exact } else { Bound::UpperBound };
        broadcast_bounded((&dims, bound), (target, bound))
    }

    /// Notes what the rule takes for granted, for the report.
    pub(crate) fn assume(&mut self, text: &'static str) {
        self.assumption = Some(text);
    }

    /// The assumption made, if any.
    pub(super) fn assumption(&self) -> Option<&'static str> {
        self.assumption
    }

    /// From here on, outputs are upper bounds: the rule's shape depends on data, and the least that it can be is not known.
    pub(crate) fn depends_on_data(&mut self) {
        self.inexact.set(true);
        self.lacks_least |= self.data_sizes == DataSizes::Least;
    }

    /// A size that depends on data, as the scenario takes such sizes. From here on, outputs are bounds.
    pub(crate) fn of_data(&mut self, least: u64, most: u64) -> u64 {
        self.inexact.set(true);
        self.size_of_data(least, most)
    }

    fn size_of_data(&self, least: u64, most: u64) -> u64 {
        match self.data_sizes {
            DataSizes::Most => most,
            DataSizes::Least => least.min(most),
        }
    }

    /// Whether the least was asked for, and is not known of an output.
    pub(super) fn lacks_least(&self) -> bool {
        self.lacks_least
    }

    /// Emits the next output. It is an upper bound if an input that was read is one.
    pub(crate) fn emit(&mut self, dtype: DType, dims: impl IntoIterator<Item = u64>) {
        let bound = if self.inexact.get() { Bound::UpperBound } else { Bound::Exact };
        self.outputs.push(TensorInfo { bound, ..TensorInfo::known(dtype, dims) });
    }

    /// [`emit`](Context::emit) of dims that may be symbols. At most as large as a symbol is not that symbol.
    pub(crate) fn emit_shape(&mut self, dtype: DType, dims: impl IntoIterator<Item = Dim>) {
        let is_inexact = self.inexact.get();
        let settle = |dim| if is_inexact && matches!(dim, Dim::Symbol(_)) { Dim::Unknown } else { dim };
        let bound = if is_inexact { Bound::UpperBound } else { Bound::Exact };
        let info = TensorInfo::of_shape(dtype, dims.into_iter().map(settle));
        self.outputs.push(TensorInfo { bound, ..info });
    }

    /// Emits the next output, exact whatever was read: for shapes that do not follow their inputs' dims.
    pub(crate) fn emit_exact(&mut self, dtype: DType, dims: impl IntoIterator<Item = u64>) {
        self.outputs.push(TensorInfo::known(dtype, dims));
    }

    /// Emits the next output, of rows whose number depends on data: none, or at most so many.
    pub(crate) fn emit_rows(&mut self, dtype: DType, most: u64, row: &[u64]) {
        let dims = std::iter::once(self.size_of_data(0, most)).chain(row.iter().copied());
        self.outputs.push(TensorInfo { bound: Bound::UpperBound, ..TensorInfo::known(dtype, dims) });
    }

    /// Emits what is known already.
    pub(crate) fn emit_info(&mut self, info: TensorInfo) {
        let is_bound = info.bound == Bound::UpperBound && self.is_exact();
        self.lacks_least |= is_bound && self.data_sizes == DataSizes::Least;
        self.outputs.push(info);
    }

    /// Emits the next output with the dims and the type of input `index`, and returns all that is known of that input.
    pub(crate) fn emit_like(&mut self, index: usize) -> RuleResult<&'a TensorInfo> {
        let input = self.input(index)?;
        match self.dims(index) {
            Ok(dims) => self.emit(input.dtype, dims.iter().copied()),
            Err(_) => {
                let dims = self.shape(index)?;
                self.emit_shape(input.dtype, dims);
            }
        }
        Ok(input)
    }

    /// Changes the type of the output emitted last.
    pub(crate) fn set_dtype(&mut self, dtype: DType) {
        if let Some(output) = self.outputs.last_mut() {
            output.dtype = dtype;
        }
    }

    /// Changes the type of the first output, whose elements are other ones then.
    pub(crate) fn retype_first(&mut self, dtype: DType) {
        if let Some(output) = self.outputs.first_mut() {
            output.dtype = dtype;
            output.value = None;
        }
    }

    /// Gives the output emitted last its elements; ignored where they are too many or do not fit its dims.
    pub(crate) fn set_value(&mut self, value: Value) {
        if let Some(output) = self.outputs.last_mut()
            && output.elements() == Some(value.len() as u64)
            && value.len() as u64 <= MAX_VALUE_ELEMENTS
            && output.bound == Bound::Exact
        {
            output.value = Some(value);
        }
    }

    /// Gives the output emitted last its integers, of which some may be symbols; ignored as in
    /// [`set_value`](Context::set_value).
    pub(crate) fn set_integers(&mut self, elements: ElementList) {
        if let Some(output) = self.outputs.last_mut()
            && output.elements() == Some(elements.len() as u64)
            && elements.len() as u64 <= MAX_PARTIAL_ELEMENTS
            && output.bound == Bound::Exact
            && elements.iter().any(|element| *element != Element::Unknown)
        {
            output.set_integers(elements);
        }
    }

    /// Gives the output emitted last the elements of input `index` in their order.
    pub(crate) fn carry_elements(&mut self, index: usize) {
        let Ok(input) = self.input(index) else { return };
        if let Some(value) = &input.value {
            self.set_value(value.clone());
        } else if let Some(elements) = input.partial.as_ref().and_then(|partial| partial.elements.clone()) {
            self.set_integers(elements);
        }
    }

    /// Whether elements of input `index` are known, all or some.
    pub(crate) fn has_elements(&self, index: usize) -> bool {
        let is_partly_known =
            |input: &TensorInfo| input.partial.as_ref().is_some_and(|partial| partial.elements.is_some());
        self.input(index).is_ok_and(|input| input.value.is_some() || is_partly_known(input))
    }

    /// Gives the output emitted last the elements of input `index` at these positions, in their order; none if one
    /// is outside.
    pub(crate) fn pick_elements(&mut self, index: usize, offsets: &[usize]) {
        let Ok(input) = self.input(index) else { return };
        if let Some(value) = &input.value {
            if let Some(picked) = super::layout::pick(value, offsets.iter().copied()) {
                self.set_value(picked);
            }
        } else if let Some(elements) = input.partial.as_ref().and_then(|partial| partial.elements.as_ref())
            && let Some(picked) = offsets.iter().map(|&offset| elements.get(offset).copied()).collect()
        {
            self.set_integers(picked);
        }
    }
}

/// Settles an axis that may be negative against `rank`.
pub(crate) fn normalize_axis(axis: i64, rank: usize) -> RuleResult<usize> {
    let rank = rank as i64;
    let settled = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if (0..rank).contains(&settled) {
        Ok(settled as usize)
    } else {
        Err(mismatch!("axis {axis} is outside of rank {rank}"))
    }
}

/// Settles a list of axes, in their order; a repeated axis is an error.
pub(crate) fn normalize_axes(axes: &[i64], rank: usize) -> RuleResult<SmallVec<[usize; 6]>> {
    let mut settled = SmallVec::new();
    for &axis in axes {
        let axis = normalize_axis(axis, rank)?;
        if settled.contains(&axis) {
            return Err(mismatch!("axis {axis} is given twice"));
        }
        settled.push(axis);
    }
    Ok(settled)
}

/// A dim from a number that must not be negative.
pub(crate) fn dim(value: i64) -> RuleResult<u64> {
    u64::try_from(value).map_err(|_| mismatch!("a dim must not be negative, and is {value}"))
}

/// The product of two sizes; an error where it is out of range.
pub(crate) fn times(left: u64, right: u64) -> RuleResult<u64> {
    left.checked_mul(right).ok_or_else(|| mismatch!("{left} times {right} is out of range"))
}

/// A dim from an integer, which must not be negative.
pub(crate) fn dim_of(element: Element) -> RuleResult<Dim> {
    Ok(match element {
        Element::Known(value) => Dim::Known(dim(value)?),
        Element::Symbol(symbol) => Dim::Symbol(symbol),
        Element::Unknown => Dim::Unknown,
    })
}

/// Dims joined the NumPy way: aligned at the last dim, 1 gives way.
///
/// Where only one of two dims is known and not 1, it is the result, as no other fits; two symbols leave the result
/// unknown, as either may be 1.
pub(crate) fn broadcast(a: &[Dim], b: &[Dim]) -> RuleResult<DimList> {
    broadcast_bounded((a, Bound::Exact), (b, Bound::Exact))
}

fn broadcast_bounded((a, a_bound): (&[Dim], Bound), (b, b_bound): (&[Dim], Bound)) -> RuleResult<DimList> {
    use Dim::Known;
    let rank = a.len().max(b.len());
    let at =
        |dims: &[Dim], index: usize| (index + dims.len()).checked_sub(rank).map_or(Known(1), |own| dims[own]);
    (0..rank)
        .map(|index| match (at(a, index), at(b, index)) {
            (Known(1), other) | (other, Known(1)) => Ok(other),
            (left, right) if left == right => Ok(left),
            (Known(left), Known(right)) if a_bound.max(b_bound) == Bound::UpperBound => {
                Ok(Known(match (a_bound, b_bound) {
                    (Bound::UpperBound, Bound::UpperBound) => left.max(right),
                    (Bound::UpperBound, Bound::Exact) => right,
                    (Bound::Exact, _) => left,
                }))
            }
            (Known(_), Known(_)) => Err(mismatch!("shapes {} and {} do not broadcast", text(a), text(b))),
            (Known(size), _) if a_bound == Bound::Exact => Ok(Known(size)),
            (_, Known(size)) if b_bound == Bound::Exact => Ok(Known(size)),
            _ => Ok(Dim::Unknown),
        })
        .collect()
}

/// Dims as text: `[1,1813,896]`.
pub fn text<D: std::fmt::Display>(dims: &[D]) -> String {
    let dims: Vec<String> = dims.iter().map(D::to_string).collect();
    format!("[{}]", dims.join(","))
}
