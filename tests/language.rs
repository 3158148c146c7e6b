//! Phrases that readers trip over: none may come back into messages, help, rustdoc or comments.

use std::fs;
use std::path::{Path, PathBuf};

/// What not to write, and what to write in its place.
const PHRASES: &[(&str, &str)] = &[
    (" is told ", "is reported"),
    (" are told ", "are reported"),
    ("held against", "validated against"),
    ("box of the line", "pipeline stage"),
    ("is no wire type", "is not a valid ONNX (protobuf) file"),
    ("is no number", "is not a number"),
    ("is no dim", "is not a dim"),
    ("invalid digit found", "is not a number"),
    ("as provided for", "at the peak"),
    ("not taken over", "disables reuse"),
    ("says what becomes of", "resizes"),
    ("as its file wrote it", "as exported"),
    ("who holds the memory", "memory by component"),
];

#[test]
fn no_source_has_a_phrase_that_readers_trip_over() {
    let mut faults = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let found = PHRASES.iter().filter(|(phrase, _)| line.contains(phrase));
            faults.extend(found.map(|(phrase, better)| {
                format!("{}:{}: write \"{better}\", not \"{}\"", path.display(), number + 1, phrase.trim())
            }));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The Rust files of a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
