//! Which operators a transposition may be moved through, and at which inputs.
//!
//! Source: onnxruntime/core/optimizer/transpose_optimization/onnx_transpose_optimization.cc (`handler_map`),
//! ort_transpose_optimization.cc (`OrtExtendedHandlers`), ONNX Runtime 1.31.1.

use super::super::super::kernel::Kernel;
use super::super::super::work::Work;
use super::axes::{self, Axes};
use crate::graph::OpKind;
use smallvec::{SmallVec, smallvec};

/// What the optimizer does with an operator that reads a transposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// One input, and outputs of the same dims.
    Same,
    /// Inputs that are broadcast.
    Broadcast,
    /// All inputs, joined along an axis.
    Concat,
    /// Normalized or cut along an axis.
    Axis,
    /// Dims of the data, of which the result is picked.
    Shape,
    /// Another transposition: both become one.
    Transpose,
    /// A Reshape that moves dims of 1 alone is a transposition.
    Reshape,
    Reduce,
    Extreme,
    Squeeze,
    Unsqueeze,
    Slice,
    /// A number for each dim of the data, or two.
    PerDim,
    /// Only moved once a provider has the node.
    Later,
}

impl Handler {
    /// Whether a transposition goes on behind the node.
    pub(super) fn goes_on(self) -> bool {
        !matches!(self, Handler::Shape | Handler::Transpose | Handler::Reshape)
    }

    /// Inputs that a transposition may be at.
    pub(super) fn inputs(self, work: &Work<'_>, node: usize) -> SmallVec<[usize; 4]> {
        let all = 0..work.nodes[node].inputs().len();
        match self {
            Handler::Concat => all.collect(),
            Handler::Broadcast => {
                let is_scalar = |input: usize| {
                    let shape = work.input(node, input).and_then(|value| work.values[value].shape.as_ref());
                    shape.is_some_and(|dims| dims.is_empty())
                };
                all.filter(|&input| !is_scalar(input)).collect()
            }
            _ => smallvec![0],
        }
    }
}

/// What is done with an operator; nothing: transpositions stop at it.
pub(super) fn handler(kind: Kernel) -> Option<Handler> {
    use Kernel::{
        Add, Cast, Celu, Clip, Concat, Div, Erf, Exp, Gelu, HardSigmoid, Identity, IsInf, IsNaN, LeakyRelu,
        LogSoftmax, Max, MaxPool, Min, Mod, Mul, Other, Pad, Pow, Reciprocal, ReduceMax, ReduceMean,
        ReduceSum, Relu, Reshape, Resize, Round, Selu, Shape, Shrink, Sigmoid, Sign, Slice, Softmax,
        Softplus, Softsign, Split, Sqrt, Squeeze, Sub, Sum, Tanh, ThresholdedRelu, Tile, Transpose,
        Unsqueeze, Where,
    };
    use OpKind as K;
    Some(match kind {
        Cast | Celu | Clip | Erf | Exp | Gelu | HardSigmoid | Identity | IsInf | IsNaN | LeakyRelu
        | Reciprocal | Relu | Round | Selu | Shrink | Sigmoid | Sign | Softplus | Softsign | Sqrt | Tanh
        | ThresholdedRelu => Handler::Same,
        Other(
            K::Abs
            | K::Acos
            | K::Acosh
            | K::Asin
            | K::Asinh
            | K::Atan
            | K::Atanh
            | K::Ceiling
            | K::ConvertLike
            | K::Cos
            | K::Cosh
            | K::Floor
            | K::HSwish
            | K::Log
            | K::LogicalNot
            | K::Negative
            | K::Sin
            | K::Sinh
            | K::Tan,
        ) => Handler::Same,
        Add | Div | Max | Min | Mod | Mul | Pow | Sub | Sum | Where => Handler::Broadcast,
        Other(
            K::BitwiseLeftShift
            | K::BitwiseRightShift
            | K::Equal
            | K::Greater
            | K::GreaterEqual
            | K::Less
            | K::LessEqual
            | K::LogicalAnd
            | K::LogicalOr
            | K::LogicalXor
            | K::Mean
            | K::PRelu,
        ) => Handler::Broadcast,
        Concat => Handler::Concat,
        LogSoftmax | Softmax | Split | Other(K::Hardmax) => Handler::Axis,
        Shape => Handler::Shape,
        Transpose => Handler::Transpose,
        Reshape => Handler::Reshape,
        ReduceMax | ReduceMean | ReduceSum => Handler::Reduce,
        Other(
            K::ReduceL1
            | K::ReduceL2
            | K::ReduceLogSum
            | K::ReduceLogSumExp
            | K::ReduceMin
            | K::ReduceProd
            | K::ReduceSumSquare,
        ) => Handler::Reduce,
        Other(K::ArgMax | K::ArgMin) => Handler::Extreme,
        Squeeze => Handler::Squeeze,
        Unsqueeze => Handler::Unsqueeze,
        Slice => Handler::Slice,
        Pad | Tile => Handler::PerDim,
        MaxPool | Resize => Handler::Later,
        _ => return None,
    })
}

/// The order of axes of a transposition; nothing if the file leaves it out.
pub(super) fn order_of(work: &Work<'_>, transpose: usize) -> Option<Axes> {
    axes::permutation(work.ints(work.input(transpose, 1)?)?)
}
