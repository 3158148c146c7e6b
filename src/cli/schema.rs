//! `memgraph schema`: the JSON schema of the report.

use super::{Outcome, help, output};
use memgraph::error::Result;
use memgraph::report::json;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Store it", "memgraph schema > memgraph.schema.json"),
    ("Check a report against it", "check-jsonschema --schemafile memgraph.schema.json report.json"),
    ("The names of all fields", "memgraph schema | jq '.properties | keys'"),
];

/// Print the JSON schema of `--json`
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<Outcome> {
    output::print(&json::schema())?;
    Ok(Outcome::Fine)
}
