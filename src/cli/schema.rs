//! `memgraph schema`: the JSON schema of the report.

use super::{EXIT_STATUS, Outcome, output};
use memgraph::error::Result;
use memgraph::report::json;

/// Print the JSON schema of `--json`
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<Outcome> {
    output::print(&json::schema())?;
    Ok(Outcome::Fine)
}
