//! Inputs, outputs, constants, state and control flow.

use super::{Entry, Make, op};
use crate::graph::Op;

pub(super) const TABLE: &[Entry] = &[
    special("Parameter", 1, Make::Parameter),
    special("Result", 1, Make::Result),
    special("Const", 1, Make::Constant),
    special("Constant", 1, Make::Constant),
    special("ReadValue", 3, Make::ReadValue),
    special("ReadValue", 6, Make::ReadValue),
    special("Assign", 3, Make::Assign),
    special("Assign", 6, Make::Assign),
    special("If", 8, Make::If),
    special("Loop", 5, Make::Loop),
    special("TensorIterator", 1, Make::TensorIterator),
    op("Identity", 16, |_| Ok(Op::Identity)),
];

const fn special(type_name: &'static str, since: u8, make: Make) -> Entry {
    Entry { type_name, since, make, order: &[] }
}
