//! Random numbers.

use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Fill;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::RandomUniform], "RandomUniform", 8, |layer| {
        Ok(Op::FromShape { to: Some(layer.dtype("output_type")?), fill: Fill::Uniform })
    }),
    op(&[K::Multinomial], "Multinomial", 13, |layer| {
        Ok(Op::Multinomial { to: layer.dtype("convert_type")? })
    }),
];
