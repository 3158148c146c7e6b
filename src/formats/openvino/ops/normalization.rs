//! Softmax, normalizations and others whose output is shaped as their input.

use super::super::attributes::{Attributes, Result};
use super::{Entry, Make, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{AxisSpan, Cumulation, GroupNorm, Ints, Mvn};

pub(super) const TABLE: &[Entry] = &[
    Entry {
        kinds: &[K::BatchNormalization],
        type_name: "BatchNormInference",
        since: 1,
        make: Make::Op(batch_norm),
        // opset1 has gamma, beta, data, mean, variance.
        order: &[2, 0, 1, 3, 4],
    },
    op(&[K::BatchNormalization], "BatchNormInference", 5, batch_norm),
    op(&[K::CumSum], "CumSum", 3, |layer| {
        Ok(Op::CumSum(Cumulation {
            is_exclusive: layer.flag("exclusive", false)?,
            is_reverse: layer.flag("reverse", false)?,
        }))
    }),
    op(&[K::Grn], "GRN", 1, |layer| Ok(Op::Grn { bias: layer.float_or("bias", 0.0)? })),
    op(&[K::GroupNormalization], "GroupNormalization", 12, |layer| {
        Ok(Op::GroupNormalization(GroupNorm {
            groups: layer.int_or("num_groups", 1)?,
            epsilon: layer.float_or("epsilon", 0.0)?,
        }))
    }),
    op(&[K::LogSoftmax], "LogSoftmax", 5, |layer| {
        Ok(Op::LogSoftmax(AxisSpan::one(layer.int_or("axis", 1)?)))
    }),
    op(&[K::Lrn], "LRN", 1, |layer| Ok(Op::Lrn { size: layer.int_or("size", 1)? })),
    op(&[K::Mvn], "MVN", 1, |layer| {
        // Its axes are all but the first, or but the first two.
        let across = layer.flag("across_channels", false)?;
        let axes = layer.ints("reduction_axes")?;
        let axes = match axes.is_empty() {
            true if across => Some(Ints::from_slice(&[1, 2, 3])),
            true => Some(Ints::from_slice(&[2, 3])),
            false => Some(axes),
        };
        mvn(layer, axes)
    }),
    op(&[K::Mvn], "MVN", 6, |layer| mvn(layer, None)),
    op(&[K::NormalizeL2], "NormalizeL2", 1, |layer| {
        let is_least = layer.word("eps_mode", &[("add", false), ("max", true)], false, "add or max")?;
        Ok(Op::NormalizeL2 { epsilon: layer.float_or("eps", 0.0)?, is_least })
    }),
    op(&[K::Reverse], "Reverse", 1, |layer| {
        Ok(Op::Reverse {
            by_mask: layer.word("mode", &[("index", false), ("mask", true)], false, "index or mask")?,
        })
    }),
    op(&[K::Roll], "Roll", 7, |_| Ok(Op::Roll)),
    op(&[K::ShuffleChannels], "ShuffleChannels", 1, |layer| {
        Ok(Op::ShuffleChannels { axis: layer.int_or("axis", 1)?, groups: layer.int_or("group", 1)? })
    }),
    op(&[K::SliceScatter], "SliceScatter", 15, |_| Ok(Op::SliceScatter)),
    op(&[K::Softmax], "SoftMax", 1, |layer| Ok(Op::Softmax(AxisSpan::one(layer.int_or("axis", 1)?)))),
    op(&[K::Softmax], "SoftMax", 8, |layer| Ok(Op::Softmax(AxisSpan::one(layer.int_or("axis", 1)?)))),
];

fn batch_norm(layer: &Attributes<'_, '_>) -> Result<Op> {
    Ok(Op::BatchNormalization { epsilon: layer.float_or("epsilon", 0.0)? })
}

fn mvn(layer: &Attributes<'_, '_>, axes: Option<Ints>) -> Result<Op> {
    let keeps_variance = !layer.flag("normalize_variance", true)?;
    Ok(Op::Mvn(Box::new(Mvn { axes, keeps_variance, epsilon: layer.float_or("eps", 0.0)? })))
}
