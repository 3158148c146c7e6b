//! Element-wise operators, and those whose outputs are like their inputs.

use super::Op;
use crate::DType;

/// Element-wise operators with one data input. Those that value propagation computes are named; all others are
/// [`Unary::Other`], since only the shape matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum Unary {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    BitwiseNot,
    Celu,
    Ceiling,
    Clamp,
    Cos,
    Cosh,
    Elu,
    Erf,
    ErfInv,
    Exp,
    Floor,
    Gelu,
    HardSigmoid,
    HSigmoid,
    HSwish,
    LeakyRelu,
    Log,
    LogicalNot,
    Mish,
    Negative,
    Reciprocal,
    Relu,
    Round,
    Selu,
    Shrink,
    Sigmoid,
    Sign,
    Sin,
    Sinh,
    SoftPlus,
    SoftSign,
    Sqrt,
    Swish,
    Tan,
    Tanh,
    ThresholdedRelu,
    /// Boolean result.
    IsFinite,
    /// Boolean result.
    IsInf,
    /// Boolean result.
    IsNan,
    /// Any other operator that keeps shape and type.
    Other,
}

/// Element-wise operators with two inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    /// Integers round down (OpenVINO's `m_pythondiv`, the default).
    Divide,
    /// Integers round towards zero (ONNX `Div`, OpenVINO's `m_pythondiv="false"`).
    TruncatedDivide,
    FloorMod,
    Maximum,
    Minimum,
    Mod,
    Power,
    SquaredDifference,
    Mean,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    BitwiseLeftShift,
    BitwiseRightShift,
    /// Boolean result, as all that follow.
    LogicalAnd,
    LogicalOr,
    LogicalXor,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Binary {
    /// Whether the result is boolean, whatever the inputs are.
    #[must_use]
    pub fn is_boolean(self) -> bool {
        use Binary::*;
        matches!(
            self,
            LogicalAnd
                | LogicalOr
                | LogicalXor
                | Equal
                | NotEqual
                | Less
                | LessEqual
                | Greater
                | GreaterEqual
        )
    }
}

/// How shapes of an element-wise operator are made equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broadcast {
    /// They must be equal already.
    None,
    /// Both ways, aligned at the last dim (NumPy).
    Numpy,
    /// The second into the first, aligned at `axis` (-1: at the last dim).
    Pdpd(i64),
}

/// Operators whose first output has the shape and type of their first input. Told apart for fusions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum SameAsInput {
    BatchNorm,
    /// Inclusive and forwards; [`SameAsInput::Other`] if exclusive or reversed.
    CumSum,
    GroupNorm,
    Grn,
    InstanceNorm,
    LayerNorm,
    LogSoftmax,
    LpNorm,
    Lrn,
    Mvn,
    NormalizeL2,
    Roll,
    ShuffleChannels,
    SliceScatter,
    Softmax,
    Hardmax,
    Trilu,
    /// Any other.
    Other,
}

/// One output of [`Op::LikeInputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Like {
    /// Its dims.
    pub dims: LikeDims,
    /// Its element type.
    pub dtype: ElementType,
}

/// The dims of an output of [`Op::LikeInputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LikeDims {
    /// Those of the input of this number.
    Input(u32),
    /// Those of the first input, with 1 at `axis` and all that follow: statistics of a normalisation.
    ReducedFrom(i64),
    /// None.
    Scalar,
}

/// Where the element type of an output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// The input of this number.
    OfInput(u32),
    /// It is this one.
    Is(DType),
}

/// Attributes of [`Op::Quantized`].
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// What is computed; it reads the inputs as if they were not quantised.
    pub op: Op,
    /// Element type of the first output.
    pub to: ElementType,
}
