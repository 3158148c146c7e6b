//! `memgraph graph`: any model.

use super::options::{Analysis, Binding};
use super::{EXIT_STATUS, Outcome};
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::report::text::Heading;
use std::path::PathBuf;

/// Any model: every free dim is bound by `--bind`, `--input` or `--value`
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// A model file (.xml, .onnx or .gguf), or a folder with one
    file: PathBuf,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    analysis: Analysis,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let request = args.analysis.request(Task::Graph, args.binding.scenario(), &args.binding)?;
    args.analysis.run(&args.file, &request, Heading::Model)
}
