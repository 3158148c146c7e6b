//! memgraph.toml: which models are checked, how they run, and against what.

mod fault;
mod figures;
mod raw;
mod value;

pub(super) use figures::{Figure, Figures, Quantity};
pub(super) use raw::{COMPONENTS, Command, Entry, Phase};
pub(super) use value::Ratio;

use super::run::Run;
use crate::error::{Error, Position, Result};
use crate::formats::document;
use crate::runtime::registry;
use fault::nearest;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A memgraph.toml whose checks have all that they inherit.
///
/// # Example
///
/// ```
/// use memgraph::regress::Config;
///
/// let text = "[[check]]\nmodel = \"resnet50\"\nbuget = \"1GiB\"\n";
/// let error = Config::parse(text, "memgraph.toml".as_ref()).unwrap_err().to_string();
/// assert!(error.contains("memgraph.toml:3:1") && error.contains("did you mean `budget`?"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The file, as the user named it.
    pub path: PathBuf,
    pub(super) checks: Vec<Planned>,
}

/// A check before its models are looked up.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) entry: Entry,
    pub(super) run: Run,
    /// Its line in the file, from 1.
    pub(super) line: u32,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is not TOML, or has a key or a value that no check has.
    pub fn read(path: &Path) -> Result<Config> {
        Config::parse(&document::read(path)?, path)
    }

    /// Reads a file's text; models and baselines are looked up relative to `path`.
    ///
    /// # Errors
    ///
    /// As [`read`](Config::read).
    pub fn parse(text: &str, path: &Path) -> Result<Config> {
        let file: raw::Root = toml::from_str(text).map_err(|error| fault::of_parser(&error, text, path))?;
        if file.check.is_empty() {
            return Err(fault::at("the file has no [[check]]", text, None, path).help(
                "a check is a table such as\n    [[check]]\n    model = \"path\"\n    budget = \"4GiB\"",
            ));
        }
        let source = Source { file: &file, text, path };
        let checks = file.check.iter().map(|check| source.planned(check)).collect::<Result<Vec<_>>>()?;
        Ok(Config { path: path.to_owned(), checks })
    }

    /// The folder that the file's paths are relative to.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// The JSON schema of memgraph.toml, for editors.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(raw::Root);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default(); // Plain data.
    text.push('\n');
    text
}

/// A file with its text, for errors.
struct Source<'a> {
    file: &'a raw::Root,
    text: &'a str,
    path: &'a Path,
}

impl Source<'_> {
    fn planned(&self, check: &Spanned<Entry>) -> Result<Planned> {
        let mut entry = check.get_ref().clone();
        let mut seen: Vec<String> = Vec::new();
        while let Some(parent) = entry.inherits.take() {
            let name = parent.get_ref();
            let known: Vec<&str> = self.file.template.keys().map(String::as_str).collect();
            let Some(base) = self.file.template.get(name) else {
                return Err(self.unknown("template", &parent, &known));
            };
            if seen.contains(name) {
                return Err(self.at(&format!("template \"{name}\" inherits from itself"), &parent));
            }
            seen.push(name.clone());
            entry.inherit(base);
            entry.inherits.clone_from(&base.inherits);
        }
        entry.inherit(&self.file.defaults);
        if entry.model.is_none() {
            return Err(self.at("the check has no model", check).help("add `model = \"path\"`"));
        }
        self.check_runtime(&entry, check)?;
        let run = Run::of(&entry).map_err(|message| self.at(&message, check))?;
        let line = match fault::position(self.text, check.span().start) {
            Position::Line(line, _) => line,
            Position::Byte(_) => 0,
        };
        Ok(Planned { entry, run, line })
    }

    /// Looks profile and options up among the runtimes.
    fn check_runtime(&self, entry: &Entry, check: &Spanned<Entry>) -> Result<()> {
        let mut profiles: Vec<&str> = registry::RUNTIMES.iter().map(|found| found.name).collect();
        profiles.push(COMPONENTS);
        if let Some(profile) = &entry.profile
            && !profiles.contains(&profile.get_ref().as_str())
        {
            return Err(self.unknown("profile", profile, &profiles));
        }
        let options = || registry::RUNTIMES.iter().flat_map(|found| found.options).map(|option| option.name);
        for name in entry.options.0.keys() {
            if !options().any(|known| known == name) {
                let error = self.at(&format!("no runtime has the option \"{name}\""), check);
                let known: Vec<&str> = options().collect();
                return Err(match nearest(name, &known) {
                    Some(meant) => error.help(format!("did you mean `{meant}`?")),
                    None => error.help("`memgraph llm --help` lists the options of all runtimes"),
                });
            }
        }
        Ok(())
    }

    fn unknown(&self, what: &str, found: &Spanned<String>, known: &[&str]) -> Error {
        let error = self.at(&format!("{what} \"{}\" does not exist", found.get_ref()), found);
        match nearest(found.get_ref(), known) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None if known.is_empty() => error.help(format!("add a table [{what}.{}]", found.get_ref())),
            None => error.help(format!("known: {}", known.join(", "))),
        }
    }

    fn at<T>(&self, message: &str, place: &Spanned<T>) -> Error {
        fault::at(message, self.text, Some(place.span()), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Config::parse(text, Path::new("memgraph.toml")).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, expected) in [
            ("[[check]\n", "memgraph.toml:1:9"),
            ("[[check]]\nmodel = 3\n", "memgraph.toml:2:9"),
            ("[[check]]\nmodel = \"m\"\nbudget = \"16 apples\"\n", "is not a size"),
            ("[[check]]\nmodel = \"m\"\nbudget = { limt = \"1GiB\" }\n", "did you mean `limit`?"),
            ("[[check]]\nmodel = \"m\"\nscenario = { sequence = 1 }\n", "memgraph.toml:3:14"),
            ("[[check]]\nmodel = \"m\"\ncommand = \"lm\"\n", "did you mean `llm`?"),
            ("[[check]]\nmodel = \"m\"\nprofile = \"openvino\"\n", "did you mean `openvino-cpu`?"),
            (
                "[[check]]\nmodel = \"m\"\noptions = { kv-percision = \"u8\" }\n",
                "did you mean `kv-precision`?",
            ),
            ("[[check]]\nmodel = \"m\"\ninherits = \"chat\"\n", "template \"chat\" does not exist"),
            ("[[check]]\nmodel = \"m\"\nmeasured = { x = { valu = 1 } }\n", "did you mean `value`?"),
            ("[[check]]\nmodel = \"m\"\nmeasured = { x = 1, tolerance = \"5MiB\" }\n", "is not a share"),
            ("[[check]]\nbudget = \"1GiB\"\n", "the check has no model"),
            ("[[check]]\nmodel = \"m\"\ncommand = \"llm\"\n", "`scenario.seq`"),
            ("", "the file has no [[check]]"),
            (
                "[template.a]\ninherits = \"b\"\n[template.b]\ninherits = \"a\"\n[[check]]\nmodel = \"m\"\ninherits = \"a\"\n",
                "inherits from itself",
            ),
        ] {
            let found = fault(text);
            assert!(found.contains(expected), "{text}{found}");
        }
    }

    #[test]
    fn a_check_takes_over_what_it_does_not_set() {
        let text = r#"
[defaults]
profile = "openvino-cpu"
scenario = { seq = "4k", batch = 2 }
baseline = { file = "baselines/{name}.json", tolerance = "2%" }

[template.small]
machine = { isa = "avx2", threads = 4 }
scenario = { seq = 128 }

[[check]]
model = "m"
inherits = "small"
baseline = { tolerance = ["1%", "5MiB"] }
measured = { openvino = "13312 MiB", llama.cpp = { value = "9234 MiB", tolerance = "5%" }, of = "total" }
"#;
        let config = Config::parse(text, Path::new("a/memgraph.toml")).unwrap();
        let Planned { entry, line, .. } = &config.checks[0];
        assert_eq!(*line, 11);
        assert_eq!(entry.scenario.seq.as_ref().unwrap().0.total, 128);
        assert_eq!(entry.scenario.batch.as_ref().unwrap().0, 2);
        assert_eq!(entry.machine.isa.as_ref().unwrap().0, "avx2");
        assert_eq!(entry.baseline.file.as_deref(), Some("baselines/{name}.json"));
        assert_eq!(entry.baseline.tolerance.as_ref().unwrap().all().len(), 2);
        let figures = &entry.measured.named;
        let mut names: Vec<_> = figures.iter().map(|(name, figure)| (&**name, figure.value >> 20)).collect();
        names.sort_unstable();
        assert_eq!(names, [("llama.cpp", 9234), ("openvino", 13312)]);
        assert_eq!(config.folder(), Path::new("a"));
    }
}
