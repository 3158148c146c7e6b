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
//! family are in a file of its own.

mod attention;
mod control;
mod convolution;
mod elementwise;
mod image;
mod movement;
mod recurrent;
mod reduction;
mod signal;

use super::{PartialShape, Value, VariableId};
use crate::DType;
use smallvec::SmallVec;

pub use attention::*;
pub use control::*;
pub use convolution::*;
pub use elementwise::*;
pub use image::*;
pub use movement::*;
pub use recurrent::*;
pub use reduction::*;
pub use signal::*;

/// A short list of integers: strides, axes, pads.
pub type Ints = SmallVec<[i64; 4]>;

/// What a runtime's own graph tells of a node beside its type and its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its place in the execution order, from 0.
    pub order: u32,
    /// Names of the layers that were fused into it.
    pub originals: Vec<Box<str>>,
    /// Memory layout of each output (`abcd` is plain, `acdb` channels-last).
    pub layouts: SmallVec<[Box<str>; 1]>,
    /// The chosen implementation, such as `brgemm_avx512_bf16`; it begins with `unknown` where nothing is computed.
    pub primitive: Box<str>,
    /// Type that attention state is stored in, on nodes that hold some.
    pub kv_cache_precision: Option<DType>,
}

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
    /// `init?` in; the variable's present content out.
    ReadValue(VariableId),
    /// `data` in; stored in the variable, and passed through.
    Assign(VariableId),
    /// No rule here: outputs take the shapes that the file declares.
    Opaque,
    /// A node of a runtime's own graph, already executed: outputs have the shapes that the file declares.
    Executed(Box<Executed>),

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
    Variadic(Binary),
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
    FakeQuantize(Broadcast),
    /// `data`, `scale`, `shift` → data's shape.
    FakeConvert,
    /// `data`, `slope` → data's shape.
    PRelu,
    /// `data` then any inputs → data's shape and type: normalisations, softmax, dropout at inference …
    SameAsInput(SameAsInput),
    /// Any inputs → one output per entry, each shaped like one of the inputs: what ONNX's normalisations, optimisers
    /// and quantising operators give.
    LikeInputs(Box<[Like]>),
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
    /// `a`, `b`, as of [`Op::MatMul`], where the dim before last of an operand may stand first.
    MovedMatMul {
        /// Last two dims of `a` are swapped, after the move.
        transpose_a: bool,
        /// Last two dims of `b` are swapped, after the move.
        transpose_b: bool,
        /// The first dim of `a` is meant to be its last but one.
        moves_a: bool,
        /// The first dim of `b` is meant to be its last but one.
        moves_b: bool,
    },
    /// `a` [m, k], `b` [k, n], `c?` (ONNX).
    Gemm {
        /// `a` is [k, m].
        transpose_a: bool,
        /// `b` is [n, k].
        transpose_b: bool,
    },
    /// `a` [.., k] by packed weights → [.., outputs].
    Linear {
        /// Rows of the weights as they are meant.
        outputs: i64,
        /// How the weights are packed; `None`: in a way that matters to no stage.
        blocks: Option<WeightBlocks>,
    },
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
    GlobalPool,
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
        /// The reduced dim stays as 1.
        keep_dims: bool,
        /// Element type of the result.
        to: DType,
    },

    /// `scores` [N, C, d…], `labels` [N, d…], `weights?` → loss, then logarithms of probabilities like the scores.
    Loss {
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
    /// `data` flattened to 2-D at `axis` (ONNX).
    Flatten {
        /// First axis of the second dim.
        axis: i64,
    },
    /// `data`, `order?` (absent: reversed).
    Transpose,
    /// `data`, `target_shape`, `axes_mapping?`.
    Broadcast(BroadcastMode),
    /// `data`, `repeats`.
    Tile,
    /// `data`, `repeats` of one axis, `axis`.
    TileAxis,
    /// `data`, `pads_begin`, `pads_end`, `value?`.
    Pad(PadMode),
    /// `data`, `pads` (all begins, then all ends), `value?`, `axes?` (absent: all): ONNX's form of [`Op::Pad`].
    PadAxes(PadMode),
    /// `data`, `shape` of the axes: cut or padded evenly at both ends.
    CenterCropPad {
        /// The axes; `None`: all.
        axes: Option<Ints>,
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
        /// Bits of an element; several may lie in one of the data's bytes, along the last dim.
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
        /// The value of every element, where it is known (ONNX `ConstantOfShape`).
        fill: Option<Box<Value>>,
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

/// A constant's bytes: where they are, and their value if it is small.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Which bytes of which file; `None` for constants that readers add.
    pub range: Option<WeightRange>,
    /// The elements, where they are few, readable and of a type that drives shapes.
    pub value: Option<Value>,
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
