//! `memgraph vlm`: a vision-language pipeline.

use super::options::{Analysis, Binding, Vision};
use super::{Outcome, components, help};
use clap::ValueEnum;
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::report::text::Heading;
use memgraph::scenario::parse::{parse_count, parse_number};
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "An image and 64 tokens of text, as OpenVINO GenAI runs them",
        "memgraph vlm qwen2.5-vl-3b --image 1024x768 --text-tokens 64",
    ),
    (
        "7,252 patches, the vision tower freed before the text",
        "memgraph vlm qwen2.5-vl-3b 7252 --keep-vision no",
    ),
    ("The same without a host application", "memgraph vlm qwen2.5-vl-3b 7252 --runner plain"),
];

/// A vision-language pipeline: SEQ patches over all images, or an image of WxH pixels, and a text
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES), next_help_heading = "Run")]
pub(super) struct Args {
    /// A folder with the parts of an export
    #[arg(help_heading = "Arguments")]
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
    #[arg(long, value_enum, default_value = "yes", overrides_with = "keep_vision")]
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
