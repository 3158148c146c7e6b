//! Two checkers that believe as little as possible; both run on every plan.
//!
//! [`mod@geometry`] takes the live ranges on trust and proves that the plan keeps
//! them apart. [`replay`] takes only the schedule on trust: it runs it over the
//! plan and fails when a read finds its bytes overwritten. The first is blind
//! to a wrong live range, the second is not. Neither shares code with a planner
//! or with the analysis that makes live ranges.

pub mod geometry;
pub mod replay;

use crate::error::{Error, ErrorKind, Result};
use crate::problem::{Plan, Problem};
use crate::schedule::Draft;
use std::fmt::Display;

/// Violations that an error prints; it counts the rest.
const PRINTED: usize = 10;

/// Runs both checkers.
///
/// # Errors
///
/// If either finds a violation. The error is an internal one: a bug of this
/// program, not of the model.
pub fn all(schedule: &Draft, problem: &Problem, plan: &Plan) -> Result<()> {
    geometry(problem, plan)?;
    report("replay", "the schedule", &replay::check(schedule, plan))
}

/// Runs the geometry checker.
///
/// # Errors
///
/// As [`all`].
pub fn geometry(problem: &Problem, plan: &Plan) -> Result<()> {
    report("geometry", "the problem", &geometry::check(problem, plan))
}

/// Turns violations into the error that the command line prints.
fn report(checker: &str, against: &str, violations: &[impl Display]) -> Result<()> {
    let Some(first) = violations.first() else { return Ok(()) };
    let count = violations.len();
    let mut error = Error::new(
        ErrorKind::Internal,
        format!("the plan breaks {against} {count} {}: {first}", if count == 1 { "time" } else { "times" }),
    );
    for violation in violations.iter().take(PRINTED).skip(1) {
        error = error.note(violation.to_string());
    }
    if count > PRINTED {
        error = error.note(format!("and {} more", count - PRINTED));
    }
    Err(error.note(format!("found by the {checker} checker; this is a bug of memgraph, not of the model")).help(
        "report it with the problem and the plan: `memgraph dump … --stage problem`, `memgraph dump … --stage plan`",
    ))
}
