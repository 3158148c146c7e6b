//! Golden tests of the command line.
//!
//! A case is a file `tests/cli/NAME.run` whose first line says what to run and how it must end:
//!
//! ```text
//! RUN: llm fixtures/qwen2.5-0.5b-fp16 1813
//! FAIL 2: graph fixtures/resnet50-fp32/openvino_model.xml
//! ```
//!
//! What it must print lies beside it as `.stdout` and `.stderr` (no file: nothing). `BLESS=1` rewrites both. A golden
//! that is missing fails, and so does one that no case has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn memgraph(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memgraph")).args(args).current_dir(root()).output().unwrap()
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/cli")).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "run")).collect();
    cases.sort();
    cases
}

#[test]
fn golden() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut faults = Vec::new();
    for case in cases() {
        let text = fs::read_to_string(&case).unwrap();
        let line = text.lines().next().unwrap();
        let (status, args) = match line.split_once(": ").unwrap() {
            ("RUN", args) => (0, args),
            (fail, args) => (fail.strip_prefix("FAIL ").unwrap().parse().unwrap(), args),
        };
        let output = memgraph(&args.split(' ').filter(|arg| !arg.is_empty()).collect::<Vec<_>>());
        let name = case.file_stem().unwrap().to_string_lossy().into_owned();
        if output.status.code() != Some(status) {
            faults.push(format!("{name}: exit status {:?}, expected {status}", output.status.code()));
        }
        for (end, actual) in [("stdout", output.stdout), ("stderr", output.stderr)] {
            let path = case.with_extension(end);
            let actual = String::from_utf8(actual).unwrap();
            if bless && actual.is_empty() {
                let _ = fs::remove_file(&path);
            } else if bless {
                fs::write(&path, &actual).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if actual != expected {
                let differs =
                    actual.lines().zip(expected.lines()).find(|(actual, expected)| actual != expected);
                let differs = differs.map_or("length differs".to_owned(), |(actual, expected)| {
                    format!("\n    now:    {actual}\n    golden: {expected}")
                });
                faults.push(format!("{name}: {end} of `memgraph {args}`: {differs}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}\nBLESS=1 accepts what is printed now", faults.join("\n"));
}

#[test]
fn no_golden_is_left_over() {
    let stems: BTreeSet<_> = cases().iter().map(|case| case.with_extension("")).collect();
    for entry in fs::read_dir(root().join("tests/cli")).unwrap() {
        let path = entry.unwrap().path();
        assert!(stems.contains(&path.with_extension("")), "{} belongs to no case", path.display());
    }
}

#[test]
fn every_help_states_the_exit_status() {
    let text = String::from_utf8(memgraph(&["--help"]).stdout).unwrap();
    let commands = text.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"llm") && commands.contains(&"dump"), "{commands:?}");
    for command in commands.into_iter().filter(|&command| command != "help") {
        let output = memgraph(&[command, "--help"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Exit status:"), "{command}: {text}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_memgraph"))
        .args(["dump", "fixtures/qwen2.5-0.5b-fp16/openvino_model.xml", "--stage", "graph"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
