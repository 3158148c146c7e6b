//! Whatever a file of settings says, what reads it answers: config.json, genai_config.json, preprocessor_config.json, reports,
//! memgraph.toml, deployments and catalogs.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use memgraph::analysis::{Request, Task, run};
use memgraph::error::{ErrorKind, Result};
use memgraph::fit;
use memgraph::pipeline::estimate;
use memgraph::pipeline::llm::Part;
use memgraph::report::json;
use memgraph::runtime::options::Options;
use memgraph::{formats, regress};
use memgraph_fuzz::{file, folder};
use std::sync::Once;

const MODEL: &[u8] = include_bytes!("../../fixtures/onnx/assistant/model.onnx");
const STORED: &[u8] = include_bytes!("../../fixtures/gguf/mini-llama.gguf");

fuzz_target!(|data: &[u8]| {
    static MODELS: Once = Once::new();
    MODELS.call_once(|| {
        file("model.onnx", MODEL);
        file("model.gguf", STORED);
    });
    if data.first() == Some(&b'{') { of_json(data) } else { of_toml(data) }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    memgraph_fuzz::structured(data, size, max_size, seed)
});

fn of_json(data: &[u8]) {
    let model = folder().join("model.onnx");
    for name in ["config.json", "genai_config.json", "preprocessor_config.json"] {
        let path = file(name, data);
        check(formats::genai::read(folder()));
        check(formats::preprocessor::read(folder(), None));
        check(formats::config::read(folder()));
        check(estimate::language(folder(), None, 64.0));
        check(estimate::vision(folder(), None, 64));
        check(estimate::pipeline(folder(), None, 64));
        for options in [Options::default(), Options::default().with("runner", "genai")] {
            let part = Part::Generate { new_tokens: 4 };
            let mut request = Request::new(Task::Language { tokens: 64, part, max_length: None });
            request.options = options;
            check(run(&model, &request));
            request.task = Task::Vision { patches: Some(64), tiles: None, part: None };
            check(run(&model, &request));
        }
        check(json::read(&path));
        std::fs::remove_file(path).expect("the file was written");
    }
}

fn of_toml(data: &[u8]) {
    // A path out of the folder, or a pattern of any folders, is a walk over the machine.
    let leaves = |window: &[u8]| window == b"/" || window == b"\\" || window == b"*";
    if data.chunks(1).any(leaves) {
        return;
    }
    let path = file("settings.toml", data);
    if let Some(config) = check(regress::Config::read(&path)) {
        check(regress::run(&config, &regress::Options::default()));
    }
    if let Some(deployment) = check(fit::Deployment::read(&path)) {
        check(fit::evaluate(&deployment));
    }
    if let (Some(catalog), Some(device)) = (check(fit::Catalog::read(&path)), fit::tier("high")) {
        check(fit::pick(&catalog, &device));
    }
}

/// The value; an error must not be a bug of the program.
fn check<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(|error| assert!(error.kind() != ErrorKind::Internal, "{error}")).ok()
}
