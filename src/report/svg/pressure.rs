//! Bytes alive over the steps, stacked by storage class, with the highest step and its node marked.
//!
//! Weights are left out of the stack (they are there throughout, and would flatten all else); the line below the title
//! has their size. Where several steps fall into one pixel column, the highest of them is drawn.

use super::super::build::{Subject, View};
use super::super::component;
use super::canvas::{self, Anchor, Area, Drawn, FONT, MARGIN, Picture, WIDTH};
use super::timeline::{self, STACK, Sample};
use crate::units::Bytes;
use plotters::prelude::*;
use std::ops::Range;

const HEIGHT: i32 = 440;
/// Pixels left of the plot, for the labels of the byte axis.
const LEFT: i32 = 78;
const TOP: i32 = 136;
const BOTTOM: i32 = HEIGHT - 44;
/// Pixels right of the last step, where what outlives the run is drawn.
const AFTER: i32 = 44;

/// A step that is pointed at, and what is said about it.
struct Mark {
    step: usize,
    bytes: u64,
    words: String,
}

pub(super) fn picture<'a>(subject: &Subject<'a>, view: &'a View<'a>) -> Picture<'a> {
    let samples = timeline::samples(view);
    let highest = timeline::highest(&samples);
    let bytes = samples.get(highest).map_or(0, timeline::total);
    let (model, run) = canvas::run_of(subject, view);
    let weights = view.weights();
    let top = Mark {
        step: highest,
        bytes,
        words: format!("highest: {}, {}", Bytes(bytes), view.step_name(highest)),
    };
    let arena = Mark {
        step: view.peak_step as usize,
        bytes: samples.get(view.peak_step as usize).map_or(0, timeline::total),
        words: format!(
            "arena at its highest: {}, {}",
            view.peak_pressure,
            view.step_name(view.peak_step as usize)
        ),
    };
    let title = format!("Memory alive over the steps of {model}");
    let below = format!("{run}; weights ({weights}, there throughout) are not drawn");
    let desc = format!(
        "{run}. {} steps. Stacked by storage class; outputs and caches are drawn from the step that fills them. {}. {}. \
         Weights ({weights}) are there throughout and not drawn.",
        view.phase.lowered.steps.len(),
        top.words,
        arena.words,
    );
    let marks = if arena.step == top.step { vec![top] } else { vec![top, arena] };
    let layers = layers(view);
    let heading = title.clone();
    let draw = move |area: &Area<'_>| {
        let y = canvas::heading(area, &heading, &below)?;
        canvas::legend(area, &legend(&samples), y)?;
        plot(area, &samples, &layers, &marks)
    };
    Picture { size: (WIDTH as u32, HEIGHT as u32), title, desc, draw: Box::new(draw) }
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

/// The steps of each attention block: its longest run, with the steps of no block inside it.
fn layers(view: &View<'_>) -> Vec<(u32, Range<usize>)> {
    let components: Vec<_> = view.bodies.iter().map(|body| component::of(body)).collect();
    let mut runs: Vec<(u32, Range<usize>)> = Vec::new();
    for (index, step) in view.phase.lowered.steps.iter().enumerate() {
        let Some(layer) = components[step.node.graph as usize][step.node.node.index()].layer else {
            continue;
        };
        match runs.last_mut() {
            Some((last, run)) if *last == layer => run.end = index + 1,
            _ => runs.push((layer, index..index + 1)),
        }
    }
    let mut longest: std::collections::BTreeMap<u32, Range<usize>> = std::collections::BTreeMap::new();
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

fn plot(area: &Area<'_>, samples: &[Sample], layers: &[(u32, Range<usize>)], marks: &[Mark]) -> Drawn {
    let steps = samples.len().saturating_sub(1).max(1);
    let most = samples.iter().map(timeline::total).max().unwrap_or(0).max(1);
    let (unit, unit_name) = canvas::unit(most);
    let (left, right) = (LEFT, WIDTH - MARGIN - AFTER);
    let column = |step: usize| left + ((right - left) as f64 * step as f64 / steps as f64).round() as i32;
    let row =
        |bytes: u64| BOTTOM - ((BOTTOM - TOP) as f64 * bytes as f64 / (most as f64 * 1.04)).round() as i32;

    for (index, (layer, run)) in layers.iter().enumerate() {
        let (from, to) = (column(run.start), column(run.end));
        if index % 2 == 0 {
            area.draw(&Rectangle::new([(from, TOP - 16), (to, BOTTOM)], canvas::BAND.filled()))?;
        }
        let name = layer.to_string();
        let every = 1 + (canvas::width("000", FONT) / (to - from).max(1)) as u32;
        if layer % every == 0 {
            canvas::text(area, &name, ((from + to) / 2, TOP - 8), FONT, canvas::GREY, Anchor::Middle)?;
        }
    }
    if !layers.is_empty() {
        canvas::text(area, "layer", (left - 8, TOP - 8), FONT, canvas::GREY, Anchor::Right)?;
    }

    let height = most as f64 * 1.04 / unit;
    for tick in ticks(height, 6) {
        let y = row((tick * unit) as u64);
        area.draw(&PathElement::new([(left, y), (WIDTH - MARGIN, y)], canvas::GRID))?;
        canvas::text(area, &format!("{tick} {unit_name}"), (left - 8, y), FONT, canvas::GREY, Anchor::Right)?;
    }

    let columns = columns(samples, left, right, &column);
    for (index, &class) in STACK.iter().enumerate().rev() {
        if samples.iter().any(|sample| sample[index] > 0) {
            let outline = outline(&columns, index, &row);
            area.draw(&Polygon::new(outline, canvas::class_style(class).0.filled()))?;
        }
    }
    area.draw(&PathElement::new([(left, BOTTOM), (WIDTH - MARGIN, BOTTOM)], canvas::INK))?;
    area.draw(&PathElement::new([(right, TOP), (right, BOTTOM + 5)], canvas::GREY))?;

    for tick in ticks(steps as f64, 8) {
        let (x, label) = (column(tick as usize), tick.to_string());
        if x + canvas::width(&label, FONT) / 2 < right {
            area.draw(&PathElement::new([(x, BOTTOM), (x, BOTTOM + 5)], canvas::INK))?;
            canvas::text(area, &label, (x, BOTTOM + 14), FONT, canvas::GREY, Anchor::Middle)?;
        }
    }
    canvas::text(
        area,
        "after",
        ((right + WIDTH - MARGIN) / 2, BOTTOM + 14),
        FONT,
        canvas::GREY,
        Anchor::Middle,
    )?;
    canvas::text(area, "step", ((left + right) / 2, BOTTOM + 32), FONT, canvas::GREY, Anchor::Middle)?;

    let points: Vec<(i32, i32)> = marks.iter().map(|mark| (column(mark.step), row(mark.bytes))).collect();
    for (index, mark) in marks.iter().enumerate() {
        let y = 84 + 18 * index as i32;
        let Some(&(x, tip)) = points.get(index) else { continue };
        // Text stays clear of the lines that come down from above.
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

/// The highest sample of every pixel column, equal neighbours joined: where each begins and ends, and what it holds.
fn columns(
    samples: &[Sample],
    left: i32,
    right: i32,
    column: &impl Fn(usize) -> i32,
) -> Vec<(Range<i32>, Sample)> {
    let mut columns: Vec<(Range<i32>, Sample)> = Vec::new();
    let last = samples.len().saturating_sub(1);
    for (step, sample) in samples.iter().enumerate() {
        let (from, to) =
            if step == last { (right, WIDTH - MARGIN) } else { (column(step), column(step + 1)) };
        let (from, to) = (from.max(left), to.max(from + 1));
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
fn outline(columns: &[(Range<i32>, Sample)], upto: usize, row: &impl Fn(u64) -> i32) -> Vec<(i32, i32)> {
    let mut points = Vec::with_capacity(columns.len() * 2 + 2);
    for (range, sample) in columns {
        let height = sample.iter().take(upto + 1).fold(0_u64, |sum, &bytes| sum.saturating_add(bytes));
        let y = row(height);
        match points.last() {
            Some(&(_, before)) if before == y && points.len() > 1 => {
                points.pop();
            }
            Some(_) => points.push((range.start, y)),
            None => points.extend([(range.start, BOTTOM), (range.start, y)]),
        }
        points.push((range.end, y));
    }
    if let Some(&(x, _)) = points.last() {
        points.push((x, BOTTOM));
    }
    points
}

/// Round numbers from 0 up to `end`, about `count` of them.
fn ticks(end: f64, count: u32) -> Vec<f64> {
    let raw = end / f64::from(count);
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= raw);
    let step = round.unwrap_or(raw);
    (0..=count)
        .map(|index| (f64::from(index) * step * 1e6).round() / 1e6)
        .filter(|tick| *tick <= end)
        .collect()
}
