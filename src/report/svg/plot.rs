//! A plot over the steps: bytes upwards, attention blocks as bands, steps below.

use super::super::component;
use super::super::view::View;
use super::canvas::{self, Anchor, Area, Drawn, FONT, MARGIN, WIDTH};
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Height of every chart over the steps, in pixels.
pub(super) const HEIGHT: i32 = 440;
/// Pixels left of the plot, for the labels of the byte axis.
const LEFT: i32 = 78;
const BOTTOM: i32 = HEIGHT - 44;

/// Where steps and bytes lie in pixels.
#[derive(Debug)]
pub(super) struct Plot {
    /// First column.
    pub(super) left: i32,
    /// Column behind the last step.
    pub(super) right: i32,
    /// Row of the highest byte.
    pub(super) top: i32,
    /// Row of no bytes.
    pub(super) bottom: i32,
    steps: usize,
    most: u64,
}

/// A step that is pointed at, and what is said about it.
pub(super) struct Mark {
    /// The step.
    pub(super) step: usize,
    /// Where on the byte axis.
    pub(super) bytes: u64,
    /// What is said.
    pub(super) words: String,
}

/// An attention block and its steps.
pub(super) type Layer = (u32, Range<usize>);

impl Plot {
    /// A plot of so many steps and up to `most` bytes, with `after` pixels right of the last step.
    pub(super) fn new(steps: usize, most: u64, top: i32, after: i32) -> Plot {
        let right = WIDTH - MARGIN - after;
        Plot { left: LEFT, right, top, bottom: BOTTOM, steps: steps.max(1), most: most.max(1) }
    }

    /// The column where a step begins.
    pub(super) fn column(&self, step: usize) -> i32 {
        let share = step as f64 / self.steps as f64;
        self.left + (f64::from(self.right - self.left) * share).round() as i32
    }

    /// The row of a number of bytes.
    pub(super) fn row(&self, bytes: u64) -> i32 {
        let share = bytes as f64 / self.height();
        self.bottom - (f64::from(self.bottom - self.top) * share).round() as i32
    }

    /// Bytes at the upper end of the axis: a little more than the most.
    fn height(&self) -> f64 {
        self.most as f64 * 1.04
    }

    /// Every other block's band, and the blocks' numbers where they fit.
    pub(super) fn bands(&self, area: &Area<'_>, layers: &[Layer]) -> Drawn {
        let y = self.top - 8;
        let mut free = self.left - 8;
        for (index, (layer, run)) in layers.iter().enumerate() {
            let (from, to) = (self.column(run.start), self.column(run.end));
            if index % 2 == 0 {
                area.draw(&Rectangle::new(
                    [(from, self.top - 16), (to, self.bottom)],
                    canvas::BAND.filled(),
                ))?;
            }
            let every = 1 + canvas::width("000", FONT) / (to - from).max(1);
            let (name, middle) = (layer.to_string(), (from + to) / 2);
            let half = canvas::width(&name, FONT) / 2;
            if i64::from(*layer) % i64::from(every) == 0 && middle - half > free {
                canvas::text(area, &name, (middle, y), FONT, canvas::GREY, Anchor::Middle)?;
                free = middle + half;
            }
        }
        if !layers.is_empty() {
            canvas::text(area, "layer", (self.left - 8, y), FONT, canvas::GREY, Anchor::Right)?;
        }
        Ok(())
    }

    /// Lines at round numbers of bytes, labelled.
    pub(super) fn byte_axis(&self, area: &Area<'_>) -> Drawn {
        let (unit, name) = canvas::unit(self.most);
        for tick in canvas::ticks(self.height() / unit, 6) {
            let y = self.row((tick * unit) as u64);
            area.draw(&PathElement::new([(self.left, y), (WIDTH - MARGIN, y)], canvas::GRID))?;
            let label = format!("{tick} {name}");
            canvas::text(area, &label, (self.left - 8, y), FONT, canvas::GREY, Anchor::Right)?;
        }
        Ok(())
    }

    /// The axis below, and its labels up to the last step.
    pub(super) fn step_axis(&self, area: &Area<'_>) -> Drawn {
        area.draw(&PathElement::new([(self.left, self.bottom), (WIDTH - MARGIN, self.bottom)], canvas::INK))?;
        let y = self.bottom + 14;
        for tick in canvas::ticks(self.steps as f64, 8).into_iter().filter(|tick| tick.fract() == 0.0) {
            let (x, label) = (self.column(tick as usize), tick.to_string());
            if x + canvas::width(&label, FONT) / 2 < self.right {
                area.draw(&PathElement::new([(x, self.bottom), (x, self.bottom + 5)], canvas::INK))?;
                canvas::text(area, &label, (x, y), FONT, canvas::GREY, Anchor::Middle)?;
            }
        }
        let middle = (self.left + self.right) / 2;
        canvas::text(area, "step", (middle, self.bottom + 32), FONT, canvas::GREY, Anchor::Middle)
    }

    /// Each mark's words in a line of its own from row `y` down, and a line to its point.
    pub(super) fn marks(&self, area: &Area<'_>, marks: &[Mark], y: i32) -> Drawn {
        let points: Vec<_> =
            marks.iter().map(|mark| (self.column(mark.step), self.row(mark.bytes))).collect();
        for (index, (mark, &(x, tip))) in marks.iter().zip(&points).enumerate() {
            let y = y + 18 * index as i32;
            // Words stay clear of the lines that come down from above.
            let above = points.iter().take(index).map(|point| point.0);
            let from = above.clone().filter(|&line| line <= x).max().unwrap_or(0) + MARGIN;
            let to = above.filter(|&line| line > x).min().unwrap_or(WIDTH) - MARGIN;
            area.draw(&PathElement::new([(x, y), (x, tip)], canvas::MARK))?;
            area.draw(&Circle::new((x, tip), 3, canvas::MARK.filled()))?;
            let (anchor, edge, room) = if to - x >= x - from {
                (Anchor::Left, x + 6, to - x - 6)
            } else {
                (Anchor::Right, x - 6, x - 6 - from)
            };
            canvas::text(area, &canvas::fitted(&mark.words, room), (edge, y), FONT, canvas::MARK, anchor)?;
        }
        Ok(())
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
