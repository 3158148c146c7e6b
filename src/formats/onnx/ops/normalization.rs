//! Softmax, normalizations and rotary embedding.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{AxisSpan, GroupNorm, Ints, LayerNorm, Mvn};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::BatchNormalization], "BatchNormalization", 1, |layer| {
        Ok(Op::BatchNormalization { epsilon: epsilon(layer)? }.into())
    }),
    op(&[K::InstanceNormalization], "InstanceNormalization", 1, |layer| {
        Ok(Op::InstanceNormalization { epsilon: epsilon(layer)? }.into())
    }),
    op(&[K::GroupNormalization], "GroupNormalization", 18, |layer| {
        Ok(Op::GroupNormalization(group_norm(layer, "num_groups")?).into())
    }),
    op(&[K::LayerNormalization], "LayerNormalization", 17, |layer| {
        Ok(Op::LayerNormalization(layer_norm(layer)?).into())
    }),
    op(&[K::RmsNormalization], "RMSNormalization", 23, |layer| {
        Ok(Op::RmsNormalization(layer_norm(layer)?).into())
    }),
    op(&[K::LpNormalization], "LpNormalization", 1, |layer| {
        Ok(Op::LpNormalization { axis: layer.int_or("axis", -1)?, p: layer.int_or("p", 2)? }.into())
    }),
    op(&[K::Lrn], "LRN", 1, |layer| Ok(Op::Lrn { size: layer.int_or("size", 1)? }.into())),
    op(&[K::Mvn], "MeanVarianceNormalization", 9, |layer| {
        let axes = layer.ints("axes")?.unwrap_or_else(|| Ints::from_slice(&[0, 2, 3]));
        Ok(Op::Mvn(Box::new(Mvn { axes: Some(axes), keeps_variance: false, epsilon: 1e-9 })).into())
    }),
    op(&[K::Softmax], "Softmax", 1, |layer| Ok(Op::Softmax(from_axis(layer)?).into())),
    op(&[K::Softmax], "Softmax", 13, |layer| Ok(Op::Softmax(one_axis(layer)?).into())),
    op(&[K::LogSoftmax], "LogSoftmax", 1, |layer| Ok(Op::LogSoftmax(from_axis(layer)?).into())),
    op(&[K::LogSoftmax], "LogSoftmax", 13, |layer| Ok(Op::LogSoftmax(one_axis(layer)?).into())),
    op(&[K::Hardmax], "Hardmax", 1, |layer| Ok(Op::Hardmax(from_axis(layer)?).into())),
    op(&[K::Hardmax], "Hardmax", 13, |layer| Ok(Op::Hardmax(one_axis(layer)?).into())),
    op(&[K::RotaryEmbedding], "RotaryEmbedding", 23, rotary),
    // ONNX Runtime takes this in the standard domain from files of its own optimiser.
    op(&[K::SimplifiedLayerNormalization], "SimplifiedLayerNormalization", 1, |layer| {
        Ok(Op::SimplifiedLayerNormalization(layer_norm(layer)?).into())
    }),
    ms(&[K::SimplifiedLayerNormalization], "SimplifiedLayerNormalization", |layer| {
        Ok(Op::SimplifiedLayerNormalization(layer_norm(layer)?).into())
    }),
    ms(&[K::LayerNormalization], "LayerNormalization", |layer| {
        Ok(Op::LayerNormalization(layer_norm(layer)?).into())
    }),
    ms(&[K::SkipLayerNormalization], "SkipLayerNormalization", |layer| {
        Ok(Op::SkipLayerNormalization(last_norm(layer)?).into())
    }),
    ms(&[K::SkipSimplifiedLayerNormalization], "SkipSimplifiedLayerNormalization", |layer| {
        Ok(Op::SkipSimplifiedLayerNormalization(last_norm(layer)?).into())
    }),
    ms(&[K::RotaryEmbedding], "RotaryEmbedding", rotary),
    ms(&[K::MRotaryEmbedding], "MRotaryEmbedding", |layer| {
        Ok(Op::MRotaryEmbedding { is_interleaved: layer.flag("interleaved", false)? }.into())
    }),
    ms(&[K::BranchwiseRmsNorm], "BranchwiseRMSNorm", |layer| {
        Ok(Op::BranchwiseRmsNorm(last_norm(layer)?).into())
    }),
    ms(&[K::GatedRmsNorm], "GatedRMSNorm", |layer| Ok(Op::GatedRmsNorm(last_norm(layer)?).into())),
    ms(&[K::GroupNorm], "GroupNorm", |layer| Ok(Op::GroupNorm(group_norm(layer, "groups")?).into())),
    ms(&[K::SkipGroupNorm], "SkipGroupNorm", |layer| {
        Ok(Op::SkipGroupNorm(group_norm(layer, "groups")?).into())
    }),
    ms(&[K::BiasSoftmax], "BiasSoftmax", |layer| {
        Ok(Op::BiasSoftmax { axis: layer.int_or("axis", 1)? }.into())
    }),
];

/// 1e-5 unless it is given.
fn epsilon(layer: &Layer<'_>) -> Result<f32> {
    Ok(layer.float("epsilon")?.map_or(1e-5, |epsilon| epsilon as f32))
}

/// Before opset 13, all axes from the given one on are one.
fn from_axis(layer: &Layer<'_>) -> Result<AxisSpan> {
    Ok(AxisSpan { axis: layer.int_or("axis", 1)?, to_end: true })
}

fn one_axis(layer: &Layer<'_>) -> Result<AxisSpan> {
    Ok(AxisSpan::one(layer.int_or("axis", -1)?))
}

fn layer_norm(layer: &Layer<'_>) -> Result<LayerNorm> {
    Ok(LayerNorm { axis: layer.int_or("axis", -1)?, ..last_norm(layer)? })
}

/// A norm over the last axis, whatever the attributes say.
fn last_norm(layer: &Layer<'_>) -> Result<LayerNorm> {
    let statistics = layer.dtype("stash_type")?.unwrap_or(DType::F32);
    Ok(LayerNorm { axis: -1, epsilon: epsilon(layer)?, statistics })
}

fn group_norm(layer: &Layer<'_>, groups: &'static str) -> Result<GroupNorm> {
    Ok(GroupNorm { groups: layer.int_or(groups, 1)?, epsilon: epsilon(layer)? })
}

fn rotary(layer: &Layer<'_>) -> Result<Made> {
    let is_interleaved = layer.flag("interleaved", false)?;
    Ok(Op::RotaryEmbedding { is_interleaved, dims: layer.int_or("rotary_embedding_dim", 0)? }.into())
}
