//! Classical models over features, and texts.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{Entry, op};
use crate::DType;
use crate::graph::op::{FeatureOutputs, Features, Optimizer};
use crate::graph::{Op, OpKind as K};

const ML: &str = "ai.onnx.ml";

pub(super) const TABLE: &[Entry] = &[
    ml(&[K::ArrayFeatureExtractor], "ArrayFeatureExtractor", 1, |_| {
        made(K::ArrayFeatureExtractor, FeatureOutputs::Extract)
    }),
    ml(&[K::Binarizer], "Binarizer", 1, |_| made(K::Binarizer, FeatureOutputs::AsData(None))),
    ml(&[K::Imputer], "Imputer", 1, |_| made(K::Imputer, FeatureOutputs::AsData(None))),
    ml(&[K::Normalizer], "Normalizer", 1, |_| made(K::Normalizer, FeatureOutputs::AsData(Some(DType::F32)))),
    ml(&[K::Scaler], "Scaler", 1, |_| made(K::Scaler, FeatureOutputs::AsData(Some(DType::F32)))),
    ml(&[K::CastMap], "CastMap", 1, |layer| {
        let words = [("TO_FLOAT", DType::F32), ("TO_INT64", DType::I64), ("TO_STRING", DType::String)];
        let to = layer.word("cast_to", &words, DType::F32, "TO_FLOAT, TO_INT64 or TO_STRING")?;
        // As dense as its keys are many, or as long as the largest key.
        if layer.text("map_form")? == Some("SPARSE") {
            return made(
                K::CastMap,
                FeatureOutputs::Row(u64::try_from(layer.int_or("max_map", 1)?).unwrap_or(0), to),
            );
        }
        Ok(Op::Opaque.into())
    }),
    ml(&[K::CategoryMapper], "CategoryMapper", 1, |_| made(K::CategoryMapper, FeatureOutputs::Relabel)),
    ml(&[K::DictVectorizer], "DictVectorizer", 1, |layer| {
        let length = layer.length("string_vocabulary").max(layer.length("int64_vocabulary"));
        made(K::DictVectorizer, FeatureOutputs::Row(length as u64, DType::Dynamic))
    }),
    ml(&[K::FeatureVectorizer], "FeatureVectorizer", 1, |layer| {
        let columns =
            layer.ints_or_none("inputdimensions")?.iter().fold(0_i64, |sum, &size| sum.saturating_add(size));
        per_row(K::FeatureVectorizer, &[(Some(u64::try_from(columns).unwrap_or(0)), DType::F32)])
    }),
    ml(&[K::LabelEncoder], "LabelEncoder", 1, |_| made(K::LabelEncoder, FeatureOutputs::Relabel)),
    ml(&[K::LabelEncoder], "LabelEncoder", 2, |layer| {
        let listed =
            [("values_strings", DType::String), ("values_int64s", DType::I64), ("values_floats", DType::F32)];
        let listed =
            listed.into_iter().find(|(name, _)| layer.attribute(name).is_some()).map(|(_, dtype)| dtype);
        let of_tensor =
            layer.tensor("values_tensor")?.and_then(|tensor| super::super::types::dtype(tensor.data_type));
        listed.or(of_tensor).map_or_else(
            || made(K::LabelEncoder, FeatureOutputs::Relabel),
            |to| made(K::LabelEncoder, FeatureOutputs::AsData(Some(to))),
        )
    }),
    ml(&[K::LinearClassifier], "LinearClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_ints");
        per_row(K::LinearClassifier, &[(None, label), (Some(classes), DType::F32)])
    }),
    ml(&[K::LinearRegressor], "LinearRegressor", 1, |layer| {
        per_row(
            K::LinearRegressor,
            &[(Some(u64::try_from(layer.int_or("targets", 1)?).unwrap_or(0)), DType::F32)],
        )
    }),
    ml(&[K::OneHotEncoder], "OneHotEncoder", 1, |layer| {
        let categories = layer.length("cats_strings").max(layer.length("cats_int64s"));
        made(K::OneHotEncoder, FeatureOutputs::OneMoreDim(categories as u64, DType::F32))
    }),
    ml(&[K::SvmClassifier], "SVMClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_ints");
        // Without probabilities there is one score per pair of classes, and two for a single pair.
        let scores = if layer.length("prob_a") > 0 {
            classes
        } else {
            (classes.saturating_mul(classes.saturating_sub(1)) / 2).max(2)
        };
        per_row(K::SvmClassifier, &[(None, label), (Some(scores), DType::F32)])
    }),
    ml(&[K::SvmRegressor], "SVMRegressor", 1, |_| per_row(K::SvmRegressor, &[(Some(1), DType::F32)])),
    // Targets, of the data's type.
    ml(&[K::TreeEnsemble], "TreeEnsemble", 5, |layer| {
        per_row(
            K::TreeEnsemble,
            &[(Some(u64::try_from(layer.int_or("n_targets", 1)?).unwrap_or(0)), DType::Dynamic)],
        )
    }),
    ml(&[K::TreeEnsembleClassifier], "TreeEnsembleClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_int64s");
        per_row(K::TreeEnsembleClassifier, &[(None, label), (Some(classes), DType::F32)])
    }),
    ml(&[K::TreeEnsembleRegressor], "TreeEnsembleRegressor", 1, |layer| {
        per_row(
            K::TreeEnsembleRegressor,
            &[(Some(u64::try_from(layer.int_or("n_targets", 1)?).unwrap_or(0)), DType::F32)],
        )
    }),
    // A map per row, from its classes to their scores: as large as the scores.
    ml(&[K::ZipMap], "ZipMap", 1, |_| made(K::ZipMap, FeatureOutputs::AsData(None))),
    op(&[K::TfIdfVectorizer], "TfIdfVectorizer", 9, |layer| {
        let last = layer.attribute("ngram_indexes").and_then(|list| list.ints.iter().max().copied());
        let columns = last.and_then(|last| u64::try_from(last).ok()?.checked_add(1)).unwrap_or(0);
        made(K::TfIdfVectorizer, FeatureOutputs::LastDim(columns, DType::F32))
    }),
    op(&[K::StringNormalizer], "StringNormalizer", 10, |layer| {
        made(K::StringNormalizer, FeatureOutputs::Texts { drops: layer.length("stopwords") > 0 })
    }),
    op(&[K::StringSplit], "StringSplit", 20, |layer| {
        let most = layer.int("maxsplit")?.and_then(|most| u64::try_from(most).ok()?.checked_add(1));
        made(K::StringSplit, FeatureOutputs::SplitTexts { most })
    }),
    preview(&[K::Adagrad], "Adagrad", |layer| optimizer(layer, Optimizer::Adagrad, 2)),
    preview(&[K::Adam], "Adam", |layer| optimizer(layer, Optimizer::Adam, 3)),
    preview(&[K::Momentum], "Momentum", |layer| optimizer(layer, Optimizer::Momentum, 2)),
    preview(&[K::Gradient], "Gradient", |_| Ok(Op::Gradient.into())),
];

const fn ml(kinds: &'static [K], type_name: &'static str, since: i64, make: super::MakeOp) -> Entry {
    Entry { domain: ML, ..op(kinds, type_name, since, make) }
}

const fn preview(kinds: &'static [K], type_name: &'static str, make: super::MakeOp) -> Entry {
    Entry { domain: "ai.onnx.preview.training", ..op(kinds, type_name, 1, make) }
}

fn made(kind: K, outputs: FeatureOutputs) -> Result<Made> {
    Ok(Op::Features(Box::new(Features { kind, outputs })).into())
}

fn per_row(kind: K, outputs: &[(Option<u64>, DType)]) -> Result<Made> {
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
