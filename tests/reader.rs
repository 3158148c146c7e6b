//! The OpenVINO IR reader on real exports.

use memgraph::formats;
use memgraph::graph::{Graph, Op};
use std::path::Path;

fn open(path: &str) -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    formats::open(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// File, layers, parameters, variables: counted by grep.
const MODELS: [(&str, usize, usize, usize); 10] = [
    ("minilm-l6-v2-fp16/openvino_model.xml", 490, 3, 0),
    ("qwen2.5-0.5b-fp16/openvino_model.xml", 3658, 4, 48),
    ("qwen2.5-1.5b-L8-int4asym-g128/openvino_model.xml", 1689, 4, 16),
    ("qwen2.5-vl-3b-v8-L4-fp16/openvino_language_model.xml", 737, 4, 8),
    ("qwen2.5-vl-3b-v8-L4-fp16/openvino_text_embeddings_model.xml", 7, 1, 0),
    ("qwen2.5-vl-3b-v8-L4-fp16/openvino_vision_embeddings_merger_model.xml", 994, 5, 0),
    ("qwen2.5-vl-3b-v8-L4-fp16/openvino_vision_embeddings_model.xml", 9, 1, 0),
    ("resnet50-fp32/openvino_model.xml", 288, 1, 0),
    ("smolvlm-256m-fp16/openvino_vision_embeddings_model.xml", 931, 3, 0),
    ("vit-base-p16-224-fp16/openvino_model.xml", 933, 1, 0),
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
