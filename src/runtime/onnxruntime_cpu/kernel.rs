//! The kernels of the CPU provider: one per operator that this runtime's rules distinguish, and which of them compute in
//! place or take half precision.
//!
//! Source: ONNX Runtime 1.31.1, CPU. In place: the requests that its arena logs for one node at a time, for 70
//! operators; the names of the rules are those of onnxruntime/core/framework/kernel_def_builder.h (`Alias`,
//! `MayInplace`). Half precision: what the wheel for x86-64 says of its CPU provider (`get_all_opkernel_def`).

use crate::graph::OpKind;

macro_rules! kernels {
    ($($kernel:ident = $name:literal $(| $older:literal)*, $($op:ident)|+ $(, half: $half:literal)?;)+) => {
        /// The operator type of a node that the runtime executes, of the standard's domain or of `com.microsoft`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Kernel {
            $($kernel,)+
            /// An operator on blocks of channels.
            Nchwc(Nchwc),
            /// An operator on integers with channels last.
            Nhwc(Nhwc),
            /// An operator that no rule of this runtime names.
            Other(OpKind),
        }

        impl Kernel {
            /// The kernel that runs an operator of the graph.
            pub(super) fn of(op: OpKind) -> Kernel {
                match op {
                    $($(OpKind::$op)|+ => Kernel::$kernel,)+
                    other => Kernel::Other(other),
                }
            }

            /// The operator type as the runtime prints it; `None`: that of the file, which may be one of several.
            pub(super) fn name(self) -> Option<&'static str> {
                match self {
                    $(Kernel::$kernel => only(&[$name $(, $older)*]),)+
                    Kernel::Nchwc(nchwc) => Some(nchwc.name()),
                    Kernel::Nhwc(nhwc) => Some(nhwc.name()),
                    Kernel::Other(_) => None,
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
        }
    };
}

kernels! {
    Add = "Add", Add;
    Attention = "Attention", Attention, half: true;
    AttentionOfWeights = "Attention", AttentionOfWeights;
    AveragePool = "AveragePool", AveragePool;
    BatchNormalization = "BatchNormalization", BatchNormalization;
    BiasGelu = "BiasGelu", BiasGelu;
    BitCast = "BitCast", BitCast, half: true;
    BranchwiseRMSNorm = "BranchwiseRMSNorm", BranchwiseRmsNorm, half: true;
    Cast = "Cast", Convert, half: true;
    Celu = "Celu", Celu;
    Clip = "Clip", Clamp, half: true;
    Compress = "Compress", Compress, half: true;
    Concat = "Concat", Concat, half: true;
    ConstantOfShape = "ConstantOfShape", ConstantOfShape, half: true;
    Conv = "Conv", Convolution;
    ConvTranspose = "ConvTranspose", ConvolutionBackpropData;
    DequantizeLinear = "DequantizeLinear", DequantizeLinear, half: true;
    Div = "Div", Divide;
    Dropout = "Dropout", Dropout;
    DynamicQuantizeLinear = "DynamicQuantizeLinear", DynamicQuantizeLinear;
    DynamicQuantizeMatMul = "DynamicQuantizeMatMul", DynamicQuantizeMatMul;
    DynamicSlice = "DynamicSlice", DynamicSlice, half: true;
    Elu = "Elu", Elu;
    EngramGate = "EngramGate", EngramGate, half: true;
    Erf = "Erf", Erf;
    Exp = "Exp", Exp;
    Expand = "Expand", Broadcast, half: true;
    ExpandDims = "ExpandDims", ExpandDims, half: true;
    FastGelu = "FastGelu", FastGelu;
    Flatten = "Flatten", Flatten, half: true;
    FusedConv = "FusedConv", FusedConv;
    FusedGemm = "FusedGemm", FusedGemm;
    FusedMatMul = "FusedMatMul", FusedMatMul;
    Gru = "GRU", GruSequence;
    GatedAdd = "GatedAdd", GatedAdd, half: true;
    GatedRMSNorm = "GatedRMSNorm", GatedRmsNorm, half: true;
    Gather = "Gather", Gather, half: true;
    GatherBlockQuantized = "GatherBlockQuantized", GatherBlockQuantized, half: true;
    GatherElements = "GatherElements", GatherElements, half: true;
    GatherND = "GatherND", GatherNd, half: true;
    Gelu = "Gelu", Gelu;
    Gemm = "Gemm", Gemm;
    GlobalAveragePool = "GlobalAveragePool", GlobalAveragePool;
    GlobalMaxPool = "GlobalMaxPool", GlobalMaxPool;
    GroupQueryAttention = "GroupQueryAttention", GroupQueryAttention, half: true;
    HardSigmoid = "HardSigmoid", HardSigmoid;
    HyperConnectionPostMix = "HyperConnectionPostMix", HyperConnectionPostMix, half: true;
    HyperConnectionPreMix = "HyperConnectionPreMix", HyperConnectionPreMix, half: true;
    Identity = "Identity", Identity, half: true;
    If = "If", If, half: true;
    Inverse = "Inverse", Inverse, half: true;
    IsInf = "IsInf", IsInf, half: true;
    IsNaN = "IsNaN", IsNan, half: true;
    Lstm = "LSTM", LstmSequence;
    LayerNormalization = "LayerNormalization", LayerNormalization, half: true;
    LeakyRelu = "LeakyRelu", LeakyRelu;
    LinearAttentionGate = "LinearAttentionGate", LinearAttentionGate, half: true;
    LogSoftmax = "LogSoftmax", LogSoftmax;
    Loop = "Loop", Loop, half: true;
    MRotaryEmbedding = "MRotaryEmbedding", MRotaryEmbedding, half: true;
    MatMul = "MatMul", MatMul;
    MatMulInteger = "MatMulInteger", MatMulInteger;
    MatMulIntegerToFloat = "MatMulIntegerToFloat", MatMulIntegerToFloat;
    MatMulNBits = "MatMulNBits", MatMulNBits, half: true;
    Max = "Max", Max, half: true;
    MaxPool = "MaxPool", MaxPool;
    MeanVarianceNormalization = "MeanVarianceNormalization", Mvn;
    Min = "Min", Min, half: true;
    MoE = "MoE", MoE;
    Mod = "Mod", Mod | FloorMod, half: true;
    Mul = "Mul", Multiply;
    MultiHeadAttention = "MultiHeadAttention", MultiHeadAttention;
    NonMaxSuppression = "NonMaxSuppression", NonMaxSuppression;
    NonZero = "NonZero", NonZero;
    OneHot = "OneHot", OneHot;
    Optional = "Optional", Optional, half: true;
    OptionalGetElement = "OptionalGetElement", OptionalGetElement, half: true;
    OptionalHasElement = "OptionalHasElement", OptionalHasElement, half: true;
    Pad = "Pad", Pad;
    Pow = "Pow", Power;
    QAttention = "QAttention", QAttention;
    QGemm = "QGemm", QGemm;
    QLinearAdd = "QLinearAdd", QLinearAdd;
    QLinearAveragePool = "QLinearAveragePool", QLinearAveragePool;
    QLinearConcat = "QLinearConcat", QLinearConcat;
    QLinearConv = "QLinearConv", QLinearConv;
    QLinearGlobalAveragePool = "QLinearGlobalAveragePool", QLinearGlobalAveragePool;
    QLinearLeakyRelu = "QLinearLeakyRelu", QLinearLeakyRelu;
    QLinearMatMul = "QLinearMatMul", QLinearMatMul;
    QLinearMul = "QLinearMul", QLinearMul;
    QLinearSigmoid = "QLinearSigmoid", QLinearSigmoid;
    QLinearSoftmax = "QLinearSoftmax", QLinearSoftmax;
    QMoE = "QMoE", QMoE, half: true;
    QuantizeLinear = "QuantizeLinear", QuantizeLinear, half: true;
    QuickGelu = "QuickGelu", QuickGelu;
    RMSNormalization = "RMSNormalization", RmsNormalization, half: true;
    RandomNormal = "RandomNormal", RandomNormal;
    RandomNormalLike = "RandomNormalLike", RandomNormalLike, half: true;
    RandomUniform = "RandomUniform", RandomUniform;
    RandomUniformLike = "RandomUniformLike", RandomUniformLike, half: true;
    Range = "Range", Range;
    Reciprocal = "Reciprocal", Reciprocal;
    ReduceMax = "ReduceMax", ReduceMax;
    ReduceMean = "ReduceMean", ReduceMean;
    ReduceSum = "ReduceSum", ReduceSum;
    Relu = "Relu", Relu;
    Reshape = "Reshape", Reshape, half: true;
    Resize = "Resize" | "Upsample", Interpolate;
    ReverseSequence = "ReverseSequence", ReverseSequence, half: true;
    RotaryEmbedding = "RotaryEmbedding", RotaryEmbedding, half: true;
    Round = "Round", Round, half: true;
    ScaledSiLU = "ScaledSiLU", ScaledSilu, half: true;
    Scan = "Scan", Scan, half: true;
    ScatterElements = "ScatterElements" | "Scatter", ScatterElements, half: true;
    ScatterND = "ScatterND", ScatterNd, half: true;
    Selu = "Selu", Selu;
    SequenceAt = "SequenceAt", SequenceAt, half: true;
    SequenceConstruct = "SequenceConstruct", SequenceConstruct, half: true;
    Shape = "Shape", ShapeOf, half: true;
    Shrink = "Shrink", Shrink, half: true;
    Sigmoid = "Sigmoid", Sigmoid;
    Sign = "Sign", Sign, half: true;
    SimplifiedLayerNormalization = "SimplifiedLayerNormalization", SimplifiedLayerNormalization, half: true;
    Size = "Size", Size;
    SkipLayerNormalization = "SkipLayerNormalization", SkipLayerNormalization, half: true;
    SkipSimplifiedLayerNormalization = "SkipSimplifiedLayerNormalization", SkipSimplifiedLayerNormalization, half: true;
    Slice = "Slice", Slice, half: true;
    Softmax = "Softmax", Softmax;
    Softplus = "Softplus", SoftPlus;
    Softsign = "Softsign", SoftSign;
    SparseAttention = "SparseAttention", SparseAttention, half: true;
    Split = "Split", Split | VariadicSplit, half: true;
    SplitToSequence = "SplitToSequence", SplitToSequence, half: true;
    Sqrt = "Sqrt", Sqrt;
    Squeeze = "Squeeze", Squeeze, half: true;
    Sub = "Sub", Subtract;
    Sum = "Sum", Sum;
    Tanh = "Tanh", Tanh;
    TensorScatter = "TensorScatter", TensorScatter, half: true;
    ThresholdedRelu = "ThresholdedRelu", ThresholdedRelu;
    Tile = "Tile", Tile;
    TopK = "TopK", TopK;
    Transpose = "Transpose", Transpose, half: true;
    Trilu = "Trilu", Trilu;
    UnfoldTensor = "UnfoldTensor", UnfoldTensor, half: true;
    Unique = "Unique", Unique;
    Unsqueeze = "Unsqueeze", Unsqueeze, half: true;
    Where = "Where", Select;
}

impl Kernel {
    /// Whether equal attributes and inputs give equal results, which the optimizer may compute beforehand or once for
    /// all: neither random, nor with a body, nor unknown to it.
    pub(super) fn is_pure(self) -> bool {
        !matches!(
            self,
            Kernel::RandomNormal
                | Kernel::RandomNormalLike
                | Kernel::RandomUniform
                | Kernel::RandomUniformLike
                | Kernel::If
                | Kernel::Loop
                | Kernel::Scan
                | Kernel::DynamicSlice
                | Kernel::EngramGate
                | Kernel::HyperConnectionPostMix
                | Kernel::HyperConnectionPreMix
                | Kernel::LinearAttentionGate
                | Kernel::UnfoldTensor
                | Kernel::Other(OpKind::Multinomial | OpKind::Opaque | OpKind::SequenceMap)
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

    /// The input whose buffer the first output may reuse if nothing else needs it (`MayInplace`).
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

/// The name, if there is only one.
fn only(names: &[&'static str]) -> Option<&'static str> {
    match names {
        &[name] => Some(name),
        _ => None,
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

    /// The pool on blocks that represents a plain one.
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

/// Operators on integers with channels last, in the domain `com.microsoft`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Nhwc {
    AveragePool,
    Conv,
    GlobalAveragePool,
    MaxPool,
}

impl Nhwc {
    fn name(self) -> &'static str {
        match self {
            Nhwc::AveragePool => "QLinearAveragePool",
            Nhwc::Conv => "QLinearConv",
            Nhwc::GlobalAveragePool => "QLinearGlobalAveragePool",
            Nhwc::MaxPool => "NhwcMaxPool",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_have_kernels_of_their_own() {
        let mut seen = std::collections::HashSet::new();
        let shared: Vec<OpKind> =
            OpKind::ALL.iter().copied().filter(|&op| !seen.insert(Kernel::of(op))).collect();
        // Of these an attribute, and where lengths come from, is all that differs.
        assert_eq!(shared, [OpKind::Mod, OpKind::VariadicSplit]);
    }

    #[test]
    fn a_name_is_that_of_the_file_where_there_are_several() {
        assert_eq!(Kernel::of(OpKind::Convolution).name(), Some("Conv"));
        assert_eq!(Kernel::Nchwc(Nchwc::Conv).name(), Some("nchwc.Conv"));
        assert_eq!(Kernel::of(OpKind::AttentionOfWeights).name(), Kernel::Attention.name());
        assert_eq!(Kernel::of(OpKind::Interpolate).name(), None);
        assert_eq!(Kernel::of(OpKind::Einsum), Kernel::Other(OpKind::Einsum));
    }

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
