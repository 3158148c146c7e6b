//! Element-wise operators and conversions.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Unary};

pub(super) const TABLE: &[Entry] = &[
    op("Abs", 1, |_| Ok(Op::Unary(Unary::Abs))),
    op("Acos", 1, |_| Ok(Op::Unary(Unary::Acos))),
    op("Acosh", 4, |_| Ok(Op::Unary(Unary::Acosh))),
    op("Asin", 1, |_| Ok(Op::Unary(Unary::Asin))),
    op("Asinh", 4, |_| Ok(Op::Unary(Unary::Asinh))),
    op("Atan", 1, |_| Ok(Op::Unary(Unary::Atan))),
    op("Atanh", 4, |_| Ok(Op::Unary(Unary::Atanh))),
    op("BitwiseNot", 13, |_| Ok(Op::Unary(Unary::BitwiseNot))),
    op("Ceiling", 1, |_| Ok(Op::Unary(Unary::Ceiling))),
    op("Clamp", 1, |_| Ok(Op::Unary(Unary::Clamp))),
    op("Cos", 1, |_| Ok(Op::Unary(Unary::Cos))),
    op("Cosh", 1, |_| Ok(Op::Unary(Unary::Cosh))),
    op("Elu", 1, |_| Ok(Op::Unary(Unary::Elu))),
    op("Erf", 1, |_| Ok(Op::Unary(Unary::Erf))),
    op("ErfInv", 17, |_| Ok(Op::Unary(Unary::ErfInv))),
    op("Exp", 1, |_| Ok(Op::Unary(Unary::Exp))),
    op("Floor", 1, |_| Ok(Op::Unary(Unary::Floor))),
    op("Gelu", 2, |_| Ok(Op::Unary(Unary::Gelu))),
    op("Gelu", 7, |_| Ok(Op::Unary(Unary::Gelu))),
    op("HardSigmoid", 1, |_| Ok(Op::Unary(Unary::HardSigmoid))),
    op("HSigmoid", 5, |_| Ok(Op::Unary(Unary::HSigmoid))),
    op("HSwish", 4, |_| Ok(Op::Unary(Unary::HSwish))),
    op("IsFinite", 10, |_| Ok(Op::Unary(Unary::IsFinite))),
    op("IsInf", 10, |_| Ok(Op::Unary(Unary::IsInf))),
    op("IsNaN", 10, |_| Ok(Op::Unary(Unary::IsNan))),
    op("Log", 1, |_| Ok(Op::Unary(Unary::Log))),
    op("LogicalNot", 1, |_| Ok(Op::Unary(Unary::LogicalNot))),
    op("Mish", 4, |_| Ok(Op::Unary(Unary::Mish))),
    op("Negative", 1, |_| Ok(Op::Unary(Unary::Negative))),
    op("ReLU", 1, |_| Ok(Op::Unary(Unary::Relu))),
    op("Round", 5, |_| Ok(Op::Unary(Unary::Round))),
    op("Selu", 1, |_| Ok(Op::Unary(Unary::Selu))),
    op("Sigmoid", 1, |_| Ok(Op::Unary(Unary::Sigmoid))),
    op("Sign", 1, |_| Ok(Op::Unary(Unary::Sign))),
    op("Sin", 1, |_| Ok(Op::Unary(Unary::Sin))),
    op("Sinh", 1, |_| Ok(Op::Unary(Unary::Sinh))),
    op("SoftPlus", 4, |_| Ok(Op::Unary(Unary::SoftPlus))),
    op("SoftSign", 9, |_| Ok(Op::Unary(Unary::SoftSign))),
    op("Sqrt", 1, |_| Ok(Op::Unary(Unary::Sqrt))),
    op("Swish", 4, |_| Ok(Op::Unary(Unary::Swish))),
    op("Tan", 1, |_| Ok(Op::Unary(Unary::Tan))),
    op("Tanh", 1, |_| Ok(Op::Unary(Unary::Tanh))),
    op("Add", 1, |layer| binary(layer, Binary::Add)),
    op("Divide", 1, |layer| {
        let rounds_down = layer.flag("m_pythondiv", true)?;
        binary(layer, if rounds_down { Binary::Divide } else { Binary::TruncatedDivide })
    }),
    op("FloorMod", 1, |layer| binary(layer, Binary::FloorMod)),
    op("Maximum", 1, |layer| binary(layer, Binary::Maximum)),
    op("Minimum", 1, |layer| binary(layer, Binary::Minimum)),
    op("Mod", 1, |layer| binary(layer, Binary::Mod)),
    op("Multiply", 1, |layer| binary(layer, Binary::Multiply)),
    op("Power", 1, |layer| binary(layer, Binary::Power)),
    op("SquaredDifference", 1, |layer| binary(layer, Binary::SquaredDifference)),
    op("Subtract", 1, |layer| binary(layer, Binary::Subtract)),
    op("BitwiseAnd", 13, |layer| binary(layer, Binary::BitwiseAnd)),
    op("BitwiseOr", 13, |layer| binary(layer, Binary::BitwiseOr)),
    op("BitwiseXor", 13, |layer| binary(layer, Binary::BitwiseXor)),
    op("BitwiseLeftShift", 15, |layer| binary(layer, Binary::BitwiseLeftShift)),
    op("BitwiseRightShift", 15, |layer| binary(layer, Binary::BitwiseRightShift)),
    op("Equal", 1, |layer| binary(layer, Binary::Equal)),
    op("Greater", 1, |layer| binary(layer, Binary::Greater)),
    op("GreaterEqual", 1, |layer| binary(layer, Binary::GreaterEqual)),
    op("Less", 1, |layer| binary(layer, Binary::Less)),
    op("LessEqual", 1, |layer| binary(layer, Binary::LessEqual)),
    op("NotEqual", 1, |layer| binary(layer, Binary::NotEqual)),
    op("LogicalAnd", 1, |layer| binary(layer, Binary::LogicalAnd)),
    op("LogicalOr", 1, |layer| binary(layer, Binary::LogicalOr)),
    op("LogicalXor", 1, |layer| binary(layer, Binary::LogicalXor)),
    op("Xor", 1, |layer| binary(layer, Binary::LogicalXor)),
    op("Select", 1, |layer| Ok(Op::Select(auto_broadcast(layer)?))),
    op("Convert", 1, |layer| Ok(Op::Convert { to: layer.dtype("destination_type")? })),
    op("ConvertLike", 1, |_| Ok(Op::ConvertLike)),
    op("ConvertPromoteTypes", 14, |_| Ok(Op::ConvertPromoteTypes)),
    op("FakeQuantize", 1, |layer| Ok(Op::FakeQuantize(auto_broadcast(layer)?))),
    op("FakeConvert", 13, |_| Ok(Op::FakeConvert)),
    op("PReLU", 1, |_| Ok(Op::PRelu)),
];

fn binary(layer: &Attributes<'_, '_>, kind: Binary) -> Result<Op> {
    Ok(Op::Binary(kind, auto_broadcast(layer)?))
}

/// The rule by which shapes are made equal; `numpy` where none is given, and for `pdpd` axis 0.
///
/// Source: what `openvino.serialize` 2026.4.1 writes, and takes for granted when it reads.
fn auto_broadcast(layer: &Attributes<'_, '_>) -> Result<Broadcast> {
    let axis = layer.int_or("auto_broadcast.auto_broadcast_axis", 0)?;
    let words = [
        ("numpy", Broadcast::Numpy),
        ("none", Broadcast::None),
        ("explicit", Broadcast::None),
        ("pdpd", Broadcast::Pdpd(axis)),
    ];
    layer.word("auto_broadcast", &words, Broadcast::Numpy, "numpy, none or pdpd")
}
