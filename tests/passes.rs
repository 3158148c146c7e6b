//! The graph after each pass of the runtimes that rewrite one.

#![cfg(all(feature = "openvino", feature = "onnx"))]

use memgraph::runtime::options::Options;
use memgraph::runtime::registry;
use memgraph::scenario::Scenario;
use memgraph::{formats, shape};
use std::path::Path;

/// Number of nodes after each pass, and in the executed graph.
fn sizes(file: &str, binds: &[(&str, u64)]) -> (Vec<(&'static str, usize)>, usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let graph = formats::open(&root.join(file)).unwrap();
    let binds = binds.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    let shapes = shape::infer(&graph, &Scenario::default().with(|run| run.binds = binds)).unwrap();
    let runtime = registry::for_graph(&graph, None, &Options::default()).unwrap();
    let after = |pass| runtime.executed_after(&graph, &shapes, pass).unwrap().unwrap().nodes.len();
    let sizes = runtime.passes().into_iter().map(|pass| (pass, after(pass))).collect();
    (sizes, runtime.executed(&graph, &shapes).unwrap().unwrap().nodes.len())
}

fn of(sizes: &[(&str, usize)], pass: &str) -> usize {
    sizes.iter().find(|(name, _)| *name == pass).unwrap().1
}

#[test]
fn the_last_pass_of_openvino_leaves_the_executed_graph() {
    let (sizes, executed) =
        sizes("minilm-l6-v2-fp16/openvino_model.xml", &[("batch", 1), ("seq", 7), ("total", 7)]);
    assert_eq!(sizes.last().unwrap().1, executed);
    assert!(of(&sizes, "fully-connected") > of(&sizes, "post-operations"), "{sizes:?}");
    assert!(of(&sizes, "precision") < of(&sizes, "reorders"), "{sizes:?}");
}

#[test]
fn the_last_pass_of_onnx_runtime_leaves_the_executed_graph() {
    let (sizes, executed) = sizes("onnx/embedder/model.onnx", &[("batch", 1), ("seq", 7), ("total", 7)]);
    assert_eq!(sizes.last().unwrap().1, executed);
    assert!(of(&sizes, "fold-constants") < of(&sizes, "share-constants"), "{sizes:?}");
    assert!(of(&sizes, "skip-layer-norm") < of(&sizes, "norms"), "{sizes:?}");
}
