//! Text for people: the answer on one screen, and on request every table.
//!
//! The order is that of the questions: how much, when and because of which node, what fills it, what would lower it,
//! how accurate it is, and whether the placement was verified.

mod advice;
mod comparison;
mod deployment;
mod fit;
pub(in crate::report) mod layout;
mod pick;
mod pipeline;
mod published;
mod style;
mod summary;
mod sweep;
mod tables;
mod verdict;

use super::model::{Report, Task};
pub use deployment::deployment;
pub use fit::fit;
pub use pick::pick;
pub use published::Heading;
use published::published;
use std::fmt::Write;
pub use style::Style;
pub use sweep::sweep;

/// The report as text: at most 30 lines of 80 columns, unless the style asks for more.
///
/// The first line is `Total <heading> Runtime Memory X MB weight Y MB temp Z MB` (MB = 2^20 bytes), so that scripts
/// that read the published estimators keep working.
///
/// # Example
///
/// ```
/// use memgraph::report::{model::Report, text};
///
/// let text = text::render(&Report::default(), &text::Style::new(text::Heading::Llm));
/// assert!(text.starts_with("Total LLM Runtime Memory 0.00 MB weight 0.00 MB temp 0.00 MB\n"));
/// ```
#[must_use]
pub fn render(report: &Report, style: &Style) -> String {
    let mut out = String::new();
    write_report(&mut out, report, style).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

/// The first lines of [`render`] alone: one, or three of a pipeline; and the verdict on a budget.
#[must_use]
pub fn render_published(report: &Report, style: &Style) -> String {
    let mut out = String::new();
    write_published(&mut out, report, style).unwrap_or_default(); // Writing to a String cannot fail.
    out
}

fn write_published(out: &mut String, report: &Report, style: &Style) -> std::fmt::Result {
    if report.scenario.task == Task::Pipeline && style.heading == Heading::Pipeline {
        pipeline::published(out, report)?;
    } else {
        published(out, style.heading, [&report.totals])?;
    }
    match &report.budget {
        Some(budget) => writeln!(out, "{}", verdict::line(budget, style.is_colored)),
        None => Ok(()),
    }
}

fn write_report(out: &mut String, report: &Report, style: &Style) -> std::fmt::Result {
    write_published(out, report, style)?;
    summary::write(out, report, style)?;
    if style.is_verbose {
        tables::write(out, report, style.top)?;
    }
    if let Some(found) = &report.comparison {
        comparison::write(out, found)?;
    }
    if style.explains {
        summary::assumptions(out, report)?;
    }
    Ok(())
}
