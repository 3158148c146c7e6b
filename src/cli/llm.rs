//! `memgraph llm`: one language model.

use super::options::{Analysis, Binding, parse_length};
use super::{EXIT_STATUS, Outcome, components};
use clap::ValueEnum;
use memgraph::error::Result;
use memgraph::formats;
use memgraph::pipeline::llm::{self, Part};
use memgraph::scenario::Scenario;
use std::path::PathBuf;

/// One language model: the memory of a prefill of SEQ tokens, of a decode, or of a whole generation
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// A folder with an export, an .xml or an .onnx
    model: PathBuf,
    /// Tokens of the prompt
    #[arg(value_parser = parse_length)]
    seq: u64,
    /// Tokens cached before the prompt
    #[arg(long, default_value_t = 0, value_name = "N")]
    past: u64,
    /// Sequences side by side
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Which part of a generation
    #[arg(long, value_enum, default_value = "prefill")]
    phase: Phase,
    /// Tokens that are generated, for `--phase generate`
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    new_tokens: u64,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    analysis: Analysis,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Phase {
    /// The prompt in one pass
    Prefill,
    /// One token after the prompt
    Decode,
    /// The prompt, then all new tokens
    Generate,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    if args.analysis.is_components() {
        return components::language(&args.analysis, &args.binding, &args.model, args.seq);
    }
    let graph = formats::open(&llm::file(&args.model)?)?;
    let base = Scenario { past: args.past, batch: Some(args.batch), ..args.binding.scenario(&args.model)? };
    llm::check_length(&graph, &base, args.seq)?;
    let part = match args.phase {
        Phase::Prefill => Part::Prefill,
        Phase::Decode => Part::Decode,
        Phase::Generate => Part::Generate { new_tokens: args.new_tokens },
    };
    let profile = args.analysis.profile(&graph)?;
    let report = args.analysis.analyze(&graph, &llm::phases(&base, args.seq, part, &profile))?;
    args.analysis.deliver(&report, "LLM")
}
