//! What a pass starts from.

use super::TensorInfo;
use crate::graph::Dims;
use crate::scenario::{Binding, BoundInput};
use std::cell::Cell;
use std::rc::Rc;

/// What is known of a graph's parameters and variables before the pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Start {
    /// In the graph's order.
    pub parameters: Vec<TensorInfo>,
    /// The dims of each variable, in the graph's order; `None`: as its initializer says.
    pub variables: Vec<Option<Dims>>,
    /// Nodes inferred so far to see when the conditions of loops fail, in this graph and all its bodies.
    pub evaluated: Rc<Cell<usize>>,
}

impl Start {
    /// What a scenario bound.
    pub(crate) fn of(binding: &Binding) -> Start {
        Start {
            parameters: binding.parameters.iter().map(tensor).collect(),
            variables: binding.variables.clone(),
            evaluated: Rc::default(),
        }
    }
}

fn tensor(input: &BoundInput) -> TensorInfo {
    match &input.dims {
        Some(dims) => {
            TensorInfo { value: input.value.clone(), ..TensorInfo::known(input.dtype, dims.iter().copied()) }
        }
        None => TensorInfo::unknown(input.dtype),
    }
}
