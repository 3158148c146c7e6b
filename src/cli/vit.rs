//! `memgraph vit`: a vision tower.

use super::options::{Analysis, Binding, parse_image, parse_length};
use super::{EXIT_STATUS, Outcome, components};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats;
use memgraph::phases::PhaseName;
use memgraph::pipeline::vit;
use memgraph::scenario::Scenario;
use std::path::PathBuf;

/// A vision tower of SEQ patches over all images, or of one image of WxH pixels
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// A folder with an export, an .xml or an .onnx
    model: PathBuf,
    /// Patches over all images; a product such as 5*577 is taken too
    #[arg(value_parser = parse_length, required_unless_present = "image")]
    seq: Option<u64>,
    /// Width and height of the image in pixels
    #[arg(long, value_name = "WxH", value_parser = parse_image)]
    image: Option<(u64, u64)>,
    /// Images side by side
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
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
    if args.analysis.is_components() {
        let patches = args.seq.ok_or_else(|| {
            Error::new(ErrorKind::Usage, "the component formulas need SEQ, and only `--image` was given")
                .help("give the patches over all images, such as 577 or 5*577")
        })?;
        return components::vision(&args.analysis, &args.binding, &args.model, patches);
    }
    let files = vit::files(&args.model)?;
    let is_asked = |file: &PathBuf| {
        args.part.as_ref().is_none_or(|part| file.file_name().is_some_and(|name| name == part.as_str()))
    };
    let wanted: Vec<&PathBuf> = files.iter().filter(|file| is_asked(file)).collect();
    if wanted.is_empty() {
        let names: Vec<_> =
            files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy()).collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the tower has no part \"{}\"", args.part.as_deref().unwrap_or_default()),
        )
        .in_file(&args.model)
        .help(format!("parts: {}", names.join(", "))));
    }
    if wanted.len() > 1 && args.analysis.writes_files() {
        let names: Vec<_> =
            wanted.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy()).collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the tower has {} parts, and each has its own report", wanted.len()),
        )
        .in_file(&args.model)
        .help(format!("choose one with `--part FILE`: {}", names.join(", "))));
    }
    let base = Scenario { image: args.image, batch: args.batch, ..args.binding.scenario(&args.model)? };
    let scenario = vit::scenario(&base, args.seq)?;
    let mut outcome = Outcome::Fine;
    for file in wanted {
        let graph = formats::open(file)?;
        let report = args.analysis.analyze(&graph, &[(PhaseName::Infer, scenario.clone())])?;
        if args.analysis.deliver(&report, "VIT")? == Outcome::Incomplete {
            outcome = Outcome::Incomplete;
        }
    }
    Ok(outcome)
}
