//! One node of an executed graph, and what it reads and writes.

use super::kind::Kind;
use crate::dtype::DType;
use crate::graph::Dims;
use crate::graph::op::Window;
use crate::schedule::NodeRef;
use crate::units::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;

/// One node that runs, or holds memory.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExecutedNode {
    /// The operation.
    pub kind: Kind,
    /// The runtime's name of it.
    pub name: Arc<str>,
    /// Names of the layers that were fused into it, in order. Activations and arithmetic fused behind a matrix
    /// product or a convolution are listed; a bias has taken its product's place.
    pub originals: SmallVec<[Arc<str>; 1]>,
    /// The node of the source graph that it represents, for reports.
    pub source: NodeRef,
    /// The outputs that it reads, by input port.
    pub inputs: SmallVec<[Port; 4]>,
    /// The outputs that it writes.
    pub outputs: SmallVec<[Output; 1]>,
    /// Its outputs are in its input's bytes (for [`Kind::Concat`]: its inputs are in its output's). Decided when the
    /// model is compiled, on the dims known then, so that it cannot be read off [`Output::dims`]; meaningful for
    /// Gather, Split, Concat and RoPE, and ignored elsewhere.
    pub is_view: bool,
    /// Input that is overwritten by a sum fused into a convolution.
    pub addend: Option<u32>,
    /// [`Kind::Convolution`]: the zero points of its data. A serialized execution graph does not show them.
    pub zero_points: ZeroPoints,
    /// What is fused into a product or a convolution of bytes has no numbers in the kernel, which others of the same sizes
    /// share. A serialized execution graph does not show it.
    pub shares_kernel: bool,
    /// Sizes of an attention; there are some for [`Kind::ScaledDotProductAttention`], [`Kind::PagedAttention`] and for
    /// a [`Kind::Subgraph`] that holds a whole attention.
    pub attention: Option<Box<Attention>>,
    /// [`Kind::Convolution`], [`Kind::Deconvolution`]: strides, dilations and pads, where the exported graph states them.
    pub window: Option<Box<Window>>,
    /// [`Kind::Reduce`]: what it computes can be computed of parts first. A serialized execution graph does not show it.
    pub has_parts: bool,
    /// Its sizes depend on data: they are bounds, and another node's with equal bounds may differ. A serialized execution graph
    /// does not show it.
    pub depends_on_data: bool,
    /// [`Kind::Const`]: read in place from the mapped file. False for a copy on the heap (converted, folded).
    pub is_mapped: bool,
    /// [`Kind::StridedSlice`]: pieces that it copies one by one, where the exported graph states them.
    pub n_pieces: u64,
    /// [`Kind::MemoryInput`]: weights of the matrix products that compute its first content, in a graph of their own.
    /// A serialized execution graph does not show them.
    pub inner: Box<[Output]>,
}

/// Zero points of the bytes that a convolution reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ZeroPoints {
    /// None, or data are no bytes.
    #[default]
    None,
    /// One for all data.
    One,
    /// One per channel.
    PerChannel,
}

/// An output of an earlier node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// The step of the node that writes it: its position among the nodes of the graph.
    pub step: u32,
    /// Which of its outputs, from 0.
    pub port: u32,
}

/// One output of a node.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Output {
    /// Element type as executed.
    pub dtype: DType,
    /// Dims of this run.
    pub dims: Dims,
    /// At least one dim was free when the model was compiled.
    pub is_dynamic: bool,
    /// Order of the dims in memory.
    pub layout: Layout,
}

/// Order of dims in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// As written: the last dim is dense.
    #[default]
    Plain,
    /// Dim 1 is dense (`acb`, `acdb`, `acdeb`).
    ChannelsLast,
    /// As many elements of dim 1 are dense, the last of them zeros where dim 1 is no multiple (`aBcd8b`, `aBcd16b`).
    Blocks(u8),
}

/// The sizes of one attention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attention {
    /// Sequences; leading dims of a packed attention count here.
    pub batch: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Query tokens of this run.
    pub queries: u64,
    /// Key tokens, those of earlier runs included.
    pub keys: u64,
    /// Size of one query or key head.
    pub key_size: u64,
    /// Size of one value head.
    pub value_size: u64,
    /// It adds a mask to the scores.
    pub has_mask: bool,
}

impl Attention {
    /// Key tokens that earlier runs left.
    #[must_use]
    pub fn past(&self) -> u64 {
        self.keys.saturating_sub(self.queries)
    }
}

impl Output {
    /// Bytes of the elements; `None` where elements have no fixed size or the product does not fit 64 bits.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        let stored = |(axis, &dim): (usize, &u64)| match self.layout {
            Layout::Blocks(block) if axis == 1 => dim.checked_next_multiple_of(u64::from(block)),
            _ => Some(dim),
        };
        let dims = self.dims.iter().enumerate();
        let elements = dims.map(stored).try_fold(1_u64, |product, dim| product.checked_mul(dim?))?;
        if elements == 0 { Some(Bytes::ZERO) } else { self.dtype.bytes(elements) }
    }
}

impl ExecutedNode {
    /// Whether a constant, or something computed from constants alone, is what this node is.
    #[must_use]
    pub fn is_const(&self) -> bool {
        self.kind == Kind::Const
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole() {
        let bytes = |layout| {
            let dims = Dims::from_slice(&[2, 20, 3, 3]);
            Output { dtype: DType::U8, dims, layout, is_dynamic: false }.bytes()
        };
        assert_eq!(bytes(Layout::Plain), Some(Bytes(360)));
        assert_eq!(bytes(Layout::Blocks(16)), Some(Bytes(576)));
    }
}
