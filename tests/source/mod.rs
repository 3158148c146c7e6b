//! The source below `src`, parsed once into plain facts: modules with their imports and paths,
//! functions with their lengths, macros, derives and string literals. Unit tests (`#[cfg(test)]`) are left out.

mod collect;
pub mod graph;
mod lints;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One file.
#[derive(Debug)]
pub struct SourceFile {
    /// Path below `src`, with `/`.
    pub path: String,
    /// Lines, of everything that is in the file but its unit tests.
    pub lines: usize,
    pub modules: Vec<Module>,
    pub functions: Vec<Function>,
    pub macros: Vec<Named>,
    pub derives: Vec<Named>,
    pub literals: Vec<Literal>,
}

/// A module of a file: the file's own, or one written inside it.
#[derive(Debug)]
pub struct Module {
    /// `["memgraph", "graph", "op"]`; the program's own modules begin with `main`.
    pub path: Vec<String>,
    /// Names that it defines itself, child modules among them.
    pub items: Vec<String>,
    pub children: Vec<String>,
    /// Child modules that only tests have.
    pub test_children: Vec<String>,
    pub uses: Vec<Use>,
    /// Every path of its code that is not a `use`.
    pub paths: Vec<(Vec<String>, usize)>,
}

/// One leaf of a `use` tree.
#[derive(Debug)]
pub struct Use {
    pub path: Vec<String>,
    /// The name that it is imported under; nothing for `*`.
    pub name: Option<String>,
    /// Whether other modules may name it here.
    pub public: bool,
    pub line: usize,
}

#[derive(Debug)]
pub struct Function {
    pub name: String,
    /// From the signature to the closing brace.
    pub lines: usize,
}

#[derive(Debug)]
pub struct Named {
    pub name: String,
    pub line: usize,
}

/// A string literal of the code.
#[derive(Debug)]
pub struct Literal {
    pub text: String,
    pub line: usize,
    /// Whether something is compared with it: a pattern, an operand of `==`, or in a list that `contains` searches.
    pub compared: bool,
    /// The function or method that it is an argument of.
    pub argument_of: Option<String>,
}

/// All files, by path.
pub fn files() -> &'static [SourceFile] {
    static FILES: OnceLock<Vec<SourceFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        below(&root, &mut paths);
        paths.sort();
        let read = |path: &PathBuf| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            collect::file(name, &std::fs::read_to_string(path).unwrap())
        };
        let mut files: Vec<SourceFile> = paths.iter().map(read).collect();
        let tests: Vec<Vec<String>> =
            files.iter().flat_map(|file| &file.modules).flat_map(only_for_tests).collect();
        files.retain(|file| !tests.iter().any(|path| file.modules[0].path.starts_with(path)));
        files
    })
}

/// What is in `found` and not in `known`, and what is in `known` without being found: both fail a test, so that a list
/// of known faults only shrinks.
pub fn unexpected<'a>(found: &'a [String], known: &'a [&'a str]) -> Vec<String> {
    let new = found.iter().filter(|fault| !known.contains(&fault.as_str()));
    let stale = known.iter().filter(|entry| !found.iter().any(|fault| fault == *entry));
    new.map(|fault| format!("new:   {fault}"))
        .chain(stale.map(|entry| format!("stale: {entry} (mended: delete the entry)")))
        .collect()
}

fn only_for_tests(module: &Module) -> impl Iterator<Item = Vec<String>> {
    let below = |name: &String| module.path.iter().chain([name]).cloned().collect();
    module.test_children.iter().map(below)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
