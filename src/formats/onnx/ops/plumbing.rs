//! Constants and control flow.

use super::{Entry, Make, STANDARD, op};
use crate::graph::Op;
use crate::graph::OpKind as K;

pub(super) const TABLE: &[Entry] = &[
    special(&[K::Constant], "Constant", 1, Make::Constant),
    special(&[K::ConstantOfShape], "ConstantOfShape", 9, Make::FilledShape),
    special(&[K::If], "If", 1, Make::If),
    special(&[K::Loop], "Loop", 1, Make::Loop),
    special(&[K::Scan], "Scan", 8, Make::Scan),
    special(&[K::Scan], "Scan", 9, Make::Scan),
    special(&[K::SequenceMap], "SequenceMap", 17, Make::SequenceMap),
    op(&[K::Identity], "Identity", 1, |_| Ok(Op::Identity.into())),
];

const fn special(kinds: &'static [K], type_name: &'static str, since: i64, make: Make) -> Entry {
    Entry { kinds, domain: STANDARD, type_name, since, make }
}
