//! `memgraph diff`: two models or reports side by side.

use super::options::Binding;
use super::runtime::RuntimeArgs;
use super::{Outcome, help, output};
use clap::ValueEnum;
use memgraph::analysis::{self, Request, Task};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats::document;
use memgraph::pipeline::llm::Part;
use memgraph::regress::Limit;
use memgraph::report::diff::{self, Side};
use memgraph::report::json;
use memgraph::scenario::parse::{parse_count, parse_image, parse_length, parse_number};
use std::path::{Path, PathBuf};

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("What a quantization changes", "memgraph diff qwen2.5-fp16 qwen2.5-int8 --seq 4k"),
    ("Two reports; exit 1 if memory grew by 2 %", "memgraph diff old.json new.json --fail-on +2%"),
    (
        "A new export of a network, as a comment on a change",
        "memgraph diff a.onnx b.onnx --bind batch=1 --markdown -",
    ),
];

/// Two models or JSON reports, in any mix: what of the memory at the peak changed, and where
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES), next_help_heading = "Run")]
pub(super) struct Args {
    /// A model (as for `llm`, `vit`, `vlm` or `graph`), or a report that `--json` wrote
    #[arg(help_heading = "Arguments", display_order = 0)]
    old: PathBuf,
    /// The same
    #[arg(help_heading = "Arguments", display_order = 1)]
    new: PathBuf,
    /// How models are analysed [default: llm with `--seq`, vit with `--image`, else graph]
    #[arg(long, value_enum, value_name = "COMMAND")]
    command: Option<Kind>,
    /// Tokens of the prompt; of a vision tower or a pipeline: patches over all images
    #[arg(long, value_name = "SEQ", value_parser = parse_length)]
    seq: Option<u64>,
    /// Width and height of one image in pixels
    #[arg(long, value_name = "WxH", value_parser = parse_image, conflicts_with = "seq")]
    image: Option<(u64, u64)>,
    /// Tokens cached before the prompt
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = parse_number)]
    past: u64,
    /// Sequences side by side
    #[arg(long, value_name = "N", value_parser = parse_count)]
    batch: Option<u64>,
    /// Tokens that are generated after the prompt: a language model runs a whole generation
    #[arg(long, value_name = "N", value_parser = parse_count)]
    new_tokens: Option<u64>,
    /// Tokens of a pipeline's prompt apart from the image's
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = parse_number)]
    text_tokens: u64,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// Exit with status 1 if the total or the resident peak grew by more, such as +2% or +50MiB; each limit counts
    #[arg(long, value_name = "LIMIT", value_parser = parse_limit, help_heading = "Output")]
    fail_on: Vec<Limit>,
    /// Rows per table; the others are one row
    #[arg(long, default_value_t = 12, value_name = "N", help_heading = "Output")]
    top: usize,
    /// Write the comparison as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write it as Markdown; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    markdown: Option<PathBuf>,
    /// Write every changed row as CSV; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    csv: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A language model
    Llm,
    /// A vision tower
    Vit,
    /// A pipeline
    Vlm,
    /// Any model
    Graph,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    args.check_outputs()?;
    args.check_sides()?;
    let [old, new] = [side(args, &args.old)?, side(args, &args.new)?];
    let mut found = diff::build(&old, &new);
    found.exceeded = args.fail_on.iter().flat_map(|limit| limit.exceeded_by(&found)).collect();
    let mut wants_text = true;
    let outputs: [(&Option<PathBuf>, &dyn Fn() -> String); 3] = [
        (&args.json, &|| json::diff(&found)),
        (&args.markdown, &|| diff::markdown::render(&found, args.top)),
        (&args.csv, &|| diff::csv::render(&found)),
    ];
    for (target, render) in outputs {
        if let Some(target) = target {
            output::write(target, &render())?;
            wants_text &= !output::is_stdout(target);
        }
    }
    if wants_text {
        output::print(&diff::text::render(&found, args.top, output::is_colored()))?;
    }
    let is_complete = old.report.is_complete() && new.report.is_complete();
    Ok(match (found.exceeded.is_empty(), is_complete) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::Incomplete,
        (true, true) => Outcome::Fine,
    })
}

fn side(args: &Args, path: &Path) -> Result<Side> {
    let name = path.display().to_string();
    if document::is_json(path) {
        return Ok(Side::of_report(name, json::read(path)?));
    }
    let found = analysis::run(path, &args.request()?).map_err(|error| match args.has_run() {
        false if error.is_unbound_dim() => error.help(
            "give the run: `--seq N` of a language model, `--image WxH` of a vision tower, or `--bind`",
        ),
        _ => error,
    });
    Ok(found?.side(name))
}

impl Args {
    /// Refuses two outputs on standard output: neither could be read.
    fn check_outputs(&self) -> Result<()> {
        let targets = [("--json", &self.json), ("--markdown", &self.markdown), ("--csv", &self.csv)];
        let is_shown = |target: &Option<PathBuf>| target.as_deref().is_some_and(output::is_stdout);
        let names: Vec<&str> =
            targets.into_iter().filter(|(_, target)| is_shown(target)).map(|(name, _)| name).collect();
        match names[..] {
            [first, second, ..] => {
                let message = format!("`{first} -` and `{second} -` both write to standard output");
                Err(Error::new(ErrorKind::Usage, message).help("give a file to one of them"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the run is given.
    fn has_run(&self) -> bool {
        self.command.is_some() || self.seq.is_some() || self.image.is_some()
    }

    /// Refuses a run of two reports: they are not analysed again.
    fn check_sides(&self) -> Result<()> {
        if self.has_run() && document::is_json(&self.old) && document::is_json(&self.new) {
            let message =
                "both sides are reports, and `--command`, `--seq` and `--image` say how a model runs";
            return Err(Error::new(ErrorKind::Usage, message).help("leave them out, or give a model"));
        }
        Ok(())
    }

    fn request(&self) -> Result<Request> {
        let mut request = Request::new(self.task()?);
        request.base = self.binding.scenario().with(|run| {
            run.past = self.past;
            run.image = self.image;
            run.batch = self.batch;
        });
        request.config = self.binding.config().map(Path::to_owned);
        self.runtime.fill(&mut request)?;
        Ok(request)
    }

    fn task(&self) -> Result<Task> {
        let inferred = match (self.seq, self.image) {
            (Some(_), _) => Kind::Llm,
            (None, Some(_)) => Kind::Vit,
            _ => Kind::Graph,
        };
        Ok(match self.command.unwrap_or(inferred) {
            Kind::Graph => Task::Graph,
            Kind::Llm => {
                let message = "a language model needs the length of its prompt";
                let needs = || Error::new(ErrorKind::Usage, message).help("give `--seq N`");
                let part = match self.new_tokens {
                    Some(new_tokens) => Part::Generate { new_tokens },
                    None => Part::Prefill,
                };
                Task::Language { tokens: self.seq.ok_or_else(needs)?, part, max_length: None }
            }
            Kind::Vit => Task::Vision { patches: self.seq, tiles: None, part: None },
            Kind::Vlm => Task::Pipeline {
                patches: self.seq,
                tiles: None,
                text_tokens: self.text_tokens,
                new_tokens: self.new_tokens.unwrap_or(128),
                keeps_vision: true,
            },
        })
    }
}

fn parse_limit(text: &str) -> std::result::Result<Limit, String> {
    Limit::parse(text).ok_or_else(|| format!("\"{text}\" is not a limit; write it as +2% or +50MiB"))
}
