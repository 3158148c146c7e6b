//! What each operator of each operator set becomes: one table per family.
//!
//! A model imports one version of each operator set. The entry that counts is the newest that is no newer than that; a
//! version that changes only types or adds what matters to no shape has no entry of its own. A set newer than the tables
//! is read by their newest entries.
//!
//! Source: <https://onnx.ai/onnx/operators/>, ai.onnx 1 to 28, ai.onnx.ml 1 to 5, and for `com.microsoft`
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>, ONNX Runtime 1.31.

mod attention;
mod convolution;
mod elementwise;
mod features;
mod image;
mod list;
mod matmul;
mod movement;
mod normalization;
mod plumbing;
mod quantization;
mod recurrent;
mod reduction;
mod signal;
mod source;

use super::attributes::{Layer, Result};
use super::made::{Made, inputs, with};
use crate::graph::{Op, OpKind};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::LazyLock;

/// The standard operators.
const STANDARD: &str = "";
/// ONNX Runtime's own.
const MICROSOFT: &str = "com.microsoft";

/// Makes the canonical operator of a node.
type MakeOp = fn(&Layer<'_>) -> Result<Made>;

/// One version of one operator.
#[derive(Debug)]
pub(super) struct Entry {
    /// The canonical operators that it becomes; a node that no rule covers is opaque as well.
    kinds: &'static [OpKind],
    domain: &'static str,
    type_name: &'static str,
    /// The version of the operator set that introduced this form.
    since: i64,
    pub make: Make,
}

/// How a node is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Make {
    /// From its attributes and the number of its ports alone.
    Op(MakeOp),
    /// With what the reader keeps for the graph.
    Constant,
    FilledShape,
    If,
    Loop,
    Scan,
    SequenceMap,
}

impl Make {
    /// The attributes that hold bodies.
    pub(super) fn body_names(self) -> &'static [&'static str] {
        match self {
            Make::If => &["then_branch", "else_branch"],
            _ => &["body"],
        }
    }
}

/// A standard operator made from attributes.
const fn op(kinds: &'static [OpKind], type_name: &'static str, since: i64, make: MakeOp) -> Entry {
    Entry { kinds, domain: STANDARD, type_name, since, make: Make::Op(make) }
}

/// An operator of ONNX Runtime.
const fn ms(kinds: &'static [OpKind], type_name: &'static str, make: MakeOp) -> Entry {
    Entry { kinds, domain: MICROSOFT, type_name, since: 1, make: Make::Op(make) }
}

const FAMILIES: &[&[Entry]] = &[
    plumbing::TABLE,
    elementwise::TABLE,
    matmul::TABLE,
    convolution::TABLE,
    normalization::TABLE,
    reduction::TABLE,
    movement::TABLE,
    source::TABLE,
    image::TABLE,
    recurrent::TABLE,
    signal::TABLE,
    quantization::TABLE,
    attention::TABLE,
    list::TABLE,
    features::TABLE,
];

/// Versions of one operator, oldest first.
type Versions = SmallVec<[&'static Entry; 4]>;

static BY_TYPE: LazyLock<FxHashMap<(&'static str, &'static str), Versions>> = LazyLock::new(|| {
    let mut map: FxHashMap<(&'static str, &'static str), Versions> = FxHashMap::default();
    for entry in FAMILIES.iter().copied().flatten() {
        map.entry((entry.domain, entry.type_name)).or_default().push(entry);
    }
    for versions in map.values_mut() {
        versions.sort_by_key(|entry| entry.since);
    }
    map
});

impl Entry {
    /// Whether the table lists `op` as what such a node becomes.
    pub(super) fn lists(&self, op: &Op) -> bool {
        op.is_opaque() || self.kinds.contains(&op.kind())
    }
}

/// The entry for an operator of a model that imports this version of its set; `None` if no table has it.
pub(super) fn find(domain: &str, type_name: &str, version: i64) -> Option<&'static Entry> {
    let versions = BY_TYPE.get(&(domain, type_name))?;
    versions.iter().copied().rfind(|entry| entry.since <= version)
}

/// An operator type of ONNX.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct OperatorType {
    /// The domain of its operator set; empty: the standard one.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The versions of its set in which its form changed.
    pub versions: Vec<i64>,
    /// The canonical operators that it becomes.
    pub kinds: Vec<OpKind>,
}

/// Every operator type that has a shape rule, by domain and name.
pub fn supported_operators() -> impl Iterator<Item = OperatorType> {
    let has_rule =
        |versions: &Versions| versions.iter().flat_map(|entry| entry.kinds).any(|kind| !kind.is_opaque());
    let listed = BY_TYPE.iter().filter(|(_, versions)| has_rule(versions));
    let rows = listed.map(|(&(domain, name), versions)| {
        let mut kinds: Vec<_> = versions.iter().flat_map(|entry| entry.kinds).copied().collect();
        kinds.sort_unstable();
        kinds.dedup();
        OperatorType { domain, name, versions: versions.iter().map(|entry| entry.since).collect(), kinds }
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(type_name: &str, version: i64) -> Option<i64> {
        find("", type_name, version).map(|entry| entry.since)
    }

    #[test]
    fn newest_entry_that_is_not_too_new() {
        assert_eq!(since("Squeeze", 12), Some(1));
        assert_eq!(since("Squeeze", 13), Some(13));
        assert_eq!(since("Squeeze", 99), Some(13));
        assert_eq!(since("Gelu", 19), None);
        assert_eq!(since("Frobnicate", 1), None);
        assert!(find("com.example", "Add", 1).is_none());
    }

    #[test]
    fn no_version_is_listed_twice() {
        for (name, versions) in BY_TYPE.iter() {
            let mut sinces: Vec<i64> = versions.iter().map(|entry| entry.since).collect();
            sinces.dedup();
            assert_eq!(sinces.len(), versions.len(), "{name:?}");
        }
    }
}
