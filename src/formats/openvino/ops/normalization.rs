//! Normalisations and others whose output is shaped as their input.

use super::{Entry, Make, op};
use crate::graph::Op;
use crate::graph::op::SameAsInput;

pub(super) const TABLE: &[Entry] = &[
    Entry {
        type_name: "BatchNormInference",
        since: 1,
        make: Make::Op(|_| Ok(Op::SameAsInput(SameAsInput::BatchNorm))),
        // opset1 has gamma, beta, data, mean, variance.
        order: &[2, 0, 1, 3, 4],
    },
    op("BatchNormInference", 5, |_| Ok(Op::SameAsInput(SameAsInput::BatchNorm))),
    op("CumSum", 3, |layer| {
        let is_plain = !layer.flag("exclusive", false)? && !layer.flag("reverse", false)?;
        Ok(Op::SameAsInput(if is_plain { SameAsInput::CumSum } else { SameAsInput::Other }))
    }),
    op("GRN", 1, |_| Ok(Op::SameAsInput(SameAsInput::Grn))),
    op("GroupNormalization", 12, |_| Ok(Op::SameAsInput(SameAsInput::GroupNorm))),
    op("LogSoftmax", 5, |_| Ok(Op::SameAsInput(SameAsInput::LogSoftmax))),
    op("LRN", 1, |_| Ok(Op::SameAsInput(SameAsInput::Lrn))),
    op("MVN", 1, |_| Ok(Op::SameAsInput(SameAsInput::Mvn))),
    op("MVN", 6, |_| Ok(Op::SameAsInput(SameAsInput::Mvn))),
    op("NormalizeL2", 1, |_| Ok(Op::SameAsInput(SameAsInput::NormalizeL2))),
    op("Reverse", 1, |_| Ok(Op::SameAsInput(SameAsInput::Other))),
    op("Roll", 7, |_| Ok(Op::SameAsInput(SameAsInput::Roll))),
    op("ShuffleChannels", 1, |_| Ok(Op::SameAsInput(SameAsInput::ShuffleChannels))),
    op("SliceScatter", 15, |_| Ok(Op::SameAsInput(SameAsInput::SliceScatter))),
    op("SoftMax", 1, |_| Ok(Op::SameAsInput(SameAsInput::Softmax))),
    op("SoftMax", 8, |_| Ok(Op::SameAsInput(SameAsInput::Softmax))),
];
