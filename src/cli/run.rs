//! What runs, whatever kind of model it is of: lengths as numbers or ranges, and the options of the kinds.

use super::options::Binding;
use super::runtime::RuntimeArgs;
use clap::{Args, ValueEnum};
use memgraph::analysis::{Kind, Request, Task};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::fit::{self, Axis, Range, Subject};
use memgraph::scenario::parse::{parse_image, parse_length, parse_number};
use std::path::{Path, PathBuf};

/// A run of a model, in which lengths may be ranges.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(super) struct RunArgs {
    /// What the model is run as [default: what its inputs say]
    #[arg(long, value_enum, value_name = "KIND")]
    task: Option<Which>,
    /// Tokens of the prompt, or patches over all images
    #[arg(long, value_name = "N", value_parser = parse_setting)]
    seq: Option<Setting>,
    /// Sequences or images side by side
    #[arg(long, value_name = "N", value_parser = parse_setting)]
    batch: Option<Setting>,
    /// Width and height of one image, or a range of sides of square ones
    #[arg(long, value_name = "WxH", value_parser = parse_image_setting)]
    image: Option<Setting>,
    /// Tokens cached before the prompt
    #[arg(long, value_name = "N", value_parser = parse_setting)]
    past: Option<Setting>,
    /// Tokens that are generated; of a language model this analyses the whole generation
    #[arg(long, value_name = "N", value_parser = parse_setting)]
    new_tokens: Option<Setting>,
    /// Of a pipeline: tokens of the prompt apart from the image's
    #[arg(long, value_name = "N", value_parser = parse_setting)]
    text_tokens: Option<Setting>,
    /// Which part of a generation of a language model
    #[arg(long, value_enum)]
    phase: Option<Phase>,
    /// Which part of a vision tower in several files, by file name
    #[arg(long, value_name = "FILE")]
    part: Option<String>,
    /// Of a pipeline: free the vision tower after it ran
    #[arg(long)]
    free_vision: bool,
    #[command(flatten)]
    binding: Binding,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// A length of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Fixed(u64),
    Image(u64, u64),
    Varied(Range),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// A language model
    Llm,
    /// A vision tower
    Vit,
    /// A vision-language pipeline
    Vlm,
    /// Any other model
    Graph,
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

impl RunArgs {
    /// Reads a model, with the run that the options describe; lengths that are ranges are left open.
    pub(super) fn subject(&self, model: &Path) -> Result<Subject> {
        let mut base = Request::new(Task::Graph);
        base.base = self.binding.scenario();
        base.config = self.binding.config().map(PathBuf::from);
        self.runtime.fill(&mut base)?;
        let kind = self.task.map(|task| match task {
            Which::Llm => Kind::Language,
            Which::Vit => Kind::Vision,
            Which::Vlm => Kind::Pipeline,
            Which::Graph => Kind::Graph,
        });
        let mut subject = Subject::open(model, base, kind)?;
        let fixed = |setting: Option<Setting>| match setting {
            Some(Setting::Fixed(value)) => Some(value),
            _ => None,
        };
        let run = &mut subject.run;
        run.seq = fixed(self.seq);
        run.batch = fixed(self.batch);
        run.past = fixed(self.past);
        run.new_tokens = fixed(self.new_tokens);
        run.text_tokens = fixed(self.text_tokens);
        run.image = match self.image {
            Some(Setting::Image(width, height)) => Some((width, height)),
            Some(Setting::Fixed(side)) => Some((side, side)),
            _ => None,
        };
        run.phase = self.phase.map(|phase| match phase {
            Phase::Prefill => fit::Phase::Prefill,
            Phase::Decode => fit::Phase::Decode,
            Phase::Generate => fit::Phase::Generate,
        });
        run.part.clone_from(&self.part);
        run.frees_vision = self.free_vision;
        Ok(subject)
    }

    /// The axes: the lengths that are ranges, in the order of the options, then the dims that are.
    pub(super) fn axes(&self, dims: &[(String, Range)]) -> Vec<(Axis, Range)> {
        let settings = [
            (Axis::Seq, self.seq),
            (Axis::Image, self.image),
            (Axis::Past, self.past),
            (Axis::NewTokens, self.new_tokens),
            (Axis::TextTokens, self.text_tokens),
            (Axis::Batch, self.batch),
        ];
        let lengths = settings.into_iter().filter_map(|(axis, setting)| match setting {
            Some(Setting::Varied(range)) => Some((axis, range)),
            _ => None,
        });
        lengths.chain(dims.iter().map(|(name, range)| (Axis::Dim(name.clone()), *range))).collect()
    }

    /// Refuses ranges, where a command finds the values itself.
    pub(super) fn check_fixed(&self) -> Result<()> {
        match self.axes(&[]).first() {
            None => Ok(()),
            Some((axis, _)) => {
                let message = format!("`--{axis}` is a range, and this command finds the value itself");
                Err(Error::new(ErrorKind::Usage, message)
                    .help(format!("use `--vary {axis}`, or `memgraph sweep` for every value of a range")))
            }
        }
    }
}

fn parse_setting(text: &str) -> std::result::Result<Setting, String> {
    if text.contains("..") {
        return parse_range(text).map(Setting::Varied);
    }
    match text {
        "0" => parse_number(text).map(Setting::Fixed),
        _ => parse_length(text).map(Setting::Fixed),
    }
}

fn parse_image_setting(text: &str) -> std::result::Result<Setting, String> {
    if text.contains("..") {
        return parse_range(text).map(Setting::Varied);
    }
    if text.contains(['x', 'X']) {
        return parse_image(text).map(|(width, height)| Setting::Image(width, height));
    }
    parse_length(text).map(Setting::Fixed)
}

/// Parses `128..32768`, with `:STEP` or `:xN` behind it.
pub(super) fn parse_range(text: &str) -> std::result::Result<Range, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

/// Parses `NAME=128..1024`.
pub(super) fn parse_dim(text: &str) -> std::result::Result<(String, Range), String> {
    let (name, range) = text.rsplit_once('=').ok_or("give NAME=FROM..TO")?;
    Ok((name.to_owned(), parse_range(range)?))
}
