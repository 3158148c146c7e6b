//! A pipeline's phases: a bar for each, stacked by part, weights and everything else apart, the highest marked.

use super::super::model::{Phase, Report};
use super::canvas::{self, Anchor, Canvas, FONT, MARGIN, WIDTH};
use super::colors;
use super::page::{self, Picture};
use crate::units::Bytes;

/// Pixels for the names of phases.
const NAMES: i32 = 96;
const ROW: i32 = 34;
/// Half of a bar's height.
const HALF: i32 = 11;

/// Columns of a range of bytes.
#[derive(Clone, Copy, Debug)]
struct Scale {
    left: i32,
    right: i32,
    most: u64,
}

impl Scale {
    fn column(&self, bytes: u64) -> i32 {
        let share = bytes as f64 / self.most.max(1) as f64;
        self.left + (f64::from(self.right - self.left) * share).round() as i32
    }
}

pub(super) fn picture(report: &Report, budget: Option<Bytes>) -> Picture {
    let (model, run) = page::run_of_report(report);
    let title = format!("Memory of {model} by phase");
    let phases = &report.phases;
    let names = parts(report);
    let highest = highest(phases);
    let words = phases.iter().map(|phase| {
        let weights: u64 = phase.held_weights.values().sum();
        format!("{} {} of which weights {}", phase.name, Bytes(total(phase)), Bytes(weights))
    });
    let desc =
        format!("{run}. A bar per phase, a colour per part. {}.", words.collect::<Vec<_>>().join(", "));
    let mut canvas = Canvas::default();
    let below = format!("{run}; pale: weights, full colour: everything else");
    let mut y = page::heading(&mut canvas, &title, &below);
    let colors = colors::Parts::new(&names);
    let legend: Vec<_> = names.iter().map(|name| (colors.class(name), name.clone())).collect();
    y = page::legend(&mut canvas, &legend, y);
    let most = phases.iter().map(total).max().unwrap_or(0);
    let budget = budget.filter(|budget| budget.0 / 2 <= most);
    let labels: Vec<String> =
        phases.iter().enumerate().map(|(index, phase)| label(phase, index == highest)).collect();
    let widest = labels.iter().map(|label| canvas::width(label, FONT)).max().unwrap_or(0);
    let right = WIDTH - MARGIN - widest - 8;
    let scale =
        Scale { left: MARGIN + NAMES + 8, right, most: budget.map_or(most, |budget| budget.0.max(most)) };
    y += if budget.is_some() { 26 } else { 10 };
    let bottom = y + ROW * phases.len() as i32 - ROW / 2 + 4;
    axis(&mut canvas, &scale, (y - ROW / 2, bottom));
    let mut ends = Vec::new();
    for phase in phases {
        canvas.text("ink", &phase.name, (scale.left - 8, y), Anchor::Right);
        ends.push((bar(&mut canvas, phase, (&names, &colors), &scale, y), y));
        y += ROW;
    }
    if let Some(budget) = budget {
        let (x, top) = (scale.column(budget.0), bottom - ROW * phases.len() as i32 - 8);
        canvas.line("limit-line", &[(x, top), (x, bottom)]);
        canvas.text("limit", &page::budget_words(budget), (x - 6, top + 2), Anchor::Right);
    }
    for (index, (end, y)) in ends.into_iter().enumerate() {
        let class = if index == highest { "mark halo" } else { "soft halo" };
        canvas.text(class, &labels[index], (end + 6, y), Anchor::Left);
    }
    Picture { height: bottom + 30, title, desc, body: canvas.into_body() }
}

/// What is written after a bar: all of it, and what of it is weights.
fn label(phase: &Phase, is_highest: bool) -> String {
    let weights: u64 = phase.held_weights.values().sum();
    let highest = if is_highest { ", highest" } else { "" };
    format!("{}, weights {}{highest}", Bytes(total(phase)), Bytes(weights))
}

/// The first phase with the most bytes.
fn highest(phases: &[Phase]) -> usize {
    let totals = phases.iter().map(total).enumerate();
    totals.fold((0, 0), |best, (index, bytes)| if bytes > best.1 { (index, bytes) } else { best }).0
}

/// The parts, those of most bytes first.
fn parts(report: &Report) -> Vec<String> {
    let mut most: Vec<(u64, String)> = Vec::new();
    for (name, &bytes) in report.phases.iter().flat_map(|phase| &phase.held) {
        match most.iter_mut().find(|(_, known)| known == name) {
            Some((held, _)) => *held = bytes.max(*held),
            None => most.push((bytes, name.clone())),
        }
    }
    most.retain(|(bytes, _)| *bytes > 0);
    most.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    most.into_iter().map(|(_, name)| name).collect()
}

fn total(phase: &Phase) -> u64 {
    phase.held.values().fold(0, |sum, &bytes| sum.saturating_add(bytes))
}

fn axis(canvas: &mut Canvas, scale: &Scale, (top, bottom): (i32, i32)) {
    let count = ((scale.right - scale.left) / 80).clamp(2, 8) as u32;
    for (bytes, label) in page::byte_ticks(scale.most as f64, count) {
        let x = scale.column(bytes);
        canvas.line("grid", &[(x, top), (x, bottom)]);
        canvas.text("soft", &label, (x, bottom + 14), Anchor::Middle);
    }
    canvas.line("axis", &[(scale.left, bottom), (scale.right, bottom)]);
}

/// Draws a bar: every part's weights, then the rest of every part; returns the column where it ends.
fn bar(
    canvas: &mut Canvas,
    phase: &Phase,
    (names, colors): (&[String], &colors::Parts<'_>),
    scale: &Scale,
    y: i32,
) -> i32 {
    let of = |name: &String| {
        let all = phase.held.get(name).copied().unwrap_or(0);
        let weights = phase.held_weights.get(name).copied().unwrap_or(0).min(all);
        (weights, all - weights)
    };
    let weights = names.iter().map(|name| (name, of(name).0, "weights", " pale"));
    let rest = names.iter().map(|name| (name, of(name).1, "everything but weights", ""));
    let (mut sum, mut from) = (0_u64, scale.left);
    for (name, bytes, what, paleness) in weights.chain(rest) {
        sum = sum.saturating_add(bytes);
        let to = scale.column(sum);
        if to > from {
            let class = format!("{}{paleness}", colors.class(name));
            let hover = format!("{name}: {what} {}\nin {}", Bytes(bytes), phase.name);
            canvas.rect(&class, (from, y - HALF, to, y + HALF), &hover);
        }
        from = to;
    }
    from
}
