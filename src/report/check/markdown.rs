//! Checks as Markdown: a comment on a change, or the summary of a job.

use super::super::diff::markdown::{cell, code};
use super::super::model::{Check, Checks};
use super::{cells, one_line, status};
use std::fmt::Write;

/// Bytes of the longest comment that GitHub takes; a summary of a job may have more.
const LONGEST: usize = 65_536;
/// Bytes that are left for what follows the rows.
const MARGIN: usize = 1024;
/// Bytes of a cell.
const CELL: usize = 2000;

/// The checks as Markdown of less than 65,536 bytes: what failed, then all figures.
#[must_use]
pub fn render(checks: &Checks) -> String {
    let mut out = String::new();
    let mark = if checks.failed > 0 { "❌" } else { "✅" };
    let _ = writeln!(out, "### {mark} Memory: {}\n", checks.summary()); // Writing to a String cannot fail.
    let failed: Vec<&Check> = checks.failures().collect();
    if !failed.is_empty() {
        out.push_str("| check | against | what is wrong |\n|---|---|---|\n");
        let row = |check: &Check| {
            let message = one_line(&check.message);
            format!("| {} | {} | {} |\n", code(&check.name), check.kind, cell(short(&message)))
        };
        rows(&mut out, &failed, LONGEST / 2, row);
        out.push('\n');
    }
    out.push_str("<details><summary>All figures</summary>\n\n");
    out.push_str("| check | against | figure | value | limit | ratio | |\n|---|---|---|--:|--:|--:|---|\n");
    let all: Vec<&Check> = checks.checks.iter().collect();
    rows(&mut out, &all, LONGEST - MARGIN, |check| {
        let [value, limit, ratio] = cells(check);
        let figure = check.figure.as_deref().unwrap_or_default();
        let name = code(short(&check.name));
        let (kind, figure, status) = (check.kind, cell(short(figure)), status(check));
        format!("| {name} | {kind} | {figure} | {value} | {limit} | {ratio} | {status} |\n")
    });
    let _ = writeln!(
        out,
        "\n</details>\n\n{} {}, {}",
        checks.tool.name,
        checks.tool.version,
        code(short(&checks.config))
    );
    out
}

/// Adds rows while the text is shorter than `most` bytes, and counts the others.
fn rows(out: &mut String, all: &[&Check], most: usize, row: impl Fn(&Check) -> String) {
    for (index, check) in all.iter().enumerate() {
        let row = row(check);
        if out.len() + row.len() > most {
            let _ = writeln!(out, "| … {} more | | |", all.len() - index);
            return;
        }
        out.push_str(&row);
    }
}

/// A text of at most so many bytes as a cell may have.
fn short(text: &str) -> &str {
    let mut end = text.len().min(CELL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::checks;
    use super::*;

    #[test]
    fn failures_come_first_and_cannot_break_the_table() {
        let text = render(&checks());
        assert!(text.starts_with("### ❌ Memory: 2 of 4 checks failed\n"), "{text}");
        assert!(
            text.contains(
                "| `gone <&\">` | analysis | cannot read: no such file --> a\\|b.xml help: check the path |"
            ),
            "{text}"
        );
        assert!(text.contains("| `chat` | budget | resident | 3.00 GiB | 4.00 GiB | 0.750 | ok |"), "{text}");
    }

    #[test]
    fn the_text_is_short_enough_for_a_comment() {
        let mut many = checks();
        let row = many.checks[3].clone();
        many.checks = (0..5000)
            .map(|index| Check { name: format!("{index}ä{}", "x".repeat(500)), ..row.clone() })
            .collect();
        let text = render(&Checks::new("memgraph.toml".to_owned(), many.checks, Vec::new()));
        assert!(
            text.len() < LONGEST && text.contains(" more | | |") && text.contains("</details>"),
            "{}",
            text.len()
        );
    }
}
