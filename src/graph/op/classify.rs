//! Which operator an [`Op`] is: from the forms of the table, or from the attributes of its family.

use super::table::operator_table;
use super::*;

macro_rules! classify {
    ($($(#[$family_doc:meta])* $family:ident {
        $($name:ident: $class:ident, $inputs:literal -> $outputs:literal $(, ($pattern:pat))?;)*
    })*) => {
        impl Op {
            /// Which operator it is.
            #[must_use]
            pub fn kind(&self) -> OpKind {
                match self {
                    $($($($pattern => OpKind::$name,)?)*)*
                    Op::AttentionOfWeights(spec) => spec.op_kind(),
                    Op::ChannelsLast(inner) => match inner.kind() {
                        OpKind::MaxPool => OpKind::NhwcMaxPool,
                        kind => kind,
                    },
                    Op::Convolution(spec) => spec.op_kind(),
                    Op::Detection(spec) => spec.op_kind(),
                    Op::Features(spec) => spec.kind,
                    Op::Loop(spec) => spec.op_kind(),
                    Op::MultiHeadAttention(spec) => spec.op_kind(),
                    Op::Pool(spec) => spec.op_kind(),
                    Op::PriorBox(spec) => spec.op_kind(),
                    Op::Quantized(spec) => spec.op_kind(),
                    Op::Recurrent(spec) => spec.op_kind(),
                }
            }
        }
    };
}

operator_table!(classify);

impl Op {
    /// The class of shape rules that its shape is inferred by.
    #[must_use]
    pub fn shape_class(&self) -> ShapeClass {
        self.kind().shape_class()
    }
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
