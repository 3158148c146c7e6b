//! Classical models over features, and texts.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{Entry, op};
use crate::DType;
use crate::graph::op::{FeatureOutputs, Features, Optimizer};
use crate::graph::{Op, OpKind};

const ML: &str = "ai.onnx.ml";

pub(super) const TABLE: &[Entry] = &[
    ml("ArrayFeatureExtractor", 1, |_| made(OpKind::ArrayFeatureExtractor, FeatureOutputs::Extract)),
    ml("Binarizer", 1, |_| made(OpKind::Binarizer, FeatureOutputs::AsData(None))),
    ml("Imputer", 1, |_| made(OpKind::Imputer, FeatureOutputs::AsData(None))),
    ml("Normalizer", 1, |_| made(OpKind::Normalizer, FeatureOutputs::AsData(Some(DType::F32)))),
    ml("Scaler", 1, |_| made(OpKind::Scaler, FeatureOutputs::AsData(Some(DType::F32)))),
    ml("CastMap", 1, |layer| {
        let words = [("TO_FLOAT", DType::F32), ("TO_INT64", DType::I64), ("TO_STRING", DType::String)];
        let to = layer.word("cast_to", &words, DType::F32, "TO_FLOAT, TO_INT64 or TO_STRING")?;
        // As dense as its keys are many, or as long as the largest key.
        if layer.text("map_form")? == Some("SPARSE") {
            return made(
                OpKind::CastMap,
                FeatureOutputs::Row(u64::try_from(layer.int_or("max_map", 1)?).unwrap_or(0), to),
            );
        }
        Ok(Op::Opaque.into())
    }),
    ml("CategoryMapper", 1, |_| made(OpKind::CategoryMapper, FeatureOutputs::Relabel)),
    ml("DictVectorizer", 1, |layer| {
        let length = layer.length("string_vocabulary").max(layer.length("int64_vocabulary"));
        made(OpKind::DictVectorizer, FeatureOutputs::Row(length as u64, DType::Dynamic))
    }),
    ml("FeatureVectorizer", 1, |layer| {
        let columns =
            layer.ints_or_none("inputdimensions")?.iter().fold(0_i64, |sum, &size| sum.saturating_add(size));
        per_row(OpKind::FeatureVectorizer, &[(Some(u64::try_from(columns).unwrap_or(0)), DType::F32)])
    }),
    ml("LabelEncoder", 1, |_| made(OpKind::LabelEncoder, FeatureOutputs::Relabel)),
    ml("LabelEncoder", 2, |layer| {
        let listed =
            [("values_strings", DType::String), ("values_int64s", DType::I64), ("values_floats", DType::F32)];
        let listed =
            listed.into_iter().find(|(name, _)| layer.attribute(name).is_some()).map(|(_, dtype)| dtype);
        let of_tensor =
            layer.tensor("values_tensor")?.and_then(|tensor| super::super::types::dtype(tensor.data_type));
        listed.or(of_tensor).map_or_else(
            || made(OpKind::LabelEncoder, FeatureOutputs::Relabel),
            |to| made(OpKind::LabelEncoder, FeatureOutputs::AsData(Some(to))),
        )
    }),
    ml("LinearClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_ints");
        per_row(OpKind::LinearClassifier, &[(None, label), (Some(classes), DType::F32)])
    }),
    ml("LinearRegressor", 1, |layer| {
        per_row(
            OpKind::LinearRegressor,
            &[(Some(u64::try_from(layer.int_or("targets", 1)?).unwrap_or(0)), DType::F32)],
        )
    }),
    ml("OneHotEncoder", 1, |layer| {
        let categories = layer.length("cats_strings").max(layer.length("cats_int64s"));
        made(OpKind::OneHotEncoder, FeatureOutputs::OneMoreDim(categories as u64, DType::F32))
    }),
    ml("SVMClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_ints");
        // Without probabilities there is one score per pair of classes, and two for a single pair.
        let scores = if layer.length("prob_a") > 0 {
            classes
        } else {
            (classes.saturating_mul(classes.saturating_sub(1)) / 2).max(2)
        };
        per_row(OpKind::SvmClassifier, &[(None, label), (Some(scores), DType::F32)])
    }),
    ml("SVMRegressor", 1, |_| per_row(OpKind::SvmRegressor, &[(Some(1), DType::F32)])),
    // Targets, of the data's type.
    ml("TreeEnsemble", 5, |layer| {
        per_row(
            OpKind::TreeEnsemble,
            &[(Some(u64::try_from(layer.int_or("n_targets", 1)?).unwrap_or(0)), DType::Dynamic)],
        )
    }),
    ml("TreeEnsembleClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_int64s");
        per_row(OpKind::TreeEnsembleClassifier, &[(None, label), (Some(classes), DType::F32)])
    }),
    ml("TreeEnsembleRegressor", 1, |layer| {
        per_row(
            OpKind::TreeEnsembleRegressor,
            &[(Some(u64::try_from(layer.int_or("n_targets", 1)?).unwrap_or(0)), DType::F32)],
        )
    }),
    // A map per row, from its classes to their scores: as large as the scores.
    ml("ZipMap", 1, |_| made(OpKind::ZipMap, FeatureOutputs::AsData(None))),
    op("TfIdfVectorizer", 9, |layer| {
        let last = layer.attribute("ngram_indexes").and_then(|list| list.ints.iter().max().copied());
        let columns = last.and_then(|last| u64::try_from(last).ok()?.checked_add(1)).unwrap_or(0);
        made(OpKind::TfIdfVectorizer, FeatureOutputs::LastDim(columns, DType::F32))
    }),
    op("StringNormalizer", 10, |layer| {
        made(OpKind::StringNormalizer, FeatureOutputs::Texts { drops: layer.length("stopwords") > 0 })
    }),
    op("StringSplit", 20, |layer| {
        let most = layer.int("maxsplit")?.and_then(|most| u64::try_from(most).ok()?.checked_add(1));
        made(OpKind::StringSplit, FeatureOutputs::SplitTexts { most })
    }),
    preview("Adagrad", |layer| optimizer(layer, Optimizer::Adagrad, 2)),
    preview("Adam", |layer| optimizer(layer, Optimizer::Adam, 3)),
    preview("Momentum", |layer| optimizer(layer, Optimizer::Momentum, 2)),
    preview("Gradient", |_| Ok(Op::Gradient.into())),
];

const fn ml(type_name: &'static str, since: i64, make: super::MakeOp) -> Entry {
    Entry { domain: ML, ..op(type_name, since, make) }
}

const fn preview(type_name: &'static str, make: super::MakeOp) -> Entry {
    Entry { domain: "ai.onnx.preview.training", ..op(type_name, 1, make) }
}

fn made(kind: OpKind, outputs: FeatureOutputs) -> Result<Made> {
    Ok(Op::Features(Box::new(Features { kind, outputs })).into())
}

fn per_row(kind: OpKind, outputs: &[(Option<u64>, DType)]) -> Result<Made> {
    made(kind, FeatureOutputs::PerRow(outputs.iter().copied().collect()))
}

/// Type and number of the labels.
fn labels(layer: &Layer<'_>, texts: &str, ints: &str) -> (DType, u64) {
    match layer.length(texts) {
        0 => (DType::I64, layer.length(ints) as u64),
        count => (DType::String, count as u64),
    }
}

/// Each tensor has an output, and one for each of its states.
fn optimizer(layer: &Layer<'_>, kind: Optimizer, outputs_per_tensor: usize) -> Result<Made> {
    let tensors = u32::try_from(layer.outputs / outputs_per_tensor).unwrap_or(u32::MAX);
    Ok(Op::Optimizer { kind, tensors }.into())
}
