//! The kind of model that an accuracy statement is about, for fixtures and for the models that only validate.

#![cfg(all(feature = "onnx", feature = "openvino"))]

use memgraph::formats;
use memgraph::report::accuracy;
use memgraph::report::model::Task;
use std::path::Path;

const FIXTURES: &[(&str, Task, &str)] = &[
    ("fixtures/qwen2.5-0.5b-fp16/openvino_model.xml", Task::Llm, "language model"),
    ("fixtures/qwen2.5-1.5b-L8-int4asym-g128/openvino_model.xml", Task::Llm, "language model"),
    ("fixtures/onnx/assistant/model.onnx", Task::Llm, "language model"),
    ("fixtures/minilm-l6-v2-fp16/openvino_model.xml", Task::Llm, "text encoder"),
    ("fixtures/vit-base-p16-224-fp16/openvino_model.xml", Task::Vision, "vision transformer"),
    ("fixtures/resnet50-fp32/openvino_model.xml", Task::General, "convolutional classifier"),
    ("fixtures/onnx/ocr-detection/model.onnx", Task::General, "detector, segmentation or pose"),
    ("fixtures/ptq-image-mini/openvino_model.xml", Task::General, "INT8 (FakeQuantize)"),
];

#[test]
fn fixtures_have_their_kinds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wrong = FIXTURES.iter().filter_map(|(file, task, expected)| {
        let is = accuracy::kind(&formats::open(&root.join(file)).unwrap(), *task);
        (is != *expected).then(|| format!("{file} is a {is}, not a {expected}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Kinds and prefixes of scripts/accuracy.toml, as far as a model is in scripts/validation.
#[test]
fn validation_models_have_the_kinds_that_their_runs_are_counted_under() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let text = std::fs::read_to_string(root.join("accuracy.toml")).unwrap();
    let mut kind = "";
    let (mut found, mut wrong) = (0, Vec::new());
    // What follows the models are causes of misses, by names of runs.
    for line in text.lines().take_while(|line| *line != "[[causes]]") {
        kind = line.strip_prefix("kind = ").map_or(kind, |word| word.trim_matches('"'));
        for name in line.split('"').skip(1).step_by(2).filter(|name| !name.is_empty()) {
            let file = root.join("validation/models").join(name).join("openvino_model.xml");
            if !file.is_file() {
                continue;
            }
            let graph = formats::open(&file).unwrap();
            let is = accuracy::kind(&graph, Task::General);
            wrong.extend((is != kind).then(|| format!("{name} is a {is}, and counted as {kind}")));
            found += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(found >= 20, "{found} models");
}
