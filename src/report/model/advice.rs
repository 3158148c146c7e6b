//! What follows from a report: the verdict on a budget, what would lower the total, and how accurate it is.

use super::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verdict on `--budget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Budget {
    /// The limit.
    pub limit_bytes: u64,
    /// What of it is left to others.
    pub reserve_bytes: u64,
    /// The largest resident set of all phases, by its upper estimate where there is one.
    pub resident_bytes: u64,
    /// The largest part of it, of all phases, that is not backed by a file, so that it cannot be dropped.
    pub unreclaimable_bytes: u64,
    /// Whether resident set and reserve fit.
    pub verdict: Verdict,
    /// By how much resident set and reserve are below the limit where they fit, and above it otherwise.
    pub by_bytes: u64,
}

/// Options that lower the total, as a second analysis shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Suggestion {
    /// Arguments to add to the command.
    pub options: Vec<String>,
    /// The model to give instead, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the user changes in the application.
    pub what: String,
    /// The total with them.
    pub total_bytes: u64,
    /// The total without them less the total with them.
    pub saves_bytes: u64,
    /// The largest resident set with them, by its upper estimate where there is one.
    pub resident_bytes: u64,
    /// The best combination that was found of the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_combination: bool,
}

/// On how many measured runs of such models the resident set was near.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Accuracy {
    /// The kind of model, as in docs/validated.md.
    pub kind: String,
    /// The instruction set of the processor; empty where the profile has none.
    pub machine: String,
    /// Measured runs of this kind on this machine, under the profile and its version.
    pub runs: u64,
    /// Of these: resident set within 1 %.
    pub within_1_percent: u64,
    /// Of these: resident set within 3 %.
    pub within_3_percent: u64,
    /// Of these: resident set within 10 %.
    pub within_10_percent: u64,
    /// No rule was derived from these runs, so that they say how near estimates of unknown models are.
    pub validated: bool,
}
