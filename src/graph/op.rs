//! The canonical operators: one set for every format.
//!
//! Readers translate their formats' operators into these; every later stage
//! sees nothing else. Conventions:
//!
//! * Inputs keep the order given at each operator; an absent optional input is
//!   an empty slot ([`Graph::input`](super::Graph::input) gives `None`).
//! * Axes may be negative (counted from the back) until the shape rule, which
//!   knows the rank, settles them.
//! * What a format allows as attribute or as input is an input here; readers
//!   add a constant for the attribute form ([`Builder::constant`](super::Builder::constant)).
//!
//! An operator that no variant covers is [`Op::Opaque`]. The attributes of each
//! family are in a file of its own. The table of all operators ([`OpKind`]) gives
//! each its name, its family and its shape class.
//!
//! Forms of one operator that differ in their inputs alone are one variant with an
//! attribute ([`PadInputs`], [`TileInputs`]). Four kinds of matrix product stay
//! apart, since each has what the others cannot express: [`Op::MatMul`] broadcasts,
//! [`Op::FusedMatMul`] also moves a batch dim and scales, [`Op::Gemm`] adds a third
//! input and may apply an activation, and [`Op::Linear`] has weights whose dims do
//! not show how many columns the result has.

mod attention;
mod classify;
mod control;
mod convolution;
mod elementwise;
mod image;
mod ints;
mod kind;
mod matmul;
mod movement;
mod normalization;
mod quantization;
mod recurrent;
mod reduction;
mod signal;
mod table;

use super::{PartialShape, Value, VariableId};
use crate::DType;

pub use attention::*;
pub use control::*;
pub use convolution::*;
pub use elementwise::*;
pub use image::*;
pub use ints::Ints;
pub use kind::{Family, OpKind, ShapeClass};
pub use matmul::*;
pub use movement::*;
pub use normalization::*;
pub use quantization::*;
pub use recurrent::*;
pub use reduction::*;
pub use signal::*;

/// What a node does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    // ---- plumbing -------------------------------------------------------------------------------------------
    /// A model or body input: no inputs, one output, declared shape and type on its tensor.
    Parameter,
    /// A constant: no inputs.
    Constant(Constant),
    /// A model or body output: `data` in, nothing out.
    Result,
    /// Passes its inputs through, each to the output of the same number.
    Identity,
    /// `data` → an optional that holds it; one that holds nothing is an empty sequence.
    Optional,
    /// An optional → what it holds.
    OptionalGetElement,
    /// An optional → whether it holds anything.
    OptionalHasElement,
    /// `init?` in; the variable's present content out.
    ReadValue(VariableId),
    /// `data` in; stored in the variable, and passed through.
    Assign(VariableId),
    /// No rule here: outputs take the shapes that the file declares.
    Opaque,
    /// `com.microsoft`: no shape rule, as with the five that follow; outputs take the shapes that the file declares.
    DynamicSlice,
    /// `com.microsoft`.
    EngramGate,
    /// `com.microsoft`.
    HyperConnectionPreMix,
    /// `com.microsoft`.
    HyperConnectionPostMix,
    /// `com.microsoft`.
    LinearAttentionGate,
    /// `com.microsoft`.
    UnfoldTensor,
    /// A node of a runtime's own graph, already executed: outputs have the shapes that the file declares, and
    /// [`Graph::node_info`](super::Graph::node_info) has what that runtime says of it.
    Executed,

    // ---- control flow ---------------------------------------------------------------------------------------
    /// `condition`, then the bodies' inputs; see [`If`].
    If(Box<If>),
    /// Inputs and outputs as [`Loop`]'s port map says.
    Loop(Box<Loop>),

    // ---- element-wise ---------------------------------------------------------------------------------------
    /// `data` (more inputs, such as Swish's beta or Clip's bounds, are scalars) → same shape.
    Unary(Unary),
    /// `a`, `b` → broadcast shape.
    Binary(Binary, Broadcast),
    /// `condition`, `then`, `else` → broadcast shape.
    Select(Broadcast),
    /// Any number of inputs, all broadcast together (ONNX `Sum`, `Max`, `Min`, `Mean`).
    Variadic(Variadic),
    /// `data` → same shape, element type `to`.
    Convert {
        /// New element type.
        to: DType,
    },
    /// `data`, `like` → data's shape, like's type.
    ConvertLike,
    /// `a`, `b` → each keeps its shape, both get the promoted type.
    ConvertPromoteTypes,
    /// `data`, `in_low`, `in_high`, `out_low`, `out_high` → data's shape.
    FakeQuantize {
        /// How the limits are made equal to the data.
        broadcast: Broadcast,
        /// Number of values that are distinguished.
        levels: i64,
    },
    /// `data`, `scale`, `shift` → data's shape.
    FakeConvert,
    /// `data`, `slope` → data's shape.
    PRelu,
    /// `data` → the same bytes as another type.
    BitCast {
        /// New element type.
        to: DType,
    },
    /// `strings` → whether each matches the pattern.
    RegexFullMatch,
    /// `data` → a hash per element.
    MurmurHash3 {
        /// u32 or i32.
        to: DType,
    },
    /// `data`, `bias`, `skip` → their sum, of data's shape.
    BiasAdd,
    /// `data`, `gate`, … → data's shape.
    GatedAdd,
    /// ONNX Runtime's sample: `data` → data's shape.
    SampleOp,
    /// `data`, `ratio?`, `training_mode?` → data's shape, mask.
    Dropout {
        /// Element type of the mask.
        mask: ElementType,
    },
    /// `data`, `bias`, `residual?`, … → data's shape, mask.
    BiasDropout,
    /// `data`, `axis` → sums of all elements up to each.
    CumSum(Cumulation),
    /// `data`, `axis` → products of all elements up to each.
    CumProd(Cumulation),

    // ---- softmax and normalizations -------------------------------------------------------------------------
    /// `data` → data's shape.
    Softmax(AxisSpan),
    /// `data` → data's shape.
    LogSoftmax(AxisSpan),
    /// `data` → data's shape: 1 at the largest element, else 0.
    Hardmax(AxisSpan),
    /// `data`, `bias` → softmax of their sum, of data's shape.
    BiasSoftmax {
        /// First axis that is normalized over.
        axis: i64,
    },
    /// `data`, `gamma`, `beta`, `mean`, `variance` → data's shape, in training the new statistics.
    BatchNormalization {
        /// Added to the variance.
        epsilon: f32,
    },
    /// `data`, `scale`, `bias` → data's shape.
    InstanceNormalization {
        /// Added to the variance.
        epsilon: f32,
    },
    /// `data`, `scale`, `bias` → data's shape.
    GroupNormalization(GroupNorm),
    /// `data` [N, H, W, C], `gamma`, `beta` → data's shape, activated if asked for (ONNX Runtime).
    GroupNorm(GroupNorm),
    /// `data`, `gamma`, `beta`, `skip`, `bias?` → the norm of a sum, and that sum.
    SkipGroupNorm(GroupNorm),
    /// `data`, `scale`, `bias?` → data's shape, mean, inverse deviation.
    LayerNormalization(LayerNorm),
    /// `data`, `scale` → data's shape, inverse deviation: no mean is subtracted (ONNX Runtime).
    SimplifiedLayerNormalization(LayerNorm),
    /// `data`, `skip`, `gamma`, `beta?`, `bias?` → the norm of a sum, mean, inverse deviation, that sum.
    SkipLayerNormalization(LayerNorm),
    /// `data`, `skip`, `gamma`, `bias?` → the norm of a sum, mean, inverse deviation, that sum.
    SkipSimplifiedLayerNormalization(LayerNorm),
    /// `data`, `scale` → data's shape: root-mean-square norm from an axis to the last (ONNX).
    RmsNormalization(LayerNorm),
    /// `data`, … → data's shape (ONNX Runtime).
    BranchwiseRmsNorm(LayerNorm),
    /// `data`, `gate`, … → data's shape (ONNX Runtime).
    GatedRmsNorm(LayerNorm),
    /// `data`, `axes?` → data's shape.
    Mvn(Box<Mvn>),
    /// `data`, `axes` → data's shape.
    NormalizeL2 {
        /// Added to the sum of squares, or its lower limit.
        epsilon: f32,
        /// Whether `epsilon` is the lower limit.
        is_least: bool,
    },
    /// `data` → data's shape.
    LpNormalization {
        /// Axis.
        axis: i64,
        /// Order of the norm: 1 or 2.
        p: i64,
    },
    /// `data`, `axes?` → data's shape: each element by those near it.
    Lrn {
        /// Elements summed over.
        size: i64,
    },
    /// `data` → data's shape: divided by the root of the sum of squares over the channels.
    Grn {
        /// Added to the sum.
        bias: f32,
    },

    // ---- quantization ---------------------------------------------------------------------------------------
    /// `data`, `scale`, `zero_point?` → data's shape.
    QuantizeLinear {
        /// Element type of the result.
        to: ElementType,
    },
    /// `data`, `scale`, `zero_point?` → data's shape.
    DequantizeLinear {
        /// Element type of the result.
        to: ElementType,
    },
    /// `data` → data's shape in u8, scale, zero point.
    DynamicQuantizeLinear,
    /// Any operator over quantised data, whose result has a type of its own.
    Quantized(Box<Quantized>),
    /// A convolution or pool whose data and result are [N, spatial…, C].
    ChannelsLast(Box<Op>),

    // ---- linear algebra -------------------------------------------------------------------------------------
    /// `a`, `b`.
    MatMul {
        /// Last two dims of `a` are swapped.
        transpose_a: bool,
        /// Last two dims of `b` are swapped.
        transpose_b: bool,
    },
    /// `a`, `b`, as of [`Op::MatMul`] and more (ONNX Runtime).
    FusedMatMul(FusedMatMul),
    /// `a` [m, k], `b` [k, n], `c?` (ONNX).
    Gemm {
        /// `a` is [k, m].
        transpose_a: bool,
        /// `b` is [n, k].
        transpose_b: bool,
        /// An activation follows (ONNX Runtime's `FusedGemm`).
        has_activation: bool,
    },
    /// `a` [.., k] by packed weights → [.., outputs].
    Linear {
        /// Rows of the weights as they are meant.
        outputs: i64,
        /// How the weights are packed.
        packing: Packing,
    },
    /// Letters of words, the tables → an embedding per word, of the tables' type.
    WordConvEmbedding {
        /// Length of an embedding.
        outputs: i64,
    },
    /// `a` [m, k], `b` [n, k] → distances of all rows of one from all of the other [m, n].
    CDist,
    /// `data` [.., n, n] → [..].
    Determinant,
    /// Any number of inputs, subscripts such as `bij,bjk->bik`.
    Einsum(Box<str>),
    /// `data` [..., n, n] → inverse.
    Inverse,
    /// `a` [.., m, k], `b` [groups, ..], `offsets`: grouped GEMM, see `shape::rules::matmul`.
    GroupedMatMul,

    // ---- convolution and pooling ----------------------------------------------------------------------------
    /// `data` [N, C, spatial…], `filters`.
    Convolution(Box<Convolution>),
    /// `data`, `filters`, `output_spatial_shape?`.
    ConvolutionBackpropData(Box<ConvolutionBackprop>),
    /// `data`, `offsets`, `filters`, `mask?`.
    DeformableConvolution(Box<Convolution>),
    /// `data`; second output (indices) as `indices` says.
    Pool(Box<Pool>),
    /// `data`, `output_shape` (spatial); max has a second output with indices.
    AdaptivePool {
        /// Type of the indices of the second output; `None` for average pooling.
        indices: Option<DType>,
    },
    /// `data` → [N, C, 1, …].
    GlobalPool(PoolKind),
    /// `data`, `indices`, `output_shape?`: what a max pool read, with zeros elsewhere.
    MaxUnpool(Box<Pool>),
    /// `data` [B, C, L], `filters` [C, 1, k], `bias?`, `state?` → data's shape, and the last (k - 1)·dilation steps as
    /// state.
    CausalConvolution {
        /// Distance of the filter's taps.
        dilation: i64,
        /// Data are [B, L, C…].
        channels_last: bool,
    },

    // ---- reduction ------------------------------------------------------------------------------------------
    /// `data`, `axes?` (absent: all, or none if `noop_with_empty_axes`).
    Reduce {
        /// What is computed; for value propagation.
        kind: Reduce,
        /// Reduced dims stay as 1.
        keep_dims: bool,
        /// No axes means no reduction (ONNX).
        noop_with_empty_axes: bool,
    },
    /// `data` → index of the extreme along `axis`.
    ArgExtreme {
        /// Axis.
        axis: i64,
        /// The largest element counts, else the smallest.
        is_largest: bool,
        /// The reduced dim stays as 1.
        keep_dims: bool,
        /// Element type of the result.
        to: DType,
    },
    /// `scores` [N, C, d…], `labels` [N, d…], `weights?` → loss, then logarithms of probabilities like the scores.
    Loss {
        /// The scores are not yet logarithms of probabilities.
        has_softmax: bool,
        /// The loss is one number instead of one per label.
        is_reduced: bool,
    },

    // ---- moving data ----------------------------------------------------------------------------------------
    /// `data`, `pattern`.
    Reshape(ReshapeZero),
    /// `data`, `axes?` (absent: every dim of 1).
    Squeeze {
        /// Axes whose dim is not 1 are ignored instead of being an error (OpenVINO `allow_axis_skip`).
        allow_axis_skip: bool,
    },
    /// `data`, `axes`.
    Unsqueeze,
    /// `data`, `axis`: ONNX Runtime's, which copies.
    ExpandDims,
    /// `data` flattened to 2-D at `axis` (ONNX).
    Flatten {
        /// First axis of the second dim.
        axis: i64,
    },
    /// `data`, `order?` (absent: reversed).
    Transpose,
    /// `data`, `target_shape`, `axes_mapping?`.
    Broadcast(BroadcastMode),
    /// `data`, then by [`TileInputs`].
    Tile(TileInputs),
    /// `data`, then by [`PadInputs`].
    Pad(PadMode, PadInputs),
    /// `data`, `shape` of the axes: cut or padded evenly at both ends.
    CenterCropPad {
        /// The axes; `None`: all.
        axes: Option<Box<[i64]>>,
    },
    /// `data`, `condition` → what the condition keeps of the axis; data-dependent.
    Compress {
        /// Axis; `None`: data is flattened.
        axis: Option<i64>,
    },
    /// Any number of inputs.
    Concat {
        /// Axis.
        axis: i64,
    },
    /// `data`, `axis` → `parts` equal parts (the last may be smaller if `allow_uneven`).
    Split {
        /// Number of outputs.
        parts: u32,
        /// ONNX `num_outputs`: chunks of ceil(dim / parts), the last one smaller.
        allow_uneven: bool,
    },
    /// `data`, `axis`, `lengths` (one may be -1).
    VariadicSplit,
    /// `data`, `start`, `stop`, `step`, `axes?`.
    Slice,
    /// `data`, `begin`, `end`, `strides?`.
    StridedSlice(Box<StridedSlice>),
    /// `data`, `indices`, `updates`, `axis?` → data's shape.
    Scatter(Scatter),
    /// `data`, `indices`, `axis`.
    Gather {
        /// Leading dims that data and indices share.
        batch_dims: i64,
    },
    /// `data` of packed blocks, `indices`, `scales`, … → rows of the scales' type.
    GatherQuantized {
        /// Axis of the rows.
        axis: i64,
        /// Bits of an element; several may be in one of the data's bytes, along the last dim.
        bits: i64,
    },
    /// `data`, `indices` (same rank) → indices' shape.
    GatherElements,
    /// `data`, `indices`.
    GatherNd {
        /// Leading dims that data and indices share.
        batch_dims: i64,
        /// OpenVINO opset5: batch dims are multiplied into one.
        flatten_batch_dims: bool,
    },
    /// `step_ids`, … → step_ids' shape.
    GatherTree,
    /// `data`, `shift`, `axes` → data's shape.
    Roll,
    /// `data`, `axis` → data's shape.
    Reverse {
        /// The second input marks each axis instead of naming some.
        by_mask: bool,
    },
    /// `data` → data's shape.
    ShuffleChannels {
        /// Axis.
        axis: i64,
        /// Parts that the axis is split into.
        groups: i64,
    },
    /// `data`, `updates`, `start`, `stop`, `step`, `axes?` → data's shape.
    SliceScatter,
    /// `past`, `update`, `write_indices?` → past's shape.
    TensorScatter {
        /// Axis of the sequence.
        axis: i64,
    },
    /// `data`, `diagonal?` → data's shape with zeros on one side.
    Trilu {
        /// The upper triangle stays, else the lower.
        is_upper: bool,
    },
    /// `tokens`, `scores` → scores' shape.
    NGramRepeatBlock {
        /// Length of the repeats that are forbidden.
        size: i64,
    },
    /// `data`, `block_size` → depth to space.
    DepthToSpace {
        /// Block.
        block_size: i64,
    },
    /// `data` → space to depth.
    SpaceToDepth {
        /// Block.
        block_size: i64,
    },
    /// `data`, `block_shape`, `crops_begin`, `crops_end`.
    BatchToSpace,
    /// `data`, `block_shape`, `pads_begin`, `pads_end`.
    SpaceToBatch,
    /// `data` [N, C, H, W] → patches.
    ExtractImagePatches(Box<Pool>),
    /// `data` [N, C·kernel, L], `output_size`, `kernel_size`.
    Col2Im(Box<Pool>),
    /// `data` → [N, C·stride², H/stride, W/stride].
    ReorgYolo {
        /// Stride.
        stride: i64,
    },
    /// `data` → dims as `shape::rules::detection` says.
    RegionYolo(Box<RegionYolo>),

    // ---- shape and index sources ----------------------------------------------------------------------------
    /// `data` → its dims.
    ShapeOf {
        /// Element type of the result.
        to: DType,
        /// First dim (ONNX `start`), may be negative.
        start: i64,
        /// End of dims (ONNX `end`), may be negative; `None`: the rank.
        end: Option<i64>,
    },
    /// `data` → its number of elements, a scalar of i64 (ONNX `Size`).
    SizeOf,
    /// `start`, `stop`, `step`.
    Range {
        /// Element type of the result; `None`: that of the inputs.
        to: Option<DType>,
    },
    /// `data` → [rank, count]; data-dependent.
    NonZero {
        /// Element type of the indices.
        to: DType,
    },
    /// `data`, `axis?` → values, first indices, inverse indices, counts; data-dependent.
    Unique {
        /// Element type of indices.
        index_type: DType,
        /// Element type of counts.
        count_type: DType,
    },
    /// `data` → values, inverse indices, counts, of i64; data-dependent (ONNX Runtime).
    UniqueOfVector,
    /// `data`, `k` → values, indices.
    TopK {
        /// Axis.
        axis: i64,
        /// Element type of the indices.
        index_type: DType,
        /// Results are sorted, equal ones by their index: from the largest, or from the smallest.
        largest_first: Option<bool>,
    },
    /// `indices`, `depth`, `on`, `off`.
    OneHot {
        /// Axis of the new dim.
        axis: i64,
    },
    /// `rows`, `columns`, `diagonal`, `batch_shape?`.
    Eye {
        /// Element type of the result.
        to: DType,
    },
    /// `shape` (then bounds) → that shape.
    FromShape {
        /// Element type of the result; `None`: that of the second input.
        to: Option<DType>,
        /// What the elements are.
        fill: Fill,
    },
    /// `data` → random numbers of data's shape.
    RandomUniformLike {
        /// Element type of the result; `None`: data's.
        to: Option<DType>,
    },
    /// `data` → random numbers of data's shape.
    RandomNormalLike {
        /// Element type of the result; `None`: data's.
        to: Option<DType>,
    },
    /// `probabilities` → 0 or 1, of their shape.
    Bernoulli {
        /// Element type of the result; `None`: data's.
        to: Option<DType>,
    },
    /// `data` [rows, columns] → ones on a diagonal.
    EyeLike {
        /// Element type of the result; `None`: data's.
        to: Option<DType>,
    },
    /// `probabilities` [.., classes], `num_samples` → [.., samples].
    Multinomial {
        /// Element type of the result.
        to: DType,
    },
    /// `data`, `buckets` → data's shape.
    Bucketize {
        /// Element type of the result.
        to: DType,
    },
    /// `bins`, `dft_length`, … → [dft_length / 2 + 1, bins].
    MelWeightMatrix {
        /// Element type of the result.
        to: DType,
    },
    /// `sorted`, `values` → values' shape.
    SearchSorted {
        /// Element type of the result.
        to: DType,
    },

    // ---- images and detection -------------------------------------------------------------------------------
    /// `data`, then by [`Interpolate::form`].
    Interpolate(Box<Interpolate>),
    /// `data`, `grid`.
    GridSample,
    /// `theta` [N, n, n + 1], `size` [N, C, d…] → [N, d…, n].
    AffineGrid,
    /// Encoded `bytes` → [height, width, channels]; data-dependent.
    ImageDecoder {
        /// Channels of a pixel.
        channels: i64,
    },
    /// `image` (one plane or several) → RGB / BGR.
    YuvToRgb {
        /// All planes come in one tensor of 3/2 the height.
        single_plane: bool,
    },
    /// RGB / BGR `image` [N, H, W, 3] → NV12: one plane of 3/2 the height, or luma and colour planes.
    RgbToNv12 {
        /// All planes go to one tensor.
        single_plane: bool,
    },
    /// ROI and detection operators; see `shape::rules::detection`.
    Detection(Box<Detection>),
    /// `output_size`, `image_size`.
    PriorBox(Box<PriorBox>),

    // ---- recurrent ------------------------------------------------------------------------------------------
    /// Cells and sequences of RNN, GRU, LSTM; inputs as in OpenVINO.
    Recurrent(Box<Recurrent>),

    // ---- attention ------------------------------------------------------------------------------------------
    /// `query` [.., L, E], `key` [.., S, E], `value` [.., S, Ev], `mask?`, `scale?`, `sink?`.
    ScaledDotProductAttention {
        /// Causal mask is implied.
        causal: bool,
    },
    /// `query`, `key?`, `value?`, `past_key?`, `past_value?`, `total_length?`, further inputs → output, present key,
    /// present value, scores; see `shape::rules::multi_head`.
    MultiHeadAttention(Box<MultiHeadAttention>),
    /// `data` [.., k], `weights` [k, q + k + v], `past?` [2, B, heads, P, size] → [.., v], present.
    AttentionOfWeights(Box<AttentionOfWeights>),
    /// `query` [B, L, ·], `key`, `value`, `state?`, … → [B, L, ·], state [B, heads, dk, dv].
    LinearAttention {
        /// Heads of the query.
        query_heads: i64,
        /// Heads of key and value.
        kv_heads: i64,
    },
    /// OpenVINO's `PagedAttentionExtension`; inputs in its order.
    PagedAttention,
    /// `query`, `key`, `value`, `key_cache`, `value_cache`, … → query's shape, and the caches (ONNX Runtime).
    PagedAttentionOfCache,
    /// `query`, `key`, `value`, … without padding → value's shape (ONNX Runtime).
    PackedMultiHeadAttention,
    /// `data`, … → data's shape (ONNX Runtime).
    LongformerAttention,
    /// `data`, `router`, weights of the experts … → data's shape.
    MoE {
        /// Experts that each token goes to.
        top_k: i64,
    },
    /// As [`Op::MoE`], with quantised weights.
    QMoE {
        /// Experts that each token goes to.
        top_k: i64,
        /// Bits of a weight.
        bits: i64,
        /// Weights of a row that share a scale; 0: all.
        block_size: i64,
        /// Products are of integers (`accuracy_level` 4).
        as_integers: bool,
    },
    /// `data`, then by format positions, sines and cosines → data's shape.
    RotaryEmbedding {
        /// Pairs are neighbours instead of halves.
        is_interleaved: bool,
        /// Dims of a head that are rotated; 0: all.
        dims: i64,
    },
    /// `data`, positions of several axes … → data's shape (ONNX Runtime).
    MRotaryEmbedding {
        /// Pairs are neighbours instead of halves.
        is_interleaved: bool,
    },
    /// Rotary embedding of one tensor; internal op of execution graphs and fusions.
    Rope(Box<Rope>),
    /// `ids` [B, L], `segments?`, `table` [V, H], … → [B, L, H] of the table's type, `[B]` of i32, [B, L, H].
    Embedded,
    /// Root-mean-square norm: `data`, `gamma`.
    Rms,

    // ---- signal, text, sequences ----------------------------------------------------------------------------
    /// `data` [.., 2], `axes`, `signal_size?`.
    Dft(Dft),
    /// `signal`, `window`, `frame_size`, `frame_step`.
    Stft {
        /// Frequencies come before frames.
        transpose_frames: bool,
    },
    /// `data`, `window`, `frame_size`, `frame_step`, `length?`.
    Istft {
        /// Frames are centred, so half a window is cut at both ends.
        center: bool,
    },
    /// ONNX's Fourier transforms, over [.., 1] or [.., 2].
    Spectrum(Spectrum),
    /// Sequences of tensors; see `shape::rules::list`.
    List(List),
    /// A step of training: rate, count, tensors, their gradients and states → tensors and states.
    Optimizer {
        /// Which method.
        kind: Optimizer,
        /// Tensors that are trained.
        tensors: u32,
    },
    /// Inputs that gradients are asked for come first → their gradients.
    Gradient,
    /// ONNX's operators over features and texts; see `shape::rules::features`.
    Features(Box<Features>),
    /// Embedding bags; see `shape::rules::embedding`.
    EmbeddingBag(EmbeddingBag),
    /// `data`, `segment_ids`, `num_segments?`.
    SegmentMax,
    /// `values`, `dense_shape`, `indices`, `default` → dense rows.
    SparseFillEmptyRows,
    /// CTC decoders and loss; see `shape::rules::sequence`.
    Ctc(Ctc),
    /// `data`, `lengths` → data's shape.
    ReverseSequence,
    /// `begins`, `ends`, `chars` → strings of the begins' shape.
    StringTensorPack,
    /// `strings` → begins, ends, chars.
    StringTensorUnpack,
}

impl Op {
    /// Whether no shape rule covers it, so that its outputs take the shapes that the file declares.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.kind().is_opaque()
    }
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

/// A constant's bytes: where they are, and their value if it is small.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Which bytes of which file; `None` for constants that readers add.
    pub range: Option<WeightRange>,
    /// The elements, where they are few, readable and of a type that drives shapes.
    pub value: Option<Box<Value>>,
}

/// A byte range of a weights file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightRange {
    /// Number of the file in [`Graph::weight_files`](super::Graph::weight_files).
    pub file: u32,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// What a variable holds, as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// The file's id of the variable.
    pub name: String,
    /// Declared shape.
    pub shape: PartialShape,
    /// Element type.
    pub dtype: DType,
}
