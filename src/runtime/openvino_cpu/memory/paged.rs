//! Paged attention: the cache that OpenVINO GenAI allocates, and the workspace of the one executor that all layers share.
//!
//! B sequences, H query heads, Hk key heads, S and V the sizes of a key and of a value head, L keys, T threads, e bytes
//! of a computed element, n = blocks of 32 tokens for L; `ru` rounds up:
//!
//! | what | bytes |
//! |---|---|
//! | cache per layer and block, 16 or 32 bits | `Hk 32 S`, `Hk 32 V` elements |
//! | cache per layer and block, u8 | keys by channel `Hk (32 + 8) S`, values by token `Hk 32 (V + 8)` |
//! | always | `T 32 H max(S,V) 4` (u8 keys), `T 32 H V 4` |
//! | a prompt | `T 32 ru(L,32) 4`; `B n Hk 32 S e`; `B n Hk 32 ru(V,32) e` |
//! | one token per sequence | `B H ru(L,32) 4`; `B n H V 4` where there are fewer sequences than threads |
//!
//! Where a run makes the cache grow, the old keys and values of all layers are there together with the new ones. A cache of a given
//! size is there twice until the first generation has ended.
//!
//! Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/kernels/scaled_attn/executor_pa.cpp and
//! `ConvertPagedAttnInputs`; openvino.genai 2026.4, src/cpp/src/continuous_batching/cache/kv_cache_manager.hpp. Cache
//! and prompt workspace exact in the two measured runs, and the shapes of the cache on AVX2 and AVX-512 in f32, f16 and
//! u8; workspace of one token from the source alone.

use super::capacity::{self, BLOCK_TOKENS};
use super::held::{Held, Moment, product, round_up};
use crate::dtype::DType;
use crate::runtime::Generation;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{Attention, ExecutedNode, ExecutionGraph, Kind, Precision};
use crate::runtime::openvino_cpu::{Host, OpenvinoCpu, Scheduler};
use crate::runtime::{Allocation, Assumption};
use crate::schedule::{Known, NodeRef, StorageClass};
use crate::units::Bytes;

/// Cache and workspace of a graph whose attention is paged; nothing for any other.
pub(super) fn held(
    graph: &ExecutionGraph,
    options: &OpenvinoCpu,
    generation: Option<Generation>,
) -> Vec<Held> {
    let threads = u64::from(options.machine.cores);
    let layers: Vec<_> = layers(graph).collect();
    let given = given_blocks(graph, options);
    let mut held = Vec::new();
    for &(node, attention) in &layers {
        let blocks = capacity::in_blocks(attention, generation, given);
        let of_block = block_bytes(attention, graph.kv_precision);
        let own =
            |blocks: u64| of_block.map(|bytes| own(StorageClass::KvCache, product([blocks, bytes]), node));
        held.extend(own(blocks.room));
        held.extend(blocks.superseded.into_iter().flat_map(own));
    }
    // Two nodes, since what a prompt needs stays next to what a token needs, and the output block is of both.
    if let (Some(&(last, _)), Some(&(first, _))) = (layers.last(), layers.first()) {
        let workspace = layers.iter().map(|(_, attention)| workspace(attention, threads, graph));
        let mut largest = Workspace::default();
        for other in workspace {
            largest.output = largest.output.max(other.output);
            let total = |sizes: &[u64]| sizes.iter().fold(0_u64, |sum, &bytes| sum.saturating_add(bytes));
            if total(&other.own) > total(&largest.own) {
                largest.own = other.own;
            }
        }
        held.push(own(StorageClass::Workspace, largest.output, last));
        held.extend(largest.own.into_iter().map(|bytes| own(StorageClass::Workspace, bytes, first)));
    }
    held
}

/// Bytes of the cache that no token has been written to.
pub(super) fn untouched(
    graph: &ExecutionGraph,
    options: &OpenvinoCpu,
    generation: Option<Generation>,
) -> Bytes {
    let given = given_blocks(graph, options);
    let of_layer = |(_, attention): (&ExecutedNode, &Attention)| {
        let blocks = capacity::in_blocks(attention, generation, given);
        let used = product([attention.batch, attention.keys.div_ceil(BLOCK_TOKENS)]);
        // Of a cache of a given size, the second copy was never written to.
        let copy = if given.is_some() { blocks.superseded.unwrap_or(0) } else { 0 };
        let unused = blocks.room.saturating_sub(used).saturating_add(copy);
        block_bytes(attention, graph.kv_precision)
            .map(|bytes| Bytes(product([unused, bytes])))
            .into_iter()
            .sum::<Bytes>()
    };
    layers(graph).map(of_layer).sum()
}

/// Blocks of a cache of a given size: as many as fit, of keys and values of all layers.
///
/// Source: openvino.genai 2026.4, src/cpp/src/continuous_batching/cache/kv_cache_manager.hpp; blocks of a run with 1 GiB.
fn given_blocks(graph: &ExecutionGraph, options: &OpenvinoCpu) -> Option<u64> {
    let Host::GenAi(Scheduler { cache: Some(bytes), .. }) = options.host else { return None };
    let of_layer = |(_, attention): (&ExecutedNode, &Attention)| {
        block_bytes(attention, graph.kv_precision).into_iter().fold(0, u64::saturating_add)
    };
    let of_all = layers(graph).map(of_layer).fold(0, u64::saturating_add);
    bytes.0.checked_div(of_all)
}

/// What the runner has of its own.
pub(super) fn assumption() -> Assumption {
    Assumption {
        rule: "runner-objects",
        text: format!(
            "tokenizers, sampler and scheduler of OpenVINO GenAI take {} of the heap and keep {} more resident, as in measured \
             runs of openvino-genai 2026.4",
            fit::GENAI.iec(0),
            fit::GENAI_KEPT.iec(0)
        ),
    }
}

/// What the runner has of its own on the heap.
pub(super) fn of_host() -> Allocation {
    let (bytes, known) = fit::GENAI.estimate().known();
    Allocation { class: StorageClass::Runtime, bytes: Bytes(bytes), node: NodeRef::default(), known }
}

fn layers(graph: &ExecutionGraph) -> impl Iterator<Item = (&ExecutedNode, &Attention)> {
    let nodes = graph.nodes.of_kind(Kind::PagedAttention);
    nodes.filter_map(|(_, node)| Some((node, node.attention.as_deref()?)))
}

fn own(class: StorageClass, bytes: u64, node: &ExecutedNode) -> Held {
    Held { class, bytes: Bytes(bytes), node: node.source, known: Known::Exact, since: Moment::Running }
}

/// Bytes of one block of one layer: keys, values.
fn block_bytes(attention: &Attention, precision: Option<DType>) -> [u64; 2] {
    let &Attention { kv_heads, key_size, value_size, .. } = attention;
    match precision.and_then(DType::bits).unwrap_or(16).div_ceil(8) {
        // A scale and a zero point in f32, per channel of the block's keys and per token's value.
        1 => [
            product([kv_heads, BLOCK_TOKENS + 8, key_size]),
            product([kv_heads, BLOCK_TOKENS, value_size.saturating_add(8)]),
        ],
        bytes => [key_size, value_size].map(|size| product([kv_heads, BLOCK_TOKENS, size, bytes])),
    }
}

/// Workspace of the executor.
#[derive(Debug, Default, PartialEq, Eq)]
struct Workspace {
    /// There in every run.
    output: u64,
    /// Of this kind of run: a prompt, or single tokens.
    own: Vec<u64>,
}

fn workspace(attention: &Attention, threads: u64, graph: &ExecutionGraph) -> Workspace {
    let &Attention { batch, heads, kv_heads, queries, keys, key_size, value_size, .. } = attention;
    let is_by_channel = graph.kv_precision.and_then(DType::bits).is_some_and(|bits| bits <= 8);
    let widest = if is_by_channel { key_size.max(value_size) } else { value_size };
    let element = if graph.precision == Precision::F32 { 4 } else { 2 };
    let blocks = keys.div_ceil(BLOCK_TOKENS);
    let padded = round_up(keys, BLOCK_TOKENS);
    let own = if queries > 1 {
        vec![
            product([threads, BLOCK_TOKENS, padded, 4]),
            product([batch, blocks, kv_heads, BLOCK_TOKENS, key_size, element]),
            product([batch, blocks, kv_heads, BLOCK_TOKENS, round_up(value_size, 32), element]),
        ]
    } else {
        let partial = if batch < threads { product([batch, blocks, heads, value_size, 4]) } else { 0 };
        vec![product([batch, heads, padded, 4]), partial]
    };
    Workspace { output: product([threads, BLOCK_TOKENS, heads, widest, 4]), own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(heads: u64, queries: u64, keys: u64, size: u64) -> Attention {
        Attention {
            batch: 1,
            heads,
            kv_heads: 2,
            queries,
            keys,
            key_size: size,
            value_size: size,
            has_mask: false,
        }
    }

    fn bytes(attention: &Attention, kv: DType, generation: Option<Generation>) -> Vec<u64> {
        let node = ExecutedNode {
            kind: Kind::PagedAttention,
            attention: Some(Box::new(attention.clone())),
            ..ExecutedNode::default()
        };
        let graph =
            ExecutionGraph { nodes: vec![node].into(), kv_precision: Some(kv), ..ExecutionGraph::default() };
        held(&graph, &OpenvinoCpu::default(), generation).iter().map(|held| held.bytes.0).collect()
    }

    /// Blocks of the measured runs of LLMPipeline, less malloc's 8 bytes: 1,024 tokens and 4 new ones.
    #[test]
    fn blocks_are_as_large_as_measured() {
        let generation = Some(Generation { prompt: 1024, new_tokens: Some(4) });
        let half = bytes(&attention(14, 1024, 1024, 64), DType::F16, generation);
        assert_eq!(half, [270_336, 270_336, 229_376, 262_144, 262_144, 262_144]);
        let byte = bytes(&attention(12, 1024, 1024, 128), DType::U8, generation);
        assert_eq!(byte, [337_920, 287_232, 393_216, 262_144, 524_288, 524_288]);
    }

    #[test]
    fn a_growing_cache_holds_the_old_keys_and_values() {
        let generation = Some(Generation { prompt: 32, new_tokens: None });
        let grown = bytes(&attention(14, 1, 65, 64), DType::F16, generation);
        assert_eq!(grown[..4], [10 * 8192, 10 * 8192, 2 * 8192, 2 * 8192]);
    }

    /// Measured with 28 layers and 1 GiB: 20,729,840 and 17,620,976 bytes per layer, twice.
    #[test]
    fn a_cache_of_a_given_size_is_there_twice_at_first() {
        let layer = || ExecutedNode {
            kind: Kind::PagedAttention,
            attention: Some(Box::new(Attention { kv_heads: 8, ..attention(16, 1024, 1024, 128) })),
            ..ExecutedNode::default()
        };
        let nodes: Vec<ExecutedNode> = (0..28).map(|_| layer()).collect();
        let graph = ExecutionGraph {
            nodes: nodes.into(),
            kv_precision: Some(DType::U8),
            ..ExecutionGraph::default()
        };
        let cache = Some(Bytes(1 << 30));
        let host = Host::GenAi(Scheduler { cache, ..Scheduler::default() });
        let options = OpenvinoCpu { host, ..OpenvinoCpu::default() };
        let held = held(&graph, &options, None);
        let of_layer: Vec<u64> = held[..4].iter().map(|held| held.bytes.0).collect();
        assert_eq!(of_layer, [506 * 40_960, 506 * 34_816, 506 * 40_960, 506 * 34_816]);
    }
}
