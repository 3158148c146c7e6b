//! A plot over steps: bytes upwards, attention blocks as bands, steps below.

use super::super::component;
use super::super::view::View;
use super::canvas::{self, Anchor, Canvas, FONT, MARGIN, WIDTH};
use super::page;
use crate::units::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;

/// Pixels left of a plot, for the labels of the byte axis.
pub(super) const LEFT: i32 = 78;
/// Pixels below a plot, for the step axis.
pub(super) const BELOW: i32 = 44;

/// Columns of the steps of one phase.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// First column.
    pub(super) left: i32,
    /// Column after the last step.
    pub(super) right: i32,
    /// Number of steps, at least 1.
    pub(super) steps: usize,
}

/// Rows of a range of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Row of the highest byte.
    pub(super) top: i32,
    /// Row of no bytes.
    pub(super) bottom: i32,
    most: u64,
}

/// A point with a label.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Its column.
    pub(super) x: i32,
    /// Its row.
    pub(super) y: i32,
    /// The label.
    pub(super) words: String,
}

/// An attention block and its steps.
pub(super) type Layer = (u32, Range<usize>);

impl Span {
    /// The columns of so many steps.
    pub(super) fn new(left: i32, right: i32, steps: usize) -> Span {
        Span { left, right, steps: steps.max(1) }
    }

    /// The column where a step begins.
    pub(super) fn column(&self, step: usize) -> i32 {
        let share = step as f64 / self.steps as f64;
        self.left + (f64::from(self.right - self.left) * share).round() as i32
    }

    /// Draws the axis below, with as many numbers as there is space for.
    pub(super) fn axis(&self, canvas: &mut Canvas, bottom: i32) {
        canvas.line("axis", &[(self.left, bottom), (self.right, bottom)]);
        let count = ((self.right - self.left) / 80).clamp(1, 8) as u32;
        for tick in page::ticks(self.steps as f64, count).into_iter().filter(|tick| tick.fract() == 0.0) {
            let (x, label) = (self.column(tick as usize), tick.to_string());
            let half = canvas::width(&label, FONT) / 2;
            if x + half < self.right && x - half > self.left - 8 {
                canvas.line("axis", &[(x, bottom), (x, bottom + 5)]);
                canvas.text("soft", &label, (x, bottom + 14), Anchor::Middle);
            }
        }
        canvas.text("soft", "step", ((self.left + self.right) / 2, bottom + 32), Anchor::Middle);
    }

    /// Draws every other block's band over some rows, and the blocks' numbers above where they fit.
    pub(super) fn bands(&self, canvas: &mut Canvas, layers: &[Layer], rows: (i32, i32)) {
        let y = rows.0 - 12;
        let mut free = self.left - 2;
        for (_, run) in layers.iter().step_by(2) {
            canvas.rect("band", (self.column(run.start), rows.0 - 20, self.column(run.end), rows.1), "");
        }
        for (layer, run) in layers {
            let (from, to) = (self.column(run.start), self.column(run.end));
            let every = 1 + canvas::width("000", FONT) / (to - from).max(1);
            let (name, middle) = (layer.to_string(), (from + to) / 2);
            let half = canvas::width(&name, FONT) / 2;
            if i64::from(*layer) % i64::from(every) == 0 && middle - half > free && middle + half < self.right
            {
                canvas.text("soft", &name, (middle, y), Anchor::Middle);
                free = middle + half + 4;
            }
        }
    }
}

impl Scale {
    /// Rows up to a little more than `most` bytes.
    pub(super) fn new(top: i32, bottom: i32, most: u64) -> Scale {
        Scale { top, bottom, most: most.max(1) }
    }

    /// The row of a number of bytes.
    pub(super) fn row(&self, bytes: u64) -> i32 {
        let share = bytes as f64 / self.end();
        self.bottom - (f64::from(self.bottom - self.top) * share).round() as i32
    }

    /// Draws lines at round numbers of bytes, labelled.
    pub(super) fn axis(&self, canvas: &mut Canvas) {
        let count = ((self.bottom - self.top) / 34).clamp(2, 6) as u32;
        for (bytes, label) in page::byte_ticks(self.end(), count) {
            let y = self.row(bytes);
            canvas.line("grid", &[(LEFT, y), (WIDTH - MARGIN, y)]);
            canvas.text("soft", &label, (LEFT - 8, y), Anchor::Right);
        }
    }

    /// Draws a dashed line at a budget, and its label where nothing else is.
    pub(super) fn budget(&self, canvas: &mut Canvas, budget: Bytes) {
        let y = self.row(budget.0);
        canvas.line("limit-line", &[(LEFT, y), (WIDTH - MARGIN, y)]);
        canvas.text("limit", &page::budget_words(budget), (LEFT + 6, y - 8), Anchor::Left);
    }

    /// Bytes at the upper end.
    fn end(&self) -> f64 {
        self.most as f64 * 1.04
    }
}

/// Draws each mark's words in a line of its own from row `y` down, and a line to its point.
pub(super) fn marks(canvas: &mut Canvas, marks: &[Mark], y: i32) {
    for (index, mark) in marks.iter().enumerate() {
        let y = y + 18 * index as i32;
        // Words stay clear of the lines that come down from above.
        let above = marks.iter().take(index).map(|mark| mark.x);
        let from = above.clone().filter(|&line| line < mark.x).max().unwrap_or(0) + MARGIN;
        let to = above.filter(|&line| line > mark.x).min().unwrap_or(WIDTH) - MARGIN;
        canvas.line("mark-line", &[(mark.x, y), (mark.x, mark.y)]);
        canvas.dot("mark", (mark.x, mark.y), 4);
        let (anchor, edge, space) = if to - mark.x >= mark.x - from {
            (Anchor::Left, mark.x + 7, to - mark.x - 7)
        } else {
            (Anchor::Right, mark.x - 7, mark.x - 7 - from)
        };
        canvas.text("mark", &shortened(&mark.words, space), (edge, y), anchor);
    }
}

/// A label whose last words, a node's path, are cut at their front.
pub(super) fn shortened(words: &str, space: i32) -> String {
    match words.rsplit_once(", ") {
        Some((first, node)) if canvas::width(words, FONT) > space => {
            let left = space - canvas::width(first, FONT) - canvas::width(", ", FONT);
            let node = canvas::fitted(node, left);
            if node.is_empty() { canvas::clipped(first, space, FONT) } else { format!("{first}, {node}") }
        }
        _ => words.to_owned(),
    }
}

/// The steps of each attention block: its longest run, with the steps of no block inside it.
///
/// Cost: linear in steps.
pub(super) fn layers(view: &View<'_>) -> Vec<Layer> {
    let components: Vec<_> = view.bodies.iter().map(|body| component::of(body)).collect();
    let mut runs: Vec<Layer> = Vec::new();
    for (index, step) in view.phase.lowered.schedule().steps.iter().enumerate() {
        let Some(layer) = components[step.node.graph as usize][step.node.node.index()].layer else {
            continue;
        };
        match runs.last_mut() {
            Some((last, run)) if *last == layer => run.end = index + 1,
            _ => runs.push((layer, index..index + 1)),
        }
    }
    let mut longest: BTreeMap<u32, Range<usize>> = BTreeMap::new();
    for (layer, run) in runs {
        let kept = longest.entry(layer).or_insert_with(|| run.clone());
        if run.len() > kept.len() {
            *kept = run;
        }
    }
    let mut layers: Vec<_> = longest.into_iter().collect();
    layers.sort_by_key(|(_, run)| run.start);
    layers
}
