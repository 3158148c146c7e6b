//! `--profile components`: the published formulas, which need no graph.

use super::Outcome;
use super::options::{Analysis, Binding};
use memgraph::analysis::Analysis as Made;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats;
use memgraph::pipeline::estimate::{self, Estimate};
use memgraph::report;
use memgraph::report::text::Heading;
use std::path::Path;

/// A language model of `tokens` tokens.
pub(super) fn language(analysis: &Analysis, binding: &Binding, model: &Path, tokens: u64) -> Result<Outcome> {
    deliver(analysis, &estimate::language(model, binding.config(), tokens as f64)?, Heading::Llm)
}

/// A vision tower of `patches` patches.
pub(super) fn vision(analysis: &Analysis, binding: &Binding, model: &Path, patches: u64) -> Result<Outcome> {
    deliver(analysis, &estimate::vision(model, binding.config(), patches)?, Heading::Vit)
}

/// A pipeline over `patches` patches.
pub(super) fn pipeline(
    analysis: &Analysis,
    binding: &Binding,
    model: &Path,
    patches: u64,
) -> Result<Outcome> {
    let estimates = estimate::pipeline(model, binding.config(), patches)?;
    let config = estimates.first().map(|estimate| estimate.config.as_path());
    let sha256 = match config.filter(|_| analysis.wants_json()) {
        Some(config) => formats::sha256(config)?,
        None => String::new(),
    };
    let report = report::pipeline::of_estimates(&estimates, &sha256);
    analysis.deliver(Made::of_report(report), Heading::Pipeline)
}

/// The error for an image where the formulas need patches.
#[cold]
pub(super) fn needs_patches() -> Error {
    Error::new(ErrorKind::Usage, "the component formulas need SEQ, a number of patches")
        .help("give the patches over all images, such as 577 or 5*577")
}

fn deliver(analysis: &Analysis, estimate: &Estimate, heading: Heading) -> Result<Outcome> {
    let sha256 = if analysis.wants_json() { formats::sha256(&estimate.config)? } else { String::new() };
    analysis.deliver(Made::of_report(report::estimate::build(estimate, sha256)), heading)
}
