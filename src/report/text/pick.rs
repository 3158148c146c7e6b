//! A choice from a catalog: the best candidate that fits, and why the better ones do not.

use super::super::model::Pick;
use super::layout::{Tone, WIDTH, cut, paint, wrap};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// The choice, then every candidate with its memory or its reason.
///
/// # Example
///
/// ```
/// use memgraph::report::{model::Pick, text};
///
/// assert!(text::pick(&Pick::default(), false).contains("no candidate fits"));
/// ```
#[must_use]
pub fn pick(found: &Pick, is_colored: bool) -> String {
    let mut out = String::new();
    write(&mut out, found, is_colored).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

fn write(out: &mut String, found: &Pick, is_colored: bool) -> Result {
    let memory = [("RAM", found.ram_bytes), ("VRAM", found.vram_bytes)];
    let memory = memory.into_iter().filter_map(|(name, bytes)| Some(format!("{} of {name}", Bytes(bytes?))));
    let mut machine: Vec<String> = memory.collect();
    machine.extend((found.reserve_bytes > 0).then(|| format!("{} in reserve", Bytes(found.reserve_bytes))));
    writeln!(out, "{}: {}", found.device, machine.join(", "))?;
    match &found.chosen {
        Some(name) => writeln!(out, "{} {name}\n", paint("best that fits:", Tone::Good, is_colored))?,
        None => writeln!(out, "{}\n", paint("no candidate fits", Tone::Bad, is_colored))?,
    }
    for row in &found.candidates {
        let bytes = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string());
        let (ram, vram) = (bytes(row.ram_bytes), bytes(row.vram_bytes));
        let verdict = if row.fits { "fits" } else { "no" };
        let name = cut(&row.name, 32);
        writeln!(out, "  {name:<32} {ram:>11} RAM {vram:>11} VRAM  {verdict}")?;
        let notes = [row.why.clone(), row.remedy.clone(), Some(row.known.clone())];
        let notes: Vec<String> = notes.into_iter().flatten().filter(|note| !note.is_empty()).collect();
        writeln!(out, "    {}", wrap(&cut(&notes.join("; "), 3 * WIDTH), 4))?;
    }
    Ok(())
}
