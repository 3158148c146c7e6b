//! Attention, fused projections and mixtures of experts.

use super::super::attributes::{Layer, Result};
use super::super::made::{Made, Slot, with};
use super::{Entry, inputs, ms, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{
    AttentionOfWeights, AttentionTraits, CacheLength, ElementType, MultiHeadAttention, MultiHeadForm,
    Packing, Quantized, QuantizedForm, WeightBlocks, WeightsForm,
};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Attention], "Attention", 23, |layer| {
        let spec =
            heads(layer, MultiHeadForm::Standard, "q_num_heads", "kv_num_heads", CacheLength::Appended)?;
        Ok(with(spec, inputs([0, 1, 2, 4, 5]).chain([Slot::Absent]).chain(inputs([3, 6]))))
    }),
    Entry {
        domain: "ai.onnx.preview",
        ..op(&[K::FlexAttention], "FlexAttention", 1, |_| {
            let cache = CacheLength::Appended;
            let traits = AttentionTraits::default();
            let form = MultiHeadForm::Flex;
            let spec = MultiHeadAttention { form, query_heads: 0, kv_heads: 0, cache, traits };
            Ok(Op::MultiHeadAttention(Box::new(spec)).into())
        })
    },
    op(&[K::LinearAttention], "LinearAttention", 27, |layer| {
        let (query_heads, kv_heads) = (layer.int_needed("q_num_heads")?, layer.int_needed("kv_num_heads")?);
        Ok(Op::LinearAttention { query_heads, kv_heads }.into())
    }),
    op(&[K::CausalConvWithState], "CausalConvWithState", 27, causal_convolution),
    ms(&[K::CausalConvWithState], "CausalConvWithState", causal_convolution),
    ms(&[K::LinearAttention], "LinearAttention", |layer| {
        // Several states at once: no kernel of the CPU has them.
        if layer.int_or("state_window", 0)? != 0 {
            return Ok(Op::Opaque.into());
        }
        let (query_heads, kv_heads) = (layer.int_needed("q_num_heads")?, layer.int_needed("kv_num_heads")?);
        Ok(Op::LinearAttention { query_heads, kv_heads }.into())
    }),
    // Bias, masks and scores to add follow query, key and value; then the past.
    ms(&[K::MultiHeadAttention], "MultiHeadAttention", |layer| {
        let spec = heads(layer, MultiHeadForm::MultiHead, "num_heads", "num_heads", CacheLength::Appended)?;
        Ok(with(spec, inputs([0, 1, 2, 6, 7]).chain([Slot::Absent]).chain(inputs([3, 4, 5, 8, 9]))))
    }),
    ms(&[K::DecoderMaskedMultiHeadAttention], "DecoderMaskedMultiHeadAttention", |layer| {
        let is_shared = layer.flag("past_present_share_buffer", false)?;
        let cache = if is_shared { CacheLength::Shared } else { CacheLength::Appended };
        let spec = heads(layer, MultiHeadForm::DecoderMasked, "num_heads", "num_heads", cache)?;
        Ok(with(spec, inputs([0, 1, 2, 5, 6]).chain([Slot::Absent]).chain(inputs([3, 4, 7, 8, 9, 10]))))
    }),
    ms(&[K::GroupQueryAttention], "GroupQueryAttention", |layer| {
        let is_window = layer.flag("sliding_window_cache", false)?;
        let cache = if is_window { CacheLength::Window } else { CacheLength::Shared };
        let spec = heads(layer, MultiHeadForm::GroupQuery, "num_heads", "kv_num_heads", cache)?;
        Ok(with(spec, inputs([0, 1, 2, 3, 4, 6, 5]).chain(inputs(7..layer.inputs.len().max(7)))))
    }),
    ms(&[K::SparseAttention], "SparseAttention", |layer| {
        let spec = heads(layer, MultiHeadForm::Sparse, "num_heads", "kv_num_heads", CacheLength::Shared)?;
        Ok(with(spec, inputs([0, 1, 2, 3, 4, 7, 5, 6, 8, 9, 10])))
    }),
    ms(&[K::PagedAttention], "PagedAttention", |_| Ok(Op::PagedAttentionOfCache.into())),
    ms(&[K::AttentionOfWeights], "Attention", |layer| {
        Ok(with(of_weights(layer, WeightsForm::Plain)?, inputs([0, 1, 4, 2, 3, 5, 6])))
    }),
    ms(&[K::QAttention], "QAttention", |layer| {
        Ok(with(of_weights(layer, WeightsForm::Quantized)?, inputs([0, 1, 8, 2, 3, 4, 5, 6, 7])))
    }),
    ms(&[K::DecoderMaskedSelfAttention], "DecoderMaskedSelfAttention", |layer| {
        Ok(with(of_weights(layer, WeightsForm::DecoderMasked)?, inputs([0, 1, 4, 2, 3, 5, 6])))
    }),
    ms(&[K::PackedAttention], "PackedAttention", |layer| {
        Ok(with(
            of_weights(layer, WeightsForm::Packed)?,
            inputs([0, 1]).chain([Slot::Absent]).chain(inputs(2..6)),
        ))
    }),
    // As wide as the value, or as the query that holds all three.
    ms(&[K::PackedMultiHeadAttention], "PackedMultiHeadAttention", |layer| {
        Ok(if layer.has(2) { Op::PackedMultiHeadAttention.into() } else { Op::Opaque.into() })
    }),
    ms(&[K::LongformerAttention], "LongformerAttention", |_| Ok(Op::LongformerAttention.into())),
    ms(&[K::EngramGate], "EngramGate", |_| Ok(Op::EngramGate.into())),
    ms(&[K::HyperConnectionPreMix], "HyperConnectionPreMix", |_| Ok(Op::HyperConnectionPreMix.into())),
    ms(&[K::HyperConnectionPostMix], "HyperConnectionPostMix", |_| Ok(Op::HyperConnectionPostMix.into())),
    ms(&[K::LinearAttentionGate], "LinearAttentionGate", |_| Ok(Op::LinearAttentionGate.into())),
    ms(&[K::MoE], "MoE", |layer| Ok(Op::MoE { top_k: layer.int_or("k", 1)? }.into())),
    ms(&[K::QMoE], "QMoE", |layer| {
        Ok(Op::QMoE {
            top_k: layer.int_or("k", 1)?,
            bits: layer.int_or("expert_weight_bits", 4)?,
            block_size: layer.int_or("block_size", 0)?,
            as_integers: layer.int_or("accuracy_level", 0)? == 4,
        }
        .into())
    }),
    // Word ids, segment ids, word table; the sum, an index per row of the mask, the sum before its norm.
    ms(&[K::EmbedLayerNormalization], "EmbedLayerNormalization", |_| Ok(Op::Embedded.into())),
    ms(&[K::QEmbedLayerNormalization], "QEmbedLayerNormalization", |_| {
        // The tables are quantized, and the sum is not.
        let (form, to) = (QuantizedForm::Linear, ElementType::Is(crate::DType::F32));
        Ok(Op::Quantized(Box::new(Quantized { form, op: Op::Embedded, to })).into())
    }),
    ms(&[K::MatMulNBits], "MatMulNBits", |layer| {
        let blocks = WeightBlocks {
            columns: layer.int_needed("K")?,
            bits: layer.int_or("bits", 4)?,
            block_size: layer.int_needed("block_size")?,
            as_integers: layer.int_or("accuracy_level", 0)? == 4,
        };
        Ok(Op::Linear { outputs: layer.int_needed("N")?, packing: Packing::Blocks(blocks) }.into())
    }),
    ms(&[K::MatMulBnb4], "MatMulBnb4", |layer| linear(layer, Packing::NormalFloat)),
    ms(&[K::MatMulFpQ4], "MatMulFpQ4", |layer| linear(layer, Packing::Float)),
    ms(&[K::GatherBlockQuantized], "GatherBlockQuantized", |layer| {
        let (axis, bits) = (layer.int_or("gather_axis", 0)?, layer.int_or("bits", 4)?);
        Ok(Op::GatherQuantized { axis, bits }.into())
    }),
];

/// `K` columns of the data by `N` rows of packed weights.
fn linear(layer: &Layer<'_>, packing: Packing) -> Result<Made> {
    Ok(Op::Linear { outputs: layer.int_needed("N")?, packing }.into())
}

fn heads(
    layer: &Layer<'_>,
    form: MultiHeadForm,
    query: &'static str,
    kv: &'static str,
    cache: CacheLength,
) -> Result<Op> {
    let (query_heads, kv_heads) = (layer.int_or(query, 0)?, layer.int_or(kv, 0)?);
    let traits = AttentionTraits {
        is_rotated: layer.flag("do_rotary", false)?,
        // The standard's word, and that of com.microsoft.
        is_causal: layer.flag("is_causal", false)? || layer.flag("unidirectional", false)?,
        is_capped: layer.float("softcap")?.is_some_and(|cap| cap > 0.0),
        has_sink: layer.flag("smooth_softmax", false)?,
        returns_scores: layer.flag("qk_output", false)?,
    };
    Ok(Op::MultiHeadAttention(Box::new(MultiHeadAttention { form, query_heads, kv_heads, cache, traits })))
}

fn causal_convolution(layer: &Layer<'_>) -> Result<Made> {
    // More than one spatial dim, or several states at once: no kernel of the CPU has them.
    if layer.int_or("ndim", 1)? != 1 || layer.int_or("state_window", 0)? != 0 {
        return Ok(Op::Opaque.into());
    }
    let (dilation, channels_last) = (layer.int_or("dilation", 1)?, layer.flag("channels_last", false)?);
    Ok(Op::CausalConvolution { dilation, channels_last }.into())
}

fn of_weights(layer: &Layer<'_>, form: WeightsForm) -> Result<Op> {
    let (heads, widths) = (layer.int_or("num_heads", 0)?, layer.ints_or_none("qkv_hidden_sizes")?);
    let is_causal = layer.flag("unidirectional", false)?;
    Ok(Op::AttentionOfWeights(Box::new(AttentionOfWeights { form, heads, widths, is_causal })))
}
