//! What each operator of each operator set becomes: one table per family.
//!
//! A model imports one version of each operator set. The entry that counts is the newest that is not newer than that; a
//! version that changes only types or adds what matters to no shape has no entry of its own. A set newer than the tables
//! is read by their newest entries.
//!
//! Source: <https://onnx.ai/onnx/operators/>, ai.onnx 1 to 28, ai.onnx.ml 1 to 5, and for `com.microsoft`
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>, ONNX Runtime 1.31.

mod attention;
mod convolution;
mod elementwise;
mod entry;
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

use super::made::{inputs, with};
use crate::formats::lookup::{Versions, by_key};
use crate::graph::OpKind;
use entry::{MakeOp, STANDARD, ms, op};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

pub(super) use entry::{Entry, Make};

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

static BY_TYPE: LazyLock<FxHashMap<(&'static str, &'static str), Versions<Entry>>> =
    LazyLock::new(|| by_key(FAMILIES, |entry| (entry.domain, entry.type_name), |entry| entry.since));

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
    let has_rule = |versions: &Versions<Entry>| {
        versions.iter().flat_map(|entry| entry.kinds).any(|kind| !kind.is_opaque())
    };
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
    use super::super::attributes::Layer;
    use super::super::proto::AttributeProto;
    use super::super::proto::attribute_proto::AttributeType as Kind;
    use super::entry::MICROSOFT;
    use super::*;
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Cumulation, ElementType, FusedMatMul, GroupNorm, LayerNorm, Mvn};
    use smallvec::SmallVec;

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

    /// What a node of this type becomes, with one output.
    fn made(domain: &str, type_name: &str, version: i64, attributes: &[AttributeProto]) -> Op {
        let entry = find(domain, type_name, version).unwrap();
        let attributes =
            attributes.iter().map(|own| (std::str::from_utf8(&own.name).unwrap(), own)).collect();
        let layer = Layer { attributes, version, inputs: SmallVec::from_elem(true, 3), outputs: 1 };
        let Make::Op(make) = entry.make else { panic!("{type_name} needs the reader") };
        let op = make(&layer).unwrap().op;
        assert!(entry.lists(&op), "{op:?}");
        op
    }

    fn int(name: &'static str, i: i64) -> AttributeProto {
        AttributeProto { name: name.into(), r#type: Kind::Int as i32, i, ..AttributeProto::default() }
    }

    fn float(name: &'static str, f: f32) -> AttributeProto {
        AttributeProto { name: name.into(), r#type: Kind::Float as i32, f, ..AttributeProto::default() }
    }

    fn ints(name: &'static str, ints: &[i64]) -> AttributeProto {
        let r#type = Kind::Ints as i32;
        AttributeProto { name: name.into(), r#type, ints: ints.to_vec(), ..AttributeProto::default() }
    }

    #[test]
    fn softmax_goes_over_one_axis_since_opset_13() {
        let axis = [int("axis", 2)];
        assert_eq!(made("", "Softmax", 12, &axis), Op::Softmax(AxisSpan { axis: 2, to_end: true }));
        assert_eq!(made("", "Softmax", 12, &[]), Op::Softmax(AxisSpan { axis: 1, to_end: true }));
        assert_eq!(made("", "LogSoftmax", 13, &axis), Op::LogSoftmax(AxisSpan::one(2)));
        assert_eq!(made("", "Hardmax", 13, &[]), Op::Hardmax(AxisSpan::LAST));
        assert_eq!(made(MICROSOFT, "BiasSoftmax", 1, &axis), Op::BiasSoftmax { axis: 2 });
    }

    #[test]
    fn norms_have_axis_and_epsilon() {
        let given = [int("axis", 1), float("epsilon", 0.5), int("stash_type", 10)];
        let norm = LayerNorm { axis: 1, epsilon: 0.5, statistics: DType::F16 };
        assert_eq!(made("", "LayerNormalization", 17, &given), Op::LayerNormalization(norm));
        assert_eq!(made("", "RMSNormalization", 23, &[]), Op::RmsNormalization(LayerNorm::default()));
        let simplified = made(MICROSOFT, "SimplifiedLayerNormalization", 1, &given);
        assert_eq!(simplified, Op::SimplifiedLayerNormalization(norm));
        let skip = made(MICROSOFT, "SkipLayerNormalization", 1, &given);
        assert_eq!(skip, Op::SkipLayerNormalization(LayerNorm { axis: -1, ..norm }));
        let groups = GroupNorm { groups: 4, epsilon: 0.5 };
        let given = [int("num_groups", 4), int("groups", 4), float("epsilon", 0.5)];
        assert_eq!(made("", "GroupNormalization", 21, &given), Op::GroupNormalization(groups));
        assert_eq!(made(MICROSOFT, "SkipGroupNorm", 1, &given), Op::SkipGroupNorm(groups));
        assert_eq!(made("", "BatchNormalization", 15, &given), Op::BatchNormalization { epsilon: 0.5 });
        assert_eq!(made("", "InstanceNormalization", 6, &[]), Op::InstanceNormalization { epsilon: 1e-5 });
        let given = [int("axis", 0), int("p", 1), int("size", 5), ints("axes", &[0, 1])];
        assert_eq!(made("", "LpNormalization", 1, &given), Op::LpNormalization { axis: 0, p: 1 });
        assert_eq!(made("", "LRN", 1, &given), Op::Lrn { size: 5 });
        let mvn = Mvn { axes: Some([0, 1][..].into()), keeps_variance: false, epsilon: 1e-9 };
        assert_eq!(made("", "MeanVarianceNormalization", 13, &given), Op::Mvn(Box::new(mvn)));
    }

    #[test]
    fn operators_with_one_shape_are_told_apart() {
        let kind =
            |domain, name, version| made(domain, name, version, &[ints("kernel_shape", &[2, 2])]).kind();
        assert_eq!(kind("", "AveragePool", 22), OpKind::AveragePool);
        assert_eq!(kind("", "MaxPool", 22), OpKind::MaxPool);
        assert_eq!(kind("", "LpPool", 22), OpKind::LpPool);
        assert_eq!(kind(MICROSOFT, "NhwcMaxPool", 1), OpKind::NhwcMaxPool);
        assert_eq!(kind("", "GlobalAveragePool", 1), OpKind::GlobalAveragePool);
        assert_eq!(kind("", "Conv", 1), OpKind::Convolution);
        assert_eq!(kind(MICROSOFT, "FusedConv", 1), OpKind::FusedConv);
        assert_eq!(kind("", "QLinearConv", 10), OpKind::QLinearConv);
        assert_eq!(kind("", "MatMulInteger", 10), OpKind::MatMulInteger);
        assert_eq!(kind(MICROSOFT, "DynamicQuantizeMatMul", 1), OpKind::DynamicQuantizeMatMul);
        assert_eq!(kind(MICROSOFT, "FastGelu", 1), OpKind::FastGelu);
        assert_eq!(kind(MICROSOFT, "BiasGelu", 1), OpKind::BiasGelu);
        assert_eq!(kind(MICROSOFT, "QuickGelu", 1), OpKind::QuickGelu);
        assert_eq!(kind("", "Attention", 23), OpKind::Attention);
        assert_eq!(kind(MICROSOFT, "Attention", 1), OpKind::AttentionOfWeights);
        assert_eq!(kind(MICROSOFT, "GroupQueryAttention", 1), OpKind::GroupQueryAttention);
        assert_eq!(kind(MICROSOFT, "UnfoldTensor", 1), OpKind::UnfoldTensor);
    }

    #[test]
    fn attributes_of_moving_operators() {
        let given = [int("upper", 0), int("exclusive", 1), int("reverse", 1), float("alpha", 0.5)];
        assert_eq!(made("", "Trilu", 14, &given), Op::Trilu { is_upper: false });
        let both = Cumulation { is_exclusive: true, is_reverse: true };
        assert_eq!(made("", "CumSum", 14, &given), Op::CumSum(both));
        let (transpose_a, transpose_b, moves_a, moves_b) = (false, false, false, false);
        let product = FusedMatMul { transpose_a, transpose_b, moves_a, moves_b, alpha: 0.5 };
        assert_eq!(made(MICROSOFT, "FusedMatMul", 1, &given), Op::FusedMatMul(product));
        assert_eq!(made("", "Dropout", 13, &[]), Op::Dropout { mask: ElementType::Is(DType::Boolean) });
        let experts = made(MICROSOFT, "QMoE", 1, &[int("k", 2), int("expert_weight_bits", 8)]);
        assert_eq!(experts, Op::QMoE { top_k: 2, bits: 8, block_size: 0, as_integers: false });
    }
}
