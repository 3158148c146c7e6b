//! vLLM's accounting of a GPU's memory, from a model's sizes. Not validated: no run of vLLM was measured.
//!
//! vLLM takes a share of the device (`gpu_memory_utilization`) and fills what weights, one pass over
//! `max_num_batched_tokens` tokens and the driver leave of it with blocks of keys and values. It refuses to start where that
//! share is not free, and where one request of `max_model_len` tokens does not fit the blocks.
//!
//! Source: vllm-project/vllm, V1 engine, read 2026-11-22: vllm/v1/worker/utils.py (`request_memory`),
//! vllm/v1/worker/gpu_worker.py (`determine_available_memory`), vllm/v1/core/kv_cache_utils.py
//! (`_check_enough_kv_cache_memory`), vllm/v1/kv_cache_interface.py (`AttentionSpec.page_size_bytes`,
//! `FullAttentionSpec.max_memory_usage_bytes`).

use crate::formats::architecture::Text;

/// Tokens of a block.
const BLOCK: u64 = 16;
/// Bytes of a number of hidden states.
const HALF: u64 = 2;
/// Bytes of a logit: the sampler computes in f32.
const FLOAT: u64 = 4;

/// Options of the engine that decide memory, under its names.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Engine {
    /// Share of the device that the engine takes.
    pub gpu_memory_utilization: f64,
    /// Tokens of a request at most.
    pub max_model_len: u64,
    /// Tokens of a pass at most.
    pub max_num_batched_tokens: u64,
    /// Requests of a pass at most.
    pub max_num_seqs: u64,
    /// Bytes of host memory for swapped blocks, for each GPU.
    pub swap_space: u64,
    /// Bytes of weights that stay in host memory, for each GPU.
    pub cpu_offload: u64,
    /// Bytes of a cached number: 1 for fp8, else 2.
    pub kv_cache_bytes: u64,
    /// GPUs that the weights and heads are divided among.
    pub tensor_parallel_size: u64,
}

impl Default for Engine {
    /// The engine's own defaults; a request has up to 8,192 tokens, where the engine would read the model's limit.
    fn default() -> Engine {
        Engine {
            gpu_memory_utilization: 0.9,
            max_model_len: 8192,
            max_num_batched_tokens: 2048,
            max_num_seqs: 256,
            swap_space: 4 << 30,
            cpu_offload: 0,
            kv_cache_bytes: HALF,
            tensor_parallel_size: 1,
        }
    }
}

/// The memory of one engine on one GPU, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The share of the device that is taken.
    pub requested: u64,
    /// Weights on the device.
    pub weights: u64,
    /// Estimate of the pass that the engine measures before it allocates blocks.
    pub activations: u64,
    /// What is left for blocks; negative where weights and the pass do not fit.
    pub available: i64,
    /// What one request of the longest length needs.
    pub needed: u64,
    /// The longest request that fits.
    pub longest: u64,
    /// Requests of the longest length that fit at the same time.
    pub requests: u64,
    /// Host memory of the engine: swapped blocks and offloaded weights.
    pub host: u64,
}

/// The plan of an engine for weights of so many bytes on a device of `total` bytes, of which `context` is the driver's.
///
/// # Example
///
/// ```
/// use memgraph::closed_form::vllm::{Engine, plan};
/// use memgraph::formats::architecture::Text;
///
/// let text = Text { layers: 32, hidden_size: 4096, heads: 32, kv_heads: 8, head_size: 128, vocab: 32_000, ..Text::default() };
/// let mut engine = Engine::default();
/// engine.max_model_len = 2048;
/// let found = plan(&engine, &text, 4_000_000_000, 8_000_000_000, 500_000_000);
/// assert_eq!(found.needed, 2 * 8 * 128 * 2 * 32 * 2048); // keys and values, heads, size, bytes, layers, tokens
/// ```
#[must_use]
pub fn plan(engine: &Engine, text: &Text, weights: u64, total: u64, context: u64) -> Plan {
    let parts = engine.tensor_parallel_size.max(1);
    let weights = weights.div_ceil(parts);
    let offloaded = engine.cpu_offload.min(weights);
    let on_device = weights - offloaded;
    let requested = (total as f64 * engine.gpu_memory_utilization).ceil() as u64;
    let activations = activations(engine, text);
    let available =
        i128::from(requested) - i128::from(on_device) - i128::from(activations) - i128::from(context);
    // Heads that are fewer than the GPUs are repeated.
    let heads = text.kv_heads.div_ceil(parts).max(1);
    let page = [2, BLOCK, heads, text.head_size, engine.kv_cache_bytes, text.layers]
        .into_iter()
        .fold(1_u64, u64::saturating_mul)
        .max(1);
    let needed = engine.max_model_len.div_ceil(BLOCK).saturating_mul(page);
    let blocks = u64::try_from(available.max(0)).unwrap_or(u64::MAX) / page;
    Plan {
        requested,
        weights: on_device,
        activations,
        available: i64::try_from(available).unwrap_or(i64::MIN),
        needed,
        longest: blocks.saturating_mul(BLOCK),
        requests: blocks / engine.max_model_len.div_ceil(BLOCK).max(1),
        host: engine.swap_space.saturating_add(offloaded),
    }
}

/// Bytes of the pass that the engine measures: hidden states and residual, the two halves of the gated MLP, and logits with
/// their copy for the sampler. An estimate: the engine measures this and has no formula.
fn activations(engine: &Engine, text: &Text) -> u64 {
    let parts = engine.tensor_parallel_size.max(1);
    let inner = text.intermediate_size.unwrap_or(text.hidden_size.saturating_mul(4)).div_ceil(parts);
    let hidden = text.hidden_size.saturating_mul(2).saturating_add(inner.saturating_mul(3));
    let pass = engine.max_num_batched_tokens.saturating_mul(hidden).saturating_mul(HALF);
    let rows = engine.max_num_seqs.min(engine.max_num_batched_tokens);
    pass.saturating_add(rows.saturating_mul(text.vocab).saturating_mul(2 * FLOAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Text {
        Text {
            layers: 10,
            hidden_size: 100,
            heads: 4,
            kv_heads: 2,
            head_size: 25,
            vocab: 1000,
            ..Text::default()
        }
    }

    #[test]
    fn blocks_fill_what_the_share_leaves() {
        let engine = Engine { gpu_memory_utilization: 0.5, max_model_len: 32, ..Engine::default() };
        let found = plan(&engine, &text(), 10_000_000, 100_000_000, 1_000_000);
        let left = 50_000_000 - 10_000_000 - 1_000_000 - i64::try_from(found.activations).unwrap();
        assert_eq!((found.requested, found.available), (50_000_000, left));
        let page = 2 * 16 * 2 * 25 * 2 * 10;
        assert_eq!(found.needed, 2 * page);
        assert_eq!(found.longest, left as u64 / page * 16);
    }

    #[test]
    fn weights_that_do_not_fit_leave_no_blocks() {
        let found = plan(&Engine::default(), &text(), 200_000_000, 100_000_000, 0);
        assert!(found.available < 0);
        assert_eq!((found.longest, found.requests), (0, 0));
    }

    #[test]
    fn parallel_gpus_divide_weights_and_heads() {
        let engine = Engine { tensor_parallel_size: 2, cpu_offload: 1_000_000, ..Engine::default() };
        let found = plan(&engine, &text(), 10_000_000, 100_000_000, 0);
        assert_eq!((found.weights, found.host), (4_000_000, (4 << 30) + 1_000_000));
        assert_eq!(found.needed, 8192 * 2 * 25 * 2 * 10);
    }
}
