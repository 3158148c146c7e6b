//! Variables: the attention's key and value state, and others.
//!
//! A state of attention holds twice the tokens that there were when it was allocated, in the type of the KV cache. When
//! it overflows, it is allocated anew for twice the new length. Here it is allocated at its present length; what an
//! earlier phase left is settled by [`crate::phases`]. With u8 each token and head adds a scale and a zero
//! point (f32), and each state has a table of beams (i32). Any other variable that is written back has two buffers.
//!
//! From the second step on the graph holds one block of the past in f32.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/nodes/scaled_attn.cpp and memory_state.cpp; blocks of 40 runs.

use super::held::{Held, Moment, product};
use crate::dtype::DType;
use crate::lower::execution::{Attention, ExecutionGraph, Kind, Port};
use crate::lower::{Known, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashMap;

/// Bytes of every state that an attention keeps, by the port that reads its variable.
pub(super) fn attention_states(graph: &ExecutionGraph) -> FxHashMap<Port, Bytes> {
    let mut states = FxHashMap::default();
    for node in graph.nodes.iter().filter(|node| node.kind == Kind::ScaledDotProductAttention) {
        let Some(attention) = node.attention.as_deref() else { continue };
        let Some([key, value]) = node.inputs.last_chunk::<2>() else { continue };
        for (&port, size) in [(key, attention.key_size), (value, attention.value_size)] {
            if graph.node(port.step).is_some_and(|node| node.kind == Kind::MemoryInput) {
                states.insert(port, bytes(attention, size, graph.kv_precision));
            }
        }
    }
    states
}

/// What else the states of a graph need.
pub(super) fn held(graph: &ExecutionGraph) -> Vec<Held> {
    let past = |attention: &&Attention| {
        product([attention.past(), attention.batch, attention.kv_heads, attention.key_size, 4])
    };
    let attentions = graph.nodes.iter().filter(|node| node.kind == Kind::ScaledDotProductAttention);
    let largest = attentions
        .filter_map(|node| Some((node, node.attention.as_deref().as_ref().map(past)?)))
        .max_by_key(|&(_, bytes)| bytes);
    let block = largest.filter(|&(_, bytes)| bytes > 0).map(|(node, bytes)| Held {
        class: StorageClass::Workspace,
        bytes: Bytes(bytes),
        node: node.source,
        known: Known::Exact,
        since: Moment::Running,
    });
    block.into_iter().collect()
}

/// Bytes of one state: keys or values, scales, beams.
fn bytes(attention: &Attention, size: u64, precision: Option<DType>) -> Bytes {
    let tokens = product([2, attention.keys, attention.batch]);
    let element = precision.and_then(DType::bits).map_or(2, |bits| bits.div_ceil(8));
    let scales = if element == 1 { product([tokens, attention.kv_heads, 8]) } else { 0 };
    let beams = product([tokens, 4]);
    Bytes(product([tokens, attention.kv_heads, size, element])) + Bytes(scales) + Bytes(beams)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of measured runs: 928,256 at 1,813 tokens, 131,072 + 32,768 for u8, beams 8,192 at 1,024.
    #[test]
    fn states_are_as_large_as_measured() {
        let attention = |queries, keys, batch| Attention {
            batch,
            kv_heads: 2,
            queries,
            keys,
            key_size: 64,
            ..Attention::default()
        };
        let state = |attention: Attention, dtype| bytes(&attention, 64, Some(dtype)).0;
        assert_eq!(state(attention(1813, 1813, 1), DType::BF16), 928_256 + 1813 * 8);
        assert_eq!(state(attention(128, 128, 4), DType::F16), 262_144 + 4096);
        assert_eq!(state(attention(1024, 1024, 1), DType::U8), 262_144 + 32_768 + 8_192);
        assert_eq!(state(attention(640, 1152, 1), DType::BF16), 589_824 + 2 * 1152 * 4);
    }
}
