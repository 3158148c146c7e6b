//! How much of a report is written, and how.

use super::published::Heading;

/// What of a report is written, and how.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Style {
    /// What the first line calls the model.
    pub heading: Heading,
    /// Rows per table.
    pub top: usize,
    /// Adds every table.
    pub is_verbose: bool,
    /// Adds every assumption.
    pub explains: bool,
    /// Adds the escape sequences of colours.
    pub is_colored: bool,
}

impl Style {
    /// The summary alone, without colours.
    #[must_use]
    pub fn new(heading: Heading) -> Style {
        Style { heading, top: 12, is_verbose: false, explains: false, is_colored: false }
    }
}
