//! What fits a budget: a row per axis, then each axis's node and command.

use super::super::model::{Fit, FitRow};
use super::layout::{Tone, WIDTH, cut, paint, wrap};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// The table of the largest values, the nodes responsible, and the commands of those runs.
///
/// # Example
///
/// ```
/// use memgraph::report::{model::Fit, text};
///
/// let mut fit = Fit::default();
/// fit.budget_bytes = 1 << 30;
/// assert!(text::fit(&fit, false).contains("1.00 GiB"));
/// ```
#[must_use]
pub fn fit(found: &Fit, is_colored: bool) -> String {
    let mut out = String::new();
    write(&mut out, found, is_colored).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

fn write(out: &mut String, found: &Fit, is_colored: bool) -> Result {
    let reserve = match found.reserve_bytes {
        0 => String::new(),
        bytes => format!(" less {} in reserve", Bytes(bytes)),
    };
    let head = format!("{}: within {}{reserve}, {}", found.model, Bytes(found.budget_bytes), found.profile);
    writeln!(out, "{}\n", wrap(&head, 2))?;
    writeln!(
        out,
        "{:<12} {:>12} {:>14} {:>12} {:>14} {:>11}",
        "vary", "largest fit", "resident", "fails first", "needs more", "limited by"
    )?;
    for row in &found.fits {
        let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let bytes = |value: Option<u64>| value.map_or("-".to_owned(), |value| Bytes(value).to_string());
        // The resident set of a row without a largest value is that of the smallest one, which fails.
        // Layers on devices are compared with the devices' memory.
        let (fits, more) = match row.device_bytes {
            Some(_) => (row.device_bytes, row.fails_with_device_bytes),
            None => (row.resident_bytes, row.fails_with_bytes),
        };
        let [largest, fails] = [number(row.largest), number(row.first_that_fails)];
        let more = more.zip(fits.filter(|_| row.largest.is_some()));
        let more = more.map(|(fails, fits)| fails.saturating_sub(fits));
        let [fits, over] = [bytes(fits), bytes(more)];
        writeln!(
            out,
            "{:<12} {largest:>12} {fits:>14} {fails:>12} {over:>14} {:>11}",
            row.vary, row.limited_by
        )?;
    }
    found.fits.iter().try_for_each(|row| details(out, row, is_colored))
}

fn details(out: &mut String, row: &FitRow, is_colored: bool) -> Result {
    writeln!(out, "\n{}", paint(&row.vary, Tone::Title, is_colored))?;
    if let Some(value) = row.fails_below {
        let words = format!("the peak does not always grow with it: {value} is smaller and does not fit");
        writeln!(out, "  {}", wrap(&words, 2))?;
    }
    if let (Some(device), Some(resident)) = (row.device_bytes, row.resident_bytes) {
        let words = format!("{} on devices, {} resident in the host", Bytes(device), Bytes(resident));
        writeln!(out, "  {}", wrap(&words, 2))?;
    }
    if let Some(node) = &row.node {
        writeln!(out, "  peak at {}", cut(node, WIDTH - 10))?;
    }
    if let Some(note) = &row.note {
        writeln!(out, "  {}", wrap(note, 2))?;
    }
    match &row.command {
        Some(command) => writeln!(out, "  {command}"),
        None => writeln!(out, "  {}", paint("nothing fits", Tone::Bad, is_colored)),
    }
}
