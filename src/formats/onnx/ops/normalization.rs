//! Normalisations and others whose output is shaped as their input.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{ElementType, Entry, Like, LikeDims, like, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::SameAsInput;

pub(super) const TABLE: &[Entry] = &[
    // Mean and variance, and their copies that older versions save, come out in training alone.
    op("BatchNormalization", 1, |layer| or_like(layer, SameAsInput::BatchNorm, &[0, 3, 4, 3, 4])),
    op("InstanceNormalization", 1, |_| same(SameAsInput::InstanceNorm)),
    op("GroupNormalization", 18, |_| same(SameAsInput::GroupNorm)),
    op("LayerNormalization", 17, |layer| {
        normalized(layer, &[LikeDims::ReducedFrom(layer.int_or("axis", -1)?); 2], &[])
    }),
    op("RMSNormalization", 23, |_| same(SameAsInput::LayerNorm)),
    op("LpNormalization", 1, |_| same(SameAsInput::LpNorm)),
    op("LRN", 1, |_| same(SameAsInput::Lrn)),
    op("MeanVarianceNormalization", 9, |_| same(SameAsInput::Mvn)),
    op("Softmax", 1, |_| same(SameAsInput::Softmax)),
    op("LogSoftmax", 1, |_| same(SameAsInput::LogSoftmax)),
    op("Hardmax", 1, |_| same(SameAsInput::Hardmax)),
    op("Trilu", 14, |_| same(SameAsInput::Trilu)),
    op("RotaryEmbedding", 23, |_| same(SameAsInput::Other)),
    op("TensorScatter", 24, |_| same(SameAsInput::Other)),
    // ONNX Runtime takes these in the standard domain from files of its own optimiser.
    op("SimplifiedLayerNormalization", 1, |layer| {
        normalized(layer, &[LikeDims::ReducedFrom(layer.int_or("axis", -1)?)], &[])
    }),
    ms("SimplifiedLayerNormalization", |layer| {
        normalized(layer, &[LikeDims::ReducedFrom(layer.int_or("axis", -1)?)], &[])
    }),
    ms("LayerNormalization", |layer| {
        normalized(layer, &[LikeDims::ReducedFrom(layer.int_or("axis", -1)?); 2], &[])
    }),
    // Mean, inverse deviation, and the sum that goes on as residual.
    ms("SkipLayerNormalization", |layer| normalized(layer, &[LikeDims::ReducedFrom(-1); 2], &[0])),
    ms("SkipSimplifiedLayerNormalization", |layer| normalized(layer, &[LikeDims::ReducedFrom(-1); 2], &[0])),
    ms("RotaryEmbedding", |_| same(SameAsInput::Other)),
    ms("MRotaryEmbedding", |_| same(SameAsInput::Other)),
    ms("BranchwiseRMSNorm", |_| same(SameAsInput::LayerNorm)),
    ms("GatedRMSNorm", |_| same(SameAsInput::LayerNorm)),
    ms("GroupNorm", |_| same(SameAsInput::GroupNorm)),
    ms("SkipGroupNorm", |_| Ok(like([0, 0]).into())),
];

fn same(kind: SameAsInput) -> Result<Made> {
    Ok(Op::SameAsInput(kind).into())
}

/// One output as the data; several as the inputs of these numbers.
fn or_like(layer: &Layer<'_>, kind: SameAsInput, inputs: &[u32]) -> Result<Made> {
    if layer.outputs < 2 { same(kind) } else { Ok(like(inputs.iter().copied()).into()) }
}

/// The normalised data, statistics in the type that they are computed in, and further outputs like inputs.
fn normalized(layer: &Layer<'_>, statistics: &[LikeDims], further: &[u32]) -> Result<Made> {
    if layer.outputs < 2 {
        return same(SameAsInput::LayerNorm);
    }
    let stash = ElementType::Is(layer.dtype("stash_type")?.unwrap_or(DType::F32));
    let of_input = |&input: &u32| Like { dims: LikeDims::Input(input), dtype: ElementType::OfInput(input) };
    let statistics = statistics.iter().map(|&dims| Like { dims, dtype: stash });
    let outputs = [0].iter().map(of_input).chain(statistics).chain(further.iter().map(of_input));
    Ok(Op::LikeInputs(outputs.collect()).into())
}
