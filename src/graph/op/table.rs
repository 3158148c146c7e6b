//! The table of canonical operators: every operator once, with its family, its shape class, its fewest inputs and outputs
//! and the form of `Op` that it is.
//!
//! The rows are tokens: `kind.rs` makes [`OpKind`](super::OpKind) of the names, `classify.rs` makes
//! [`Op::kind`](super::Op::kind) of the forms. A row without a form is distinguished by the attributes of its family. The
//! shape dispatcher, the check of ports, the documentation and the completeness tests derive from these. What each format
//! calls an operator is in `formats/<format>/ops`, keyed by `OpKind`, since this module knows no format;
//! `tests/supported_ops.rs` proves that each operator has a name in one.
//!
//! An operator that only one format has keeps that format's name. Where several operators of a format mean the same, they
//! are one here: `Relu`, and `ReLU` of OpenVINO; `Reshape` with its axes as attribute or as input.

/// Hands all rows to the macro of this name.
macro_rules! operator_table {
    ($then:ident) => {
        $then! {
            /// Inputs, outputs, constants and state.
            Plumbing {
                Parameter: Plumbing, 0 -> 1, (Op::Parameter);
                Constant: Plumbing, 0 -> 1, (Op::Constant(_));
                Result: Plumbing, 1 -> 0, (Op::Result);
                Identity: Plumbing, 1 -> 1, (Op::Identity);
                Optional: Plumbing, 1 -> 1, (Op::Optional);
                OptionalGetElement: Plumbing, 1 -> 1, (Op::OptionalGetElement);
                OptionalHasElement: LikeInputs, 0 -> 1, (Op::OptionalHasElement);
                ReadValue: Plumbing, 0 -> 1, (Op::ReadValue(_));
                Assign: Plumbing, 1 -> 0, (Op::Assign(_));
                Opaque: Declared, 0 -> 0, (Op::Opaque);
                Executed: Declared, 0 -> 0, (Op::Executed);
                DynamicSlice: Declared, 0 -> 0, (Op::DynamicSlice);
                EngramGate: Declared, 0 -> 0, (Op::EngramGate);
                HyperConnectionPreMix: Declared, 0 -> 0, (Op::HyperConnectionPreMix);
                HyperConnectionPostMix: Declared, 0 -> 0, (Op::HyperConnectionPostMix);
                LinearAttentionGate: Declared, 0 -> 0, (Op::LinearAttentionGate);
                UnfoldTensor: Declared, 0 -> 0, (Op::UnfoldTensor);
            }
            /// Control flow.
            Control {
                If: Control, 1 -> 0, (Op::If(_));
                Loop: Control, 0 -> 0;
                Scan: Control, 0 -> 0;
                SequenceMap: Control, 0 -> 0;
                TensorIterator: Control, 0 -> 0;
            }
            /// Element-wise arithmetic, logic and conversions.
            Elementwise {
                Abs: Elementwise, 1 -> 1, (Op::Unary(Unary::Abs));
                Acos: Elementwise, 1 -> 1, (Op::Unary(Unary::Acos));
                Acosh: Elementwise, 1 -> 1, (Op::Unary(Unary::Acosh));
                Asin: Elementwise, 1 -> 1, (Op::Unary(Unary::Asin));
                Asinh: Elementwise, 1 -> 1, (Op::Unary(Unary::Asinh));
                Atan: Elementwise, 1 -> 1, (Op::Unary(Unary::Atan));
                Atanh: Elementwise, 1 -> 1, (Op::Unary(Unary::Atanh));
                BitwiseNot: Elementwise, 1 -> 1, (Op::Unary(Unary::BitwiseNot));
                Ceiling: Elementwise, 1 -> 1, (Op::Unary(Unary::Ceiling));
                Celu: Elementwise, 1 -> 1, (Op::Unary(Unary::Celu));
                Clamp: Elementwise, 1 -> 1, (Op::Unary(Unary::Clamp));
                Cos: Elementwise, 1 -> 1, (Op::Unary(Unary::Cos));
                Cosh: Elementwise, 1 -> 1, (Op::Unary(Unary::Cosh));
                Elu: Elementwise, 1 -> 1, (Op::Unary(Unary::Elu));
                Erf: Elementwise, 1 -> 1, (Op::Unary(Unary::Erf));
                ErfInv: Elementwise, 1 -> 1, (Op::Unary(Unary::ErfInv));
                Exp: Elementwise, 1 -> 1, (Op::Unary(Unary::Exp));
                FastGelu: Elementwise, 1 -> 1, (Op::Unary(Unary::FastGelu));
                Floor: Elementwise, 1 -> 1, (Op::Unary(Unary::Floor));
                Gelu: Elementwise, 1 -> 1, (Op::Unary(Unary::Gelu));
                HSigmoid: Elementwise, 1 -> 1, (Op::Unary(Unary::HSigmoid));
                HSwish: Elementwise, 1 -> 1, (Op::Unary(Unary::HSwish));
                HardSigmoid: Elementwise, 1 -> 1, (Op::Unary(Unary::HardSigmoid));
                IsFinite: Elementwise, 1 -> 1, (Op::Unary(Unary::IsFinite));
                IsInf: Elementwise, 1 -> 1, (Op::Unary(Unary::IsInf));
                IsNan: Elementwise, 1 -> 1, (Op::Unary(Unary::IsNan));
                LeakyRelu: Elementwise, 1 -> 1, (Op::Unary(Unary::LeakyRelu));
                Log: Elementwise, 1 -> 1, (Op::Unary(Unary::Log));
                LogicalNot: Elementwise, 1 -> 1, (Op::Unary(Unary::LogicalNot));
                Mish: Elementwise, 1 -> 1, (Op::Unary(Unary::Mish));
                Negative: Elementwise, 1 -> 1, (Op::Unary(Unary::Negative));
                QuickGelu: Elementwise, 1 -> 1, (Op::Unary(Unary::QuickGelu));
                Reciprocal: Elementwise, 1 -> 1, (Op::Unary(Unary::Reciprocal));
                Relu: Elementwise, 1 -> 1, (Op::Unary(Unary::Relu));
                Round: Elementwise, 1 -> 1, (Op::Unary(Unary::Round));
                ScaledSilu: Elementwise, 1 -> 1, (Op::Unary(Unary::ScaledSilu));
                Selu: Elementwise, 1 -> 1, (Op::Unary(Unary::Selu));
                Shrink: Elementwise, 1 -> 1, (Op::Unary(Unary::Shrink));
                Sigmoid: Elementwise, 1 -> 1, (Op::Unary(Unary::Sigmoid));
                Sign: Elementwise, 1 -> 1, (Op::Unary(Unary::Sign));
                Sin: Elementwise, 1 -> 1, (Op::Unary(Unary::Sin));
                Sinh: Elementwise, 1 -> 1, (Op::Unary(Unary::Sinh));
                SoftPlus: Elementwise, 1 -> 1, (Op::Unary(Unary::SoftPlus));
                SoftSign: Elementwise, 1 -> 1, (Op::Unary(Unary::SoftSign));
                Sqrt: Elementwise, 1 -> 1, (Op::Unary(Unary::Sqrt));
                Swish: Elementwise, 1 -> 1, (Op::Unary(Unary::Swish));
                Tan: Elementwise, 1 -> 1, (Op::Unary(Unary::Tan));
                Tanh: Elementwise, 1 -> 1, (Op::Unary(Unary::Tanh));
                ThresholdedRelu: Elementwise, 1 -> 1, (Op::Unary(Unary::ThresholdedRelu));
                Add: Elementwise, 2 -> 1, (Op::Binary(Binary::Add, _));
                BiasGelu: Elementwise, 2 -> 1, (Op::Binary(Binary::BiasGelu, _));
                BitwiseAnd: Elementwise, 2 -> 1, (Op::Binary(Binary::BitwiseAnd, _));
                BitwiseLeftShift: Elementwise, 2 -> 1, (Op::Binary(Binary::BitwiseLeftShift, _));
                BitwiseOr: Elementwise, 2 -> 1, (Op::Binary(Binary::BitwiseOr, _));
                BitwiseRightShift: Elementwise, 2 -> 1, (Op::Binary(Binary::BitwiseRightShift, _));
                BitwiseXor: Elementwise, 2 -> 1, (Op::Binary(Binary::BitwiseXor, _));
                Divide: Elementwise, 2 -> 1, (Op::Binary(Binary::Divide | Binary::TruncatedDivide, _));
                Equal: Elementwise, 2 -> 1, (Op::Binary(Binary::Equal, _));
                FloorMod: Elementwise, 2 -> 1, (Op::Binary(Binary::FloorMod, _));
                Greater: Elementwise, 2 -> 1, (Op::Binary(Binary::Greater, _));
                GreaterEqual: Elementwise, 2 -> 1, (Op::Binary(Binary::GreaterEqual, _));
                Less: Elementwise, 2 -> 1, (Op::Binary(Binary::Less, _));
                LessEqual: Elementwise, 2 -> 1, (Op::Binary(Binary::LessEqual, _));
                LogicalAnd: Elementwise, 2 -> 1, (Op::Binary(Binary::LogicalAnd, _));
                LogicalOr: Elementwise, 2 -> 1, (Op::Binary(Binary::LogicalOr, _));
                LogicalXor: Elementwise, 2 -> 1, (Op::Binary(Binary::LogicalXor, _));
                Maximum: Elementwise, 2 -> 1, (Op::Binary(Binary::Maximum, _));
                Minimum: Elementwise, 2 -> 1, (Op::Binary(Binary::Minimum, _));
                Mod: Elementwise, 2 -> 1, (Op::Binary(Binary::Mod, _));
                Multiply: Elementwise, 2 -> 1, (Op::Binary(Binary::Multiply, _));
                NotEqual: Elementwise, 2 -> 1, (Op::Binary(Binary::NotEqual, _));
                Power: Elementwise, 2 -> 1, (Op::Binary(Binary::Power, _));
                SquaredDifference: Elementwise, 2 -> 1, (Op::Binary(Binary::SquaredDifference, _));
                StringConcat: Elementwise, 2 -> 1, (Op::Binary(Binary::StringConcat, _));
                Subtract: Elementwise, 2 -> 1, (Op::Binary(Binary::Subtract, _));
                SwiGlu: Elementwise, 2 -> 1, (Op::Binary(Binary::SwiGlu, _));
                Max: Elementwise, 1 -> 1, (Op::Variadic(Variadic::Max));
                Mean: Elementwise, 1 -> 1, (Op::Variadic(Variadic::Mean));
                Min: Elementwise, 1 -> 1, (Op::Variadic(Variadic::Min));
                Sum: Elementwise, 1 -> 1, (Op::Variadic(Variadic::Sum));
                Select: Elementwise, 3 -> 1, (Op::Select(_));
                Convert: Elementwise, 1 -> 1, (Op::Convert { .. });
                ConvertLike: Elementwise, 2 -> 1, (Op::ConvertLike);
                ConvertPromoteTypes: Elementwise, 1 -> 1, (Op::ConvertPromoteTypes);
                PRelu: Elementwise, 2 -> 1, (Op::PRelu);
                BitCast: LikeInputs, 1 -> 1, (Op::BitCast { .. });
                RegexFullMatch: LikeInputs, 1 -> 1, (Op::RegexFullMatch);
                MurmurHash3: LikeInputs, 1 -> 1, (Op::MurmurHash3 { .. });
                BiasAdd: LikeInputs, 1 -> 1, (Op::BiasAdd);
                GatedAdd: LikeInputs, 1 -> 1, (Op::GatedAdd);
                SampleOp: LikeInputs, 1 -> 1, (Op::SampleOp);
                Dropout: LikeInputs, 1 -> 1, (Op::Dropout { .. });
                BiasDropout: LikeInputs, 1 -> 1, (Op::BiasDropout);
                CumSum: SameAsInput, 1 -> 1, (Op::CumSum(_));
                CumProd: SameAsInput, 1 -> 1, (Op::CumProd(_));
            }
            /// Softmax and normalizations.
            Normalization {
                Softmax: SameAsInput, 1 -> 1, (Op::Softmax(_));
                LogSoftmax: SameAsInput, 1 -> 1, (Op::LogSoftmax(_));
                Hardmax: SameAsInput, 1 -> 1, (Op::Hardmax(_));
                BiasSoftmax: SameAsInput, 1 -> 1, (Op::BiasSoftmax { .. });
                BatchNormalization: LikeInputs, 1 -> 1, (Op::BatchNormalization { .. });
                InstanceNormalization: SameAsInput, 1 -> 1, (Op::InstanceNormalization { .. });
                GroupNormalization: SameAsInput, 1 -> 1, (Op::GroupNormalization(_));
                GroupNorm: SameAsInput, 1 -> 1, (Op::GroupNorm(_));
                SkipGroupNorm: LikeInputs, 1 -> 1, (Op::SkipGroupNorm(_));
                LayerNormalization: LikeInputs, 1 -> 1, (Op::LayerNormalization(_));
                SimplifiedLayerNormalization: LikeInputs, 1 -> 1, (Op::SimplifiedLayerNormalization(_));
                SkipLayerNormalization: LikeInputs, 1 -> 1, (Op::SkipLayerNormalization(_));
                SkipSimplifiedLayerNormalization: LikeInputs, 1 -> 1, (Op::SkipSimplifiedLayerNormalization(_));
                Rms: Attention, 1 -> 1, (Op::Rms);
                RmsNormalization: SameAsInput, 1 -> 1, (Op::RmsNormalization(_));
                BranchwiseRmsNorm: SameAsInput, 1 -> 1, (Op::BranchwiseRmsNorm(_));
                GatedRmsNorm: SameAsInput, 1 -> 1, (Op::GatedRmsNorm(_));
                Mvn: SameAsInput, 1 -> 1, (Op::Mvn(_));
                NormalizeL2: SameAsInput, 1 -> 1, (Op::NormalizeL2 { .. });
                LpNormalization: SameAsInput, 1 -> 1, (Op::LpNormalization { .. });
                Lrn: SameAsInput, 1 -> 1, (Op::Lrn { .. });
                Grn: SameAsInput, 1 -> 1, (Op::Grn { .. });
            }
            /// Quantization, and operators over quantized data.
            Quantization {
                FakeQuantize: Elementwise, 1 -> 1, (Op::FakeQuantize { .. });
                FakeConvert: Elementwise, 2 -> 1, (Op::FakeConvert);
                QuantizeLinear: LikeInputs, 1 -> 1, (Op::QuantizeLinear { .. });
                DequantizeLinear: LikeInputs, 1 -> 1, (Op::DequantizeLinear { .. });
                DynamicQuantizeLinear: LikeInputs, 1 -> 1, (Op::DynamicQuantizeLinear);
                MatMulInteger: Quantized, 2 -> 1;
                MatMulInteger16: Quantized, 2 -> 1;
                MatMulIntegerToFloat: Quantized, 2 -> 1;
                DynamicQuantizeMatMul: Quantized, 2 -> 1;
                DynamicQuantizeLstm: Quantized, 1 -> 1;
                ConvInteger: Quantized, 2 -> 1;
                QLinearMatMul: Quantized, 2 -> 1;
                QLinearConv: Quantized, 2 -> 1;
                QGemm: Quantized, 2 -> 1;
                QLinearAdd: Quantized, 2 -> 1;
                QLinearMul: Quantized, 2 -> 1;
                QLinearWhere: Quantized, 3 -> 1;
                QLinearSigmoid: Quantized, 1 -> 1;
                QLinearLeakyRelu: Quantized, 1 -> 1;
                QLinearSoftmax: Quantized, 1 -> 1;
                QLinearReduceMean: Quantized, 1 -> 1;
                QLinearAveragePool: Quantized, 1 -> 1;
                QLinearGlobalAveragePool: Quantized, 1 -> 1;
                QLinearConcat: Quantized, 1 -> 1;
                QEmbedLayerNormalization: Quantized, 1 -> 1;
            }
            /// Linear algebra.
            LinearAlgebra {
                MatMul: MatMul, 2 -> 1, (Op::MatMul { .. });
                FusedMatMul: MatMul, 2 -> 1, (Op::FusedMatMul(_));
                Gemm: MatMul, 2 -> 1, (Op::Gemm { has_activation: false, .. });
                FusedGemm: MatMul, 2 -> 1, (Op::Gemm { has_activation: true, .. });
                MatMulNBits: MatMul, 1 -> 1, (Op::Linear { packing: Packing::Blocks(_), .. });
                MatMulBnb4: MatMul, 1 -> 1, (Op::Linear { packing: Packing::NormalFloat, .. });
                MatMulFpQ4: MatMul, 1 -> 1, (Op::Linear { packing: Packing::Float, .. });
                WordConvEmbedding: MatMul, 1 -> 1, (Op::WordConvEmbedding { .. });
                CDist: MatMul, 2 -> 1, (Op::CDist);
                Determinant: MatMul, 1 -> 1, (Op::Determinant);
                Einsum: MatMul, 1 -> 1, (Op::Einsum(_));
                Inverse: MatMul, 1 -> 1, (Op::Inverse);
                GroupedMatMul: MatMul, 1 -> 1, (Op::GroupedMatMul);
            }
            /// Convolutions and pools.
            Convolution {
                Convolution: Convolution, 2 -> 1;
                BinaryConvolution: Convolution, 2 -> 1;
                FusedConv: Convolution, 2 -> 1;
                ConvolutionBackpropData: Convolution, 2 -> 1, (Op::ConvolutionBackpropData(_));
                DeformableConvolution: Convolution, 1 -> 1, (Op::DeformableConvolution(_));
                CausalConvWithState: Convolution, 1 -> 1, (Op::CausalConvolution { .. });
                AveragePool: Pooling, 1 -> 1;
                MaxPool: Pooling, 1 -> 1;
                LpPool: Pooling, 1 -> 1;
                MaxPoolWithMask: Pooling, 1 -> 1;
                NhwcMaxPool: Pooling, 1 -> 1;
                AdaptiveAveragePool: Pooling, 2 -> 1, (Op::AdaptivePool { indices: None });
                AdaptiveMaxPool: Pooling, 2 -> 1, (Op::AdaptivePool { indices: Some(_) });
                GlobalAveragePool: Pooling, 1 -> 1, (Op::GlobalPool(PoolKind::Average));
                GlobalLpPool: Pooling, 1 -> 1, (Op::GlobalPool(PoolKind::Lp));
                GlobalMaxPool: Pooling, 1 -> 1, (Op::GlobalPool(PoolKind::Max | PoolKind::MaskedMax));
                MaxUnpool: Pooling, 1 -> 1, (Op::MaxUnpool(_));
            }
            /// Reductions, extremes and losses.
            Reduction {
                ReduceL1: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::L1, .. });
                ReduceL2: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::L2, .. });
                ReduceLogSum: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::LogSum, .. });
                ReduceLogSumExp: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::LogSumExp, .. });
                ReduceLogicalAnd: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::LogicalAnd, .. });
                ReduceLogicalOr: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::LogicalOr, .. });
                ReduceMax: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::Max, .. });
                ReduceMean: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::Mean, .. });
                ReduceMin: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::Min, .. });
                ReduceProd: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::Prod, .. });
                ReduceSum: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::Sum, .. });
                ReduceSumSquare: Reduction, 1 -> 1, (Op::Reduce { kind: Reduce::SumSquare, .. });
                ArgMax: Reduction, 1 -> 1, (Op::ArgExtreme { is_largest: true, .. });
                ArgMin: Reduction, 1 -> 1, (Op::ArgExtreme { is_largest: false, .. });
                NegativeLogLikelihoodLoss: Reduction, 1 -> 1, (Op::Loss { has_softmax: false, .. });
                SoftmaxCrossEntropyLoss: Reduction, 1 -> 1, (Op::Loss { has_softmax: true, .. });
            }
            /// Operators that move data without computing.
            Movement {
                Reshape: Reshape, 2 -> 1, (Op::Reshape(_));
                Squeeze: Reshape, 1 -> 1, (Op::Squeeze { .. });
                Unsqueeze: Reshape, 2 -> 1, (Op::Unsqueeze);
                ExpandDims: Reshape, 2 -> 1, (Op::ExpandDims);
                Flatten: Reshape, 1 -> 1, (Op::Flatten { .. });
                Transpose: Reshape, 1 -> 1, (Op::Transpose);
                Broadcast: Broadcast, 2 -> 1, (Op::Broadcast(_));
                Tile: Broadcast, 2 -> 1, (Op::Tile(_));
                Pad: Broadcast, 2 -> 1, (Op::Pad(..));
                CenterCropPad: Broadcast, 2 -> 1, (Op::CenterCropPad { .. });
                Concat: Slicing, 1 -> 1, (Op::Concat { .. });
                Split: Slicing, 2 -> 1, (Op::Split { .. });
                VariadicSplit: Slicing, 3 -> 1, (Op::VariadicSplit);
                Slice: Slicing, 3 -> 1, (Op::Slice);
                StridedSlice: Slicing, 3 -> 1, (Op::StridedSlice(_));
                Compress: Gather, 2 -> 1, (Op::Compress { .. });
                ScatterUpdate: Gather, 1 -> 1, (Op::Scatter(Scatter::Slices));
                ScatterElements: Gather, 1 -> 1, (Op::Scatter(Scatter::Elements | Scatter::ReducedElements));
                ScatterNd: Gather, 1 -> 1, (Op::Scatter(Scatter::Nd | Scatter::ReducedNd));
                Gather: Gather, 3 -> 1, (Op::Gather { .. });
                GatherBlockQuantized: Gather, 1 -> 1, (Op::GatherQuantized { .. });
                GatherElements: Gather, 2 -> 1, (Op::GatherElements);
                GatherNd: Gather, 2 -> 1, (Op::GatherNd { .. });
                GatherTree: Gather, 1 -> 1, (Op::GatherTree);
                DepthToSpace: Space, 1 -> 1, (Op::DepthToSpace { .. });
                SpaceToDepth: Space, 1 -> 1, (Op::SpaceToDepth { .. });
                BatchToSpace: Space, 3 -> 1, (Op::BatchToSpace);
                SpaceToBatch: Space, 3 -> 1, (Op::SpaceToBatch);
                ExtractImagePatches: Space, 1 -> 1, (Op::ExtractImagePatches(_));
                Col2Im: Space, 1 -> 1, (Op::Col2Im(_));
                ReorgYolo: Space, 1 -> 1, (Op::ReorgYolo { .. });
                Roll: SameAsInput, 1 -> 1, (Op::Roll);
                Reverse: SameAsInput, 1 -> 1, (Op::Reverse { .. });
                ReverseSequence: Sequence, 1 -> 1, (Op::ReverseSequence);
                ShuffleChannels: SameAsInput, 1 -> 1, (Op::ShuffleChannels { .. });
                SliceScatter: SameAsInput, 1 -> 1, (Op::SliceScatter);
                TensorScatter: SameAsInput, 1 -> 1, (Op::TensorScatter { .. });
                Trilu: SameAsInput, 1 -> 1, (Op::Trilu { .. });
                NGramRepeatBlock: LikeInputs, 1 -> 1, (Op::NGramRepeatBlock { .. });
            }
            /// Shapes, indices, ranges and fresh tensors.
            Source {
                ShapeOf: Source, 1 -> 1, (Op::ShapeOf { .. });
                Size: Source, 1 -> 1, (Op::SizeOf);
                Range: Source, 3 -> 1, (Op::Range { .. });
                NonZero: Source, 1 -> 1, (Op::NonZero { .. });
                Unique: Source, 1 -> 1, (Op::Unique { .. } | Op::UniqueOfVector);
                TopK: TopK, 2 -> 1, (Op::TopK { .. });
                OneHot: Source, 1 -> 1, (Op::OneHot { .. });
                Eye: Source, 1 -> 1, (Op::Eye { .. });
                EyeLike: LikeInputs, 1 -> 1, (Op::EyeLike { .. });
                ConstantOfShape: Source, 1 -> 1, (Op::FromShape { fill: Fill::Constant(_), .. });
                RandomUniform: Source, 1 -> 1, (Op::FromShape { fill: Fill::Uniform, .. });
                RandomNormal: Source, 1 -> 1, (Op::FromShape { fill: Fill::Normal, .. });
                BlackmanWindow: Source, 1 -> 1, (Op::FromShape { fill: Fill::BlackmanWindow, .. });
                HammingWindow: Source, 1 -> 1, (Op::FromShape { fill: Fill::HammingWindow, .. });
                HannWindow: Source, 1 -> 1, (Op::FromShape { fill: Fill::HannWindow, .. });
                RandomUniformLike: LikeInputs, 1 -> 1, (Op::RandomUniformLike { .. });
                RandomNormalLike: LikeInputs, 1 -> 1, (Op::RandomNormalLike { .. });
                Bernoulli: LikeInputs, 1 -> 1, (Op::Bernoulli { .. });
                Multinomial: Source, 1 -> 1, (Op::Multinomial { .. });
                Bucketize: Source, 2 -> 1, (Op::Bucketize { .. });
                SearchSorted: Source, 2 -> 1, (Op::SearchSorted { .. });
                MelWeightMatrix: Source, 1 -> 1, (Op::MelWeightMatrix { .. });
            }
            /// Images.
            Image {
                Interpolate: Interpolate, 1 -> 1, (Op::Interpolate(_));
                GridSample: Interpolate, 2 -> 1, (Op::GridSample);
                AffineGrid: Interpolate, 1 -> 1, (Op::AffineGrid);
                ImageDecoder: Interpolate, 1 -> 1, (Op::ImageDecoder { .. });
                YuvToRgb: Interpolate, 1 -> 1, (Op::YuvToRgb { .. });
                RgbToNv12: Interpolate, 1 -> 1, (Op::RgbToNv12 { .. });
            }
            /// Regions of interest and detection.
            Detection {
                DetectionOutput: Detection, 1 -> 1;
                ExperimentalDetectronDetectionOutput: Detection, 1 -> 1;
                ExperimentalDetectronGenerateProposalsSingleImage: Detection, 1 -> 1;
                ExperimentalDetectronPriorGridGenerator: Detection, 1 -> 1;
                ExperimentalDetectronRoiFeatureExtractor: Detection, 1 -> 1;
                ExperimentalDetectronTopKRois: Detection, 1 -> 1;
                GenerateProposals: Detection, 1 -> 1;
                MatrixNms: Detection, 1 -> 1;
                MulticlassNms: Detection, 1 -> 1;
                NonMaxSuppression: Detection, 1 -> 1;
                NmsRotated: Detection, 1 -> 1;
                Proposal: Detection, 1 -> 1;
                PsRoiPooling: Detection, 1 -> 1;
                DeformablePsRoiPooling: Detection, 1 -> 1;
                RoiAlign: Detection, 1 -> 1;
                RoiAlignRotated: Detection, 1 -> 1;
                RoiPooling: Detection, 1 -> 1;
                CropAndResize: Detection, 1 -> 1;
                PriorBox: Detection, 1 -> 1;
                PriorBoxClustered: Detection, 1 -> 1;
                RegionYolo: Detection, 1 -> 1, (Op::RegionYolo(_));
            }
            /// Recurrent cells and sequences.
            Recurrent {
                RnnCell: Recurrent, 1 -> 1;
                GruCell: Recurrent, 1 -> 1;
                LstmCell: Recurrent, 1 -> 1;
                AuGruCell: Recurrent, 1 -> 1;
                RnnSequence: Recurrent, 1 -> 1;
                GruSequence: Recurrent, 1 -> 1;
                LstmSequence: Recurrent, 1 -> 1;
                AuGruSequence: Recurrent, 1 -> 1;
            }
            /// Attention, rotary embedding and mixtures of experts.
            Attention {
                ScaledDotProductAttention: Attention, 3 -> 1, (Op::ScaledDotProductAttention { .. });
                Attention: MultiHead, 1 -> 1;
                FlexAttention: MultiHead, 1 -> 1;
                MultiHeadAttention: MultiHead, 1 -> 1;
                DecoderMaskedMultiHeadAttention: MultiHead, 1 -> 1;
                GroupQueryAttention: MultiHead, 1 -> 1;
                SparseAttention: MultiHead, 1 -> 1;
                AttentionOfWeights: MultiHead, 1 -> 1;
                QAttention: MultiHead, 1 -> 1;
                DecoderMaskedSelfAttention: MultiHead, 1 -> 1;
                PackedAttention: MultiHead, 1 -> 1;
                PackedMultiHeadAttention: LikeInputs, 1 -> 1, (Op::PackedMultiHeadAttention);
                LongformerAttention: LikeInputs, 1 -> 1, (Op::LongformerAttention);
                LinearAttention: MultiHead, 1 -> 1, (Op::LinearAttention { .. });
                PagedAttentionExtension: Attention, 1 -> 1, (Op::PagedAttention);
                PagedAttention: LikeInputs, 1 -> 1, (Op::PagedAttentionOfCache);
                Rope: Attention, 1 -> 1, (Op::Rope(_));
                RotaryEmbedding: SameAsInput, 1 -> 1, (Op::RotaryEmbedding { .. });
                MRotaryEmbedding: SameAsInput, 1 -> 1, (Op::MRotaryEmbedding { .. });
                EmbedLayerNormalization: MultiHead, 1 -> 1, (Op::Embedded);
                MoE: LikeInputs, 1 -> 1, (Op::MoE { .. });
                QMoE: LikeInputs, 1 -> 1, (Op::QMoE { .. });
            }
            /// Sequences of tensors.
            List {
                SequenceEmpty: List, 0 -> 0, (Op::List(List::Empty { .. }));
                SequenceConstruct: List, 1 -> 1, (Op::List(List::Construct));
                SequenceInsert: List, 1 -> 1, (Op::List(List::Insert));
                SequenceErase: List, 1 -> 1, (Op::List(List::Erase));
                SequenceAt: List, 1 -> 1, (Op::List(List::At));
                SequenceLength: List, 1 -> 1, (Op::List(List::Length));
                ConcatFromSequence: List, 1 -> 1, (Op::List(List::Concat { .. }));
                SplitToSequence: List, 1 -> 1, (Op::List(List::Split { .. }));
            }
            /// Classical models over features, and texts.
            Features {
                ArrayFeatureExtractor: Features, 1 -> 1;
                Binarizer: Features, 1 -> 1;
                CastMap: Features, 1 -> 1;
                CategoryMapper: Features, 1 -> 1;
                DictVectorizer: Features, 1 -> 1;
                FeatureVectorizer: Features, 1 -> 1;
                Imputer: Features, 1 -> 1;
                LabelEncoder: Features, 1 -> 1;
                LinearClassifier: Features, 1 -> 1;
                LinearRegressor: Features, 1 -> 1;
                Normalizer: Features, 1 -> 1;
                OneHotEncoder: Features, 1 -> 1;
                Scaler: Features, 1 -> 1;
                StringNormalizer: Features, 1 -> 1;
                StringSplit: Features, 1 -> 1;
                SvmClassifier: Features, 1 -> 1;
                SvmRegressor: Features, 1 -> 1;
                TfIdfVectorizer: Features, 1 -> 1;
                TreeEnsemble: Features, 1 -> 1;
                TreeEnsembleClassifier: Features, 1 -> 1;
                TreeEnsembleRegressor: Features, 1 -> 1;
                ZipMap: Features, 1 -> 1;
            }
            /// Training.
            Training {
                Adagrad: LikeInputs, 1 -> 1, (Op::Optimizer { kind: Optimizer::Adagrad, .. });
                Adam: LikeInputs, 1 -> 1, (Op::Optimizer { kind: Optimizer::Adam, .. });
                Momentum: LikeInputs, 1 -> 1, (Op::Optimizer { kind: Optimizer::Momentum, .. });
                Gradient: LikeInputs, 1 -> 1, (Op::Gradient);
            }
            /// Signals.
            Signal {
                Dft: Signal, 1 -> 1, (Op::Dft(Dft::Dft) | Op::Spectrum(Spectrum::Dft { .. }));
                Idft: Signal, 1 -> 1, (Op::Dft(Dft::Idft));
                Rdft: Signal, 1 -> 1, (Op::Dft(Dft::Rdft));
                Irdft: Signal, 1 -> 1, (Op::Dft(Dft::Irdft));
                Stft: Signal, 1 -> 1, (Op::Stft { .. } | Op::Spectrum(Spectrum::Stft { .. }));
                Istft: Signal, 1 -> 1, (Op::Istft { .. });
            }
            /// Embedding bags, CTC, segments and strings.
            Sequence {
                EmbeddingBagOffsets: Sequence, 1 -> 1, (Op::EmbeddingBag(EmbeddingBag::Offsets));
                EmbeddingBagPacked: Sequence, 1 -> 1, (Op::EmbeddingBag(EmbeddingBag::Packed));
                EmbeddingSegments: Sequence, 1 -> 1, (Op::EmbeddingBag(EmbeddingBag::Segments));
                SegmentMax: Sequence, 1 -> 1, (Op::SegmentMax);
                SparseFillEmptyRows: Sequence, 1 -> 1, (Op::SparseFillEmptyRows);
                CtcGreedyDecoder: Sequence, 1 -> 1, (Op::Ctc(Ctc::GreedyDecoder));
                CtcGreedyDecoderSeqLen: Sequence, 1 -> 1, (Op::Ctc(Ctc::GreedyDecoderSeqLen { .. }));
                CtcLoss: Sequence, 1 -> 1, (Op::Ctc(Ctc::Loss));
                StringTensorPack: Sequence, 1 -> 1, (Op::StringTensorPack);
                StringTensorUnpack: Sequence, 1 -> 1, (Op::StringTensorUnpack);
            }
        }
    };
}

pub(super) use operator_table;
