//! The plan: a box per buffer, its life from left to right, its addresses upwards.
//!
//! Both edges of a box are rounded to whole pixels the same way, so boxes that share no byte share no pixel. A box of
//! less than a pixel is not drawn; the line below the title counts the drawn ones.

use super::super::build::Subject;
use super::super::model::By;
use super::super::view::View;
use super::canvas::{self, Area, Picture, WIDTH};
use super::plot::{self, Mark, Plot};

use plotters::prelude::*;
use std::collections::BTreeMap;

const TOP: i32 = 118;

/// A drawn buffer: left, top, right, bottom, and its rank in [`canvas::PALETTE`].
type Frame = (i32, i32, i32, i32, usize);

pub(super) fn picture<'a>(subject: &Subject<'a>, view: &'a View<'a>) -> Picture<'a> {
    let phase = view.phase;
    let plot = Plot::new(phase.lowered.schedule().steps.len(), phase.plan.arena_size.0, TOP, 0);
    let (names, ranks) = ranks(view);
    let frames = frames(view, &plot, &ranks);
    let (model, run) = canvas::run_of(subject, view);
    let words = format!("{}, {}", view.peak_pressure, view.step_name(view.peak_step as usize));
    let buffers = phase.problem.buffers.len();
    let title = format!("Addresses of the arena over the steps of {model}");
    let below = format!("{run}; {} of {buffers} buffers are large enough to see", frames.len());
    let desc = format!(
        "{run}. {buffers} buffers placed by {} in {}; each box is one buffer, as wide as its life and as high as its \
         size; {} are large enough to be drawn. Most bytes alive: {words}.",
        subject.planner.name(),
        phase.plan.arena_size,
        frames.len(),
    );
    let marks = [Mark { step: view.peak_step as usize, bytes: phase.plan.arena_size.0, words }];
    let layers = plot::layers(view);
    let heading = title.clone();
    let mut legend: Vec<_> = canvas::PALETTE.into_iter().zip(names).collect();
    if ranks.iter().any(|&rank| rank >= canvas::PALETTE.len()) {
        legend.push((canvas::OTHER, "other".to_owned()));
    }
    let draw = move |area: &Area<'_>| {
        let y = canvas::heading(area, &heading, &below)?;
        canvas::legend(area, &legend, y)?;
        plot.bands(area, &layers)?;
        plot.byte_axis(area)?;
        for &(left, top, right, bottom, rank) in &frames {
            // A pixel between neighbours, where there is one to spare.
            let right = if right - left > 3 { right - 1 } else { right };
            let bottom = if bottom - top > 3 { bottom - 1 } else { bottom };
            let color = canvas::PALETTE.get(rank).copied().unwrap_or(canvas::OTHER);
            area.draw(&Rectangle::new([(left, top), (right, bottom)], color.filled()))?;
        }
        plot.step_axis(area)?;
        plot.marks(area, &marks, 84)
    };
    Picture { size: (WIDTH as u32, plot::HEIGHT as u32), title, desc, draw: Box::new(draw) }
}

/// Names of the components that fill the arena most (bytes times steps), and each buffer's rank among them.
fn ranks(view: &View<'_>) -> (Vec<String>, Vec<usize>) {
    let keys = view.keys(By::Component);
    let planned: Vec<&String> =
        view.phase.lowered.schedule().planned().filter_map(|(id, _)| keys.get(id.index())).collect();
    let mut areas: BTreeMap<&String, u128> = BTreeMap::new();
    for (key, buffer) in planned.iter().zip(&view.phase.problem.buffers) {
        *areas.entry(key).or_default() += u128::from(buffer.size.0) * buffer.live.len() as u128;
    }
    let mut names: Vec<_> = areas.into_iter().collect();
    names.sort_by_key(|&(name, area)| (std::cmp::Reverse(area), name));
    names.truncate(canvas::PALETTE.len());
    let rank = |key: &&String| names.iter().position(|(name, _)| name == key).unwrap_or(usize::MAX);
    let ranks = planned.iter().map(rank).collect();
    (names.into_iter().map(|(name, _)| name.clone()).collect(), ranks)
}

fn frames(view: &View<'_>, plot: &Plot, ranks: &[usize]) -> Vec<Frame> {
    let placed = view.phase.problem.buffers.iter().zip(&view.phase.plan.offsets).zip(ranks);
    let frames = placed.map(|((buffer, &offset), &rank)| {
        let (start, end) = (buffer.live.start as usize, buffer.live.end as usize);
        let top = plot.row((offset + buffer.size).0);
        (plot.column(start), top, plot.column(end), plot.row(offset.0), rank)
    });
    frames.filter(|(left, top, right, bottom, _)| left < right && top < bottom).collect()
}
