//! The `components` profile gives the published figures.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::closed_form::components;
use memgraph::pipeline::estimate;
use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// Bytes in one MB of the published tables.
const MB: f64 = (1_u64 << 20) as f64;

fn rows() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/measured/published_vlm.json");
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["rows"].as_array().unwrap().clone()
}

/// A folder with the config of a row, and weight files of the published lengths, without content.
fn model(row: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), row["config"].to_string()).unwrap();
    let published = &row["published_estimate_mb"];
    for (name, megabytes) in [
        ("vision_embeddings", &published["vit"]["weight"]),
        ("language", &published["llm"]["weight"]),
        ("text_embeddings", &row["text_embeddings_mb"]),
    ] {
        let file = File::create(folder.path().join(format!("openvino_{name}_model.bin"))).unwrap();
        file.set_len((megabytes.as_f64().unwrap() * MB).round() as u64).unwrap();
    }
    folder
}

fn assert_near(what: &str, found: u64, published: &Value, tolerance: f64) {
    let (found, published) = (found as f64 / MB, published.as_f64().unwrap());
    assert!((found - published).abs() <= tolerance, "{what}: {found:.3}, published {published}");
}

#[test]
fn all_twelve_temporary_sizes_and_six_totals() {
    let rows = rows();
    assert_eq!(rows.len(), 6);
    for row in &rows {
        let name = row["model"].as_str().unwrap();
        let folder = model(row);
        let patches = row["seq"].as_u64().unwrap();
        let [vision, language, embeddings] = estimate::pipeline(folder.path(), None, patches).unwrap();
        let published = &row["published_estimate_mb"];
        assert_eq!(language.length, row["llm_length"].as_f64().unwrap(), "{name}");
        for (part, key) in [(&vision, "vit"), (&language, "llm")] {
            // Printed with two decimals: half of the last one is lost, in the weights too.
            assert_near(name, components::sum(&part.parts).0, &published[key]["temp"], 0.005_01);
            assert_near(name, part.total().0, &published[key]["total"], 0.010_01);
        }
        let total = vision.total() + language.total() + embeddings.total();
        assert_near(name, total.0, &published["total"], 0.020_01);
    }
}

#[test]
fn weights_that_are_not_there_are_unknown() {
    let row = &rows()[0];
    let folder = model(row);
    std::fs::remove_file(folder.path().join("openvino_language_model.bin")).unwrap();
    let found = estimate::language(folder.path(), None, 1813.0).unwrap();
    assert_eq!(found.weights, None);
    let report = memgraph::report::estimate::build(&found, String::new());
    assert!(!report.is_complete());
}

/// The text of a figure in examples/published/memgraph.toml.
fn figure(value: &Value) -> String {
    format!("{value} MiB")
}

#[test]
fn the_shipped_checks_are_those_of_the_record() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/published");
    let text = std::fs::read_to_string(folder.join("memgraph.toml")).unwrap();
    for row in rows() {
        let name = row["model"].as_str().unwrap();
        let config = std::fs::read_to_string(folder.join("models").join(name).join("config.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&config).unwrap(), row["config"], "{name}");
        let block =
            text.split("[[check]]").find(|block| block.contains(&format!("\"{name}: formulas\""))).unwrap();
        let published = &row["published_estimate_mb"];
        for value in [
            &published["total"],
            &published["vit"]["weight"],
            &published["llm"]["weight"],
            &row["text_embeddings_mb"],
        ] {
            assert!(block.contains(&figure(value)), "{name}: {value}");
        }
        assert!(block.contains(&format!("seq = {}", row["seq"])), "{name}");
        for (key, word) in [("openvino", "openvino = "), ("llama_cpp", "llama.cpp = ")] {
            let value = &row["measured_mb"][key];
            assert_eq!(block.contains(word), !value.is_null(), "{name}: {key}");
            assert!(value.is_null() || block.contains(&figure(value)), "{name}: {key}");
        }
    }
}

#[cfg(feature = "regress")]
#[test]
fn the_shipped_checks_fail_where_they_say_and_nowhere_else() {
    use memgraph::regress::{Config, Options, run};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/published");
    let found =
        run(&Config::read(&folder.join("memgraph.toml")).unwrap(), &Options::default()).unwrap().report;
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert_eq!(found.checks.len(), 35);
    assert!(found.checks.iter().all(|check| check.ratio.is_some()), "every row has a ratio");
    let failed: Vec<&str> = found.failures().map(|check| &*check.name).collect();
    assert_eq!(failed, ["qwen2_5-vl-3b: formulas", "llava-1.5-7b-hf-4bit: formulas"]);
    for check in &found.checks {
        let figure = check.figure.as_deref().unwrap();
        if figure == "estimate: total" && check.name.ends_with("formulas") {
            assert!((check.ratio.unwrap() - 1.0).abs() < 1e-5, "{}: {:?}", check.name, check.ratio);
            continue;
        }
        // The page states the ratio of every row.
        let row =
            page.lines().find(|line| line.starts_with(&format!("| {} |", check.name.replace(": ", ", "))));
        let ratio = format!("{:.3}", check.ratio.unwrap());
        let is_stated = figure == "estimate: total" || row.is_some_and(|row| row.contains(&ratio));
        assert!(is_stated, "{}, {figure}: {ratio}", check.name);
    }
}
