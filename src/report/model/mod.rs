//! The report as data: the one shape of the JSON, under every flag.
//!
//! The only types of the crate that serialize. Sizes are raw bytes; names carry their units.

mod advice;
mod check;
mod comparison;
mod deployment;
mod diff;
pub mod dump;
mod sweep;
mod tables;
mod words;

pub use advice::{Accuracy, Budget, Suggestion};
pub use check::{Check, CheckKind, Checks, Updated};
pub use comparison::{Comparison, FusionGroup, Pair};
pub use deployment::{Candidate, DeploymentReport, Moment, Need, Pick, Placement};
pub(crate) use diff::classes;
pub use diff::{Delta, Diff, DiffRow, Grouping, PhaseDelta, Status};
pub use sweep::{Figures, Fit, FitRow, Piece, Point, Sweep};
pub use tables::{PlannerRow, PlannerTable, QuickEstimate, Verification};
pub use words::{By, Class, Known, Role, Severity, Stop, Task, Verdict};

use crate::error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised whenever a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// How much memory a run needs, when, and because of which node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Report {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// The part of a pipeline that this report is of; absent where it is of a whole model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
    /// The model.
    pub model: Model,
    /// What the run looks like.
    pub scenario: Scenario,
    /// The rules that were applied.
    pub profile: Profile,
    /// What was assumed.
    pub assumptions: Vec<Assumption>,
    /// Problems that did not end the analysis.
    pub diagnostics: Vec<Diagnostic>,
    /// The highest phase by storage; the categories add up to the total.
    pub totals: Totals,
    /// The verdict on `--budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What would lower the total, the largest saving first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
    /// How near such estimates were to measured runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// Peaks by phase.
    pub phases: Vec<Phase>,
    /// The step of the highest pressure, and what is alive there.
    pub peak: Peak,
    /// What is allocated at the peak, equal sizes together.
    pub blocks: Vec<Block>,
    /// Memory by component, operator, layer or node.
    pub breakdown: Vec<Share>,
    /// How the arena was laid out.
    pub planner: Planner,
    /// Memory by type of buffer, as llama.cpp reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llama_cpp: Option<BufferTypes>,
    /// The reports of a pipeline's parts, in the order in which they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Report>,
    /// The written graph next to the executed one, with `--compare graph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Every step, with `--json-full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
    /// Every planned buffer, with `--json-full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffers: Option<Vec<Buffer>>,
}

/// The program that wrote a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    #[must_use]
    pub fn this() -> Tool {
        Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// A part of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Component {
    /// Its name: `vision_embeddings_merger`.
    pub name: String,
    /// What it does.
    pub role: Role,
}

/// The model that was analysed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Model {
    /// The file or folder, as the user named it.
    pub path: String,
    /// The file that the graph was read from; of a pipeline the folder.
    #[serde(default)]
    pub file: String,
    /// Its format.
    pub format: String,
    /// SHA-256 of the graph file, in hex.
    pub sha256: String,
    /// Nodes, bodies included.
    pub nodes: u64,
    /// Tensors, bodies included.
    pub tensors: u64,
}

/// What the run looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Scenario {
    /// What kind of run it is.
    pub task: Task,
    /// Sequences side by side, where the task has a batch.
    pub batch: Option<u64>,
    /// Tokens (or patches) of the first pass.
    pub prompt: Option<u64>,
    /// Tokens cached before it.
    pub past: u64,
    /// Of a pipeline: patches over all images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patches: Option<u64>,
    /// Of a pipeline: tokens that the images take in the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tokens: Option<u64>,
    /// Every input's shape in the first phase.
    pub inputs: BTreeMap<String, Vec<u64>>,
    /// Every dim that the scenario bound: `input_ids.1` → 1813.
    pub bindings: BTreeMap<String, u64>,
}

/// The rules that were applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Profile {
    /// Name for `--profile`.
    pub name: String,
    /// Version of the runtime that the rules are true of.
    pub version: String,
    /// Options that change the numbers.
    pub options: BTreeMap<String, String>,
}

/// An assumption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Assumption {
    /// Short, stable name.
    pub rule: String,
    /// One sentence.
    pub text: String,
}

/// A problem that did not end the analysis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Stable code.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// File, line, layer.
    pub r#where: String,
    /// One sentence.
    pub text: String,
}

impl From<&error::Diagnostic> for Diagnostic {
    fn from(found: &error::Diagnostic) -> Diagnostic {
        Diagnostic {
            code: found.code.to_owned(),
            severity: found.severity.into(),
            r#where: found.location.to_string(),
            text: found.text.clone(),
        }
    }
}

/// Bytes by storage. Every field up to `runtime_bytes` is a category; the categories add up to `total_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Totals {
    /// Constants in pages of their file.
    pub weights_file_bytes: u64,
    /// Constants copied, converted or packed.
    pub weights_anonymous_bytes: u64,
    /// The planned arena.
    pub arena_bytes: u64,
    /// Blocks that grow with the shapes.
    pub dynamic_bytes: u64,
    /// Model inputs and outputs.
    pub io_bytes: u64,
    /// Keys and values kept between tokens.
    pub kv_cache_bytes: u64,
    /// Other state.
    pub state_bytes: u64,
    /// Workspace outside of the arena.
    pub scratch_bytes: u64,
    /// The runtime's own objects.
    pub runtime_bytes: u64,
    /// All but the weights.
    pub temp_bytes: u64,
    /// Everything.
    pub total_bytes: u64,
    /// The same where all sizes that depend on data are at their least; absent where that is the total itself, or is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_total_bytes: Option<u64>,
    /// The highest pressure: no arena can be smaller.
    pub lower_bound_bytes: u64,
    /// The largest single allocation.
    pub largest_allocation_bytes: u64,
    /// How the total is known.
    pub known: Known,
    /// Tensors of unknown size, which no sum counts; of the phase that has the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_tensors: Option<u64>,
    /// Of a pipeline: the sum of its parts' totals, each at its own highest, whether they are ever there together or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_sum_bytes: Option<u64>,
}

/// The peak of one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Phase {
    /// `load`, `compile`, `prefill`, `decode` or `infer`; of a pipeline also `vision`, `projection`, `text_embedding`.
    pub name: String,
    /// Anonymous bytes that the runtime has allocated at the peak; the user's inputs are not counted.
    pub heap_peak_bytes: u64,
    /// The same where all sizes that depend on data are at their least; absent where that is the peak itself, or is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_peak_least_bytes: Option<u64>,
    /// The same and the file-backed pages.
    pub resident_peak_bytes: u64,
    /// The same where all sizes that depend on data are at their least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_peak_least_bytes: Option<u64>,
    /// The same where the C library's heap keeps the least that it can of what was freed; absent where that is the figure
    /// itself, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_peak_lower_bytes: Option<u64>,
    /// The same where the C library's heap keeps the most that it can of what was freed; absent where it does not matter or
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_peak_upper_bytes: Option<u64>,
    /// How the resident set is known.
    #[serde(default)]
    pub resident_known: Known,
    /// File-backed pages.
    pub file_resident_bytes: u64,
    /// Tokens of a sequence once the phase has run, those of earlier phases included; absent where nothing is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Step of the peak; absent where nothing runs.
    pub step: Option<u64>,
    /// Node of that step.
    pub node: Option<String>,
    /// The node's operator type, as the file spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Of a pipeline: the part that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Of a pipeline: all bytes that each part holds, inputs and file-backed pages included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, u64>,
    /// Of these: weights, mapped and anonymous.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held_weights: BTreeMap<String, u64>,
}

/// The step of the highest pressure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Peak {
    /// Its phase.
    pub phase: String,
    /// Its step.
    pub step: u64,
    /// The node that runs there.
    pub node: String,
    /// What is alive there, largest first; weights are not listed.
    pub live: Vec<Live>,
}

/// Something alive at the peak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Live {
    /// The tensor's name, if the file gives one.
    pub tensor: String,
    /// The node that made it.
    pub node: String,
    /// Its bytes.
    pub bytes: u64,
    /// What it is for.
    pub class: Class,
}

/// Allocations of one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Block {
    /// What they are for.
    pub class: Class,
    /// Bytes of each.
    pub bytes: u64,
    /// How many.
    pub count: u64,
    /// What the first of them is.
    pub what: String,
    /// The bytes are the sum of many small allocations whose number is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_aggregate: bool,
}

/// What one node, operator, component or layer holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Share {
    /// What the breakdown groups by.
    pub by: By,
    /// Which one.
    pub key: String,
    /// All that it holds at some time: weights, buffers without reuse, state, I/O.
    pub bytes: u64,
    /// Of these: weights.
    pub weights_bytes: u64,
    /// Of the weights: those in mapped pages of their file.
    #[serde(default)]
    pub weights_file_bytes: u64,
    /// Of these: key/value cache and state.
    pub state_bytes: u64,
    /// What of `bytes` is held at the peak; sums to the total.
    pub at_peak_bytes: u64,
}

/// How the arena was laid out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Planner {
    /// Its name.
    pub name: String,
    /// The arena that it needs.
    pub arena_bytes: u64,
    /// The highest pressure.
    pub lower_bound_bytes: u64,
    /// Arena over lower bound, less one; 0 is optimal.
    pub gap: f64,
    /// The planner that needs least of this one and the greedy ones.
    pub best_name: String,
    /// The arena that it needs.
    pub best_arena_bytes: u64,
}

/// Memory by type of buffer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct BufferTypes {
    /// What `llama_get_memory_breakdown` gives, one row per type.
    pub breakdown: Vec<BufferRow>,
    /// The buffer for results.
    pub output_bytes: u64,
    /// The work buffer that kernels share.
    pub work_bytes: u64,
    /// Nodes of the reserved graph.
    pub graph_nodes: u64,
    /// Its inputs, weights and caches.
    pub graph_leafs: u64,
    /// Parts that it is split into, each computed by one device.
    pub graph_splits: u64,
}

/// Memory in buffers of one type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct BufferRow {
    /// The type, as llama.cpp names it.
    pub buffer_type: String,
    /// Whether the buffers are in the memory of a device, not of the host.
    #[serde(default)]
    pub is_on_device: bool,
    /// Weights.
    pub model_bytes: u64,
    /// Caches.
    pub context_bytes: u64,
    /// Intermediate results.
    pub compute_bytes: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Step {
    /// Its number.
    pub index: u64,
    /// Its node.
    pub node: String,
    /// The node's operator type, as the file spells it.
    pub op: String,
    /// The component it belongs to.
    pub component: String,
    /// Bytes alive in the arena while it runs.
    pub pressure_bytes: u64,
}

/// One planned buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Buffer {
    /// Its number.
    pub id: u64,
    /// First step.
    pub start: u64,
    /// Step after the last.
    pub end: u64,
    /// Its length.
    pub size_bytes: u64,
    /// Its place in the arena.
    pub offset_bytes: u64,
    /// The tensors that are in it.
    pub tensors: Vec<String>,
}
