//! Fitted numbers: their table in docs/calibration.md, and that there are none elsewhere.

use memgraph::runtime::calibration::Fitted;
use memgraph::runtime::{llama_cpp, onnxruntime_cpu, openvino_cpu};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const BEGIN: &str = "<!-- calibration begin -->\n";
const END: &str = "<!-- calibration end -->";

/// Folders whose rules may not contain a number of unknown origin, and up to where numbers are counts of dims and positions of
/// operands.
const FOLDERS: &[(&str, u128)] =
    &[("src/runtime/openvino_cpu/memory", 4), ("src/runtime/onnxruntime_cpu", 16)];

/// Powers of two up to this are widths of types, vectors and blocks, as the formulas in the files' heads have them.
const WIDEST: u128 = 64;

/// What counts as a fact that needs no source, and why.
const EXEMPT: &[(&str, &str)] = &[
    ("PAGE", "bytes of a page on x86-64"),
    ("MOST_ITERATIONS", "a limit of the model itself, not a fact of the runtime"),
    ("COUNTER", "bytes of an i64"),
    ("CONDITION", "bytes of a bool"),
    ("F32", "bytes of an f32"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table(runtime: &str, numbers: &[Fitted]) -> String {
    let mut text = format!(
        "## `{runtime}`\n\n| number | value | unit | runs | spread | source |\n|---|---|---|---|---|---|\n"
    );
    for number in numbers {
        let runs = number.runs().map_or_else(|| "not recorded".to_owned(), |runs| runs.to_string());
        let (name, meaning) = (number.name(), number.meaning());
        let (unit, spread, source) = (number.unit(), number.spread(), number.source());
        writeln!(text, "| `{name}`: {meaning} | {number} | {unit} | {runs} | {spread} | {source} |").unwrap();
    }
    text
}

#[test]
fn the_document_has_every_fitted_number() {
    let path = root().join("docs/calibration.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let tables = [
        table("openvino-cpu", openvino_cpu::calibration::ALL),
        table("onnxruntime-cpu", onnxruntime_cpu::calibration::ALL),
        table("llama-cpp", llama_cpp::calibration::ALL),
    ];
    let made = format!("{before}{BEGIN}{}{END}{after}", tables.join("\n"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    } else {
        assert!(
            document == made,
            "docs/calibration.md is stale: run `BLESS=1 cargo test --test calibration`"
        );
    }
}

#[test]
fn every_fitted_number_says_where_it_is_from() {
    let all = openvino_cpu::calibration::ALL.iter().chain(onnxruntime_cpu::calibration::ALL);
    for number in all.chain(llama_cpp::calibration::ALL) {
        assert!(!number.source().is_empty() && !number.meaning().is_empty(), "{}", number.name());
        assert_ne!(number.runs(), Some(0), "{}", number.name());
    }
}

/// Finds numbers in code that neither a source nor a [`Fitted`] explains.
struct Numbers<'a> {
    file: &'a str,
    /// Numbers up to this need no source.
    small: u128,
    /// Whether an item around has a source, or is exempt.
    sourced: bool,
    faults: Vec<String>,
}

impl Numbers<'_> {
    fn inside(&mut self, attributes: &[syn::Attribute], name: &str, walk: impl FnOnce(&mut Self)) {
        if attributes.iter().any(|attribute| attribute.path().is_ident("cfg")) {
            return;
        }
        let before = self.sourced;
        self.sourced |=
            documentation(attributes).contains("Source:") || EXEMPT.iter().any(|&(exempt, _)| exempt == name);
        walk(self);
        self.sourced = before;
    }
}

fn documentation(attributes: &[syn::Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl<'ast> Visit<'ast> for Numbers<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inside(&item.attrs, "", |numbers| visit::visit_item_mod(numbers, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.inside(&item.attrs, "", |numbers| visit::visit_item_fn(numbers, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.inside(&item.attrs, "", |numbers| visit::visit_impl_item_fn(numbers, item));
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.inside(&item.attrs, &item.ident.to_string(), |numbers| {
            let is_number = matches!(&*item.ty, syn::Type::Path(path) if ["u64", "u32", "usize", "Bytes"].iter().any(|name| path.path.is_ident(name)));
            if is_number && !numbers.sourced {
                let line = item.span().start().line;
                numbers.faults.push(format!("{}:{line}: const {} has no source", numbers.file, item.ident));
            }
            visit::visit_item_const(numbers, item);
        });
    }

    fn visit_lit_int(&mut self, literal: &'ast syn::LitInt) {
        let number = literal.base10_parse::<i128>().map_or(u128::MAX, i128::unsigned_abs);
        let is_width = number.is_power_of_two() && number <= WIDEST;
        if number > self.small && !is_width && !self.sourced {
            let line = literal.span().start().line;
            self.faults.push(format!("{}:{line}: {literal} has no source", self.file));
        }
    }
}

fn faults(file: &str, small: u128, text: &str) -> Vec<String> {
    let parsed = syn::parse_file(text).unwrap();
    let mut numbers = Numbers { file, small, sourced: false, faults: Vec::new() };
    numbers.visit_file(&parsed);
    numbers.faults
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn numbers_of_the_memory_rules_have_a_source_or_are_fitted() {
    let mut found = Vec::new();
    for &(folder, small) in FOLDERS {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        files.sort();
        let is_rule = |path: &&PathBuf| !path.ends_with("calibration.rs") && !path.ends_with("tests.rs");
        for path in files.iter().filter(is_rule) {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.extend(faults(&name, small, &fs::read_to_string(path).unwrap()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_test_finds_numbers_without_a_source() {
    let found = faults(
        "x.rs",
        4,
        "const A: u64 = 3;\n/// Source: b.cpp.\nconst B: u64 = 4_096;\nfn f() -> u64 { 64 + 7 }\n",
    );
    assert_eq!(found, ["x.rs:1: const A has no source", "x.rs:4: 7 has no source"]);
    assert!(faults("x.rs", 4, "#[cfg(test)]\nmod tests { const C: u64 = 9_999; }").is_empty());
    assert!(faults("x.rs", 4, "/// Reads.\n///\n/// Source: b.cpp.\nfn f() -> u64 { 9_999 }\n").is_empty());
}
