//! Signals, texts, features and sequences of tensors.

use super::OpKind;
use crate::DType;
use smallvec::SmallVec;

/// ONNX's Fourier transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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

/// Attributes of [`Op::Features`](super::Op::Features).
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Which operator it is: one of the family [`Family::Features`](super::Family::Features).
    pub kind: OpKind,
    /// The dims and types of its outputs, which its attributes fix.
    pub outputs: FeatureOutputs,
}

/// The outputs of operators over features and texts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FeatureOutputs {
    /// `data` → the same dims, of this type; `None`: data's.
    AsData(Option<DType>),
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
#[non_exhaustive]
pub enum Dft {
    Dft,
    Idft,
    Rdft,
    Irdft,
}

/// Embedding bags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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

/// Methods of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are those of the operators.
#[non_exhaustive]
pub enum Optimizer {
    Adagrad,
    Adam,
    Momentum,
}
