//! A sweep as a table of its points and its pieces.

use super::super::model::{Figures, FitRow, Piece, Point, Sweep};
use super::layout::{Tone, WIDTH, cut, paint, wrap};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// The points, the pieces of the total, and what fits.
///
/// # Example
///
/// ```
/// use memgraph::report::{model::Sweep, text};
///
/// let mut sweep = Sweep::default();
/// sweep.vary = "seq".to_owned();
/// assert!(text::sweep(&sweep, false).contains("seq"));
/// ```
#[must_use]
pub fn sweep(found: &Sweep, is_colored: bool) -> String {
    let mut out = String::new();
    write(&mut out, found, is_colored).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

fn write(out: &mut String, found: &Sweep, is_colored: bool) -> Result {
    let axes = match &found.vary2 {
        Some(second) => format!("{} and {second}", found.vary),
        None => found.vary.clone(),
    };
    let head = format!("{}: {} points over {axes}, {}", found.model, found.points.len(), found.profile);
    writeln!(out, "{}\n", cut(&head, WIDTH))?;
    match &found.vary2 {
        Some(second) => grid(out, found, second)?,
        None => rows(out, found)?,
    }
    errors(out, &found.points)?;
    if !found.pieces.is_empty() && found.vary2.is_none() {
        writeln!(
            out,
            "\n{}",
            paint("Pieces of the total in bytes, n = ", Tone::Title, is_colored) + &found.vary
        )?;
        found.pieces.iter().try_for_each(|piece| piece_line(out, piece))?;
    }
    if !found.fits.is_empty() {
        let (budget, reserve) = (found.budget_bytes.unwrap_or(0), found.reserve_bytes.unwrap_or(0));
        let reserve =
            if reserve > 0 { format!(" with {} in reserve", Bytes(reserve)) } else { String::new() };
        let title = format!("Within {}{reserve}", Bytes(budget));
        writeln!(out, "\n{}", paint(title, Tone::Title, is_colored))?;
        found.fits.iter().try_for_each(|row| fit_line(out, row))?;
    }
    Ok(())
}

fn rows(out: &mut String, found: &Sweep) -> Result {
    let names = ["total", "heap", "resident", "KV cache", "arena"];
    write!(out, "{:>10}", found.vary)?;
    names.iter().try_for_each(|name| write!(out, " {name:>12}"))?;
    writeln!(out)?;
    for point in &found.points {
        write!(out, "{:>10}", point.value)?;
        match &point.figures {
            Some(figures) => {
                cells(figures).iter().try_for_each(|cell| write!(out, " {cell:>12}"))?;
                writeln!(out, "{}", if point.moved { " *" } else { "" })?;
            }
            None => writeln!(out, "  {}", cut(point.error.as_deref().unwrap_or("failed"), WIDTH - 12))?,
        }
    }
    if found.points.iter().any(|point| point.moved) {
        writeln!(out, "* the peak is at another node than in the row above")?;
    }
    Ok(())
}

fn cells(figures: &Figures) -> [String; 5] {
    let total = Bytes(figures.total_bytes).to_string();
    let total = if figures.is_lower_bound { format!(">={total}") } else { total };
    let bytes =
        [figures.heap_peak_bytes, figures.resident_peak_bytes, figures.kv_cache_bytes, figures.arena_bytes];
    let [heap, resident, cache, arena] = bytes.map(|bytes| Bytes(bytes).to_string());
    [total, heap, resident, cache, arena]
}

/// The resident sets of a grid: the first axis downwards, the second to the right.
fn grid(out: &mut String, found: &Sweep, second: &str) -> Result {
    let mut columns: Vec<u64> = found.points.iter().filter_map(|point| point.value2).collect();
    columns.dedup();
    let mut values: Vec<u64> = found.points.iter().map(|point| point.value).collect();
    values.sort_unstable();
    values.dedup();
    for part in columns.chunks(5) {
        writeln!(out, "{:>10} resident set, {second} to the right", found.vary)?;
        write!(out, "{:>10}", "")?;
        part.iter().try_for_each(|column| write!(out, " {column:>12}"))?;
        writeln!(out)?;
        for &value in &values {
            write!(out, "{value:>10}")?;
            for column in part {
                let is_here = |point: &&Point| point.value == value && point.value2 == Some(*column);
                let figures = found.points.iter().find(is_here).and_then(|point| point.figures.as_ref());
                let cell =
                    figures.map_or("failed".to_owned(), |found| Bytes(found.resident_peak_bytes).to_string());
                write!(out, " {cell:>12}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Every reason of a failed point once, where the rows do not have it in full.
fn errors(out: &mut String, points: &[Point]) -> Result {
    let mut seen: Vec<&str> = Vec::new();
    for error in points.iter().filter_map(|point| point.error.as_deref()) {
        if !seen.contains(&error) && seen.len() < 3 {
            seen.push(error);
        }
    }
    for error in seen {
        writeln!(out, "{}", wrap(&format!("failed: {error}"), 2))?;
    }
    Ok(())
}

fn piece_line(out: &mut String, piece: &Piece) -> Result {
    let range =
        if piece.from == piece.to { piece.from.to_string() } else { format!("{}..{}", piece.from, piece.to) };
    let words = polynomial(piece).unwrap_or_else(|| "no polynomial of degree 2 gives every point".to_owned());
    writeln!(out, "  {range:<16} {}", wrap(&words, 19))?;
    if piece.node.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {:<16} at {}", "", cut(&piece.node, WIDTH - 22))
}

/// `1048576 + 4096 n + 12 n^2`.
fn polynomial(piece: &Piece) -> Option<String> {
    let numbers = match (&piece.fractions, piece.polynomial) {
        (Some(fractions), _) => fractions.clone(),
        (None, Some(whole)) => whole.map(|number| format!("{number}")),
        (None, None) => return None,
    };
    let [constant, linear, square] = &numbers;
    let terms = [(constant, ""), (linear, " n"), (square, " n^2")];
    let terms = terms.into_iter().filter(|(number, power)| *number != "0" || power.is_empty());
    let text = terms.map(|(number, power)| format!("{number}{power}")).collect::<Vec<_>>().join(" + ");
    Some(text.replace("+ -", "- "))
}

/// What fits along one axis, in one or two lines.
fn fit_line(out: &mut String, row: &FitRow) -> Result {
    let resident = row.resident_bytes.map_or(String::new(), |bytes| format!(" ({} resident)", Bytes(bytes)));
    let words = match (row.largest, row.first_that_fails) {
        (None, _) => format!("{}: none fits{resident}", row.vary),
        (Some(largest), None) => format!("{}: all up to {largest} fit{resident}", row.vary),
        (Some(largest), Some(fails)) => {
            let more = row.fails_with_bytes.zip(row.resident_bytes);
            let more = more.map_or(String::new(), |(fails, fits)| {
                format!(" needs {} more", Bytes(fails.saturating_sub(fits)))
            });
            format!("{}: {largest} fits{resident}; {fails}{more}", row.vary)
        }
    };
    writeln!(out, "  {}", wrap(&words, 4))?;
    if let Some(value) = row.fails_below {
        writeln!(out, "    not every smaller value fits: {value} does not")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_written_as_sums() {
        let of =
            |whole: [f64; 3]| polynomial(&Piece { polynomial: Some(whole), ..Piece::default() }).unwrap();
        assert_eq!(of([7.0, -2.0, 5.0]), "7 - 2 n + 5 n^2");
        assert_eq!(of([0.0, 3.0, 0.0]), "0 + 3 n");
        assert_eq!(polynomial(&Piece::default()), None);
    }

    #[test]
    fn a_failed_point_has_its_error_in_its_row() {
        let mut found = Sweep { vary: "seq".to_owned(), ..Sweep::default() };
        found.points.push(Point { value: 9, error: Some("too long".to_owned()), ..Point::default() });
        let text = sweep(&found, false);
        assert!(text.contains("         9  too long"), "{text}");
    }
}
