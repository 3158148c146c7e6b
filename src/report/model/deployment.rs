//! What a deployment needs on each device.

use super::Tool;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every scenario on every device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct DeploymentReport {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// A scenario on a device each.
    pub placements: Vec<Placement>,
}

/// One scenario on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Placement {
    /// The scenario.
    pub scenario: String,
    /// The device.
    pub device: String,
    /// `together`, `lazy` or `one-after-the-other`.
    pub mode: String,
    /// Whether it fits.
    pub fits: bool,
    /// Main memory at the highest moment, without the reserve.
    pub ram_bytes: u64,
    /// Video memory at the highest moment, the driver's included.
    pub vram_bytes: u64,
    /// Main memory of the device without its reserve; absent where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ram_limit_bytes: Option<u64>,
    /// Video memory of the device; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vram_limit_bytes: Option<u64>,
    /// Main memory that is left then; negative where it does not fit. Absent without a size of main memory.
    pub ram_left_bytes: Option<i64>,
    /// Video memory that is left then; negative where it does not fit. Absent without a size of video memory.
    pub vram_left_bytes: Option<i64>,
    /// Why a model does not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What would make it fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What the file's source states, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<String>,
    /// The models.
    pub needs: Vec<Need>,
    /// What is in memory over time.
    pub moments: Vec<Moment>,
}

/// What one model takes, all its processes together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Need {
    /// The model.
    pub model: String,
    /// Its processes.
    pub replicas: u64,
    /// Main memory; pages of its files count once.
    pub ram_bytes: u64,
    /// Video memory.
    pub vram_bytes: u64,
    /// How the figures are known: the runtime of an analysis, or a rule.
    pub known: String,
}

/// What is in memory at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Moment {
    /// What happens.
    pub what: String,
    /// Main memory.
    pub ram_bytes: u64,
    /// Video memory, the driver's included.
    pub vram_bytes: u64,
}

/// The best candidate of a catalog that fits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Pick {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The machine's name.
    pub device: String,
    /// Its main memory.
    pub ram_bytes: Option<u64>,
    /// Its video memory.
    pub vram_bytes: Option<u64>,
    /// What of the main memory is left to others.
    pub reserve_bytes: u64,
    /// The name of the best candidate that fits; null where none does.
    pub chosen: Option<String>,
    /// The candidates, the best first.
    pub candidates: Vec<Candidate>,
}

/// One candidate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Candidate {
    /// Its name, with quantization and runtime.
    pub name: String,
    /// Whether it fits.
    pub fits: bool,
    /// Its main memory; absent where it cannot be analysed.
    pub ram_bytes: Option<u64>,
    /// Its video memory.
    pub vram_bytes: Option<u64>,
    /// How the figures are known.
    pub known: String,
    /// Why it does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What would make it fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
