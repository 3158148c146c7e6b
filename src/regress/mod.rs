//! Regression tests of memory: models against budgets, earlier reports and measured figures.
//!
//! A [`Config`] is read of a memgraph.toml; [`run`] analyses every model of it and gives one row per figure. A failed
//! analysis is a row as well, so that one broken model hides no other. Nothing is written here: a baseline that changes is an
//! [`Update`] for the caller.

#[cfg(feature = "regress")]
mod cases;
#[cfg(feature = "regress")]
mod config;
#[cfg(feature = "regress")]
mod judge;
mod limit;
#[cfg(feature = "regress")]
mod records;
#[cfg(feature = "regress")]
mod run;

#[cfg(feature = "regress")]
pub use config::{Config, schema};
#[cfg(feature = "regress")]
pub use judge::Update;
pub use limit::Limit;

#[cfg(feature = "regress")]
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "regress")]
use crate::report::model::Checks;
#[cfg(feature = "regress")]
use rayon::prelude::*;

/// Which checks are run, and how.
#[cfg(feature = "regress")]
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Checks with one of these words in their name; all if it is empty.
    pub only: Vec<String>,
    /// Baselines are written and not compared.
    pub updates: bool,
}

/// What the checks came to.
#[cfg(feature = "regress")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// A row per figure.
    pub report: Checks,
    /// Baselines to write.
    pub updates: Vec<Update>,
    /// A figure is a lower bound, and its check allows that.
    pub is_incomplete: bool,
}

/// Runs the checks of a file, side by side.
///
/// # Errors
///
/// If two checks have one name or one baseline, a pattern is malformed, or no check has a name that was asked for. A model that
/// cannot be analysed is a failed check, not an error.
///
/// # Example
///
/// ```no_run
/// use memgraph::regress::{Config, Options, run};
///
/// let found = run(&Config::read("memgraph.toml".as_ref())?, &Options::default())?;
/// assert_eq!(found.report.failed, 0, "{}", found.report.summary());
/// # Ok::<(), memgraph::Error>(())
/// ```
#[cfg(feature = "regress")]
pub fn run(config: &Config, options: &Options) -> Result<Outcome> {
    let mut cases = cases::expand(config)?;
    if !options.only.is_empty() {
        let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
        cases.retain(|case| options.only.iter().any(|only| case.name.contains(only)));
        if cases.is_empty() {
            let message = format!("no check has a name with \"{}\"", options.only.join("\" or \""));
            let error = Error::new(ErrorKind::Usage, message).in_file(&config.path);
            return Err(error.help(format!("checks: {}", names.join(", "))));
        }
    }
    let folder = config.folder();
    let judged: Vec<judge::Judged> = cases
        .par_iter()
        .map(|case| judge::judge(case, case.report(folder), folder, options.updates))
        .collect();
    let is_incomplete = judged.iter().any(|judged| judged.is_incomplete);
    let mut checks = Vec::new();
    let mut updates: Vec<Update> = Vec::new();
    for judged in judged {
        checks.extend(judged.checks);
        updates.extend(judged.update);
    }
    let updated = updates.iter().map(|update| update.what.clone()).collect();
    let report = Checks::new(config.path.display().to_string(), checks, updated);
    Ok(Outcome { report, updates, is_incomplete })
}
