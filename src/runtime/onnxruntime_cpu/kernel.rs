//! The kernels of the CPU provider: one per operator type that this runtime's rules tell apart.

macro_rules! kernels {
    ($($kernel:ident = $name:literal,)+) => {
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
    Add = "Add",
    Attention = "Attention",
    AveragePool = "AveragePool",
    BatchNormalization = "BatchNormalization",
    BiasGelu = "BiasGelu",
    BitCast = "BitCast",
    BranchwiseRMSNorm = "BranchwiseRMSNorm",
    Cast = "Cast",
    Celu = "Celu",
    Clip = "Clip",
    Compress = "Compress",
    Concat = "Concat",
    ConstantOfShape = "ConstantOfShape",
    Conv = "Conv",
    ConvTranspose = "ConvTranspose",
    DequantizeLinear = "DequantizeLinear",
    Div = "Div",
    Dropout = "Dropout",
    DynamicQuantizeLinear = "DynamicQuantizeLinear",
    DynamicQuantizeMatMul = "DynamicQuantizeMatMul",
    DynamicSlice = "DynamicSlice",
    Elu = "Elu",
    EngramGate = "EngramGate",
    Erf = "Erf",
    Exp = "Exp",
    Expand = "Expand",
    ExpandDims = "ExpandDims",
    FastGelu = "FastGelu",
    Flatten = "Flatten",
    FusedConv = "FusedConv",
    FusedGemm = "FusedGemm",
    FusedMatMul = "FusedMatMul",
    Gru = "GRU",
    GatedAdd = "GatedAdd",
    GatedRMSNorm = "GatedRMSNorm",
    Gather = "Gather",
    GatherBlockQuantized = "GatherBlockQuantized",
    GatherElements = "GatherElements",
    GatherND = "GatherND",
    Gelu = "Gelu",
    Gemm = "Gemm",
    GlobalAveragePool = "GlobalAveragePool",
    GlobalMaxPool = "GlobalMaxPool",
    GroupQueryAttention = "GroupQueryAttention",
    HardSigmoid = "HardSigmoid",
    HyperConnectionPostMix = "HyperConnectionPostMix",
    HyperConnectionPreMix = "HyperConnectionPreMix",
    Identity = "Identity",
    If = "If",
    Inverse = "Inverse",
    IsInf = "IsInf",
    IsNaN = "IsNaN",
    Lstm = "LSTM",
    LayerNormalization = "LayerNormalization",
    LeakyRelu = "LeakyRelu",
    LinearAttentionGate = "LinearAttentionGate",
    LogSoftmax = "LogSoftmax",
    Loop = "Loop",
    MRotaryEmbedding = "MRotaryEmbedding",
    MatMul = "MatMul",
    MatMulInteger = "MatMulInteger",
    MatMulIntegerToFloat = "MatMulIntegerToFloat",
    MatMulNBits = "MatMulNBits",
    Max = "Max",
    MaxPool = "MaxPool",
    MeanVarianceNormalization = "MeanVarianceNormalization",
    Min = "Min",
    MoE = "MoE",
    Mod = "Mod",
    Mul = "Mul",
    MultiHeadAttention = "MultiHeadAttention",
    NonMaxSuppression = "NonMaxSuppression",
    NonZero = "NonZero",
    OneHot = "OneHot",
    Optional = "Optional",
    OptionalGetElement = "OptionalGetElement",
    OptionalHasElement = "OptionalHasElement",
    Pad = "Pad",
    Pow = "Pow",
    QAttention = "QAttention",
    QGemm = "QGemm",
    QLinearMatMul = "QLinearMatMul",
    QMoE = "QMoE",
    QuantizeLinear = "QuantizeLinear",
    QuickGelu = "QuickGelu",
    RMSNormalization = "RMSNormalization",
    RandomNormal = "RandomNormal",
    RandomNormalLike = "RandomNormalLike",
    RandomUniform = "RandomUniform",
    RandomUniformLike = "RandomUniformLike",
    Range = "Range",
    Reciprocal = "Reciprocal",
    ReduceMax = "ReduceMax",
    ReduceMean = "ReduceMean",
    ReduceSum = "ReduceSum",
    Relu = "Relu",
    Reshape = "Reshape",
    Resize = "Resize",
    ReverseSequence = "ReverseSequence",
    RotaryEmbedding = "RotaryEmbedding",
    Round = "Round",
    ScaledSiLU = "ScaledSiLU",
    Scan = "Scan",
    Scatter = "Scatter",
    ScatterElements = "ScatterElements",
    ScatterND = "ScatterND",
    Selu = "Selu",
    SequenceAt = "SequenceAt",
    SequenceConstruct = "SequenceConstruct",
    Shape = "Shape",
    Shrink = "Shrink",
    Sigmoid = "Sigmoid",
    Sign = "Sign",
    SimplifiedLayerNormalization = "SimplifiedLayerNormalization",
    Size = "Size",
    SkipLayerNormalization = "SkipLayerNormalization",
    SkipSimplifiedLayerNormalization = "SkipSimplifiedLayerNormalization",
    Slice = "Slice",
    Softmax = "Softmax",
    Softplus = "Softplus",
    Softsign = "Softsign",
    SparseAttention = "SparseAttention",
    Split = "Split",
    SplitToSequence = "SplitToSequence",
    Sqrt = "Sqrt",
    Squeeze = "Squeeze",
    Sub = "Sub",
    Sum = "Sum",
    Tanh = "Tanh",
    TensorScatter = "TensorScatter",
    ThresholdedRelu = "ThresholdedRelu",
    Tile = "Tile",
    TopK = "TopK",
    Transpose = "Transpose",
    Trilu = "Trilu",
    UnfoldTensor = "UnfoldTensor",
    Unique = "Unique",
    Unsqueeze = "Unsqueeze",
    Upsample = "Upsample",
    Where = "Where",
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
