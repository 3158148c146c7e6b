//! JSON: the report as it is, and its schema.

use super::model::{
    Checks, DeploymentReport, Diff, Fit, Pick, PlannerTable, QuickEstimate, Report, SCHEMA_VERSION, Sweep,
    Verification,
};
use crate::error::{Error, ErrorKind, Location, Position, Result};
use crate::formats::document;
use std::path::Path;

/// The report as pretty JSON, with a line feed at the end.
///
/// # Example
///
/// See the crate's front page for a report; the form is pinned by the schema of [`schema`].
#[must_use]
pub fn render(report: &Report) -> String {
    pretty(report)
}

/// An estimate by rules of thumb, in the same form.
#[must_use]
pub fn quick(estimate: &QuickEstimate) -> String {
    pretty(estimate)
}

/// A table of planners, in the same form.
#[must_use]
pub fn planners(table: &PlannerTable) -> String {
    pretty(table)
}

/// What the geometry checker found, in the same form.
#[must_use]
pub fn verification(found: &Verification) -> String {
    pretty(found)
}

/// A comparison of two reports, in the same form.
#[must_use]
pub fn diff(found: &Diff) -> String {
    pretty(found)
}

/// Reads a report that [`render`] made.
///
/// # Errors
///
/// If the file cannot be read, is not a report, or is of a later version.
pub fn read(path: &Path) -> Result<Report> {
    let text = document::read(path)?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let location = Location {
            position: Some(Position::Line(place(error.line()), place(error.column()))),
            ..Location::default()
        };
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        Error::new(ErrorKind::Malformed, format!("the file is not a report of this program: {what}"))
            .in_file(path)
            .at(location)
            .help("`--json FILE` writes a report")
    })?;
    if report.schema_version > SCHEMA_VERSION {
        let message = format!(
            "the report has version {}, and this program reads {SCHEMA_VERSION}",
            report.schema_version
        );
        return Err(Error::new(ErrorKind::Unsupported, message)
            .in_file(path)
            .help("use the version of memgraph that wrote it"));
    }
    Ok(report)
}

/// The points of a sweep, in the same form.
#[must_use]
pub fn sweep(found: &Sweep) -> String {
    pretty(found)
}

/// The largest values that fit a budget, in the same form.
#[must_use]
pub fn fit(found: &Fit) -> String {
    pretty(found)
}

/// The placements of a deployment, in the same form.
#[must_use]
pub fn deployment(found: &DeploymentReport) -> String {
    pretty(found)
}

/// A choice from a catalog, in the same form.
#[must_use]
pub fn pick(found: &Pick) -> String {
    pretty(found)
}

/// The JSON schema of [`Report`], generated from its types.
#[must_use]
pub fn schema() -> String {
    pretty(&schemars::schema_for!(Report))
}

/// What the checks of a memgraph.toml came to, in the same form.
#[must_use]
pub fn checks(found: &Checks) -> String {
    pretty(found)
}

/// The JSON schema of [`Checks`], generated from its types.
#[must_use]
pub fn checks_schema() -> String {
    pretty(&schemars::schema_for!(Checks))
}

/// The JSON schema of [`Fit`], generated from its types.
#[must_use]
pub fn fit_schema() -> String {
    pretty(&schemars::schema_for!(Fit))
}

/// The JSON schema of [`DeploymentReport`], generated from its types.
#[must_use]
pub fn deployment_schema() -> String {
    pretty(&schemars::schema_for!(DeploymentReport))
}

/// The JSON schema of [`Sweep`], generated from its types.
#[must_use]
pub fn sweep_schema() -> String {
    pretty(&schemars::schema_for!(Sweep))
}

/// The JSON schema of [`Pick`], generated from its types.
#[must_use]
pub fn pick_schema() -> String {
    pretty(&schemars::schema_for!(Pick))
}

/// The JSON schema of [`Diff`], generated from its types.
#[must_use]
pub fn diff_schema() -> String {
    pretty(&schemars::schema_for!(Diff))
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Serializing plain data with string keys cannot fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
