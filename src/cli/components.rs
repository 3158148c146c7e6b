//! `--profile components`: the published formulas, which need no graph.

use super::Outcome;
use super::options::{Analysis, Binding};
use memgraph::error::Result;
use memgraph::formats;
use memgraph::pipeline::estimate::{self, Estimate};
use memgraph::report;
use std::path::Path;

/// A language model of `tokens` tokens.
pub(super) fn language(analysis: &Analysis, binding: &Binding, model: &Path, tokens: u64) -> Result<Outcome> {
    deliver(analysis, &estimate::language(model, binding.config(), tokens as f64)?, "LLM")
}

/// A vision tower of `patches` patches.
pub(super) fn vision(analysis: &Analysis, binding: &Binding, model: &Path, patches: u64) -> Result<Outcome> {
    deliver(analysis, &estimate::vision(model, binding.config(), patches)?, "VIT")
}

fn deliver(analysis: &Analysis, estimate: &Estimate, heading: &str) -> Result<Outcome> {
    let sha256 = if analysis.wants_json() { formats::sha256(&estimate.config)? } else { String::new() };
    analysis.deliver(&analysis.findings(report::estimate::build(estimate, sha256))?, heading)
}
