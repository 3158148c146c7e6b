//! `memgraph vit`: a vision tower.

use super::options::{Analysis, Binding, Vision};
use super::parse::parse_count;
use super::{EXIT_STATUS, Outcome, components};
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::report::text::Heading;
use std::path::PathBuf;

/// A vision tower of SEQ patches over all images, or of one image of WxH pixels
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// A folder with an export, an .xml or an .onnx
    model: PathBuf,
    #[command(flatten)]
    vision: Vision,
    /// Images side by side
    #[arg(long, value_name = "N", value_parser = parse_count)]
    batch: Option<u64>,
    /// Which part of a tower in several files, by file name
    #[arg(long, value_name = "FILE")]
    part: Option<String>,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    analysis: Analysis,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    if args.analysis.is_components()? {
        let patches = args.vision.patches().ok_or_else(components::needs_patches)?;
        return components::vision(&args.analysis, &args.binding, &args.model, patches);
    }
    let task =
        Task::Vision { patches: args.vision.patches(), tiles: args.vision.tiles(), part: args.part.clone() };
    let base = args.binding.scenario().with(|run| {
        run.image = args.vision.image;
        run.batch = args.batch;
    });
    let request = args.analysis.request(task, base, &args.binding)?;
    args.analysis.run(&args.model, &request, Heading::Vit)
}
