//! Variables: the attention's key and value state, and others.
//!
//! A state of attention holds twice the tokens that there were when it was allocated, in the type of the KV cache. When
//! it overflows, it is allocated again for twice the new length. Here it is allocated at its present length; what an
//! earlier phase left is settled by [`crate::phases`]. With u8 each token and head adds a scale and a zero
//! point (f32), and each state has a table of beams (i32). Any other variable that is written back has two buffers.
//!
//! From the second step on the graph holds one block of the past in f32.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/nodes/scaled_attn.cpp and memory_state.cpp; blocks of 40 runs.

use super::held::{Held, Moment, product};
use crate::dtype::DType;
use crate::runtime::openvino_cpu::execution::{Attention, ExecutionGraph, Kind, Port};
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashMap;

/// Tokens that the states of attention hold after a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::runtime::openvino_cpu) struct Cached {
    /// All of them.
    pub total: u64,
    /// Those that the pass added.
    pub added: u64,
}

/// Bytes of every state that an attention keeps, by the port that reads its variable.
pub(super) fn attention_states(graph: &ExecutionGraph) -> FxHashMap<Port, Bytes> {
    let mut states = FxHashMap::default();
    for (_, node) in graph.nodes.of_kind(Kind::ScaledDotProductAttention) {
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

/// What else the states of a graph need: tables of beams, scales and zero points, and the past in f32.
pub(super) fn held(graph: &ExecutionGraph) -> Vec<Held> {
    let attentions = graph.nodes.of_kind(Kind::ScaledDotProductAttention);
    let caches = attentions.filter_map(|(_, node)| Some((node.source, node.attention.as_deref()?))).flat_map(
        |(node, attention)| {
            let own = move |bytes| Held {
                class: StorageClass::KvCache,
                bytes: Bytes(bytes),
                node,
                known: Known::Exact,
                since: Moment::Running,
            };
            let tokens = product([2, attention.keys, attention.batch]);
            let scales = match element_bytes(graph.kv_precision) {
                1 => product([tokens, attention.kv_heads, 8]),
                _ => 0,
            };
            [own(product([tokens, 4])), own(scales)].into_iter().flat_map(|held| [held.clone(), held])
        },
    );
    caches.chain(past_block(graph)).collect()
}

/// Tokens that the states hold after the pass; those of the longest, where layers differ.
pub(super) fn cached(graph: &ExecutionGraph) -> Cached {
    let attentions = graph.nodes.of_kind(Kind::ScaledDotProductAttention);
    let longest = attentions.filter_map(|(_, node)| node.attention.as_deref()).max_by_key(|found| found.keys);
    longest.map_or(Cached::default(), |found| Cached { total: found.keys, added: found.queries })
}

fn past_block(graph: &ExecutionGraph) -> Option<Held> {
    let past = |attention: &&Attention| {
        product([attention.past(), attention.batch, attention.kv_heads, attention.key_size, 4])
    };
    let attentions = graph.nodes.of_kind(Kind::ScaledDotProductAttention);
    let largest = attentions
        .filter_map(|(_, node)| Some((node, node.attention.as_deref().as_ref().map(past)?)))
        .max_by_key(|&(_, bytes)| bytes);
    largest.filter(|&(_, bytes)| bytes > 0).map(|(node, bytes)| Held {
        class: StorageClass::Workspace,
        bytes: Bytes(bytes),
        node: node.source,
        known: Known::Exact,
        since: Moment::Running,
    })
}

fn element_bytes(precision: Option<DType>) -> u64 {
    precision.and_then(DType::bits).map_or(2, |bits| bits.div_ceil(8))
}

/// Bytes of one state's keys or values.
fn bytes(attention: &Attention, size: u64, precision: Option<DType>) -> Bytes {
    let tokens = product([2, attention.keys, attention.batch]);
    Bytes(product([tokens, attention.kv_heads, size, element_bytes(precision)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of measured runs: 928,256 at 1,813 tokens, 262,144 for u8 at 1,024.
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
        assert_eq!(state(attention(1813, 1813, 1), DType::BF16), 928_256);
        assert_eq!(state(attention(128, 128, 4), DType::F16), 262_144);
        assert_eq!(state(attention(1024, 1024, 1), DType::U8), 262_144);
        assert_eq!(state(attention(640, 1152, 1), DType::BF16), 589_824);
    }
}
