//! A sweep: lines over one axis with the budget and the largest value that fits, or a heat map over two.

use super::super::model::{Figures, Sweep};
use super::canvas::{self, Anchor, Canvas, FONT, MARGIN, WIDTH};
use super::page::{self, Picture};
use super::plot::{BELOW, LEFT, Scale};
use crate::units::Bytes;
use std::path::Path;

/// Height of the plot.
const HIGH: i32 = 280;
/// Points of a line that are marked each by itself; more are drawn as a line alone.
const DOTS: usize = 48;
/// Ranges whose end is at least so many times their start have an axis of doublings.
const LOGARITHMIC: u64 = 32;

/// A line of the chart.
struct Line {
    class: &'static str,
    fill: &'static str,
    name: &'static str,
    of: fn(&Figures) -> u64,
}

/// The lines, those that are drawn last on top.
const LINES: [Line; 5] = [
    Line { class: "s-arena", fill: "k-activation", name: "arena", of: |found| found.arena_bytes },
    Line { class: "s-cache", fill: "k-cache", name: "KV cache", of: |found| found.kv_cache_bytes },
    Line { class: "s-heap", fill: "k-io", name: "heap", of: |found| found.heap_peak_bytes },
    Line { class: "s-total", fill: "k-packed", name: "total", of: |found| found.total_bytes },
    Line {
        class: "s-resident",
        fill: "k-workspace",
        name: "resident",
        of: |found| found.resident_peak_bytes,
    },
];

/// Columns of the values of an axis.
struct Columns {
    from: u64,
    to: u64,
    is_doubling: bool,
}

impl Columns {
    fn of(from: u64, to: u64) -> Columns {
        Columns { from, to, is_doubling: from > 0 && to / from >= LOGARITHMIC }
    }

    fn column(&self, value: u64) -> i32 {
        let place = |value: u64| if self.is_doubling { (value.max(1) as f64).log2() } else { value as f64 };
        let wide = (place(self.to) - place(self.from)).max(f64::MIN_POSITIVE);
        let share = ((place(value) - place(self.from)) / wide).clamp(0.0, 1.0);
        LEFT + (f64::from(WIDTH - MARGIN - 16 - LEFT) * share).round() as i32
    }

    /// Values with a label: doublings, or round numbers.
    fn ticks(&self) -> Vec<u64> {
        if !self.is_doubling {
            let ticks = page::ticks(self.to as f64, 8).into_iter().filter(|tick| tick.fract() == 0.0);
            return ticks.map(|tick| tick as u64).filter(|&tick| tick >= self.from).collect();
        }
        let doublings = std::iter::successors(Some(self.from), |value| value.checked_mul(2));
        doublings.take_while(|&value| value <= self.to).collect()
    }
}

/// Lines over one axis.
pub(super) fn lines(found: &Sweep) -> Picture {
    let points: Vec<(u64, &Figures)> =
        found.points.iter().filter_map(|point| Some((point.value, point.figures.as_ref()?))).collect();
    let (title, below) = words(found);
    let mut canvas = Canvas::default();
    let mut y = page::heading(&mut canvas, &title, &below);
    let most_of = |line: &Line| points.iter().map(|(_, figures)| (line.of)(figures)).max().unwrap_or(0);
    let drawn: Vec<&Line> = LINES.iter().filter(|line| most_of(line) > 0).collect();
    let entries = drawn
        .iter()
        .rev()
        .map(|line| (line.fill.to_owned(), format!("{}, up to {}", line.name, Bytes(most_of(line)))));
    let entries: Vec<(String, String)> = entries.collect();
    y = page::legend(&mut canvas, &entries, y) + 18;
    let most = drawn.iter().map(|line| most_of(line)).max().unwrap_or(0);
    let budget = found.budget_bytes.map(|budget| budget.saturating_sub(found.reserve_bytes.unwrap_or(0)));
    let budget = budget.filter(|budget| budget / 2 <= most);
    let scale = Scale::new(y, y + HIGH, budget.map_or(most, |budget| budget.max(most)));
    let values = || points.iter().map(|(value, _)| *value);
    let columns = Columns::of(values().min().unwrap_or(0), values().max().unwrap_or(1));
    scale.axis(&mut canvas);
    moves(&mut canvas, found, &columns, scale);
    for line in &drawn {
        let path: Vec<(i32, i32)> = points
            .iter()
            .map(|(value, figures)| (columns.column(*value), scale.row((line.of)(figures))))
            .collect();
        canvas.line(line.class, &path);
        for &(x, y) in path.iter().filter(|_| path.len() <= DOTS) {
            canvas.dot(line.fill, (x, y), 3);
        }
    }
    hover(&mut canvas, &points, &columns, scale);
    if let Some(budget) = budget {
        scale.budget(&mut canvas, Bytes(budget));
        largest(&mut canvas, found, &columns, scale, budget);
    }
    axis(&mut canvas, &columns, &found.vary, scale.bottom);
    let desc =
        format!("{below}. {}.", entries.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join("; "));
    Picture { height: scale.bottom + BELOW, title, desc, body: canvas.into_body() }
}

fn words(found: &Sweep) -> (String, String) {
    let axes = match &found.vary2 {
        Some(second) => format!("{} and {second}", found.vary),
        None => found.vary.clone(),
    };
    let title = format!("Memory of {} over {axes}", page::place(Path::new(&found.model)));
    let moves = found.points.iter().filter(|point| point.moved).count();
    let moves = match (moves, &found.vary2) {
        (0, _) | (_, Some(_)) => String::new(),
        (count, None) => {
            format!("; dashed: the peak moves to another node ({})", page::counted(count as u64, "time"))
        }
    };
    let failed = found.points.iter().filter(|point| point.error.is_some()).count() as u64;
    let failed =
        if failed > 0 { format!("; {} failed", page::counted(failed, "point")) } else { String::new() };
    (
        title,
        format!("{}, {}{moves}{failed}", page::counted(found.points.len() as u64, "point"), found.profile),
    )
}

/// Dashed lines where the peak moves to another node.
fn moves(canvas: &mut Canvas, found: &Sweep, columns: &Columns, scale: Scale) {
    for point in found.points.iter().filter(|point| point.moved) {
        let x = columns.column(point.value);
        canvas.line("axis dash", &[(x, scale.top), (x, scale.bottom)]);
    }
}

/// Marks the largest value that fits, in words that stay within the page.
fn largest(canvas: &mut Canvas, found: &Sweep, columns: &Columns, scale: Scale, budget: u64) {
    let Some(value) = found.fits.first().and_then(|row| row.largest) else { return };
    let (x, y) = (columns.column(value), scale.row(budget));
    canvas.line("limit-line", &[(x, y), (x, scale.bottom)]);
    let text = format!("{} {value} fits", found.vary);
    let fits_right = x + 8 + canvas::width(&text, FONT) < WIDTH - MARGIN;
    let (anchor, x) = if fits_right { (Anchor::Left, x + 6) } else { (Anchor::Right, x - 6) };
    canvas.text("limit", &text, (x, scale.bottom - 12), anchor);
}

fn hover(canvas: &mut Canvas, points: &[(u64, &Figures)], columns: &Columns, scale: Scale) {
    for (index, (value, figures)) in points.iter().enumerate() {
        let x = columns.column(*value);
        let left = index
            .checked_sub(1)
            .and_then(|index| points.get(index))
            .map_or(x - 4, |before| (columns.column(before.0) + x) / 2);
        let right = points.get(index + 1).map_or(x + 4, |next| (columns.column(next.0) + x) / 2);
        let lines = LINES.iter().rev().map(|line| format!("{} {}", line.name, Bytes((line.of)(figures))));
        let lines: Vec<String> = lines.collect();
        let words = format!("{value}\n{}\npeak at {}", lines.join("\n"), figures.node);
        canvas.rect("hit", (left, scale.top, right.max(left + 1), scale.bottom), &words);
    }
}

fn axis(canvas: &mut Canvas, columns: &Columns, name: &str, bottom: i32) {
    canvas.line("axis", &[(LEFT, bottom), (WIDTH - MARGIN, bottom)]);
    let mut free = LEFT - 40;
    for tick in columns.ticks() {
        let (x, label) = (columns.column(tick), tick.to_string());
        let half = canvas::width(&label, FONT) / 2;
        canvas.line("axis", &[(x, bottom), (x, bottom + 5)]);
        if x - half > free && x + half <= WIDTH - MARGIN + 8 {
            canvas.text("soft", &label, (x, bottom + 14), Anchor::Middle);
            free = x + half + 6;
        }
    }
    canvas.text("soft", name, ((LEFT + WIDTH - MARGIN) / 2, bottom + 32), Anchor::Middle);
}

/// Shades of a heat map.
const SHADES: u64 = 8;

/// A heat map of the resident set over two axes; what is over the budget has a mark of its own.
pub(super) fn heat_map(found: &Sweep) -> Picture {
    let (title, below) = words(found);
    let (xs, ys) = (sorted(found, |point| Some(point.value)), sorted(found, |point| point.value2));
    let resident = |x: u64, y: u64| {
        let is_here = |point: &&crate::report::model::Point| point.value == x && point.value2 == Some(y);
        found
            .points
            .iter()
            .find(is_here)
            .and_then(|point| point.figures.as_ref())
            .map(|one| one.resident_peak_bytes)
    };
    let all =
        || found.points.iter().filter_map(|point| point.figures.as_ref()).map(|one| one.resident_peak_bytes);
    let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let budget = found.budget_bytes.map(|budget| budget.saturating_sub(found.reserve_bytes.unwrap_or(0)));
    let step = ((most - least) / SHADES).max(1);
    let shade = |bytes: u64| ((bytes - least) / step).min(SHADES - 1);
    let mut canvas = Canvas::default();
    let below = format!("{below}; resident set");
    let mut y = page::heading(&mut canvas, &title, &below);
    let is_over = |bytes: u64| budget.is_some_and(|budget| bytes > budget);
    let mut entries: Vec<(String, String)> = (0..SHADES)
        .filter(|index| all().any(|bytes| shade(bytes) == *index && !is_over(bytes)))
        .map(|index| (format!("h{index}"), format!("from {}", Bytes(least + index * step))))
        .collect();
    if all().any(is_over) {
        entries
            .push(("h-over".to_owned(), format!("over {}", page::budget_words(Bytes(budget.unwrap_or(0))))));
    }
    if xs.iter().any(|&x| ys.iter().any(|&y| resident(x, y).is_none())) {
        entries.push(("band".to_owned(), "failed".to_owned()));
    }
    y = page::legend(&mut canvas, &entries, y) + 6;
    let wide = (WIDTH - MARGIN - LEFT) / (xs.len().max(1) as i32);
    let high = (HIGH / ys.len().max(1) as i32).clamp(6, 40);
    let bottom = y + high * ys.len() as i32;
    for (row, &second) in ys.iter().enumerate() {
        let top = bottom - high * (row as i32 + 1);
        for (column, &value) in xs.iter().enumerate() {
            let left = LEFT + wide.max(1) * column as i32;
            let frame = (left, top, left + wide.max(1), top + high);
            let (class, words) = match resident(value, second) {
                Some(bytes) if is_over(bytes) => ("h-over".to_owned(), Bytes(bytes).to_string()),
                Some(bytes) => (format!("h{}", shade(bytes)), Bytes(bytes).to_string()),
                None => ("band".to_owned(), "failed".to_owned()),
            };
            let second_name = found.vary2.as_deref().unwrap_or_default();
            canvas.rect(&class, frame, &format!("{} {value}, {second_name} {second}: {words}", found.vary));
        }
        if high >= 14 || row % 3 == 0 {
            canvas.text("soft", &second.to_string(), (LEFT - 8, top + high / 2), Anchor::Right);
        }
    }
    let mut free = LEFT - 40;
    for (column, &value) in xs.iter().enumerate() {
        let (x, label) = (LEFT + wide.max(1) * column as i32 + wide / 2, value.to_string());
        let half = canvas::width(&label, FONT) / 2;
        if x - half > free {
            canvas.text("soft", &label, (x, bottom + 12), Anchor::Middle);
            free = x + half + 6;
        }
    }
    let second = found.vary2.as_deref().unwrap_or_default();
    let names = format!("{} to the right, {second} upwards", found.vary);
    canvas.text("soft", &names, ((LEFT + WIDTH - MARGIN) / 2, bottom + 30), Anchor::Middle);
    let desc = format!("{below}. From {} to {}.", Bytes(least), Bytes(most));
    Picture { height: bottom + BELOW, title, desc, body: canvas.into_body() }
}

fn sorted(found: &Sweep, of: fn(&crate::report::model::Point) -> Option<u64>) -> Vec<u64> {
    let mut values: Vec<u64> = found.points.iter().filter_map(of).collect();
    values.sort_unstable();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Point;

    fn point(value: u64, value2: Option<u64>, bytes: u64) -> Point {
        let figures = Figures { total_bytes: bytes, resident_peak_bytes: bytes, ..Figures::default() };
        Point { value, value2, figures: Some(figures), ..Point::default() }
    }

    #[test]
    fn the_budget_is_drawn_where_it_is_within_sight() {
        let mut found = Sweep { vary: "seq".to_owned(), budget_bytes: Some(150), ..Sweep::default() };
        found.points = vec![point(1, None, 100), point(2, None, 200)];
        assert!(lines(&found).body.contains("budget 150 B"));
        found.budget_bytes = Some(1000);
        assert!(!lines(&found).body.contains("budget"));
    }

    #[test]
    fn the_legend_of_a_heat_map_names_what_is_drawn() {
        let mut found = Sweep { vary: "seq".to_owned(), vary2: Some("batch".to_owned()), ..Sweep::default() };
        found.points = vec![point(1, Some(1), 100), point(2, Some(1), 180)];
        let body = heat_map(&found).body;
        assert!(body.contains("from 100 B") && !body.contains("over budget"));
        found.budget_bytes = Some(150);
        let body = heat_map(&found).body;
        assert!(body.contains("over budget 150 B") && !body.contains("from 170 B"));
    }
}
