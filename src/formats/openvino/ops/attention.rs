//! Attention.

use super::{Entry, INTERNAL, op};
use crate::graph::Op;

pub(super) const TABLE: &[Entry] = &[
    op("ScaledDotProductAttention", 13, |layer| {
        Ok(Op::ScaledDotProductAttention { causal: layer.flag("causal", false)? })
    }),
    op("PagedAttentionExtension", INTERNAL, |_| Ok(Op::PagedAttention)),
    op("RMS", INTERNAL, |_| Ok(Op::Rms)),
];
