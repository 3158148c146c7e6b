//! Attention.

use super::super::attributes::{Attributes, Result};
use super::{Entry, INTERNAL, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Rope;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::ScaledDotProductAttention], "ScaledDotProductAttention", 13, |layer| {
        Ok(Op::ScaledDotProductAttention { causal: layer.flag("causal", false)? })
    }),
    op(&[K::PagedAttentionExtension], "PagedAttentionExtension", INTERNAL, |_| Ok(Op::PagedAttention)),
    op(&[K::Rope], "RoPE", INTERNAL, rope),
    op(&[K::Rms], "RMS", INTERNAL, |_| Ok(Op::Rms)),
];

/// Source: OpenVINO 2026.4, src/common/transformations/src/ov_ops/rotary_positional_embeddings.cpp.
fn rope(layer: &Attributes<'_, '_>) -> Result<Op> {
    let (is_qwen, is_chatglm) =
        (layer.flag("config.is_qwen", false)?, layer.flag("config.is_chatglm", false)?);
    let splits_heads = is_qwen || is_chatglm;
    let output_trans0213 = if splits_heads {
        !is_qwen && layer.flag("config.support_2d_rope", false)?
    } else {
        layer.flag("config.output_trans0213", false)?
    };
    Ok(Op::Rope(Box::new(Rope {
        input_trans0213: layer.flag("config.input_trans0213", false)?,
        output_trans0213,
        splits_heads,
        slice_start: layer.int_or("config.slice_start", 0)?,
        slice_stop: layer.int_or("config.slice_stop", 0)?,
        head_count: layer.int_or("config.head_cnt", 0)?,
        head_size: layer.int_or("config.head_size", 0)?,
    })))
}
