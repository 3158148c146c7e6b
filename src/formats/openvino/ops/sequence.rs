//! Embedding bags, CTC, segments and strings.

use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Ctc, EmbeddingBag};

pub(super) const TABLE: &[Entry] = &[
    op("EmbeddingBagOffsetsSum", 3, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Offsets))),
    op("EmbeddingBagOffsets", 15, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Offsets))),
    op("EmbeddingBagPackedSum", 3, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Packed))),
    op("EmbeddingBagPacked", 15, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Packed))),
    op("EmbeddingSegmentsSum", 3, |_| Ok(Op::EmbeddingBag(EmbeddingBag::Segments))),
    op("SegmentMax", 16, |_| Ok(Op::SegmentMax)),
    op("SparseFillEmptyRows", 16, |_| Ok(Op::SparseFillEmptyRows)),
    op("CTCGreedyDecoder", 1, |_| Ok(Op::Ctc(Ctc::GreedyDecoder))),
    op("CTCGreedyDecoderSeqLen", 6, |layer| {
        Ok(Op::Ctc(Ctc::GreedyDecoderSeqLen {
            classes_type: layer.dtype_or("classes_index_type", DType::I32)?,
            length_type: layer.dtype_or("sequence_length_type", DType::I32)?,
        }))
    }),
    op("CTCLoss", 4, |_| Ok(Op::Ctc(Ctc::Loss))),
    op("ReverseSequence", 1, |_| Ok(Op::ReverseSequence)),
    op("StringTensorPack", 15, |_| Ok(Op::StringTensorPack)),
    op("StringTensorUnpack", 15, |_| Ok(Op::StringTensorUnpack)),
];
