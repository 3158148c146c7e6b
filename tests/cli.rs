//! Golden tests of the command line: each case is a test of its own, named after its file.
//!
//! A case is a file `tests/cli/NAME.run` whose first line states what to run and the exit status to expect:
//!
//! ```text
//! RUN: llm fixtures/qwen2.5-0.5b-fp16 1813
//! FAIL 2: graph fixtures/resnet50-fp32/openvino_model.xml
//! ```
//!
//! `NAME.stdout` and `NAME.stderr` next to it are what it must print; without such a file it must print nothing.
//! `BLESS=1` rewrites both. A missing golden fails, and so does one that no case names.

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

fn main() -> ExitCode {
    let golden = cases().into_iter().map(|case| {
        let name = case.file_stem().expect("a case is a file").to_string_lossy().into_owned();
        Trial::test(name, move || golden(&case))
    });
    let others = [
        Trial::test("every_case_is_found", every_case_is_found),
        Trial::test("no_golden_is_left_over", no_golden_is_left_over),
        Trial::test("every_help_states_the_exit_status", every_help_states_the_exit_status),
        Trial::test("a_closed_pipe_is_not_an_error", a_closed_pipe_is_not_an_error),
        Trial::test("shells_and_man_have_pages", shells_and_man_have_pages),
    ];
    libtest_mimic::run(&Arguments::from_args(), golden.chain(others).collect()).exit_code()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn memgraph(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memgraph")).args(args).current_dir(root()).output().unwrap()
}

fn files() -> BTreeSet<PathBuf> {
    fs::read_dir(root().join("tests/cli")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn cases() -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "run")).collect()
}

/// Runs one case and compares its exit status and both outputs, or rewrites its goldens.
fn golden(case: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(case)?;
    let line = text.lines().next().unwrap_or_default();
    let (status, args) = match line.split_once(": ") {
        Some(("RUN", args)) => (0, args),
        Some((fail, args)) if fail.starts_with("FAIL ") => (fail["FAIL ".len()..].parse()?, args),
        _ => {
            return Err(format!("the first line is `{line}`, expected `RUN: …` or `FAIL <status>: …`").into());
        }
    };
    let output = memgraph(&args.split_ascii_whitespace().collect::<Vec<_>>());
    let mut faults = Vec::new();
    if output.status.code() != Some(status) {
        faults.push(format!("exit status is {:?}, expected {status}", output.status.code()));
    }
    for (end, actual) in [("stdout", output.stdout), ("stderr", output.stderr)] {
        let golden = case.with_extension(end);
        let actual = String::from_utf8(actual)?;
        if std::env::var_os("BLESS").is_some() {
            bless(&golden, &actual)?;
        }
        faults.extend(difference(&golden, &actual).map(|fault| format!("{end}: {fault}")));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("`memgraph {args}`\n  {}\nBLESS=1 accepts what is printed now", faults.join("\n  ")).into())
}

fn bless(golden: &Path, actual: &str) -> std::io::Result<()> {
    match actual.is_empty() {
        true if golden.exists() => fs::remove_file(golden),
        true => Ok(()),
        false => fs::write(golden, actual),
    }
}

/// The first line that differs, or what is wrong with the file itself.
fn difference(golden: &Path, actual: &str) -> Option<String> {
    let expected = match fs::read_to_string(golden) {
        Ok(expected) if expected.is_empty() => {
            return Some("the golden is empty, which a missing file means".into());
        }
        Ok(expected) => expected,
        Err(_) if actual.is_empty() => return None,
        Err(_) => {
            return Some(format!("the golden is missing, and {} lines were printed", actual.lines().count()));
        }
    };
    if actual == expected {
        return None;
    }
    let (mut now, mut then) = (actual.lines(), expected.lines());
    for number in 1.. {
        let (now, then) = (now.next(), then.next());
        if now != then {
            let text = |line: Option<&str>| line.map_or("(end of the output)".to_owned(), str::to_owned);
            return Some(format!("line {number}\n    now:    {}\n    golden: {}", text(now), text(then)));
        }
        if now.is_none() {
            break;
        }
    }
    Some("line ends differ".into())
}

fn every_case_is_found() -> Result<(), Failed> {
    match cases().len() {
        0..100 => Err("fewer than 100 cases in tests/cli".into()),
        _ => Ok(()),
    }
}

fn no_golden_is_left_over() -> Result<(), Failed> {
    let stems: BTreeSet<PathBuf> = cases().iter().map(|case| case.with_extension("")).collect();
    let stale: Vec<String> = files()
        .into_iter()
        .filter(|path| !stems.contains(&path.with_extension("")))
        .map(|path| path.display().to_string())
        .collect();
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("no case names {}: delete them", stale.join(", ")).into())
    }
}

fn every_help_states_the_exit_status() -> Result<(), Failed> {
    let text = String::from_utf8(memgraph(&["--help"]).stdout)?;
    let commands = text.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"llm") && commands.contains(&"dump"), "{commands:?}");
    for command in commands.into_iter().filter(|&command| command != "help") {
        let output = memgraph(&[command, "--help"]);
        let text = String::from_utf8(output.stdout)?;
        assert!(output.status.success() && text.contains("Exit status:"), "{command}: {text}");
    }
    Ok(())
}

fn shells_and_man_have_pages() -> Result<(), Failed> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = memgraph(&["completions", shell]);
        let text = String::from_utf8(output.stdout)?;
        assert!(output.status.success() && text.contains("kv-precision"), "{shell}");
    }
    let folder = tempfile::tempdir()?;
    let output = memgraph(&["man", "--out-dir", folder.path().to_str().unwrap_or_default()]);
    assert!(output.status.success());
    let page = fs::read_to_string(folder.path().join("memgraph-llm.1"))?;
    assert!(page.contains(".TH memgraph-llm 1") && page.contains("Examples:"), "{page}");
    let printed = String::from_utf8(memgraph(&["man", "llm"]).stdout)?;
    assert_eq!(printed, page);
    assert_eq!(memgraph(&["man", "nothing"]).status.code(), Some(2));
    Ok(())
}

fn a_closed_pipe_is_not_an_error() -> Result<(), Failed> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_memgraph"))
        .args(["dump", "fixtures/qwen2.5-0.5b-fp16/openvino_model.xml", "--stage", "graph"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr)?, "");
    Ok(())
}
