//! SVG: one chart of a run's highest phase, 800 pixels wide.
//!
//! A chart is self-contained (no script, no font, no link), says in its title and description what it shows, and is the
//! same byte for byte whenever its run is.

mod arena;
mod breakdown;
mod canvas;
mod phases;
mod plot;
mod pressure;
mod timeline;

use super::build::{self, Subject};
use super::model::Report;
use crate::error::{Error, ErrorKind, Result};
use canvas::Picture;
use plotters::prelude::{IntoDrawingArea, SVGBackend};

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chart {
    /// Bytes alive over the steps, by storage class.
    #[default]
    Pressure,
    /// The planned buffers as boxes: life from left to right, addresses upwards.
    Arena,
    /// Who holds the memory at the peak, weights, states and buffers apart.
    Breakdown,
}

impl Chart {
    /// Every chart.
    pub const ALL: [Chart; 3] = [Chart::Pressure, Chart::Arena, Chart::Breakdown];
}

/// Draws a chart of the phase that the report tells in full.
///
/// Cost: linear in steps and storages; the document is at most a few hundred KiB, whatever the model.
///
/// # Errors
///
/// If there is no phase to draw. Of kind [`Internal`](ErrorKind::Internal) if the drawing fails, which is a bug of this
/// crate.
pub fn render(subject: &Subject<'_>, chart: Chart) -> Result<String> {
    let view = build::highest(subject)
        .ok_or_else(|| Error::new(ErrorKind::Usage, "a run without phases has nothing to draw"))?;
    let picture = match chart {
        Chart::Pressure => pressure::picture(subject, &view),
        Chart::Arena => arena::picture(subject, &view),
        Chart::Breakdown => breakdown::picture(subject, &view),
    };
    document(&picture)
}

/// Draws who holds the memory of a report that stands for no single graph.
///
/// # Errors
///
/// Of kind [`Internal`](ErrorKind::Internal) if the drawing fails, which is a bug of this crate.
pub fn breakdown(report: &Report) -> Result<String> {
    document(&breakdown::of_report(report))
}

/// Draws the phases of a pipeline: a bar for each, a colour for each part.
///
/// # Errors
///
/// Of kind [`Internal`](ErrorKind::Internal) if the drawing fails, which is a bug of this crate.
pub fn phases(report: &Report) -> Result<String> {
    document(&phases::picture(report))
}

/// The document, with the title and description that the SVG backend knows nothing of.
fn document(picture: &Picture<'_>) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Internal, format!("the chart cannot be drawn: {error}"))
            .help("report it with the command line; `--json FILE --json-full` has the same numbers")
    };
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, picture.size).into_drawing_area();
        (picture.draw)(&root).map_err(|error| failed(&error))?;
        root.present().map_err(|error| failed(&error))?;
    }
    let (open, rest) = text.split_once('\n').ok_or_else(|| failed(&"empty document"))?;
    let open = open.replacen("<svg", "<svg role=\"img\"", 1);
    let (title, desc) = (canvas::escaped(&picture.title), canvas::escaped(&picture.desc));
    Ok(format!("{open}\n<title>{title}</title>\n<desc>{desc}</desc>\n{rest}"))
}
