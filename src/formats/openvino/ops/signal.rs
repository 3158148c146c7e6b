//! Fourier transforms.

use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Dft;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Dft], "DFT", 7, |_| Ok(Op::Dft(Dft::Dft))),
    op(&[K::Idft], "IDFT", 7, |_| Ok(Op::Dft(Dft::Idft))),
    op(&[K::Rdft], "RDFT", 9, |_| Ok(Op::Dft(Dft::Rdft))),
    op(&[K::Irdft], "IRDFT", 9, |_| Ok(Op::Dft(Dft::Irdft))),
    op(&[K::Stft], "STFT", 15, |layer| {
        Ok(Op::Stft { transpose_frames: layer.flag("transpose_frames", false)? })
    }),
    op(&[K::Istft], "ISTFT", 16, |layer| Ok(Op::Istft { center: layer.flag("center", false)? })),
];
