//! The few sizes of a model folder's config.json that name what an export leaves free.

use super::file;
use super::limits::MAX_CONFIG_BYTES;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::scenario::ModelConfig;
use serde_json::Value;
use std::path::Path;

/// Reads `config.json` of a model folder; a folder without one gives no sizes.
///
/// # Errors
///
/// If the file cannot be read, is over the cap, or is not JSON.
pub fn read(folder: &Path) -> Result<ModelConfig> {
    let path = folder.join("config.json");
    match path.try_exists() {
        Ok(true) => read_file(&path),
        Ok(false) => Ok(ModelConfig::default()),
        Err(error) => Err(Error::io(&path, error)),
    }
}

/// Reads a file of the form of `config.json`.
///
/// # Errors
///
/// If the file cannot be read, is over the cap, or is not JSON.
pub fn read_file(path: &Path) -> Result<ModelConfig> {
    Ok(sizes(&json(path)?))
}

/// A small JSON file, whole.
pub(super) fn json(path: &Path) -> Result<Value> {
    let len = file::length(path)?;
    if len > MAX_CONFIG_BYTES {
        let message = format!("the file has {len} bytes, over the limit of {MAX_CONFIG_BYTES}");
        return Err(Error::new(ErrorKind::Limit, message).in_file(path));
    }
    let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    serde_json::from_slice(&text).map_err(|error| {
        let position = Position::Line(error.line() as u32, error.column() as u32);
        let location = crate::error::Location { position: Some(position), ..Default::default() };
        Error::new(ErrorKind::Malformed, format!("not JSON: {error}"))
            .in_file(path)
            .at(location)
            .help("give a JSON file of the model's; if it is one, it is damaged: fetch it again")
    })
}

/// The sizes that the text and the vision part of a config state, whatever they are called.
fn sizes(json: &Value) -> ModelConfig {
    let text = ["llm_config", "text_config"].iter().find_map(|key| json.get(key)).unwrap_or(json);
    let vision = json.get("vision_config").unwrap_or(json);
    let size =
        |part: &Value, keys: &[&str]| keys.iter().find_map(|key| part.get(key).and_then(Value::as_u64));
    let heads = size(text, &["num_attention_heads", "n_head"]);
    let hidden_size = size(text, &["hidden_size", "n_embd", "d_model"]);
    let model_type = json.get("model_type").and_then(Value::as_str).map(str::to_owned);
    let is_whisper = model_type.as_deref() == Some("whisper");
    ModelConfig {
        source_positions: size(json, &["max_source_positions"]).filter(|_| is_whisper),
        model_type,
        hidden_size,
        max_positions: size(text, &["max_position_embeddings", "n_positions", "max_sequence_length"]),
        kv_heads: size(text, &["num_key_value_heads"]).or(heads),
        head_size: size(text, &["head_dim"]).or_else(|| hidden_size?.checked_div(heads?)),
        image_size: size(vision, &["image_size"]),
        patch_size: size(vision, &["patch_size", "spatial_patch_size"]),
        spatial_merge_size: size(vision, &["spatial_merge_size"]),
        temporal_patch_size: size(vision, &["temporal_patch_size"]),
        channels: size(vision, &["in_channels", "in_chans", "num_channels"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_parts_are_read_where_they_are() {
        let json = serde_json::json!({
            "model_type": "qwen2_5_vl",
            "text_config": {"hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 2},
            "vision_config": {"patch_size": 14, "spatial_merge_size": 2, "in_channels": 3},
        });
        let config = sizes(&json);
        assert_eq!((config.hidden_size, config.kv_heads, config.head_size), (Some(2048), Some(2), Some(128)));
        assert_eq!(
            (config.patch_size, config.spatial_merge_size, config.image_size),
            (Some(14), Some(2), None)
        );
    }
}
