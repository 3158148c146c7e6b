//! JSON: the report as it is, and its schema.

use super::model::Report;

/// The report as pretty JSON, with a line feed at the end.
///
/// # Example
///
/// See the crate's front page for a report; the form is pinned by the schema of [`schema`].
#[must_use]
pub fn render(report: &Report) -> String {
    // Serializing plain data with string keys cannot fail.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON schema of [`Report`], generated from its types.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Report)).unwrap_or_default();
    text.push('\n');
    text
}
