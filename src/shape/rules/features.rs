//! Operators over features and texts.
//!
//! Specifications: <https://onnx.ai/onnx/operators/index.html#ai-onnx-ml>, each unchanged in shape since its first
//! version; ONNX `TfIdfVectorizer` (9), `StringNormalizer` (10), `StringSplit` (20).
//!
//! * Per row: `[N, features] → [N]` or `[N, columns]`; a vector is one row.
//! * `OneHotEncoder`: data's dims and the categories'. `ArrayFeatureExtractor`: `[.., number of indices]`.
//! * `TfIdfVectorizer`: `[C] → [columns]`, `[N, C] → [N, columns]`.
//! * `StringNormalizer`: at most data's dims, at least one text. `StringSplit`: data's dims and at most the parts that it
//!   may have, and data's dims.

use crate::DType;
use crate::graph::op::FeatureOutputs;
use crate::graph::{Dims, Op};
use crate::shape::TensorInfo;
use crate::shape::context::{Context, RuleError, RuleResult, mismatch, text};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let Op::Features(features) = op else { return Err(mismatch!("not an operator over features")) };
    let kind = &features.outputs;
    if let FeatureOutputs::Row(columns, dtype) = kind {
        context.emit(*dtype, [1, *columns]);
        return Ok(());
    }
    let data = context.dims(0)?;
    match kind {
        FeatureOutputs::AsData(to) => {
            context.emit(to.unwrap_or(context.dtype(0)), data.iter().copied());
        }
        FeatureOutputs::PerRow(outputs) => {
            let rows = match data {
                [rows, _, ..] => *rows,
                _ => 1,
            };
            for &(columns, dtype) in outputs {
                let dtype = if dtype == DType::Dynamic { context.dtype(0) } else { dtype };
                context.emit(dtype, std::iter::once(rows).chain(columns));
            }
        }
        FeatureOutputs::OneMoreDim(size, dtype) => context.emit(*dtype, data.iter().copied().chain([*size])),
        FeatureOutputs::Extract => {
            let count = context.input(1)?.elements().ok_or(RuleError::UnknownShape(1))?;
            let mut dims = Dims::from_slice(data);
            if dims.len() < 2 {
                dims.insert(0, 1);
            }
            if let Some(last) = dims.last_mut() {
                *last = count;
            }
            context.emit(context.dtype(0), dims);
        }
        FeatureOutputs::LastDim(columns, dtype) => match data {
            [_] => context.emit(*dtype, [*columns]),
            [rows, _] => context.emit(*dtype, [*rows, *columns]),
            _ => return Err(mismatch!("data must be [C] or [N, C], and is {}", text(data))),
        },
        FeatureOutputs::Texts { drops } => {
            if *drops {
                context.depends_on_data();
            }
            context.emit(context.dtype(0), data.iter().map(|&size| if *drops { size.max(1) } else { size }));
        }
        FeatureOutputs::SplitTexts { most } => {
            let elements = context.input(0)?.elements();
            let most = if elements == Some(0) { Some(0) } else { *most };
            match most {
                Some(most) => {
                    let exact = TensorInfo::known(DType::I64, data.iter().copied());
                    if most > 0 {
                        context.depends_on_data();
                    }
                    context.emit(DType::String, data.iter().copied().chain([most]));
                    context.emit_info(exact);
                }
                None => return Err(RuleError::UnknownValue(0)),
            }
        }
        FeatureOutputs::Relabel => {
            let dtype = if context.dtype(0) == DType::String { DType::I64 } else { DType::String };
            context.emit(dtype, data.iter().copied());
        }
        FeatureOutputs::Row(..) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::OpKind;
    use crate::graph::op::Features;
    use crate::shape::Bound;
    use crate::shape::testing::{self, all_dims, dims, f32, tensor};

    fn op(outputs: FeatureOutputs) -> Op {
        Op::Features(Box::new(Features { kind: OpKind::Scaler, outputs }))
    }

    #[test]
    fn rows_give_labels_and_scores() {
        let classifier =
            || op(FeatureOutputs::PerRow([(None, DType::I64), (Some(3), DType::F32)].into_iter().collect()));
        assert_eq!(all_dims(classifier(), &[f32(&[5, 4])], 2), [&[5][..], &[5, 3]]);
        assert_eq!(all_dims(classifier(), &[f32(&[4])], 2), [&[1][..], &[1, 3]]);
    }

    #[test]
    fn dims_are_added_and_replaced() {
        assert_eq!(dims(op(FeatureOutputs::OneMoreDim(3, DType::F32)), &[f32(&[5, 4])]), [5, 4, 3]);
        assert_eq!(dims(op(FeatureOutputs::Extract), &[f32(&[3, 4]), tensor(DType::I64, &[2])]), [3, 2]);
        assert_eq!(dims(op(FeatureOutputs::Extract), &[f32(&[4]), tensor(DType::I64, &[1])]), [1, 1]);
        assert_eq!(dims(op(FeatureOutputs::LastDim(7, DType::F32)), &[f32(&[4])]), [7]);
        assert_eq!(dims(op(FeatureOutputs::LastDim(7, DType::F32)), &[f32(&[2, 4])]), [2, 7]);
        assert_eq!(dims(op(FeatureOutputs::Row(7, DType::F32)), &[f32(&[4])]), [1, 7]);
        assert!(testing::infer(op(FeatureOutputs::LastDim(7, DType::F32)), &[f32(&[])], 1).is_err());
    }

    #[test]
    fn texts_may_be_dropped_or_split() {
        let texts = tensor(DType::String, &[0]);
        let out = testing::output(op(FeatureOutputs::Texts { drops: true }), std::slice::from_ref(&texts));
        assert_eq!((out.dims.as_deref(), out.bound), (Some(&[1][..]), Bound::UpperBound));
        let split = |most| op(FeatureOutputs::SplitTexts { most });
        assert_eq!(all_dims(split(None), &[texts], 2), [&[0, 0][..], &[0]]);
        let out = testing::infer(split(Some(4)), &[tensor(DType::String, &[2])], 2).unwrap();
        assert_eq!((out[0].dims.as_deref(), out[0].bound), (Some(&[2, 4][..]), Bound::UpperBound));
        assert_eq!((out[1].dims.as_deref(), out[1].bound), (Some(&[2][..]), Bound::Exact));
        assert!(testing::infer(split(None), &[tensor(DType::String, &[2])], 2).is_err());
    }

    #[test]
    fn labels_change_kind() {
        assert_eq!(
            testing::output(op(FeatureOutputs::Relabel), &[tensor(DType::String, &[2])]).dtype,
            DType::I64
        );
        assert_eq!(
            testing::output(op(FeatureOutputs::Relabel), &[tensor(DType::I64, &[2])]).dtype,
            DType::String
        );
    }
}
