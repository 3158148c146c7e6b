//! Memory over a range of a length, and the largest that fits a budget.

use super::{SCHEMA_VERSION, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Figures {
    /// Everything, at the highest phase by storage.
    pub total_bytes: u64,
    /// The largest number of anonymous bytes of all phases.
    pub heap_peak_bytes: u64,
    /// The largest resident set of all phases, by its upper estimate where there is one: what a budget is compared with.
    pub resident_peak_bytes: u64,
    /// Keys and values kept between tokens, at the highest phase.
    pub kv_cache_bytes: u64,
    /// The planned arena of that phase, blocks that grow included.
    pub arena_bytes: u64,
    /// The phase of the highest pressure.
    pub phase: String,
    /// The node of the highest pressure; empty where nothing runs.
    pub node: String,
    /// The total misses tensors of unknown size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_lower_bound: bool,
}

/// One point of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Point {
    /// The value of the axis.
    pub value: u64,
    /// The value of the second axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value2: Option<u64>,
    /// What was found; absent where the analysis failed.
    #[serde(flatten)]
    pub figures: Option<Figures>,
    /// The peak is at another node than at the point before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Why the analysis failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Neighbouring points whose totals one polynomial gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Piece {
    /// The value of the first point.
    pub from: u64,
    /// The value of the last point.
    pub to: u64,
    /// The value of the second axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value2: Option<u64>,
    /// Coefficients of the total in bytes, the constant first; null where no polynomial of degree 2 or less gives every point
    /// of the piece.
    pub polynomial: Option<[f64; 3]>,
    /// The same as fractions, where a coefficient is not a whole number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fractions: Option<[String; 3]>,
    /// The node of the highest pressure at every point.
    pub node: String,
}

/// The largest value of an axis that fits a budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct FitRow {
    /// The axis.
    pub vary: String,
    /// The largest value that fits; null where none does.
    pub largest: Option<u64>,
    /// The first value over the largest, which does not fit; null where the model's own limit comes first.
    pub first_that_fails: Option<u64>,
    /// `memory`, or `model`: the model takes no larger value.
    pub limited_by: String,
    /// The resident set at the largest value; at the smallest one where none fits.
    pub resident_bytes: Option<u64>,
    /// The resident set at the first value that does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails_with_bytes: Option<u64>,
    /// Of layers on devices, the devices' memory at the largest value, which the budget is compared with; at the smallest
    /// one where none fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_bytes: Option<u64>,
    /// The devices' memory at the first value that does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails_with_device_bytes: Option<u64>,
    /// The node of the peak at the first value that does not fit, else at the largest.
    pub node: Option<String>,
    /// The command that analyses the largest value.
    pub command: Option<String>,
    /// A smaller value than the largest that does not fit: the memory does not always grow with the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails_below: Option<u64>,
    /// The runtime and its version.
    pub profile: String,
    /// A total that was compared misses tensors of unknown size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_lower_bound: bool,
    /// Analyses that were made.
    pub analyses: u64,
    /// What limits the value, where that is not the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Memory over one axis or two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Sweep {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The model, as the user named it.
    pub model: String,
    /// The runtime and its version.
    pub profile: String,
    /// The axis.
    pub vary: String,
    /// The second axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vary2: Option<String>,
    /// The limit, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_bytes: Option<u64>,
    /// What of it is left to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_bytes: Option<u64>,
    /// The largest value within the range that fits the limit, for each value of the second axis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fits: Vec<FitRow>,
    /// The points, those of the first axis next to each other.
    pub points: Vec<Point>,
    /// Pieces of the total along the first axis.
    pub pieces: Vec<Piece>,
}

/// The largest values that fit a budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Fit {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The model, as the user named it.
    pub model: String,
    /// The runtime and its version.
    pub profile: String,
    /// The limit.
    pub budget_bytes: u64,
    /// What of it is left to others.
    pub reserve_bytes: u64,
    /// A row per axis.
    pub fits: Vec<FitRow>,
}

impl Fit {
    /// Rows of a model; the limit is left open.
    #[must_use]
    pub fn of(model: String, fits: Vec<FitRow>) -> Fit {
        let profile = fits.first().map(|row| row.profile.clone()).unwrap_or_default();
        Fit { schema_version: SCHEMA_VERSION, tool: Tool::this(), model, profile, fits, ..Fit::default() }
    }
}
