//! Errors of a memgraph.toml: what is wrong, at which line and column, and what was probably meant.

use crate::error::{Error, ErrorKind, Location, Position};
use std::ops::Range;
use std::path::Path;

/// The error of a file that is not a valid memgraph.toml.
#[cold]
pub(super) fn of_parser(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let message = error.message();
    let made = at(message, text, error.span(), path);
    match meant(message) {
        Some(help) => made.help(help),
        None => made
            .help("docs/ci.md lists all keys; `memgraph schema --of memgraph.toml` is a schema for editors"),
    }
}

/// An error at a place of the file.
#[cold]
pub(super) fn at(message: &str, text: &str, span: Option<Range<usize>>, path: &Path) -> Error {
    let first = message.lines().next().unwrap_or_default().trim_end_matches('.');
    let position = span.map(|span| position(text, span.start));
    Error::new(ErrorKind::Usage, first).in_file(path).at(Location { position, ..Location::default() })
}

/// Line and column of a byte, both from 1.
pub(super) fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position::Line(number(line), number(column))
}

/// What was probably meant by a word that is not one of those that are expected, in the words of serde's message.
fn meant(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown ") {
        return None;
    }
    let wrong = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    nearest(wrong, &known).map(|word| format!("did you mean `{word}`?"))
}

/// The word that is written most like another one, if any is.
pub(super) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    // One measure sees words that go on, the other letters that are missing or doubled.
    let likeness = |word: &&str| {
        strsim::jaro_winkler(wrong, word).max(strsim::normalized_damerau_levenshtein(wrong, word))
    };
    let best = known.iter().rev().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) > 0.65).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(position("a = 1\nb = 2", 6), Position::Line(2, 1));
        assert_eq!(position("ä = 1", 3), Position::Line(1, 3));
        assert_eq!(position("", 9), Position::Line(1, 1));
    }

    #[test]
    fn the_nearest_word_is_proposed_and_nothing_far_off() {
        let known = ["budget", "baseline", "measured"];
        assert_eq!(nearest("buget", &known), Some("budget"));
        assert_eq!(nearest("base-line", &known), Some("baseline"));
        assert_eq!(nearest("lm", &["llm", "vit", "vlm"]), Some("llm"));
        assert_eq!(nearest("xyz", &known), None);
        assert_eq!(
            meant("unknown field `buget`, expected one of `budget`, `baseline`"),
            Some("did you mean `budget`?".into())
        );
        assert_eq!(meant("invalid type: `a`, expected `b`"), None);
    }
}
