//! Attention, rotations, and weights in blocks.

use super::Ints;

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
    /// Heads of the query; 0 where the query has four dims, and shows them.
    pub query_heads: i64,
    /// Heads of key and value; 0: as many as the query's.
    pub kv_heads: i64,
    /// How long present key and value are.
    pub cache: CacheLength,
    /// What a kernel's choice of algorithm depends on.
    pub traits: AttentionTraits,
}

/// What is computed within an attention; no shape depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttentionTraits {
    /// Query and key are rotated within.
    pub is_rotated: bool,
    /// No token sees a later one, which the operator says itself.
    pub is_causal: bool,
    /// Scores are capped, have a sink, or are returned: they are written out whole.
    pub writes_scores: bool,
}

/// Weights in blocks along their columns, each block with a scale of its own (`MatMulNBits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBlocks {
    /// Columns.
    pub columns: i64,
    /// Bits of a number.
    pub bits: i64,
    /// Numbers in a block.
    pub block_size: i64,
    /// The data is quantised to i8 first (`accuracy_level` 4).
    pub as_integers: bool,
}

/// How long present key and value of an attention are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Heads.
    pub heads: i64,
    /// Widths of query, key and value; empty: a third of the weights each.
    pub widths: Ints,
    /// No token sees a later one.
    pub is_causal: bool,
}
