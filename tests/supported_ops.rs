//! docs/supported-ops.md is what the reader's tables say; `BLESS=1` rewrites it.

#![cfg(all(feature = "onnx", feature = "openvino"))]

use memgraph::formats::{onnx, openvino};
use std::fmt::Write;

#[test]
fn the_document_is_up_to_date() {
    let rows: Vec<_> = openvino::supported_operators().collect();
    let mut text = String::from(
        "# Supported operators\n\nGenerated from the reader's tables: `BLESS=1 cargo test --test supported_ops`.\n\n\
         An operator that is not here is *opaque*: it takes the shapes that the file declares where they are static,\n\
         else the analysis ends in an error that names the node (`--allow-opaque` counts it as unknown instead).\n\n",
    );
    writeln!(
        text,
        "OpenVINO IR: {} operator types, with the sets that introduced or changed them.\n",
        rows.len()
    )
    .unwrap();
    text.push_str("| type | operator sets |\n|---|---|\n");
    for (name, sets) in rows {
        writeln!(text, "| {name} | {sets} |").unwrap();
    }
    let rows: Vec<_> = onnx::supported_operators().collect();
    writeln!(
        text,
        "\nONNX: {} operator types, with the versions of their set in which their form changed.\n",
        rows.len()
    )
    .unwrap();
    text.push_str("| set | type | versions |\n|---|---|---|\n");
    for (domain, name, versions) in rows {
        let domain = if domain.is_empty() { "ai.onnx" } else { domain };
        let versions: Vec<String> = versions.iter().map(i64::to_string).collect();
        writeln!(text, "| {domain} | {name} | {} |", versions.join(", ")).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/supported-ops.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "docs/supported-ops.md is out of date: BLESS=1 cargo test --test supported_ops");
}
