//! Attention, fused projections and mixtures of experts.

use super::super::attributes::{Layer, Result};
use super::super::made::{Made, Slot, with};
use super::{Entry, inputs, like, ms, op};
use crate::graph::Op;
use crate::graph::op::{AttentionOfWeights, AttentionTraits, CacheLength, MultiHeadAttention, WeightBlocks};

pub(super) const TABLE: &[Entry] = &[
    op("Attention", 23, |layer| {
        let spec = heads(layer, "q_num_heads", "kv_num_heads", CacheLength::Appended)?;
        Ok(with(spec, inputs([0, 1, 2, 4, 5]).chain([Slot::Absent]).chain(inputs([3, 6]))))
    }),
    Entry {
        domain: "ai.onnx.preview",
        ..op("FlexAttention", 1, |_| {
            let cache = CacheLength::Appended;
            let traits = AttentionTraits::default();
            let spec = MultiHeadAttention { query_heads: 0, kv_heads: 0, cache, traits };
            Ok(Op::MultiHeadAttention(Box::new(spec)).into())
        })
    },
    op("LinearAttention", 27, |layer| {
        let (query_heads, kv_heads) = (layer.int_needed("q_num_heads")?, layer.int_needed("kv_num_heads")?);
        Ok(Op::LinearAttention { query_heads, kv_heads }.into())
    }),
    op("CausalConvWithState", 27, causal_convolution),
    ms("CausalConvWithState", causal_convolution),
    ms("LinearAttention", |layer| {
        // Several states at once: no kernel of the CPU has them.
        if layer.int_or("state_window", 0)? != 0 {
            return Ok(Op::Opaque.into());
        }
        let (query_heads, kv_heads) = (layer.int_needed("q_num_heads")?, layer.int_needed("kv_num_heads")?);
        Ok(Op::LinearAttention { query_heads, kv_heads }.into())
    }),
    // Bias, masks and scores to add follow query, key and value; then the past.
    ms("MultiHeadAttention", |layer| {
        let spec = heads(layer, "num_heads", "num_heads", CacheLength::Appended)?;
        Ok(with(spec, inputs([0, 1, 2, 6, 7]).chain([Slot::Absent]).chain(inputs([3, 4, 5, 8, 9]))))
    }),
    ms("DecoderMaskedMultiHeadAttention", |layer| {
        let is_shared = layer.flag("past_present_share_buffer", false)?;
        let cache = if is_shared { CacheLength::Shared } else { CacheLength::Appended };
        let spec = heads(layer, "num_heads", "num_heads", cache)?;
        Ok(with(spec, inputs([0, 1, 2, 5, 6]).chain([Slot::Absent]).chain(inputs([3, 4, 7, 8, 9, 10]))))
    }),
    ms("GroupQueryAttention", |layer| {
        let is_window = layer.flag("sliding_window_cache", false)?;
        let cache = if is_window { CacheLength::Window } else { CacheLength::Shared };
        let spec = heads(layer, "num_heads", "kv_num_heads", cache)?;
        Ok(with(spec, inputs([0, 1, 2, 3, 4, 6, 5]).chain(inputs(7..layer.inputs.len().max(7)))))
    }),
    ms("SparseAttention", |layer| {
        let spec = heads(layer, "num_heads", "kv_num_heads", CacheLength::Shared)?;
        Ok(with(spec, inputs([0, 1, 2, 3, 4, 7, 5, 6, 8, 9, 10])))
    }),
    // The caches are written where they lie.
    ms("PagedAttention", |_| Ok(like([0, 3, 4]).into())),
    ms("Attention", |layer| Ok(with(of_weights(layer)?, inputs([0, 1, 4, 2, 3, 5, 6])))),
    ms("QAttention", |layer| Ok(with(of_weights(layer)?, inputs([0, 1, 8, 2, 3, 4, 5, 6, 7])))),
    ms("DecoderMaskedSelfAttention", |layer| Ok(with(of_weights(layer)?, inputs([0, 1, 4, 2, 3, 5, 6])))),
    ms("PackedAttention", |layer| {
        Ok(with(of_weights(layer)?, inputs([0, 1]).chain([Slot::Absent]).chain(inputs(2..6))))
    }),
    // As wide as the value, or as the query that holds all three.
    ms("PackedMultiHeadAttention", |layer| {
        Ok(if layer.has(2) { like([2]).into() } else { Op::Opaque.into() })
    }),
    ms("LongformerAttention", |_| Ok(like([0]).into())),
    ms("MoE", |_| Ok(like([0]).into())),
    ms("QMoE", |_| Ok(like([0]).into())),
    // Word ids, segment ids, word table; the sum, an index per row of the mask, the sum before its norm.
    ms("EmbedLayerNormalization", |_| Ok(Op::Embedded.into())),
    ms("QEmbedLayerNormalization", |_| Ok(Op::Embedded.into())),
    ms("MatMulNBits", |layer| {
        let blocks = WeightBlocks {
            columns: layer.int_needed("K")?,
            bits: layer.int_or("bits", 4)?,
            block_size: layer.int_needed("block_size")?,
            as_integers: layer.int_or("accuracy_level", 0)? == 4,
        };
        Ok(Op::Linear { outputs: layer.int_needed("N")?, blocks: Some(blocks) }.into())
    }),
    ms("MatMulBnb4", linear),
    ms("MatMulFpQ4", linear),
    ms("GatherBlockQuantized", |layer| {
        let (axis, bits) = (layer.int_or("gather_axis", 0)?, layer.int_or("bits", 4)?);
        Ok(Op::GatherQuantized { axis, bits }.into())
    }),
];

/// `K` columns of the data by `N` rows of packed weights.
fn linear(layer: &Layer<'_>) -> Result<Made> {
    Ok(Op::Linear { outputs: layer.int_needed("N")?, blocks: None }.into())
}

fn heads(layer: &Layer<'_>, query: &'static str, kv: &'static str, cache: CacheLength) -> Result<Op> {
    let (query_heads, kv_heads) = (layer.int_or(query, 0)?, layer.int_or(kv, 0)?);
    let caps = layer.float("softcap")?.is_some_and(|cap| cap > 0.0);
    let traits = AttentionTraits {
        is_rotated: layer.flag("do_rotary", false)?,
        // The standard's word, and that of com.microsoft.
        is_causal: layer.flag("is_causal", false)? || layer.flag("unidirectional", false)?,
        writes_scores: caps || layer.flag("smooth_softmax", false)? || layer.flag("qk_output", false)?,
    };
    Ok(Op::MultiHeadAttention(Box::new(MultiHeadAttention { query_heads, kv_heads, cache, traits })))
}

fn causal_convolution(layer: &Layer<'_>) -> Result<Made> {
    // More than one spatial dim, or several states at once: no kernel of the CPU has them.
    if layer.int_or("ndim", 1)? != 1 || layer.int_or("state_window", 0)? != 0 {
        return Ok(Op::Opaque.into());
    }
    let (dilation, channels_last) = (layer.int_or("dilation", 1)?, layer.flag("channels_last", false)?);
    Ok(Op::CausalConvolution { dilation, channels_last }.into())
}

fn of_weights(layer: &Layer<'_>) -> Result<Op> {
    let (heads, widths) = (layer.int_or("num_heads", 0)?, layer.ints_or_none("qkv_hidden_sizes")?);
    let is_causal = layer.flag("unidirectional", false)?;
    Ok(Op::AttentionOfWeights(Box::new(AttentionOfWeights { heads, widths, is_causal })))
}
