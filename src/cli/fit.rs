//! `memgraph fit`: the largest run that fits a budget.

use super::budget::LimitArgs;
use super::run::RunArgs;
use super::text::Color;
use super::{Outcome, help, output};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::fit::{self, Axis, Deployment, Limit, Subject};
use memgraph::report::model::{Fit, FitRow};
use memgraph::report::{json, text};
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The longest prompt, the largest batch …", "memgraph fit qwen2.5-0.5b-fp16 --budget 4GiB"),
    (
        "The longest prompt alone, 1 GiB left to others",
        "memgraph fit qwen2.5-0.5b-fp16 --budget 8GiB --reserve 1GiB --vary seq",
    ),
    ("The largest batch of 512 tokens", "memgraph fit model.onnx --seq 512 --budget 2GB --vary batch"),
    ("Several models on several machines", "memgraph fit deployment.toml"),
];

/// What fits a budget: the largest value of a length, the first that does not fit, and the node responsible
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// A folder with an export, a model file (.xml, .onnx or .gguf), or a deployment (.toml)
    #[arg(help_heading = "Arguments")]
    model: PathBuf,
    /// What is varied: seq, new-tokens, text-tokens, batch, image, past, gpu-layers, slots, or a free dim [default: a table of
    /// the common ones]
    #[arg(long, value_name = "AXIS", help_heading = "Run")]
    vary: Option<String>,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    limit: LimitArgs,
    /// Write what was found as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Use colours: on a terminal unless NO_COLOR is set, always, or never
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = "Output")]
    color: Color,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    if args.model.extension().is_some_and(|end| end == "toml") {
        return deployment(args);
    }
    args.run.check_fixed()?;
    let limit = args.limit.limit().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "no budget was given")
            .help("add `--budget SIZE`, such as `--budget 16GiB`")
    })?;
    let subject = args.run.subject(&args.model)?;
    let rows = match &args.vary {
        Some(name) => vec![fit::largest(&subject, &Axis::by_name(name), &limit, None)?],
        None => fit::table(&subject, &limit)?,
    };
    let found = made(&subject, limit, rows);
    if let Some(target) = &args.json {
        output::write(target, &json::fit(&found))?;
    }
    if !args.json.as_deref().is_some_and(output::is_stdout) {
        output::print(&text::fit(&found, args.color.is_on()))?;
    }
    let fits = found.fits.iter().any(|row| row.largest.is_some());
    Ok(match (fits, found.fits.iter().any(|row| row.is_lower_bound)) {
        (false, _) => Outcome::Failed,
        (true, true) => Outcome::Incomplete,
        (true, false) => Outcome::Fine,
    })
}

/// Judges the scenarios of a deployment: one that does not fit fails.
fn deployment(args: &Args) -> Result<Outcome> {
    if args.limit.limit().is_some() || args.vary.is_some() {
        let message = "a deployment has its own budgets: the memory of its devices";
        return Err(Error::new(ErrorKind::Usage, message)
            .in_file(&args.model)
            .help("leave `--budget` and `--vary` away"));
    }
    let found = fit::evaluate(&Deployment::read(&args.model)?)?;
    if let Some(target) = &args.json {
        output::write(target, &json::deployment(&found))?;
    }
    if !args.json.as_deref().is_some_and(output::is_stdout) {
        output::print(&text::deployment(&found, args.color.is_on()))?;
    }
    let fits = found.placements.iter().all(|placement| placement.fits);
    Ok(if fits { Outcome::Fine } else { Outcome::Failed })
}

fn made(subject: &Subject, limit: Limit, rows: Vec<FitRow>) -> Fit {
    let mut found = Fit::of(subject.model(), rows);
    found.budget_bytes = limit.budget.0;
    found.reserve_bytes = limit.reserve.0;
    found
}
