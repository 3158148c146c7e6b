//! Files whose tensors are not those that llama.cpp asks for: each tensor of many small headers is left out, and given another
//! dim. `fixtures/gguf/tensors.json` is made by `scripts/measure_llama_cpp tensors`.

#![cfg(feature = "gguf")]

use memgraph::analysis::{self, Request, Task};
use memgraph::runtime::options::Options;
use serde_json::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where a tensor's description is in a header: all of it, and its last dim.
struct Described {
    whole: Range<usize>,
    last_dim: usize,
}

fn described(header: &[u8], name: &str) -> Described {
    let wanted = [&(name.len() as u64).to_le_bytes()[..], name.as_bytes()].concat();
    let start = header.windows(wanted.len()).position(|bytes| bytes == wanted).unwrap();
    let rank_at = start + wanted.len();
    let rank = u32::from_le_bytes(header[rank_at..rank_at + 4].try_into().unwrap()) as usize;
    let end = rank_at + 4 + 8 * rank;
    // Its type and the place of its data.
    Described { whole: start..end + 12, last_dim: end - 8 }
}

fn path(model: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let own = folder.join(format!("{model}.gguf"));
    if own.exists() {
        return own;
    }
    folder.join("architectures").join(format!("{}.gguf", model.trim_start_matches("few-")))
}

/// The error of an analysis of this header, if there is one.
fn fault(header: &[u8]) -> Option<String> {
    let file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    std::fs::write(file.path(), header).unwrap();
    let mut request = Request::new(Task::language(1));
    request.options = Options::default().with("ctx-size", "256").with("ubatch-size", "8");
    analysis::analyze(file.path(), &request).err().map(|error| error.message().to_owned())
}

/// The dims without the ones at the end, as errors list them.
fn listed(dims: &Value) -> String {
    let mut dims: Vec<u64> = dims.as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap()).collect();
    while dims.len() > 1 && dims.last() == Some(&1) {
        dims.pop();
    }
    format!("{dims:?}")
}

#[test]
fn tensors_are_needed_with_the_dims_that_are_asked_for() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf/tensors.json");
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut checked = 0;
    for record in recorded["tensors"].as_array().unwrap() {
        let model = record["model"].as_str().unwrap();
        let header = std::fs::read(path(model)).unwrap();
        for asked in record["asked"].as_array().unwrap() {
            let name = asked[0].as_str().unwrap();
            let Described { whole, last_dim } = described(&header, name);
            if asked[1] == 1 {
                let mut without = [&header[..whole.start], &header[whole.end..]].concat();
                let count = u64::from_le_bytes(header[8..16].try_into().unwrap()) - 1;
                without[8..16].copy_from_slice(&count.to_le_bytes());
                let fault = fault(&without).unwrap_or_default();
                assert!(
                    fault.contains("no tensor") || fault.contains("has dims"),
                    "{model}, {name}: {fault}"
                );
            }
            let mut other = header.clone();
            // Rows of whole blocks stay rows of whole blocks.
            let dim = u64::from_le_bytes(header[last_dim..last_dim + 8].try_into().unwrap()) + 256;
            other[last_dim..last_dim + 8].copy_from_slice(&dim.to_le_bytes());
            let fault = fault(&other).unwrap_or_default();
            let is_named = fault.starts_with(&format!("tensor \"{name}\" has dims"));
            let wanted = listed(&asked[2]);
            // Jina's first weight may be twice as wide.
            let is_expected =
                fault.ends_with(&wanted) || name.ends_with("ffn_up.weight") && model.contains("jina");
            assert!(is_named && is_expected, "{model}, {name}: {fault}, and {wanted} is asked for");
            checked += 1;
        }
    }
    assert!(checked > 1000);
}

#[test]
fn a_tensor_that_no_architecture_has_is_an_error() {
    let mut header = std::fs::read(path("mini-llama")).unwrap();
    let Described { whole, .. } = described(&header, "blk.0.ffn_gate.weight");
    header[whole.start + 8..whole.start + 29].copy_from_slice(b"blk.0.ffn_gate.wright");
    assert_eq!(fault(&header).unwrap(), "llama has no tensor \"blk.0.ffn_gate.wright\"");
}
