//! Rules of thumb: parameters and bits, a share for memory other than weights, twice the file.
//!
//! GB are 10^9 bytes here, as the rules say. Sources: published inference guides, gathered with their examples in the
//! tests below.

use crate::error::{Result, countable};
use crate::formats::architecture::Text;
use crate::units::Bytes;

/// Share of the weights that activations take.
const ACTIVATIONS: f64 = 0.05;
/// Share of the weights that the KV cache takes where its sizes are not known: the rule says 15 to 20 %.
const KV_SHARE: f64 = 0.15;
/// Total by weights in the short form.
const SHORT: f64 = 1.2;

/// What GGUF files of a quantization take of the f16 size.
pub const GGUF: [(&str, f64); 6] =
    [("Q8_0", 0.50), ("Q6_K", 0.40), ("Q5_K_M", 0.35), ("Q4_K_M", 0.25), ("Q3_K_M", 0.20), ("Q2_K", 0.13)];

/// Classes of machines that the rules go with: name, video memory from, main memory from, in GB.
pub const TIERS: [(&str, u64, u64); 4] =
    [("Low", 0, 0), ("Medium", 4, 16), ("High", 8, 32), ("Ultra", 16, 64)];

/// Sizes that the long form of the KV cache needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Layers.
    pub layers: u64,
    /// Numbers of a token's keys in one layer: key/value heads times the size of a head. The folk rule has the hidden size
    /// here, and so does not know grouped heads.
    pub width: u64,
    /// Tokens.
    pub tokens: u64,
    /// Sequences side by side.
    pub batch: u64,
}

/// What a model of some parameters takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inference {
    /// Parameters by bits.
    pub weights: Bytes,
    /// Keys and values.
    pub kv_cache: Bytes,
    /// 5 % of the weights.
    pub activations: Bytes,
    /// 1.2 times the weights.
    pub short: Bytes,
}

impl Inference {
    /// The long form: weights, KV cache and activations.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.weights + self.kv_cache + self.activations
    }
}

/// `params · bits / 8`, and memory other than weights.
///
/// # Errors
///
/// If a figure does not fit into 64 bits.
///
/// # Example
///
/// ```
/// use memgraph::closed_form::quick;
///
/// let found = quick::inference(10_000_000_000, 16, None)?;
/// assert_eq!(found.total().0, 24_000_000_000); // 20 + 3 + 1
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn inference(params: u64, bits: u64, context: Option<Context>) -> Result<Inference> {
    estimate(params as f64 * bits as f64 / 8.0, context)
}

/// The same for weights of known length.
///
/// # Errors
///
/// As [`inference`].
pub fn of_weights(weights: Bytes, context: Option<Context>) -> Result<Inference> {
    estimate(weights.0 as f64, context)
}

fn estimate(weights: f64, context: Option<Context>) -> Result<Inference> {
    let kv_cache = match context {
        Some(Context { layers, width, tokens, batch }) => {
            [4, layers, width, tokens, batch].iter().map(|&factor| factor as f64).product()
        }
        None => KV_SHARE * weights,
    };
    let found = Inference {
        weights: rounded(weights),
        kv_cache: Bytes(countable(rounded(kv_cache).0, "the KV cache")?),
        activations: rounded(ACTIVATIONS * weights),
        short: Bytes(countable(rounded(SHORT * weights).0, "the total")?),
    };
    countable(found.total().0, "the total")?;
    Ok(found)
}

/// Parameters of a decoder of these sizes: embeddings, attention, MLP, norms.
///
/// A config with `rms_norm_eps` is assumed to have a gated MLP (three matrices), any other for a plain one (two).
///
/// # Errors
///
/// If they are 2^64 or more.
pub fn params(text: &Text) -> Result<u64> {
    let product = |a: u64, b: u64| a.saturating_mul(b);
    let (hidden, layers) = (text.hidden_size, text.layers);
    let (query, kv) = (product(text.heads, text.head_size), product(text.kv_heads, text.head_size));
    let attention = product(2, product(hidden, query.saturating_add(kv)));
    let matrices = if text.has_rms_norm { 3 } else { 2 };
    let mlp =
        product(matrices, product(hidden, text.intermediate_size.unwrap_or_else(|| product(4, hidden))));
    let embeddings = product(text.vocab, product(hidden, if text.ties_embeddings { 1 } else { 2 }));
    let layer = attention.saturating_add(mlp).saturating_add(product(2, hidden));
    let all = product(layers, layer).saturating_add(embeddings).saturating_add(hidden);
    // A byte each is the least that they take.
    countable(all, "a model of this config")
}

/// Parameters of a file whose tensors have these dims.
///
/// # Errors
///
/// If they are 2^64 or more.
pub fn stored_params<'t>(tensors: impl IntoIterator<Item = &'t [u64; 4]>) -> Result<u64> {
    let elements = |dims: &[u64; 4]| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    let all = tensors.into_iter().map(elements).fold(0, u64::saturating_add);
    countable(all, "a model of these tensors")
}

/// Twice the file: what ONNX Runtime is said to take for an ONNX model.
#[must_use]
pub fn onnx_file(file: Bytes) -> Bytes {
    file + file
}

/// What llama.cpp takes on a GPU for a GGUF file: a tenth more, and half a GB for context and framework.
///
/// Published pairs, without the half: 2.0 to 2.2, 4.1 to 4.4, 8.2 to 8.8 GB.
#[must_use]
pub fn gguf_file(file: Bytes) -> Bytes {
    loaded_gguf(file) + Bytes(500_000_000)
}

/// The same without the half, which is needed once for several models.
#[must_use]
pub fn loaded_gguf(file: Bytes) -> Bytes {
    rounded(1.1 * file.0 as f64)
}

/// The quantizations of [`GGUF`] for a model of so many parameters: the size of f16 by their ratio.
#[must_use]
pub fn gguf(params: u64) -> Vec<(&'static str, Bytes)> {
    GGUF.iter().map(|&(name, ratio)| (name, rounded(2.0 * params as f64 * ratio))).collect()
}

/// The lowest tier whose next one starts above so many bytes of video memory.
#[must_use]
pub fn tier(bytes: Bytes) -> &'static str {
    let holds = |from: u64| bytes.0 >= from.saturating_mul(1_000_000_000);
    TIERS.iter().rev().find(|(_, from, _)| holds(*from)).map_or("Low", |(name, _, _)| name)
}

fn rounded(bytes: f64) -> Bytes {
    Bytes(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: u64 = 1_000_000_000;

    #[test]
    fn ten_billion_parameters_by_bits() {
        let short = |bits| inference(10 * B, bits, None).unwrap().short.0 / B;
        assert_eq!([32, 16, 8, 4].map(short), [48, 24, 12, 6]);
        let found = inference(10 * B, 16, None).unwrap();
        assert_eq!([found.weights, found.kv_cache, found.activations].map(|b| b.0 / B), [20, 3, 1]);
    }

    #[test]
    fn the_long_form_counts_keys_and_values_at_two_bytes() {
        let context = Context { layers: 36, width: 2048, tokens: 1000, batch: 2 };
        assert_eq!(inference(B, 8, Some(context)).unwrap().kv_cache.0, 2 * 2 * 36 * 2048 * 1000 * 2);
    }

    #[test]
    fn files_take_twice_or_a_tenth_more() {
        assert_eq!(onnx_file(Bytes(440)).0, 880);
        let gguf = |file: u64| (gguf_file(Bytes(file)).0 - 500_000_000) as f64 / 1e9;
        for (file, published) in [(2_000_000_000, 2.2), (4_100_000_000, 4.4), (8_200_000_000, 8.8)] {
            assert!((gguf(file) - published).abs() < 0.25, "{file}");
        }
    }

    #[test]
    fn quantizations_are_shares_of_f16() {
        let sizes = gguf(7 * B);
        assert_eq!(sizes[0], ("Q8_0", Bytes(7 * B)));
        assert_eq!(sizes[3], ("Q4_K_M", Bytes(7 * B / 2)));
    }

    #[test]
    fn parameters_of_a_published_decoder() {
        // Qwen2.5-0.5B: 494 million with tied embeddings, biases of q, k and v not counted.
        let text = Text {
            hidden_size: 896,
            heads: 14,
            kv_heads: 2,
            head_size: 64,
            layers: 24,
            vocab: 151_936,
            intermediate_size: Some(4864),
            has_rms_norm: true,
            ties_embeddings: true,
        };
        assert_eq!(params(&text).unwrap() / 1_000_000, 494);
    }

    #[test]
    fn tiers_start_at_their_memory() {
        let tier = |gb: u64| tier(Bytes(gb * B));
        assert_eq!(
            [1, 4, 7, 8, 15, 16, 80].map(tier),
            ["Low", "Medium", "Medium", "High", "High", "Ultra", "Ultra"]
        );
    }

    #[test]
    fn what_leaves_64_bits_is_an_error() {
        let million = 1_000_000;
        let context = Context { layers: million, width: million, tokens: million, batch: million };
        let text = inference(7 * B, 16, Some(context)).unwrap_err().to_string();
        assert!(text.contains("the KV cache exceeds 2^64 bytes"), "{text}");
        assert!(inference(u64::MAX, 16, None).is_err() && inference(u64::MAX / 4, 16, None).is_ok());
        let text = Text { hidden_size: 1 << 33, layers: 1 << 20, ..Text::default() };
        assert!(params(&text).unwrap_err().is_limit());
    }
}
