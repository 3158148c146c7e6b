//! The import rules of docs/ARCHITECTURE.md, checked on the parsed source: which part may use which, no import cycle
//! between files, and what only one part may do.
//!
//! The `OPEN` lists are known violations. An entry that is mended must be deleted, so the lists only shrink.

mod source;

use source::graph::{self, Edges};
use source::{Named, SourceFile, files, unexpected};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// What everything may use.
const BASE: &[&str] = &["units", "ids", "dtype", "error", "machine"];

/// Which areas the files of an area may use, apart from `BASE` and their own. `*` is any, an entry after `!` is taken
/// away again, `RUNTIME` is the folder of any one runtime.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("ids", &[]),
    ("dtype", &[]),
    ("error", &[]),
    ("machine", &[]),
    ("problem", &["!dtype", "!error", "!machine"]),
    ("graph", &[]),
    ("scenario", &["graph"]),
    ("formats", &["graph", "scenario"]),
    ("closed_form", &["formats"]),
    ("shape", &["graph", "scenario"]),
    ("rewrite", &["graph", "shape"]),
    ("process", &[]),
    ("schedule", &["graph", "scenario", "shape", "process", "problem"]),
    ("lifetime", &["schedule", "problem"]),
    ("runtime", &["graph", "scenario", "shape", "rewrite", "process", "schedule", "problem", "plan"]),
    (
        "RUNTIME",
        &["graph", "scenario", "shape", "rewrite", "process", "schedule", "problem", "plan", "runtime"],
    ),
    ("registry", &["graph", "runtime", "RUNTIME"]),
    ("plan", &["problem", "!dtype", "!machine"]),
    ("verify", &["problem", "schedule", "verify/geometry", "verify/replay"]),
    ("verify/geometry", &["problem"]),
    ("verify/replay", &["problem", "schedule"]),
    ("phases", &["*", "!RUNTIME", "!formats", "!closed_form", "!pipeline", "!report", "!cli", "!lib"]),
    ("pipeline", &["*", "!RUNTIME", "!report", "!cli", "!lib"]),
    ("report", &["*", "!RUNTIME", "!cli", "!lib"]),
    ("regress", &["*", "!RUNTIME", "!cli", "!lib"]),
    ("analysis", &["*", "!RUNTIME", "!regress", "!cli", "!lib"]),
    ("fit", &["*", "!RUNTIME", "!cli", "!lib"]),
    ("fuzzing", &["*", "!RUNTIME", "!cli", "!lib"]),
    ("lib", &["*", "!RUNTIME", "!cli"]),
    ("cli", &["*", "!RUNTIME"]),
];

/// Uses that the table forbids and that are still there.
const OPEN_USES: &[&str] = &[];

/// Uses on which an import cycle rests that is wanted.
const RECURSION: &[(&str, &str)] = &[
    // A body is a graph within an operator: its rule infers a whole graph, whose rules may meet a body.
    ("shape/control/body.rs", "shape/engine.rs"),
    // And so it is a graph within the type of an operator.
    ("graph/op/control.rs", "graph/mod.rs"),
];

/// Names of runtimes in code that must serve any.
const OPEN_NAMES: &[&str] = &[];

#[test]
fn files_use_only_what_is_below_them() {
    let faults: Vec<String> = edges()
        .keys()
        .filter(|(from, to)| !may_use(&area(from), &area(to)))
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect();
    let faults = unexpected(&faults, OPEN_USES);
    assert!(faults.is_empty(), "uses that MAY_USE does not allow:\n{}", faults.join("\n"));
}

#[test]
fn every_file_has_a_rule() {
    let missing: BTreeSet<String> =
        files().iter().map(|file| area(&file.path)).filter(|area| rule(area).is_none()).collect();
    assert!(missing.is_empty(), "MAY_USE has no row for {missing:?}");
}

#[test]
fn imports_have_no_cycle() {
    let all = edges();
    let circles = graph::cycles(all);
    let in_circle = |from: &str, to: &str| {
        all.contains_key(&(from.to_owned(), to.to_owned()))
            && circles.iter().any(|circle| circle.contains(from) && circle.contains(to))
    };
    let mut faults = Vec::new();
    let mut left = all.clone();
    for (from, to) in RECURSION {
        assert!(in_circle(from, to), "{from} -> {to} is in no cycle: delete the entry");
        left.remove(&((*from).to_owned(), (*to).to_owned()));
    }
    for circle in graph::cycles(&left) {
        faults.push("a cycle:".to_owned());
        let within = left.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        faults.extend(within.map(|((from, to), line)| format!("  {from}:{line} -> {to}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_its_folder_and_the_registry_name_a_runtime() {
    let runtimes: BTreeSet<String> =
        files().iter().map(|file| area(&file.path)).filter_map(|area| runtime_of(&area).map(plain)).collect();
    // `graph` and `components` are words of the field as well; the paths of their files are checked above.
    let runtimes: Vec<String> =
        runtimes.into_iter().filter(|name| name.ends_with("pu") || name == "llamacpp").collect();
    let mut faults = BTreeSet::new();
    for file in files() {
        if !["phases", "pipeline", "report", "regress", "analysis", "fit", "cli", "lib"]
            .contains(&area(&file.path).as_str())
        {
            continue;
        }
        let names = file.modules.iter().flat_map(|module| {
            let imported = module.uses.iter().flat_map(|import| &import.path);
            imported.chain(module.paths.iter().flat_map(|(path, _)| path))
        });
        let literals = file.literals.iter().map(|literal| &literal.text);
        for name in names
            .filter(|name| runtimes.iter().any(|runtime| plain(name).contains(runtime.as_str())))
            .chain(literals.filter(|text| runtimes.contains(&plain(text))))
        {
            faults.insert(format!("{}: {name}", file.path));
        }
    }
    let faults = unexpected(&Vec::from_iter(faults), OPEN_NAMES);
    assert!(faults.is_empty(), "names of runtimes:\n{}", faults.join("\n"));
}

#[test]
fn the_program_sees_the_public_interface_only() {
    let main = files().iter().find(|file| file.path == "main.rs").unwrap();
    assert_eq!(main.modules[0].children, ["cli"], "main.rs has other modules than the command line's");
    let lib = files().iter().find(|file| file.path == "lib.rs").unwrap();
    assert!(!lib.modules[0].children.contains(&"cli".to_owned()));
}

#[test]
fn only_formats_and_cli_touch_files() {
    let faults = paths_with(&["fs", "File", "OpenOptions", "memmap2"], &["formats", "cli"]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_cli_prints() {
    let mut faults = paths_with(&["stdout", "stderr"], &["cli"]);
    let prints = ["print", "println", "eprint", "eprintln", "dbg"];
    faults.extend(named(|file| &file.macros, &prints, |file| area(file) == "cli"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_report_model_serializes() {
    let faults = named(|file| &file.derives, &["Serialize"], |file| file.starts_with("report/model/"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_code_is_in_one_file() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_unsafe = |file: &&SourceFile| {
        let text = std::fs::read_to_string(root.join(&file.path)).unwrap();
        ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"].iter().any(|mark| text.contains(mark))
    };
    let files: Vec<&str> = files().iter().filter(is_unsafe).map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["formats/mapping.rs"]);
}

#[test]
fn paths_are_resolved_as_the_compiler_does() {
    let all = edges();
    let uses = |from: &str, to: &str| all.contains_key(&(from.to_owned(), to.to_owned()));
    // `use super::…` of a child, `crate::{a, b::C}`, a re-export, a path in a macro's arguments, the program's own crate.
    assert!(uses("shape/engine.rs", "shape/context.rs"));
    assert!(uses("verify/mod.rs", "verify/geometry.rs"));
    assert!(uses("plan/hill_climb.rs", "problem.rs"));
    assert!(uses("cli/llm.rs", "error.rs"), "`memgraph::Result` is a re-export of error.rs");
    assert!(!uses("cli/llm.rs", "lib.rs"), "lib.rs only re-exports");
    assert!(!uses("units.rs", "error.rs"));
}

fn edges() -> &'static Edges {
    static EDGES: OnceLock<Edges> = OnceLock::new();
    EDGES.get_or_init(|| graph::edges(files()))
}

/// The row of the table that a file belongs to; a file in a runtime's folder is in `runtime/<name>`.
fn area(file: &str) -> String {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    match parts.as_slice() {
        ["main", ..] => "cli".to_owned(),
        ["schedule", "lifetime", ..] => "lifetime".to_owned(),
        ["runtime", "registry"] => "registry".to_owned(),
        ["runtime", name, _, ..] => format!("runtime/{name}"),
        ["verify", part @ ("geometry" | "replay"), ..] => format!("verify/{part}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

fn runtime_of(area: &str) -> Option<&str> {
    area.strip_prefix("runtime/")
}

fn rule(area: &str) -> Option<&'static [&'static str]> {
    let area = if runtime_of(area).is_some() { "RUNTIME" } else { area };
    MAY_USE.iter().find(|(name, _)| *name == area).map(|(_, allowed)| *allowed)
}

fn may_use(from: &str, to: &str) -> bool {
    let Some(rule) = rule(from) else { return false };
    let to_class = if runtime_of(to).is_some() { "RUNTIME" } else { to };
    let is = |entry: &str| entry == to_class || entry == "*";
    if from == to {
        return true;
    }
    if rule.iter().filter_map(|entry| entry.strip_prefix('!')).any(is) {
        return false;
    }
    BASE.contains(&to) || rule.iter().any(|entry| is(entry))
}

/// `OnnxRuntimeCpu`, `onnxruntime_cpu` and `onnxruntime-cpu` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Where a path has one of the segments, in other areas than those.
fn paths_with(segments: &[&str], areas: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| !areas.contains(&area(&file.path).as_str())) {
        for module in &file.modules {
            let imports = module.uses.iter().map(|import| (&import.path, import.line));
            for (path, line) in module.paths.iter().map(|(path, line)| (path, *line)).chain(imports) {
                if path.len() > 1 && path.iter().any(|segment| segments.contains(&segment.as_str())) {
                    faults.push(format!("{}:{line}: {}", file.path, path.join("::")));
                }
            }
        }
    }
    faults
}

fn named(list: fn(&SourceFile) -> &[Named], names: &[&str], allowed: fn(&str) -> bool) -> Vec<String> {
    let files = files().iter().filter(|file| !allowed(&file.path));
    files
        .flat_map(|file| {
            let found = list(file).iter().filter(|item| names.contains(&item.name.as_str()));
            found.map(|item| format!("{}:{}: {}", file.path, item.line, item.name))
        })
        .collect()
}
