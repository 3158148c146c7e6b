//! For tests of shape rules: one node, its inputs given, its outputs inferred.

use super::engine::infer_graph;
use super::{Bound, Options, TensorInfo};
use crate::DType;
use crate::error::Result;
use crate::graph::{Builder, Elements, Format, NodeSpec, Op, TensorSpec, Value};
use crate::scenario::Binding;

/// One input slot; `None` is an absent optional input.
pub(crate) type Input = Option<TensorInfo>;

/// An input of known dims and unknown value.
pub(crate) fn tensor(dtype: DType, dims: &[u64]) -> Input {
    Some(TensorInfo::known(dtype, dims.iter().copied()))
}

/// An f32 input of known dims and unknown value.
pub(crate) fn f32(dims: &[u64]) -> Input {
    tensor(DType::F32, dims)
}

/// An input whose dims are upper bounds.
pub(crate) fn at_most(dtype: DType, dims: &[u64]) -> Input {
    tensor(dtype, dims).map(|info| TensorInfo { bound: Bound::UpperBound, ..info })
}

/// An input of known integers, of shape `dims`.
pub(crate) fn ints(dtype: DType, dims: &[u64], values: &[i64]) -> Input {
    let value = Value::ints(values.iter().copied());
    tensor(dtype, dims).map(|info| TensorInfo { value: Some(value), ..info })
}

/// A vector of known i64.
pub(crate) fn vector(values: &[i64]) -> Input {
    ints(DType::I64, &[values.len() as u64], values)
}

/// A known i64 scalar.
pub(crate) fn scalar(value: i64) -> Input {
    ints(DType::I64, &[], &[value])
}

/// An input of known floats, of shape `dims`.
pub(crate) fn floats(dtype: DType, dims: &[u64], values: &[f64]) -> Input {
    let value = Value::floats(values.iter().copied());
    tensor(dtype, dims).map(|info| TensorInfo { value: Some(value), ..info })
}

/// The same input, its value being an upper bound.
pub(crate) fn bounded(input: Input) -> Input {
    input.map(|info| TensorInfo {
        value: info.value.map(|value| Value { is_upper_bound: true, ..value }),
        ..info
    })
}

/// Infers a node `op` with these inputs and `outputs` outputs; nothing is declared, so nothing can be fallen back on.
pub(crate) fn infer(op: Op, inputs: &[Input], outputs: usize) -> Result<Vec<TensorInfo>> {
    let mut builder = Builder::new("test".as_ref(), Format::OpenVino);
    let slots: Vec<_> = inputs
        .iter()
        .map(|input| {
            input.as_ref().map(|info| {
                let node = builder.node(NodeSpec { op: Op::Parameter, name: "input", ..NodeSpec::default() });
                builder.output(node, TensorSpec { dtype: info.dtype, ..TensorSpec::default() })
            })
        })
        .collect();
    let node = builder.node(NodeSpec { op, name: "node", type_name: "Node", ..NodeSpec::default() });
    let tensors: Vec<_> = (0..outputs).map(|_| builder.output(node, TensorSpec::default())).collect();
    builder.connect(node, &slots);
    let graph = builder.finish()?;
    let parameters = inputs.iter().flatten().cloned().collect();
    let binding = Binding { parameters, ..Binding::default() };
    let shapes = infer_graph(&graph, binding, Options::default())?;
    Ok(tensors.into_iter().map(|tensor| shapes.tensor(tensor).clone()).collect())
}

/// All that is known of the first output.
pub(crate) fn output(op: Op, inputs: &[Input]) -> TensorInfo {
    infer(op, inputs, 1).unwrap().remove(0)
}

/// The dims of the first output.
pub(crate) fn dims(op: Op, inputs: &[Input]) -> Vec<u64> {
    output(op, inputs).dims.unwrap().to_vec()
}

/// The dims of every output.
pub(crate) fn all_dims(op: Op, inputs: &[Input], outputs: usize) -> Vec<Vec<u64>> {
    let outputs = infer(op, inputs, outputs).unwrap();
    outputs.into_iter().map(|output| output.dims.unwrap().to_vec()).collect()
}

/// The integers of the first output, if they are known.
pub(crate) fn int_values(op: Op, inputs: &[Input]) -> Option<Vec<i64>> {
    output(op, inputs).value?.as_ints().map(<[i64]>::to_vec)
}

/// The floats of the first output, if they are known.
pub(crate) fn float_values(op: Op, inputs: &[Input]) -> Option<Vec<f64>> {
    match output(op, inputs).value?.elements {
        Elements::Float(values) => Some(values.to_vec()),
        Elements::Int(_) => None,
    }
}

/// The message of the error that inference ends in.
pub(crate) fn message(op: Op, inputs: &[Input]) -> String {
    infer(op, inputs, 1).unwrap_err().message().to_owned()
}

#[test]
fn an_input_is_bound_to_its_slot() {
    let op = Op::Assign(crate::ids::VariableId::new(0));
    assert_eq!(output(op, &[ints(DType::I32, &[2], &[3, 4])]).value, Some(Value::ints([3, 4])));
}
