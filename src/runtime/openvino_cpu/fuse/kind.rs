//! What the plugin executes an operator as, before any fusion.
//!
//! Source: `TypeFromName`, OpenVINO 2026.4, src/plugins/intel_cpu/src/cpu_types.cpp.

use crate::graph::Op;
use crate::graph::op::{Scatter, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// The operator that the runtime imports a file's operator as, where it is another.
///
/// Source: the ONNX frontend of OpenVINO 2026.4, src/frontends/onnx/frontend/src/op/com.microsoft.
pub(super) fn imported(op: &Op) -> Op {
    match op {
        Op::If(_) | Op::Loop(_) => Op::Opaque,
        Op::Unary(Unary::FastGelu) => Op::Unary(Unary::Gelu),
        Op::Unary(Unary::QuickGelu | Unary::ScaledSilu) => Op::Unary(Unary::Swish),
        Op::FusedMatMul(product) if !product.moves_a && !product.moves_b => {
            Op::MatMul { transpose_a: product.transpose_a, transpose_b: product.transpose_b }
        }
        op => op.clone(),
    }
}

/// The kind of an operator; where no rule distinguishes it, one that is called `type_name` in reports.
pub(super) fn of(op: &Op, type_name: &str) -> Kind {
    match op {
        Op::Parameter => Kind::Input,
        Op::Constant(_) => Kind::Const,
        Op::Result => Kind::Output,
        Op::ReadValue(_) => Kind::MemoryInput,
        Op::Assign(_) => Kind::MemoryOutput,
        Op::Unary(unary) => of_unary(*unary),
        Op::Binary(..) | Op::Select(_) | Op::Variadic(_) | Op::PRelu => Kind::Eltwise,
        Op::FakeQuantize { .. } => Kind::FakeQuantize,
        Op::Convert { .. } | Op::ConvertLike => Kind::Convert,
        Op::Softmax(_) => Kind::Softmax,
        Op::Mvn(_) => Kind::Mvn,
        Op::MatMul { .. } => Kind::MatMul,
        Op::Convolution(_) => Kind::Convolution,
        Op::ConvolutionBackpropData(_) => Kind::Deconvolution,
        Op::Pool(_) | Op::AdaptivePool { .. } | Op::GlobalPool(_) => Kind::Pooling,
        Op::Reduce { .. } => Kind::Reduce,
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::ExpandDims | Op::Flatten { .. } => {
            Kind::Reshape
        }
        Op::Transpose => Kind::Transpose,
        Op::Broadcast(_) => Kind::Broadcast,
        Op::Tile(_) => Kind::Tile,
        Op::Pad(..) => Kind::Pad,
        Op::Concat { .. } => Kind::Concat,
        Op::Split { .. } | Op::VariadicSplit => Kind::Split,
        Op::Slice | Op::StridedSlice(_) => Kind::StridedSlice,
        Op::Scatter(Scatter::Slices) => Kind::ScatterUpdate,
        Op::Scatter(Scatter::Elements | Scatter::ReducedElements) => Kind::ScatterElementsUpdate,
        Op::Scatter(Scatter::Nd | Scatter::ReducedNd) => Kind::ScatterNdUpdate,
        Op::Gather { .. } => Kind::Gather,
        Op::ShapeOf { .. } => Kind::ShapeOf,
        Op::Range { .. } => Kind::Range,
        Op::NonZero { .. } => Kind::NonZero,
        Op::TopK { .. } => Kind::TopK,
        Op::OneHot { .. } => Kind::OneHot,
        Op::Interpolate(_) => Kind::Interpolate,
        Op::ScaledDotProductAttention { .. } => Kind::ScaledDotProductAttention,
        Op::PagedAttention => Kind::PagedAttention,
        Op::Rope(_) => Kind::Rope,
        Op::Rms => Kind::Rms,
        Op::ShuffleChannels { .. } => Kind::ShuffleChannels,
        Op::Lrn { .. } => Kind::Other("Lrn".into()),
        _ => Kind::Other(type_name.into()),
    }
}

/// Trigonometry and its like are one kind, what a matrix product can take in is another.
fn of_unary(unary: Unary) -> Kind {
    use Unary::*;
    match unary {
        Acos | Acosh | Asin | Asinh | Atan | Atanh | Ceiling | Cos | Cosh | Floor | HardSigmoid | Log
        | Negative | Reciprocal | Selu | Sign | Sin | Sinh | SoftSign | Tan => {
            // Floor and Ceiling are element-wise on x86-64; Negative was written as a product before.
            if matches!(unary, Ceiling | Floor | Negative | SoftSign | Log) {
                Kind::Eltwise
            } else {
                Kind::Math
            }
        }
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
