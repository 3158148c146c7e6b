//! The OpenVINO IR reader on real exports.

use memgraph::DType;
use memgraph::error::Position;
use memgraph::formats;
use memgraph::graph::op::{LoopInput, LoopInputKind, LoopOutput, LoopSlice};
use memgraph::graph::{Graph, Op, Value};
use std::path::Path;

fn open(path: &str) -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    formats::open(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// File, layers, parameters, variables: counted by grep.
const MODELS: [(&str, usize, usize, usize); 10] = [
    ("fixtures/minilm-l6-v2-fp16/openvino_model.xml", 490, 3, 0),
    ("fixtures/qwen2.5-0.5b-fp16/openvino_model.xml", 3658, 4, 48),
    ("fixtures/qwen2.5-1.5b-L8-int4asym-g128/openvino_model.xml", 1689, 4, 16),
    ("fixtures/qwen2.5-vl-3b-v8-L4-fp16/openvino_language_model.xml", 737, 4, 8),
    ("fixtures/qwen2.5-vl-3b-v8-L4-fp16/openvino_text_embeddings_model.xml", 7, 1, 0),
    ("fixtures/qwen2.5-vl-3b-v8-L4-fp16/openvino_vision_embeddings_merger_model.xml", 994, 5, 0),
    ("fixtures/qwen2.5-vl-3b-v8-L4-fp16/openvino_vision_embeddings_model.xml", 9, 1, 0),
    ("fixtures/resnet50-fp32/openvino_model.xml", 288, 1, 0),
    ("fixtures/smolvlm-256m-fp16/openvino_vision_embeddings_model.xml", 931, 3, 0),
    ("fixtures/vit-base-p16-224-fp16/openvino_model.xml", 933, 1, 0),
];

#[test]
fn every_layer_of_every_export_is_known() {
    for (path, nodes, parameters, variables) in MODELS {
        let graph = open(path);
        let opaque: Vec<_> = graph.nodes().iter().filter(|node| node.op == Op::Opaque).collect();
        assert!(opaque.is_empty(), "{path}: {opaque:?}");
        let counts = (graph.nodes().len(), graph.parameters().len(), graph.variables().len());
        assert_eq!(counts, (nodes, parameters, variables), "{path}");
    }
}

#[test]
fn bodies_become_loops_and_branches() {
    let graph = open("tests/ir/control-flow.xml");
    let node = |name: &str| graph.nodes().iter().find(|node| graph.text(node.name) == name).unwrap();
    let Op::Loop(spec) = &node("loop").op else { panic!("{:?}", node("loop").op) };
    let slice = LoopSlice { axis: 0, start: 0, end: -1, stride: 1, part_size: 1, drops_axis: false };
    assert_eq!(
        spec.inputs,
        [
            LoopInput { input: 2, parameter: 1, kind: LoopInputKind::Sliced(slice) },
            LoopInput { input: 3, parameter: 2, kind: LoopInputKind::Carried { result: 0 } },
            LoopInput { input: 3, parameter: 3, kind: LoopInputKind::Invariant },
        ]
    );
    assert_eq!(
        spec.outputs,
        [
            LoopOutput { result: 0, output: 0, concat: None },
            LoopOutput { result: 0, output: 1, concat: Some(slice) },
        ]
    );
    let control = (spec.trip_count, spec.condition, spec.iteration_parameter, spec.condition_result);
    assert_eq!(control, (Some(0), Some(1), Some(0), Some(1)));
    assert_eq!((spec.body.nodes().len(), spec.body.parameters().len()), (8, 4));

    let Op::If(spec) = &node("branch").op else { panic!("{:?}", node("branch").op) };
    let inputs = (spec.then_inputs.as_slice(), spec.else_inputs.as_slice());
    assert_eq!(inputs, (&[(1, 0)][..], &[][..]));
    let outputs = (spec.then_outputs.as_slice(), spec.else_outputs.as_slice());
    assert_eq!(outputs, (&[(0, 0)][..], &[(0, 0)][..]));
    assert_eq!(graph.with_bodies().len(), 4);
}

#[test]
fn names_values_states_and_hints_are_kept() {
    let graph = open("tests/ir/control-flow.xml");
    assert_eq!(graph.name(), "control <flow>");
    let x = graph.output(graph.parameters()[0], 0).unwrap();
    assert_eq!(graph.tensor_names(x).collect::<Vec<_>>(), ["x", "in,put & more"]);
    assert_eq!(graph.tensor(x).shape.to_string(), "[..8,3]");
    let trip_count = graph.nodes().iter().find(|node| graph.text(node.name) == "trip_count").unwrap();
    let Op::Constant(constant) = &trip_count.op else { panic!("{:?}", trip_count.op) };
    assert_eq!(constant.value, Some(Box::new(Value::ints([5]))));
    assert_eq!(trip_count.position, Some(Position::Line(14, 3)));
    let variable = &graph.variables()[0];
    assert_eq!(
        (variable.name.as_str(), variable.dtype, variable.shape.to_string()),
        ("s", DType::F32, "[1,3]".into())
    );
    assert!(graph.node(graph.assigns()[0]).is_decompression);
    assert_eq!(graph.info("KV_CACHE_PRECISION"), Some("u8"));
    assert_eq!(graph.info("ACTIVATIONS_SCALE_FACTOR").map(str::parse), Some(Ok(8.0)));
}

#[test]
fn one_range_is_one_constant() {
    let graph = open("fixtures/qwen2.5-0.5b-fp16/openvino_model.xml");
    let ranges = graph.nodes().iter().filter_map(|node| match &node.op {
        Op::Constant(constant) => constant.range,
        _ => None,
    });
    let mut ranges: Vec<_> = ranges.collect();
    let all = ranges.len();
    ranges.sort();
    ranges.dedup();
    // Every layer spells its own axes; the file holds each number once.
    assert!(ranges.len() < all / 2, "{} of {all}", ranges.len());
    // The full .bin has 988,065,863 bytes, as the last line of the XML says.
    assert_eq!(ranges.iter().map(|range| range.offset + range.size).max(), Some(988_065_863));
}
