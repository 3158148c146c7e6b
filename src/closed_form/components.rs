//! The published component formulas: one line per part of a language model and of a vision tower.
//!
//! They count what each operator of one attention block writes, once for all blocks, at two bytes per element; rotary
//! tables are f32. What they leave out or count oddly (one byte per element of the KV cache and no factor for K and V,
//! a window mask of one byte) is kept: the profile exists so that figures can be compared.
//!
//! Source: zhangYiIntel/memory_estimation_llm, estimate_llm.py, estimate_vit.py and estimate_vlm.py, read 2026-11-20.

use crate::error::{Error, ErrorKind, Result};
use crate::formats::architecture::{Architecture, Text, Vision};
use crate::units::Bytes;

/// Tokens that the formula adds to the prompt for the KV cache.
const GENERATED_TOKENS: f64 = 360.0;

/// One line of an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The part of the model: `q_proj`, `mlp`, `kv_cache` …
    pub name: &'static str,
    /// Its bytes, the fraction of a byte dropped.
    pub bytes: Bytes,
}

/// The parts of a language model that reads `tokens` tokens.
///
/// `tokens` may be fractional: it is a number of patches by the square of a merge size.
///
/// # Example
///
/// ```
/// use memgraph::closed_form::components;
/// use memgraph::formats::architecture::Text;
///
/// let text = Text {
///     hidden_size: 2048, heads: 16, kv_heads: 2, head_size: 128, layers: 36, vocab: 151_936,
///     intermediate_size: Some(11_008), has_rms_norm: true, ..Text::default()
/// };
/// let parts = components::language(&text, 1813.0);
/// assert_eq!(components::sum(&parts).mb(), "144.06");
/// ```
#[must_use]
pub fn language(text: &Text, tokens: f64) -> Vec<Part> {
    let [hidden, heads, kv_heads, head, layers, vocab] =
        [text.hidden_size, text.heads, text.kv_heads, text.head_size, text.layers, text.vocab]
            .map(|size| size as f64);
    let kv = (hidden / (heads / kv_heads)).trunc();
    let rotary = 4.0 * tokens * (head / 2.0).trunc()
        + 3.0 * (4.0 * tokens * head)
        + 2.0 * tokens * kv
        + 2.0 * tokens * hidden;
    let mut parts = vec![part("embed_tokens", 2.0 * tokens * hidden)];
    if text.has_rms_norm {
        parts.push(part("input_layernorm", 2.0 * tokens * hidden));
    }
    parts.extend([
        part("q_proj", 2.0 * tokens * hidden),
        part("k_proj", 2.0 * tokens * kv),
        part("v_proj", 2.0 * tokens * kv),
        part("rotary_emb", rotary),
        part("scaled_dot_product_attention", 0.0),
    ]);
    parts.extend(text.intermediate_size.map(|size| part("mlp", 4.0 * tokens * size as f64)));
    parts.extend([
        part("logits", 4.0 * vocab),
        part("input", 4.0 * tokens * hidden),
        part("kv_cache", (tokens + GENERATED_TOKENS) * kv * layers),
    ]);
    parts
}

/// The parts of a vision tower over `patches` patches.
///
/// # Errors
///
/// If the config describes no vision tower.
pub fn vision(architecture: &Architecture, patches: u64) -> Result<Vec<Part>> {
    let clip = Vision {
        hidden_size: 1024,
        intermediate_size: Some(4096),
        out_hidden_size: 1024,
        ..Vision::default()
    };
    let tower = match (&architecture.vision, architecture.model_type.as_str()) {
        (_, "phi3_v") => &clip,
        (Some(vision), _) => vision,
        (None, _) => {
            return Err(Error::new(ErrorKind::Unsupported, "the config has no vision_config with a hidden_size")
                .help("the component formulas need config.json of a vision-language model; `--config FILE` names one"));
        }
    };
    let (tokens, hidden) = (patches as f64, tower.hidden_size as f64);
    let mut parts: Vec<Part> =
        ["q_proj", "k_proj", "v_proj"].map(|name| part(name, 2.0 * tokens * hidden)).into();
    parts.push(part("scaled_dot_product_attention", 0.0));
    parts.extend(tower.intermediate_size.map(|size| part("mlp", 4.0 * tokens * size as f64)));
    if tower.model_type == "qwen2_5_vl" {
        let merge = tower.spatial_merge_size.unwrap_or(1).max(1);
        let merged = patches.checked_div(merge.saturating_mul(merge)).unwrap_or(0);
        parts.push(part("merger", merged as f64 * tower.out_hidden_size as f64));
        parts.push(part("window_mask", tokens * tokens));
    }
    if let ("minicpmv", Some(queries), Some(text)) =
        (architecture.model_type.as_str(), architecture.query_num, architecture.hidden_size)
    {
        let text = text as f64;
        parts.push(part("resampler", 2.0 * (10.0 * queries as f64 * text + 2.0 * text)));
    }
    parts.push(part("input", 4.0 * tokens * hidden));
    Ok(parts)
}

/// The language model's tokens for a number of patches, as the published scripts set them.
///
/// # Errors
///
/// If they have no rule for the architecture.
pub fn language_tokens(architecture: &Architecture, patches: u64) -> Result<f64> {
    let fixed = match architecture.class.as_str() {
        "InternVLChatModel" => Some(1828.0),
        "MiniCPMV" => Some(359.0),
        "Gemma3ForConditionalGeneration" => Some(272.0),
        "LlavaForConditionalGeneration" => Some(592.0),
        "Phi3VForCausalLM" => Some(773.0),
        _ => None,
    };
    let merge = architecture.vision.as_ref().and_then(|vision| vision.spatial_merge_size);
    let merged = merge.filter(|&merge| merge > 0).map(|merge| patches as f64 / (merge as f64 * merge as f64));
    fixed.or(merged).ok_or_else(|| {
        let class = &architecture.class;
        Error::new(
            ErrorKind::Unsupported,
            format!("the published formulas have no text length for \"{class}\""),
        )
        .help("use `memgraph llm DIR TOKENS --profile components` and `memgraph vit` for the parts")
    })
}

/// The sum of an estimate's lines.
#[must_use]
pub fn sum(parts: &[Part]) -> Bytes {
    parts.iter().map(|part| part.bytes).sum()
}

/// A line; a float beyond 64 bits saturates.
fn part(name: &'static str, bytes: f64) -> Part {
    Part { name, bytes: Bytes(bytes as u64) }
}
