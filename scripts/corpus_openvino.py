#!/usr/bin/env python3
"""The opset corpus: small models that together hold every operator of OpenVINO's opsets, in every version.

    scripts/corpus_openvino.py DIR      write the models as IRs, for a look at them

A model is one line of `CASES`: operator and the opset that introduced this version of it, inputs, `;`, attributes.
An input `f32[2,3]` is a parameter; `i64{1,2}` a constant of rank 1; `i64(3)` a scalar constant; `i64[1,2]{3,4}` a
constant of that shape. The line becomes an IR, and OpenVINO reads it: a line that it refuses is an error here, and so
is an operator of the installed package's opset tables without a line. Bodies and variables are built with its API.
"""

import pathlib
import re
import sys

import numpy
import openvino as ov
import openvino.opset8 as ops

from oracle import IR_TYPE_NAMES

CASES = """
# ---- element-wise, one input
Abs-1 f32[2,3]
Acos-1 f32[2,3]
Acosh-4 f32[2,3]
Asin-1 f32[2,3]
Asinh-4 f32[2,3]
Atan-1 f32[2,3]
Atanh-4 f32[2,3]
BitwiseNot-13 i32[2,3]
Ceiling-1 f32[2,3]
Clamp-1 f32[2,3] ; min=0 max=6
Convert-1 f32[2,3] ; destination_type=f16
Convert-1 i64[7] ; destination_type=boolean
Convert-1 f32[8,3] ; destination_type=u4
Convert-1 f32[8,3] ; destination_type=nf4
Convert-1 f32[8,3] ; destination_type=f8e4m3
ConvertLike-1 f32[2,3] i32[7]
ConvertPromoteTypes-14 f16[2,3] f32[4] ; promote_unsafe=false pytorch_scalar_promotion=false u64_integer_promotion_target=f32
ConvertPromoteTypes-14 i8[2,3] u8[4] ; promote_unsafe=true pytorch_scalar_promotion=false u64_integer_promotion_target=f32
ConvertPromoteTypes-14 f16[2,3] f32[] ; promote_unsafe=true pytorch_scalar_promotion=true u64_integer_promotion_target=f32
ConvertPromoteTypes-14 i32[] f16[5] ; promote_unsafe=true pytorch_scalar_promotion=true u64_integer_promotion_target=f32
ConvertPromoteTypes-14 u64[3] i64[] ; promote_unsafe=true pytorch_scalar_promotion=false u64_integer_promotion_target=f64
ConvertPromoteTypes-14 f16[3] bf16[2] ; promote_unsafe=true pytorch_scalar_promotion=false u64_integer_promotion_target=f32
ConvertPromoteTypes-14 boolean[3] i8[2] ; promote_unsafe=true pytorch_scalar_promotion=false u64_integer_promotion_target=f32
Cos-1 f32[2,3]
Cosh-1 f32[2,3]
Elu-1 f32[2,3] ; alpha=1
Erf-1 f32[2,3]
ErfInv-17 f32[2,3]
Exp-1 f32[2,3]
Floor-1 f32[2,3]
Gelu-2 f32[2,3]
Gelu-7 f32[2,3] ; approximation_mode=TANH
GRN-1 f32[2,3,4,4] ; bias=0.01
HSigmoid-5 f32[2,3]
HSwish-4 f32[2,3]
HardSigmoid-1 f32[2,3] f32(0.2) f32(0.5)
Identity-16 f32[2,3]
IsFinite-10 f32[2,3]
IsInf-10 f32[2,3] ; detect_negative=true detect_positive=true
IsNaN-10 f32[2,3]
Log-1 f32[2,3]
LogicalNot-1 boolean[2,3]
Mish-4 f32[2,3]
Negative-1 f32[2,3]
Relu-1 f32[2,3]
Round-5 f32[2,3] ; mode=half_to_even
Selu-1 f32[2,3] f32{1.6} f32{1.05}
Sigmoid-1 f32[2,3]
Sign-1 f32[2,3]
Sin-1 f32[2,3]
Sinh-1 f32[2,3]
SoftPlus-4 f32[2,3]
SoftSign-9 f32[2,3]
Sqrt-1 f32[2,3]
Swish-4 f32[2,3]
Swish-4 f32[2,3] f32(0.5)
Tan-1 f32[2,3]
Tanh-1 f32[2,3]

# ---- element-wise, several inputs
Add-1 f32[2,1,3] f32[4,1] ; auto_broadcast=numpy
Add-1 f32[2,3] f32[2,3] ; auto_broadcast=none
Add-1 f32[] f32[2,3] ; auto_broadcast=numpy
Add-1 f32[0,3] f32[1,1] ; auto_broadcast=numpy
BitwiseAnd-13 i32[2,1] i32[3] ; auto_broadcast=numpy
BitwiseLeftShift-15 i32[2,1] i32[3] ; auto_broadcast=numpy
BitwiseOr-13 i32[2,1] i32[3] ; auto_broadcast=numpy
BitwiseRightShift-15 i32[2,1] i32[3] ; auto_broadcast=numpy
BitwiseXor-13 i32[2,1] i32[3] ; auto_broadcast=numpy
Divide-1 f32[2,1] f32[3] ; auto_broadcast=numpy m_pythondiv=true
Equal-1 f32[2,1] f32[3] ; auto_broadcast=numpy
Equal-1 f32[2,3,4] f32[2,3] ; auto_broadcast=pdpd
Equal-1 f32[2,3,4] f32[3] ; auto_broadcast=pdpd auto_broadcast.auto_broadcast_axis=1
Add-1 f32[2,3,4] f32[4] ; auto_broadcast=pdpd auto_broadcast.auto_broadcast_axis=-1
FakeConvert-13 f32[2,3] f32[1,1] f32[1,1] ; destination_type=f8e4m3
FakeConvert-13 f16[2,3] f16[1,1] ; destination_type=f8e5m2
FakeQuantize-1 f32[2,3,4] f32[1,3,1] f32[1,3,1] f32[] f32[1] ; levels=256 auto_broadcast=numpy
FakeQuantize-1 f32[3,1] f32[1,5] f32[1,5] f32[] f32[] ; levels=16 auto_broadcast=numpy
FloorMod-1 i32[2,1] i32[3] ; auto_broadcast=numpy
Greater-1 f32[2,1] f32[3] ; auto_broadcast=numpy
GreaterEqual-1 f32[2,1] f32[3] ; auto_broadcast=numpy
Less-1 f32[2,1] f32[3] ; auto_broadcast=numpy
LessEqual-1 f32[2,1] f32[3] ; auto_broadcast=numpy
LogicalAnd-1 boolean[2,1] boolean[3] ; auto_broadcast=numpy
LogicalOr-1 boolean[2,1] boolean[3] ; auto_broadcast=numpy
LogicalXor-1 boolean[2,1] boolean[3] ; auto_broadcast=numpy
Xor-1 boolean[2,1] boolean[3] ; auto_broadcast=numpy
Maximum-1 f32[2,1] f32[3] ; auto_broadcast=numpy
Minimum-1 f32[2,1] f32[3] ; auto_broadcast=numpy
Mod-1 i32[2,1] i32[3] ; auto_broadcast=numpy
Multiply-1 f32[2,3,4,5] f32[2,1] ; auto_broadcast=pdpd
NotEqual-1 f32[2,1] f32[3] ; auto_broadcast=numpy
PRelu-1 f32[2,3,4] f32[3]
Power-1 f32[2,1] f32[3] ; auto_broadcast=numpy
Select-1 boolean[2,1,1] f32[3,1] f32[4] ; auto_broadcast=numpy
Select-1 boolean[2] f32[2,3] f32[2,3] ; auto_broadcast=pdpd
Select-1 boolean[2,3] f32[2,3] f32[2,3] ; auto_broadcast=none
SquaredDifference-1 f32[2,1] f32[3] ; auto_broadcast=numpy
Subtract-1 f32[2,1] f32[3] ; auto_broadcast=numpy

# ---- normalisations
BatchNormInference-1 f32[3] f32[3] f32[2,3,4,4] f32[3] f32[3] ; epsilon=0.001
BatchNormInference-5 f32[2,3,4,4] f32[3] f32[3] f32[3] f32[3] ; epsilon=0.001
CumSum-3 f32[2,3] i32(-1) ; exclusive=true reverse=false
GroupNormalization-12 f32[2,6,4,4] f32[6] f32[6] ; num_groups=3 epsilon=0.001
LRN-1 f32[2,3,4,4] i64{1} ; alpha=0.0001 beta=0.75 bias=1 size=5
LogSoftmax-5 f32[2,3] ; axis=-1
MVN-2 f32[2,3,4,4] ; across_channels=false normalize_variance=true eps=0.001
MVN-6 f32[2,3,4,4] i64{2,3} ; normalize_variance=true eps=0.001 eps_mode=inside_sqrt
NormalizeL2-1 f32[2,3,4,4] i64{1} ; eps=0.001 eps_mode=add
Roll-7 f32[2,3] i64{1} i64{-1}
ShuffleChannels-1 f32[2,6,4,4] ; axis=1 group=3
SliceScatter-15 f32[4,5] f32[2,5] i64{0} i64{4} i64{2} i64{0}
SliceScatter-15 f32[4,5] f32[2,5] i64{0} i64{2} i64{1}
Softmax-1 f32[2,3] ; axis=1
Softmax-8 f32[2,3] ; axis=-2

# ---- linear algebra
Einsum-7 f32[2,3,4] f32[2,4,5] ; equation=bij,bjk->bik
Einsum-7 f32[2,3,3] ; equation=...ii->...i
Einsum-7 f32[2,3,4] f32[5,4] ; equation=a...b,cb
Einsum-7 f32[3] f32[4] ; equation=i,j->ij
GroupedMatMul-17 f32[4,8,16] f32[4,32,16]
GroupedMatMul-17 f32[12,16] f32[4,32,16] i32[4]
Inverse-14 f32[2,4,4] ; adjoint=false
MatMul-1 f32[2,3,4] f32[4,5] ; transpose_a=false transpose_b=false
MatMul-1 f32[7,1,4,3] f32[2,5,4] ; transpose_a=true transpose_b=true
MatMul-1 f32[4] f32[4,5] ; transpose_a=false transpose_b=false
MatMul-1 f32[2,3,4] f32[4] ; transpose_a=false transpose_b=false
MatMul-1 f32[4] f32[4] ; transpose_a=true transpose_b=false

# ---- convolution
BinaryConvolution-1 f32[1,3,8,9] u1[4,3,3,3] ; strides=2,1 pads_begin=1,1 pads_end=1,1 dilations=1,1 mode=xnor-popcount pad_value=0 auto_pad=explicit
Convolution-1 f32[1,3,20] f32[4,3,3] ; strides=2 pads_begin=1 pads_end=0 dilations=3 auto_pad=explicit
Convolution-1 f32[1,3,8,9] f32[4,3,3,2] ; strides=2,2 pads_begin=0,0 pads_end=0,0 dilations=1,2 auto_pad=same_upper
Convolution-1 f32[1,3,8,9] f32[4,3,3,2] ; strides=2,3 pads_begin=9,9 pads_end=9,9 dilations=1,1 auto_pad=valid
Convolution-1 f32[1,3,8,9,7] f32[4,3,3,2,1] ; strides=1,1,1 pads_begin=1,1,1 pads_end=1,1,1 dilations=1,1,1 auto_pad=same_lower
ConvolutionBackpropData-1 f32[1,3,8,9] f32[3,4,3,2] ; strides=2,2 pads_begin=1,0 pads_end=0,1 dilations=1,2 auto_pad=explicit output_padding=1,0
ConvolutionBackpropData-1 f32[1,3,8,9] f32[3,4,3,2] i64{16,18} ; strides=2,2 pads_begin=0,0 pads_end=0,0 dilations=1,1 auto_pad=same_upper output_padding=0,0
ConvolutionBackpropData-1 f32[1,3,8,9] f32[3,4,3,2] ; strides=2,2 pads_begin=1,1 pads_end=1,1 dilations=1,1 auto_pad=valid
DeformableConvolution-1 f32[1,4,8,9] f32[1,18,6,7] f32[4,4,3,3] ; strides=1,1 pads_begin=0,0 pads_end=0,0 dilations=1,1 auto_pad=explicit group=1 deformable_group=1
DeformableConvolution-8 f32[1,4,8,9] f32[1,36,8,9] f32[4,2,3,3] f32[1,18,8,9] ; strides=1,1 pads_begin=1,1 pads_end=1,1 dilations=1,1 auto_pad=explicit group=2 deformable_group=2 bilinear_interpolation_pad=true
DeformableConvolution-8 f32[1,4,8,9] f32[1,18,4,5] f32[6,4,3,3] ; strides=2,2 pads_begin=0,0 pads_end=0,0 dilations=1,1 auto_pad=same_upper group=1 deformable_group=1
GroupConvolution-1 f32[1,6,8,9] f32[3,4,2,3,3] ; strides=1,1 pads_begin=1,1 pads_end=1,1 dilations=1,1 auto_pad=explicit
GroupConvolution-1 f32[1,6,20] f32[6,1,1,5] ; strides=2 pads_begin=0 pads_end=0 dilations=1 auto_pad=same_lower
GroupConvolutionBackpropData-1 f32[1,6,8,9] f32[3,2,4,3,3] ; strides=2,2 pads_begin=1,1 pads_end=1,1 dilations=1,1 auto_pad=explicit output_padding=1,1
GroupConvolutionBackpropData-1 f32[1,6,8] f32[3,2,4,3] i64{17} ; strides=2 pads_begin=0 pads_end=0 dilations=1 auto_pad=same_lower

# ---- pooling
AdaptiveAvgPool-8 f32[1,3,8,9] i64{3,4}
AdaptiveAvgPool-8 f32[1,3,8] i64{3}
AdaptiveMaxPool-8 f32[1,3,8,9] i64{3,4} ; index_element_type=i32
AdaptiveMaxPool-8 f32[1,3,8,9,5] i64{3,4,1} ; index_element_type=i64
AvgPool-1 f32[1,3,8,9] ; kernel=3,3 strides=2,2 pads_begin=1,1 pads_end=1,1 exclude-pad=true rounding_type=ceil auto_pad=explicit
AvgPool-1 f32[1,3,8,9] ; kernel=3,3 strides=2,2 pads_begin=1,0 pads_end=1,0 exclude-pad=false rounding_type=floor auto_pad=same_upper
AvgPool-14 f32[1,3,8,9] ; kernel=3,3 strides=2,2 pads_begin=1,1 pads_end=1,1 exclude-pad=true rounding_type=ceil_torch auto_pad=explicit
AvgPool-14 f32[1,3,4,4] ; kernel=2,2 strides=3,3 pads_begin=1,1 pads_end=1,1 exclude-pad=true rounding_type=ceil_torch auto_pad=explicit
AvgPool-14 f32[1,3,4,4] ; kernel=2,2 strides=3,3 pads_begin=1,1 pads_end=1,1 exclude-pad=true rounding_type=ceil auto_pad=explicit
AvgPool-16 f32[1,3,8,9] ; kernel=3,3 strides=2,2 dilations=2,1 pads_begin=1,1 pads_end=1,1 exclude-pad=true rounding_type=floor auto_pad=explicit
MaxPool-1 f32[1,3,8,9] ; kernel=3,3 strides=2,2 pads_begin=1,1 pads_end=1,1 rounding_type=ceil auto_pad=explicit
MaxPool-1 f32[1,3,20] ; kernel=3 strides=2 pads_begin=0 pads_end=0 rounding_type=floor auto_pad=valid
MaxPool-8 f32[1,3,8,9] ; kernel=3,3 strides=2,2 dilations=2,2 pads_begin=1,1 pads_end=1,1 rounding_type=floor auto_pad=explicit index_element_type=i32 axis=2
MaxPool-8 f32[1,3,8,9] ; kernel=3,3 strides=2,2 dilations=1,1 pads_begin=1,1 pads_end=1,1 rounding_type=floor auto_pad=same_lower index_element_type=i64 axis=0
MaxPool-14 f32[1,3,4,4] ; kernel=2,2 strides=3,3 dilations=1,1 pads_begin=1,1 pads_end=1,1 rounding_type=ceil_torch auto_pad=explicit index_element_type=i64 axis=0
MaxPool-14 f32[1,3,5,5,5] ; kernel=2,2,2 strides=3,3,3 dilations=1,1,2 pads_begin=1,1,0 pads_end=1,1,0 rounding_type=ceil auto_pad=explicit index_element_type=i64 axis=0

# ---- reductions
ReduceL1-4 f32[2,3,4] i64{1} ; keep_dims=true
ReduceL2-4 f32[2,3,4] i64{-1,0} ; keep_dims=false
ReduceLogicalAnd-1 boolean[2,3,4] i64{1} ; keep_dims=false
ReduceLogicalOr-1 boolean[2,3,4] i64{1} ; keep_dims=true
ReduceMax-1 f32[2,3,4] i64(1) ; keep_dims=false
ReduceMean-1 f32[2,3,4] i64{0,1,2} ; keep_dims=false
ReduceMin-1 f32[2,3,4] i32{2} ; keep_dims=true
ReduceProd-1 f32[2,3,4] i64{1} ; keep_dims=false
ReduceSum-1 f32[2,3,4] i64[0]{} ; keep_dims=false | Unsqueeze-1 @0 i64{0}

# ---- moving data
BatchToSpace-2 f32[12,2,3,4] i64{1,2,3,2} i64{0,0,1,0} i64{0,0,0,1}
Broadcast-1 f32[3,1] i64{2,3,4} ; mode=numpy
Broadcast-1 f32[3] i64{2,3,4} i64{1} ; mode=explicit
Broadcast-3 f32[3,1] i64{2,1,4} ; mode=bidirectional
Broadcast-3 f32[3,4] i64{2,3,5,4} i64{1,3} ; mode=explicit
Concat-1 f32[2,3] f32[2,4] f32[2,0] ; axis=-1
DepthToSpace-1 f32[1,12,4,5] ; block_size=2 mode=blocks_first
DepthToSpace-1 f32[1,8,2,3,4] ; block_size=2 mode=depth_first
ExtractImagePatches-3 f32[1,3,10,12] ; sizes=3,3 strides=5,5 rates=1,1 auto_pad=valid
ExtractImagePatches-3 f32[1,3,10,12] ; sizes=3,2 strides=2,3 rates=2,1 auto_pad=same_upper
Gather-1 f32[2,3,4] i64[5,6] i64(1)
Gather-7 f32[2,3,4] i64[2,6] i64(1) ; batch_dims=1
Gather-8 f32[2,3,4] i64[2,6] i64(-1) ; batch_dims=-1
Gather-8 f32[2,3,4] i64(0) i64(2) ; batch_dims=0
GatherElements-6 f32[2,3,4] i64[2,7,4] ; axis=1
GatherND-5 f32[2,3,4,5] i64[2,3,1] ; batch_dims=2
GatherND-5 f32[2,3,4] i64[6,2] ; batch_dims=0
GatherND-8 f32[2,3,4,5] i64[2,3,1] ; batch_dims=2
GatherTree-1 f32[5,2,3] f32[5,2,3] f32[2] f32[]
Pad-1 f32[2,3] i64{1,0} i64{0,2} ; pad_mode=edge
Pad-1 f32[2,3] i64{1,0} i64{0,2} f32(1) ; pad_mode=constant
Pad-12 f32[5,6] i64{-1,2} i64{2,-3} f32(1) ; pad_mode=constant
Pad-12 f32[5,6] i64{1,2} i64{2,3} ; pad_mode=reflect
Pad-12 f32[5,6] i64{5,2} i64{2,6} ; pad_mode=symmetric
Reshape-1 f32[2,3,4] i64{0,-1} ; special_zero=true
Reshape-1 f32[2,3,4] i64{-1,4} ; special_zero=false
Reshape-1 f32[0,3,4] i64{0,12} ; special_zero=false
Reshape-1 f32[1] i64[0]{} ; special_zero=false
Reverse-1 f32[2,3] i64{1} ; mode=index
Reverse-1 f32[2,3] boolean{0,1} ; mode=mask
ReverseSequence-1 f32[2,3,4] i32[2] ; batch_axis=0 seq_axis=1
ScatterElementsUpdate-3 f32[2,3] i64[2,1] f32[2,1] i64(1)
ScatterElementsUpdate-12 f32[2,3] i64[2,1] f32[2,1] i64(1) ; reduction=sum use_init_val=true
ScatterNDUpdate-4 f32[4,5] i64[2,1] f32[2,5]
ScatterNDUpdate-15 f32[4,5] i64[2,2] f32[2] ; reduction=max
ScatterUpdate-3 f32[4,5] i64[2] f32[2,5] i64(0)
Slice-8 f32[10,20] i64{2} i64{100} i64{3} i64{-1}
Slice-8 f32[10,20] i64{9,-1} i64{-100,0} i64{-2,-1}
Slice-8 f32[10,20] i64{5} i64{5} i64{1}
SpaceToBatch-2 f32[2,3,4,5] i64{1,1,2,3} i64{0,0,1,0} i64{0,0,1,1}
SpaceToDepth-1 f32[1,3,4,6] ; block_size=2 mode=blocks_first
Split-1 f32[2,6] i64(-1) ; num_splits=3
Squeeze-1 f32[1,2,1,3]
Squeeze-1 f32[1,2,1,3] i64{-2}
Squeeze-15 f32[1,2,1,3] i64{0,1} ; allow_axis_skip=true
Squeeze-15 f32[1,2,1,3] i64(0) ; allow_axis_skip=false
StridedSlice-1 f32[4,5,6] i64{1,0} i64{3,0} i64{1,2} ; begin_mask=0,1 end_mask=0,1 new_axis_mask= shrink_axis_mask= ellipsis_mask=
StridedSlice-1 f32[4,5,6] i64{0,0,2} i64{0,0,4} i64{1,1,1} ; begin_mask=1,0,0 end_mask=1,0,0 new_axis_mask=0,1,0 shrink_axis_mask=0,0,0 ellipsis_mask=0,0,0
StridedSlice-1 f32[4,5,6] i64{1,0,-1} i64{0,0,0} i64{1,1,1} ; begin_mask=0,0,0 end_mask=0,0,0 new_axis_mask=0,0,0 shrink_axis_mask=1,0,1 ellipsis_mask=0,1,0
StridedSlice-1 f32[4,5,6] i64{-1,4} i64{-5,0} i64{-2,-1} ; begin_mask=0,0 end_mask=0,0 new_axis_mask= shrink_axis_mask= ellipsis_mask=
StridedSlice-1 f32[4,5,6] i64{1} i64{9} ; begin_mask=0 end_mask=0 new_axis_mask= shrink_axis_mask= ellipsis_mask=
StridedSlice-1 f32[4,5,6] i64{0,0,1} i64{0,0,2} i64{1,1,1} ; begin_mask=0,0,0 end_mask=0,0,0 new_axis_mask=1,0,0 shrink_axis_mask=0,0,0 ellipsis_mask=0,1,0
Tile-1 f32[2,3] i64{4,1,2}
Tile-1 f32[2,3,4] i64{5}
Transpose-1 f32[2,3,4] i64{2,0,1}
Transpose-1 f32[2,3,4] i64[0]{} | Unsqueeze-1 @0 i64{0}
Unsqueeze-1 f32[2,3] i64{0,-1}
Unsqueeze-1 f32[2,3] i64(1)
VariadicSplit-1 f32[2,9] i64(1) i64{2,-1,3}
VariadicSplit-1 f32[6] i64(0) i64{6,0}

# ---- shape and index sources
Bucketize-3 f32[2,3] f32[5] ; output_type=i32 with_right_bound=false
Eye-9 i64(3) i64(4) i64(1) ; output_type=f16
Eye-9 i64(3) i64(4) i64(-1) i64{2,5} ; output_type=i32
Multinomial-13 f32[2,9] i32(7) ; convert_type=i32 with_replacement=true log_probs=false global_seed=0 op_seed=0
NonZero-3 f32[2,3] ; output_type=i32
NonZero-3 i64{0,3,0,5} ; output_type=i64
OneHot-1 i64[2,3] i64(7) f32(1) f32(0) ; axis=1
OneHot-1 i64[] i64(7) f32(1) f32(0) ; axis=-1
OneHot-16 i64[2,3] i64(7) i32(1) i32(0) ; axis=-1 negative_indices_mode=normalize
RandomUniform-8 i64{2,3} f32(0) f32(1) ; output_type=f32 global_seed=1 op_seed=2
Range-1 i64(2) i64(11) i64(3)
Range-1 f32(1) f32(0) f32(-0.3)
Range-4 i64(2) i64(11) i64(3) ; output_type=f32
Range-4 f32(0) f32(2.5) f32(1) ; output_type=i64
Range-4 i32(5) i32(0) i32(1) ; output_type=i32
SearchSorted-15 f32[2,9] f32[2,5] ; right_mode=true output_type=i32
ShapeOf-1 f32[2,3]
ShapeOf-3 f32[2,3] ; output_type=i32
TopK-1 f32[2,9] i64(4) ; axis=1 mode=max sort=value
TopK-3 f32[2,9] i64(4) ; axis=-1 mode=min sort=none index_element_type=i64
TopK-11 f32[2,9] i64(4) ; axis=0 mode=min sort=index index_element_type=i32 stable=false
Unique-10 f32[2,9] ; sorted=true index_element_type=i32 count_element_type=i64
Unique-10 f32[2,9] i64(1) ; sorted=false index_element_type=i64 count_element_type=i32
Unique-10 i64{3,1,3} ; sorted=false index_element_type=i64 count_element_type=i32

# ---- images
BGRtoNV12-17 u8[1,6,8,3] ; single_plane=true
BGRtoNV12-17 u8[1,6,8,3] ; single_plane=false
GridSample-9 f32[2,3,8,9] f32[2,5,6,2] ; align_corners=true mode=bilinear padding_mode=zeros
I420toBGR-8 u8[1,9,8,1]
I420toRGB-8 u8[1,6,8,1] u8[1,3,4,1] u8[1,3,4,1]
Interpolate-1 f32[1,3,8,9] i64{16,27} ; axes=2,3 mode=nearest align_corners=false antialias=false pads_begin=0 pads_end=0
Interpolate-4 f32[1,3,8,9] i64{16,27} f32{2,3} i64{2,3} ; mode=nearest shape_calculation_mode=sizes coordinate_transformation_mode=half_pixel nearest_mode=round_prefer_floor antialias=false pads_begin=0 pads_end=0 cube_coeff=-0.75
Interpolate-4 f32[1,3,8,9] i64{0,0} f32{2.5,0.3} i64{2,3} ; mode=linear_onnx shape_calculation_mode=scales coordinate_transformation_mode=half_pixel nearest_mode=round_prefer_floor antialias=false pads_begin=0,0,1,1 pads_end=0,0,0,2 cube_coeff=-0.75
Interpolate-4 f32[1,3,8,9] i64{2,6,16,27} f32{1,1,1,1} ; mode=linear shape_calculation_mode=sizes coordinate_transformation_mode=half_pixel nearest_mode=round_prefer_floor antialias=false pads_begin=0 pads_end=0 cube_coeff=-0.75
Interpolate-11 f32[1,3,8,9] f32{2.5,0.3} i64{2,3} ; mode=bilinear_pillow shape_calculation_mode=scales coordinate_transformation_mode=half_pixel nearest_mode=round_prefer_floor antialias=false pads_begin=0,0,1,0 pads_end=0 cube_coeff=-0.75
Interpolate-11 f32[1,3,8,9] i64{1,1,5,5} ; mode=cubic shape_calculation_mode=sizes coordinate_transformation_mode=half_pixel nearest_mode=round_prefer_floor antialias=false pads_begin=0 pads_end=0 cube_coeff=-0.75
NV12toBGR-8 u8[1,9,8,1]
NV12toRGB-8 u8[1,6,8,1] u8[1,3,4,2]
RGBtoNV12-17 u8[1,6,8,3] ; single_plane=true
RGBtoNV12-17 f32[2,6,8,3] ; single_plane=false

# ---- detection
DeformablePSROIPooling-1 f32[1,882,38,38] f32[100,5] ; spatial_scale=0.0625 output_dim=882 group_size=3 mode=bilinear_deformable spatial_bins_x=4 spatial_bins_y=4 trans_std=0 part_size=7
DeformablePSROIPooling-1 f32[1,882,38,38] f32[100,5] f32[100,2,3,3] ; spatial_scale=0.0625 output_dim=18 group_size=7 mode=bilinear_deformable spatial_bins_x=4 spatial_bins_y=4 trans_std=0.1 part_size=3
DetectionOutput-1 f32[2,60] f32[2,165] f32[1,2,60] ; num_classes=11 background_label_id=0 top_k=75 variance_encoded_in_target=false keep_top_k=50 code_type=caffe.PriorBoxParameter.CORNER share_location=true nms_threshold=0.5 confidence_threshold=0.3 clip_after_nms=false clip_before_nms=false decrease_label_id=false normalized=true input_height=1 input_width=1 objectness_score=0
DetectionOutput-1 f32[2,60] f32[2,165] f32[1,2,60] ; num_classes=11 background_label_id=0 top_k=7 variance_encoded_in_target=false keep_top_k=-1 code_type=caffe.PriorBoxParameter.CORNER share_location=true nms_threshold=0.5 confidence_threshold=0.3 clip_after_nms=false clip_before_nms=false decrease_label_id=false normalized=true input_height=1 input_width=1 objectness_score=0
DetectionOutput-8 f32[2,60] f32[2,165] f32[1,2,60] ; background_label_id=0 top_k=-1 variance_encoded_in_target=false keep_top_k=-1 code_type=caffe.PriorBoxParameter.CENTER_SIZE share_location=true nms_threshold=0.5 confidence_threshold=0.3 clip_after_nms=false clip_before_nms=false decrease_label_id=false normalized=true input_height=1 input_width=1 objectness_score=0
DetectionOutput-8 f32[2,60] f32[2,165] f32[1,1,60] f32[2,30] f32[2,60] ; background_label_id=0 top_k=-1 variance_encoded_in_target=true keep_top_k=20 code_type=caffe.PriorBoxParameter.CENTER_SIZE share_location=true nms_threshold=0.5 confidence_threshold=0.3 clip_after_nms=false clip_before_nms=false decrease_label_id=false normalized=true input_height=1 input_width=1 objectness_score=0
ExperimentalDetectronDetectionOutput-6 f32[16,4] f32[16,324] f32[16,81] f32[1,3] ; score_threshold=0.05 nms_threshold=0.5 max_delta_log_wh=4.1 num_classes=81 post_nms_count=2000 max_detections_per_image=100 class_agnostic_box_regression=false deltas_weights=10,10,5,5
ExperimentalDetectronGenerateProposalsSingleImage-6 f32[3] f32[201600,4] f32[12,40,60] f32[3,40,60] ; min_size=0 nms_threshold=0.7 post_nms_count=1000 pre_nms_count=1000
ExperimentalDetectronPriorGridGenerator-6 f32[3,4] f32[1,256,25,42] f32[1,3,800,1344] ; flatten=true h=0 w=0 stride_x=32 stride_y=32
ExperimentalDetectronPriorGridGenerator-6 f32[3,4] f32[1,256,25,42] f32[1,3,800,1344] ; flatten=false h=0 w=0 stride_x=32 stride_y=32
ExperimentalDetectronPriorGridGenerator-6 f32[3,4] f32[1,256,25,42] f32[1,3,800,1344] ; flatten=true h=10 w=12 stride_x=32 stride_y=32
ExperimentalDetectronROIFeatureExtractor-6 f32[1000,4] f32[1,256,200,336] f32[1,256,100,168] ; output_size=7 sampling_ratio=2 pyramid_scales=4,8 aligned=false
ExperimentalDetectronTopKROIs-6 f32[5000,4] f32[5000] ; max_rois=1000
GenerateProposals-9 f32[2,3] f32[40,60,3,4] f32[2,12,40,60] f32[2,3,40,60] ; min_size=0 nms_threshold=0.7 pre_nms_count=1000 post_nms_count=100 normalized=true nms_eta=1 roi_num_type=i32
MatrixNms-8 f32[2,100,4] f32[2,5,100] ; sort_result_type=score sort_result_across_batch=false output_type=i64 score_threshold=0 nms_top_k=-1 keep_top_k=-1 background_class=-1 normalized=true decay_function=linear gaussian_sigma=2 post_threshold=0
MatrixNms-8 f32[2,100,4] f32[2,5,100] ; sort_result_type=classid sort_result_across_batch=true output_type=i32 score_threshold=0 nms_top_k=10 keep_top_k=7 background_class=0 normalized=true decay_function=gaussian gaussian_sigma=2 post_threshold=0
MulticlassNms-8 f32[2,100,4] f32[2,5,100] ; sort_result_type=score sort_result_across_batch=false output_type=i64 iou_threshold=0.5 score_threshold=0 nms_top_k=3 keep_top_k=-1 background_class=-1 normalized=true nms_eta=1
MulticlassNms-9 f32[2,100,4] f32[2,5,100] ; sort_result_type=none sort_result_across_batch=false output_type=i32 iou_threshold=0.5 score_threshold=0 nms_top_k=-1 keep_top_k=20 background_class=1 normalized=true nms_eta=1
MulticlassNms-9 f32[5,100,4] f32[5,100] i32[3] ; sort_result_type=none sort_result_across_batch=false output_type=i64 iou_threshold=0.5 score_threshold=0 nms_top_k=-1 keep_top_k=-1 background_class=-1 normalized=true nms_eta=1
NMSRotated-13 f32[1,100,5] f32[1,5,100] i64(20) f32(0.5) f32(0.1) ; sort_result_descending=true output_type=i64 clockwise=true
NonMaxSuppression-1 f32[1,100,4] f32[1,5,100] i64(20) f32(0.5) f32(0.1) ; box_encoding=corner sort_result_descending=true
NonMaxSuppression-3 f32[1,100,4] f32[1,5,100] i64(20) f32(0.5) f32(0.1) ; box_encoding=center sort_result_descending=true output_type=i32
NonMaxSuppression-4 f32[1,100,4] f32[1,5,100] i64(20) f32(0.5) f32(0.1) ; box_encoding=corner sort_result_descending=true output_type=i64
NonMaxSuppression-4 f32[2,100,4] f32[2,5,100] i64(200) ; box_encoding=corner sort_result_descending=true output_type=i64
NonMaxSuppression-5 f32[2,100,4] f32[2,5,100] i64(20) f32(0.5) f32(0.1) f32(0.2) ; box_encoding=corner sort_result_descending=true output_type=i64
NonMaxSuppression-9 f32[2,100,4] f32[2,5,100] i64(20) ; box_encoding=corner sort_result_descending=false output_type=i32
PSROIPooling-1 f32[1,72,20,20] f32[10,5] ; output_dim=8 group_size=3 spatial_scale=0.1 mode=average spatial_bins_x=1 spatial_bins_y=1
PSROIPooling-1 f32[1,72,20,20] f32[10,5] ; output_dim=6 group_size=5 spatial_scale=0.1 mode=bilinear spatial_bins_x=4 spatial_bins_y=3
PriorBox-1 i64{24,42} i64{348,672} ; min_size=51.2 max_size=81.9 aspect_ratio=2 density= fixed_ratio= fixed_size= clip=false flip=true step=16 offset=0.5 variance=0.1,0.1,0.2,0.2 scale_all_sizes=true
PriorBox-1 i64{24,42} i64{348,672} ; min_size=16,32 max_size= aspect_ratio=2,3 density= fixed_ratio= fixed_size= clip=false flip=false step=16 offset=0.5 variance=0.1 scale_all_sizes=false
PriorBox-1 i64{2,2} i64{10,10} ; min_size= max_size= aspect_ratio=1 density=2,4 fixed_ratio= fixed_size=32,64 clip=false flip=true step=4 offset=0.5 variance=0.1,0.1,0.2,0.2 scale_all_sizes=true
PriorBox-8 i64{24,42} i64{348,672} ; min_size=51.2,60 max_size=81.9,90 aspect_ratio=2,3 density= fixed_ratio= fixed_size= clip=false flip=true step=16 offset=0.5 variance=0.1,0.1,0.2,0.2 scale_all_sizes=true min_max_aspect_ratios_order=false
PriorBox-8 i64{2,3} i64{10,10} ; min_size= max_size= aspect_ratio= density=3 fixed_ratio=1,2 fixed_size=16 clip=false flip=false step=4 offset=0.5 variance=0.1,0.1,0.2,0.2 scale_all_sizes=true min_max_aspect_ratios_order=true
PriorBoxClustered-1 i64{10,19} i64{180,320} ; width=86,13,57 height=44,10,30 clip=false step=16 step_w=0 step_h=0 offset=0.5 variance=0.1,0.1,0.2,0.2
Proposal-1 f32[1,24,5,6] f32[1,48,5,6] f32[3] ; base_size=16 pre_nms_topn=6000 post_nms_topn=200 nms_thresh=0.6 feat_stride=16 min_size=16 ratio=2.67 scale=4,6,9,16 clip_before_nms=true clip_after_nms=false normalize=false box_size_scale=1 box_coordinate_scale=1 framework=
Proposal-4 f32[2,24,5,6] f32[2,48,5,6] f32[3] ; base_size=16 pre_nms_topn=6000 post_nms_topn=200 nms_thresh=0.6 feat_stride=16 min_size=16 ratio=2.67 scale=4,6,9,16 clip_before_nms=true clip_after_nms=false normalize=false box_size_scale=1 box_coordinate_scale=1 framework=
ROIAlign-3 f32[2,256,20,20] f32[100,4] i32[100] ; pooled_h=6 pooled_w=7 sampling_ratio=2 spatial_scale=16 mode=avg
ROIAlign-9 f32[2,256,20,20] f32[100,4] i64[100] ; pooled_h=6 pooled_w=7 sampling_ratio=2 spatial_scale=16 mode=max aligned_mode=asymmetric
ROIAlignRotated-15 f32[2,256,20,20] f32[100,5] i64[100] ; pooled_h=6 pooled_w=7 sampling_ratio=2 spatial_scale=16 clockwise_mode=true
ROIPooling-2 f32[1,3,8,8] f32[10,5] ; output_size=6,5 spatial_scale=0.0625 method=max
ROIPooling-2 f32[1,3,8,8] f32[10,5] ; output_size=6,5 spatial_scale=0.0625 method=bilinear
RegionYolo-1 f32[1,255,26,26] ; anchors=10,14,23,27,37,58 axis=1 coords=4 classes=80 end_axis=3 num=6 do_softmax=false mask=0,1,2
RegionYolo-1 f32[1,125,13,13] ; anchors=1,2 axis=1 coords=4 classes=20 end_axis=3 num=5 do_softmax=true mask=
RegionYolo-1 f32[1,125,13,13] ; anchors=1,2 axis=2 coords=4 classes=20 end_axis=-1 num=5 do_softmax=true mask=
ReorgYolo-2 f32[1,64,26,26] ; stride=2

# ---- recurrent
GRUCell-3 f32[2,16] f32[2,8] f32[24,16] f32[24,8] f32[32] ; hidden_size=8 activations=sigmoid,tanh activations_alpha= activations_beta= clip=0 linear_before_reset=true
GRUSequence-5 f32[2,10,16] f32[2,1,8] i64[2] f32[1,24,16] f32[1,24,8] f32[1,24] ; hidden_size=8 direction=reverse activations=sigmoid,tanh activations_alpha= activations_beta= clip=0 linear_before_reset=false
GRUSequence-5 f32[2,10,16] f32[2,2,8] i64[2] f32[2,24,16] f32[2,24,8] f32[2,32] ; hidden_size=8 direction=bidirectional activations=sigmoid,tanh activations_alpha= activations_beta= clip=0 linear_before_reset=true
LSTMCell-1 f32[2,16] f32[2,8] f32[2,8] f32[32,16] f32[32,8] f32[32] ; hidden_size=8 activations=sigmoid,tanh,tanh activations_alpha= activations_beta= clip=0 weights_format=fico input_forget=false
LSTMCell-4 f32[2,16] f32[2,8] f32[2,8] f32[32,16] f32[32,8] f32[32] ; hidden_size=8 activations=sigmoid,tanh,tanh activations_alpha= activations_beta= clip=0
LSTMSequence-5 f32[2,10,16] f32[2,2,8] f32[2,2,8] i64[2] f32[2,32,16] f32[2,32,8] f32[2,32] ; hidden_size=8 direction=bidirectional activations=sigmoid,tanh,tanh activations_alpha= activations_beta= clip=0
LSTMSequence-5 f32[2,10,16] f32[2,1,8] f32[2,1,8] i64[2] f32[1,32,16] f32[1,32,8] f32[1,32] ; hidden_size=8 direction=forward activations=sigmoid,tanh,tanh activations_alpha= activations_beta= clip=0
RNNCell-1 f32[2,16] f32[2,8] f32[8,16] f32[8,8] f32[8] ; hidden_size=8 activations=tanh activations_alpha= activations_beta= clip=0
RNNSequence-5 f32[2,10,16] f32[2,1,8] i64[2] f32[1,8,16] f32[1,8,8] f32[1,8] ; hidden_size=8 direction=forward activations=tanh activations_alpha= activations_beta= clip=0

# ---- attention
ScaledDotProductAttention-13 f32[2,8,10,64] f32[2,8,12,64] f32[2,8,12,32] ; causal=true
ScaledDotProductAttention-13 f32[2,8,10,64] f32[2,8,12,64] f32[2,8,12,64] f32[1,1,10,12] f32(0.125) ; causal=false
ScaledDotProductAttention-13 f32[2,8,10,64] f32[2,1,12,64] f32[2,1,12,64] f32[10,12] ; causal=false

# ---- signal
DFT-7 f32[2,8,9,2] i64{1,2}
DFT-7 f32[2,8,9,2] i64{-1} i64{5}
IDFT-7 f32[2,8,9,2] i64{0,1} i64{-1,20}
IRDFT-9 f32[2,8,9,2] i64{1,2}
IRDFT-9 f32[2,8,9,2] i64{2,1} i64{5,-1}
ISTFT-16 f32[9,5,2] f32[16] i64(16) i64(4) ; center=false normalized=false
ISTFT-16 f32[3,9,5,2] f32[16] i64(16) i64(4) ; center=true normalized=false
ISTFT-16 f32[9,5,2] f32[12] i64(16) i64(4) i64(25) ; center=true normalized=true
RDFT-9 f32[2,8,9] i64{1,2}
RDFT-9 f32[2,8,9] i64{-1} i64{5}
STFT-15 f32[100] f32[16] i64(16) i64(4) ; transpose_frames=false
STFT-15 f32[3,100] f32[12] i64(16) i64(5) ; transpose_frames=true

# ---- sequences, sparse, text
CTCGreedyDecoder-1 f32[20,2,30] f32[20,2] ; ctc_merge_repeated=true
CTCGreedyDecoderSeqLen-6 f32[2,20,30] i32[2] ; merge_repeated=true classes_index_type=i32 sequence_length_type=i64
CTCGreedyDecoderSeqLen-6 f32[2,20,30] i32[2] i32(0) ; merge_repeated=true classes_index_type=i64 sequence_length_type=i32
CTCLoss-4 f32[2,20,30] i32[2] i32[2,20] i32[2] i32(0) ; preprocess_collapse_repeated=false ctc_merge_repeated=true unique=false
Col2Im-15 f32[3,12,225] i64{16,16} i64{2,2} ; strides=1,1 dilations=1,1 pads_begin=0,0 pads_end=0,0
Col2Im-15 f32[12,81] i64{16,16} i64{2,2} ; strides=2,2 dilations=1,1 pads_begin=1,1 pads_end=1,1
EmbeddingBagOffsets-15 f32[5,2,3] i32[4] i32[3] i32(0) f32[4] ; reduction=sum
EmbeddingBagOffsets-15 f32[5,2] i32[4] i32[3] ; reduction=mean
EmbeddingBagOffsetsSum-3 f32[5,2,3] i32[4] i32[3] i32(0) f32[4]
EmbeddingBagPacked-15 f32[5,2] i32[3,4] f32[3,4] ; reduction=sum
EmbeddingBagPackedSum-3 f32[5,2,3] i32[3,4]
EmbeddingSegmentsSum-3 f32[5,2] i32[4] i32[4] i32(3) i32(0) f32[4]
SegmentMax-16 f32[6,4] i64{0,0,1,4,4,7} ; fill_mode=ZERO
SegmentMax-16 f32[6,4] i64[6] i64(9) ; fill_mode=LOWEST
SparseFillEmptyRows-16 f32[3] i64{5,6} i64[3,2]{0,0,2,1,4,0} f32(0)
StringTensorPack-15 i32[2,3] i32[2,3] u8[100]
StringTensorUnpack-15 string[2,3]

# ---- variables; `@0` is the first output of the line's first operator
ReadValue-3 f32[2,3] ; variable_id=state | Assign-3 @0 ; variable_id=state
ReadValue-6 f32[2,3] ; variable_id=state variable_type=f32 variable_shape=?,3 | Assign-6 @0 ; variable_id=state
ReadValue-6 ; variable_id=state variable_type=f16 variable_shape=4,5 | Assign-6 @0 ; variable_id=state

# ---- values that drive shapes
ShapeOf-3 f32[2,3,4] ; output_type=i64 | Gather-8 @0 i64{2,0} i64(0) ; batch_dims=0 | Concat-1 @1 i64{-1} ; axis=0 | Reshape-1 f32[2,3,4] @2 ; special_zero=false
ShapeOf-3 f32[2,3,4] ; output_type=i32 | ReduceProd-1 @0 i64{0} ; keep_dims=true | Divide-1 @1 i32{6} ; auto_broadcast=numpy m_pythondiv=true | Tile-1 f32[2] @2
ShapeOf-1 f32[2,3,4] | StridedSlice-1 @0 i64{1} i64{2} i64{1} ; begin_mask=0 end_mask=0 new_axis_mask=0 shrink_axis_mask=1 ellipsis_mask=0 | Range-4 i64(0) @1 i64(1) ; output_type=i64
ShapeOf-3 f32[2,3,4] ; output_type=i64 | Equal-1 @0 i64{2,2,2} ; auto_broadcast=numpy | Select-1 @1 i64{1,1,1} @0 ; auto_broadcast=numpy | Broadcast-3 f32[1,1,1] @2 ; mode=bidirectional
ShapeOf-3 f32[2,3,4] ; output_type=i64 | Convert-1 @0 ; destination_type=f32 | Multiply-1 @1 f32{1,2,0.5} ; auto_broadcast=numpy | Floor-1 @2 | Convert-1 @3 ; destination_type=i64 | RandomUniform-8 @4 f32(0) f32(1) ; output_type=f32 global_seed=1 op_seed=2
ShapeOf-3 f32[2,0,4] ; output_type=i64 | NonZero-3 @0 ; output_type=i64 | Transpose-1 @1 i64{1,0}
"""

DTYPES = {
    "f32": numpy.float32, "f16": numpy.float16, "i64": numpy.int64, "i32": numpy.int32, "boolean": numpy.bool_,
}
INPUT = re.compile(r"(?P<dtype>\w+)(?:\[(?P<dims>[\d,]*)\])?(?:\{(?P<list>[^}]*)\}|\((?P<scalar>[^)]*)\))?$")


def models():
    """(name, model) of the whole corpus."""
    core = ov.Core()
    seen, made = set(), {}
    for line in lines():
        xml, weights = ir_of(line)
        try:
            model = core.read_model(xml.encode(), ov.Tensor(weights))
        except RuntimeError as error:
            raise SystemExit(f"error: OpenVINO refuses this line of scripts/corpus_openvino.py: {line}\n{error}") from error
        operator = line.split()[0]
        made[operator] = made.get(operator, 0) + 1
        seen.update(re.findall(r"(\w+-\d+) ", f"{line} "))
        yield f"{operator}-{made[operator]}", model
    yield "If-8", if_model()
    yield "Loop-5-counted", loop_model(5)
    yield "Loop-5-endless", loop_model(-1)
    yield "TensorIterator-1", tensor_iterator_model()
    missing = opset_operators() - seen - {"Parameter-1", "Constant-1", "Result-1", "If-8", "Loop-5", "TensorIterator-1"}
    if missing:
        raise SystemExit(f"error: scripts/corpus_openvino.py has no line for {', '.join(sorted(missing))}")


def lines():
    return [line for line in CASES.splitlines() if line and not line.startswith("#")]


def opset_operators():
    """Every operator version of the installed package's opset tables, named by the opset that introduced it."""
    folder = pathlib.Path(ov.__file__).parent / "include/openvino/opsets"
    introduced = {}
    for path in folder.glob("opset*_tbl.hpp"):
        opset = int(re.fullmatch(r"opset(\d+)_tbl", path.stem)[1])
        for operator in re.findall(r"^_OPENVINO_OP_REG\((\w+, \S+)\)", path.read_text(), re.MULTILINE):
            introduced[operator] = min(opset, introduced.get(operator, opset))
    return {f"{operator.split(',')[0]}-{opset}" for operator, opset in introduced.items()}


def ir_of(line):
    """The IR of one line of `CASES`: its XML and its weights."""
    layers, edges, weights = [], [], bytearray()

    def add_layer(operator, opset, attributes, sources):
        """Returns the id of the new layer, whose first output port is numbered after its inputs."""
        number = len(layers)
        edges.extend(f'<edge from-layer="{layer}" from-port="{port}" to-layer="{number}" to-port="{index}"/>'
                     for index, (layer, port) in enumerate(sources))
        data = "".join(f' {name}="{value}"' for name, value in attributes.items())
        inputs = "".join(f'<port id="{index}"/>' for index in range(len(sources)))
        output = "" if operator == "Result" else f'<output><port id="{len(sources)}" precision="FP32"/></output>'
        layers.append(f'<layer id="{number}" name="{operator}_{number}" type="{operator}" version="opset{opset}">'
                      f"<data{data}/><input>{inputs}</input>{output}</layer>")
        return number, len(sources)

    def add_source(text):
        match = INPUT.match(text)
        if match is None:
            raise ValueError(f"cannot read {text!r} in: {line}")
        dtype, values = match["dtype"], match["list"] if match["list"] is not None else match["scalar"]
        if values is None:
            return add_layer("Parameter", 1, {"shape": match["dims"], "element_type": dtype}, [])
        array = numpy.array([float(value) for value in values.split(",") if value]).astype(DTYPES[dtype])
        dims = match["dims"] if match["dims"] is not None else "" if match["scalar"] is not None else str(array.size)
        payload = array.tobytes()
        attributes = {"element_type": dtype, "shape": dims, "offset": len(weights), "size": len(payload)}
        weights.extend(payload)
        return add_layer("Const", 1, attributes, [])

    steps = []
    for step in line.split(" | "):
        head, _, tail = step.partition(";")
        operator, *inputs = head.split()
        name, opset = operator.split("-")
        named = dict(enumerate(steps))
        sources = [named[int(text[1:])] if text.startswith("@") else add_source(text) for text in inputs]
        attributes = dict(attribute.split("=", 1) for attribute in tail.split())
        steps.append(add_layer(IR_TYPE_NAMES.get(name, name), opset, attributes, sources))
    for step in steps:
        add_layer("Result", 1, {}, [step])
    xml = (f'<?xml version="1.0"?><net name="case" version="11"><layers>{"".join(layers)}</layers>'
           f'<edges>{"".join(edges)}</edges></net>')
    return xml, numpy.frombuffer(bytes(weights) or b"\0", dtype=numpy.uint8).copy()


def parameter(dims, dtype=ov.Type.f32):
    return ov.op.Parameter(dtype, ov.PartialShape(dims))


def if_model():
    condition, data = parameter([], ov.Type.boolean), parameter([2, 3])
    then_data, else_data = parameter([2, 3]), parameter([2, 3])
    then_result = ov.op.Result(ops.relu(then_data).output(0))
    else_result = ov.op.Result(ops.concat([else_data, else_data], 0).output(0))
    node = ov.op.if_op(condition.output(0))
    node.set_then_body(ov.Model([then_result], [then_data], "then"))
    node.set_else_body(ov.Model([else_result], [else_data], "else"))
    node.set_input(data.output(0), then_data, else_data)
    out = node.set_output(then_result, else_result)
    return ov.Model([ov.op.Result(out)], [condition, data], "if")


def loop_model(trips):
    """A counter that is carried along, a slice per trip, its result stacked again."""
    data, carried = parameter([5, 3]), parameter([1, 3])
    body_slice, body_carried, body_trip = parameter([1, 3]), parameter([1, 3]), parameter([], ov.Type.i64)
    total = ops.add(body_carried, body_slice)
    proceed = ops.constant(True, ov.Type.boolean)
    body = ov.Model([ov.op.Result(total.output(0)), ov.op.Result(proceed.output(0))],
                    [body_trip, body_slice, body_carried], "body")
    node = ov.op.loop(ops.constant(trips, ov.Type.i64), ops.constant(True, ov.Type.boolean))
    node.set_function(body)
    node.set_special_body_ports([0, 1])
    node.set_sliced_input(body_slice, data.output(0), 0, 1, 1, -1, 0)
    node.set_merged_input(body_carried, carried.output(0), total.output(0))
    last = node.get_iter_value(total.output(0), -1)
    stacked = node.get_concatenated_slices(total.output(0), 0, 1, 1, -1, 0)
    return ov.Model([ov.op.Result(last), ov.op.Result(stacked)], [data, carried], "loop")


def tensor_iterator_model():
    """Two rows per trip, backwards, with an invariant input."""
    data, state, weights = parameter([2, 6, 4]), parameter([2, 1, 4]), parameter([4, 4])
    body_rows, body_state, body_weights = parameter([2, 2, 4]), parameter([2, 1, 4]), parameter([4, 4])
    rows = ops.matmul(ops.add(body_rows, body_state), body_weights, False, False)
    next_state = ops.reduce_sum(rows, ops.constant([1], ov.Type.i64), True)
    body = ov.Model([ov.op.Result(rows.output(0)), ov.op.Result(next_state.output(0))],
                    [body_rows, body_state, body_weights], "body")
    node = ov.op.tensor_iterator()
    node.set_body(body)
    node.set_sliced_input(body_rows, data.output(0), -1, -2, 2, 0, 1)
    node.set_merged_input(body_state, state.output(0), next_state.output(0))
    node.set_invariant_input(body_weights, weights.output(0))
    last = node.get_iter_value(next_state.output(0), -1)
    stacked = node.get_concatenated_slices(rows.output(0), -1, -2, 2, 0, 1)
    return ov.Model([ov.op.Result(last), ov.op.Result(stacked)], [data, state, weights], "iterator")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models():
        ov.serialize(model, folder / f"{name}.xml")


if __name__ == "__main__":
    main()
