//! JSON: the report as it is, and its schema.

use super::model::{PlannerTable, QuickEstimate, Report, Verification};

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

/// The JSON schema of [`Report`], generated from its types.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Report)).unwrap_or_default();
    text.push('\n');
    text
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Serializing plain data with string keys cannot fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
