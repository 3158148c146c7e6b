//! What the run looks like: sizes and values for every input and every state.
//!
//! Dims are bound in this order: `--input` (a whole shape), the declared size, `--bind` by the dim's own name
//! (`input_ids.1`, or its symbol), `--bind` by its role (`seq`, `batch` …), and what the task gives to that role.
//! The table of roles is in [`roles`]. What stays unbound is an error that lists the names.

mod bind;
pub mod parse;
pub mod roles;

use crate::graph::{Dims, Value};

pub use bind::{Binding, BoundInput, input_name};

/// What the user says about a run.
///
/// # Example
///
/// ```
/// use memgraph::scenario::{Scenario, Task};
///
/// let mut prefill = Scenario::default();
/// prefill.task = Task::Llm;
/// prefill.prompt = Some(1813);
/// let batched = prefill.with(|run| run.batch = Some(4));
/// assert_eq!((batched.prompt, batched.past), (Some(1813), 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// What kind of model it is: decides roles of inputs and defaults.
    pub task: Task,
    /// Sequences (or images) side by side; `None`: 1, where the task has a default.
    pub batch: Option<u64>,
    /// Tokens of this pass, or patches of a vision tower.
    pub prompt: Option<u64>,
    /// Tokens cached already.
    pub past: u64,
    /// Tokens of the generation's first pass, which caches are allocated for; `None`: there is one pass only.
    pub first_prompt: Option<u64>,
    /// Most tokens that the generation may add, if a limit was set.
    pub new_tokens: Option<u64>,
    /// ONNX Runtime GenAI runs the model.
    pub genai: Option<GenAi>,
    /// Width and height of the image in pixels.
    pub image: Option<(u64, u64)>,
    /// `--bind NAME=N`.
    pub binds: Vec<(String, u64)>,
    /// `--input NAME=1x3x224x224`.
    pub inputs: Vec<(String, Dims)>,
    /// `--value NAME=1,2,3`.
    pub values: Vec<(String, Value)>,
    /// What config.json says.
    pub config: ModelConfig,
    /// A declared static shape that inference contradicts is an error.
    pub strict: bool,
    /// Nodes without a shape are counted as unknown instead of being an error.
    pub allow_opaque: bool,
    /// What sizes that depend on data are taken to be.
    pub data_sizes: DataSizes,
}

/// What sizes are taken to be that depend on data: rows that `NonZero` finds, tokens that a router sends to an expert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataSizes {
    /// The most that they can be.
    #[default]
    Most,
    /// The least that they can be.
    Least,
}

impl Scenario {
    /// The scenario with some fields changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Scenario)) -> Scenario {
        change(&mut self);
        self
    }
}

/// A decoder that ONNX Runtime GenAI runs: it allocates caches and outputs itself, outside of the runtime's arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GenAi {
    /// Caches that are allocated once, past and present at once; `None`: each pass is given a new present.
    pub shared_cache: Option<SharedCache>,
}

/// How long caches are that are allocated once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedCache {
    /// Tokens that a cache has room for.
    pub length: u64,
    /// Layers that have room for fewer.
    pub window: Option<CacheWindow>,
}

/// Layers that keep the newest tokens alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheWindow {
    /// Tokens that such a layer's cache has room for.
    pub length: u64,
    /// Which layers; empty: all.
    pub layers: Vec<u64>,
}

impl SharedCache {
    /// Tokens that the cache of this input has room for: `past_key_values.7.key` is of layer 7.
    fn length_of(&self, input: &str) -> u64 {
        let layer = input.split('.').find_map(|part| part.parse::<u64>().ok());
        let is_windowed = |window: &&CacheWindow| {
            window.layers.is_empty() || layer.is_some_and(|layer| window.layers.contains(&layer))
        };
        self.window.as_ref().filter(is_windowed).map_or(self.length, |window| window.length)
    }
}

/// What kind of model a run is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Any model: every unknown dim must be bound.
    #[default]
    General,
    /// A language model: batch, prompt and past by role.
    Llm,
    /// A vision tower: batch, image and patches by role.
    Vision,
}

/// Sizes that a model's config.json states; `None` where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelConfig {
    /// `model_type`.
    pub model_type: Option<String>,
    /// `hidden_size` of the text part.
    pub hidden_size: Option<u64>,
    /// `max_position_embeddings` of the text part: the longest text that the model was made for.
    pub max_positions: Option<u64>,
    /// `num_key_value_heads` of the text part.
    pub kv_heads: Option<u64>,
    /// `head_dim`, or hidden size / heads, of the text part.
    pub head_size: Option<u64>,
    /// `image_size` of the vision part.
    pub image_size: Option<u64>,
    /// `patch_size` of the vision part.
    pub patch_size: Option<u64>,
    /// `spatial_merge_size` of the vision part.
    pub spatial_merge_size: Option<u64>,
    /// `temporal_patch_size` of the vision part.
    pub temporal_patch_size: Option<u64>,
    /// `in_channels` or `num_channels` of the vision part.
    pub channels: Option<u64>,
    /// `max_source_positions` of a Whisper: its encoder reads 30 seconds, and gives as many positions, always.
    pub source_positions: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_windowed_layer_has_room_for_its_window() {
        let window = |layers: &[u64]| Some(CacheWindow { length: 80, layers: layers.to_vec() });
        let room = |window, input| SharedCache { length: 512, window }.length_of(input);
        assert_eq!(room(None, "past_key_values.1.key"), 512);
        assert_eq!(room(window(&[]), "past_key_values.1.key"), 80);
        assert_eq!(room(window(&[0, 2]), "past_key_values.1.key"), 512);
        assert_eq!(room(window(&[0, 2]), "past_key_values.2.value"), 80);
    }
}
