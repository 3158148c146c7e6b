//! Two graphs side by side, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The written graph and the executed one, in the phase of the largest arena.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Comparison {
    /// The phase that is compared.
    pub phase: String,
    /// Nodes of the written graph, but for constants, inputs and outputs.
    pub written_steps: u64,
    /// Steps of the executed graph, but for the same.
    pub executed_steps: u64,
    /// Written nodes whose name no executed step carries.
    pub removed_steps: u64,
    /// Results that the written nodes write, in sum; not a peak.
    pub written_bytes: u64,
    /// The same of the executed steps.
    pub executed_bytes: u64,
    /// The arena of the written graph.
    pub written_arena_bytes: u64,
    /// The arena of the executed graph, its growing blocks included.
    pub executed_arena_bytes: u64,
    /// Pairs of equal types together; the largest difference first.
    pub groups: Vec<FusionGroup>,
    /// Groups beyond `--top`.
    pub groups_left_out: u64,
    /// Steps whose bytes differ; the largest difference first.
    pub pairs: Vec<Pair>,
    /// Pairs beyond `--top`.
    pub pairs_left_out: u64,
}

/// An executed step and the written nodes that it represents; one of the sides may be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Pair {
    /// The executed step; absent where the written node is gone.
    pub executed: Option<String>,
    /// Its type.
    pub executed_type: Option<String>,
    /// The written nodes; empty where the runtime put the step in.
    pub written: Vec<String>,
    /// Their types, as the file spells them.
    pub written_types: Vec<String>,
    /// What the written nodes write.
    pub written_bytes: u64,
    /// What the executed step writes.
    pub executed_bytes: u64,
    /// The difference: below 0 where the runtime writes more.
    pub saved_bytes: i64,
}

/// All pairs of the same types.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct FusionGroup {
    /// Type of the executed steps; absent where the written nodes are gone.
    pub executed_type: Option<String>,
    /// Types of the written nodes of each.
    pub written_types: Vec<String>,
    /// How many.
    pub count: u64,
    /// What the written nodes write.
    pub written_bytes: u64,
    /// What the executed steps write.
    pub executed_bytes: u64,
    /// The difference.
    pub saved_bytes: i64,
}
