//! Operators over quantized data.

use super::{Binary, Op, OpKind, PoolKind, Reduce, Unary};
use crate::DType;

/// Where the element type of an output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// The input of this number.
    OfInput(u32),
    /// It is this one.
    Is(DType),
}

/// Attributes of [`Op::Quantized`].
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// What the result is.
    pub form: QuantizedForm,
    /// What is computed; it reads the inputs as if they were not quantised.
    pub op: Op,
    /// Element type of the first output.
    pub to: ElementType,
}

/// What an operator over quantized data gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuantizedForm {
    /// The sums of the products of integers (`MatMulInteger`).
    Integer,
    /// The same of 16 bits.
    Integer16,
    /// Data quantized with a scale and a zero point that are inputs (`QLinearConv`).
    Linear,
    /// Numbers that are scaled already (`MatMulIntegerToFloat`).
    Scaled,
    /// Numbers, of data that it quantizes itself (`DynamicQuantizeMatMul`).
    Dynamic,
}

impl Quantized {
    /// Which operator it is; that of [`Quantized::op`] where no format has such a one.
    #[must_use]
    pub fn op_kind(&self) -> OpKind {
        let inner = match &self.op {
            Op::ChannelsLast(inner) => &**inner,
            op => op,
        };
        match (self.form, inner) {
            (QuantizedForm::Integer, Op::MatMul { .. }) => OpKind::MatMulInteger,
            (QuantizedForm::Integer, Op::Convolution(_)) => OpKind::ConvInteger,
            (QuantizedForm::Integer16, Op::MatMul { .. }) => OpKind::MatMulInteger16,
            (QuantizedForm::Scaled, Op::MatMul { .. }) => OpKind::MatMulIntegerToFloat,
            (QuantizedForm::Dynamic, Op::MatMul { .. }) => OpKind::DynamicQuantizeMatMul,
            (QuantizedForm::Dynamic, Op::Recurrent(_)) => OpKind::DynamicQuantizeLstm,
            (QuantizedForm::Linear, Op::MatMul { .. }) => OpKind::QLinearMatMul,
            (QuantizedForm::Linear, Op::Gemm { .. }) => OpKind::QGemm,
            (QuantizedForm::Linear, Op::Convolution(_)) => OpKind::QLinearConv,
            (QuantizedForm::Linear, Op::Binary(Binary::Add, _)) => OpKind::QLinearAdd,
            (QuantizedForm::Linear, Op::Binary(Binary::Multiply, _)) => OpKind::QLinearMul,
            (QuantizedForm::Linear, Op::Select(_)) => OpKind::QLinearWhere,
            (QuantizedForm::Linear, Op::Unary(Unary::Sigmoid)) => OpKind::QLinearSigmoid,
            (QuantizedForm::Linear, Op::Unary(Unary::LeakyRelu)) => OpKind::QLinearLeakyRelu,
            (QuantizedForm::Linear, Op::Softmax(_)) => OpKind::QLinearSoftmax,
            (QuantizedForm::Linear, Op::Reduce { kind: Reduce::Mean, .. }) => OpKind::QLinearReduceMean,
            (QuantizedForm::Linear, Op::Pool(_)) => OpKind::QLinearAveragePool,
            (QuantizedForm::Linear, Op::GlobalPool(PoolKind::Average)) => OpKind::QLinearGlobalAveragePool,
            (QuantizedForm::Linear, Op::Concat { .. }) => OpKind::QLinearConcat,
            (QuantizedForm::Linear, Op::Embedded) => OpKind::QEmbedLayerNormalization,
            (_, op) => op.kind(),
        }
    }
}
