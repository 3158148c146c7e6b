//! What each operator of the IR becomes: one table per family.
//!
//! A layer names the operator set that introduced its operator, or a later one that contains it: the entry that
//! counts is the newest that is no newer than the layer's set.
//!
//! Source: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets.html>, opset1 to opset17.

mod attention;
mod convolution;
mod detection;
mod elementwise;
mod gather;
mod image;
mod matmul;
mod movement;
mod normalization;
mod plumbing;
mod random;
mod recurrent;
mod reduction;
mod sequence;
mod signal;
mod source;

use super::attributes::{Attributes, Result};
use crate::graph::{Op, OpKind};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::LazyLock;

/// The newest operator set that the tables know.
const LATEST: u8 = 17;

/// Stands for "no operator set": internal operators, which only a runtime's own files hold.
const INTERNAL: u8 = 0;

/// Makes the canonical operator of a layer.
type MakeOp = fn(&Attributes<'_, '_>) -> Result<Op>;

/// One version of one operator.
#[derive(Debug)]
pub(super) struct Entry {
    /// The canonical operators that it becomes.
    kinds: &'static [OpKind],
    type_name: &'static str,
    /// The operator set that introduced this version.
    since: u8,
    pub make: Make,
    /// For each canonical input, the IR's input; empty where the order is the same.
    pub order: &'static [usize],
}

/// How a layer becomes a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Make {
    /// From its attributes alone.
    Op(MakeOp),
    /// With what the reader keeps for the graph.
    Parameter,
    Result,
    Constant,
    ReadValue,
    Assign,
    If,
    Loop,
    TensorIterator,
}

/// An entry made from attributes.
const fn op(kinds: &'static [OpKind], type_name: &'static str, since: u8, make: MakeOp) -> Entry {
    Entry { kinds, type_name, since, make: Make::Op(make), order: &[] }
}

const FAMILIES: &[&[Entry]] = &[
    plumbing::TABLE,
    elementwise::TABLE,
    matmul::TABLE,
    convolution::TABLE,
    normalization::TABLE,
    reduction::TABLE,
    movement::TABLE,
    gather::TABLE,
    source::TABLE,
    random::TABLE,
    image::TABLE,
    detection::TABLE,
    recurrent::TABLE,
    attention::TABLE,
    signal::TABLE,
    sequence::TABLE,
];

/// Versions of one operator, oldest first.
type Versions = SmallVec<[&'static Entry; 4]>;

static BY_TYPE: LazyLock<FxHashMap<&'static str, Versions>> = LazyLock::new(|| {
    let mut map: FxHashMap<&'static str, Versions> = FxHashMap::default();
    for entry in FAMILIES.iter().copied().flatten() {
        map.entry(entry.type_name).or_default().push(entry);
    }
    for versions in map.values_mut() {
        versions.sort_by_key(|entry| entry.since);
    }
    map
});

/// Names without regard to case, as OpenVINO's reader takes them.
static BY_LOWER_CASE: LazyLock<FxHashMap<String, &'static Versions>> =
    LazyLock::new(|| BY_TYPE.iter().map(|(name, versions)| (name.to_ascii_lowercase(), versions)).collect());

/// Operators that older files give an operator set called `experimental` or `extension`.
/// Source: OpenVINO 2026.4, src/frontends/ir/src/ir_deserializer.cpp.
const ONCE_EXPERIMENTAL: [&str; 8] = [
    "ExperimentalDetectronDetectionOutput",
    "ExperimentalDetectronGenerateProposalsSingleImage",
    "ExperimentalDetectronPriorGridGenerator",
    "ExperimentalDetectronROIFeatureExtractor",
    "ExperimentalDetectronTopKROIs",
    "GRUCell",
    "RNNCell",
    "Proposal",
];

impl Entry {
    /// Whether the table lists `op` as what such a layer becomes.
    pub(super) fn lists(&self, op: &Op) -> bool {
        op.is_opaque() || self.kinds.contains(&op.kind())
    }
}

/// The entry for an operator of a layer's version, such as `opset8`; `None` if no table has it.
pub(super) fn find(type_name: &str, version: &str) -> Option<&'static Entry> {
    let versions = match BY_TYPE.get(type_name) {
        Some(versions) => versions,
        None => BY_LOWER_CASE.get(&type_name.to_ascii_lowercase()).copied()?,
    };
    let opset = match (opset_number(version), version) {
        (number @ 1..=LATEST, _) => number,
        (_, "type_relaxed_opset") => LATEST,
        (_, "experimental" | "extension") if ONCE_EXPERIMENTAL.contains(&type_name) => 6,
        (_, "ie_internal_opset" | "extension" | "util") => INTERNAL,
        _ => return None,
    };
    let is_internal = opset == INTERNAL;
    versions
        .iter()
        .rev()
        .find(|entry| (entry.since == INTERNAL) == is_internal && entry.since <= opset)
        .copied()
}

/// The number in `opset8`; 0 for any other text.
fn opset_number(version: &str) -> u8 {
    version.strip_prefix("opset").and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// An operator type of the IR.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct OperatorType {
    /// Its name.
    pub name: &'static str,
    /// The operator sets that introduced or changed it, such as `opset1, opset11`; an internal operator has `internal`.
    pub sets: String,
    /// The canonical operators that it becomes.
    pub kinds: Vec<OpKind>,
}

/// Every operator type that has a table entry, by name.
pub fn supported_operators() -> impl Iterator<Item = OperatorType> {
    let rows = BY_TYPE.iter().map(|(&name, versions)| {
        let mut kinds: Vec<_> = versions.iter().flat_map(|entry| entry.kinds).copied().collect();
        kinds.sort_unstable();
        kinds.dedup();
        OperatorType { name, sets: described(versions), kinds }
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows.into_iter()
}

fn described(versions: &Versions) -> String {
    let names: Vec<String> = versions
        .iter()
        .map(|entry| match entry.since {
            INTERNAL => "internal".to_owned(),
            since => format!("opset{since}"),
        })
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(type_name: &str, version: &str) -> Option<u8> {
        find(type_name, version).map(|entry| entry.since)
    }

    #[test]
    fn newest_entry_that_is_not_too_new() {
        assert_eq!(since("Gather", "opset1"), Some(1));
        assert_eq!(since("Gather", "opset7"), Some(7));
        assert_eq!(since("Gather", "opset13"), Some(8));
        assert_eq!(since("Slice", "opset7"), None);
    }

    #[test]
    fn unknown_sets_and_types_have_no_entry() {
        assert_eq!(since("Add", "opset18"), None);
        assert_eq!(since("Add", ""), None);
        assert_eq!(since("Add", "my_extension"), None);
        assert_eq!(since("Frobnicate", "opset1"), None);
    }

    #[test]
    fn old_habits_are_known() {
        assert_eq!(since("Relu", "opset1"), Some(1));
        assert_eq!(since("MVN", "opset1"), Some(1));
        assert_eq!(since("Add", "type_relaxed_opset"), Some(1));
        assert_eq!(since("ExperimentalDetectronTopKROIs", "experimental"), Some(6));
    }

    #[test]
    fn no_version_is_listed_twice() {
        for (name, versions) in BY_TYPE.iter() {
            let mut sinces: Vec<u8> = versions.iter().map(|entry| entry.since).collect();
            sinces.dedup();
            assert_eq!(sinces.len(), versions.len(), "{name}");
        }
    }
}
