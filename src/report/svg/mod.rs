//! SVG: charts of a run, 800 pixels wide, in the colours of the reader's light or dark theme.
//!
//! A document is self-contained (no script, no font, no link), states in its title, description and caption what it shows
//! and how it was made, and is the same byte for byte whenever its run is.

mod addresses;
mod arena;
mod block;
mod breakdown;
mod canvas;
mod colors;
mod page;
mod phases;
mod plot;
mod pressure;
mod siblings;
mod sweep;
mod timeline;

use super::build::{self, Subject};
use super::model::{Report, Sweep, Tool};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;
use canvas::{Anchor, Canvas, MARGIN, SMALL, WIDTH};
use page::Picture;

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chart {
    /// Memory over the steps of every phase, by what it is for; of a pipeline its phases.
    #[default]
    Pressure,
    /// The planned buffers as boxes: life from left to right, addresses upwards.
    Arena,
    /// What holds the memory at the peak, weights, states and buffers apart.
    Breakdown,
    /// One block as executed: its operators, what each writes, and the memory that the next block uses again.
    Block,
}

impl Chart {
    /// Every chart.
    pub const ALL: [Chart; 4] = [Chart::Pressure, Chart::Arena, Chart::Breakdown, Chart::Block];

    /// Its word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Chart::Pressure => "pressure",
            Chart::Arena => "arena",
            Chart::Breakdown => "breakdown",
            Chart::Block => "block",
        }
    }
}

/// What is drawn, and what is stated with it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Drawing {
    /// The charts, one below the other; empty: all that there are of the run.
    pub charts: Vec<Chart>,
    /// The block that [`Chart::Block`] draws; without it the second, since the first may compute what all of them share.
    pub layer: Option<u32>,
    /// A limit that a line is drawn at.
    pub budget: Option<Bytes>,
    /// The command that draws the same, for the caption.
    pub command: Option<String>,
}

impl From<Chart> for Drawing {
    fn from(chart: Chart) -> Drawing {
        Drawing { charts: vec![chart], ..Drawing::default() }
    }
}

/// Draws charts of a run.
///
/// Cost: linear in steps and storages, and in boxes times narrow boxes; the document is at most a few hundred KiB, whatever
/// the model.
///
/// # Errors
///
/// If the analysis has no phase.
pub fn render(subject: &Subject<'_>, drawing: &Drawing) -> Result<String> {
    let views = build::views(subject);
    let highest = build::highest(&views)
        .ok_or_else(|| Error::new(ErrorKind::Usage, "a run without phases has nothing to draw"))?;
    let needs = |index: usize| views[index].peak_pressure;
    let busiest =
        (0..views.len()).fold(highest, |best, next| if needs(next) > needs(best) { next } else { best });
    let runs = !views[busiest].phase.lowered.schedule().steps.is_empty();
    let all: Vec<Chart> = Chart::ALL.into_iter().filter(|&chart| runs || chart != Chart::Block).collect();
    let charts = if drawing.charts.is_empty() { &all } else { &drawing.charts };
    let pictures: Vec<Picture> = charts
        .iter()
        .map(|chart| match chart {
            Chart::Pressure => Ok(pressure::picture(subject, &views, highest, drawing.budget)),
            Chart::Arena => Ok(arena::picture(subject, &views[busiest])),
            Chart::Breakdown => Ok(breakdown::picture(subject, &views[highest])),
            Chart::Block => block::picture(subject, &views[busiest], drawing.layer),
        })
        .collect::<Result<_>>()?;
    Ok(document(&pictures, (subject.runtime.name(), subject.runtime.version()), drawing))
}

/// Draws charts of a report that has no single graph: a pipeline's phases and its breakdown, an estimate's breakdown.
///
/// # Errors
///
/// If a chart was asked for that needs one graph.
pub fn render_report(report: &Report, drawing: &Drawing) -> Result<String> {
    let has_phases = report.phases.iter().any(|phase| !phase.held.is_empty());
    let all: &[Chart] = if has_phases { &[Chart::Pressure, Chart::Breakdown] } else { &[Chart::Breakdown] };
    let charts = if drawing.charts.is_empty() { all } else { &drawing.charts };
    let pictures = charts.iter().map(|chart| match chart {
        Chart::Pressure if has_phases => Ok(phases::picture(report, drawing.budget)),
        Chart::Pressure | Chart::Breakdown => Ok(breakdown::of_report(report)),
        Chart::Arena | Chart::Block => Err(without_graph(report, *chart)),
    });
    let pictures = pictures.collect::<Result<Vec<_>>>()?;
    Ok(document(&pictures, (&report.profile.name, &report.profile.version), drawing))
}

/// Draws a sweep: lines over one axis, a heat map over two.
#[must_use]
pub fn sweep(found: &Sweep, command: Option<&str>) -> String {
    let picture = if found.vary2.is_some() { sweep::heat_map(found) } else { sweep::lines(found) };
    let drawing = Drawing { command: command.map(str::to_owned), ..Drawing::default() };
    let (runtime, version) = found.profile.split_once(' ').unwrap_or((&found.profile, ""));
    let picture = Picture { body: colors::style_of_sweeps() + &picture.body, ..picture };
    document(&[picture], (runtime, version), &drawing)
}

fn without_graph(report: &Report, chart: Chart) -> Error {
    let what = if report.components.is_empty() { "an estimate without a graph" } else { "a pipeline" };
    let error = Error::new(ErrorKind::Usage, format!("{what} has no {} chart", chart.name()));
    match report.components.is_empty() {
        true => error.help("draw `--chart breakdown`, or choose a runtime that reads the graph"),
        false => error.help("draw `--chart pressure` or `breakdown`, or analyse one of its parts (`vit --part`, `llm`, `graph`)"),
    }
}

/// The document: charts one below the other, and the caption.
fn document(pictures: &[Picture], (runtime, version): (&str, &str), drawing: &Drawing) -> String {
    let mut canvas = Canvas::default();
    let mut height = 0;
    for picture in pictures {
        canvas.append(&picture.body, height);
        height += picture.height + 8;
    }
    for line in caption(runtime, version, drawing) {
        canvas.sized("soft", &line, (MARGIN, height + 2), Anchor::Left, SMALL);
        height += 14;
    }
    height += 6;
    let join = |text: fn(&Picture) -> &str, separator: &str| {
        let texts: Vec<&str> = pictures.iter().map(text).collect();
        canvas::escaped(&texts.join(separator))
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" class=\"memgraph\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"-apple-system,'Segoe UI',Helvetica,Arial,sans-serif\">\n\
         <title>{}</title>\n<desc>{}</desc>\n{}\n\
         <rect class=\"page\" x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"{height}\"/>\n{}</svg>\n",
        join(|picture| &picture.title, "; "),
        join(|picture| &picture.desc, " "),
        colors::style(),
        canvas.into_body(),
    )
}

/// What made the picture: program, runtime, command.
fn caption(runtime: &str, version: &str, drawing: &Drawing) -> Vec<String> {
    let tool = Tool::this();
    let mut words = format!("{} {} · {runtime} {version}", tool.name, tool.version);
    if let Some(command) = &drawing.command {
        words = format!("{words} · {command}");
    }
    canvas::wrapped(&words, WIDTH - 2 * MARGIN, SMALL)
}
