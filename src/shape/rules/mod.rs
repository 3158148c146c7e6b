//! One shape rule per canonical operator, by family.
//!
//! To add an operator: a variant of [`Op`], its arm here, its rule in the family's
//! file, and the reader's entry that makes it.

mod attention;
mod broadcast;
mod convolution;
mod detection;
mod elementwise;
mod features;
mod gather;
mod interpolate;
mod list;
mod matmul;
mod multi_head;
mod plumbing;
mod pooling;
mod recurrent;
mod reduction;
mod reshape;
mod sequence;
mod signal;
mod slicing;
mod source;
mod space;
mod top_k;
mod window;

use super::context::{Context, RuleError, RuleResult};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::ElementType;
use crate::scenario::Binding;

/// The element type that an operator names.
fn element_type(dtype: ElementType, context: &Context<'_>) -> DType {
    match dtype {
        ElementType::OfInput(index) => context.dtype(index as usize),
        ElementType::Is(dtype) => dtype,
    }
}

/// Emits every output of `op`, or says why it cannot.
pub(super) fn infer(op: &Op, context: &mut Context<'_>, binding: &Binding) -> RuleResult {
    match op {
        Op::Parameter | Op::Constant(_) | Op::Result | Op::Identity | Op::ReadValue(_) | Op::Assign(_) => {
            plumbing::infer(op, context, binding)
        }
        Op::Unary(_)
        | Op::Binary(..)
        | Op::Select(_)
        | Op::Variadic(_)
        | Op::Convert { .. }
        | Op::ConvertLike
        | Op::ConvertPromoteTypes
        | Op::FakeQuantize(_)
        | Op::FakeConvert
        | Op::PRelu
        | Op::SameAsInput(_)
        | Op::LikeInputs(_) => elementwise::infer(op, context),
        Op::Quantized(quantized) => {
            infer(&quantized.op, context, binding)?;
            let dtype = element_type(quantized.to, context);
            context.retype_first(dtype);
            Ok(())
        }
        Op::ChannelsLast(inner) => match **inner {
            Op::Convolution(_) => convolution::infer(op, context),
            _ => pooling::infer(op, context),
        },
        Op::MatMul { .. }
        | Op::MovedMatMul { .. }
        | Op::Gemm { .. }
        | Op::Linear { .. }
        | Op::Determinant
        | Op::Einsum(_)
        | Op::Inverse
        | Op::GroupedMatMul => matmul::infer(op, context),
        Op::Convolution(_)
        | Op::ConvolutionBackpropData(_)
        | Op::DeformableConvolution(_)
        | Op::CausalConvolution { .. } => convolution::infer(op, context),
        Op::Pool(_) | Op::AdaptivePool { .. } | Op::GlobalPool | Op::MaxUnpool(_) => {
            pooling::infer(op, context)
        }
        Op::Reduce { .. } | Op::ArgExtreme { .. } | Op::Loss { .. } => reduction::infer(op, context),
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::Flatten { .. } | Op::Transpose => {
            reshape::infer(op, context)
        }
        Op::Broadcast(_)
        | Op::Tile
        | Op::TileAxis
        | Op::Pad(_)
        | Op::PadAxes(_)
        | Op::CenterCropPad { .. } => broadcast::infer(op, context),
        Op::Concat { .. } | Op::Split { .. } | Op::VariadicSplit | Op::Slice | Op::StridedSlice(_) => {
            slicing::infer(op, context)
        }
        Op::Compress { .. }
        | Op::GatherQuantized { .. }
        | Op::Scatter(_)
        | Op::Gather { .. }
        | Op::GatherElements
        | Op::GatherNd { .. }
        | Op::GatherTree => gather::infer(op, context),
        Op::DepthToSpace { .. }
        | Op::SpaceToDepth { .. }
        | Op::BatchToSpace
        | Op::SpaceToBatch
        | Op::ExtractImagePatches(_)
        | Op::Col2Im(_)
        | Op::ReorgYolo { .. } => space::infer(op, context),
        Op::RegionYolo(_) | Op::Detection(_) | Op::PriorBox(_) => detection::infer(op, context),
        Op::ShapeOf { .. }
        | Op::SizeOf
        | Op::Range { .. }
        | Op::NonZero { .. }
        | Op::Unique { .. }
        | Op::UniqueOfVector
        | Op::OneHot { .. }
        | Op::Eye { .. }
        | Op::FromShape { .. }
        | Op::Multinomial { .. }
        | Op::Bucketize { .. }
        | Op::MelWeightMatrix { .. }
        | Op::SearchSorted { .. } => source::infer(op, context),
        Op::TopK { axis, index_type, largest_first } => {
            top_k::infer(*axis, *index_type, *largest_first, context)
        }
        Op::Interpolate(_)
        | Op::GridSample
        | Op::AffineGrid
        | Op::ImageDecoder { .. }
        | Op::YuvToRgb { .. }
        | Op::RgbToNv12 { .. } => interpolate::infer(op, context),
        Op::Recurrent(_) => recurrent::infer(op, context),
        Op::ScaledDotProductAttention { .. } | Op::PagedAttention | Op::Rope(_) | Op::Rms => {
            attention::infer(op, context)
        }
        Op::MultiHeadAttention(_) | Op::AttentionOfWeights(_) | Op::LinearAttention { .. } | Op::Embedded => {
            multi_head::infer(op, context)
        }
        Op::List(kind) => list::infer(*kind, context),
        Op::Features(kind) => features::infer(kind, context),
        Op::Dft(_) | Op::Spectrum(_) | Op::Stft { .. } | Op::Istft { .. } => signal::infer(op, context),
        Op::EmbeddingBag(_)
        | Op::SegmentMax
        | Op::SparseFillEmptyRows
        | Op::Ctc(_)
        | Op::ReverseSequence
        | Op::StringTensorPack
        | Op::StringTensorUnpack => sequence::infer(op, context),
        // The engine walks bodies itself; an opaque or executed node has no rule but its declared shapes.
        Op::If(_) | Op::Loop(_) | Op::Opaque | Op::Executed(_) => Err(RuleError::UnknownShape(0)),
    }
}
