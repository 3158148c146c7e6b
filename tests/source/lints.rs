//! Rules about the source that the compiler does not check: the length of functions and files, and that no stage after
//! the readers compares names of operators.
//!
//! The `OPEN` lists are known violations. An entry that is mended must be deleted, so the lists only shrink.

use super::{Literal, SourceFile, files, unexpected};
use memgraph::formats::{onnx, openvino};
use std::collections::BTreeSet;

const MOST_LINES_OF_A_FUNCTION: usize = 80;
const MOST_LINES_OF_A_FILE: usize = 600;

/// Functions that are one table, with what it lists.
const TABLES: &[(&str, &str)] = &[];

/// Files that are one table, with what it lists.
const TABLE_FILES: &[(&str, &str)] = &[("graph/op.rs", "one variant per operator")];

/// Functions that are too long.
const OPEN_FUNCTIONS: &[&str] = &[];

/// Files that state names of operators and compare nothing with them, with what they are for.
const NAMES: &[(&str, &str)] = &[
    ("fuzzing/mutate/onnx.rs", "names of new nodes"),
    ("fuzzing/mutate/openvino.rs", "names of new nodes"),
    ("runtime/onnxruntime_cpu/kernel.rs", "the runtime's names of its kernels"),
    (
        "runtime/openvino_cpu/execution/kind.rs",
        "the plugin's names of its kinds, which its own execution graphs state",
    ),
    ("runtime/openvino_cpu/fuse/attention_subgraph.rs", "names of new nodes"),
    ("runtime/openvino_cpu/fuse/mask.rs", "names of new nodes"),
    ("runtime/openvino_cpu/fuse/recurrent.rs", "names of new nodes"),
];

/// Files that compare names of operators, or pass one to a function that does.
const OPEN_COMPARISONS: &[&str] = &[];

#[test]
fn functions_are_short() {
    let long = |file: &SourceFile| -> Vec<String> {
        let long = file.functions.iter().filter(|function| function.lines > MOST_LINES_OF_A_FUNCTION);
        long.map(|function| format!("{}: {}", file.path, function.name)).collect()
    };
    let long: Vec<String> = files().iter().flat_map(long).collect();
    let known: Vec<&str> =
        TABLES.iter().map(|(name, _)| *name).chain(OPEN_FUNCTIONS.iter().copied()).collect();
    let faults = unexpected(&long, &known);
    assert!(
        faults.is_empty(),
        "functions of more than {MOST_LINES_OF_A_FUNCTION} lines:\n{}",
        faults.join("\n")
    );
}

#[test]
fn files_are_short() {
    let long = files().iter().filter(|file| file.lines > MOST_LINES_OF_A_FILE);
    let long: Vec<String> = long.map(|file| file.path.clone()).collect();
    let tables: Vec<&str> = TABLE_FILES.iter().map(|(file, _)| *file).collect();
    let faults = unexpected(&long, &tables);
    assert!(faults.is_empty(), "files of more than {MOST_LINES_OF_A_FILE} lines:\n{}", faults.join("\n"));
}

#[test]
fn half_of_the_files_have_under_200_lines() {
    let mut lines: Vec<usize> = files().iter().map(|file| file.lines).collect();
    lines.sort_unstable();
    assert!(lines[lines.len() / 2] < 200, "the median file has {} lines", lines[lines.len() / 2]);
}

#[test]
fn no_stage_after_the_readers_compares_names_of_operators() {
    let of_openvino = openvino::supported_operators().map(|found| found.name);
    let names: BTreeSet<&str> =
        of_openvino.chain(onnx::supported_operators().map(|found| found.name)).collect();
    let mut found = Vec::new();
    let mut places = Vec::new();
    for file in
        files().iter().filter(|file| !["formats/", "graph/"].iter().any(|own| file.path.starts_with(own)))
    {
        let uses: Vec<String> = file
            .literals
            .iter()
            .filter(|literal| names.contains(literal.text.as_str()) && is_compared(&file.path, literal))
            .map(|literal| format!("  {}:{}: \"{}\"", file.path, literal.line, literal.text))
            .collect();
        if !uses.is_empty() {
            found.push(file.path.clone());
            places.extend(uses);
        }
    }
    let faults = unexpected(&found, OPEN_COMPARISONS);
    places.retain(|place| faults.iter().any(|fault| place.contains(fault.trim_start_matches("new:   "))));
    assert!(
        faults.is_empty(),
        "files with names of operators:\n{}\n{}",
        faults.join("\n"),
        places.join("\n")
    );
}

#[test]
fn files_that_only_state_names_exist() {
    for (path, _) in NAMES {
        assert!(files().iter().any(|file| file.path == *path), "no file {path}: delete the entry");
    }
}

/// Whether a name of an operator is there to be compared. A report prints names and a rewriter makes names for new nodes;
/// an argument of any other function counts as compared.
fn is_compared(path: &str, literal: &Literal) -> bool {
    let is_label = path.starts_with("report/") || NAMES.iter().any(|(file, _)| *file == path);
    let makes_name = literal.argument_of.as_deref() == Some("fresh_name");
    literal.compared || !is_label && !makes_name
}
