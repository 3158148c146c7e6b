//! Inputs, outputs, constants, state and control flow.

use super::{Entry, Make, op};
use crate::graph::Op;
use crate::graph::OpKind as K;

pub(super) const TABLE: &[Entry] = &[
    special(&[K::Parameter], "Parameter", 1, Make::Parameter),
    special(&[K::Result], "Result", 1, Make::Result),
    special(&[K::Constant], "Const", 1, Make::Constant),
    special(&[K::Constant], "Constant", 1, Make::Constant),
    special(&[K::ReadValue], "ReadValue", 3, Make::ReadValue),
    special(&[K::ReadValue], "ReadValue", 6, Make::ReadValue),
    special(&[K::Assign], "Assign", 3, Make::Assign),
    special(&[K::Assign], "Assign", 6, Make::Assign),
    special(&[K::If], "If", 8, Make::If),
    special(&[K::Loop], "Loop", 5, Make::Loop),
    special(&[K::TensorIterator], "TensorIterator", 1, Make::TensorIterator),
    op(&[K::Identity], "Identity", 16, |_| Ok(Op::Identity)),
];

const fn special(kinds: &'static [K], type_name: &'static str, since: u8, make: Make) -> Entry {
    Entry { kinds, type_name, since, make, order: &[] }
}
