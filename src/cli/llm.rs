//! `memgraph llm`: one language model.

use super::options::{Analysis, Binding};
use super::{Outcome, components, help};
use clap::ValueEnum;
use memgraph::analysis::Task;
use memgraph::error::Result;
use memgraph::pipeline::llm::Part;
use memgraph::report::text::Heading;
use memgraph::scenario::parse::{parse_count, parse_length, parse_number};
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("A prompt of 4,096 tokens", "memgraph llm qwen2.5-0.5b-fp16 4k"),
    (
        "A whole generation, as OpenVINO GenAI runs it",
        "memgraph llm qwen2.5-0.5b-fp16 4k --runner genai --new-tokens 256",
    ),
    (
        "One decode step of an ONNX model, as JSON",
        "memgraph llm model.onnx 1 --past 1024 --phase decode --json -",
    ),
];

/// One language model: the memory of a prefill of SEQ tokens, of a decode, or of a whole generation
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES), next_help_heading = "Run")]
pub(super) struct Args {
    /// A folder with an export, or a model file (.xml, .onnx or .gguf); a folder with a genai_config.json is run as ONNX
    /// Runtime GenAI runs it
    #[arg(help_heading = "Arguments")]
    model: PathBuf,
    /// Tokens of the prompt
    #[arg(value_parser = parse_length, help_heading = "Arguments")]
    seq: u64,
    /// Tokens cached before the prompt
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = parse_number)]
    past: u64,
    /// Sequences side by side
    #[arg(long, default_value_t = 1, value_name = "N", overrides_with = "batch", value_parser = parse_count)]
    batch: u64,
    /// Which part of a generation [default: prefill; with `--runner genai`, which runs whole generations, generate]
    #[arg(long, value_enum)]
    phase: Option<Phase>,
    /// Tokens that are generated, for `--phase generate`
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = parse_count)]
    new_tokens: u64,
    /// Tokens that a generation of ONNX Runtime GenAI ends at, and that its shared caches have room for [default: the
    /// genai_config.json's]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    max_length: Option<u64>,
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
    if args.analysis.is_components()? {
        return components::language(&args.analysis, &args.binding, &args.model, args.seq);
    }
    let new_tokens = args.new_tokens;
    let part = match args.phase {
        None => Part::Usual { new_tokens },
        Some(Phase::Prefill) => Part::Prefill,
        Some(Phase::Decode) => Part::Decode,
        Some(Phase::Generate) => Part::Generate { new_tokens },
    };
    let task = Task::Language { tokens: args.seq, part, max_length: args.max_length };
    let base = args.binding.scenario().with(|run| {
        run.past = args.past;
        run.batch = Some(args.batch);
    });
    let request = args.analysis.request(task, base, &args.binding)?;
    let heading = if request.options.word("mmproj").is_some() { Heading::Pipeline } else { Heading::Llm };
    args.analysis.run(&args.model, &request, heading)
}
