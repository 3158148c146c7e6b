//! `memgraph vit`: a vision tower.

use super::options::{Analysis, Binding, Vision};
use super::{Outcome, components, help};
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::report::text::Heading;
use memgraph::scenario::parse::parse_count;
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("One image of 224x224 pixels", "memgraph vit vit-base-p16-224-fp16 --image 224x224"),
    ("Five tiles of 577 patches", "memgraph vit llava-1.5-7b-vision-fp16 5*577"),
    ("A tower whose inputs have fixed shapes, with a chart", "memgraph vit siglip-mini-fp16 --svg tower.svg"),
];

/// A vision tower of SEQ patches over all images, or of one image of WxH pixels
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES), next_help_heading = "Run")]
pub(super) struct Args {
    /// A folder with an export, or a model file (.xml or .onnx)
    #[arg(help_heading = "Arguments")]
    model: PathBuf,
    #[command(flatten)]
    vision: Vision,
    /// Images side by side
    #[arg(long, value_name = "N", overrides_with = "batch", value_parser = parse_count)]
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
