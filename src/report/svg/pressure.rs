//! Bytes alive over the steps, stacked by storage class, with the highest step and its node marked.
//!
//! Weights are left out of the stack (they are there throughout, and would flatten all else); the line below the title
//! has their size. Where several steps fall into one pixel column, the highest of them is drawn.

use super::super::build::Subject;
use super::super::view::View;
use super::canvas::{self, Anchor, Area, Drawn, FONT, MARGIN, Picture, WIDTH};
use super::plot::{self, Layer, Mark, Plot};
use super::timeline::{self, STACK, Sample};
use crate::units::Bytes;
use plotters::prelude::*;
use std::ops::Range;

const TOP: i32 = 136;
/// Pixels right of the last step, where what outlives the run is drawn.
const AFTER: i32 = 44;

pub(super) fn picture<'a>(subject: &Subject<'a>, view: &'a View<'a>) -> Picture<'a> {
    let samples = timeline::samples(view);
    let highest = timeline::highest(&samples);
    let total_at = |step: usize| samples.get(step).map_or(0, timeline::total);
    let (model, run) = canvas::run_of(subject, view);
    let weights = view.weights();
    let top = Mark {
        step: highest,
        bytes: total_at(highest),
        words: format!("highest: {}, {}", Bytes(total_at(highest)), view.step_name(highest)),
    };
    let step = view.peak_step as usize;
    let words = format!("arena at its highest: {}, {}", view.peak_pressure, view.step_name(step));
    let arena = Mark { step, bytes: total_at(step), words };
    let title = format!("Memory alive over the steps of {model}");
    let below = format!("{run}; weights ({weights}, there throughout) are not drawn");
    let desc = format!(
        "{run}. {} steps. Stacked by storage class; outputs and caches are drawn from the step that fills them. {}. {}. \
         Weights ({weights}) are there throughout and not drawn.",
        view.phase.lowered.schedule().steps.len(),
        top.words,
        arena.words,
    );
    let marks = if arena.step == top.step { vec![top] } else { vec![top, arena] };
    let layers = plot::layers(view);
    let heading = title.clone();
    let draw = move |area: &Area<'_>| {
        let y = canvas::heading(area, &heading, &below)?;
        canvas::legend(area, &legend(&samples), y)?;
        plot(area, &samples, &layers, &marks)
    };
    Picture { size: (WIDTH as u32, plot::HEIGHT as u32), title, desc, draw: Box::new(draw) }
}

/// Each class that is ever alive, uppermost first, with the most that it takes.
fn legend(samples: &[Sample]) -> Vec<(RGBColor, String)> {
    let most = |row: usize| samples.iter().map(|sample| sample[row]).max().unwrap_or(0);
    let classes = STACK.iter().enumerate().rev().map(|(row, &class)| (class, most(row)));
    let alive = classes.filter(|(_, most)| *most > 0);
    alive
        .map(|(class, most)| {
            let (color, name) = canvas::class_style(class);
            (color, format!("{name}, up to {}", Bytes(most)))
        })
        .collect()
}

fn plot(area: &Area<'_>, samples: &[Sample], layers: &[Layer], marks: &[Mark]) -> Drawn {
    let most = samples.iter().map(timeline::total).max().unwrap_or(0);
    let plot = Plot::new(samples.len().saturating_sub(1), most, TOP, AFTER);
    plot.bands(area, layers)?;
    plot.byte_axis(area)?;
    let columns = columns(samples, &plot);
    for (index, &class) in STACK.iter().enumerate().rev() {
        if samples.iter().any(|sample| sample[index] > 0) {
            let outline = outline(&columns, index, &plot);
            area.draw(&Polygon::new(outline, canvas::class_style(class).0.filled()))?;
        }
    }
    plot.step_axis(area)?;
    area.draw(&PathElement::new([(plot.right, TOP), (plot.right, plot.bottom + 5)], canvas::GREY))?;
    let after = ((plot.right + WIDTH - MARGIN) / 2, plot.bottom + 14);
    canvas::text(area, "after", after, FONT, canvas::GREY, Anchor::Middle)?;
    plot.marks(area, marks, 84)
}

/// The highest sample of every pixel column, equal neighbours joined: where each begins and ends, and what it holds.
fn columns(samples: &[Sample], plot: &Plot) -> Vec<(Range<i32>, Sample)> {
    let mut columns: Vec<(Range<i32>, Sample)> = Vec::new();
    let last = samples.len().saturating_sub(1);
    for (step, sample) in samples.iter().enumerate() {
        let from = if step == last { plot.right } else { plot.column(step) };
        let to = if step == last { WIDTH - MARGIN } else { plot.column(step + 1).max(from + 1) };
        match columns.last_mut() {
            Some((range, held)) if from < range.end => {
                if timeline::total(sample) > timeline::total(held) {
                    *held = *sample;
                }
                range.end = range.end.max(to);
            }
            _ => columns.push((from..to, *sample)),
        }
    }
    columns.dedup_by(|next, held| {
        let is_same = next.1 == held.1;
        if is_same {
            held.0.end = next.0.end;
        }
        is_same
    });
    columns
}

/// The upper edge of the stack up to and with one class, closed along the axis.
fn outline(columns: &[(Range<i32>, Sample)], upto: usize, plot: &Plot) -> Vec<(i32, i32)> {
    let mut points = Vec::with_capacity(columns.len() * 2 + 2);
    for (range, sample) in columns {
        let height = sample.iter().take(upto + 1).fold(0_u64, |sum, &bytes| sum.saturating_add(bytes));
        let y = plot.row(height);
        match points.last() {
            Some(&(_, before)) if before == y && points.len() > 1 => {
                points.pop();
            }
            Some(_) => points.push((range.start, y)),
            None => points.extend([(range.start, plot.bottom), (range.start, y)]),
        }
        points.push((range.end, y));
    }
    if let Some(&(x, _)) = points.last() {
        points.push((x, plot.bottom));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(bytes: u64) -> Sample {
        let mut sample = Sample::default();
        sample[0] = bytes;
        sample
    }

    #[test]
    fn a_spike_of_one_step_keeps_its_height_and_a_column() {
        let mut samples = vec![sample(10); 100_000];
        samples[54_321] = sample(1000);
        let plot = Plot::new(samples.len() - 1, 1000, TOP, AFTER);
        let columns = columns(&samples, &plot);
        assert_eq!(columns.len(), 3, "{columns:?}");
        assert_eq!((columns[1].0.len(), columns[1].1), (1, sample(1000)));
        assert!(columns.windows(2).all(|pair| pair[0].0.end == pair[1].0.start), "{columns:?}");
    }

    #[test]
    fn nothing_that_runs_draws_an_empty_plot() {
        let plot = Plot::new(0, 0, TOP, AFTER);
        let columns = columns(&[Sample::default()], &plot);
        let outline = outline(&columns, 4, &plot);
        assert!(outline.iter().all(|&(_, y)| y == plot.bottom), "{outline:?}");
    }
}
