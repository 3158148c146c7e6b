//! Element-wise operators and conversions.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Cumulation, ElementType, Unary, Variadic};

pub(super) const TABLE: &[Entry] = &[
    op("Abs", 1, |_| unary(Unary::Abs)),
    op("Acos", 7, |_| unary(Unary::Acos)),
    op("Acosh", 9, |_| unary(Unary::Acosh)),
    op("Asin", 7, |_| unary(Unary::Asin)),
    op("Asinh", 9, |_| unary(Unary::Asinh)),
    op("Atan", 7, |_| unary(Unary::Atan)),
    op("Atanh", 9, |_| unary(Unary::Atanh)),
    op("BitwiseNot", 18, |_| unary(Unary::BitwiseNot)),
    op("Ceil", 1, |_| unary(Unary::Ceiling)),
    op("Celu", 12, |_| unary(Unary::Celu)),
    op("Clip", 1, |_| unary(Unary::Clamp)),
    op("Cos", 7, |_| unary(Unary::Cos)),
    op("Cosh", 9, |_| unary(Unary::Cosh)),
    op("Elu", 1, |_| unary(Unary::Elu)),
    op("Erf", 9, |_| unary(Unary::Erf)),
    op("Exp", 1, |_| unary(Unary::Exp)),
    op("Floor", 1, |_| unary(Unary::Floor)),
    op("Gelu", 20, |_| unary(Unary::Gelu)),
    op("HardSigmoid", 1, |_| unary(Unary::HardSigmoid)),
    op("HardSwish", 14, |_| unary(Unary::HSwish)),
    op("IsInf", 10, |_| unary(Unary::IsInf)),
    op("IsNaN", 9, |_| unary(Unary::IsNan)),
    op("LeakyRelu", 1, |_| unary(Unary::LeakyRelu)),
    op("Log", 1, |_| unary(Unary::Log)),
    op("Mish", 18, |_| unary(Unary::Mish)),
    op("Neg", 1, |_| unary(Unary::Negative)),
    op("Not", 1, |_| unary(Unary::LogicalNot)),
    op("Reciprocal", 1, |_| unary(Unary::Reciprocal)),
    op("Relu", 1, |_| unary(Unary::Relu)),
    op("Round", 11, |_| unary(Unary::Round)),
    op("Selu", 1, |_| unary(Unary::Selu)),
    op("Shrink", 9, |_| unary(Unary::Shrink)),
    op("Sigmoid", 1, |_| unary(Unary::Sigmoid)),
    op("Sign", 9, |_| unary(Unary::Sign)),
    op("Sin", 7, |_| unary(Unary::Sin)),
    op("Sinh", 9, |_| unary(Unary::Sinh)),
    op("Softplus", 1, |_| unary(Unary::SoftPlus)),
    op("Softsign", 1, |_| unary(Unary::SoftSign)),
    op("Sqrt", 1, |_| unary(Unary::Sqrt)),
    op("Swish", 24, |_| unary(Unary::Swish)),
    op("Tan", 7, |_| unary(Unary::Tan)),
    op("Tanh", 1, |_| unary(Unary::Tanh)),
    op("ThresholdedRelu", 10, |_| unary(Unary::ThresholdedRelu)),
    op("Add", 1, |layer| binary(layer, Binary::Add)),
    op("Sub", 1, |layer| binary(layer, Binary::Subtract)),
    op("Mul", 1, |layer| binary(layer, Binary::Multiply)),
    op("Div", 1, |layer| binary(layer, Binary::TruncatedDivide)),
    op("Pow", 1, |layer| binary(layer, Binary::Power)),
    op("Mod", 10, |layer| {
        binary(layer, if layer.flag("fmod", false)? { Binary::Mod } else { Binary::FloorMod })
    }),
    op("And", 1, |layer| binary(layer, Binary::LogicalAnd)),
    op("Or", 1, |layer| binary(layer, Binary::LogicalOr)),
    op("Xor", 1, |layer| binary(layer, Binary::LogicalXor)),
    op("BitwiseAnd", 18, |layer| binary(layer, Binary::BitwiseAnd)),
    op("BitwiseOr", 18, |layer| binary(layer, Binary::BitwiseOr)),
    op("BitwiseXor", 18, |layer| binary(layer, Binary::BitwiseXor)),
    op("BitShift", 11, |layer| {
        let words = [("LEFT", Binary::BitwiseLeftShift), ("RIGHT", Binary::BitwiseRightShift)];
        binary(layer, layer.word("direction", &words, Binary::BitwiseLeftShift, "LEFT or RIGHT")?)
    }),
    op("Equal", 1, |layer| binary(layer, Binary::Equal)),
    op("Greater", 1, |layer| binary(layer, Binary::Greater)),
    op("GreaterOrEqual", 12, |layer| binary(layer, Binary::GreaterEqual)),
    op("Less", 1, |layer| binary(layer, Binary::Less)),
    op("LessOrEqual", 12, |layer| binary(layer, Binary::LessEqual)),
    op("Max", 1, |_| variadic(Variadic::Max)),
    op("Min", 1, |_| variadic(Variadic::Min)),
    op("Sum", 1, |_| variadic(Variadic::Sum)),
    op("Mean", 1, |_| variadic(Variadic::Mean)),
    op("Where", 9, |_| Ok(Op::Select(Broadcast::Numpy).into())),
    op("PRelu", 1, |_| Ok(Op::PRelu.into())),
    op("SwiGLU", 28, |_| Ok(Op::Binary(Binary::SwiGlu, Broadcast::None).into())),
    op("StringConcat", 20, |_| Ok(Op::Binary(Binary::StringConcat, Broadcast::Numpy).into())),
    op("Cast", 1, |layer| {
        // The first version names the type by its word.
        let named = layer.attribute("to").filter(|attribute| !attribute.s.is_empty());
        let to = match named.and_then(|attribute| named_type(&attribute.s)) {
            Some(to) => to,
            None => layer.dtype_needed("to")?,
        };
        Ok(Op::Convert { to }.into())
    }),
    op("CastLike", 15, |_| Ok(Op::ConvertLike.into())),
    op("BitCast", 26, |layer| Ok(Op::BitCast { to: layer.dtype_needed("to")? }.into())),
    op("RegexFullMatch", 20, |_| Ok(Op::RegexFullMatch.into())),
    op("CumSum", 11, |layer| Ok(Op::CumSum(cumulation(layer)?).into())),
    op("CumProd", 26, |layer| Ok(Op::CumProd(cumulation(layer)?).into())),
    op("Dropout", 1, |_| Ok(Op::Dropout { mask: ElementType::OfInput(0) }.into())),
    op("Dropout", 10, |_| Ok(Op::Dropout { mask: ElementType::Is(DType::Boolean) }.into())),
    op("Bernoulli", 15, |layer| Ok(Op::Bernoulli { to: layer.dtype("dtype")? }.into())),
    op("RandomNormalLike", 1, |layer| Ok(Op::RandomNormalLike { to: layer.dtype("dtype")? }.into())),
    op("RandomUniformLike", 1, |layer| Ok(Op::RandomUniformLike { to: layer.dtype("dtype")? }.into())),
    op("EyeLike", 9, |layer| Ok(Op::EyeLike { to: layer.dtype("dtype")? }.into())),
    ms("BiasGelu", |_| Ok(Op::Binary(Binary::BiasGelu, Broadcast::Numpy).into())),
    ms("FastGelu", |_| unary(Unary::FastGelu)),
    ms("Gelu", |_| unary(Unary::Gelu)),
    ms("QuickGelu", |_| unary(Unary::QuickGelu)),
    ms("ScaledSiLU", |_| unary(Unary::ScaledSilu)),
    ms("GatedAdd", |_| Ok(Op::GatedAdd.into())),
    ms("SampleOp", |_| Ok(Op::SampleOp.into())),
    ms("MurmurHash3", |layer| {
        let to = if layer.flag("positive", true)? { DType::U32 } else { DType::I32 };
        Ok(Op::MurmurHash3 { to }.into())
    }),
    ms("BiasAdd", |_| Ok(Op::BiasAdd.into())),
    ms("Inverse", |_| Ok(Op::Inverse.into())),
    ms("BiasDropout", |_| Ok(Op::BiasDropout.into())),
];

fn unary(kind: Unary) -> Result<Made> {
    Ok(Op::Unary(kind).into())
}

fn variadic(kind: Variadic) -> Result<Made> {
    Ok(Op::Variadic(kind).into())
}

fn cumulation(layer: &Layer<'_>) -> Result<Cumulation> {
    Ok(Cumulation {
        is_exclusive: layer.flag("exclusive", false)?,
        is_reverse: layer.flag("reverse", false)?,
    })
}

/// Before opset 7 shapes are equal, or with `broadcast` the second is placed into the first at `axis`.
fn binary(layer: &Layer<'_>, kind: Binary) -> Result<Made> {
    let mode = if layer.version >= 7
        || layer.attribute("broadcast").is_none() && layer.attribute("axis").is_none()
    {
        Broadcast::Numpy
    } else if layer.flag("broadcast", false)? {
        Broadcast::Pdpd(layer.int_or("axis", -1)?)
    } else {
        Broadcast::None
    };
    Ok(Op::Binary(kind, mode).into())
}

fn named_type(name: &[u8]) -> Option<DType> {
    Some(match name {
        b"FLOAT" => DType::F32,
        b"DOUBLE" => DType::F64,
        b"FLOAT16" => DType::F16,
        b"INT8" => DType::I8,
        b"INT16" => DType::I16,
        b"INT32" => DType::I32,
        b"INT64" => DType::I64,
        b"UINT8" => DType::U8,
        b"UINT16" => DType::U16,
        b"UINT32" => DType::U32,
        b"UINT64" => DType::U64,
        b"BOOL" => DType::Boolean,
        b"STRING" => DType::String,
        _ => return None,
    })
}
