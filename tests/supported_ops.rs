//! The table of operators and the readers' tables agree; docs/supported-ops.md is what they say, and `BLESS=1` rewrites
//! it.

#![cfg(all(feature = "onnx", feature = "openvino"))]

use memgraph::formats::{onnx, openvino};
use memgraph::graph::OpKind;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What each format calls an operator.
#[derive(Default)]
struct Names {
    openvino: Vec<&'static str>,
    onnx: Vec<String>,
}

#[test]
fn every_operator_has_a_name_in_some_format() {
    let names = names();
    let nameless: Vec<_> = operators().filter(|kind| !names.contains_key(kind)).collect();
    assert!(nameless.is_empty(), "{nameless:?}");
}

#[test]
fn operators_are_listed_once_by_unique_names() {
    let mut names: Vec<_> = OpKind::ALL.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), OpKind::ALL.len());
}

#[test]
fn the_document_is_up_to_date() {
    let mut text = String::from(
        "# Supported operators\n\nGenerated from the operators' table and the readers' tables: \
         `BLESS=1 cargo test --test supported_ops`.\n\n\
         An operator that is not here is *opaque*: it takes the shapes that the file declares where they are static,\n\
         else the analysis ends in an error that names the node (`--allow-opaque` counts it as unknown instead).\n",
    );
    by_family(&mut text);
    by_openvino_type(&mut text);
    by_onnx_type(&mut text);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/supported-ops.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "docs/supported-ops.md is out of date: BLESS=1 cargo test --test supported_ops");
}

/// Who reads the type that a file gives a node: reports and labels, and the reader of a runtime's own graphs.
const READERS_OF_TYPES: [&str; 8] = [
    "src/graph/",
    "src/formats/",
    "src/report/",
    "src/error.rs",
    // Labels of nodes that the runtime has no word for.
    "src/runtime/onnxruntime_cpu/mod.rs",
    "src/runtime/openvino_cpu/fuse/work.rs",
    // A serialized execution graph names the plugin's types.
    "src/runtime/openvino_cpu/execution/read.rs",
    // The name that a test's node has.
    "src/runtime/openvino_cpu/fuse/testing.rs",
];

#[test]
fn stages_after_the_readers_ask_for_operators_and_not_for_their_names() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !READERS_OF_TYPES.iter().any(|reader| name.starts_with(reader)) {
                let text = std::fs::read_to_string(&path).unwrap();
                let reads = |line: &&str| line.contains(".node_type(") || line.contains(".type_name");
                found.extend(text.lines().filter(reads).map(|line| format!("{name}: {}", line.trim())));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The operators with a shape rule; what was executed has the shapes that its file declares.
fn operators() -> impl Iterator<Item = OpKind> {
    let has_rule = |kind: &OpKind| !kind.is_opaque() && *kind != OpKind::Executed;
    OpKind::ALL.iter().copied().filter(has_rule)
}

fn names() -> BTreeMap<OpKind, Names> {
    let mut names: BTreeMap<OpKind, Names> = BTreeMap::new();
    for operator in openvino::supported_operators() {
        for kind in operator.kinds {
            names.entry(kind).or_default().openvino.push(operator.name);
        }
    }
    for operator in onnx::supported_operators() {
        let name = match operator.domain {
            "" => operator.name.to_owned(),
            domain => format!("{domain}.{}", operator.name),
        };
        for kind in operator.kinds {
            names.entry(kind).or_default().onnx.push(name.clone());
        }
    }
    names
}

fn by_family(text: &mut String) {
    let names = names();
    let count = operators().count();
    write!(text, "\n## Operators\n\n{count} operators, with their names in each format.\n").unwrap();
    let mut family = None;
    for kind in operators() {
        if family.replace(kind.family()) != Some(kind.family()) {
            write!(text, "\n### {:?}\n\n| operator | OpenVINO IR | ONNX |\n|---|---|---|\n", kind.family())
                .unwrap();
        }
        let Names { openvino, onnx } = &names[&kind];
        writeln!(text, "| {} | {} | {} |", kind.name(), openvino.join(", "), onnx.join(", ")).unwrap();
    }
}

fn by_openvino_type(text: &mut String) {
    let rows: Vec<_> = openvino::supported_operators().collect();
    write!(
        text,
        "\n## OpenVINO IR\n\n{} operator types, with the sets that introduced or changed them.\n\n\
         | type | operator | operator sets |\n|---|---|---|\n",
        rows.len()
    )
    .unwrap();
    for row in rows {
        writeln!(text, "| {} | {} | {} |", row.name, joined(&row.kinds), row.sets).unwrap();
    }
}

fn by_onnx_type(text: &mut String) {
    let rows: Vec<_> = onnx::supported_operators().collect();
    write!(
        text,
        "\n## ONNX\n\n{} operator types, with the versions of their set in which their form changed.\n\n\
         | set | type | operator | versions |\n|---|---|---|---|\n",
        rows.len()
    )
    .unwrap();
    for row in rows {
        let domain = if row.domain.is_empty() { "ai.onnx" } else { row.domain };
        let versions: Vec<String> = row.versions.iter().map(i64::to_string).collect();
        writeln!(text, "| {domain} | {} | {} | {} |", row.name, joined(&row.kinds), versions.join(", "))
            .unwrap();
    }
}

fn joined(kinds: &[OpKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}
