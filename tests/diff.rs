//! Comparisons of two models: of one with itself, of two precisions, and of an export with other names.

#![cfg(all(feature = "openvino", feature = "onnx"))]
#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::analysis::{self, Request, Task};
use memgraph::report::diff::{self, Side};
use memgraph::report::json;
use memgraph::report::model::{Diff, DiffRow, Grouping, Status};
use memgraph::scenario::Scenario;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn side(model: &Path, profile: Option<&str>) -> Side {
    let mut request = Request::new(Task::language(128));
    request.profile = profile.map(str::to_owned);
    analysis::run(model, &request).unwrap().side("model".to_owned())
}

fn rows(diff: &Diff, by: Grouping) -> Vec<&DiffRow> {
    diff.rows.iter().filter(|row| row.by == by).collect()
}

const ALL: [Grouping; 4] = [Grouping::Class, Grouping::Component, Grouping::Layer, Grouping::Node];

/// Rows of each grouping add up to the change of the total.
fn assert_sums(diff: &Diff) {
    let total = diff.total("total_bytes").delta;
    for by in ALL {
        let rows = rows(diff, by);
        assert_eq!(rows.iter().map(|row| row.delta).sum::<i64>(), total, "{by}");
        assert!(rows.iter().all(|row| row.new.cast_signed() - row.old.cast_signed() == row.delta));
    }
}

/// A copy of a fixture whose layers have other names.
fn renamed(name: &str, rename: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let xml = std::fs::read_to_string(fixture(name).join("openvino_model.xml")).unwrap();
    let mut out = String::with_capacity(xml.len());
    for line in xml.lines() {
        match line.split_once(" name=\"") {
            Some((start, rest)) if start.trim_start().starts_with("<layer") => {
                let (old, end) = rest.split_once('"').unwrap();
                out.push_str(&format!("{start} name=\"{}\"{end}\n", rename(old)));
            }
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    std::fs::write(folder.path().join("openvino_model.xml"), out).unwrap();
    let weights = "openvino_model.bin";
    std::fs::copy(fixture(name).join(weights), folder.path().join(weights)).unwrap();
    folder
}

/// A name with other numbers, where an exporter numbers: `Multiply_1234` is `Multiply_1241`, which was another node's.
fn renumbered(name: &str) -> String {
    match name.rsplit_once('_') {
        Some((start, number)) if !name.contains('/') => {
            number.parse::<u64>().map_or(name.to_owned(), |number| format!("{start}_{}", number + 7))
        }
        _ => name.to_owned(),
    }
}

#[test]
fn a_model_and_itself_do_not_differ() {
    let folders = ["qwen2.5-0.5b-fp16", "gemma2-int8-L1", "gguf/mini-llama.gguf"];
    for folder in folders {
        let side = side(&fixture(folder), None);
        let diff = diff::build(&side, &side);
        assert!(diff.is_empty() && diff.notes.is_empty(), "{folder}: {:?}", diff.notes);
        assert!(ALL.iter().all(|by| diff.unchanged[by] > 0), "{folder}");
    }
}

#[test]
fn a_pipeline_and_itself_do_not_differ() {
    let task = Task::Pipeline {
        patches: Some(1024),
        tiles: None,
        text_tokens: 16,
        new_tokens: 4,
        keeps_vision: true,
    };
    let made = analysis::run(&fixture("qwen2.5-vl-3b-v8-L4-fp16"), &Request::new(task)).unwrap();
    let side = made.side("pipeline".to_owned());
    assert!(side.nodes.len() > 1000);
    let diff = diff::build(&side, &side);
    assert!(diff.is_empty() && diff.unchanged[&Grouping::Node] > 100, "{:?}", diff.rows.first());
}

#[test]
fn eight_bits_save_half_of_each_matrix_but_for_its_scales() {
    let (fp16, int8) = (fixture("phi2-fp16-L1"), fixture("phi2-int8-L1"));
    // Sizes of constants, as the two files state them.
    let size = |folder: &Path| {
        let xml = std::fs::read_to_string(folder.join("openvino_model.xml")).unwrap();
        let last = xml.lines().last().unwrap();
        let words: Vec<&str> = last.split_whitespace().collect();
        words[words.iter().position(|word| *word == "size:").unwrap() + 1].parse::<i64>().unwrap()
    };
    let known = size(&int8) - size(&fp16);
    assert_eq!(known, -10_838_272);
    let diff = diff::build(&side(&fp16, Some("graph")), &side(&int8, Some("graph")));
    assert_eq!(diff.total("weights_file_bytes").delta, known);
    assert_eq!(diff.total("total_bytes").delta, known);
    assert_sums(&diff);
    assert!(diff.rows.iter().all(|row| row.status == Status::Changed), "{:?}", diff.rows);
    // The runtime holds more than the file: its own copies change as well, and the sums are exact nevertheless.
    let diff = diff::build(&side(&fp16, Some("openvino-cpu")), &side(&int8, Some("openvino-cpu")));
    assert!(diff.total("total_bytes").delta < known);
    assert_sums(&diff);
}

#[test]
fn an_export_with_other_numbers_does_not_differ() {
    let old = side(&fixture("qwen2.5-0.5b-fp16"), None);
    let folder = renamed("qwen2.5-0.5b-fp16", renumbered);
    let diff = diff::build(&old, &side(folder.path(), None));
    assert!(diff.is_empty(), "{:?}", diff.rows.first());
}

#[test]
fn an_export_without_names_has_the_same_nodes() {
    for profile in ["graph", "openvino-cpu"] {
        let old = side(&fixture("phi2-fp16-L1"), Some(profile));
        let count = std::cell::Cell::new(0);
        let folder = renamed("phi2-fp16-L1", |_| {
            count.set(count.get() + 1);
            format!("n{}", count.get())
        });
        let diff = diff::build(&old, &side(folder.path(), Some(profile)));
        assert_eq!(diff.total("total_bytes").delta, 0);
        // Components and layers are known by names alone.
        assert_eq!(rows(&diff, Grouping::Node).first(), None, "{profile}");
    }
}

#[test]
fn only_real_changes_are_left_of_a_renumbered_export() {
    let (fp16, int8) = ("phi2-fp16-L1", "phi2-int8-L1");
    for profile in ["graph", "openvino-cpu"] {
        let old = side(&fixture(fp16), Some(profile));
        let plain = diff::build(&old, &side(&fixture(int8), Some(profile)));
        let folder = renamed(int8, renumbered);
        let other = diff::build(&old, &side(folder.path(), Some(profile)));
        let deltas = |diff: &Diff| {
            let rows = rows(diff, Grouping::Node).into_iter();
            rows.map(|row| (row.delta, row.status)).collect::<Vec<_>>()
        };
        assert_eq!(deltas(&plain), deltas(&other), "{profile}");
        assert_sums(&other);
    }
}

#[test]
fn a_report_and_its_model_do_not_differ() {
    let folder = tempfile::tempdir().unwrap();
    let (path, model) = (folder.path().join("report.json"), side(&fixture("phi2-fp16-L1"), None));
    std::fs::write(&path, json::render(&model.report)).unwrap();
    let report = Side::of_report("report.json".to_owned(), json::read(&path).unwrap());
    let diff = diff::build(&report, &model);
    assert!(diff.is_empty(), "{:?}", diff.rows.first());
    assert_eq!(
        diff.notes,
        ["layer", "node"].map(|by| format!("report.json has no breakdown by {by}, so none is compared"))
    );
}

#[test]
fn a_longer_prompt_is_named_and_changes_no_weights() {
    let model = fixture("minilm-l6-v2-fp16");
    let of = |tokens: u64| {
        let mut request = Request::new(Task::Graph);
        let bind = |name: &str, size| (name.to_owned(), size);
        request.base =
            Scenario::default().with(|run| run.binds = vec![bind("batch", 1), bind("seq", tokens)]);
        analysis::run(&model, &request).unwrap().side("minilm".to_owned())
    };
    let diff = diff::build(&of(64), &of(128));
    assert_eq!(diff.total("weights_file_bytes").delta, 0);
    assert!(diff.total("total_bytes").delta > 0);
    assert!(diff.notes.iter().any(|note| note.ends_with("1x64 against 1x128")), "{:?}", diff.notes);
    assert_sums(&diff);
}
