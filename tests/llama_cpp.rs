//! Predictions of the profile llama-cpp for small headers, against what llama.cpp reserved for them.
//!
//! `fixtures/gguf/recorded.json` is made by `scripts/measure_llama_cpp record`.

#![cfg(feature = "gguf")]

use memgraph::analysis::{self, Request, Task};
use memgraph::runtime::options::Options;
use serde_json::Value;
use std::path::Path;

fn options(settings: &Value) -> Options {
    let number = |name: &str| settings[name].as_i64();
    let mut options = Options::default().with("front-end", "library").with("no-mmap", "true");
    options = options
        .with("no-repack", "true")
        .with("flash-attn", if number("fa") == Some(0) { "off" } else { "on" });
    for (key, option) in
        [("n_ctx", "ctx-size"), ("n_ubatch", "ubatch-size"), ("n_seq", "parallel"), ("n_out", "outputs-max")]
    {
        if let Some(value) = number(key) {
            options = options.with(option, value.to_string());
        }
    }
    for (key, option) in [("tk", "cache-type-k"), ("tv", "cache-type-v")] {
        if let Some(value) = settings[key].as_str() {
            options = options.with(option, value);
        }
    }
    for (key, option) in [("unified", "kv-unified"), ("emb", "embedding"), ("swa_full", "swa-full")] {
        if number(key) == Some(1) {
            options = options.with(option, "true");
        }
    }
    options
}

#[test]
fn every_recorded_setting_is_predicted_to_the_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("recorded.json")).unwrap()).unwrap();
    let headers = recorded["headers"].as_array().unwrap();
    assert!(headers.len() >= 60);
    for record in headers {
        let name = record["model"].as_str().unwrap();
        let mut request = Request::new(Task::language(16));
        request.options = options(&record["settings"]);
        let report = analysis::analyze(&folder.join(format!("{name}.gguf")), &request).unwrap();
        let found = report.llama_cpp.unwrap();
        let row = found.breakdown.iter().find(|row| row.buffer_type == "CPU").unwrap();
        let own =
            [row.model_bytes, row.context_bytes, row.compute_bytes, found.graph_nodes, found.graph_leafs];
        let keys = ["model_bytes", "context_bytes", "compute_bytes", "nodes", "leafs"];
        let wanted = keys.map(|key| record[key].as_u64().unwrap());
        assert_eq!(own, wanted, "{name} under {}", record["settings"]);
    }
}

#[test]
fn an_architecture_without_rules_is_an_error_that_names_another_command() {
    let mut model = b"GGUF\x03\0\0\0".to_vec();
    model.extend(0_u64.to_le_bytes());
    model.extend(4_u64.to_le_bytes());
    let text = |words: &str| [&(words.len() as u64).to_le_bytes()[..], words.as_bytes()].concat();
    model.extend([text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("nothing")].concat());
    for key in ["nothing.block_count", "nothing.embedding_length", "nothing.context_length"] {
        model.extend([text(key), 4_u32.to_le_bytes().to_vec(), 8_u32.to_le_bytes().to_vec()].concat());
    }
    let file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    std::fs::write(file.path(), model).unwrap();
    let error = analysis::analyze(file.path(), &Request::new(Task::language(16))).unwrap_err().to_string();
    assert!(
        error.contains("architecture \"nothing\" is not known") && error.contains("memgraph quick"),
        "{error}"
    );
}
