//! Mutants of small models, problems and settings: every command answers, and never with a bug of its own.
//!
//! The mutants keep the structure of their file, so that shape inference, lowering and planning meet them, not only the
//! readers. The fuzz targets and `scripts/mutants` run the same for longer. A failure names the file and the seed;
//! `cargo run --example mutate -- FILE FOLDER SEED 1` writes the mutant.

use arbtest::arbtest;
use memgraph::error::ErrorKind;
use memgraph::fuzzing;
use memgraph::plan::{self, Planner, csv};
use memgraph::runtime::options::Options;
use memgraph::verify::geometry;
use memgraph::{Request, Task, analyze};
use std::path::Path;

/// Milliseconds per property.
const BUDGET: u64 = 1_500;

/// Mutants of each model: always the same, so that a run that fails does so again.
const SEEDS: u64 = 60;

/// Analyses mutants of each file next to the files that belong to it.
fn models(files: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for file in files.iter().map(|file| root.join(file)) {
        let content = std::fs::read(&file).unwrap();
        let model = folder.path().join("model").with_extension(file.extension().unwrap());
        // Constants that drive shapes.
        if let Ok(weights) = std::fs::read(file.with_extension("bin")) {
            std::fs::write(model.with_extension("bin"), weights).unwrap();
        }
        for seed in 0..SEEDS {
            let mutant = fuzzing::mutant(&content, seed).expect("the file is a model");
            std::fs::write(&model, mutant).unwrap();
            if let Err(error) = fuzzing::exercise(&model, seed) {
                panic!("{}, seed {seed}: {error}", file.display());
            }
        }
    }
}

/// The state of tests/ir/control-flow.xml, read by its first layer as well.
#[test]
fn a_variable_that_is_read_twice_is_one_state() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ir");
    let text = std::fs::read_to_string(root.join("control-flow.xml")).unwrap();
    let parameter =
        "type=\"Parameter\" version=\"opset1\">\n\t\t\t<data shape=\"..8,3\" element_type=\"f32\" />";
    let read = "type=\"ReadValue\" version=\"opset6\">\n\t\t\t<data variable_id=\"s\" variable_type=\"f32\" variable_shape=\"1,3\" />";
    assert!(text.contains(parameter));
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.xml");
    std::fs::write(&model, text.replace(parameter, read)).unwrap();
    std::fs::copy(root.join("control-flow.bin"), model.with_extension("bin")).unwrap();
    for profile in ["graph", "openvino-cpu", "openvino-gpu"] {
        let mut request = Request::new(Task::Graph);
        request.profile = Some(profile.to_owned());
        analyze(&model, &request).unwrap();
    }
}

#[test]
fn openvino_models() {
    models(&["tests/ir/control-flow.xml"]);
}

#[test]
fn onnx_models() {
    models(&["fixtures/onnx/ocr-detection/model.onnx", "fixtures/onnx/assistant/model.onnx"]);
}

#[test]
fn gguf_models() {
    models(&[
        "fixtures/gguf/mini-llama.gguf",
        "fixtures/gguf/mini-qwen3moe.gguf",
        "fixtures/gguf/mini-mamba2.gguf",
    ]);
}

#[test]
fn problems_and_plans() {
    const PLAN: &str = "id,lower,upper,size,offset\na,0,3,4,0\nb,1,9,8,4\nc,3,9,4,0\n";
    arbtest(|u| {
        let mutant = fuzzing::mutate(PLAN.as_bytes(), u)?.expect("a text has mutants");
        let Ok(table) = csv::read(&String::from_utf8_lossy(&mutant)) else { return Ok(()) };
        if let Some(plan) = &table.plan {
            let _ = geometry::check(&table.problem, plan);
        }
        let Ok(solution) = plan::solve_with(&table.problem, Planner::GreedyBySize, &plan::Options::default())
        else {
            return Ok(());
        };
        assert_eq!(geometry::check(&table.problem, &solution.plan), [], "{table:?}");
        Ok(())
    })
    .budget_ms(BUDGET);
}

/// A GGUF file with another number for one of its settings of 32 bits.
fn with_setting(file: &str, name: &str, value: u32) -> Vec<u8> {
    set(std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap(), name, value)
}

/// The bytes of a GGUF file with another number for one of its settings of 32 bits.
fn set(mut bytes: Vec<u8>, name: &str, value: u32) -> Vec<u8> {
    let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap() + name.len() + 4;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn sizes_of_states_that_contradict_each_other_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.gguf");
    let values = [0, 1 << 20, i32::MAX as u32, u32::MAX];
    for file in ["mini-mamba2", "mini-qwen35", "mini-qwen3next"] {
        let file = format!("fixtures/gguf/{file}.gguf");
        for name in ["inner_size", "state_size", "group_count", "time_step_rank", "conv_kernel"] {
            for value in values {
                std::fs::write(&model, with_setting(&file, &format!("ssm.{name}"), value)).unwrap();
                let request = Request::new(Task::language(64));
                if let Err(error) = analyze(&model, &request) {
                    assert!(error.kind() != ErrorKind::Internal, "{file}, {name} = {value}: {error}");
                }
            }
        }
    }
}

/// Sizes saturate: what is on devices, and what is written elsewhere, is their sum and difference.
#[test]
fn totals_beyond_64_bits_do_not_overflow() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.gguf");
    let mut bytes = with_setting("fixtures/gguf/mini-llama.gguf", "llama.context_length", 0xFFFF_8000);
    bytes = set(bytes, "llama.attention.head_count", u32::MAX);
    // Without a length of their own, keys are as long as the embedding divided by the heads: no element.
    let name = b"llama.attention.key_length";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at] = b'_';
    std::fs::write(&model, bytes).unwrap();
    for (option, value) in [("gpu-layers", "0"), ("gpu-layers", "99"), ("no-kv-offload", "true")] {
        let mut request = Request::new(Task::language(64));
        request.options = Options::default()
            .with("device", "cuda0,vulkan0")
            .with("device-memory", "24GiB,24GiB")
            .with(option, value);
        if let Err(error) = analyze(&model, &request) {
            assert!(error.kind() != ErrorKind::Internal, "{option} = {value}: {error}");
        }
    }
}
