//! Element-wise operators and conversions.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Binary, Broadcast, Unary};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Abs], "Abs", 1, |_| Ok(Op::Unary(Unary::Abs))),
    op(&[K::Acos], "Acos", 1, |_| Ok(Op::Unary(Unary::Acos))),
    op(&[K::Acosh], "Acosh", 4, |_| Ok(Op::Unary(Unary::Acosh))),
    op(&[K::Asin], "Asin", 1, |_| Ok(Op::Unary(Unary::Asin))),
    op(&[K::Asinh], "Asinh", 4, |_| Ok(Op::Unary(Unary::Asinh))),
    op(&[K::Atan], "Atan", 1, |_| Ok(Op::Unary(Unary::Atan))),
    op(&[K::Atanh], "Atanh", 4, |_| Ok(Op::Unary(Unary::Atanh))),
    op(&[K::BitwiseNot], "BitwiseNot", 13, |_| Ok(Op::Unary(Unary::BitwiseNot))),
    op(&[K::Ceiling], "Ceiling", 1, |_| Ok(Op::Unary(Unary::Ceiling))),
    op(&[K::Clamp], "Clamp", 1, |_| Ok(Op::Unary(Unary::Clamp))),
    op(&[K::Cos], "Cos", 1, |_| Ok(Op::Unary(Unary::Cos))),
    op(&[K::Cosh], "Cosh", 1, |_| Ok(Op::Unary(Unary::Cosh))),
    op(&[K::Elu], "Elu", 1, |_| Ok(Op::Unary(Unary::Elu))),
    op(&[K::Erf], "Erf", 1, |_| Ok(Op::Unary(Unary::Erf))),
    op(&[K::ErfInv], "ErfInv", 17, |_| Ok(Op::Unary(Unary::ErfInv))),
    op(&[K::Exp], "Exp", 1, |_| Ok(Op::Unary(Unary::Exp))),
    op(&[K::Floor], "Floor", 1, |_| Ok(Op::Unary(Unary::Floor))),
    op(&[K::Gelu], "Gelu", 2, |_| Ok(Op::Unary(Unary::Gelu))),
    op(&[K::Gelu], "Gelu", 7, |_| Ok(Op::Unary(Unary::Gelu))),
    op(&[K::HardSigmoid], "HardSigmoid", 1, |_| Ok(Op::Unary(Unary::HardSigmoid))),
    op(&[K::HSigmoid], "HSigmoid", 5, |_| Ok(Op::Unary(Unary::HSigmoid))),
    op(&[K::HSwish], "HSwish", 4, |_| Ok(Op::Unary(Unary::HSwish))),
    op(&[K::IsFinite], "IsFinite", 10, |_| Ok(Op::Unary(Unary::IsFinite))),
    op(&[K::IsInf], "IsInf", 10, |_| Ok(Op::Unary(Unary::IsInf))),
    op(&[K::IsNan], "IsNaN", 10, |_| Ok(Op::Unary(Unary::IsNan))),
    op(&[K::Log], "Log", 1, |_| Ok(Op::Unary(Unary::Log))),
    op(&[K::LogicalNot], "LogicalNot", 1, |_| Ok(Op::Unary(Unary::LogicalNot))),
    op(&[K::Mish], "Mish", 4, |_| Ok(Op::Unary(Unary::Mish))),
    op(&[K::Negative], "Negative", 1, |_| Ok(Op::Unary(Unary::Negative))),
    op(&[K::Relu], "ReLU", 1, |_| Ok(Op::Unary(Unary::Relu))),
    op(&[K::Round], "Round", 5, |_| Ok(Op::Unary(Unary::Round))),
    op(&[K::Selu], "Selu", 1, |_| Ok(Op::Unary(Unary::Selu))),
    op(&[K::Sigmoid], "Sigmoid", 1, |_| Ok(Op::Unary(Unary::Sigmoid))),
    op(&[K::Sign], "Sign", 1, |_| Ok(Op::Unary(Unary::Sign))),
    op(&[K::Sin], "Sin", 1, |_| Ok(Op::Unary(Unary::Sin))),
    op(&[K::Sinh], "Sinh", 1, |_| Ok(Op::Unary(Unary::Sinh))),
    op(&[K::SoftPlus], "SoftPlus", 4, |_| Ok(Op::Unary(Unary::SoftPlus))),
    op(&[K::SoftSign], "SoftSign", 9, |_| Ok(Op::Unary(Unary::SoftSign))),
    op(&[K::Sqrt], "Sqrt", 1, |_| Ok(Op::Unary(Unary::Sqrt))),
    op(&[K::Swish], "Swish", 4, |_| Ok(Op::Unary(Unary::Swish))),
    op(&[K::Tan], "Tan", 1, |_| Ok(Op::Unary(Unary::Tan))),
    op(&[K::Tanh], "Tanh", 1, |_| Ok(Op::Unary(Unary::Tanh))),
    op(&[K::Add], "Add", 1, |layer| binary(layer, Binary::Add)),
    op(&[K::Divide], "Divide", 1, |layer| {
        let rounds_down = layer.flag("m_pythondiv", true)?;
        binary(layer, if rounds_down { Binary::Divide } else { Binary::TruncatedDivide })
    }),
    op(&[K::FloorMod], "FloorMod", 1, |layer| binary(layer, Binary::FloorMod)),
    op(&[K::Maximum], "Maximum", 1, |layer| binary(layer, Binary::Maximum)),
    op(&[K::Minimum], "Minimum", 1, |layer| binary(layer, Binary::Minimum)),
    op(&[K::Mod], "Mod", 1, |layer| binary(layer, Binary::Mod)),
    op(&[K::Multiply], "Multiply", 1, |layer| binary(layer, Binary::Multiply)),
    op(&[K::Power], "Power", 1, |layer| binary(layer, Binary::Power)),
    op(&[K::SquaredDifference], "SquaredDifference", 1, |layer| binary(layer, Binary::SquaredDifference)),
    op(&[K::Subtract], "Subtract", 1, |layer| binary(layer, Binary::Subtract)),
    op(&[K::BitwiseAnd], "BitwiseAnd", 13, |layer| binary(layer, Binary::BitwiseAnd)),
    op(&[K::BitwiseOr], "BitwiseOr", 13, |layer| binary(layer, Binary::BitwiseOr)),
    op(&[K::BitwiseXor], "BitwiseXor", 13, |layer| binary(layer, Binary::BitwiseXor)),
    op(&[K::BitwiseLeftShift], "BitwiseLeftShift", 15, |layer| binary(layer, Binary::BitwiseLeftShift)),
    op(&[K::BitwiseRightShift], "BitwiseRightShift", 15, |layer| binary(layer, Binary::BitwiseRightShift)),
    op(&[K::Equal], "Equal", 1, |layer| binary(layer, Binary::Equal)),
    op(&[K::Greater], "Greater", 1, |layer| binary(layer, Binary::Greater)),
    op(&[K::GreaterEqual], "GreaterEqual", 1, |layer| binary(layer, Binary::GreaterEqual)),
    op(&[K::Less], "Less", 1, |layer| binary(layer, Binary::Less)),
    op(&[K::LessEqual], "LessEqual", 1, |layer| binary(layer, Binary::LessEqual)),
    op(&[K::NotEqual], "NotEqual", 1, |layer| binary(layer, Binary::NotEqual)),
    op(&[K::LogicalAnd], "LogicalAnd", 1, |layer| binary(layer, Binary::LogicalAnd)),
    op(&[K::LogicalOr], "LogicalOr", 1, |layer| binary(layer, Binary::LogicalOr)),
    op(&[K::LogicalXor], "LogicalXor", 1, |layer| binary(layer, Binary::LogicalXor)),
    op(&[K::LogicalXor], "Xor", 1, |layer| binary(layer, Binary::LogicalXor)),
    op(&[K::Select], "Select", 1, |layer| Ok(Op::Select(auto_broadcast(layer)?))),
    op(&[K::Convert], "Convert", 1, |layer| Ok(Op::Convert { to: layer.dtype("destination_type")? })),
    op(&[K::ConvertLike], "ConvertLike", 1, |_| Ok(Op::ConvertLike)),
    op(&[K::ConvertPromoteTypes], "ConvertPromoteTypes", 14, |_| Ok(Op::ConvertPromoteTypes)),
    op(&[K::FakeQuantize], "FakeQuantize", 1, fake_quantize),
    op(&[K::FakeConvert], "FakeConvert", 13, |_| Ok(Op::FakeConvert)),
    op(&[K::PRelu], "PReLU", 1, |_| Ok(Op::PRelu)),
];

fn fake_quantize(layer: &Attributes<'_, '_>) -> Result<Op> {
    Ok(Op::FakeQuantize { broadcast: auto_broadcast(layer)?, levels: layer.int("levels")? })
}

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
