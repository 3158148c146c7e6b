//! What `quick`, `plan` and `verify` report, as data.

use super::{SCHEMA_VERSION, Stop, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An estimate by rules of thumb.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct QuickEstimate {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// What was read, as it was given; absent where numbers were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Parameters; absent where only the length of a file is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Weights, or the file.
    pub weights_bytes: u64,
    /// Where the weights' bytes come from.
    pub weights_rule: String,
    /// Keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_bytes: Option<u64>,
    /// The folk rule's keys and values, with the hidden size in place of the heads that the config states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_folk_bytes: Option<u64>,
    /// Activations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activations_bytes: Option<u64>,
    /// All of it.
    pub total_bytes: u64,
    /// The short form, 1.2 times the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_form_bytes: Option<u64>,
    /// The class of machines that the total goes with.
    pub tier: String,
    /// What the rules do not cover here.
    pub notes: Vec<String>,
}

/// A problem, placed by one planner or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PlannerTable {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The problem, as it was given.
    pub problem: String,
    /// Buffers.
    pub buffers: u64,
    /// The most bytes alive at one step: no arena is smaller.
    pub lower_bound_bytes: u64,
    /// The planners, in the order in which they ran.
    pub plans: Vec<PlannerRow>,
    /// The capacity that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    /// Whether the smallest arena fits it; true without one.
    pub ok: bool,
}

/// What one planner made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PlannerRow {
    /// Its name.
    pub planner: String,
    /// The arena.
    pub arena_bytes: u64,
    /// The bound that the planner proved.
    pub bound_bytes: u64,
    /// Whether no smaller arena is possible.
    pub is_optimal: bool,
    /// Why its search ended; none if it does not search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
}

/// What the geometry checker found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Verification {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The plan, as it was given.
    pub plan: String,
    /// Buffers.
    pub buffers: u64,
    /// The arena.
    pub arena_bytes: u64,
    /// What is wrong, one sentence each.
    pub violations: Vec<String>,
    /// The capacity that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    /// Whether nothing is wrong and the arena fits the capacity.
    pub ok: bool,
}

impl Default for QuickEstimate {
    fn default() -> QuickEstimate {
        QuickEstimate {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            source: None,
            parameters: None,
            weights_bytes: 0,
            weights_rule: String::new(),
            kv_cache_bytes: None,
            kv_cache_folk_bytes: None,
            activations_bytes: None,
            total_bytes: 0,
            short_form_bytes: None,
            tier: String::new(),
            notes: Vec::new(),
        }
    }
}

impl PlannerTable {
    /// A table without planners.
    #[must_use]
    pub fn new(problem: String, buffers: u64, lower_bound_bytes: u64) -> PlannerTable {
        PlannerTable {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            problem,
            buffers,
            lower_bound_bytes,
            plans: Vec::new(),
            capacity_bytes: None,
            ok: true,
        }
    }
}

impl Verification {
    /// A plan in which nothing is wrong.
    #[must_use]
    pub fn new(plan: String, buffers: u64, arena_bytes: u64) -> Verification {
        Verification {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            plan,
            buffers,
            arena_bytes,
            violations: Vec::new(),
            capacity_bytes: None,
            ok: true,
        }
    }
}
