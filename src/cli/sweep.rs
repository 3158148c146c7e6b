//! `memgraph sweep`: memory over a range of a length, or over a grid of two.

use super::budget::LimitArgs;
use super::progress::Progress;
use super::run::{RunArgs, parse_dim};
use super::text::Color;
use super::{Outcome, chart, help, output};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::fit::{self, Range, Sweeping};
use memgraph::report::{csv, json, svg, text};
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("A prompt of 128 to 32,768 tokens, doubled", "memgraph sweep qwen2.5-0.5b-fp16 --seq 128..32k"),
    (
        "The same with a budget, as a chart",
        "memgraph sweep qwen2.5-0.5b-fp16 --seq 128..4k:64 --budget 4GiB --svg a.svg",
    ),
    (
        "A grid of lengths and batches",
        "memgraph sweep model.onnx --seq 128..1024:128 --batch 1..8:x2 --csv -",
    ),
    ("Images from 224 to 896 pixels", "memgraph sweep vit-base --image 224..896:32"),
];

/// Memory over a range of a length: each value, the exact polynomial of each piece, and the largest value that fits
///
/// A range is FROM..TO, FROM..TO:STEP or FROM..TO:xN; without a step a wide range is doubled. One length or two may be
/// ranges; two make a grid.
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// A folder with an export, or a model file (.xml, .onnx or .gguf)
    #[arg(help_heading = "Arguments")]
    model: PathBuf,
    /// Vary a free dim
    #[arg(long, value_name = "NAME=FROM..TO", value_parser = parse_dim, help_heading = "Run")]
    dim: Vec<(String, Range)>,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    limit: LimitArgs,
    /// Write the points as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write the points as CSV; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    csv: Option<PathBuf>,
    /// Draw the points as SVG, a grid as a heat map; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    svg: Option<PathBuf>,
    /// Use colours: on a terminal unless NO_COLOR is set, always, or never
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = "Output")]
    color: Color,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let targets =
        [("--svg", args.svg.as_deref()), ("--json", args.json.as_deref()), ("--csv", args.csv.as_deref())];
    output::check_targets(&targets)?;
    let mut axes = args.run.axes(&args.dim).into_iter();
    let usage = |message: &str| {
        Error::new(ErrorKind::Usage, message.to_owned()).help("write a length as a range: `--seq 128..32768`")
    };
    let first = axes.next().ok_or_else(|| usage("no length is a range"))?;
    let mut asked = Sweeping::of(first.0, first.1);
    asked.second = axes.next();
    if axes.next().is_some() {
        return Err(usage("more than two lengths are ranges"));
    }
    asked.limit = args.limit.limit();
    let subject = args.run.subject(&args.model)?;
    let rows = asked.second.as_ref().map_or(Ok(1), |(_, range)| range.values().map(|values| values.len()))?;
    let bar = Progress::new((asked.first.1.values()?.len() * rows) as u64);
    let found = fit::sweep(&subject, &asked, &|| bar.step());
    bar.done();
    let found = found?;
    let mut wants_text = true;
    if let Some(target) = &args.svg {
        output::write(target, &svg::sweep(&found, Some(&chart::this_command())))?;
        wants_text &= !output::is_stdout(target);
    }
    for (target, render) in
        [(&args.json, json::sweep as fn(&_) -> String), (&args.csv, csv::sweep as fn(&_) -> String)]
    {
        if let Some(target) = target {
            output::write(target, &render(&found))?;
            wants_text &= !output::is_stdout(target);
        }
    }
    if wants_text {
        output::print(&text::sweep(&found, args.color.is_on()))?;
    }
    let is_complete =
        found.points.iter().all(|point| point.figures.as_ref().is_none_or(|one| !one.is_lower_bound));
    Ok(if is_complete { Outcome::Fine } else { Outcome::Incomplete })
}
