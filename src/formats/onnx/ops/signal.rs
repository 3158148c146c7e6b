//! Fourier transforms.

use super::super::made::{Slot, with};
use super::{Entry, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Spectrum;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Dft], "DFT", 17, |layer| {
        let (is_onesided, is_inverse) = (layer.flag("onesided", false)?, layer.flag("inverse", false)?);
        let axis = Slot::Int(layer.int_or("axis", 1)?);
        Ok(with(
            Op::Spectrum(Spectrum::Dft { is_onesided, is_inverse }),
            [Slot::Input(0), Slot::Input(1), axis],
        ))
    }),
    op(&[K::Dft], "DFT", 20, |layer| {
        let (is_onesided, is_inverse) = (layer.flag("onesided", false)?, layer.flag("inverse", false)?);
        Ok(Op::Spectrum(Spectrum::Dft { is_onesided, is_inverse }).into())
    }),
    op(&[K::Stft], "STFT", 17, |layer| {
        Ok(Op::Spectrum(Spectrum::Stft { is_onesided: layer.flag("onesided", true)? }).into())
    }),
    op(&[K::MelWeightMatrix], "MelWeightMatrix", 17, |layer| {
        Ok(Op::MelWeightMatrix { to: layer.dtype("output_datatype")?.unwrap_or(DType::F32) }.into())
    }),
];
