//! From checks to cases: one model each, by name.

use super::config::{Config, Planned};
use crate::error::{Error, ErrorKind, Location, Position, Result};
use crate::formats::document;
use crate::report::model::Report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One model of a check.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    pub(super) name: String,
    /// The model, relative to the file.
    pub(super) model: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// The baseline, relative to the file.
    pub(super) baseline: Option<String>,
    pub(super) planned: &'a Planned,
}

/// Every model of every check, in the order of the file. A pattern that matches nothing is a case of its own, which fails.
///
/// # Errors
///
/// If two cases have the same name or write the same baseline.
pub(super) fn expand(config: &Config) -> Result<Vec<Case<'_>>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for planned in &config.checks {
        let patterns = planned.entry.model.as_ref().map(|patterns| patterns.all()).unwrap_or_default();
        let mut models = Vec::new();
        for pattern in patterns {
            models.extend(found(config.folder(), pattern)?);
        }
        let is_one = models.len() == 1;
        for model in models {
            let stem = stem(&model);
            let name = match &planned.entry.name {
                None => stem.clone(),
                Some(name) if name.contains("{model}") => name.replace("{model}", &stem),
                Some(name) if is_one => name.clone(),
                Some(name) => format!("{name} ({stem})"),
            };
            let file = planned.entry.baseline.file.as_ref();
            let baseline =
                file.map(|file| file.replace("{name}", &plain(&name)).replace("{model}", &plain(&stem)));
            cases.push(Case { path: config.folder().join(&model), name, model, baseline, planned });
        }
    }
    check_unique(config, &cases)?;
    Ok(cases)
}

/// The models of a pattern, or the pattern itself where it matches nothing or is none.
fn found(folder: &Path, pattern: &str) -> Result<Vec<String>> {
    if !is_pattern(pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let is_model = |path: &PathBuf| {
        let extension = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
        path.is_dir() || extension.is_some_and(|end| ["xml", "onnx", "gguf", "json"].contains(&&*end))
    };
    let found = document::matching(folder, pattern)?.into_iter().filter(is_model);
    let relative = found.map(|path| path.strip_prefix(folder).unwrap_or(&path).display().to_string());
    let found: Vec<String> = relative.collect();
    Ok(if found.is_empty() { vec![pattern.to_owned()] } else { found })
}

/// Whether a model is a pattern of models.
fn is_pattern(model: &str) -> bool {
    model.contains(['*', '?', '['])
}

impl Case<'_> {
    /// Analyses the model.
    ///
    /// # Errors
    ///
    /// Those of the analysis; and if a pattern matches no model.
    pub(super) fn report(&self, folder: &Path) -> Result<Report> {
        if is_pattern(&self.model) && !self.path.exists() {
            let message = format!("no model matches \"{}\"", self.model);
            return Err(Error::new(ErrorKind::Io, message)
                .help("folders, .xml, .onnx, .gguf and .json files are models"));
        }
        self.planned.run.report(&self.path, folder)
    }
}

/// The name of a model: its folder, or its file without the extension; of an export's usual file its folder.
fn stem(model: &str) -> String {
    let path = Path::new(model);
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let is_file =
        ["xml", "onnx", "gguf", "json"].iter().any(|end| path.extension().is_some_and(|found| found == *end));
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    match stem.filter(|_| is_file) {
        Some(stem) if stem == "openvino_model" || stem == "model" => {
            path.parent().and_then(name).unwrap_or(stem)
        }
        Some(stem) => stem,
        None => name(path).unwrap_or_else(|| model.to_owned()),
    }
}

/// A name as a part of a file's name.
fn plain(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.+".contains(letter);
    name.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect()
}

fn check_unique(config: &Config, cases: &[Case<'_>]) -> Result<()> {
    let mut names: BTreeMap<&str, &Case<'_>> = BTreeMap::new();
    let mut files: BTreeMap<&str, &Case<'_>> = BTreeMap::new();
    let fault = |case: &Case<'_>, other: &Case<'_>, message: String, help: &str| {
        let position = Some(Position::Line(case.planned.line, 0));
        let error = Error::new(ErrorKind::Usage, message).in_file(&config.path);
        let error = error.at(Location { position, ..Location::default() });
        error.note(format!("the other one is in line {}", other.planned.line)).help(help)
    };
    for case in cases {
        if let Some(other) = names.insert(&case.name, case) {
            let message = format!("two checks are called \"{}\"", case.name);
            return Err(fault(case, other, message, "set `name`; `{model}` in it is the model's name"));
        }
        if let Some(file) = &case.baseline
            && let Some(other) = files.insert(file, case)
        {
            let message = format!("two checks have the baseline {file}");
            return Err(fault(case, other, message, "use `{name}` in its file name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path, text: &str) -> Config {
        Config::parse(text, &folder.join("memgraph.toml")).unwrap()
    }

    #[test]
    fn a_pattern_is_a_case_per_model() {
        let folder = tempfile::tempdir().unwrap();
        for model in ["m/a-int4", "m/b-int4", "m/c-fp16"] {
            std::fs::create_dir_all(folder.path().join(model)).unwrap();
        }
        std::fs::write(folder.path().join("m/notes-int4.txt"), "").unwrap();
        let text = "[[check]]\nname = \"{model}-4k\"\nmodel = \"m/*-int4*\"\nbaseline = \"b/{name}.json\"\n";
        let config = config(folder.path(), text);
        let cases = expand(&config).unwrap();
        let found: Vec<_> =
            cases.iter().map(|case| (&*case.name, &*case.model, case.baseline.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("a-int4-4k", "m/a-int4", Some("b/a-int4-4k.json")),
                ("b-int4-4k", "m/b-int4", Some("b/b-int4-4k.json")),
            ]
        );
    }

    #[test]
    fn two_checks_of_one_name_are_an_error() {
        let text = "[[check]]\nmodel = \"m/a.onnx\"\n\n[[check]]\nmodel = \"a\"\n";
        let config = config(Path::new(""), text);
        let error = expand(&config).unwrap_err().to_string();
        assert!(
            error.contains("memgraph.toml:4") && error.contains("two checks are called \"a\""),
            "{error}"
        );
    }

    #[test]
    fn names_are_those_of_folders_and_files() {
        let found = ["m/resnet50", "m/resnet50/openvino_model.xml", "m/q.gguf", "qwen2.5-0.5b/"].map(stem);
        assert_eq!(found, ["resnet50", "resnet50", "q", "qwen2.5-0.5b"]);
        assert_eq!(plain("a b/c: 4k"), "a-b-c--4k");
    }
}
