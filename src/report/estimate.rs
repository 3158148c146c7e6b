//! From the published component estimate to the one report.

use super::model::{self, Report, SCHEMA_VERSION};
use crate::closed_form::components;
use crate::pipeline::estimate::Estimate;
use crate::scenario::Task;
use crate::schedule::Known;

/// What the formulas take for granted.
const ASSUMPTIONS: [(&str, &str); 4] = [
    (
        "one-block",
        "the outputs of one attention block's operators, at 2 bytes per element, serve all blocks; norms, o_proj and \
         down_proj reuse them",
    ),
    ("rope-not-in-place", "rotary embeddings write q and k to new memory, and their tables are f32"),
    ("inputs-on-device", "a model's input takes 4 bytes per element of the hidden state"),
    (
        "kv-cache-of-one-byte",
        "the cache is counted at one byte per element for prompt and 360 tokens, without the factor of 2 for keys and \
         values",
    ),
];

/// The report of one estimate.
#[must_use]
pub fn build(estimate: &Estimate, sha256: String) -> Report {
    let bytes = |name: &str| {
        estimate.parts.iter().filter(|part| part.name == name).map(|part| part.bytes).sum::<crate::Bytes>()
    };
    let temp = components::sum(&estimate.parts);
    let (kv_cache, io) = (bytes("kv_cache"), bytes("input") + bytes("logits"));
    let weights = estimate.weights.unwrap_or_default();
    let largest = estimate.parts.iter().map(|part| part.bytes).max().unwrap_or_default();
    let known = if estimate.weights.is_some() { Known::Assumed } else { Known::LowerBound };
    let phase = if estimate.task == Task::Llm { "prefill" } else { "infer" };
    let rows = estimate.parts.iter().map(|part| (part.name, part.bytes.0)).chain([("weights", weights.0)]);
    let mut breakdown: Vec<model::Share> = rows
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(name, bytes)| model::Share {
            by: model::By::Component,
            key: name.to_owned(),
            bytes,
            weights_bytes: if name == "weights" { bytes } else { 0 },
            weights_file_bytes: if name == "weights" { bytes } else { 0 },
            state_bytes: if name == "kv_cache" { bytes } else { 0 },
            at_peak_bytes: bytes,
        })
        .collect();
    breakdown.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.key.cmp(&b.key)));
    Report {
        schema_version: SCHEMA_VERSION,
        tool: model::Tool::this(),
        model: model::Model {
            path: estimate.model.display().to_string(),
            file: estimate.model.display().to_string(),
            format: "config.json".to_owned(),
            sha256,
            ..model::Model::default()
        },
        scenario: model::Scenario {
            task: estimate.task.into(),
            batch: Some(1),
            prompt: Some(estimate.length as u64),
            ..model::Scenario::default()
        },
        profile: model::Profile {
            name: "components".to_owned(),
            version: "2025-09-10".to_owned(),
            ..model::Profile::default()
        },
        assumptions: ASSUMPTIONS
            .map(|(rule, text)| model::Assumption { rule: rule.to_owned(), text: text.to_owned() })
            .into(),
        accuracy: Some(model::Accuracy { kind: "closed form".to_owned(), ..model::Accuracy::default() }),
        diagnostics: missing_weights(estimate).into_iter().collect(),
        totals: model::Totals {
            weights_file_bytes: weights.0,
            arena_bytes: (temp - kv_cache - io).0,
            io_bytes: io.0,
            kv_cache_bytes: kv_cache.0,
            temp_bytes: temp.0,
            total_bytes: estimate.total().0,
            lower_bound_bytes: (temp - kv_cache - io).0,
            largest_allocation_bytes: largest.0,
            known: known.into(),
            ..model::Totals::default()
        },
        phases: vec![model::Phase {
            name: phase.to_owned(),
            heap_peak_bytes: temp.0,
            resident_peak_bytes: estimate.total().0,
            file_resident_bytes: weights.0,
            ..model::Phase::default()
        }],
        breakdown,
        ..Report::default()
    }
}

fn missing_weights(estimate: &Estimate) -> Option<model::Diagnostic> {
    estimate.weights.is_none().then(|| model::Diagnostic {
        code: "MG0101".to_owned(),
        severity: model::Severity::Incomplete,
        r#where: estimate.model.display().to_string(),
        text: "no weights file (.bin) of this part: weights are not counted, the total is a lower bound"
            .to_owned(),
    })
}
