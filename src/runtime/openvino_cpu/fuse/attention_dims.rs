//! The sizes of an attention while the graph is rewritten.

use super::dim::Dim;
use crate::runtime::openvino_cpu::execution::Attention;
use smallvec::SmallVec;

/// As [`Attention`], of dims.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AttentionDims {
    /// Their product is the number of sequences.
    pub batch: SmallVec<[Dim; 1]>,
    /// Query heads.
    pub heads: Dim,
    /// Key and value heads.
    pub kv_heads: Dim,
    /// Query tokens of this run.
    pub queries: Dim,
    /// Key tokens, those of earlier runs included.
    pub keys: Dim,
    /// Size of one query or key head.
    pub key_size: Dim,
    /// Size of one value head.
    pub value_size: Dim,
    /// It adds a mask to the scores.
    pub has_mask: bool,
}

impl AttentionDims {
    /// The sizes; `size` is that of a dim.
    pub(super) fn sizes(&self, size: impl Fn(Dim) -> u64) -> Attention {
        Attention {
            batch: self.batch.iter().fold(1, |product: u64, &dim| product.saturating_mul(size(dim))),
            heads: size(self.heads),
            kv_heads: size(self.kv_heads),
            queries: size(self.queries),
            keys: size(self.keys),
            key_size: size(self.key_size),
            value_size: size(self.value_size),
            has_mask: self.has_mask,
        }
    }

    /// Every dim.
    pub(super) fn dims(&self) -> impl Iterator<Item = Dim> {
        let others = [self.heads, self.kv_heads, self.queries, self.keys, self.key_size, self.value_size];
        self.batch.iter().copied().chain(others)
    }
}
