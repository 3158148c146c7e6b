//! A deployment: a table of scenarios and devices, then what each needs.

use super::super::model::{DeploymentReport, Placement};
use super::layout::{Tone, WIDTH, cut, paint, wrap};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// The table, then the models of each scenario and what is in memory over time.
///
/// # Example
///
/// ```
/// use memgraph::report::{model::DeploymentReport, text};
///
/// assert!(text::deployment(&DeploymentReport::default(), false).starts_with("scenario"));
/// ```
#[must_use]
pub fn deployment(found: &DeploymentReport, is_colored: bool) -> String {
    let mut out = String::new();
    write(&mut out, found, is_colored).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

fn write(out: &mut String, found: &DeploymentReport, is_colored: bool) -> Result {
    writeln!(out, "{:<26} {:<12} {:>12} {:>12}  verdict", "scenario", "device", "RAM", "VRAM")?;
    for row in &found.placements {
        let verdict = if row.fits {
            paint("fits", Tone::Good, is_colored)
        } else {
            paint("does not fit", Tone::Bad, is_colored)
        };
        let (ram, vram) = (Bytes(row.ram_bytes).to_string(), Bytes(row.vram_bytes).to_string());
        let (name, device) = (cut(&row.scenario, 26), cut(&row.device, 12));
        writeln!(out, "{name:<26} {device:<12} {ram:>12} {vram:>12}  {verdict}")?;
    }
    let mut last: Option<&Placement> = None;
    for row in &found.placements {
        details(
            out,
            row,
            last.filter(|last| last.scenario == row.scenario && last.needs == row.needs),
            is_colored,
        )?;
        last = Some(row);
    }
    Ok(())
}

/// The models of a placement, unless they are those of the one before.
fn details(out: &mut String, row: &Placement, same: Option<&Placement>, is_colored: bool) -> Result {
    let title = format!("{} on {} ({})", row.scenario, row.device, row.mode);
    writeln!(out, "\n{}", paint(title, Tone::Title, is_colored))?;
    for need in row.needs.iter().filter(|_| same.is_none()) {
        let replicas = if need.replicas > 1 { format!(" x {}", need.replicas) } else { String::new() };
        let name = cut(&format!("{}{replicas}", need.model), 20);
        let (ram, vram) = (Bytes(need.ram_bytes).to_string(), Bytes(need.vram_bytes).to_string());
        writeln!(out, "  {name:<20} {ram:>11} RAM {vram:>11} VRAM  {}", cut(&need.known, WIDTH - 57))?;
    }
    if row.moments.len() > 1 && same.is_none() {
        for moment in &row.moments {
            let (ram, vram) = (Bytes(moment.ram_bytes).to_string(), Bytes(moment.vram_bytes).to_string());
            writeln!(out, "  {:<20} {ram:>11} RAM {vram:>11} VRAM", cut(&format!("> {}", moment.what), 20))?;
        }
    }
    memory(out, "RAM", row.ram_bytes, row.ram_limit_bytes)?;
    memory(out, "VRAM", row.vram_bytes, row.vram_limit_bytes)?;
    for words in [row.refused.as_ref(), row.remedy.as_ref()].into_iter().flatten() {
        writeln!(out, "  {}", wrap(words, 4))?;
    }
    match &row.stated {
        Some(stated) => writeln!(out, "  stated: {}", wrap(stated, 4)),
        None => Ok(()),
    }
}

/// One kind of memory, in the unit that it is sold in: GB of 10^9 bytes.
fn memory(out: &mut String, name: &str, needs: u64, limit: Option<u64>) -> Result {
    let Some(limit) = limit else { return Ok(()) };
    let gb = |bytes: u64| format!("{:.2} GB", bytes as f64 / 1e9);
    let (word, by) = match limit.checked_sub(needs) {
        Some(left) => ("left", left),
        None => ("too much", needs - limit),
    };
    writeln!(out, "  {name}: {} of {}, {} {word}", gb(needs), gb(limit), gb(by))
}
