//! The written graph and the executed one, as tables.

use super::super::model::{Comparison, FusionGroup, Pair};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// Both tables, and the sums that they add up to.
pub(super) fn write(out: &mut String, comparison: &Comparison) -> Result {
    let Comparison { written_bytes, executed_bytes, .. } = *comparison;
    writeln!(out, "\nWritten graph against executed graph ({})", comparison.phase)?;
    writeln!(out, "  {:<22} {:>12} {:>12} {:>13}", "", "written", "executed", "saved")?;
    let saved =
        comparison.written_steps.cast_signed().saturating_sub(comparison.executed_steps.cast_signed());
    writeln!(
        out,
        "  {:<22} {:>12} {:>12} {saved:>13}",
        "steps", comparison.written_steps, comparison.executed_steps
    )?;
    for (what, written, executed) in [
        ("results, in sum", written_bytes, executed_bytes),
        ("arena", comparison.written_arena_bytes, comparison.executed_arena_bytes),
    ] {
        writeln!(
            out,
            "  {what:<22} {:>12} {:>12} {:>13}",
            Bytes(written).to_string(),
            Bytes(executed).to_string(),
            signed(written.cast_signed().saturating_sub(executed.cast_signed()))
        )?;
    }
    writeln!(out, "  {} written nodes have no step of their name.", comparison.removed_steps)?;

    writeln!(
        out,
        "\n{:>7} {:>12} {:>12} {:>13}  executed <- written",
        "Count", "written", "executed", "saved"
    )?;
    for group in &comparison.groups {
        let FusionGroup { executed_type, written_types, count, written_bytes, executed_bytes, saved_bytes } =
            group;
        let sides = sides(executed_type.as_deref(), written_types);
        row(out, &count.to_string(), [*written_bytes, *executed_bytes], *saved_bytes, &sides)?;
    }
    left_out(out, comparison.groups_left_out)?;

    writeln!(
        out,
        "\n{:>7} {:>12} {:>12} {:>13}  executed <- written",
        "Step", "written", "executed", "saved"
    )?;
    for pair in &comparison.pairs {
        let Pair { executed, executed_type, written, written_bytes, executed_bytes, saved_bytes, .. } = pair;
        let own = executed.as_ref().zip(executed_type.as_ref()).map(|(name, kind)| format!("{kind} {name}"));
        // The names of the first nodes are enough to find it; the JSON has all.
        let sides = sides(own.as_deref(), written);
        row(out, "", [*written_bytes, *executed_bytes], *saved_bytes, &sides)?;
    }
    left_out(out, comparison.pairs_left_out)
}

fn row(out: &mut String, first: &str, bytes: [u64; 2], saved: i64, sides: &str) -> Result {
    let [written, executed] = bytes.map(|bytes| Bytes(bytes).to_string());
    writeln!(out, "{first:>7} {written:>12} {executed:>12} {:>13}  {sides}", signed(saved))
}

/// `RMS <- Power, ReduceMean, Add (+4)`.
fn sides(executed: Option<&str>, written: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = format!("{} <- ", executed.unwrap_or("nothing"));
    if written.is_empty() {
        text.push_str("nothing");
    }
    text.push_str(&written.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "));
    if written.len() > SHOWN {
        text.push_str(&format!(" (+{})", written.len() - SHOWN));
    }
    text
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", Bytes(bytes.unsigned_abs()))
}

fn left_out(out: &mut String, rows: u64) -> Result {
    if rows == 0 { Ok(()) } else { writeln!(out, "  … {rows} more (`--top N` shows them)") }
}
