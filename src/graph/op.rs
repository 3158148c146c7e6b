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
//! An operator that no variant covers is [`Op::Opaque`].

use super::{Graph, PartialShape, Value, VariableId};
use crate::DType;
use smallvec::SmallVec;

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
    /// Number of the file in [`Graph::weight_files`].
    pub file: u32,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// Element-wise operators with one data input. Those that value propagation computes are named; all others are
/// [`Unary::Other`], since only the shape matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum Unary {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    BitwiseNot,
    Celu,
    Ceiling,
    Clamp,
    Cos,
    Cosh,
    Elu,
    Erf,
    ErfInv,
    Exp,
    Floor,
    Gelu,
    HardSigmoid,
    HSigmoid,
    HSwish,
    LeakyRelu,
    Log,
    LogicalNot,
    Mish,
    Negative,
    Reciprocal,
    Relu,
    Round,
    Selu,
    Shrink,
    Sigmoid,
    Sign,
    Sin,
    Sinh,
    SoftPlus,
    SoftSign,
    Sqrt,
    Swish,
    Tan,
    Tanh,
    ThresholdedRelu,
    /// Boolean result.
    IsFinite,
    /// Boolean result.
    IsInf,
    /// Boolean result.
    IsNan,
    /// Any other operator that keeps shape and type.
    Other,
}

/// Element-wise operators with two inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    /// Integers round down (OpenVINO's `m_pythondiv`, the default).
    Divide,
    /// Integers round towards zero (ONNX `Div`, OpenVINO's `m_pythondiv="false"`).
    TruncatedDivide,
    FloorMod,
    Maximum,
    Minimum,
    Mod,
    Power,
    SquaredDifference,
    Mean,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    BitwiseLeftShift,
    BitwiseRightShift,
    /// Boolean result, as all that follow.
    LogicalAnd,
    LogicalOr,
    LogicalXor,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Binary {
    /// Whether the result is boolean, whatever the inputs are.
    #[must_use]
    pub fn is_boolean(self) -> bool {
        use Binary::*;
        matches!(
            self,
            LogicalAnd
                | LogicalOr
                | LogicalXor
                | Equal
                | NotEqual
                | Less
                | LessEqual
                | Greater
                | GreaterEqual
        )
    }
}

/// How shapes of an element-wise operator are made equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broadcast {
    /// They must be equal already.
    None,
    /// Both ways, aligned at the last dim (NumPy).
    Numpy,
    /// The second into the first, aligned at `axis` (-1: at the last dim).
    Pdpd(i64),
}

/// The mode of [`Op::Broadcast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BroadcastMode {
    /// Data into target, aligned at the last dim.
    Numpy,
    /// Both ways, aligned at the last dim (ONNX `Expand`).
    Bidirectional,
    /// The third input maps data's dims to the target's.
    Explicit,
    /// Data into target, aligned at `axis` (-1: at the last dim).
    Pdpd(i64),
}

/// What a 0 in the pattern of [`Op::Reshape`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReshapeZero {
    /// The data's dim at the same place, counted from the front, or (after a -1) as OpenVINO counts it.
    CopiesDim,
    /// A dim of 0.
    IsZero,
}

/// Operators whose first output has the shape and type of their first input. Told apart for fusions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum SameAsInput {
    BatchNorm,
    /// Inclusive and forwards; [`SameAsInput::Other`] if exclusive or reversed.
    CumSum,
    GroupNorm,
    Grn,
    InstanceNorm,
    LayerNorm,
    LogSoftmax,
    LpNorm,
    Lrn,
    Mvn,
    NormalizeL2,
    Roll,
    ShuffleChannels,
    SliceScatter,
    Softmax,
    Hardmax,
    Trilu,
    /// Any other.
    Other,
}

/// One output of [`Op::LikeInputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Like {
    /// Its dims.
    pub dims: LikeDims,
    /// Its element type.
    pub dtype: ElementType,
}

/// The dims of an output of [`Op::LikeInputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LikeDims {
    /// Those of the input of this number.
    Input(u32),
    /// Those of the first input, with 1 at `axis` and all that follow: statistics of a normalisation.
    ReducedFrom(i64),
    /// None.
    Scalar,
}

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
    /// What is computed; it reads the inputs as if they were not quantised.
    pub op: Op,
    /// Element type of the first output.
    pub to: ElementType,
}

/// What a `Pad` surrounds its data with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// One value throughout: that of an input, or 0 without it.
    Constant,
    /// Edges or reflections of the data, or a value that no input holds.
    Other,
}

/// Padding rule of convolutions and pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AutoPad {
    /// Pads as given.
    #[default]
    Explicit,
    /// Output = ceil(input / stride), the odd pad at the end.
    SameUpper,
    /// Output = ceil(input / stride), the odd pad at the beginning.
    SameLower,
    /// No pads.
    Valid,
}

/// Strides and pads over the spatial dims; an empty list means 1s (strides, dilations) or 0s (pads).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// Step per spatial dim.
    pub strides: Ints,
    /// Distance of taps per spatial dim.
    pub dilations: Ints,
    /// Padding before.
    pub pads_begin: Ints,
    /// Padding after.
    pub pads_end: Ints,
    /// Padding rule.
    pub auto_pad: AutoPad,
}

/// Attributes of [`Op::Convolution`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Convolution {
    /// Strides and pads.
    pub window: Window,
    /// How the output channels are to be read off the filters.
    pub filters: FilterLayout,
}

/// Layout of convolution filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FilterLayout {
    /// [O, I, kernel…] (backprop: [I, O, kernel…]).
    #[default]
    Plain,
    /// [G, O, I, kernel…] (backprop: [G, I, O, kernel…]), as OpenVINO's GroupConvolution.
    Grouped,
    /// [O, I / groups, kernel…] (backprop: [I, O / groups, kernel…]), as ONNX with `group`.
    Flat {
        /// Number of groups.
        groups: i64,
    },
}

/// Attributes of [`Op::ConvolutionBackpropData`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ConvolutionBackprop {
    /// Strides and pads.
    pub window: Window,
    /// How the output channels are to be read off the filters.
    pub filters: FilterLayout,
    /// Added to the output's spatial dims.
    pub output_padding: Ints,
}

/// Attributes of pools and patch extraction.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pool {
    /// Kernel per spatial dim.
    pub kernel: Ints,
    /// Strides and pads.
    pub window: Window,
    /// Rounding of the output size.
    pub rounding: Rounding,
    /// Element type of the second output's indices; `None`: one output.
    pub indices: Option<DType>,
}

/// Rounding of a pool's output size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// Down.
    #[default]
    Floor,
    /// Up.
    Ceil,
    /// Up, but a window that starts in the end padding is dropped (PyTorch).
    CeilTorch,
}

/// What a [`Op::Reduce`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum Reduce {
    L1,
    L2,
    LogicalAnd,
    LogicalOr,
    LogSum,
    LogSumExp,
    Max,
    Mean,
    Min,
    Prod,
    Sum,
    SumSquare,
}

/// What a [`Op::Scatter`] writes; told apart for value propagation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scatter {
    /// Whole slices of `axis` (an input), one per index: OpenVINO `ScatterUpdate`.
    Slices,
    /// Single elements along `axis` (an input), one per index, without reduction.
    Elements,
    /// Slices at the tuples in the indices' last dim, without reduction.
    Nd,
    /// With a reduction, or anything else.
    Other,
}

/// Masks of [`Op::StridedSlice`]: one entry per dim of the slice spec, empty means all 0.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StridedSlice {
    /// 1: begin of this dim is ignored.
    pub begin_mask: Ints,
    /// 1: end of this dim is ignored.
    pub end_mask: Ints,
    /// 1: a dim of 1 is inserted here.
    pub new_axis_mask: Ints,
    /// 1: the dim is cut to one element and dropped.
    pub shrink_axis_mask: Ints,
    /// 1: stands for all dims not spelt out.
    pub ellipsis_mask: Ints,
}

/// Attributes of [`Op::RegionYolo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionYolo {
    /// First flattened axis (with softmax).
    pub axis: i64,
    /// Last flattened axis.
    pub end_axis: i64,
    /// Coordinates per box.
    pub coords: i64,
    /// Classes.
    pub classes: i64,
    /// Boxes per cell where `do_softmax`.
    pub num: i64,
    /// Whether dims are flattened.
    pub do_softmax: bool,
    /// Length of the mask: boxes per cell where not `do_softmax`.
    pub mask_len: i64,
}

/// Attributes of [`Op::Interpolate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Interpolate {
    /// Which inputs there are.
    pub form: InterpolateForm,
    /// Padding of every dim before scaling.
    pub pads_begin: Ints,
    /// Padding of every dim after.
    pub pads_end: Ints,
}

/// Inputs of [`Op::Interpolate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterpolateForm {
    /// OpenVINO opset1: `data`, `target_spatial_shape`; the axes are an attribute.
    Opset1 {
        /// Axes that are resized.
        axes: Ints,
    },
    /// OpenVINO opset4: `data`, `sizes`, `scales`, `axes?`.
    Opset4 {
        /// `sizes` count, else `scales`.
        by_sizes: bool,
    },
    /// OpenVINO opset11: `data`, `sizes or scales`, `axes?`.
    Opset11 {
        /// The second input is sizes, else scales.
        by_sizes: bool,
    },
    /// ONNX Resize: `data`, `roi?`, `scales?`, `sizes?`.
    Onnx {
        /// Axes that are resized; `None`: all.
        axes: Option<Ints>,
        /// `keep_aspect_ratio_policy`: 0 stretch, 1 not larger, 2 not smaller.
        policy: u8,
        /// Scales apply to the ROI instead of the whole dim.
        crop_and_resize: bool,
    },
}

/// ROI and detection operators, with the attributes that their output shapes need.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Attribute names are those of the operators' specifications.
pub enum Detection {
    DetectionOutput {
        num_classes: i64,
        share_location: bool,
        keep_top_k: Ints,
        top_k: i64,
        background_label_id: i64,
        code_with_offsets: bool,
    },
    ExperimentalDetectionOutput {
        max_detections_per_image: i64,
    },
    ExperimentalGenerateProposals {
        post_nms_count: i64,
    },
    ExperimentalPriorGrid {
        flatten: bool,
        h: i64,
        w: i64,
    },
    ExperimentalRoiFeatureExtractor {
        output_size: i64,
    },
    ExperimentalTopKRois {
        max_rois: i64,
    },
    GenerateProposals {
        post_nms_count: i64,
        roi_num_type: DType,
    },
    MatrixNms {
        nms_top_k: i64,
        keep_top_k: i64,
        background_class: i64,
        output_type: DType,
        static_output: bool,
    },
    MulticlassNms {
        nms_top_k: i64,
        keep_top_k: i64,
        background_class: i64,
        output_type: DType,
        static_output: bool,
    },
    /// Inputs: boxes, scores, max_output_boxes_per_class?, …; three outputs (one if `indices_only`). With
    /// `static_output` the size is exact: internal operators, or with `indices_only` opset 1 and 3.
    NonMaxSuppression {
        output_type: DType,
        indices_only: bool,
        rotated: bool,
        static_output: bool,
    },
    Proposal {
        post_nms_topn: i64,
        has_scores: bool,
    },
    PsRoiPooling {
        output_dim: i64,
        group_size: i64,
    },
    DeformablePsRoiPooling {
        output_dim: i64,
        group_size: i64,
    },
    RoiAlign {
        pooled_h: i64,
        pooled_w: i64,
    },
    RoiPooling {
        pooled_h: i64,
        pooled_w: i64,
    },
    /// `data`, `regions`, `batch_indices`, `size` (two numbers).
    CropAndResize,
}

/// Attributes of [`Op::PriorBox`], plain and clustered.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorBox {
    /// Boxes per cell, as the reader counts them from sizes and ratios.
    pub boxes_per_cell: i64,
    /// The output is [1, 2, boxes·4] (`ExperimentalDetectron`-style) instead of [2, boxes·4].
    pub leading_one: bool,
}

/// RNN, GRU, LSTM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrent {
    /// Which kind.
    pub kind: RecurrentKind,
    /// One step, or a sequence.
    pub is_sequence: bool,
    /// H.
    pub hidden_size: i64,
    /// Number of directions (1 or 2).
    pub directions: i64,
    /// Whose input order and layout.
    pub form: RecurrentForm,
}

/// Kind of recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum RecurrentKind {
    Rnn,
    Gru,
    Lstm,
}

/// Input order and layout of [`Op::Recurrent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecurrentForm {
    /// OpenVINO: X [B, T, I], H0 [B, D, H], …; Y [B, D, T, H].
    OpenVino,
    /// ONNX: X [T, B, I]; Y [T, D, B, H], Y_h [D, B, H]; `layout` 1 puts the batch first.
    Onnx {
        /// Batch is the first dim of everything.
        batch_first: bool,
    },
}

/// Attributes of [`Op::Rope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rope {
    /// Input is [B, N, H, S], output [B, H, N, S].
    pub input_trans0213: bool,
    /// Output is [B, H, N, S] of an input [B, N, H, S] (other flavours; ChatGLM's with two dims of positions).
    pub output_trans0213: bool,
    /// Input is [.., .., features], of which heads are split off (Qwen, ChatGLM).
    pub splits_heads: bool,
    /// Slice of the last dim before rotation; both 0: none.
    pub slice_start: i64,
    /// End of the slice.
    pub slice_stop: i64,
    /// Heads, for flavours that split the last dim.
    pub head_count: i64,
    /// Head size, for flavours that split the last dim.
    pub head_size: i64,
}

/// Attributes of [`Op::MultiHeadAttention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiHeadAttention {
    /// Heads of the query; 0 where the query has four dims, and shows them.
    pub query_heads: i64,
    /// Heads of key and value; 0: as many as the query's.
    pub kv_heads: i64,
    /// How long present key and value are.
    pub cache: CacheLength,
    /// What a kernel's choice of algorithm depends on.
    pub traits: AttentionTraits,
}

/// What is computed within an attention; no shape depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttentionTraits {
    /// Query and key are rotated within.
    pub is_rotated: bool,
    /// No token sees a later one, which the operator says itself.
    pub is_causal: bool,
    /// Scores are capped, have a sink, or are returned: they are written out whole.
    pub writes_scores: bool,
}

/// Weights in blocks along their columns, each block with a scale of its own (`MatMulNBits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBlocks {
    /// Columns.
    pub columns: i64,
    /// Bits of a number.
    pub bits: i64,
    /// Numbers in a block.
    pub block_size: i64,
    /// The data is quantised to i8 first (`accuracy_level` 4).
    pub as_integers: bool,
}

/// How long present key and value of an attention are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLength {
    /// Past and new tokens.
    Appended,
    /// As long as the past's buffer, or the total length where that is more.
    Shared,
    /// As long as the past's buffer, whose oldest tokens go.
    Window,
}

/// Attributes of [`Op::AttentionOfWeights`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionOfWeights {
    /// Heads.
    pub heads: i64,
    /// Widths of query, key and value; empty: a third of the weights each.
    pub widths: Ints,
    /// No token sees a later one.
    pub is_causal: bool,
}

/// ONNX's Fourier transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spectrum {
    /// `data`, `length?`, `axis?`.
    Dft {
        /// The half that the other mirrors is left out, or with `is_inverse` expected to be.
        is_onesided: bool,
        /// Back to the signal.
        is_inverse: bool,
    },
    /// `signal` [B, L, ·], `step`, `window?`, `length?` → [B, frames, bins, 2].
    Stft {
        /// The half that the other mirrors is left out.
        is_onesided: bool,
    },
}

/// Operators over sequences of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Nothing in → no elements.
    Empty {
        /// Element type.
        to: DType,
    },
    /// Tensors → a sequence of them.
    Construct,
    /// `sequence`, `tensor`, `position?` → one more.
    Insert,
    /// `sequence`, `position?` → one less.
    Erase,
    /// `sequence`, `position` → tensor.
    At,
    /// `sequence` → number of tensors.
    Length,
    /// `sequence` → one tensor.
    Concat {
        /// Axis.
        axis: i64,
        /// The axis is a new one.
        is_new: bool,
    },
    /// `data`, `lengths?` → parts.
    Split {
        /// Axis.
        axis: i64,
        /// Parts of one, without lengths, keep the axis.
        keeps_dim: bool,
    },
}

/// Operators over features and texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// `data` [N, features] → per output `[N]` or `[N, columns]`.
    PerRow(SmallVec<[(Option<u64>, DType); 2]>),
    /// `data` → one more dim of this size.
    OneMoreDim(u64, DType),
    /// `data`, `indices` → the last dim has one entry per index.
    Extract,
    /// `data` `[C]` or `[N, C]` → `[columns]` or `[N, columns]`.
    LastDim(u64, DType),
    /// A map → [1, columns].
    Row(u64, DType),
    /// `data` → the same or, if some may be dropped, fewer.
    Texts {
        /// Some texts may be dropped.
        drops: bool,
    },
    /// `data` → the same dims and one of the parts; number of parts.
    SplitTexts {
        /// Largest number of parts; `None`: as many as there are.
        most: Option<u64>,
    },
    /// `data` → the same dims, texts becoming integers, and integers texts.
    Relabel,
}

/// Fourier transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the standard ones of the field.
pub enum Dft {
    Dft,
    Idft,
    Rdft,
    Irdft,
}

/// Embedding bags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingBag {
    /// `table`, `indices`, `offsets`, …: one row per offset.
    Offsets,
    /// `table`, `indices` [bags, n], …: one row per bag.
    Packed,
    /// `table`, `indices`, `segment_ids`, `num_segments`, …: one row per segment.
    Segments,
}

/// CTC operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ctc {
    /// Greedy decoder: `data` [T, N, C], `mask` → [N, T, 1, 1].
    GreedyDecoder,
    /// Greedy decoder with lengths: `data` [N, T, C], … → [N, T], `[N]`.
    GreedyDecoderSeqLen {
        /// Element type of classes.
        classes_type: DType,
        /// Element type of lengths.
        length_type: DType,
    },
    /// Loss: `logits` [N, T, C], … → `[N]`.
    Loss,
}

/// Attributes of [`Op::If`]. Input 0 is the condition; each map gives, per body parameter, the node's input.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// Body of a true condition.
    pub then_body: Graph,
    /// Body of a false condition.
    pub else_body: Graph,
    /// (node input, then-body parameter number).
    pub then_inputs: Vec<(u32, u32)>,
    /// (node input, else-body parameter number).
    pub else_inputs: Vec<(u32, u32)>,
    /// (then-body result number, node output).
    pub then_outputs: Vec<(u32, u32)>,
    /// (else-body result number, node output).
    pub else_outputs: Vec<(u32, u32)>,
}

/// `Loop`, `TensorIterator` and `Scan`: a body run several times.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// The body.
    pub body: Graph,
    /// How each node input enters the body.
    pub inputs: Vec<LoopInput>,
    /// How body results leave.
    pub outputs: Vec<LoopOutput>,
    /// Node input with the trip count, if there is one.
    pub trip_count: Option<u32>,
    /// Node input with the first condition, if there is one.
    pub condition: Option<u32>,
    /// Body parameter that receives the iteration number, if there is one.
    pub iteration_parameter: Option<u32>,
    /// Body result with the condition to go on, if there is one.
    pub condition_result: Option<u32>,
}

/// One input of a [`Loop`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopInput {
    /// Node input.
    pub input: u32,
    /// Body parameter number.
    pub parameter: u32,
    /// How.
    pub kind: LoopInputKind,
}

/// How a value enters a loop's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoopInputKind {
    /// The same in every iteration.
    Invariant,
    /// The first from outside, then the body's result of this number.
    Carried {
        /// Body result number.
        result: u32,
    },
    /// A slice per iteration.
    Sliced(LoopSlice),
}

/// How a body's result leaves a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopOutput {
    /// Body result number.
    pub result: u32,
    /// Node output.
    pub output: u32,
    /// `None`: the value of the last iteration; else all iterations concatenated.
    pub concat: Option<LoopSlice>,
}

/// Slicing of a tensor over iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopSlice {
    /// Axis.
    pub axis: i64,
    /// First index; negative from the back.
    pub start: i64,
    /// Last index, OpenVINO's inclusive form; negative from the back.
    pub end: i64,
    /// Step; negative runs backwards.
    pub stride: i64,
    /// Indices per iteration.
    pub part_size: i64,
    /// The axis is dropped inside the body (ONNX Scan) instead of staying as `part_size`.
    pub drops_axis: bool,
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
