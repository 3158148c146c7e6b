//! `memgraph schema`: the JSON schemas of what the program writes.

use super::{Outcome, help, output};
use clap::ValueEnum;
use memgraph::error::Result;
use memgraph::regress;
use memgraph::report::json;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Store it", "memgraph schema > memgraph.schema.json"),
    ("Check a report against it", "check-jsonschema --schemafile memgraph.schema.json report.json"),
    ("The names of all fields", "memgraph schema | jq '.properties | keys'"),
];

/// Print the JSON schema of `--json`, or of another file
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// What is described
    #[arg(long, value_enum, default_value = "report", value_name = "FILE")]
    of: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// What `llm`, `vit`, `vlm` and `graph` write
    Report,
    /// What `diff` writes
    Diff,
    /// What `fit` of a model writes
    Fit,
    /// What `fit` of a deployment writes
    Deployment,
    /// What `sweep` writes
    Sweep,
    /// What `pick` writes
    Pick,
    /// What `check` writes
    Check,
    /// What `check` reads
    #[value(name = "memgraph.toml")]
    Config,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    output::print(&match args.of {
        Kind::Report => json::schema(),
        Kind::Diff => json::diff_schema(),
        Kind::Fit => json::fit_schema(),
        Kind::Deployment => json::deployment_schema(),
        Kind::Sweep => json::sweep_schema(),
        Kind::Pick => json::pick_schema(),
        Kind::Check => json::checks_schema(),
        Kind::Config => regress::schema(),
    })?;
    Ok(Outcome::Fine)
}
