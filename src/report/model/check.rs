//! What `check` found, as data.

use super::{SCHEMA_VERSION, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The checks of one memgraph.toml.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Checks {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The memgraph.toml, as it was given.
    pub config: String,
    /// A row per figure that was checked, in the order of the file.
    pub checks: Vec<Check>,
    /// Rows that are not ok.
    pub failed: u64,
    /// Baselines that `--update` wrote, or would write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updated: Vec<Updated>,
}

/// One figure against its limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Check {
    /// The check's name.
    pub name: String,
    /// Its model.
    pub model: String,
    /// What the figure is checked against.
    pub kind: CheckKind,
    /// The figure: `resident`, `heap`, `total`, `weights`; with a measured figure's name: `openvino: total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<String>,
    /// The figure's bytes; absent without a report.
    pub value: Option<u64>,
    /// The budget, the baseline's bytes, or the measured bytes.
    pub limit: Option<u64>,
    /// The value over the limit: of a measured figure predicted over measured.
    pub ratio: Option<f64>,
    /// Whether the figure is within its limit or tolerance; true where none was given.
    pub ok: bool,
    /// Whether there is a limit or a tolerance.
    pub judged: bool,
    /// What was found; of a failed analysis the error, in several lines.
    pub message: String,
    /// Line of the check in the memgraph.toml, from 1.
    pub line: u32,
}

/// A baseline that was written again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Updated {
    /// The check's name.
    pub name: String,
    /// The file.
    pub file: String,
    /// What changed, as text; empty where the file is new or nothing changed.
    pub change: String,
}

impl Checks {
    /// Counts the failures of some rows.
    #[must_use]
    pub fn new(config: String, checks: Vec<Check>, updated: Vec<Updated>) -> Checks {
        let failed = checks.iter().filter(|check| !check.ok).count() as u64;
        Checks { schema_version: SCHEMA_VERSION, tool: Tool::this(), config, checks, failed, updated }
    }

    /// The rows that are not ok.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.ok)
    }

    /// `12 of 40 checks failed`, or `40 checks passed`.
    #[must_use]
    pub fn summary(&self) -> String {
        let all = self.checks.len();
        let plural = if all == 1 { "" } else { "s" };
        match self.failed {
            0 => format!("{all} check{plural} passed"),
            failed => format!("{failed} of {all} check{plural} failed"),
        }
    }
}

super::words::words! {
    /// What a figure is checked against.
    CheckKind {
        /// A number of bytes that it may not exceed.
        Budget = "budget",
        /// The same figure of an earlier report.
        Baseline = "baseline",
        /// What was measured.
        Measured = "measured",
        /// Nothing: whether the analysis itself succeeds.
        #[default]
        Analysis = "analysis",
    }
}
