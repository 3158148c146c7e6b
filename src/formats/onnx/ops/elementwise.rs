//! Element-wise operators and conversions.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{Entry, ms, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Binary, Broadcast, Cumulation, ElementType, Unary, Variadic};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Abs], "Abs", 1, |_| unary(Unary::Abs)),
    op(&[K::Acos], "Acos", 7, |_| unary(Unary::Acos)),
    op(&[K::Acosh], "Acosh", 9, |_| unary(Unary::Acosh)),
    op(&[K::Asin], "Asin", 7, |_| unary(Unary::Asin)),
    op(&[K::Asinh], "Asinh", 9, |_| unary(Unary::Asinh)),
    op(&[K::Atan], "Atan", 7, |_| unary(Unary::Atan)),
    op(&[K::Atanh], "Atanh", 9, |_| unary(Unary::Atanh)),
    op(&[K::BitwiseNot], "BitwiseNot", 18, |_| unary(Unary::BitwiseNot)),
    op(&[K::Ceiling], "Ceil", 1, |_| unary(Unary::Ceiling)),
    op(&[K::Celu], "Celu", 12, |_| unary(Unary::Celu)),
    op(&[K::Clamp], "Clip", 1, |_| unary(Unary::Clamp)),
    op(&[K::Cos], "Cos", 7, |_| unary(Unary::Cos)),
    op(&[K::Cosh], "Cosh", 9, |_| unary(Unary::Cosh)),
    op(&[K::Elu], "Elu", 1, |_| unary(Unary::Elu)),
    op(&[K::Erf], "Erf", 9, |_| unary(Unary::Erf)),
    op(&[K::Exp], "Exp", 1, |_| unary(Unary::Exp)),
    op(&[K::Floor], "Floor", 1, |_| unary(Unary::Floor)),
    op(&[K::Gelu], "Gelu", 20, |_| unary(Unary::Gelu)),
    op(&[K::HardSigmoid], "HardSigmoid", 1, |_| unary(Unary::HardSigmoid)),
    op(&[K::HSwish], "HardSwish", 14, |_| unary(Unary::HSwish)),
    op(&[K::IsInf], "IsInf", 10, |_| unary(Unary::IsInf)),
    op(&[K::IsNan], "IsNaN", 9, |_| unary(Unary::IsNan)),
    op(&[K::LeakyRelu], "LeakyRelu", 1, |_| unary(Unary::LeakyRelu)),
    op(&[K::Log], "Log", 1, |_| unary(Unary::Log)),
    op(&[K::Mish], "Mish", 18, |_| unary(Unary::Mish)),
    op(&[K::Negative], "Neg", 1, |_| unary(Unary::Negative)),
    op(&[K::LogicalNot], "Not", 1, |_| unary(Unary::LogicalNot)),
    op(&[K::Reciprocal], "Reciprocal", 1, |_| unary(Unary::Reciprocal)),
    op(&[K::Relu], "Relu", 1, |_| unary(Unary::Relu)),
    op(&[K::Round], "Round", 11, |_| unary(Unary::Round)),
    op(&[K::Selu], "Selu", 1, |_| unary(Unary::Selu)),
    op(&[K::Shrink], "Shrink", 9, |_| unary(Unary::Shrink)),
    op(&[K::Sigmoid], "Sigmoid", 1, |_| unary(Unary::Sigmoid)),
    op(&[K::Sign], "Sign", 9, |_| unary(Unary::Sign)),
    op(&[K::Sin], "Sin", 7, |_| unary(Unary::Sin)),
    op(&[K::Sinh], "Sinh", 9, |_| unary(Unary::Sinh)),
    op(&[K::SoftPlus], "Softplus", 1, |_| unary(Unary::SoftPlus)),
    op(&[K::SoftSign], "Softsign", 1, |_| unary(Unary::SoftSign)),
    op(&[K::Sqrt], "Sqrt", 1, |_| unary(Unary::Sqrt)),
    op(&[K::Swish], "Swish", 24, |_| unary(Unary::Swish)),
    op(&[K::Tan], "Tan", 7, |_| unary(Unary::Tan)),
    op(&[K::Tanh], "Tanh", 1, |_| unary(Unary::Tanh)),
    op(&[K::ThresholdedRelu], "ThresholdedRelu", 10, |_| unary(Unary::ThresholdedRelu)),
    op(&[K::Add], "Add", 1, |layer| binary(layer, Binary::Add)),
    op(&[K::Subtract], "Sub", 1, |layer| binary(layer, Binary::Subtract)),
    op(&[K::Multiply], "Mul", 1, |layer| binary(layer, Binary::Multiply)),
    op(&[K::Divide], "Div", 1, |layer| binary(layer, Binary::TruncatedDivide)),
    op(&[K::Power], "Pow", 1, |layer| binary(layer, Binary::Power)),
    op(&[K::Mod, K::FloorMod], "Mod", 10, |layer| {
        binary(layer, if layer.flag("fmod", false)? { Binary::Mod } else { Binary::FloorMod })
    }),
    op(&[K::LogicalAnd], "And", 1, |layer| binary(layer, Binary::LogicalAnd)),
    op(&[K::LogicalOr], "Or", 1, |layer| binary(layer, Binary::LogicalOr)),
    op(&[K::LogicalXor], "Xor", 1, |layer| binary(layer, Binary::LogicalXor)),
    op(&[K::BitwiseAnd], "BitwiseAnd", 18, |layer| binary(layer, Binary::BitwiseAnd)),
    op(&[K::BitwiseOr], "BitwiseOr", 18, |layer| binary(layer, Binary::BitwiseOr)),
    op(&[K::BitwiseXor], "BitwiseXor", 18, |layer| binary(layer, Binary::BitwiseXor)),
    op(&[K::BitwiseLeftShift, K::BitwiseRightShift], "BitShift", 11, |layer| {
        let words = [("LEFT", Binary::BitwiseLeftShift), ("RIGHT", Binary::BitwiseRightShift)];
        binary(layer, layer.word("direction", &words, Binary::BitwiseLeftShift, "LEFT or RIGHT")?)
    }),
    op(&[K::Equal], "Equal", 1, |layer| binary(layer, Binary::Equal)),
    op(&[K::Greater], "Greater", 1, |layer| binary(layer, Binary::Greater)),
    op(&[K::GreaterEqual], "GreaterOrEqual", 12, |layer| binary(layer, Binary::GreaterEqual)),
    op(&[K::Less], "Less", 1, |layer| binary(layer, Binary::Less)),
    op(&[K::LessEqual], "LessOrEqual", 12, |layer| binary(layer, Binary::LessEqual)),
    op(&[K::Max], "Max", 1, |_| variadic(Variadic::Max)),
    op(&[K::Min], "Min", 1, |_| variadic(Variadic::Min)),
    op(&[K::Sum], "Sum", 1, |_| variadic(Variadic::Sum)),
    op(&[K::Mean], "Mean", 1, |_| variadic(Variadic::Mean)),
    op(&[K::Select], "Where", 9, |_| Ok(Op::Select(Broadcast::Numpy).into())),
    op(&[K::PRelu], "PRelu", 1, |_| Ok(Op::PRelu.into())),
    op(&[K::SwiGlu], "SwiGLU", 28, |_| Ok(Op::Binary(Binary::SwiGlu, Broadcast::None).into())),
    op(&[K::StringConcat], "StringConcat", 20, |_| {
        Ok(Op::Binary(Binary::StringConcat, Broadcast::Numpy).into())
    }),
    op(&[K::Convert], "Cast", 1, |layer| {
        // The first version names the type by its word.
        let named = layer.attribute("to").filter(|attribute| !attribute.s.is_empty());
        let to = match named.and_then(|attribute| named_type(&attribute.s)) {
            Some(to) => to,
            None => layer.dtype_needed("to")?,
        };
        Ok(Op::Convert { to }.into())
    }),
    op(&[K::ConvertLike], "CastLike", 15, |_| Ok(Op::ConvertLike.into())),
    op(&[K::BitCast], "BitCast", 26, |layer| Ok(Op::BitCast { to: layer.dtype_needed("to")? }.into())),
    op(&[K::RegexFullMatch], "RegexFullMatch", 20, |_| Ok(Op::RegexFullMatch.into())),
    op(&[K::CumSum], "CumSum", 11, |layer| Ok(Op::CumSum(cumulation(layer)?).into())),
    op(&[K::CumProd], "CumProd", 26, |layer| Ok(Op::CumProd(cumulation(layer)?).into())),
    op(&[K::Dropout], "Dropout", 1, |_| Ok(Op::Dropout { mask: ElementType::OfInput(0) }.into())),
    op(&[K::Dropout], "Dropout", 10, |_| Ok(Op::Dropout { mask: ElementType::Is(DType::Boolean) }.into())),
    op(&[K::Bernoulli], "Bernoulli", 15, |layer| Ok(Op::Bernoulli { to: layer.dtype("dtype")? }.into())),
    op(&[K::RandomNormalLike], "RandomNormalLike", 1, |layer| {
        Ok(Op::RandomNormalLike { to: layer.dtype("dtype")? }.into())
    }),
    op(&[K::RandomUniformLike], "RandomUniformLike", 1, |layer| {
        Ok(Op::RandomUniformLike { to: layer.dtype("dtype")? }.into())
    }),
    op(&[K::EyeLike], "EyeLike", 9, |layer| Ok(Op::EyeLike { to: layer.dtype("dtype")? }.into())),
    ms(&[K::BiasGelu], "BiasGelu", |_| Ok(Op::Binary(Binary::BiasGelu, Broadcast::Numpy).into())),
    ms(&[K::FastGelu], "FastGelu", |_| unary(Unary::FastGelu)),
    ms(&[K::Gelu], "Gelu", |_| unary(Unary::Gelu)),
    ms(&[K::QuickGelu], "QuickGelu", |_| unary(Unary::QuickGelu)),
    ms(&[K::ScaledSilu], "ScaledSiLU", |_| unary(Unary::ScaledSilu)),
    ms(&[K::GatedAdd], "GatedAdd", |_| Ok(Op::GatedAdd.into())),
    ms(&[K::SampleOp], "SampleOp", |_| Ok(Op::SampleOp.into())),
    ms(&[K::MurmurHash3], "MurmurHash3", |layer| {
        let to = if layer.flag("positive", true)? { DType::U32 } else { DType::I32 };
        Ok(Op::MurmurHash3 { to }.into())
    }),
    ms(&[K::BiasAdd], "BiasAdd", |_| Ok(Op::BiasAdd.into())),
    ms(&[K::Inverse], "Inverse", |_| Ok(Op::Inverse.into())),
    ms(&[K::BiasDropout], "BiasDropout", |_| Ok(Op::BiasDropout.into())),
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
