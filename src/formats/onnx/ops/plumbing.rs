//! Constants and control flow.

use super::{Entry, Make, STANDARD, op};
use crate::graph::Op;

pub(super) const TABLE: &[Entry] = &[
    special("Constant", 1, Make::Constant),
    special("ConstantOfShape", 9, Make::FilledShape),
    special("If", 1, Make::If),
    special("Loop", 1, Make::Loop),
    special("Scan", 8, Make::Scan),
    special("Scan", 9, Make::Scan),
    special("SequenceMap", 17, Make::SequenceMap),
    op("Identity", 1, |_| Ok(Op::Identity.into())),
];

const fn special(type_name: &'static str, since: i64, make: Make) -> Entry {
    Entry { domain: STANDARD, type_name, since, make }
}
