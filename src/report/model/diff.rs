//! Two reports side by side, as data.

use super::{By, Class, SCHEMA_VERSION, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What changed from one report to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Diff {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The first model or report, as it was given.
    pub old: String,
    /// The second one.
    pub new: String,
    /// The fields of [`Totals`](super::Totals) by name, and `resident_peak_bytes`, the largest resident set of all phases by
    /// its upper estimate where there is one.
    pub totals: BTreeMap<String, Delta>,
    /// Peaks by phase, in the order of the second report.
    pub phases: Vec<PhaseDelta>,
    /// What changed at the peak, the largest change of each group first; the rows of one `by` add up to the delta of
    /// `total_bytes`.
    pub rows: Vec<DiffRow>,
    /// Keys that have the same bytes on both sides, by `by`.
    pub unchanged: BTreeMap<Grouping, u64>,
    /// What the reader has to know to compare the two: other lengths, another profile, a peak in another place.
    pub notes: Vec<String>,
    /// The limits that were exceeded, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceeded: Vec<String>,
}

/// One figure on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Delta {
    /// Bytes of the first report.
    pub old: u64,
    /// Bytes of the second.
    pub new: u64,
    /// The second less the first.
    pub delta: i64,
}

/// The peaks of one phase on both sides; 0 where the phase is not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PhaseDelta {
    /// Its name.
    pub name: String,
    /// Anonymous bytes.
    pub heap_peak_bytes: Delta,
    /// The resident set, by its upper estimate where there is one.
    pub resident_peak_bytes: Delta,
}

/// One key of a breakdown on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct DiffRow {
    /// What the breakdown groups by.
    pub by: Grouping,
    /// Which one; of a node, its name in the second report.
    pub key: String,
    /// Its name in the first report, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_key: Option<String>,
    /// Bytes at the peak of the first report.
    pub old: u64,
    /// Bytes at the peak of the second.
    pub new: u64,
    /// The second less the first.
    pub delta: i64,
    /// Whether both sides have the key.
    pub status: Status,
}

impl Delta {
    /// Both sides of a figure.
    #[must_use]
    pub fn of(old: u64, new: u64) -> Delta {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Delta { old, new, delta: signed(new).saturating_sub(signed(old)) }
    }
}

impl Diff {
    /// A comparison without figures.
    #[must_use]
    pub fn new(old: String, new: String) -> Diff {
        Diff {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            old,
            new,
            totals: BTreeMap::new(),
            phases: Vec::new(),
            rows: Vec::new(),
            unchanged: BTreeMap::new(),
            notes: Vec::new(),
            exceeded: Vec::new(),
        }
    }

    /// One of the totals by its name; zero where there is none.
    #[must_use]
    pub fn total(&self, name: &str) -> Delta {
        self.totals.get(name).copied().unwrap_or_default()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.totals.values().all(|total| total.delta == 0)
    }
}

super::words::words! {
    /// What the rows of a comparison are.
    Grouping {
        /// Storage classes.
        Class = "class",
        /// Parts of the model.
        #[default]
        Component = "component",
        /// Attention blocks.
        Layer = "layer",
        /// Nodes.
        Node = "node",
        /// Operator types.
        Op = "op",
    }
    /// Which sides have a key.
    Status {
        /// Both, with other bytes.
        #[default]
        Changed = "changed",
        /// The second alone.
        New = "new",
        /// The first alone.
        Gone = "gone",
    }
}

impl From<By> for Grouping {
    fn from(by: By) -> Grouping {
        match by {
            By::Node => Grouping::Node,
            By::Op => Grouping::Op,
            By::Component => Grouping::Component,
            By::Layer => Grouping::Layer,
        }
    }
}

/// Storage classes of a report's totals, in their order, as fields of [`Totals`](super::Totals) have them.
pub(crate) fn classes(totals: &super::Totals) -> [(&'static str, u64); 9] {
    [
        (Class::WeightsFile.name(), totals.weights_file_bytes),
        (Class::WeightsAnonymous.name(), totals.weights_anonymous_bytes),
        (Class::Arena.name(), totals.arena_bytes),
        (Class::Dynamic.name(), totals.dynamic_bytes),
        (Class::Io.name(), totals.io_bytes),
        (Class::KvCache.name(), totals.kv_cache_bytes),
        (Class::State.name(), totals.state_bytes),
        (Class::Scratch.name(), totals.scratch_bytes),
        (Class::Runtime.name(), totals.runtime_bytes),
    ]
}
