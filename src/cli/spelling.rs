//! Arguments before they are parsed: short spellings of runtimes' options, and commands of other programs.
//!
//! `memgraph llm -- llama-server -m x.gguf -c 8192` is such a command; what of it is not known is named on stderr.

use super::output;
use memgraph::error::Result;
use memgraph::runtime::options::Pasted;
use memgraph::runtime::registry;
use std::ffi::OsString;

/// The arguments as the parser knows them.
///
/// # Errors
///
/// If a pasted command lacks what is needed.
pub(super) fn settle(arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(at) = words.iter().position(|word| word == "--")
        && let Some((profile, pasted)) = read(&words[at + 1..])?
    {
        return Ok(spelled_out(&arguments[..at], profile, pasted));
    }
    let long = |word: OsString| match word.to_str().and_then(registry::long_option) {
        Some(name) => OsString::from(format!("--{name}")),
        None => word,
    };
    Ok(arguments.into_iter().map(long).collect())
}

fn read(words: &[String]) -> Result<Option<(&'static str, Pasted)>> {
    for found in registry::RUNTIMES {
        if let Some(pasted) = (found.read_command)(words)? {
            return Ok(Some((found.name, pasted)));
        }
    }
    Ok(None)
}

fn spelled_out(before: &[OsString], profile: &str, pasted: Pasted) -> Vec<OsString> {
    if !pasted.unknown.is_empty() {
        output::note(&format!("not modelled, and ignored: {}", pasted.unknown.join(", ")));
    }
    let mut arguments = before.to_vec();
    let own = [pasted.model, pasted.tokens.to_string(), "--profile".to_owned(), profile.to_owned()];
    arguments.extend(own.map(OsString::from));
    for (name, value) in pasted.options {
        arguments.push(format!("--{name}").into());
        if value != "true" {
            arguments.push(value.into());
        }
    }
    arguments
}
