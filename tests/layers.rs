//! The import rules of docs/ARCHITECTURE.md, checked against the source text.

use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level modules a module's code may name as `crate::…`. The first matching prefix counts.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units.rs", &[]),
    ("ids.rs", &[]),
    ("dtype.rs", &["units"]),
    ("error.rs", &[]),
    ("machine.rs", &["units"]),
    ("problem.rs", &["units", "ids"]),
    ("graph/", &["units", "ids", "dtype", "error", "graph"]),
    ("formats/", &["units", "ids", "dtype", "error", "graph", "scenario", "formats"]),
    ("closed_form/", &["units", "error", "formats"]),
    ("scenario", &["units", "ids", "dtype", "error", "graph", "scenario", "shape"]),
    ("shape/", &["units", "ids", "dtype", "error", "graph", "scenario", "shape"]),
    ("process/", &["units", "process"]),
    ("rewrite/", &["units", "ids", "dtype", "error", "graph", "shape", "rewrite"]),
    ("schedule/lifetime.rs", &["schedule", "problem", "units", "ids"]),
    ("schedule/", &["units", "ids", "dtype", "error", "graph", "scenario", "shape", "schedule"]),
    (
        "runtime/",
        &[
            "units", "ids", "dtype", "error", "machine", "graph", "scenario", "shape", "plan", "problem",
            "process", "rewrite", "schedule", "runtime",
        ],
    ),
    ("plan/", &["units", "ids", "error", "problem", "plan"]),
    ("verify/geometry", &["units", "ids", "error", "problem", "verify"]),
    ("verify/replay", &["units", "ids", "error", "problem", "schedule", "verify"]),
    ("verify/", &["units", "ids", "error", "problem", "schedule", "verify"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file below src, by its path there, with its code: no comments, no unit tests.
fn code() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        let lines = lines.filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect();
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        (name, lines)
    };
    files.iter().map(read).collect()
}

/// The top-level modules that a line names: `crate::graph::Op`, `use crate::{Bytes, problem}`.
fn imported(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap_or_default());
        let items: Vec<&str> = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        for item in items {
            let word: String = item.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if word.starts_with(|c: char| c.is_lowercase()) {
                names.push(word);
            }
        }
    }
    names
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let root: Vec<String> =
        code().iter().map(|(file, _)| file.split(['/', '.']).next().unwrap().to_owned()).collect();
    let mut faults = Vec::new();
    for (file, lines) in code() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(prefix, _)| file.starts_with(prefix)) else {
            continue;
        };
        for (number, line) in lines.iter().enumerate() {
            for name in imported(line).into_iter().filter(|name| root.contains(name)) {
                if !allowed.contains(&name.as_str()) {
                    faults.push(format!("{file}, code line {number}: imports crate::{name}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_names_modules_that_exist() {
    let files: Vec<String> = code().into_iter().map(|(file, _)| file).collect();
    for (prefix, _) in MAY_IMPORT {
        assert!(files.iter().any(|file| file.starts_with(prefix)), "no file under {prefix}");
    }
}

fn lines_with(marks: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, lines) in code() {
        if allowed.iter().any(|prefix| file.starts_with(prefix)) {
            continue;
        }
        let hits = lines.iter().filter(|line| marks.iter().any(|mark| line.contains(mark)));
        faults.extend(hits.map(|line| format!("{file}: {}", line.trim())));
    }
    faults
}

#[test]
fn only_formats_and_cli_touch_files() {
    let faults = lines_with(&["std::fs", "File::open", "memmap2"], &["formats/", "cli/"]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_cli_prints() {
    let faults = lines_with(&["println!", "print!(", "eprint", "stdout()", "stderr()", "dbg!"], &["cli/"]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_report_model_serializes() {
    let faults: Vec<String> = lines_with(&["derive("], &["report/model/"])
        .into_iter()
        .filter(|line| line.contains("Serialize"))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_code_is_in_one_file() {
    let faults =
        lines_with(&["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"], &["formats/mapping.rs"]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_test_reads_imports_as_the_compiler_does() {
    assert_eq!(imported("use crate::{Bytes, problem, ids::NodeId};"), ["problem", "ids"]);
    assert_eq!(imported("    let x: crate::graph::Op = crate::shape::text(d);"), ["graph", "shape"]);
    assert!(imported("use super::graph;").is_empty());
}
