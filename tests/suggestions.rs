//! What a report suggests is what a second run shows: each command is repeated with the options of each suggestion.

#![cfg(all(feature = "cli", feature = "onnx", feature = "openvino"))]

use memgraph::report::model::{Report, Suggestion};
use std::path::Path;
use std::process::Command;

/// Commands, the model second, and options that each of them must suggest.
const CASES: &[(&str, &[&str])] = &[
    ("llm fixtures/qwen2.5-0.5b-fp16 512", &["--runner genai", "--logits last"]),
    ("llm fixtures/qwen2.5-0.5b-fp16 512 --batch 2 --runner genai --phase prefill", &["--batch 1"]),
    ("vit fixtures/vit-base-p16-224-fp16 197", &[]),
    ("graph fixtures/onnx/detector/model.onnx --input pixel_values=8x3x128x160", &["--arena off"]),
    ("vlm fixtures/qwen2.5-vl-3b-v8-L4-fp16 1024 --text-tokens 512 --new-tokens 2", &["--keep-vision no"]),
];

fn report(words: &[String]) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_memgraph"))
        .args(words)
        .args(["--json", "-"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn repeated(command: &[String], suggestion: &Suggestion) -> Report {
    let mut words = command.to_vec();
    if let Some(model) = &suggestion.model {
        words[1].clone_from(model);
    }
    words.extend(suggestion.options.iter().cloned());
    report(&words)
}

#[test]
fn a_saving_is_the_difference_of_two_analyses() {
    for (line, expected) in CASES {
        let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let before = report(&command);
        let mut last = u64::MAX;
        for suggestion in &before.suggestions {
            let name = format!("{line} {}", suggestion.options.join(" "));
            let after = repeated(&command, suggestion);
            assert_eq!(after.totals.total_bytes, suggestion.total_bytes, "{name}");
            assert_eq!(after.resident_peak(), suggestion.resident_bytes, "{name}");
            let saves = before.totals.total_bytes - after.totals.total_bytes;
            assert_eq!(saves, suggestion.saves_bytes, "{name}");
            assert!(saves * 100 >= before.totals.total_bytes && saves <= last, "{name}: {saves}");
            last = saves;
        }
        for options in *expected {
            let is_there = |found: &Suggestion| found.options.join(" ") == *options;
            assert!(before.suggestions.iter().any(is_there), "{line}: {options} is not suggested");
        }
    }
}

#[test]
fn an_export_of_fewer_bits_next_to_the_model_is_suggested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [("qwen2.5-0.5b-fp16", "tiny-fp16"), ("minilm-l6-v2-fp16", "tiny-int8")] {
        std::fs::create_dir(folder.path().join(to)).unwrap();
        for entry in std::fs::read_dir(root.join(from)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(to).join(path.file_name().unwrap())).unwrap();
        }
    }
    let model = folder.path().join("tiny-fp16").display().to_string();
    let command: Vec<String> = ["llm", &model, "64"].map(str::to_owned).to_vec();
    let before = report(&command);
    let Some(found) = before.suggestions.iter().find(|found| found.model.is_some()) else {
        panic!("{:?}", before.suggestions);
    };
    assert!(found.options.is_empty() && found.what.contains("INT8"), "{found:?}");
    assert_eq!(repeated(&command, found).totals.total_bytes, found.total_bytes);
}
