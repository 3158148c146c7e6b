//! `check`: each kind of outcome by its exit status and message, baselines that are updated, JUnit by its schema, and the schema
//! of memgraph.toml for editors.

#![cfg(all(feature = "cli", feature = "openvino", feature = "regress"))]
#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::regress::{self, Config, Options};
use memgraph::report::check::{junit, markdown};
use memgraph::report::model::{Check, CheckKind, Checks};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with a memgraph.toml, in which `FIXTURES` is the folder of the fixtures.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = root().join("fixtures").display().to_string();
    std::fs::write(folder.path().join("memgraph.toml"), text.replace("FIXTURES", &fixtures)).unwrap();
    folder
}

/// Runs the program in a folder: exit status and both outputs.
fn check(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_memgraph"))
        .arg("check")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

/// The rows of a memgraph.toml with one check of a small model.
fn rows(keys: &str) -> Vec<Check> {
    let text = format!(
        "[[check]]\nname = \"one\"\nmodel = \"FIXTURES/phi2-fp16-L1\"\nscenario = {{ seq = 128 }}\n{keys}\n"
    );
    let folder = folder(&text);
    let config = Config::read(&folder.path().join("memgraph.toml")).unwrap();
    regress::run(&config, &Options::default()).unwrap().report.checks
}

#[test]
fn a_budget_is_kept_or_not_at_its_last_byte() {
    let resident = rows("budget = 1")[0].value.unwrap();
    let at = |limit: u64, more: &str| {
        let row = rows(&format!("budget = {{ limit = {limit}, {more} }}")).remove(0);
        (row.kind, row.ok, row.message)
    };
    let (kind, ok, message) = at(resident, "");
    assert!(kind == CheckKind::Budget && ok && message.contains("0 B are left"), "{message}");
    let (_, ok, message) = at(resident - 1, "");
    assert!(!ok && message.contains("only if 1 B of mapped weights are paged out"), "{message}");
    assert!(at(resident - 1, "allow-paging = true").1);
    assert!(at(resident + 4096, "reserve = 4096").1);
    assert!(!at(resident + 4095, "reserve = 4096").1);
    let (_, ok, message) = at(1 << 20, "");
    assert!(!ok && message.contains("is over 1.00 MiB by") && message.contains("lm_head"), "{message}");
}

#[test]
fn a_ratio_is_judged_by_its_tolerance_or_only_reported() {
    let resident = rows("budget = 1")[0].value.unwrap();
    let of = |keys: &str| {
        let row = rows(&format!("measured = {{ {keys} }}")).remove(0);
        (row.ok, row.judged, row.figure.unwrap(), row.ratio.unwrap())
    };
    assert_eq!(of(&format!("x = {resident}")), (true, false, "x: resident".to_owned(), 1.0));
    assert_eq!(
        of(&format!("x = {resident}, tolerance = \"0%\"")),
        (true, true, "x: resident".to_owned(), 1.0)
    );
    let (ok, judged, _, ratio) = of(&format!("x = {}, tolerance = \"5%\"", resident * 2));
    assert!(!ok && judged && (ratio - 0.5).abs() < 1e-9);
    assert!(of(&format!("x = {}, tolerance = [0.5, 1.0]", resident * 2)).0);
    assert_eq!(of("x = \"21786583 B\", of = \"weights\", tolerance = \"200%\"").2, "x: weights");
}

#[test]
fn baselines_are_written_shown_and_compared() {
    let text = |tokens: u64| {
        format!(
            "[[check]]\nname = \"chat 4k\"\nmodel = \"FIXTURES/phi2-fp16-L1\"\nprofile = \"graph\"\n\
             scenario = {{ seq = {tokens} }}\nbaseline = {{ file = \"a/{{name}}.json\", tolerance = \"2%\" }}\n"
        )
    };
    let folder = folder(&text(128));
    let file = folder.path().join("a/chat-4k.json");
    let (status, stdout, _) = check(folder.path(), &[]);
    assert!(status == 1 && stdout.contains("the baseline a/chat-4k.json does not exist"), "{stdout}");
    let (status, stdout, _) = check(folder.path(), &["--update"]);
    assert!(status == 0 && stdout.contains("a/chat-4k.json\n  written"), "{stdout}");
    let (status, stdout, _) = check(folder.path(), &["-v"]);
    assert!(status == 0 && stdout.contains("unchanged"), "{stdout}");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(!first.contains(folder.path().to_str().unwrap()), "the path of this machine is in the baseline");
    check(folder.path(), &["--update"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);

    // Another model behind the name: smaller, then larger.
    let path = folder.path().join("memgraph.toml");
    let other = std::fs::read_to_string(&path).unwrap().replace("phi2-fp16-L1", "phi2-int8-L1");
    std::fs::write(&path, &other).unwrap();
    let (status, stdout, _) = check(folder.path(), &["-v"]);
    assert!(status == 0 && stdout.contains("-10.34 MiB (-35.0 %); `--update`"), "{stdout}");
    let (status, stdout, _) = check(folder.path(), &["--update"]);
    assert!(
        status == 0 && stdout.contains("-10.34 MiB   -35.0 %    19.19 MiB   total at the peak"),
        "{stdout}"
    );
    std::fs::write(&path, other.replace("phi2-int8-L1", "phi2-fp16-L1")).unwrap();
    let (status, stdout, _) = check(folder.path(), &[]);
    assert!(status == 1 && stdout.contains("over the limit of +2 %; grew"), "{stdout}");
    // Another length is another run.
    std::fs::write(&path, other.replace("seq = 128", "seq = 64")).unwrap();
    let (status, stdout, _) = check(folder.path(), &[]);
    assert!(status == 1 && stdout.contains("the baseline is of another run"), "{stdout}");
    std::fs::write(&file, "{}").unwrap();
    let (status, stdout, _) = check(folder.path(), &[]);
    assert!(status == 1 && stdout.contains("not a report of this program"), "{stdout}");
}

#[test]
fn a_failed_analysis_hides_no_other_check() {
    let text = "[defaults]\nscenario = { seq = 128 }\n[[check]]\nmodel = \"none\"\n[[check]]\nmodel = \"FIXTURES/phi2-fp16-L1\"\nbudget = \"1GiB\"\n";
    let folder = folder(text);
    let (status, stdout, stderr) = check(folder.path(), &["--junit", "j.xml", "--badge", "b.json"]);
    assert_eq!((status, &*stderr), (1, ""));
    assert!(stdout.contains("1 of 2 checks failed") && stdout.contains("  ok      budget"), "{stdout}");
    assert!(std::fs::read_to_string(folder.path().join("b.json")).unwrap().contains("\"color\":\"red\""));
    validate(&std::fs::read_to_string(folder.path().join("j.xml")).unwrap());
}

#[test]
fn a_report_is_a_model_and_needs_no_analysis() {
    let folder = folder("[[check]]\nmodel = \"report.json\"\nbudget = \"1GiB\"\n");
    let request = memgraph::Request::new(memgraph::Task::language(64));
    let report = memgraph::analyze(&root().join("fixtures/phi2-fp16-L1"), &request).unwrap();
    std::fs::write(folder.path().join("report.json"), memgraph::report::json::render(&report)).unwrap();
    let (status, stdout, _) = check(folder.path(), &[]);
    assert!(status == 0 && stdout.contains("\nreport\n  ok      budget"), "{stdout}");
}

#[test]
fn the_schema_for_editors_is_current() {
    let path = root().join("docs/memgraph.schema.json");
    let now = regress::schema();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == now, "run with BLESS=1");
    let schema: serde_json::Value = serde_json::from_str(&now).unwrap();
    for key in ["defaults", "template", "check"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let entry = &schema["$defs"]["Entry"];
    assert_eq!(entry["additionalProperties"], false);
    let keys: Vec<&str> = entry["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    for key in
        ["name", "model", "command", "scenario", "profile", "machine", "budget", "baseline", "measured"]
    {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
}

#[test]
fn every_key_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&regress::schema()).unwrap();
    for part in ["Entry", "Scenario", "Machine", "Budget", "Baseline", "Weights"] {
        for key in schema["$defs"][part]["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{key}`")), "{part}: {key}");
        }
    }
}

/// Elements of a JUnit report: their parent, attributes that they must have, and further ones that they may have.
///
/// Source: junit-10.xsd of Jenkins' xUnit plugin (org.jenkinsci.plugins.xunit.types), the parts that are written here.
const JUNIT: &[(&str, &str, &[&str], &[&str])] = &[
    ("testsuites", "", &[], &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        "testsuites",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
    ),
    ("testcase", "testsuite", &["name"], &["time", "classname", "group"]),
    ("skipped", "testcase", &[], &["message", "type"]),
    ("error", "testcase", &[], &["message", "type"]),
    ("failure", "testcase", &[], &["message", "type"]),
    ("system-out", "testcase", &[], &[]),
];

/// Checks a report by the schema: nesting, attributes, and counts that are those of the elements.
fn validate(text: &str) {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    let mut stated = std::collections::BTreeMap::<String, u64>::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                let name = element_name(&element, open.last().map_or("", String::as_str), &mut stated);
                *counts.entry(name.clone()).or_default() += 1;
                open.push(name);
            }
            Event::Empty(element) => {
                let name = element_name(&element, open.last().map_or("", String::as_str), &mut stated);
                *counts.entry(name).or_default() += 1;
            }
            Event::End(_) => drop(open.pop().unwrap()),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    assert_eq!(count("testsuites"), 1);
    for (attribute, element) in
        [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
    {
        assert_eq!(stated.get(attribute).copied(), Some(count(element)), "{attribute}");
    }
}

/// The name of an element that may be here; the counts of a suite are taken down.
fn element_name(
    element: &BytesStart<'_>,
    parent: &str,
    stated: &mut std::collections::BTreeMap<String, u64>,
) -> String {
    let name = element.name().as_ref().to_owned();
    let rule =
        JUNIT.iter().find(|rule| rule.0 == name).unwrap_or_else(|| panic!("no element {name} in the schema"));
    assert_eq!(rule.1, parent, "{name}");
    let mut found = Vec::new();
    for attribute in element.attributes() {
        let attribute = attribute.unwrap(); // Fails on an attribute that is there twice.
        let key = attribute.key.as_ref().to_owned();
        assert!(rule.2.contains(&&*key) || rule.3.contains(&&*key), "{name} has no attribute {key}");
        if name == "testsuite" && ["tests", "failures", "errors", "skipped"].contains(&&*key) {
            stated.insert(key.clone(), attribute.value.parse().unwrap());
        }
        found.push(key);
    }
    assert!(rule.2.iter().all(|required| found.iter().any(|key| key == required)), "{name}: {found:?}");
    name
}

#[test]
fn junit_reports_are_valid() {
    for file in ["passing", "failing"] {
        let path: PathBuf = root().join("tests/check").join(format!("{file}.toml"));
        let found = regress::run(&Config::read(&path).unwrap(), &Options::default()).unwrap();
        validate(&junit::render(&found.report));
    }
    validate(&junit::render(&Checks::new("a&b".to_owned(), Vec::new(), Vec::new())));
}

#[test]
fn a_summary_of_a_thousand_failures_fits_a_comment() {
    let row = rows("budget = 1").remove(0);
    let many = std::iter::repeat_n(row, 1000).collect();
    let text = markdown::render(&Checks::new("memgraph.toml".to_owned(), many, Vec::new()));
    assert!(text.chars().count() < 65_536 && text.contains(" more | | |"), "{}", text.chars().count());
}
