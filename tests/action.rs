//! The steps of action.yml, run as a runner does: scripts with an environment, and files for outputs and the summary.

#![cfg(all(unix, feature = "cli", feature = "openvino", feature = "regress"))]
#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a step left behind.
struct Step {
    status: i32,
    log: String,
    outputs: BTreeMap<String, String>,
    summary: String,
    folder: tempfile::TempDir,
}

/// Runs a script of the action in `working`, with the runner's variables and those of the step.
fn step(script: &str, working: &Path, env: &[(&str, &str)]) -> Step {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let output = Command::new(root().join("scripts/action").join(script))
        .current_dir(working)
        .env("GITHUB_ACTION_PATH", root())
        .env("GITHUB_OUTPUT", file("output"))
        .env("GITHUB_STEP_SUMMARY", file("summary"))
        .env("RUNNER_TEMP", folder.path())
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let log = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap_or_default();
    let (outputs, summary) = (outputs(&read("output")), read("summary"));
    Step { status: output.status.code().unwrap(), log, outputs, summary, folder }
}

/// Outputs as a runner reads them: `name=value`, or `name<<delimiter` and lines up to the delimiter.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, delimiter)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            found.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap();
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    found
}

const MEMGRAPH: (&str, &str) = ("MEMGRAPH_BINARY", env!("CARGO_BIN_EXE_memgraph"));

#[test]
fn a_failed_check_fails_the_step_with_annotations_and_a_summary() {
    let config = ("MEMGRAPH_CONFIG", "tests/check/failing.toml");
    let found = step("check", root(), &[MEMGRAPH, config]);
    assert_eq!(found.status, 1, "{}", found.log);
    let annotations =
        found.log.lines().filter(|line| line.starts_with("::error file=tests/check/failing.toml,line="));
    assert_eq!(annotations.count(), 12, "{}", found.log);
    assert!(found.summary.contains("Memory: 12 of 13 checks failed"), "{}", found.summary);
    let outputs = &found.outputs;
    assert_eq!((&*outputs["passed"], &*outputs["status"]), ("false", "1"));
    assert_eq!(format!("{}\n", outputs["comment"]), found.summary);
    assert!(outputs["comment"].len() < 65_536);
    for name in ["comment-file", "json", "junit", "badge"] {
        assert!(Path::new(&outputs[name]).starts_with(found.folder.path()), "{name}");
        assert!(std::fs::metadata(&outputs[name]).unwrap().len() > 0, "{name}");
    }
    let found = step("check", root(), &[MEMGRAPH, config, ("MEMGRAPH_FAIL", "false")]);
    assert_eq!((found.status, &*found.outputs["passed"]), (0, "false"));
}

#[test]
fn checks_that_pass_pass_the_step() {
    let env = [
        MEMGRAPH,
        ("MEMGRAPH_CONFIG", "tests/check/passing.toml"),
        ("MEMGRAPH_ONLY", "phi2-fp16\nphi2-int8\n"),
    ];
    let found = step("check", root(), &env);
    assert_eq!((found.status, &*found.outputs["passed"]), (0, "true"), "{}", found.log);
    assert!(found.summary.contains("6 checks passed"), "{}", found.summary);
}

#[test]
fn an_error_is_the_summary_and_always_fails() {
    let env = [MEMGRAPH, ("MEMGRAPH_CONFIG", "tests/check/unknown-key.toml"), ("MEMGRAPH_FAIL", "false")];
    let found = step("check", root(), &env);
    assert_eq!((found.status, &*found.outputs["status"]), (2, "2"));
    assert!(
        found.log.contains("::error title=memgraph check::error: unknown field `buget`"),
        "{}",
        found.log
    );
    assert!(found.summary.contains("did you mean `budget`?"), "{}", found.summary);
}

#[test]
fn a_lower_bound_that_is_allowed_passes() {
    let found = step("check", root(), &[MEMGRAPH, ("MEMGRAPH_CONFIG", "tests/check/incomplete.toml")]);
    assert_eq!((found.status, &*found.outputs["status"], &*found.outputs["passed"]), (0, "3", "true"));
}

#[test]
fn the_text_of_an_input_is_never_a_command() {
    let folder = tempfile::tempdir().unwrap();
    for hostile in
        ["$(touch pwned)", "`touch pwned`", "; touch pwned;", "--update", "a\" && touch pwned && \""]
    {
        let env = [MEMGRAPH, ("MEMGRAPH_CONFIG", hostile), ("MEMGRAPH_ONLY", hostile)];
        let found = step("check", folder.path(), &env);
        assert_eq!(found.status, 2, "{hostile}: {}", found.log);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{hostile}");
    }
}

#[test]
fn the_program_is_built_once_for_a_source() {
    let key = step("key", root(), &[("RUNNER_OS", "Linux"), ("RUNNER_ARCH", "X64")]);
    assert_eq!(key.status, 0, "{}", key.log);
    let name = &key.outputs["key"];
    assert!(
        name.starts_with("memgraph-Linux-X64-") && name.len() == "memgraph-Linux-X64-".len() + 64,
        "{name}"
    );

    // A cargo that only says what it was asked for, and installs a program that says its version.
    let tools = tempfile::tempdir().unwrap();
    let tool = |name: &str, text: &str| {
        let path = tools.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let target = tools.path().join("built").display().to_string();
    tool("rustup", "echo rustup \"$@\"");
    tool(
        "cargo",
        &format!(
            "echo cargo \"$@\"; mkdir -p {target}/bin; printf '#!/bin/sh\\necho memgraph 0\\n' > {target}/bin/memgraph; chmod +x {target}/bin/memgraph"
        ),
    );
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let env = [("PATH", &*path), ("MEMGRAPH_FOLDER", &*target), ("MEMGRAPH_BINARY", "")];
    let first = step("install", root(), &env);
    assert_eq!(first.status, 0, "{}", first.log);
    assert!(first.log.contains(&format!("install --locked --path . --root {target}")), "{}", first.log);
    assert!(first.log.contains("rustup toolchain install 1."), "{}", first.log);
    let second = step("install", root(), &env);
    assert!(!second.log.contains("cargo"), "{}", second.log);
    assert_eq!(PathBuf::from(&second.outputs["binary"]), Path::new(&target).join("bin/memgraph"));
    let given = step("install", root(), &[MEMGRAPH]);
    assert_eq!(given.outputs["binary"], MEMGRAPH.1);
}

#[test]
fn inputs_reach_scripts_by_the_environment_alone() {
    let text = std::fs::read_to_string(root().join("action.yml")).unwrap();
    let (head, steps) = text.split_once("\nruns:\n").unwrap();
    let inputs = head.split_once("\ninputs:\n").unwrap().1.split_once("\noutputs:\n").unwrap().0;
    let declared: BTreeSet<&str> = inputs
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with(' '))
        .collect();
    let mut used = BTreeSet::new();
    let mut within = "";
    for line in steps.lines() {
        let key = line.trim_start().trim_start_matches("- ").split(':').next().unwrap();
        if line.starts_with("      ") && !line.starts_with("       ") || line.starts_with("    - ") {
            within = key;
        }
        if let Some(name) = line.split_once("inputs.").map(|(_, rest)| rest) {
            used.insert(name.split([' ', '}']).next().unwrap());
            assert!(["env", "with", "if"].contains(&within), "{line}");
        }
        if key == "run" {
            assert!(!line.contains("${{"), "{line}");
            let script = line.split("scripts/action/").nth(1).unwrap().trim_end_matches(['"', '\'']);
            assert!(root().join("scripts/action").join(script).exists(), "{script}");
        }
    }
    assert_eq!(declared, used);
}
