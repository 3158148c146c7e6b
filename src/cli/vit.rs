//! `memgraph vit`: a vision tower.

use super::options::{Analysis, Binding};
use super::parse::{Length, parse_image, parse_tiles};
use super::{EXIT_STATUS, Outcome, components};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats::{self, preprocessor};
use memgraph::phases::PhaseName;
use memgraph::pipeline::parts::{self, Part};
use memgraph::pipeline::{self, misfit, vlm};
use memgraph::scenario::Scenario;
use std::path::{Path, PathBuf};

/// A vision tower of SEQ patches over all images, or of one image of WxH pixels
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// A folder with an export, an .xml or an .onnx
    model: PathBuf,
    /// Patches over all images; a product such as 5*577 is taken too
    #[arg(value_parser = parse_tiles, required_unless_present = "image")]
    seq: Option<Length>,
    /// Width and height of the image in pixels
    #[arg(long, value_name = "WxH", value_parser = parse_image, conflicts_with = "seq")]
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
    if args.analysis.is_components()? {
        let patches = args.seq.map(|seq| seq.total).ok_or_else(components::needs_patches)?;
        return components::vision(&args.analysis, &args.binding, &args.model, patches);
    }
    let all = parts::of_vision(&args.model)?;
    let names: Vec<String> = all.iter().map(|part| file_name(&part.file)).collect();
    let is_asked = |part: &Part| args.part.as_ref().is_none_or(|asked| file_name(&part.file) == *asked);
    let mut wanted: Vec<Part> = all.into_iter().filter(is_asked).collect();
    let base = Scenario { image: args.image, batch: args.batch, ..args.binding.scenario(&args.model)? };
    let request = vlm::Request {
        patches: args.seq.map(|seq| seq.total),
        tiles: args.seq.and_then(|seq| seq.tiles),
        settings: preprocessor::read(pipeline::folder(&args.model), args.binding.config())?,
        ..vlm::Request::default()
    };
    match wanted.len() {
        0 => Err(Error::new(
            ErrorKind::Usage,
            format!("the tower has no part \"{}\"", args.part.as_deref().unwrap_or_default()),
        )
        .in_file(&args.model)
        .help(format!("parts: {}", names.join(", ")))),
        1 => {
            let (scenario, assumptions) = vlm::vision(&base, &request)?;
            let graph = formats::open(&wanted.remove(0).file)?;
            misfit::check(&graph, &base, &request, &scenario)?;
            let findings = args.analysis.analyze(&graph, &[(PhaseName::Infer, scenario)]);
            let mut findings = findings.map_err(|error| misfit::explain(error, &graph, &base, &request))?;
            findings.assume(assumptions);
            args.analysis.deliver(&findings, "VIT")
        }
        _ => {
            let findings = args.analysis.analyze_pipeline(wanted, &base, &request, &args.model, true)?;
            args.analysis.deliver(&findings, "VIT")
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
