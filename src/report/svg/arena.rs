//! The plan: a box per buffer, its life from left to right, its addresses upwards.
//!
//! Both edges of a box are rounded to whole pixels the same way, so boxes that share no byte share no pixel. A tall box of less
//! than three pixels is widened where nothing is next to it; a box of less than a pixel is not drawn, and the line below the
//! title counts those that are.

use super::super::build::Subject;
use super::super::model::By;
use super::super::view::View;
use super::addresses::Addresses;
use super::canvas::{Anchor, Canvas, Frame, MARGIN, WIDTH};
use super::colors;
use super::page::{self, Picture};
use super::plot::{self, BELOW, LEFT, Mark, Span};
use crate::units::Bytes;
use std::collections::BTreeMap;

/// Height of the plot.
const HIGH: i32 = 300;
/// Height from which on a narrow box is widened, and the width that it gets.
const WIDENED: (i32, i32) = (16, 3);
/// A part of more than this share of the arena is not worth a colour: operators are coloured instead.
const TOO_MUCH: f64 = 0.6;

/// A drawn buffer, by its position in the problem.
type Drawn = (Frame, usize);

pub(super) fn picture(subject: &Subject<'_>, view: &View<'_>) -> Picture {
    let (keys, names) = keys(view);
    let (plan, problem) = (&view.phase.plan, &view.phase.problem);
    let (model, run) = page::run_of(subject, view);
    let count = problem.buffers.len();
    let mut canvas = Canvas::default();
    let title = format!("Addresses of {model}'s arena over its steps");
    let steps = view.phase.lowered.schedule().steps.len();
    let span = Span::new(LEFT, WIDTH - MARGIN, steps);
    let rows = |top: i32| Addresses::new(problem, plan, steps, (top, top + HIGH));
    let drawn = widened(frames(view, &span, &rows(0)));
    let below = format!("{run}; {} of {count} buffers are large enough to see", drawn.len());
    let mut y = page::heading(&mut canvas, &title, &below);
    let colors = colors::Parts::new(&names);
    let legend: Vec<_> = names.iter().map(|name| (colors.class(name), name.clone())).collect();
    y = page::legend(&mut canvas, &legend, y);
    let marks = marks(view, &span, &rows(y + 70));
    let label = y;
    y += 70;
    let scale = rows(y);
    let layers = plot::layers(view);
    span.bands(&mut canvas, &layers, (scale.top, scale.bottom));
    if !layers.is_empty() {
        canvas.text("soft", "layer", (LEFT - 8, scale.top - 12), Anchor::Right);
    }
    scale.axis(&mut canvas);
    for &((left, top, right, bottom), index) in &drawn {
        // A pixel between neighbours, where there is one to spare.
        let right = if right - left > 3 { right - 1 } else { right };
        let bottom = if bottom - top > 3 { bottom - 1 } else { bottom };
        let hover = hover(view, index);
        canvas.rect(&colors.class(&keys[index]), (left, top + y, right, bottom + y), &hover);
    }
    span.axis(&mut canvas, scale.bottom);
    let top = scale.row(used(view).0);
    canvas.line("mark-line dash", &[(LEFT, top), (WIDTH - MARGIN, top)]);
    plot::marks(&mut canvas, &marks, label);
    let words: Vec<&str> = marks.iter().map(|mark| mark.words.as_str()).collect();
    let desc = format!(
        "{run}. {count} buffers placed by {} in {}; each box is one buffer, as wide as its life and as high as its size; {} are \
         large enough to be drawn. {}.",
        subject.planner.name(),
        plan.arena_size,
        drawn.len(),
        words.join("; "),
    );
    Picture { height: scale.bottom + BELOW, title, desc, body: canvas.into_body() }
}

/// The end of the highest buffer: an arena that a phase before needed may be larger.
fn used(view: &View<'_>) -> Bytes {
    let placed = view.phase.problem.buffers.iter().zip(&view.phase.plan.offsets);
    placed.map(|(buffer, &offset)| offset + buffer.size).max().unwrap_or_default()
}

/// What is marked: the arena's height where it is reached, and the step with the most bytes alive.
fn marks(view: &View<'_>, span: &Span, scale: &Addresses) -> Vec<Mark> {
    let placed = view.phase.problem.buffers.iter().zip(&view.phase.plan.offsets);
    let highest = used(view);
    let reaching = placed.clone().find(|(buffer, offset)| **offset + buffer.size == highest);
    let middle = reaching.map_or(0, |(buffer, _)| buffer.live.start.midpoint(buffer.live.end));
    let arena = view.phase.plan.arena_size;
    let kept = if arena > highest { format!(" of {arena} in all") } else { String::new() };
    let words = format!("arena {highest}{kept}: reached at {}", view.step_name(middle as usize));
    let top = Mark { x: span.column(middle as usize), y: scale.row(highest.0), words };
    let step = view.peak_step;
    let alive = placed.filter(|(buffer, _)| buffer.live.contains(&step));
    let height = alive.map(|(buffer, &offset)| offset + buffer.size).max().unwrap_or_default();
    let words = format!("most bytes alive {}: {}", view.peak_pressure, view.step_name(step as usize));
    vec![top, Mark { x: span.column(step as usize), y: scale.row(height.0), words }]
}

/// What each buffer is coloured by, and the names that are drawn, those that fill most (bytes times steps) first.
fn keys(view: &View<'_>) -> (Vec<String>, Vec<String>) {
    let by_part = planned_keys(view, By::Component);
    let (names, share) = ranked(view, &by_part);
    if names.first().is_some_and(|name| name == "other") && share > TOO_MUCH {
        let by_op = planned_keys(view, By::Op);
        let names = ranked(view, &by_op).0;
        return (by_op, names);
    }
    (by_part, names)
}

fn planned_keys(view: &View<'_>, by: By) -> Vec<String> {
    let keys = view.keys(by);
    view.phase.lowered.schedule().planned().map(|(id, _)| keys[id.index()].clone()).collect()
}

/// The names by what they fill, and the share of the first.
fn ranked(view: &View<'_>, keys: &[String]) -> (Vec<String>, f64) {
    let mut areas: BTreeMap<&String, u128> = BTreeMap::new();
    for (key, buffer) in keys.iter().zip(&view.phase.problem.buffers) {
        *areas.entry(key).or_default() += u128::from(buffer.size.0) * buffer.live.len() as u128;
    }
    let all: u128 = areas.values().sum();
    let mut names: Vec<_> = areas.into_iter().collect();
    names.sort_by_key(|&(name, area)| (std::cmp::Reverse(area), name));
    let share = names.first().map_or(0.0, |(_, area)| *area as f64 / all.max(1) as f64);
    (names.into_iter().map(|(name, _)| name.clone()).collect(), share)
}

fn frames(view: &View<'_>, span: &Span, scale: &Addresses) -> Vec<Drawn> {
    let placed = view.phase.problem.buffers.iter().zip(&view.phase.plan.offsets).enumerate();
    let frames = placed.map(|(index, (buffer, &offset))| {
        let (start, end) = (buffer.live.start as usize, buffer.live.end as usize);
        let top = scale.row((offset + buffer.size).0);
        ((span.column(start), top, span.column(end), scale.row(offset.0)), index)
    });
    let is_tall = |frame: &Frame| frame.3 - frame.1 >= WIDENED.0;
    frames.filter(|(frame, _)| frame.1 < frame.3 && (frame.0 < frame.2 || is_tall(frame))).collect()
}

/// Gives narrow tall boxes the least width where that covers no other box, and drops what has no width.
fn widened(mut drawn: Vec<Drawn>) -> Vec<Drawn> {
    for at in 0..drawn.len() {
        let (left, top, right, bottom) = drawn[at].0;
        if right - left >= WIDENED.1 || bottom - top < WIDENED.0 {
            continue;
        }
        let is_free = |frame: &Frame| {
            let others = drawn.iter().enumerate().filter(|&(index, _)| index != at);
            let mut others = others.filter(|(_, ((left, _, right, _), _))| left < right);
            let is_inside = frame.0 >= LEFT && frame.2 <= WIDTH - MARGIN;
            is_inside && others.all(|(_, (other, _))| !overlap(frame, other))
        };
        let lefts = (right - WIDENED.1..=left).rev();
        let wide = lefts.map(|left| (left, top, left + WIDENED.1, bottom)).find(is_free);
        drawn[at].0 = wide.unwrap_or(drawn[at].0);
    }
    drawn.retain(|(frame, _)| frame.0 < frame.2);
    drawn
}

fn overlap(a: &Frame, b: &Frame) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

fn hover(view: &View<'_>, index: usize) -> String {
    let (buffer, offset) = (&view.phase.problem.buffers[index], view.phase.plan.offsets[index]);
    let owner = view.phase.lowered.schedule().planned().nth(index).map(|(_, storage)| storage.node);
    let node = owner.map_or("", |node| view.node_name(node));
    let last = buffer.live.end.saturating_sub(1);
    format!("{node}\n{} at {offset}, steps {} to {last}", buffer.size, buffer.live.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_box_is_widened_where_there_is_space() {
        let one = ((200, 10, 201, 100), 0);
        assert_eq!(widened(vec![one])[0].0, (200, 10, 203, 100));
        // A neighbour on the right: it grows to the left.
        let next = ((201, 10, 300, 100), 1);
        assert_eq!(widened(vec![one, next])[0].0, (198, 10, 201, 100));
        // Neighbours on both sides: it stays.
        let before = ((100, 10, 200, 100), 2);
        assert_eq!(widened(vec![one, next, before])[0].0, (200, 10, 201, 100));
    }
}
