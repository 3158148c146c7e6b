//! Classical models over features, and texts.

use super::super::attributes::{Layer, Result};
use super::super::made::Made;
use super::{ElementType, Entry, Like, LikeDims, like, op};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Features;

const ML: &str = "ai.onnx.ml";

pub(super) const TABLE: &[Entry] = &[
    ml("ArrayFeatureExtractor", 1, |_| made(Features::Extract)),
    ml("Binarizer", 1, |_| Ok(like([0]).into())),
    ml("Imputer", 1, |_| Ok(like([0]).into())),
    ml("Normalizer", 1, |_| as_type(DType::F32)),
    ml("Scaler", 1, |_| as_type(DType::F32)),
    ml("CastMap", 1, |layer| {
        let words = [("TO_FLOAT", DType::F32), ("TO_INT64", DType::I64), ("TO_STRING", DType::String)];
        let to = layer.word("cast_to", &words, DType::F32, "TO_FLOAT, TO_INT64 or TO_STRING")?;
        // As dense as its keys are many, or as long as the largest key.
        if layer.text("map_form")? == Some("SPARSE") {
            return made(Features::Row(u64::try_from(layer.int_or("max_map", 1)?).unwrap_or(0), to));
        }
        Ok(Op::Opaque.into())
    }),
    ml("CategoryMapper", 1, |_| made(Features::Relabel)),
    ml("DictVectorizer", 1, |layer| {
        let length = layer.length("string_vocabulary").max(layer.length("int64_vocabulary"));
        made(Features::Row(length as u64, DType::Dynamic))
    }),
    ml("FeatureVectorizer", 1, |layer| {
        let columns =
            layer.ints_or_none("inputdimensions")?.iter().fold(0_i64, |sum, &size| sum.saturating_add(size));
        per_row(&[(Some(u64::try_from(columns).unwrap_or(0)), DType::F32)])
    }),
    ml("LabelEncoder", 1, |_| made(Features::Relabel)),
    ml("LabelEncoder", 2, |layer| {
        let listed =
            [("values_strings", DType::String), ("values_int64s", DType::I64), ("values_floats", DType::F32)];
        let listed =
            listed.into_iter().find(|(name, _)| layer.attribute(name).is_some()).map(|(_, dtype)| dtype);
        let of_tensor =
            layer.tensor("values_tensor")?.and_then(|tensor| super::super::types::dtype(tensor.data_type));
        listed.or(of_tensor).map_or_else(|| made(Features::Relabel), as_type)
    }),
    ml("LinearClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_ints");
        per_row(&[(None, label), (Some(classes), DType::F32)])
    }),
    ml("LinearRegressor", 1, |layer| {
        per_row(&[(Some(u64::try_from(layer.int_or("targets", 1)?).unwrap_or(0)), DType::F32)])
    }),
    ml("OneHotEncoder", 1, |layer| {
        let categories = layer.length("cats_strings").max(layer.length("cats_int64s"));
        made(Features::OneMoreDim(categories as u64, DType::F32))
    }),
    ml("SVMClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_ints");
        // Without probabilities there is one score per pair of classes, and two for a single pair.
        let scores = if layer.length("prob_a") > 0 {
            classes
        } else {
            (classes.saturating_mul(classes.saturating_sub(1)) / 2).max(2)
        };
        per_row(&[(None, label), (Some(scores), DType::F32)])
    }),
    ml("SVMRegressor", 1, |_| per_row(&[(Some(1), DType::F32)])),
    // Targets, of the data's type.
    ml("TreeEnsemble", 5, |layer| {
        per_row(&[(Some(u64::try_from(layer.int_or("n_targets", 1)?).unwrap_or(0)), DType::Dynamic)])
    }),
    ml("TreeEnsembleClassifier", 1, |layer| {
        let (label, classes) = labels(layer, "classlabels_strings", "classlabels_int64s");
        per_row(&[(None, label), (Some(classes), DType::F32)])
    }),
    ml("TreeEnsembleRegressor", 1, |layer| {
        per_row(&[(Some(u64::try_from(layer.int_or("n_targets", 1)?).unwrap_or(0)), DType::F32)])
    }),
    // A map per row, from its classes to their scores: as large as the scores.
    ml("ZipMap", 1, |_| Ok(like([0]).into())),
    op("TfIdfVectorizer", 9, |layer| {
        let last = layer.attribute("ngram_indexes").and_then(|list| list.ints.iter().max().copied());
        let columns = last.and_then(|last| u64::try_from(last).ok()?.checked_add(1)).unwrap_or(0);
        made(Features::LastDim(columns, DType::F32))
    }),
    op("StringNormalizer", 10, |layer| made(Features::Texts { drops: layer.length("stopwords") > 0 })),
    op("StringSplit", 20, |layer| {
        let most = layer.int("maxsplit")?.and_then(|most| u64::try_from(most).ok()?.checked_add(1));
        made(Features::SplitTexts { most })
    }),
    preview("Adagrad", |layer| optimised(layer, 2)),
    preview("Adam", |layer| optimised(layer, 3)),
    preview("Momentum", |layer| optimised(layer, 2)),
    // One gradient per tensor that is asked for; those inputs come first.
    preview("Gradient", |layer| Ok(like(0..layer.outputs as u32).into())),
];

const fn ml(type_name: &'static str, since: i64, make: super::MakeOp) -> Entry {
    Entry { domain: ML, ..op(type_name, since, make) }
}

const fn preview(type_name: &'static str, make: super::MakeOp) -> Entry {
    Entry { domain: "ai.onnx.preview.training", ..op(type_name, 1, make) }
}

fn made(kind: Features) -> Result<Made> {
    Ok(Op::Features(Box::new(kind)).into())
}

fn as_type(to: DType) -> Result<Made> {
    Ok(Op::LikeInputs([Like { dims: LikeDims::Input(0), dtype: ElementType::Is(to) }].into()).into())
}

fn per_row(outputs: &[(Option<u64>, DType)]) -> Result<Made> {
    made(Features::PerRow(outputs.iter().copied().collect()))
}

/// Type and number of the labels.
fn labels(layer: &Layer<'_>, texts: &str, ints: &str) -> (DType, u64) {
    match layer.length(texts) {
        0 => (DType::I64, layer.length(ints) as u64),
        count => (DType::String, count as u64),
    }
}

/// Rate and count, then tensors, their gradients, and so many less one of their states; out come tensors and states.
fn optimised(layer: &Layer<'_>, outputs_per_tensor: usize) -> Result<Made> {
    let tensors = layer.outputs / outputs_per_tensor;
    let first = (0..tensors).map(|index| 2 + index);
    let states = (0..layer.outputs - tensors).map(|index| 2 + 2 * tensors + index);
    Ok(like(first.chain(states).map(|index| index as u32)).into())
}
