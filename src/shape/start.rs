//! What a pass starts from.

use super::TensorInfo;
use crate::graph::Dims;
use crate::scenario::{Binding, BoundInput};

/// What is known of a graph's parameters and variables before the pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Start {
    /// In the graph's order.
    pub parameters: Vec<TensorInfo>,
    /// The dims of each variable, in the graph's order; `None`: as its initializer says.
    pub variables: Vec<Option<Dims>>,
}

impl Start {
    /// What a scenario bound.
    pub(crate) fn of(binding: &Binding) -> Start {
        Start {
            parameters: binding.parameters.iter().map(tensor).collect(),
            variables: binding.variables.clone(),
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
