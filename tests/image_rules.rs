//! Image rules, compared with the image processors of transformers (scripts/image_rules.py).

#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::formats::preprocessor;
use memgraph::pipeline::families;
use serde_json::Value;
use std::path::Path;

fn rows() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/image_rules.json");
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["rows"].as_array().unwrap().clone()
}

/// The settings as they are read from the two files of a model's folder.
fn settings(row: &Value) -> preprocessor::Preprocessor {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("preprocessor_config.json"), row["preprocessor"].to_string()).unwrap();
    let mut config = row["config"].clone();
    if row["family"] == "gemma3" {
        config["mm_tokens_per_image"] = 256.into();
    }
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    preprocessor::read(folder.path(), None).unwrap()
}

#[test]
fn every_family_cuts_images_as_its_processor_does() {
    let mut faults = Vec::new();
    let rows = rows();
    assert!(rows.len() >= 60, "{}", rows.len());
    for row in &rows {
        let family = row["family"].as_str().unwrap();
        let numbers = |key: &str| -> Vec<u64> {
            row[key].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
        };
        let (image, shape) = (numbers("image"), numbers("pixel_values"));
        let found = families::tiles(family, &settings(row), (image[0], image[1])).unwrap().unwrap();
        // Tiles as a batch of pictures; patches of all in one row for Qwen.
        let same = match shape.as_slice() {
            [patches, _] => found.patches == *patches,
            [count, _, height, width] => (found.count, found.size) == (*count, (*width, *height)),
            _ => false,
        };
        if !same || found.tokens != row["tokens"].as_u64().unwrap() {
            faults.push(format!("{family} {image:?}: {found:?}, recorded {shape:?} and {}", row["tokens"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
