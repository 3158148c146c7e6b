//! Checks for a terminal: a block per check, a line per figure, and what is wrong below it.

use super::super::model::{Check, Checks};
use super::super::text::layout::{Tone, cut, paint, wrap};
use super::{cells, status};
use std::fmt::{Result, Write};

/// Columns before a message.
const INDENT: usize = 10;
/// Columns of a figure's name.
const FIGURE: usize = 26;

/// The checks as text of 80 columns; the messages of those that are ok as well where `is_verbose`.
#[must_use]
pub fn render(checks: &Checks, is_verbose: bool, is_colored: bool) -> String {
    let mut out = String::new();
    write(&mut out, checks, is_verbose, is_colored).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

fn write(out: &mut String, checks: &Checks, is_verbose: bool, is_colored: bool) -> Result {
    let tone = if checks.failed > 0 { Tone::Bad } else { Tone::Good };
    writeln!(out, "{}: {}", checks.config, paint(checks.summary(), tone, is_colored))?;
    let mut name = None;
    for check in &checks.checks {
        if name != Some(&check.name) {
            name = Some(&check.name);
            writeln!(out, "\n{}", paint(cut(&check.name, 80), Tone::Title, is_colored))?;
        }
        line(out, check, is_colored)?;
        if !check.ok || is_verbose {
            for part in check.message.lines() {
                writeln!(out, "{}", wrap(&format!("{:INDENT$}{}", "", part.trim_start()), INDENT + 2))?;
            }
        }
    }
    for updated in &checks.updated {
        writeln!(out, "\n{}", paint(&updated.file, Tone::Title, is_colored))?;
        match &*updated.change {
            "" => writeln!(out, "  written")?,
            change => change.lines().skip(1).try_for_each(|line| writeln!(out, "{line}"))?,
        }
    }
    Ok(())
}

fn line(out: &mut String, check: &Check, is_colored: bool) -> Result {
    let tone = if check.ok { Tone::Good } else { Tone::Bad };
    let word = format!("{:<6}", status(check));
    let word = if check.judged { paint(word, tone, is_colored) } else { word };
    let figure = cut(check.figure.as_deref().unwrap_or_default(), FIGURE);
    let [value, limit, ratio] = cells(check);
    let text = format!("  {word}  {:<8}  {figure:<FIGURE$} {value:>11} {limit:>11} {ratio:>7}", check.kind);
    writeln!(out, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::tests::checks;
    use super::*;

    #[test]
    fn failures_have_their_message_and_lines_fit() {
        let text = render(&checks(), false, false);
        assert!(
            text.starts_with("ci/memgraph.toml: 2 of 4 checks failed\n\nchat\n  ok      budget "),
            "{text}"
        );
        assert!(text.contains("\n          total 3.00 GiB: +1.00 GiB"), "{text}");
        assert!(!text.contains("fits 4.00 GiB") && render(&checks(), true, false).contains("fits 4.00 GiB"));
        assert!(text.contains("\n          help: check the path\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
