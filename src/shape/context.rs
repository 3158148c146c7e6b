//! What a shape rule sees: its node's inputs; and what it says: its outputs.

use super::{Bound, TensorInfo};
use crate::DType;
use crate::graph::{Dims, Graph, Value};
use crate::ids::NodeId;
use smallvec::SmallVec;
use std::cell::Cell;

/// Why a rule could not give shapes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleError {
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

/// What a rule gives back.
pub type RuleResult<T = ()> = Result<T, RuleError>;

/// A mismatch whose text is formatted like `format!`.
macro_rules! mismatch {
    ($($arg:tt)*) => { $crate::shape::context::RuleError::Mismatch(format!($($arg)*)) };
}
pub(crate) use mismatch;

/// One node under inference: inputs are read, outputs are emitted in port order.
#[derive(Debug)]
pub struct Context<'a> {
    graph: &'a Graph,
    node: NodeId,
    tensors: &'a [TensorInfo],
    outputs: SmallVec<[TensorInfo; 2]>,
    /// An input's shape, or a value that the rule read, is an upper bound.
    inexact: Cell<bool>,
    /// What the rule took for granted.
    assumption: Option<&'static str>,
}

/// Values of more elements than this are not carried along. Source: shape-driving tensors of exports hold tens of
/// elements; position tables of 2,048 still fit.
pub const MAX_VALUE_ELEMENTS: u64 = 4096;

impl<'a> Context<'a> {
    pub(super) fn new(graph: &'a Graph, node: NodeId, tensors: &'a [TensorInfo]) -> Context<'a> {
        Context {
            graph,
            node,
            tensors,
            outputs: SmallVec::new(),
            inexact: Cell::new(false),
            assumption: None,
        }
    }

    pub(super) fn into_outputs(self) -> SmallVec<[TensorInfo; 2]> {
        self.outputs
    }

    /// The graph of the node.
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// The node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Number of input slots, absent ones included.
    pub fn n_inputs(&self) -> usize {
        self.graph.inputs(self.node).len()
    }

    /// Number of outputs that the file declares.
    pub fn n_outputs(&self) -> usize {
        self.graph.outputs(self.node).len()
    }

    /// Whether input `index` is there.
    pub fn has(&self, index: usize) -> bool {
        self.graph.input(self.node, index).is_some()
    }

    /// All that is known of input `index`.
    pub fn input(&self, index: usize) -> RuleResult<&'a TensorInfo> {
        let tensor =
            self.graph.input(self.node, index).ok_or_else(|| mismatch!("input {index} is missing"))?;
        Ok(&self.tensors[tensor.index()])
    }

    /// Dims of input `index`.
    pub fn dims(&self, index: usize) -> RuleResult<&'a [u64]> {
        let input = self.input(index)?;
        let dims = input.dims.as_deref().ok_or(RuleError::UnknownShape(index))?;
        if input.bound == Bound::UpperBound {
            self.inexact.set(true);
        }
        Ok(dims)
    }

    /// Element type of input `index`; [`DType::Dynamic`] if it is absent.
    pub fn dtype(&self, index: usize) -> DType {
        self.input(index).map_or(DType::Dynamic, |input| input.dtype)
    }

    /// The value of input `index`, where it is known.
    pub fn value(&self, index: usize) -> Option<&'a Value> {
        let value = self.input(index).ok()?.value.as_ref()?;
        if value.is_upper_bound {
            self.inexact.set(true);
        }
        Some(value)
    }

    /// The integers of input `index`; an error where they are unknown.
    pub fn ints(&self, index: usize) -> RuleResult<&'a [i64]> {
        self.input(index)?;
        self.value(index).and_then(Value::as_ints).ok_or(RuleError::UnknownValue(index))
    }

    /// The single integer of input `index`; an error where it is unknown.
    pub fn int(&self, index: usize) -> RuleResult<i64> {
        match self.ints(index)? {
            [value] => Ok(*value),
            values => Err(mismatch!("input {index} must have one element, and has {}", values.len())),
        }
    }

    /// The numbers of input `index` as floats; an error where they are unknown.
    pub fn floats(&self, index: usize) -> RuleResult<SmallVec<[f64; 4]>> {
        self.input(index)?;
        self.value(index).map(Value::to_floats).ok_or(RuleError::UnknownValue(index))
    }

    /// Whether nothing that was read so far is an upper bound.
    pub fn is_exact(&self) -> bool {
        !self.inexact.get()
    }

    /// Dims of inputs `indices` joined the NumPy way. Of two dims that differ though they must agree, one of an upper
    /// bound gives way to an exact one, and the larger counts if both are bounds.
    pub fn broadcast(&self, indices: impl IntoIterator<Item = usize>) -> RuleResult<Dims> {
        let mut joined = Dims::new();
        let mut joined_bound = Bound::Exact;
        for index in indices {
            let dims = self.dims(index)?;
            let bound = self.input(index)?.bound;
            joined = broadcast_bounded((&joined, joined_bound), (dims, bound))?;
            joined_bound = joined_bound.max(bound);
        }
        Ok(joined)
    }

    /// Dims of input `index` joined with `target`, which may be a bound itself.
    pub fn broadcast_to(&self, index: usize, target: &[u64]) -> RuleResult<Dims> {
        let dims = self.dims(index)?;
        let bound = if self.is_exact() { Bound::Exact } else { Bound::UpperBound };
        broadcast_bounded((dims, bound), (target, bound))
    }

    /// Notes what the rule takes for granted, for the report.
    pub fn assume(&mut self, text: &'static str) {
        self.assumption = Some(text);
    }

    /// What was taken for granted, if anything.
    pub(super) fn assumption(&self) -> Option<&'static str> {
        self.assumption
    }

    /// From here on, outputs are upper bounds: the rule's shape depends on data.
    pub fn depends_on_data(&mut self) {
        self.inexact.set(true);
    }

    /// Emits the next output. It is an upper bound if an input that was read is one.
    pub fn emit(&mut self, dtype: DType, dims: impl IntoIterator<Item = u64>) {
        let bound = if self.inexact.get() { Bound::UpperBound } else { Bound::Exact };
        self.outputs.push(TensorInfo { dtype, dims: Some(dims.into_iter().collect()), bound, value: None });
    }

    /// Emits the next output, exact whatever was read: for shapes that do not follow their inputs' dims.
    pub fn emit_exact(&mut self, dtype: DType, dims: impl IntoIterator<Item = u64>) {
        self.outputs.push(TensorInfo::known(dtype, dims));
    }

    /// Emits what is known already.
    pub fn emit_info(&mut self, info: TensorInfo) {
        self.outputs.push(info);
    }

    /// Emits the next output with the dims and the type of input `index`, and returns all that is known of that input.
    pub fn emit_like(&mut self, index: usize) -> RuleResult<&'a TensorInfo> {
        let dims = self.dims(index)?;
        let input = self.input(index)?;
        self.emit(input.dtype, dims.iter().copied());
        Ok(input)
    }

    /// Changes the type of the output emitted last.
    pub fn set_dtype(&mut self, dtype: DType) {
        if let Some(output) = self.outputs.last_mut() {
            output.dtype = dtype;
        }
    }

    /// Changes the type of the first output, whose elements are other ones then.
    pub fn retype_first(&mut self, dtype: DType) {
        if let Some(output) = self.outputs.first_mut() {
            output.dtype = dtype;
            output.value = None;
        }
    }

    /// Gives the output emitted last its elements; ignored where they are too many or do not fit its dims.
    pub fn set_value(&mut self, value: Value) {
        if let Some(output) = self.outputs.last_mut()
            && output.elements() == Some(value.len() as u64)
            && value.len() as u64 <= MAX_VALUE_ELEMENTS
            && output.bound == Bound::Exact
        {
            output.value = Some(value);
        }
    }
}

/// Settles an axis that may be negative against `rank`.
pub fn normalize_axis(axis: i64, rank: usize) -> RuleResult<usize> {
    let rank = rank as i64;
    let settled = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if (0..rank).contains(&settled) {
        Ok(settled as usize)
    } else {
        Err(mismatch!("axis {axis} is outside of rank {rank}"))
    }
}

/// Settles a list of axes, in their order; a repeated axis is an error.
pub fn normalize_axes(axes: &[i64], rank: usize) -> RuleResult<SmallVec<[usize; 6]>> {
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
pub fn dim(value: i64) -> RuleResult<u64> {
    u64::try_from(value).map_err(|_| mismatch!("a dim must not be negative, and is {value}"))
}

/// The product of two sizes; an error where it is out of range.
pub fn times(left: u64, right: u64) -> RuleResult<u64> {
    left.checked_mul(right).ok_or_else(|| mismatch!("{left} times {right} is out of range"))
}

/// Dims joined the NumPy way: aligned at the last dim, 1 gives way.
pub fn broadcast(a: &[u64], b: &[u64]) -> RuleResult<Dims> {
    broadcast_bounded((a, Bound::Exact), (b, Bound::Exact))
}

fn broadcast_bounded((a, a_bound): (&[u64], Bound), (b, b_bound): (&[u64], Bound)) -> RuleResult<Dims> {
    let rank = a.len().max(b.len());
    let at = |dims: &[u64], index: usize| (index + dims.len()).checked_sub(rank).map_or(1, |own| dims[own]);
    (0..rank)
        .map(|index| match (at(a, index), at(b, index)) {
            (1, other) | (other, 1) => Ok(other),
            (left, right) if left == right => Ok(left),
            (left, right) if a_bound == Bound::UpperBound && b_bound == Bound::UpperBound => {
                Ok(left.max(right))
            }
            (_, right) if a_bound == Bound::UpperBound => Ok(right),
            (left, _) if b_bound == Bound::UpperBound => Ok(left),
            _ => Err(mismatch!("shapes {} and {} do not broadcast", text(a), text(b))),
        })
        .collect()
}

/// Dims as text: `[1,1813,896]`.
pub fn text(dims: &[u64]) -> String {
    let dims: Vec<String> = dims.iter().map(u64::to_string).collect();
    format!("[{}]", dims.join(","))
}
