//! Whatever a model says, every stage of the line answers with a result or an error, and both checkers hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use memgraph::error::ErrorKind;
use memgraph::formats;
use memgraph::graph::{Dims, Graph};
use memgraph::phases::{self, PhaseName};
use memgraph::runtime::options::Options;
use memgraph::runtime::registry;
use memgraph::scenario::{Scenario, input_name};
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let (graph, runtime) = match data {
        [b'<', ..] => (formats::openvino::parse(data, Path::new("fuzz.xml")), "openvino-cpu"),
        _ => (formats::onnx::parse(data.to_vec(), Path::new("fuzz.onnx")), "onnxruntime-cpu"),
    };
    let Ok(graph) = graph else { return };
    let mut scenario = Scenario::default();
    scenario.inputs = inputs(&graph);
    scenario.allow_opaque = true;
    let runtime = registry::make(runtime, &Options::default()).expect("the runtime exists");
    for runtime in [registry::exported(), runtime] {
        let runs = [(PhaseName::Infer, scenario.clone())];
        if let Err(error) = phases::run(&graph, &runs, &*runtime, runtime.planner()) {
            assert!(error.kind() != ErrorKind::Internal, "{error}");
        }
    }
});

/// Every input by its declared dims; a free one is 3.
fn inputs(graph: &Graph) -> Vec<(String, Dims)> {
    let known = |node| {
        let dims = graph.tensor(graph.output(node, 0)?).shape.dims.as_ref()?;
        let dims = dims.iter().map(|dim| dim.as_known().unwrap_or(3)).collect();
        Some((input_name(graph, node).to_owned(), dims))
    };
    graph.parameters().iter().filter_map(|&node| known(node)).collect()
}
