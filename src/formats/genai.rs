//! `genai_config.json` of a folder for ONNX Runtime GenAI: which file its decoder is in, and how its cache is kept.
//!
//! Source: ONNX Runtime GenAI 0.18, src/config.cpp and config.h; keys that are not here do not change what is allocated.

use super::config::json;
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// What the file says of a decoder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GenAiConfig {
    /// `model.decoder.filename`, if it is a name and no path.
    pub decoder: Option<String>,
    /// `model.type`.
    pub model_type: Option<String>,
    /// `model.context_length`: the most that `max_length` may be.
    pub context_length: Option<u64>,
    /// `search.max_length`; the context's length without it, or where it is 0.
    pub max_length: Option<u64>,
    /// `search.num_beams`; each is a sequence of its own.
    pub beams: u64,
    /// `search.past_present_share_buffer`: a cache is allocated once; off without it.
    pub shares_cache: bool,
    /// `model.decoder.sliding_window`, where the attention kernel slides it.
    pub window: Option<Window>,
}

/// Layers that keep the newest tokens alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Tokens that such a layer's cache has room for, if `max_length` is not less.
    pub length: u64,
    /// Which layers; empty: all.
    pub layers: Vec<u64>,
}

/// Reads the file of a model's folder; `None` without one.
///
/// # Errors
///
/// If the file cannot be read, is over the cap, or is not JSON.
pub fn read(folder: &Path) -> Result<Option<GenAiConfig>> {
    let path = folder.join("genai_config.json");
    match path.try_exists() {
        Ok(true) => Ok(Some(of(&json(&path)?))),
        Ok(false) => Ok(None),
        Err(error) => Err(Error::io(&path, error)),
    }
}

fn of(json: &Value) -> GenAiConfig {
    let number = |at: &str| json.pointer(at).and_then(Value::as_u64).filter(|&number| number > 0);
    let text = |at: &str| json.pointer(at).and_then(Value::as_str);
    let context_length = number("/model/context_length");
    // A name, not a path: what else the folder's owner may read is not the config's to say.
    let decoder = text("/model/decoder/filename")
        .filter(|name| Path::new(name).file_name().is_some_and(|own| own == *name));
    GenAiConfig {
        decoder: decoder.map(str::to_owned),
        model_type: text("/model/type").map(str::to_owned),
        context_length,
        max_length: number("/search/max_length").or(context_length),
        beams: number("/search/num_beams").unwrap_or(1),
        shares_cache: json.pointer("/search/past_present_share_buffer").and_then(Value::as_bool)
            == Some(true),
        window: window(json),
    }
}

/// Source: `ComputeWindowedKvCacheSize`, src/models/windowed_kv_cache.cpp: the window and what the CPU adds to it, 16
/// tokens or all but one of a chunk of the prompt.
fn window(json: &Value) -> Option<Window> {
    const SLACK: u64 = 16;
    let window = json.pointer("/model/decoder/sliding_window")?;
    // Else the runner slides a cache of 8 bits for a provider that is not the CPU.
    let is_kernels = window.get("slide_key_value_cache").and_then(Value::as_bool) == Some(false);
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).filter(|&number| number > 0);
    let size = number(window.get("window_size")).filter(|_| is_kernels)?;
    let chunk = number(json.pointer("/search/chunk_size")).map_or(0, |chunk| chunk - 1);
    let slack = number(window.get("cache_slack")).unwrap_or(SLACK);
    let layers = window.get("layers").and_then(Value::as_array);
    let layers = layers.map(|layers| layers.iter().filter_map(Value::as_u64).collect());
    Some(Window { length: size.saturating_add(slack.max(chunk)), layers: layers.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_decoder_is_named_and_no_path() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let with = |name: &str| {
            let text = json!({"model": {"decoder": {"filename": name}}}).to_string();
            std::fs::write(folder.path().join("genai_config.json"), text).unwrap();
            read(folder.path()).unwrap().unwrap().decoder
        };
        assert_eq!(with("model.onnx").as_deref(), Some("model.onnx"));
        assert_eq!(with("../model.onnx"), None);
    }

    #[test]
    fn what_is_not_said_is_the_runners_default() {
        let config = of(&json!({"model": {"context_length": 512}, "search": {"max_length": 0}}));
        assert_eq!((config.max_length, config.beams, config.shares_cache), (Some(512), 1, false));
        assert_eq!(of(&json!({})), GenAiConfig { beams: 1, ..GenAiConfig::default() });
        let config = of(&json!({"search": {"max_length": 128, "past_present_share_buffer": true}}));
        assert_eq!((config.max_length, config.shares_cache), (Some(128), true));
    }

    #[test]
    fn a_window_has_room_for_a_chunk_or_16_tokens_more() {
        let with = |window: Value, search: Value| {
            of(&json!({"model": {"decoder": {"sliding_window": window}}, "search": search})).window
        };
        let slid = json!({"window_size": 64, "slide_key_value_cache": false, "layers": [0, 2]});
        let found = |length| Some(Window { length, layers: vec![0, 2] });
        assert_eq!(with(slid.clone(), json!({})), found(80));
        assert_eq!(with(slid, json!({"chunk_size": 100})), found(163));
        assert_eq!(with(json!({"window_size": 64}), json!({})), None);
    }
}
