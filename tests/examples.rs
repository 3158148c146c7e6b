//! Runs every program of `examples/` and checks its output.
//!
//! Estimates move when a runtime's rules do, so only what must hold then is compared; programs that need no runtime are
//! compared in full. `every_example_has_a_test` fails if a program is missing here.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Builds and runs an example in the repository's folder, as `cargo run --example NAME ARGS` does.
fn run(name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--example", name, "--"]).args(arguments);
    let Output { status, stdout, stderr } =
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&stderr));
    (status.code(), String::from_utf8(stdout).expect("examples print text"))
}

/// The lines of a run that ends with status 0.
fn lines(name: &str, arguments: &[&str]) -> Vec<String> {
    let (status, text) = run(name, arguments);
    assert_eq!(status, Some(0), "{text}");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn peak_of_a_model() {
    let found = lines("peak_of_a_model", &[]);
    let starts: Vec<&str> = found.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(starts[..3], ["total", "weights", "peak"]);
    assert!(found[2].starts_with("peak     prefill, step ") && found[2].contains("lm_head"), "{}", found[2]);
    assert!(found[3].contains("GiB io of __module.lm_head"), "{}", found[3]);
    assert_eq!(found.len(), 6);
}

#[test]
fn budget_gate() {
    let (status, text) = run("budget_gate", &["100000"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains(" of 97.66 GiB, "), "{text}");
    let (status, text) = run("budget_gate", &["1", "fixtures/onnx/assistant", "64"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains(" exceeds 1.00 MiB by "), "{text}");
}

#[test]
fn mutate() {
    let folder = tempfile::tempdir().unwrap();
    let found =
        lines("mutate", &["fixtures/problems/nine.csv", &folder.path().display().to_string(), "3", "2"]);
    assert_eq!(found.len(), 2);
    let of = |file: &str| fs::read_to_string(file).unwrap();
    assert!(found.iter().all(|file| of(file) != of("fixtures/problems/nine.csv")), "{found:?}");
}

#[test]
fn per_phase_table() {
    let found = lines("per_phase_table", &[]);
    let columns = |line: &String| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let phases: Vec<Vec<String>> = found.iter().map(columns).collect();
    // The cache has room for twice the prompt, so it grows at 513 tokens. The last new token is not passed in again.
    let expected = [
        ["phase", "tokens"],
        ["load", "-"],
        ["compile", "-"],
        ["prefill", "256"],
        ["decode", "513"],
        ["decode", "767"],
    ];
    assert_eq!(phases, expected);
}

#[test]
fn compare_runtimes() {
    let found = lines("compare_runtimes", &[]);
    let names: Vec<&str> = found.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["runtime", "graph", "openvino-cpu", "openvino-gpu", "onnxruntime-cpu", "llama-cpp"]);
    let found = lines("compare_runtimes", &["fixtures/qwen2.5-0.5b-fp16", "64"]);
    let refused =
        "onnxruntime-cpu   profile onnxruntime-cpu was given, and this runtime does not load an OpenVINO IR";
    assert_eq!(found[4], refused);
}

#[test]
fn plan_buffers() {
    let expected = [
        "5 buffers, 17.00 KiB without reuse, at least 7.00 KiB",
        "first-fit           9.00 KiB  2.00 KiB above",
        "greedy-by-size      9.00 KiB  2.00 KiB above",
        "exact               7.00 KiB  0 B above",
        "stacked (our own)  10.00 KiB  3.00 KiB above",
    ];
    assert_eq!(lines("plan_buffers", &[]), expected);
}

#[test]
fn dump_schedule() {
    let expected = [
        "step 0 first: reads storages [0], writes [1]",
        "step 1 second: reads storages [1], writes [2]",
        "step 2 third: reads storages [2], writes [3]",
        "step 3 fourth: reads storages [3], writes [4]",
        "storage 1 activation 4.00 KiB alive over 0..2 at 0 B",
        "storage 2 activation 4.00 KiB alive over 1..3 at 4.00 KiB",
        "storage 3 activation 4.00 KiB alive over 2..4 at 0 B",
        "arena 8.00 KiB",
    ];
    assert_eq!(lines("dump_schedule", &[]), expected);
}

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let tests = include_str!("examples.rs");
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            continue; // Files of settings for the program, which their own tests run.
        }
        let name = path.file_stem().expect("an example is a file").to_string_lossy();
        assert!(tests.contains(&format!("fn {name}()")), "examples/{name}.rs has no test of its name");
    }
}
