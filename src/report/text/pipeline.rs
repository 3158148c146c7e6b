//! A pipeline's own lines: the published ones of its parts, its lengths, and a table of the parts.

use super::super::model::{Component, Report, Role, Totals};
use super::published::{Heading, published as line};
use crate::units::Bytes;
use std::fmt::Write;

/// The three lines of the published estimators: vision tower, language model, all.
pub(super) fn published(out: &mut String, report: &Report) -> std::fmt::Result {
    line(out, Heading::Vit, of_roles(report, &[Role::Vision, Role::Projection]))?;
    line(out, Heading::Llm, of_roles(report, &[Role::Language]))?;
    let heading = Heading::Pipeline.name();
    writeln!(out, "Total {heading} Runtime Memory {} MB", Bytes(report.totals.total_bytes).mb())
}

fn of_roles<'a>(report: &'a Report, roles: &'a [Role]) -> impl Iterator<Item = &'a Totals> {
    let is_of = |component: &Component| roles.contains(&component.role);
    let parts = report.components.iter().filter(move |part| part.component.as_ref().is_some_and(is_of));
    parts.map(|part| &part.totals)
}

/// The lengths: patches, tokens of the images, prompt.
pub(super) fn run(report: &Report) -> String {
    let scenario = &report.scenario;
    let lengths = [
        scenario.patches.map(|count| format!("{count} patches")),
        scenario.prompt.map(|count| format!("{count} tokens")),
    ];
    lengths.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A row per part: what it takes alone, at its own highest.
pub(super) fn parts(out: &mut String, report: &Report) -> std::fmt::Result {
    let name =
        |part: &Report| part.component.as_ref().map_or("", |component| component.name.as_str()).to_owned();
    let width = report.components.iter().map(|part| name(part).len()).max().unwrap_or(0).max(12);
    writeln!(out, "\n{:<width$} {:>12} {:>12} {:>12}", "Part, alone", "weights", "temp", "total")?;
    for part in &report.components {
        let totals = &part.totals;
        let weights = Bytes(totals.weights_file_bytes) + Bytes(totals.weights_anonymous_bytes);
        let cells =
            [weights, Bytes(totals.temp_bytes), Bytes(totals.total_bytes)].map(|bytes| bytes.to_string());
        writeln!(out, "{:<width$} {:>12} {:>12} {:>12}", name(part), cells[0], cells[1], cells[2])?;
    }
    let sum = Bytes(report.totals.parts_sum_bytes.unwrap_or_default()).to_string();
    let highest = Bytes(report.totals.total_bytes).to_string();
    writeln!(out, "{:<width$} {:>12} {:>12} {sum:>12}", "sum", "", "")?;
    writeln!(out, "{:<width$} {:>12} {:>12} {highest:>12}", "together", "", "")
}
