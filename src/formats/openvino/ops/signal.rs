//! Fourier transforms.

use super::{Entry, op};
use crate::graph::Op;
use crate::graph::op::Dft;

pub(super) const TABLE: &[Entry] = &[
    op("DFT", 7, |_| Ok(Op::Dft(Dft::Dft))),
    op("IDFT", 7, |_| Ok(Op::Dft(Dft::Idft))),
    op("RDFT", 9, |_| Ok(Op::Dft(Dft::Rdft))),
    op("IRDFT", 9, |_| Ok(Op::Dft(Dft::Irdft))),
    op("STFT", 15, |layer| Ok(Op::Stft { transpose_frames: layer.flag("transpose_frames", false)? })),
    op("ISTFT", 16, |layer| Ok(Op::Istft { center: layer.flag("center", false)? })),
];
