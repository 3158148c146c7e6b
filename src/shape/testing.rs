//! For tests of shape rules: one node, its inputs given, its outputs inferred.

use super::dim::{Dim, Element, ElementList, Symbol};
use super::engine::infer_graph;
use super::{Bound, Everything, Options, SymbolicScenario, Symbols, TensorInfo, infer_symbolic};
use crate::DType;
use crate::error::Result;
use crate::graph::{Builder, Elements, Format, Graph, NodeSpec, Op, TensorSpec, Value};
use crate::ids::TensorId;
use crate::shape::start::Start;

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
    let (graph, tensors) = one_node(op, inputs, outputs);
    let parameters = inputs.iter().flatten().cloned().collect();
    let start = Start { parameters, ..Start::default() };
    let shapes = infer_graph(&graph, &start, Options::default())?;
    Ok(tensors.into_iter().map(|tensor| shapes.tensor(tensor).clone()).collect())
}

/// A graph of one node, and the node's outputs.
fn one_node(op: Op, inputs: &[Input], outputs: usize) -> (Graph, Vec<TensorId>) {
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
    (builder.finish().unwrap(), tensors)
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

/// Letters that represent symbols in [`shaped`] and [`list`].
const LETTERS: &str = "abcdefgh";

/// An f32 input of these dims: `"a,4,?"` is a symbol, a number and an unknown dim.
pub(crate) fn shaped(dims: &str) -> Input {
    let dim = |part: &str| match (part.parse(), LETTERS.find(part)) {
        (Ok(size), _) => Dim::Known(size),
        (_, Some(letter)) => Dim::Symbol(Symbol(letter as u32)),
        _ => Dim::Unknown,
    };
    Some(TensorInfo::of_shape(DType::F32, dims.split(',').filter(|part| !part.is_empty()).map(dim)))
}

/// A vector of i64 of these elements: `"a,-1,?"` is a symbol, a number and an unknown one.
pub(crate) fn list(elements: &str) -> Input {
    let element = |part: &str| match (part.parse(), LETTERS.find(part)) {
        (Ok(value), _) => Element::Known(value),
        (_, Some(letter)) => Element::Symbol(Symbol(letter as u32)),
        _ => Element::Unknown,
    };
    let elements: ElementList = elements.split(',').map(element).collect();
    let mut info = TensorInfo::known(DType::I64, [elements.len() as u64]);
    info.set_integers(elements);
    Some(info)
}

/// One number of i64 that may be a symbol.
pub(crate) fn number(element: &str) -> Input {
    list(element).map(|info| TensorInfo { dims: Some(crate::graph::Dims::new()), ..info })
}

/// Infers a node with these inputs symbolically; every output as `dims` or `dims = elements`.
pub(crate) fn symbolic(op: Op, inputs: &[Input], outputs: usize) -> Vec<String> {
    let (graph, tensors) = one_node(op, inputs, outputs);
    let mut symbols = Symbols::default();
    LETTERS.chars().for_each(|_| _ = symbols.fresh());
    let parameters = inputs.iter().flatten().cloned().map(Some).collect();
    let shapes = infer_symbolic(&graph, SymbolicScenario { parameters, symbols }, &mut Everything);
    let letter = |symbol: Symbol| LETTERS.get(symbol.index()..=symbol.index()).unwrap_or("?").to_owned();
    let describe = |info: &TensorInfo| {
        let dims = info.shape().into_iter().flatten().map(|dim| dim.symbol().map_or(dim.to_string(), letter));
        let mut text = dims.collect::<Vec<_>>().join(",");
        if info.shape().is_none() {
            text.push_str("...");
        }
        if let Some(elements) = info.integers() {
            let elements = elements.iter().map(|element| match element {
                Element::Symbol(symbol) => letter(*symbol),
                element => element.to_string(),
            });
            text.push_str(&format!(" = {}", elements.collect::<Vec<_>>().join(",")));
        }
        text
    };
    tensors.into_iter().map(|tensor| describe(shapes.tensor(tensor))).collect()
}

#[test]
fn an_input_is_bound_to_its_slot() {
    let op = Op::Assign(crate::ids::VariableId::new(0));
    assert_eq!(output(op, &[ints(DType::I32, &[2], &[3, 4])]).value, Some(Value::ints([3, 4])));
}
