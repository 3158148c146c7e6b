//! Buffers of stateful attention: one set per graph, as large as its largest layer asks for.
//!
//! B batch, H query heads, Hk key heads, N queries, L keys, S head size, T threads; `ru` rounds up:
//!
//! | case | blocks |
//! |---|---|
//! | bf16, no past | `B N H S 4`; `T 32 L 4`; `B Hk ru(S,32) ru(L,32) 2` for keys and the same for values |
//! | past | `B H N ru(L,16) 4`; `T B N H S 4`: quadratic where a chunk follows a prompt |
//! | f32, no past | one of about half a MiB, whatever the lengths |
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/nodes/scaled_attn.cpp; exact in every bf16 run, and the f32
//! block is an estimate.

use super::held::{Held, Moment, product, round_up};
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{Attention, ExecutionGraph, Kind, Precision};
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;

/// The set of the graph's largest attention.
pub(super) fn held(graph: &ExecutionGraph, threads: u64) -> Vec<Held> {
    let attentions = graph.nodes.of_kind(Kind::ScaledDotProductAttention);
    let sets = attentions.filter_map(|(_, node)| {
        Some((node.source, blocks(node.attention.as_deref()?, threads, graph.precision)))
    });
    let total = |blocks: &[u64]| blocks.iter().fold(0_u64, |sum, &bytes| sum.saturating_add(bytes));
    let Some((node, blocks)) = sets.max_by_key(|(_, blocks)| total(blocks)) else { return Vec::new() };
    let known = if graph.precision == Precision::F32 { Known::Assumed } else { Known::Exact };
    let held = blocks.into_iter().map(|bytes| Held {
        class: StorageClass::Workspace,
        bytes: Bytes(bytes),
        node,
        known,
        since: Moment::Running,
    });
    held.collect()
}

fn blocks(attention: &Attention, threads: u64, precision: Precision) -> Vec<u64> {
    let &Attention { batch, heads, kv_heads, queries, keys, key_size, value_size, .. } = attention;
    if attention.past() > 0 {
        let scores = product([batch, heads, queries, round_up(keys, 16), 4]);
        return vec![scores, product([threads, batch, queries, heads, value_size, 4])];
    }
    if precision == Precision::F32 {
        return vec![fit::ATTENTION_F32.estimate().known().0];
    }
    let pack = |size| product([batch, kv_heads, round_up(size, 32), round_up(keys, 32), 2]);
    vec![
        product([batch, queries, heads, value_size, 4]),
        product([threads, 32, keys, 4]),
        pack(key_size),
        pack(value_size),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(batch: u64, heads: u64, kv_heads: u64, queries: u64, keys: u64, size: u64) -> Attention {
        Attention { batch, heads, kv_heads, queries, keys, key_size: size, value_size: size, has_mask: true }
    }

    /// Blocks of measured runs; see the module's source.
    #[test]
    fn blocks_are_as_large_as_measured() {
        let prompt = blocks(&attention(1, 14, 2, 1813, 1813, 64), 2, Precision::Bf16);
        assert_eq!(prompt, [6_497_792, 464_128, 466_944, 466_944]);
        let chunk = blocks(&attention(1, 14, 2, 256, 768, 64), 2, Precision::Bf16);
        assert_eq!(chunk, [11_010_048, 1_835_008]);
        let chunk = blocks(&attention(1, 12, 2, 384, 896, 128), 2, Precision::Bf16);
        assert_eq!(chunk, [16_515_072, 4_718_592]);
    }
}
