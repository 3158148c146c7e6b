//! What the plugin executes an operator as, before any fusion.
//!
//! Source: `TypeFromName`, OpenVINO 2026.4, src/plugins/intel_cpu/src/cpu_types.cpp.

use crate::graph::Op;
use crate::graph::op::{SameAsInput, Scatter, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// The kind of an operator; `type_name`, the file's, where no rule names one.
pub(super) fn of(op: &Op, type_name: &str) -> Kind {
    match op {
        Op::Parameter => Kind::Input,
        Op::Constant(_) => Kind::Const,
        Op::Result => Kind::Output,
        Op::ReadValue(_) => Kind::MemoryInput,
        Op::Assign(_) => Kind::MemoryOutput,
        Op::Unary(unary) => of_unary(*unary, type_name),
        Op::Binary(..) | Op::Select(_) | Op::Variadic(_) | Op::PRelu => Kind::Eltwise,
        Op::Convert { .. } | Op::ConvertLike => Kind::Convert,
        Op::SameAsInput(SameAsInput::Softmax) => Kind::Softmax,
        Op::SameAsInput(SameAsInput::Mvn) => Kind::Mvn,
        Op::MatMul { .. } => Kind::MatMul,
        Op::Convolution(_) => Kind::Convolution,
        Op::ConvolutionBackpropData(_) => Kind::Deconvolution,
        Op::Pool(_) | Op::AdaptivePool { .. } | Op::GlobalPool => Kind::Pooling,
        Op::Reduce { .. } => Kind::Reduce,
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::Flatten { .. } => Kind::Reshape,
        Op::Transpose => Kind::Transpose,
        Op::Broadcast(_) => Kind::Broadcast,
        Op::Tile => Kind::Tile,
        Op::Pad(_) => Kind::Pad,
        Op::Concat { .. } => Kind::Concat,
        Op::Split { .. } | Op::VariadicSplit => Kind::Split,
        Op::Slice | Op::StridedSlice(_) => Kind::StridedSlice,
        Op::Scatter(Scatter::Slices) => Kind::ScatterUpdate,
        Op::Scatter(Scatter::Elements) => Kind::ScatterElementsUpdate,
        Op::Scatter(Scatter::Nd) => Kind::ScatterNdUpdate,
        Op::Gather { .. } => Kind::Gather,
        Op::ShapeOf { .. } => Kind::ShapeOf,
        Op::Range { .. } => Kind::Range,
        Op::NonZero { .. } => Kind::NonZero,
        Op::TopK { .. } => Kind::TopK,
        Op::OneHot { .. } => Kind::OneHot,
        Op::Interpolate(_) => Kind::Interpolate,
        Op::ScaledDotProductAttention { .. } => Kind::ScaledDotProductAttention,
        Op::Rope(_) => Kind::Rope,
        Op::Rms => Kind::Rms,
        _ => Kind::from_name(type_name),
    }
}

/// Trigonometry and its like are one kind, what a matrix product can take in is another.
fn of_unary(unary: Unary, type_name: &str) -> Kind {
    use Unary::*;
    match unary {
        Acos | Acosh | Asin | Asinh | Atan | Atanh | Ceiling | Cos | Cosh | Floor | HardSigmoid | Log
        | Negative | Reciprocal | Selu | Sign | Sin | Sinh | SoftSign | Tan => {
            // Floor and Ceiling are element-wise on x86-64; Negative was written as a product before.
            if matches!(unary, Ceiling | Floor | Negative | SoftSign | Log | Sign) {
                Kind::Eltwise
            } else {
                Kind::Math
            }
        }
        Other => Kind::from_name(type_name),
        _ => Kind::Eltwise,
    }
}

/// The word that the runtime makes a name of such an operator from.
pub(super) fn word(op: &Op) -> String {
    match op {
        Op::Unary(unary) => format!("{unary:?}"),
        Op::Binary(binary, _) => format!("{binary:?}"),
        Op::Reduce { kind, .. } => format!("Reduce{kind:?}"),
        _ => of(op, "Node").name().to_owned(),
    }
}
