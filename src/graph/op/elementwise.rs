//! Element-wise operators.

/// Element-wise operators with one data input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
#[non_exhaustive]
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
    /// [`Unary::Gelu`] by the hyperbolic tangent; a bias may be added first (ONNX Runtime).
    FastGelu,
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
    /// `x·sigmoid(alpha·x)` (ONNX Runtime).
    QuickGelu,
    Reciprocal,
    Relu,
    Round,
    /// [`Unary::Swish`] with a factor (ONNX Runtime).
    ScaledSilu,
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
}

/// Element-wise operators with two inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
#[non_exhaustive]
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
    /// [`Unary::Gelu`] of the sum of both (ONNX Runtime).
    BiasGelu,
    /// One by the swish of the other (ONNX).
    SwiGlu,
    /// Texts joined (ONNX).
    StringConcat,
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
#[non_exhaustive]
pub enum Broadcast {
    /// They must be equal already.
    None,
    /// Both ways, aligned at the last dim (NumPy).
    Numpy,
    /// The second into the first, aligned at `axis` (-1: at the last dim).
    Pdpd(i64),
}

/// Element-wise operators with any number of inputs (ONNX).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
#[non_exhaustive]
pub enum Variadic {
    Max,
    Mean,
    Min,
    Sum,
}

/// How [`Op::CumSum`](super::Op::CumSum) and [`Op::CumProd`](super::Op::CumProd) go along their axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cumulation {
    /// The element itself is left out.
    pub is_exclusive: bool,
    /// From the last element to the first.
    pub is_reverse: bool,
}
