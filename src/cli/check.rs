//! `memgraph check`: models against budgets, baselines and measured figures.

use super::{Outcome, help, output};
use clap::ValueEnum;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::regress::{self, Config, Options, Update};
use memgraph::report::check::{badge, github, junit, markdown, text};
use memgraph::report::json;
use memgraph::report::model::Checks;
use std::path::{Path, PathBuf};

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The checks of ./memgraph.toml", "memgraph check"),
    ("In a job, with annotations and a summary", "memgraph check --format github --markdown summary.md"),
    ("Baselines as of now, with what changes", "memgraph check ci/memgraph.toml --update"),
];

/// Check models against budgets, baselines and measured figures, as a memgraph.toml describes them
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// The file; docs/ci.md has its keys, `memgraph schema --of memgraph.toml` its schema for editors
    #[arg(default_value = "memgraph.toml")]
    config: PathBuf,
    /// Run the checks whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Write the baselines instead of comparing with them, and show what changes
    #[arg(long)]
    update: bool,
    /// What is printed
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    format: Format,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write a summary as Markdown, short enough for a comment
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    markdown: Option<PathBuf>,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    junit: Option<PathBuf>,
    /// Write a badge as JSON, for an endpoint of shields.io
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    badge: Option<PathBuf>,
    /// Print the messages of checks that are ok as well
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// Every row as JSON
    Json,
    /// For a comment, or a job's summary
    Markdown,
    /// For test runners
    Junit,
    /// Annotations of a GitHub workflow
    Github,
}

/// Writes rows in one of the forms.
type Render = fn(&Checks) -> String;

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let config = Config::read(&args.config).map_err(|error| missing(error, &args.config))?;
    let mut options = Options::default();
    options.only.clone_from(&args.only);
    options.updates = args.update;
    let found = regress::run(&config, &options)?;
    found.updates.iter().try_for_each(write)?;
    let report = &found.report;
    let files: [(&Option<PathBuf>, Render); 4] = [
        (&args.json, json::checks),
        (&args.markdown, markdown::render),
        (&args.junit, junit::render),
        (&args.badge, badge::render),
    ];
    for (target, render) in files {
        if let Some(target) = target {
            output::write(target, &render(report))?;
        }
    }
    output::print(&match args.format {
        Format::Text => text::render(report, args.verbose, output::is_colored()),
        Format::Json => json::checks(report),
        Format::Markdown => markdown::render(report),
        Format::Junit => junit::render(report),
        Format::Github => github::render(report),
    })?;
    Ok(match (report.failed, found.is_incomplete) {
        (1.., _) => Outcome::Failed,
        (0, true) => Outcome::Incomplete,
        (0, false) => Outcome::Fine,
    })
}

/// Writes a baseline, and the folders that it is in.
fn write(update: &Update) -> Result<()> {
    if let Some(folder) = update.path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, error))?;
    }
    output::write(&update.path, &update.text)
}

/// Says how a file is made where there is none.
fn missing(error: Error, path: &Path) -> Error {
    if path.exists() {
        return error;
    }
    Error::new(ErrorKind::Io, "the file does not exist").in_file(path).help(
        "write one, such as\n    [[check]]\n    model = \"path/to/model\"\n    scenario = { seq = 4096 }\n    budget = \"8GiB\"",
    )
}
