//! A comparison as Markdown, for a comment on a change.

use super::super::model::{Delta, Diff, DiffRow, Grouping, Status};
use super::text::{delta, folded, share, signed};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// The comparison as tables: at most `top` rows of each grouping, the others as one row.
#[must_use]
pub fn render(diff: &Diff, top: usize) -> String {
    let mut out = String::new();
    write(&mut out, diff, top).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

/// A text as a cell of a table shows it.
pub(crate) fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
        .replace('<', "&lt;")
        .replace("__", "\\_\\_")
}

/// A name in code spans, as a cell of a table shows it.
pub(crate) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|").replace(['\n', '\r'], " "))
}

fn write(out: &mut String, diff: &Diff, top: usize) -> Result {
    writeln!(out, "### Memory: {} → {}\n", code(&diff.old), code(&diff.new))?;
    for text in &diff.exceeded {
        writeln!(out, "**Failed:** {}\n", cell(text))?;
    }
    for note in &diff.notes {
        writeln!(out, "Note: {}\n", cell(note))?;
    }
    header(out, "")?;
    line(out, diff.total("total_bytes"), None, "**total at the peak**")?;
    line(out, diff.total("resident_peak_bytes"), None, "**resident peak**")?;
    for phase in &diff.phases {
        line(out, phase.resident_peak_bytes, None, &format!("resident peak of {}", cell(&phase.name)))?;
    }
    for (by, name) in [
        (Grouping::Class, "storage"),
        (Grouping::Component, "component"),
        (Grouping::Layer, "layer"),
        (Grouping::Op, "operator"),
        (Grouping::Node, "node"),
    ] {
        let rows: Vec<&DiffRow> = diff.rows.iter().filter(|row| row.by == by).collect();
        if rows.is_empty() {
            continue;
        }
        writeln!(out, "\n<details><summary>By {name}: {} changed</summary>\n", rows.len())?;
        header(out, name)?;
        let (shown, others) = rows.split_at_checked(top).unwrap_or((&rows, &[]));
        for row in shown {
            line(out, delta(row), Some(row.status), &code(&row.key))?;
        }
        if !others.is_empty() {
            let plural = if others.len() == 1 { "" } else { "s" };
            line(out, folded(others), None, &format!("{} other{plural}", others.len()))?;
        }
        writeln!(out, "\n</details>")?;
    }
    Ok(())
}

fn header(out: &mut String, what: &str) -> Result {
    writeln!(out, "| {what} | old | new | change | |\n|---|--:|--:|--:|--:|")
}

fn line(out: &mut String, delta: Delta, status: Option<Status>, name: &str) -> Result {
    let (old, new) = (Bytes(delta.old), Bytes(delta.new));
    writeln!(out, "| {name} | {old} | {new} | {} | {} |", signed(delta.delta), share(delta, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_table() {
        assert_eq!(cell("a|b\nc<d"), "a\\|b c&lt;d");
        assert_eq!(code("a`|`b"), "`a'\\|'b`");
    }

    #[test]
    fn each_grouping_is_a_table_that_is_folded() {
        let mut diff = Diff::new("a".to_owned(), "b".to_owned());
        let row = |key: &str| DiffRow { key: key.to_owned(), new: 8, delta: 8, ..DiffRow::default() };
        diff.rows = vec![row("mlp"), row("q_proj"), row("k_proj")];
        let text = render(&diff, 1);
        assert!(text.contains("<summary>By component: 3 changed</summary>"), "{text}");
        assert!(text.contains("| 2 others | 0 B | 16 B | +16 B | [NEW] |"), "{text}");
    }
}
