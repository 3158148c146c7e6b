//! The whole program as a library: a model and a request in, a report out.
//!
//! [`analyze`] runs the stages that the crate's first page shows; [`run`] keeps what the stages made, for charts and
//! comparisons. [`Opened`] is a model that is read once and analysed under many requests.

mod kind;
mod least;
mod opened;
mod request;
mod suggest;

use crate::error::Result;
use crate::report::model::Report;
use std::path::Path;

pub use kind::Kind;
pub use opened::{Analysis, Opened};
pub use request::{Request, Task};

/// Analyses a model.
///
/// # Errors
///
/// If the model cannot be read, a dim is not bound, or the runtime does not load it. See [`Error`](crate::error::Error).
pub fn analyze(model: &Path, request: &Request) -> Result<Report> {
    Ok(run(model, request)?.report)
}

/// Analyses a model, and keeps what the stages made.
///
/// # Errors
///
/// As [`analyze`].
pub fn run(model: &Path, request: &Request) -> Result<Analysis> {
    let opened = Opened::open(model, request)?;
    let mut found = opened.analyze(request)?;
    if request.advises {
        least::add(&opened, request, &mut found);
        found.report.suggestions = suggest::all(&opened, request, &found.report);
        found.report.accuracy = Some(opened.accuracy(&found.report));
    }
    Ok(found)
}
