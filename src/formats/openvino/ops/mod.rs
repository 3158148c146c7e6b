//! What each operator of the IR becomes: one table per family.
//!
//! A layer names the operator set that introduced its operator, or a later one that contains it: the entry that
//! counts is the newest that is not newer than the layer's set.
//!
//! Source: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets.html>, opset1 to opset17.

mod attention;
mod convolution;
mod detection;
mod elementwise;
mod entry;
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

use crate::formats::lookup::{Versions, by_key};
use crate::graph::OpKind;
use entry::{INTERNAL, op};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

pub(super) use entry::{Entry, Make};

/// The newest operator set that the tables know.
const LATEST: u8 = 17;

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

static BY_TYPE: LazyLock<FxHashMap<&'static str, Versions<Entry>>> =
    LazyLock::new(|| by_key(FAMILIES, |entry| entry.type_name, |entry| entry.since.into()));

/// Names without regard to case, as OpenVINO's reader takes them.
static BY_LOWER_CASE: LazyLock<FxHashMap<String, &'static Versions<Entry>>> =
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

fn described(versions: &Versions<Entry>) -> String {
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
    use super::super::attributes::Attributes;
    use super::*;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, GroupNorm, Mvn};

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

    /// What a layer of this type becomes.
    fn made(type_name: &str, version: &str, pairs: &[(&str, &str)]) -> Op {
        let entry = find(type_name, version).unwrap();
        let Make::Op(make) = entry.make else { panic!("{type_name} needs the reader") };
        let op = make(&Attributes { pairs, inputs: 1 }).unwrap();
        assert!(entry.lists(&op), "{op:?}");
        op
    }

    #[test]
    fn norms_have_axis_and_epsilon() {
        let given =
            [("axis", "-1"), ("eps", "0.5"), ("epsilon", "0.25"), ("num_groups", "4"), ("bias", "2.0")];
        assert_eq!(made("SoftMax", "opset8", &given), Op::Softmax(AxisSpan::LAST));
        assert_eq!(made("SoftMax", "opset1", &[]), Op::Softmax(AxisSpan::one(1)));
        assert_eq!(made("LogSoftmax", "opset5", &given), Op::LogSoftmax(AxisSpan::LAST));
        let mvn = Mvn { axes: None, keeps_variance: false, epsilon: 0.5 };
        assert_eq!(made("MVN", "opset6", &given), Op::Mvn(Box::new(mvn.clone())));
        let across = [("eps", "0.5"), ("across_channels", "true"), ("normalize_variance", "false")];
        let axes = Some([1, 2, 3][..].into());
        assert_eq!(
            made("MVN", "opset1", &across),
            Op::Mvn(Box::new(Mvn { axes, keeps_variance: true, ..mvn }))
        );
        assert_eq!(made("NormalizeL2", "opset1", &given), Op::NormalizeL2 { epsilon: 0.5, is_least: false });
        let groups = GroupNorm { groups: 4, epsilon: 0.25 };
        assert_eq!(made("GroupNormalization", "opset12", &given), Op::GroupNormalization(groups));
        assert_eq!(made("BatchNormInference", "opset5", &given), Op::BatchNormalization { epsilon: 0.25 });
        assert_eq!(made("GRN", "opset1", &given), Op::Grn { bias: 2.0 });
        assert_eq!(made("LRN", "opset1", &[("size", "3")]), Op::Lrn { size: 3 });
    }

    #[test]
    fn operators_with_one_shape_are_told_apart() {
        let kind = |name, version| made(name, version, &[("kernel", "2,2"), ("hidden_size", "4")]).kind();
        assert_eq!(kind("AvgPool", "opset14"), OpKind::AveragePool);
        assert_eq!(kind("MaxPool", "opset1"), OpKind::MaxPool);
        assert_eq!(kind("BinaryConvolution", "opset1"), OpKind::BinaryConvolution);
        assert_eq!(kind("AUGRUCell", "ie_internal_opset"), OpKind::AuGruCell);
        assert_eq!(kind("AdaptiveAvgPool", "opset8"), OpKind::AdaptiveAveragePool);
        assert_eq!(kind("Roll", "opset7"), OpKind::Roll);
        let shuffle = made("ShuffleChannels", "opset1", &[("axis", "1"), ("group", "3")]);
        assert_eq!(shuffle, Op::ShuffleChannels { axis: 1, groups: 3 });
        assert_eq!(made("Reverse", "opset1", &[("mode", "mask")]), Op::Reverse { by_mask: true });
    }
}
