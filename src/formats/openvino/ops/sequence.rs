//! Embedding bags, CTC, segments and strings.

use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{Ctc, EmbeddingBag};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::EmbeddingBagOffsets], "EmbeddingBagOffsetsSum", 3, |_| {
        Ok(Op::EmbeddingBag(EmbeddingBag::Offsets))
    }),
    op(&[K::EmbeddingBagOffsets], "EmbeddingBagOffsets", 15, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Offsets))),
    op(&[K::EmbeddingBagPacked], "EmbeddingBagPackedSum", 3, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Packed))),
    op(&[K::EmbeddingBagPacked], "EmbeddingBagPacked", 15, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Packed))),
    op(&[K::EmbeddingSegments], "EmbeddingSegmentsSum", 3, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Segments))),
    op(&[K::SegmentMax], "SegmentMax", 16, |_| Ok(Op::SegmentMax)),
    op(&[K::SparseFillEmptyRows], "SparseFillEmptyRows", 16, |_| Ok(Op::SparseFillEmptyRows)),
    op(&[K::CtcGreedyDecoder], "CTCGreedyDecoder", 1, |_| Ok(Op::Ctc(Ctc::GreedyDecoder))),
    op(&[K::CtcGreedyDecoderSeqLen], "CTCGreedyDecoderSeqLen", 6, |layer| {
        Ok(Op::Ctc(Ctc::GreedyDecoderSeqLen {
            classes_type: layer.dtype_or("classes_index_type", DType::I32)?,
            length_type: layer.dtype_or("sequence_length_type", DType::I32)?,
        }))
    }),
    op(&[K::CtcLoss], "CTCLoss", 4, |_| Ok(Op::Ctc(Ctc::Loss))),
    op(&[K::ReverseSequence], "ReverseSequence", 1, |_| Ok(Op::ReverseSequence)),
    op(&[K::StringTensorPack], "StringTensorPack", 15, |_| Ok(Op::StringTensorPack)),
    op(&[K::StringTensorUnpack], "StringTensorUnpack", 15, |_| Ok(Op::StringTensorUnpack)),
];
