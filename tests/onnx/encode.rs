//! Small models, encoded by `onnx-protobuf`.

use memgraph::graph::{Graph, Op};
use memgraph::scenario::Scenario;
use memgraph::shape::{self, Shapes};
use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::tensor_proto::DataLocation;
use onnx_protobuf::tensor_shape_proto::Dimension;
use onnx_protobuf::type_proto::{Tensor, Value};
use onnx_protobuf::{
    AttributeProto, GraphProto, Message, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};
use protobuf::MessageField;
use std::path::Path;

pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;

/// A dim: known, or named.
pub enum Dim {
    Is(i64),
    Named(&'static str),
}

pub fn value(name: &str, elem_type: i32, dims: &[Dim]) -> ValueInfoProto {
    let dim = |dim: &Dim| {
        let mut made = Dimension::new();
        match dim {
            Dim::Is(size) => made.set_dim_value(*size),
            Dim::Named(name) => made.set_dim_param((*name).to_owned()),
        }
        made
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect(), ..TensorShapeProto::new() };
    let tensor = Tensor { elem_type, shape: MessageField::some(shape), ..Tensor::new() };
    let r#type = TypeProto { value: Some(Value::TensorType(tensor)), ..TypeProto::new() };
    ValueInfoProto { name: name.to_owned(), type_: MessageField::some(r#type), ..ValueInfoProto::new() }
}

/// A float input of known dims.
pub fn floats(name: &str, dims: &[i64]) -> ValueInfoProto {
    value(name, FLOAT, &dims.iter().map(|&dim| Dim::Is(dim)).collect::<Vec<_>>())
}

/// A value of which nothing is declared but the name.
pub fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.to_owned(), ..ValueInfoProto::new() }
}

pub fn ints(name: &str, values: &[i64]) -> TensorProto {
    let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorProto {
        name: name.to_owned(),
        data_type: INT64,
        dims: vec![values.len() as i64],
        raw_data,
        ..TensorProto::new()
    }
}

/// A float tensor in a file next to the model.
pub fn external(name: &str, dims: &[i64], entries: &[(&str, &str)]) -> TensorProto {
    let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
        ..StringStringEntryProto::new()
    };
    TensorProto {
        name: name.to_owned(),
        data_type: FLOAT,
        dims: dims.to_vec(),
        external_data: entries.iter().map(entry).collect(),
        data_location: DataLocation::EXTERNAL.into(),
        ..TensorProto::new()
    }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), type_: AttributeType::INT.into(), i, ..AttributeProto::new() }
}

pub fn int_list(name: &str, ints: &[i64]) -> AttributeProto {
    let type_ = AttributeType::INTS.into();
    AttributeProto { name: name.to_owned(), type_, ints: ints.to_vec(), ..AttributeProto::new() }
}

pub fn body(name: &str, graph: GraphProto) -> AttributeProto {
    let type_ = AttributeType::GRAPH.into();
    AttributeProto { name: name.to_owned(), type_, g: MessageField::some(graph), ..AttributeProto::new() }
}

/// An attribute that represents one of the function's.
pub fn reference(name: &str, of: &str) -> AttributeProto {
    let type_ = AttributeType::INT.into();
    AttributeProto { name: name.to_owned(), type_, ref_attr_name: of.to_owned(), ..AttributeProto::new() }
}

pub fn node(op_type: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    NodeProto {
        op_type: op_type.to_owned(),
        input: texts(inputs),
        output: texts(outputs),
        attribute,
        ..NodeProto::new()
    }
}

pub fn graph(inputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    let output = outputs.iter().map(|name| named(name)).collect();
    GraphProto { input: inputs, node: nodes, output, ..GraphProto::new() }
}

pub fn model(graph: GraphProto) -> ModelProto {
    let opset = OperatorSetIdProto { version: 21, ..OperatorSetIdProto::new() };
    ModelProto {
        ir_version: 10,
        opset_import: vec![opset],
        graph: MessageField::some(graph),
        ..ModelProto::new()
    }
}

pub fn bytes(model: &ModelProto) -> Vec<u8> {
    model.write_to_bytes().unwrap()
}

pub fn read(model: &ModelProto) -> memgraph::Result<Graph> {
    memgraph::formats::onnx::parse(bytes(model), Path::new("test.onnx"))
}

pub fn opened(model: &ModelProto) -> Graph {
    read(model).unwrap_or_else(|error| panic!("{error}"))
}

/// The dims of every output of a model whose inputs are all known.
pub fn output_dims(model: &ModelProto) -> Vec<Vec<u64>> {
    let graph = opened(model);
    let shapes = infer(&graph, &Scenario::default());
    let results = graph.results().iter().filter_map(|&result| graph.input(result, 0));
    results.map(|tensor| shapes.tensor(tensor).dims.clone().unwrap().to_vec()).collect()
}

pub fn infer(graph: &Graph, scenario: &Scenario) -> Shapes {
    shape::infer(graph, scenario).unwrap_or_else(|error| panic!("{error}"))
}

/// Names of the nodes that compute, in file order.
pub fn computing(graph: &Graph) -> Vec<(&str, &str)> {
    let nodes = graph.nodes().iter();
    let nodes = nodes.filter(|node| !matches!(node.op, Op::Parameter | Op::Result | Op::Constant(_)));
    nodes.map(|node| (graph.text(node.name), graph.text(node.type_name))).collect()
}
