//! `memgraph vlm`: a vision-language pipeline.

use super::options::{Analysis, Binding, Vision};
use super::parse::{parse_count, parse_number};
use super::{EXIT_STATUS, Outcome, components};
use clap::ValueEnum;
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::report::text::Heading;
use std::path::PathBuf;

/// A vision-language pipeline: SEQ patches over all images, or an image of WxH pixels, and a text
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// A folder with the parts of an export
    model: PathBuf,
    #[command(flatten)]
    vision: Vision,
    /// Tokens of the prompt apart from the image's
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = parse_number)]
    text_tokens: u64,
    /// Tokens that are generated
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = parse_count)]
    new_tokens: u64,
    /// Whether the vision tower stays loaded after it ran, as OpenVINO GenAI has it
    #[arg(long, value_enum, default_value = "yes")]
    keep_vision: Answer,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    analysis: Analysis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Answer {
    Yes,
    No,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    if args.analysis.is_components()? {
        let patches = args.vision.patches().ok_or_else(components::needs_patches)?;
        return components::pipeline(&args.analysis, &args.binding, &args.model, patches);
    }
    let task = Task::Pipeline {
        patches: args.vision.patches(),
        tiles: args.vision.tiles(),
        text_tokens: args.text_tokens,
        new_tokens: args.new_tokens,
        keeps_vision: args.keep_vision == Answer::Yes,
    };
    let base = args.binding.scenario().with(|run| run.image = args.vision.image);
    let request = args.analysis.request(task, base, &args.binding)?;
    args.analysis.run(&args.model, &request, Heading::Pipeline)
}
