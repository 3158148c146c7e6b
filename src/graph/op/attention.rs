//! Attention and rotations.

use super::{Ints, OpKind};

/// Attributes of [`Op::Rope`](super::Op::Rope).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rope {
    /// Input is [B, N, H, S], output [B, H, N, S].
    pub input_trans0213: bool,
    /// Output is [B, H, N, S] of an input [B, N, H, S] (other flavours; ChatGLM's with two dims of positions).
    pub output_trans0213: bool,
    /// Input is [.., .., features], of which heads are split off (Qwen, ChatGLM).
    pub splits_heads: bool,
    /// Slice of the last dim before rotation; both 0: none.
    pub slice_start: i64,
    /// End of the slice.
    pub slice_stop: i64,
    /// Heads, for flavours that split the last dim.
    pub head_count: i64,
    /// Head size, for flavours that split the last dim.
    pub head_size: i64,
}

/// Attributes of [`Op::MultiHeadAttention`](super::Op::MultiHeadAttention).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiHeadAttention {
    /// Which operator it is.
    pub form: MultiHeadForm,
    /// Heads of the query; 0 where the query has four dims, and shows them.
    pub query_heads: i64,
    /// Heads of key and value; 0: as many as the query's.
    pub kv_heads: i64,
    /// How long present key and value are.
    pub cache: CacheLength,
    /// What is computed within.
    pub traits: AttentionTraits,
}

/// The operators that are a [`MultiHeadAttention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MultiHeadForm {
    /// ONNX `Attention`.
    Standard,
    /// ONNX `FlexAttention`.
    Flex,
    /// ONNX Runtime `MultiHeadAttention`.
    MultiHead,
    /// ONNX Runtime `DecoderMaskedMultiHeadAttention`.
    DecoderMasked,
    /// ONNX Runtime `GroupQueryAttention`.
    GroupQuery,
    /// ONNX Runtime `SparseAttention`.
    Sparse,
}

impl MultiHeadAttention {
    /// Which operator [`Op::MultiHeadAttention`](super::Op::MultiHeadAttention) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        match self.form {
            MultiHeadForm::Standard => OpKind::Attention,
            MultiHeadForm::Flex => OpKind::FlexAttention,
            MultiHeadForm::MultiHead => OpKind::MultiHeadAttention,
            MultiHeadForm::DecoderMasked => OpKind::DecoderMaskedMultiHeadAttention,
            MultiHeadForm::GroupQuery => OpKind::GroupQueryAttention,
            MultiHeadForm::Sparse => OpKind::SparseAttention,
        }
    }
}

/// What is computed within an attention; no shape depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttentionTraits {
    /// Query and key are rotated within.
    pub is_rotated: bool,
    /// No token sees a later one, which the operator says itself.
    pub is_causal: bool,
    /// Scores are capped.
    pub is_capped: bool,
    /// A sink joins the scores before the softmax.
    pub has_sink: bool,
    /// Scores are an output.
    pub returns_scores: bool,
}

/// How long present key and value of an attention are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheLength {
    /// Past and new tokens.
    Appended,
    /// As long as the past's buffer, or the total length where that is more.
    Shared,
    /// As long as the past's buffer, whose oldest tokens go.
    Window,
}

/// Attributes of [`Op::AttentionOfWeights`](super::Op::AttentionOfWeights).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionOfWeights {
    /// Which operator it is.
    pub form: WeightsForm,
    /// Heads.
    pub heads: i64,
    /// Widths of query, key and value; empty: a third of the weights each.
    pub widths: Ints,
    /// No token sees a later one.
    pub is_causal: bool,
}

/// The operators that are an [`AttentionOfWeights`]; all of ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightsForm {
    /// `Attention`.
    Plain,
    /// `QAttention`.
    Quantized,
    /// `DecoderMaskedSelfAttention`.
    DecoderMasked,
    /// `PackedAttention`.
    Packed,
}

impl AttentionOfWeights {
    /// Which operator [`Op::AttentionOfWeights`](super::Op::AttentionOfWeights) is.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        match self.form {
            WeightsForm::Plain => OpKind::AttentionOfWeights,
            WeightsForm::Quantized => OpKind::QAttention,
            WeightsForm::DecoderMasked => OpKind::DecoderMaskedSelfAttention,
            WeightsForm::Packed => OpKind::PackedAttention,
        }
    }
}
