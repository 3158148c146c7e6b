//! `memgraph graph`: any model.

use super::options::{Analysis, Binding};
use super::{Outcome, help};
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::report::text::Heading;
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "An image network of a batch of 8",
        "memgraph graph resnet50 --bind batch=8 --bind height=224 --bind width=224",
    ),
    ("An input by its whole shape", "memgraph graph model.onnx --input pixel_values=1x3x224x224"),
    (
        "An input whose numbers decide shapes",
        "memgraph graph model.xml --input x=1x3x64x64 --value sizes=2,2",
    ),
];

/// Any model: every free dim is bound by `--bind`, `--input` or `--value`
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// A model file (.xml, .onnx or .gguf), or a folder with one
    #[arg(help_heading = "Arguments")]
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
