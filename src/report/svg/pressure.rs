//! Memory over the steps of every phase, stacked by what it is for, with the peak marked as the text report states it.
//!
//! Where several steps fall into one pixel column, the highest of them is drawn. Where the arena is a small part of the whole,
//! it has a second plot of its own below.

use super::super::build::Subject;
use super::super::model::Phase;
use super::super::view::View;
use super::canvas::{self, Anchor, Canvas, FONT, MARGIN, WIDTH};
use super::colors::{self, FREE, KINDS, LATER};
use super::page::{self, Picture};
use super::plot::{self, BELOW, LEFT, Mark, Scale, Span};
use super::timeline::{self, Sample, Timeline};
use crate::schedule::StorageClass;
use crate::units::Bytes;
use std::ops::Range;

/// Pixels after the last step, where memory that outlives the run is drawn.
const AFTER: i32 = 52;
/// Pixels of a phase in which nothing runs.
const STILL: i32 = 54;
/// Height of the plot of everything.
const HIGH: i32 = 230;
/// Height of the arena's own plot.
const LOW: i32 = 120;
/// Pixels of a strip that states over what it is.
const STRIP: i32 = 12;

/// A phase with its columns.
struct Segment<'a> {
    view: &'a View<'a>,
    timeline: Timeline,
    span: Span,
}

pub(super) fn picture(
    subject: &Subject<'_>,
    views: &[View<'_>],
    highest: usize,
    budget: Option<Bytes>,
) -> Picture {
    let segments = segments(subject, views);
    let view = &views[highest];
    let (model, run) = page::run_of(subject, view);
    let title = format!("Memory of {model} over its run");
    let below = format!("{run}; outputs and caches are drawn from the step that fills them");
    let peak = peak_words(view, &view.phase());
    let all = || segments.iter().flat_map(|segment| &segment.timeline.all);
    let most = timeline::most(all());
    let mut canvas = Canvas::default();
    let mut y = page::heading(&mut canvas, &title, &below);
    y = page::legend(&mut canvas, &legend(&most), y);
    let label = y;
    y += if segments.len() > 1 { 54 } else { 36 };
    let height = all().map(timeline::total).max().unwrap_or(0).max(view.total().0);
    let shown = budget.filter(|budget| budget.0 / 2 <= height);
    let scale = Scale::new(y, y + HIGH, shown.map_or(height, |budget| budget.0.max(height)));
    let arena = Arena::of(&segments, view, height, y + HIGH + 40);
    let bottom = arena.as_ref().map_or(scale.bottom, |arena| arena.scale.bottom);
    bands(&mut canvas, &segments, scale, bottom);
    scale.axis(&mut canvas);
    for segment in &segments {
        stack(&mut canvas, &segment.span, &segment.timeline.all, scale, timeline::used);
    }
    if let Some(arena) = &arena {
        arena.draw(&mut canvas, &segments);
    }
    axes(&mut canvas, &segments, bottom);
    if let Some(budget) = shown {
        scale.budget(&mut canvas, budget);
    }
    for segment in &segments {
        strips(&mut canvas, segment, scale);
    }
    let x = segments[highest].span.column(view.peak_step as usize);
    let total = view.total();
    canvas.line("mark-line dash", &[(LEFT, scale.row(total.0)), (WIDTH - MARGIN, scale.row(total.0))]);
    plot::marks(&mut canvas, &[Mark { x, y: scale.row(total.0), words: peak.clone() }], label);
    let desc = format!(
        "{run}. {}. Stacked from below: {}.",
        capital(&peak),
        legend(&most).into_iter().rev().map(|(_, words)| words).collect::<Vec<_>>().join(", "),
    );
    Picture { height: bottom + BELOW, title, desc, body: canvas.into_body() }
}

/// The peak in the words and figures of the text report.
fn peak_words(view: &View<'_>, phase: &Phase) -> String {
    let (total, resident) = (view.total(), Bytes(phase.resident_peak_bytes));
    let resident = if total.to_string() == resident.to_string() || resident == Bytes::ZERO {
        String::new()
    } else {
        format!(" (resident {resident})")
    };
    format!("peak {total}{resident}: {}", view.step_name(view.peak_step as usize))
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Steps that are drawn: those of a phase that runs the model.
fn steps(view: &View<'_>) -> usize {
    if view.phase.name.runs() { view.phase.lowered.schedule().steps.len() } else { 0 }
}

/// The phases side by side: those that run share what the others leave.
fn segments<'a>(subject: &Subject<'_>, views: &'a [View<'a>]) -> Vec<Segment<'a>> {
    let running = views.iter().filter(|view| steps(view) > 0).count();
    let still = (views.len() - running) as i32;
    let wide = (WIDTH - MARGIN - AFTER - LEFT - still * STILL) / (running.max(1) as i32);
    let mut left = LEFT;
    let mut is_first = true;
    let segments = views.iter().enumerate().map(|(index, view)| {
        let is_last = index + 1 == views.len();
        let right = match steps(view) {
            _ if is_last => WIDTH - MARGIN - AFTER,
            0 => left + STILL,
            _ => left + wide,
        };
        let span = Span::new(left, right, steps(view));
        left = right;
        let retains = subject.runtime.retains_buffers();
        let mut timeline = timeline::timeline(view, retains, is_first);
        if steps(view) == 0 {
            timeline.keep_highest();
        }
        is_first &= steps(view) == 0;
        Segment { view, timeline, span }
    });
    segments.collect()
}

/// Each kind that is drawn, largest first, with the most that it takes.
fn legend(most: &Sample) -> Vec<(String, String)> {
    let mut kinds: Vec<_> = KINDS.iter().zip(most).filter(|(_, most)| **most > 0).collect();
    // What is used later is named last, since it is not in use.
    let is_later = |kind: &colors::Kind| *kind == KINDS[LATER];
    kinds.sort_by_key(|(kind, most)| (is_later(kind), std::cmp::Reverse(**most)));
    let up_to = |(kind, most): (&colors::Kind, &u64)| {
        (kind.class.to_owned(), format!("{} {}", kind.name, Bytes(*most)))
    };
    kinds.into_iter().map(up_to).collect()
}

fn bands(canvas: &mut Canvas, segments: &[Segment<'_>], scale: Scale, bottom: i32) {
    for segment in segments.iter().filter(|segment| steps(segment.view) > 0) {
        segment.span.bands(canvas, &plot::layers(segment.view), (scale.top, bottom));
    }
    if segments.iter().any(|segment| !plot::layers(segment.view).is_empty()) {
        canvas.text("soft", "layer", (LEFT - 8, scale.top - 12), Anchor::Right);
    }
    for segment in segments.iter().filter(|_| segments.len() > 1) {
        let Span { left, right, .. } = segment.span;
        let words = canvas::clipped(&phase_words(segment.view), right - left - 6, FONT);
        canvas.text("ink", &words, ((left + right) / 2, scale.top - 28), Anchor::Middle);
        canvas.line("axis", &[(right, scale.top - 20), (right, scale.bottom)]);
    }
}

/// A phase with what grows from phase to phase.
fn phase_words(view: &View<'_>) -> String {
    let name = view.phase.name.name();
    let cache = view.class(StorageClass::KvCache) + view.class(StorageClass::PresentCache);
    let cache = if cache > Bytes::ZERO { format!(", KV cache {cache}") } else { String::new() };
    match view.phase().tokens {
        Some(tokens) => format!("{name}: {}{cache}", page::counted(tokens, "token")),
        None => name.to_owned(),
    }
}

/// The step axes, and what is drawn after the last step.
fn axes(canvas: &mut Canvas, segments: &[Segment<'_>], bottom: i32) {
    for segment in segments {
        match steps(segment.view) == 0 {
            true => canvas.line("axis", &[(segment.span.left, bottom), (segment.span.right, bottom)]),
            false => segment.span.axis(canvas, bottom),
        }
    }
    let right = segments.last().map_or(LEFT, |segment| segment.span.right);
    canvas.line("axis", &[(right, bottom), (WIDTH - MARGIN, bottom)]);
    canvas.text("soft", "after", ((right + WIDTH - MARGIN) / 2, bottom + 14), Anchor::Middle);
}

/// The arena's own plot: its buffers move too little to be seen in the whole.
struct Arena {
    scale: Scale,
    words: String,
    point: (i32, i32),
}

impl Arena {
    fn of(segments: &[Segment<'_>], view: &View<'_>, height: u64, top: i32) -> Option<Arena> {
        let samples = segments.iter().flat_map(|segment| &segment.timeline.arena);
        let most = samples.map(timeline::total).max().unwrap_or(0);
        if most == 0 || most > height / 2 {
            return None;
        }
        let busiest = segments.iter().reduce(|best, next| {
            if next.view.peak_pressure > best.view.peak_pressure { next } else { best }
        })?;
        let busy = if view.peak_pressure > Bytes(most / 20) { view } else { busiest.view };
        let segment = segments.iter().find(|segment| std::ptr::eq(segment.view, busy))?;
        let scale = Scale::new(top, top + LOW, most);
        let words = format!(
            "the arena alone: {} reserved, most in use {} at {}",
            Bytes(most),
            busy.peak_pressure,
            busy.step_name(busy.peak_step as usize)
        );
        let point = (segment.span.column(busy.peak_step as usize), scale.row(busy.peak_pressure.0));
        Some(Arena { scale, words, point })
    }

    fn draw(&self, canvas: &mut Canvas, segments: &[Segment<'_>]) {
        self.scale.axis(canvas);
        for segment in segments {
            let in_use = |sample: &Sample| timeline::total(sample) - sample[FREE];
            stack(canvas, &segment.span, &segment.timeline.arena, self.scale, in_use);
        }
        let words = plot::shortened(&self.words, WIDTH - MARGIN - LEFT - 16);
        canvas.text("ink", &words, (LEFT, self.scale.top - 14), Anchor::Left);
        for segment in segments.iter().filter(|_| segments.len() > 1) {
            let x = segment.span.right;
            canvas.line("axis", &[(x, self.scale.top), (x, self.scale.bottom)]);
        }
        canvas.dot("mark", self.point, 4);
    }
}

/// Draws the areas of a phase; of the steps in one column, that with the largest `key` is drawn.
fn stack(canvas: &mut Canvas, span: &Span, samples: &[Sample], scale: Scale, key: fn(&Sample) -> u64) {
    let columns = columns(samples, span, key);
    let most = timeline::most(samples.iter());
    for (index, kind) in KINDS.iter().enumerate().rev().filter(|(index, _)| most[*index] > 0) {
        let hover = format!("{}, up to {}", kind.name, Bytes(most[index]));
        canvas.polygon(kind.class, &outline(&columns, index, scale), &hover);
    }
}

/// Draws what a browser shows over a strip of steps: the highest of them, and what it consists of.
fn strips(canvas: &mut Canvas, segment: &Segment<'_>, scale: Scale) {
    let Span { left, right, steps } = segment.span;
    let count = ((right - left) / STRIP).clamp(1, steps as i32) as usize;
    for strip in 0..count {
        let range = strip * steps / count..(strip + 1) * steps / count;
        let samples = segment.timeline.all.iter().enumerate().skip(range.start).take(range.len());
        let best = samples.max_by_key(|(step, sample)| (timeline::used(sample), std::cmp::Reverse(*step)));
        let Some((step, sample)) = best else { continue };
        let name = segment.view.phase.name.name();
        let mut hover =
            format!("{name}, {}: {}", segment.view.step_name(step), Bytes(timeline::used(sample)));
        for (kind, &bytes) in KINDS.iter().zip(sample).rev().filter(|(_, bytes)| **bytes > 0) {
            hover += &format!("\n{} {}", kind.name, Bytes(bytes));
        }
        let frame =
            (segment.span.column(range.start), scale.top, segment.span.column(range.end), scale.bottom);
        canvas.rect("hit", frame, &hover);
    }
}

/// The highest sample of every pixel column, equal neighbours joined: where each begins and ends, and what it holds.
fn columns(samples: &[Sample], span: &Span, key: fn(&Sample) -> u64) -> Vec<(Range<i32>, Sample)> {
    let mut columns: Vec<(Range<i32>, Sample)> = Vec::new();
    let last = samples.len().saturating_sub(1);
    // The sample after the last step has columns of its own where the last phase ends.
    let end = if span.right == WIDTH - MARGIN - AFTER { WIDTH - MARGIN } else { span.right };
    for (step, sample) in samples.iter().enumerate() {
        let (from, to) = match step {
            _ if last == 0 => (span.left, end),
            step if step == last => (span.right, end),
            step => (span.column(step), span.column(step + 1).max(span.column(step) + 1)),
        };
        match columns.last_mut() {
            Some((range, held)) if from < range.end => {
                if key(sample) > key(held) {
                    *held = *sample;
                }
                range.end = range.end.max(to);
            }
            _ if from < to => columns.push((from..to, *sample)),
            _ => {}
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

/// The upper edge of the stack up to and with one kind, closed along the axis.
fn outline(columns: &[(Range<i32>, Sample)], upto: usize, scale: Scale) -> Vec<(i32, i32)> {
    let mut points = Vec::with_capacity(columns.len() * 2 + 2);
    for (range, sample) in columns {
        let height = sample.iter().take(upto + 1).fold(0_u64, |sum, &bytes| sum.saturating_add(bytes));
        let y = scale.row(height);
        match points.last() {
            Some(&(_, before)) if before == y && points.len() > 1 => {
                points.pop();
            }
            Some(_) => points.push((range.start, y)),
            None => points.extend([(range.start, scale.bottom), (range.start, y)]),
        }
        points.push((range.end, y));
    }
    if let Some(&(x, _)) = points.last() {
        points.push((x, scale.bottom));
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
        let span = Span::new(LEFT, WIDTH - MARGIN - AFTER, samples.len() - 1);
        let columns = columns(&samples, &span, timeline::total);
        assert_eq!(columns.len(), 3, "{columns:?}");
        assert_eq!((columns[1].0.len(), columns[1].1), (1, sample(1000)));
        assert!(columns.windows(2).all(|pair| pair[0].0.end == pair[1].0.start), "{columns:?}");
    }

    #[test]
    fn nothing_that_runs_draws_an_empty_plot() {
        let (span, scale) = (Span::new(LEFT, 400, 0), Scale::new(10, 100, 0));
        let columns = columns(&[Sample::default()], &span, timeline::total);
        let outline = outline(&columns, 4, scale);
        assert!(outline.iter().all(|&(_, y)| y == scale.bottom), "{outline:?}");
    }
}
