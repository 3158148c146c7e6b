//! A comparison for a terminal: lines of 80 columns, numbers first, names last.

use super::super::model::{Delta, Diff, DiffRow, Grouping, Status};
use super::super::text::layout::{Tone, WIDTH, cut, paint, wrap};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// Columns before a name.
const NUMBERS: usize = 38;

/// The comparison as text: at most `top` rows of each grouping, the others as one row.
#[must_use]
pub fn render(diff: &Diff, top: usize, is_colored: bool) -> String {
    let mut out = String::new();
    write(&mut out, diff, top, is_colored).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

/// A change with its sign, in the unit of its size: `-12.00 MiB`.
#[must_use]
pub fn signed(delta: i64) -> String {
    let sign = match delta {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", Bytes(delta.unsigned_abs()))
}

/// A change as a share of what was there: `+2.1 %`.
#[must_use]
pub fn percent(delta: Delta) -> String {
    match delta.old {
        0 if delta.new == 0 => "+0.0 %".to_owned(),
        0 => "[NEW]".to_owned(),
        old => format!("{:+.1} %", 100.0 * delta.delta as f64 / old as f64),
    }
}

fn write(out: &mut String, diff: &Diff, top: usize, is_colored: bool) -> Result {
    writeln!(out, "{}", wrap(&format!("{} -> {}", diff.old, diff.new), 2))?;
    for note in &diff.notes {
        writeln!(out, "{}", wrap(&format!("note: {note}"), 2))?;
    }
    if diff.is_empty() && diff.phases.iter().all(|phase| phase.resident_peak_bytes.delta == 0) {
        writeln!(out, "No difference: {} at the peak on both sides", Bytes(diff.total("total_bytes").new))?;
        return exceeded(out, diff, is_colored);
    }
    let title = |text: &str| paint(text, Tone::Title, is_colored);
    writeln!(out, "\n{:>12} {:>9} {:>12}   {}", "change", "", "new", title("Totals"))?;
    line(out, diff.total("total_bytes"), None, "total at the peak")?;
    line(out, diff.total("resident_peak_bytes"), None, "resident peak")?;
    let phases: Vec<_> = diff.phases.iter().filter(|phase| phase.resident_peak_bytes.delta != 0).collect();
    if !phases.is_empty() {
        writeln!(out, "\n{:NUMBERS$}{}", "", title("Phases, resident peak"))?;
        for phase in phases {
            line(out, phase.resident_peak_bytes, None, &phase.name)?;
        }
    }
    for (by, name) in [
        (Grouping::Class, "Storage at the peak"),
        (Grouping::Component, "Components"),
        (Grouping::Layer, "Layers"),
        (Grouping::Op, "Operators"),
        (Grouping::Node, "Nodes"),
    ] {
        let rows: Vec<&DiffRow> = diff.rows.iter().filter(|row| row.by == by).collect();
        if !rows.is_empty() {
            writeln!(out, "\n{:NUMBERS$}{}", "", title(name))?;
            table(out, &rows, top)?;
        }
    }
    exceeded(out, diff, is_colored)
}

fn table(out: &mut String, rows: &[&DiffRow], top: usize) -> Result {
    let (shown, others) = rows.split_at_checked(top).unwrap_or((rows, &[]));
    for row in shown {
        line(out, delta(row), Some(row.status), &row.key)?;
    }
    if others.is_empty() {
        return Ok(());
    }
    let plural = if others.len() == 1 { "" } else { "s" };
    line(out, folded(others), None, &format!("[{} other{plural}]", others.len()))
}

/// The sum of rows that are not shown.
pub(super) fn folded(rows: &[&DiffRow]) -> Delta {
    let sum = |bytes: fn(&DiffRow) -> u64| rows.iter().map(|row| Bytes(bytes(row))).sum::<Bytes>().0;
    Delta::of(sum(|row| row.old), sum(|row| row.new))
}

/// Both sides of a row.
pub(super) fn delta(row: &DiffRow) -> Delta {
    Delta::of(row.old, row.new)
}

/// What replaces a share of a row that one side alone has.
pub(super) fn share(delta: Delta, status: Option<Status>) -> String {
    match status {
        Some(Status::New) => "[NEW]".to_owned(),
        Some(Status::Gone) => "[GONE]".to_owned(),
        _ => percent(delta),
    }
}

fn line(out: &mut String, delta: Delta, status: Option<Status>, name: &str) -> Result {
    let new = Bytes(delta.new).to_string();
    let name = cut(name, WIDTH - NUMBERS);
    writeln!(out, "{:>12} {:>9} {new:>12}   {name}", signed(delta.delta), share(delta, status))
}

fn exceeded(out: &mut String, diff: &Diff, is_colored: bool) -> Result {
    for text in &diff.exceeded {
        writeln!(out, "{}", wrap(&format!("{} {text}", paint("FAILED", Tone::Bad, is_colored)), 2))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff() -> Diff {
        let mut diff = Diff::new("a".to_owned(), "b".to_owned());
        diff.totals.insert("total_bytes".to_owned(), Delta::of(8 << 20, 6 << 20));
        for index in 0..5_u64 {
            let key =
                format!("__module.model.layers.{index}.self_attn.q_proj/ov_ext::linear/MatMul_of_the_module");
            let (old, new) = (2 << 20, 1 << 20);
            diff.rows.push(DiffRow { key, old, new, delta: -(1 << 20), ..DiffRow::default() });
        }
        diff
    }

    #[test]
    fn lines_fit_a_terminal_and_the_rest_is_one_row() {
        let text = render(&diff(), 2, false);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("   -3.00 MiB   -50.0 %     3.00 MiB   [3 others]\n"), "{text}");
        assert!(text.contains("   -2.00 MiB   -25.0 %     6.00 MiB   total at the peak\n"), "{text}");
    }

    #[test]
    fn nothing_changed_is_one_sentence() {
        let text = render(&Diff::new("a".to_owned(), "b".to_owned()), 12, false);
        assert_eq!(text, "a -> b\nNo difference: 0 B at the peak on both sides\n");
    }

    #[test]
    fn changes_have_a_sign_and_a_share() {
        assert_eq!((signed(0), signed(1024), signed(-3)), ("0 B".into(), "+1.00 KiB".into(), "-3 B".into()));
        assert_eq!(percent(Delta::of(200, 205)), "+2.5 %");
        assert_eq!((percent(Delta::of(0, 1)), percent(Delta::of(0, 0))), ("[NEW]".into(), "+0.0 %".into()));
    }
}
