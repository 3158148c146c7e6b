//! What the dims of a model's inputs represent, from input names and ranks.
//!
//! Source: the input names of optimum-intel 1.27 and Optimum ONNX exports, of OpenVINO GenAI's VLM parts, and of
//! ONNX Runtime GenAI; an input that is not here has no roles, and its free dims must be bound by name.

use super::{Scenario, Task};
use crate::graph::Value;

/// What a dim represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Sequences or images side by side.
    Batch,
    /// Tokens of this pass.
    Prompt,
    /// Tokens cached already.
    Past,
    /// Past and prompt.
    Total,
    /// Width of the hidden state of the text part.
    Hidden,
    /// Key/value heads.
    KvHeads,
    /// Size of a head.
    HeadSize,
    /// Three axes of multimodal rotary positions.
    PositionAxes,
    /// Colour channels.
    Channels,
    /// Pixels.
    Height,
    /// Pixels.
    Width,
    /// Patches of all images.
    Patches,
    /// Patches in groups of `spatial_merge_size`².
    MergedPatches,
    /// Numbers of one flattened patch.
    PatchNumbers,
    /// Patches of one image.
    PatchesPerImage,
    /// Patches along the height.
    PatchRows,
    /// Patches along the width.
    PatchColumns,
    /// Positions of the encoder's output that a decoder looks at.
    Source,
    /// Those that are cached: none before the first pass.
    CachedSource,
    /// Always 1.
    One,
}

impl Role {
    const ALL: [Role; 20] = [
        Role::Batch,
        Role::Prompt,
        Role::Past,
        Role::Total,
        Role::Hidden,
        Role::KvHeads,
        Role::HeadSize,
        Role::PositionAxes,
        Role::Channels,
        Role::Height,
        Role::Width,
        Role::Patches,
        Role::MergedPatches,
        Role::PatchNumbers,
        Role::PatchesPerImage,
        Role::PatchRows,
        Role::PatchColumns,
        Role::Source,
        Role::CachedSource,
        Role::One,
    ];

    /// The name for `--bind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Batch => "batch",
            Role::Prompt => "seq",
            Role::Past => "past",
            Role::Total => "total",
            Role::Hidden => "hidden",
            Role::KvHeads => "kv_heads",
            Role::HeadSize => "head_size",
            Role::PositionAxes => "position_axes",
            Role::Channels => "channels",
            Role::Height => "height",
            Role::Width => "width",
            Role::Patches => "patches",
            Role::MergedPatches => "merged_patches",
            Role::PatchNumbers => "patch_numbers",
            Role::PatchesPerImage => "patches_per_image",
            Role::PatchRows => "patch_rows",
            Role::PatchColumns => "patch_columns",
            Role::Source => "source",
            Role::CachedSource => "cached_source",
            Role::One => "one",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// All names, for help.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Role::ALL.map(Role::name).to_vec()
    }

    /// The size that a scenario gives to this role; `bound` asks for what the user bound to another one.
    pub(super) fn size(self, scenario: &Scenario, bound: impl Fn(Role) -> Option<u64> + Copy) -> Option<u64> {
        let config = &scenario.config;
        let is_general = scenario.task == Task::General;
        let of = |role: Role| bound(role).or_else(|| role.size(scenario, bound));
        match self {
            Role::Batch => scenario.batch.or((!is_general).then_some(1)),
            Role::Prompt => scenario.prompt.filter(|_| scenario.task == Task::Llm),
            Role::Past => (!is_general).then_some(scenario.past),
            Role::Total => of(Role::Prompt)?.checked_add(of(Role::Past).unwrap_or(0)),
            Role::Hidden => config.hidden_size,
            Role::KvHeads => config.kv_heads,
            Role::HeadSize => config.head_size,
            Role::PositionAxes => Some(3),
            Role::Channels => config.channels.or((!is_general).then_some(3)),
            Role::Height => scenario.image.map(|(_, height)| height).or(config.image_size),
            Role::Width => scenario.image.map(|(width, _)| width).or(config.image_size),
            Role::Patches => scenario.prompt.filter(|_| scenario.task == Task::Vision),
            Role::MergedPatches => {
                let merge = config.spatial_merge_size.unwrap_or(2).max(1);
                of(Role::Patches)?.checked_div(merge.checked_mul(merge)?)
            }
            Role::PatchNumbers => {
                let patch = config.patch_size?;
                let plane = patch.checked_mul(patch)?.checked_mul(of(Role::Channels)?)?;
                plane.checked_mul(config.temporal_patch_size.unwrap_or(1))
            }
            Role::PatchRows => of(Role::Height)?.checked_div(config.patch_size?),
            Role::PatchColumns => of(Role::Width)?.checked_div(config.patch_size?),
            Role::PatchesPerImage => of(Role::PatchRows)?.checked_mul(of(Role::PatchColumns)?),
            Role::Source => config.source_positions,
            // Source: `ORTDecoderForSeq2Seq`, optimum-onnx 0.1, which gives empty caches to the first pass.
            Role::CachedSource if of(Role::Past) == Some(0) => Some(0),
            Role::CachedSource => of(Role::Source),
            Role::One => Some(1),
        }
    }
}

/// The role that a symbol of a dim names, in the spellings that exporters use: `sequence_length`, `past_seq_len`,
/// `past_sequence_length + 1`.
///
/// Source: the symbols of Optimum ONNX (optimum/exporters/onnx/base.py and model_configs.py), of ONNX Runtime GenAI's model
/// builder and of `torch.onnx.export` as its documents use it.
#[must_use]
pub fn of_symbol(symbol: &str) -> Option<Role> {
    let plain = symbol.trim().to_ascii_lowercase();
    let is_sum_of_past = plain.contains('+') && plain.starts_with("past");
    let sizes = ["_length", "_len", "_size", "_dim"];
    let stem = sizes.iter().find_map(|size| plain.strip_suffix(size)).unwrap_or(&plain);
    let stem = stem.strip_prefix("decoder_").unwrap_or(stem).replace("decoder_", "");
    Some(match stem.as_str() {
        _ if is_sum_of_past => Role::Total,
        "batch" | "bs" | "n_batch" | "num_batch" | "batchsize" => Role::Batch,
        "seq" | "sequence" | "seqlen" | "prompt" | "tokens" | "num_tokens" | "n_tokens" => Role::Prompt,
        "past" | "past_seq" | "past_sequence" | "past_kv" | "past_tokens" | "cache" | "kv" => Role::Past,
        "total" | "total_seq" | "total_sequence" | "total_tokens" => Role::Total,
        "encoder_sequence" | "encoder_seq" | "source" => Role::Source,
        "channels" | "num_channels" => Role::Channels,
        "height" | "image_height" => Role::Height,
        "width" | "image_width" => Role::Width,
        "num_patches" | "patches" => Role::Patches,
        _ => return None,
    })
}

/// The value of an input that follows from the scenario: whether a merged decoder of Optimum takes its branch with a
/// past.
pub(super) fn value_of(name: &str, scenario: &Scenario) -> Option<Value> {
    let is_known = scenario.task == Task::Llm && name == "use_cache_branch";
    is_known.then(|| Value::ints([i64::from(scenario.past > 0)]))
}

/// Roles of the dims of the input `name` of this rank, if it is one that exports have.
#[must_use]
pub fn of_input(name: &str, rank: usize, task: Task) -> Option<&'static [Role]> {
    use Role::*;
    let is_cross = name.contains(".encoder.") || name.contains("cross");
    let is_cache =
        name.contains("past_key_values") || name.starts_with("past_key") || name.starts_with("past_value");
    Some(match (name, rank) {
        ("input_ids" | "inputs" | "input" | "token_type_ids" | "decoder_input_ids", 2) => &[Batch, Prompt],
        ("inputs_embeds", 3) => &[Batch, Prompt, Hidden],
        ("attention_mask" | "decoder_attention_mask", 2) => &[Batch, Total],
        ("attention_mask", 4) => &[Batch, One, Prompt, Total],
        ("position_ids", 2) if task == Task::Vision => &[Batch, PatchesPerImage],
        ("position_ids", 2) => &[Batch, Prompt],
        ("position_ids", 3) => &[PositionAxes, Batch, Prompt],
        ("beam_idx", 1) => &[Batch],
        ("cache_position", 1) => &[Prompt],
        ("use_cache_branch", 1) => &[One],
        ("encoder_hidden_states", 3) => &[Batch, Source, Hidden],
        ("encoder_attention_mask", 2) => &[Batch, Source],
        (_, 4) if is_cache && is_cross => &[Batch, KvHeads, CachedSource, HeadSize],
        (_, 4) if is_cache => &[Batch, KvHeads, Past, HeadSize],
        ("attention_mask" | "window_attention_mask", 3) => &[One, Patches, Patches],
        ("hidden_states" | "pixel_values", 2) if task != Task::Llm => &[Patches, PatchNumbers],
        ("rotary_pos_emb", 2) => &[Patches, HeadSize],
        ("window_index", 1) => &[MergedPatches],
        ("pixel_values" | "images" | "x" | "input" | "pixel_value", 4) => &[Batch, Channels, Height, Width],
        ("pixel_values", 5) => &[Batch, One, Channels, Height, Width],
        ("patch_attention_mask", 3) => &[Batch, PatchRows, PatchColumns],
        ("patch_position_ids", 2) => &[Batch, PatchesPerImage],
        ("image_feature", 3) => &[Batch, PatchesPerImage, Hidden],
        ("pos_embed", 3) => &[PatchesPerImage, Batch, Hidden],
        ("key_padding_mask", 2) => &[Batch, PatchesPerImage],
        ("pixel_attention_mask", 3) => &[Batch, Height, Width],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ModelConfig;

    #[test]
    fn symbols_have_the_spellings_of_exporters() {
        let cases = [
            ("batch_size", Some(Role::Batch)),
            ("seq", Some(Role::Prompt)),
            ("sequence_length", Some(Role::Prompt)),
            ("past", Some(Role::Past)),
            ("past_sequence_length", Some(Role::Past)),
            ("past_decoder_sequence_length", Some(Role::Past)),
            ("past_sequence_length + 1", Some(Role::Total)),
            ("total_sequence_length", Some(Role::Total)),
            ("encoder_sequence_length", Some(Role::Source)),
            ("unk__12", None),
        ];
        for (symbol, role) in cases {
            assert_eq!(of_symbol(symbol), role, "{symbol}");
        }
    }

    #[test]
    fn a_decoder_of_encoded_input_takes_its_source_from_the_config_or_the_user() {
        let roles = |name, rank| of_input(name, rank, Task::Llm).unwrap();
        assert_eq!(roles("encoder_attention_mask", 2), [Role::Batch, Role::Source]);
        assert_eq!(roles("past_key_values.0.encoder.key", 4)[2], Role::CachedSource);
        assert_eq!(roles("past_key_values.0.decoder.key", 4)[2], Role::Past);

        let config = ModelConfig { source_positions: Some(1500), ..ModelConfig::default() };
        let prefill = Scenario { task: Task::Llm, prompt: Some(8), config, ..Scenario::default() };
        let decode = Scenario { past: 8, ..prefill.clone() };
        let size = |role: Role, scenario| role.size(scenario, |_| None);
        assert_eq!(size(Role::Source, &prefill), Some(1500));
        assert_eq!(
            (size(Role::CachedSource, &prefill), size(Role::CachedSource, &decode)),
            (Some(0), Some(1500))
        );
        let given = |role| (role == Role::Source).then_some(64);
        assert_eq!(Role::CachedSource.size(&decode, given), Some(64));
        assert_eq!(size(Role::Source, &Scenario::default()), None);
    }
}
