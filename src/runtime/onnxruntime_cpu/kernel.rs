//! The kernels of the CPU provider: one per operator that this runtime's rules tell apart, and which of them compute in
//! place or take half precision.
//!
//! Source: ONNX Runtime 1.31.1, CPU. In place: the requests that its arena logs for one node at a time, for 70
//! operators; the names of the rules are those of onnxruntime/core/framework/kernel_def_builder.h (`Alias`,
//! `MayInplace`). Half precision: what the wheel for x86-64 tells of its CPU provider (`get_all_opkernel_def`).

macro_rules! kernels {
    ($($kernel:ident = $name:literal $(, half: $half:literal)?;)+) => {
        /// The operator type of a node that the runtime executes, of the standard's domain or of `com.microsoft`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Kernel {
            $($kernel,)+
            /// An operator on blocks of channels.
            Nchwc(Nchwc),
            /// An operator that no rule of this runtime names.
            Other,
        }

        impl Kernel {
            /// The operator type as the runtime prints it; `None`: that of the file.
            pub(super) fn name(self) -> Option<&'static str> {
                match self {
                    $(Kernel::$kernel => Some($name),)+
                    Kernel::Nchwc(nchwc) => Some(nchwc.name()),
                    Kernel::Other => None,
                }
            }

            /// Whether the newest kernel of the operator takes half precision, in one domain at least: as
            /// scripts/crosscheck_contrib.py finds them in the wheel.
            pub(super) fn takes_half(self) -> bool {
                match self {
                    $($(Kernel::$kernel => $half,)?)+
                    _ => false,
                }
            }

            /// The operator of this type.
            pub(super) fn from_type(name: &str) -> Kernel {
                match name {
                    $($name => Kernel::$kernel,)+
                    _ => Kernel::Other,
                }
            }
        }
    };
}

kernels! {
    Add = "Add";
    Attention = "Attention", half: true;
    AveragePool = "AveragePool";
    BatchNormalization = "BatchNormalization";
    BiasGelu = "BiasGelu";
    BitCast = "BitCast", half: true;
    BranchwiseRMSNorm = "BranchwiseRMSNorm", half: true;
    Cast = "Cast", half: true;
    Celu = "Celu";
    Clip = "Clip", half: true;
    Compress = "Compress", half: true;
    Concat = "Concat", half: true;
    ConstantOfShape = "ConstantOfShape", half: true;
    Conv = "Conv";
    ConvTranspose = "ConvTranspose";
    DequantizeLinear = "DequantizeLinear", half: true;
    Div = "Div";
    Dropout = "Dropout";
    DynamicQuantizeLinear = "DynamicQuantizeLinear";
    DynamicQuantizeMatMul = "DynamicQuantizeMatMul";
    DynamicSlice = "DynamicSlice", half: true;
    Elu = "Elu";
    EngramGate = "EngramGate", half: true;
    Erf = "Erf";
    Exp = "Exp";
    Expand = "Expand", half: true;
    ExpandDims = "ExpandDims", half: true;
    FastGelu = "FastGelu";
    Flatten = "Flatten", half: true;
    FusedConv = "FusedConv";
    FusedGemm = "FusedGemm";
    FusedMatMul = "FusedMatMul";
    Gru = "GRU";
    GatedAdd = "GatedAdd", half: true;
    GatedRMSNorm = "GatedRMSNorm", half: true;
    Gather = "Gather", half: true;
    GatherBlockQuantized = "GatherBlockQuantized", half: true;
    GatherElements = "GatherElements", half: true;
    GatherND = "GatherND", half: true;
    Gelu = "Gelu";
    Gemm = "Gemm";
    GlobalAveragePool = "GlobalAveragePool";
    GlobalMaxPool = "GlobalMaxPool";
    GroupQueryAttention = "GroupQueryAttention", half: true;
    HardSigmoid = "HardSigmoid";
    HyperConnectionPostMix = "HyperConnectionPostMix", half: true;
    HyperConnectionPreMix = "HyperConnectionPreMix", half: true;
    Identity = "Identity", half: true;
    If = "If", half: true;
    Inverse = "Inverse", half: true;
    IsInf = "IsInf", half: true;
    IsNaN = "IsNaN", half: true;
    Lstm = "LSTM";
    LayerNormalization = "LayerNormalization", half: true;
    LeakyRelu = "LeakyRelu";
    LinearAttentionGate = "LinearAttentionGate", half: true;
    LogSoftmax = "LogSoftmax";
    Loop = "Loop", half: true;
    MRotaryEmbedding = "MRotaryEmbedding", half: true;
    MatMul = "MatMul";
    MatMulInteger = "MatMulInteger";
    MatMulIntegerToFloat = "MatMulIntegerToFloat";
    MatMulNBits = "MatMulNBits", half: true;
    Max = "Max", half: true;
    MaxPool = "MaxPool";
    MeanVarianceNormalization = "MeanVarianceNormalization";
    Min = "Min", half: true;
    MoE = "MoE";
    Mod = "Mod", half: true;
    Mul = "Mul";
    MultiHeadAttention = "MultiHeadAttention";
    NonMaxSuppression = "NonMaxSuppression";
    NonZero = "NonZero";
    OneHot = "OneHot";
    Optional = "Optional", half: true;
    OptionalGetElement = "OptionalGetElement", half: true;
    OptionalHasElement = "OptionalHasElement", half: true;
    Pad = "Pad";
    Pow = "Pow";
    QAttention = "QAttention";
    QGemm = "QGemm";
    QLinearMatMul = "QLinearMatMul";
    QMoE = "QMoE", half: true;
    QuantizeLinear = "QuantizeLinear", half: true;
    QuickGelu = "QuickGelu";
    RMSNormalization = "RMSNormalization", half: true;
    RandomNormal = "RandomNormal";
    RandomNormalLike = "RandomNormalLike", half: true;
    RandomUniform = "RandomUniform";
    RandomUniformLike = "RandomUniformLike", half: true;
    Range = "Range";
    Reciprocal = "Reciprocal";
    ReduceMax = "ReduceMax";
    ReduceMean = "ReduceMean";
    ReduceSum = "ReduceSum";
    Relu = "Relu";
    Reshape = "Reshape", half: true;
    Resize = "Resize";
    ReverseSequence = "ReverseSequence", half: true;
    RotaryEmbedding = "RotaryEmbedding", half: true;
    Round = "Round", half: true;
    ScaledSiLU = "ScaledSiLU", half: true;
    Scan = "Scan", half: true;
    Scatter = "Scatter", half: true;
    ScatterElements = "ScatterElements", half: true;
    ScatterND = "ScatterND", half: true;
    Selu = "Selu";
    SequenceAt = "SequenceAt", half: true;
    SequenceConstruct = "SequenceConstruct", half: true;
    Shape = "Shape", half: true;
    Shrink = "Shrink", half: true;
    Sigmoid = "Sigmoid";
    Sign = "Sign", half: true;
    SimplifiedLayerNormalization = "SimplifiedLayerNormalization", half: true;
    Size = "Size";
    SkipLayerNormalization = "SkipLayerNormalization", half: true;
    SkipSimplifiedLayerNormalization = "SkipSimplifiedLayerNormalization", half: true;
    Slice = "Slice", half: true;
    Softmax = "Softmax";
    Softplus = "Softplus";
    Softsign = "Softsign";
    SparseAttention = "SparseAttention", half: true;
    Split = "Split", half: true;
    SplitToSequence = "SplitToSequence", half: true;
    Sqrt = "Sqrt";
    Squeeze = "Squeeze", half: true;
    Sub = "Sub";
    Sum = "Sum";
    Tanh = "Tanh";
    TensorScatter = "TensorScatter", half: true;
    ThresholdedRelu = "ThresholdedRelu";
    Tile = "Tile";
    TopK = "TopK";
    Transpose = "Transpose", half: true;
    Trilu = "Trilu";
    UnfoldTensor = "UnfoldTensor", half: true;
    Unique = "Unique";
    Unsqueeze = "Unsqueeze", half: true;
    Upsample = "Upsample";
    Where = "Where";
}

impl Kernel {
    /// Whether each run gives other numbers.
    pub(super) fn is_random(self) -> bool {
        matches!(
            self,
            Kernel::RandomNormal
                | Kernel::RandomNormalLike
                | Kernel::RandomUniform
                | Kernel::RandomUniformLike
        )
    }

    /// The input whose buffer the first output is, always (`Alias`).
    pub(super) fn alias(self) -> Option<usize> {
        matches!(
            self,
            Kernel::Reshape | Kernel::Squeeze | Kernel::Unsqueeze | Kernel::Flatten | Kernel::Identity
        )
        .then_some(0)
    }

    /// The input whose buffer the first output may take over where nothing else needs it (`MayInplace`).
    ///
    /// Add, Mul, Exp, Erf and the other arithmetic kernels are not among them.
    pub(super) fn in_place(self) -> Option<usize> {
        match self {
            Kernel::Relu
            | Kernel::Elu
            | Kernel::HardSigmoid
            | Kernel::LeakyRelu
            | Kernel::Selu
            | Kernel::Sigmoid
            | Kernel::Softplus
            | Kernel::Softsign
            | Kernel::Tanh
            | Kernel::ThresholdedRelu
            | Kernel::Celu
            | Kernel::Clip
            | Kernel::Softmax
            | Kernel::LogSoftmax
            | Kernel::Cast
            | Kernel::Trilu
            | Kernel::Shrink
            | Kernel::MoE
            | Kernel::QMoE => Some(0),
            Kernel::Nchwc(Nchwc::Conv) | Kernel::FusedConv => Some(3),
            _ => None,
        }
    }
}

/// Operators on blocks of channels, in the domain `com.microsoft.nchwc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Nchwc {
    AveragePool,
    Conv,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
    ReorderInput,
    ReorderOutput,
    Upsample,
}

impl Nchwc {
    fn name(self) -> &'static str {
        match self {
            Nchwc::AveragePool => "nchwc.AveragePool",
            Nchwc::Conv => "nchwc.Conv",
            Nchwc::GlobalAveragePool => "nchwc.GlobalAveragePool",
            Nchwc::GlobalMaxPool => "nchwc.GlobalMaxPool",
            Nchwc::MaxPool => "nchwc.MaxPool",
            Nchwc::ReorderInput => "nchwc.ReorderInput",
            Nchwc::ReorderOutput => "nchwc.ReorderOutput",
            Nchwc::Upsample => "nchwc.Upsample",
        }
    }

    /// The pool on blocks that stands for a plain one.
    pub(super) fn pool(kernel: Kernel) -> Option<Nchwc> {
        Some(match kernel {
            Kernel::AveragePool => Nchwc::AveragePool,
            Kernel::GlobalAveragePool => Nchwc::GlobalAveragePool,
            Kernel::GlobalMaxPool => Nchwc::GlobalMaxPool,
            Kernel::MaxPool => Nchwc::MaxPool,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_never_computed_in_place() {
        for kernel in [Kernel::Reshape, Kernel::Squeeze, Kernel::Unsqueeze, Kernel::Flatten, Kernel::Identity]
        {
            assert_eq!((kernel.alias(), kernel.in_place()), (Some(0), None), "{kernel:?}");
        }
    }

    #[test]
    fn activations_are_computed_in_place_and_arithmetic_is_not() {
        assert_eq!(Kernel::Relu.in_place(), Some(0));
        assert_eq!(Kernel::Add.in_place(), None);
        assert_eq!(Kernel::Exp.in_place(), None);
        // The sum that goes into a convolution is its fourth input.
        assert_eq!(Kernel::Nchwc(Nchwc::Conv).in_place(), Some(3));
        assert_eq!(Kernel::Conv.in_place(), None);
    }
}
