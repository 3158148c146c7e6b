//! The outputs in README.md, docs/transcripts.md and docs/planning-runs.md are the program's. `scripts/transcripts` writes them again.

#![cfg(all(feature = "cli", feature = "onnx", feature = "openvino"))]

use std::path::PathBuf;
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a command prints, standard error last, and its exit status unless it is 0.
fn output(words: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_memgraph"))
        .args(words.split_whitespace())
        .current_dir(root())
        .output()
        .unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    match output.status.code() {
        Some(0) => stdout + &stderr,
        code => format!("{stdout}{stderr}(exit status {})\n", code.unwrap_or(-1)),
    }
}

/// A page in which the output of each command is what the program prints now.
fn refreshed(page: &str) -> String {
    let mut out = String::new();
    let mut lines = page.lines().peekable();
    let mut command = None;
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        command = line.strip_prefix("cargo run --release -- ").or(command);
        // A block of outputs alone, after a block with the command.
        if let (Some(words), "```text") = (command, line) {
            out.push_str(&output(words));
            while lines.next_if(|line| !line.starts_with("```")).is_some() {}
            command = None;
        }
        // A block of commands with their outputs.
        if line == "```console" {
            while let Some(line) = lines.next_if(|line| !line.starts_with("```")) {
                if let Some(words) = line.strip_prefix("$ memgraph ") {
                    out.push_str(&format!("{line}\n{}", output(words)));
                }
            }
        }
    }
    out
}

fn check(page: &str) {
    let path = root().join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let now = refreshed(&text);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    let differs = text.lines().zip(now.lines()).find(|(old, new)| old != new);
    assert!(text == now, "{page} is out of date, run scripts/transcripts: {differs:#?}");
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    check("README.md");
}

#[test]
fn the_transcripts_show_what_the_program_prints() {
    std::fs::create_dir_all(root().join("target")).unwrap();
    check("docs/transcripts.md");
}

#[test]
fn the_page_on_checks_shows_what_the_program_prints() {
    check("docs/ci.md");
}

#[test]
fn planning_runs_shows_what_the_program_prints() {
    check("docs/planning-runs.md");
}

#[test]
fn the_answer_is_on_the_first_screen() {
    let page = std::fs::read_to_string(root().join("docs/transcripts.md")).unwrap();
    assert_eq!(page.lines().filter(|line| line.starts_with("## ")).count(), 5);
    for words in page.lines().filter_map(|line| line.strip_prefix("$ memgraph ")) {
        if words.contains(" -v") {
            continue;
        }
        let text = output(words);
        let lines = text.lines().filter(|line| !line.starts_with("(exit status")).count();
        assert!(lines <= 30, "{words}: {lines} lines");
        let is_report = !text.starts_with("error");
        assert!(!is_report || text.lines().all(|line| line.chars().count() <= 80), "{words}:\n{text}");
    }
}
