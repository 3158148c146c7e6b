//! The kinds of node that a plugin executes.

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal $(| $alias:literal)*;)*) => {
        /// What an executed node does.
        ///
        /// Source: `TypeFromName`/`NameFromType` of OpenVINO 2026.4, src/plugins/intel_cpu/src/cpu_types.cpp.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $name,)*
            /// A kind that no rule names: it writes new tensors.
            Other(Box<str>),
        }

        impl Kind {
            /// The runtime's word.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Kind::$name => $text,)*
                    Kind::Other(name) => name,
                }
            }

            /// The kind that the runtime calls `name`.
            #[must_use]
            pub fn from_name(name: &str) -> Kind {
                match name {
                    $($text $(| $alias)* => Kind::$name,)*
                    _ => Kind::Other(name.into()),
                }
            }
        }
    };
}

kinds! {
    /// A constant.
    Const = "Const" | "Constant";
    /// A model input.
    Input = "Input" | "Parameter";
    /// A model output.
    Output = "Output" | "Result";
    /// Reads a variable.
    MemoryInput = "MemoryInput" | "ReadValue";
    /// Writes a variable.
    MemoryOutput = "MemoryOutput" | "Assign";
    /// Matrix product with a constant, bias and post-ops fused.
    FullyConnected = "FullyConnected";
    /// The three products of a gated MLP, computed in tiles.
    LlmMlp = "LLMMLP";
    /// The products that make queries, keys and values, computed in tiles.
    QkvProjection = "QKVProjection";
    /// Matrix product of two activations.
    MatMul = "MatMul";
    /// Matrix products with those weights of several experts that an input chooses.
    GatherMatmul = "GatherMatmul";
    /// Convolution, bias, post-ops and sum fused.
    Convolution = "Convolution";
    /// Transposed convolution.
    Deconvolution = "Deconvolution";
    /// Pooling.
    Pooling = "Pooling";
    /// Attention with key and value state.
    ScaledDotProductAttention = "ScaledDotProductAttention";
    /// Attention whose keys and values are in a cache of blocks.
    PagedAttention = "PagedAttentionExtension";
    /// A chain of element-wise nodes, or a whole attention, compiled to one kernel.
    Subgraph = "Subgraph";
    /// Element-wise arithmetic.
    Eltwise = "Eltwise";
    /// Sine, cosine and their like.
    Math = "Math";
    /// A recurrent sequence.
    RnnSequence = "RNNSeq";
    /// Softmax.
    Softmax = "Softmax" | "SoftMax";
    /// Mean-variance normalisation.
    Mvn = "MVN";
    /// Root-mean-square normalisation.
    Rms = "RMS";
    /// Rotary position embedding.
    Rope = "RoPE";
    /// Reduction.
    Reduce = "Reduce";
    /// Quantization to a type of few bits, or to as many values.
    FakeQuantize = "FakeQuantize";
    /// Change of element type.
    Convert = "Convert";
    /// Change of element type or layout that the runtime put in.
    Reorder = "Reorder";
    /// New dims for the same bytes: Reshape, Squeeze, Unsqueeze.
    Reshape = "Reshape";
    /// Permutation.
    Transpose = "Transpose";
    /// Exchange of the channels of groups.
    ShuffleChannels = "ShuffleChannels";
    /// Gather.
    Gather = "Gather";
    /// Split and VariadicSplit.
    Split = "Split" | "VariadicSplit";
    /// Concatenation.
    Concat = "Concatenation" | "Concat";
    /// Broadcast.
    Broadcast = "Broadcast";
    /// Tile.
    Tile = "Tile";
    /// Pad.
    Pad = "Pad";
    /// Slice and StridedSlice.
    StridedSlice = "StridedSlice" | "Slice";
    /// Interpolate.
    Interpolate = "Interpolate";
    /// Range.
    Range = "Range";
    /// Dims of its input.
    ShapeOf = "ShapeOf";
    /// TopK.
    TopK = "TopK";
    /// NonZero.
    NonZero = "NonZero";
    /// OneHot.
    OneHot = "OneHot";
    /// ScatterUpdate.
    ScatterUpdate = "ScatterUpdate";
    /// ScatterElementsUpdate.
    ScatterElementsUpdate = "ScatterElementsUpdate";
    /// ScatterNDUpdate.
    ScatterNdUpdate = "ScatterNDUpdate";
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::Other("".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for kind in [Kind::Concat, Kind::Mvn, Kind::ScaledDotProductAttention, Kind::Other("LoRA".into())] {
            assert_eq!(Kind::from_name(kind.name()), kind);
        }
        assert_eq!(Kind::from_name("VariadicSplit"), Kind::Split);
    }
}
