//! `memgraph graph`: any model.

use super::options::{Analysis, Binding};
use super::{EXIT_STATUS, Outcome};
use memgraph::error::Result;
use memgraph::formats;
use memgraph::phases::PhaseName;
use std::path::PathBuf;

/// Any model: every free dim is bound by `--bind`, `--input` or `--value`
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// An .xml or an .onnx
    file: PathBuf,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    analysis: Analysis,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let graph = formats::open(&args.file)?;
    let scenario = args.binding.scenario(&args.file)?;
    let report = args.analysis.analyze(&graph, &[(PhaseName::Infer, scenario)])?;
    args.analysis.deliver(&report, "Model")
}
