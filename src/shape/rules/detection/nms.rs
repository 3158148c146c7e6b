//! Non-maximum suppression: how many boxes can be left.
//!
//! Specifications: <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/sort/non-max-suppression-9.html>
//! (also `non-max-suppression-1`, `-3`, `-4`, `-5`, `nms-rotated-13`, `matrix-non-max-suppression-8`,
//! `multiclass-non-max-suppression-8`, `-9`); ONNX `NonMaxSuppression`, <https://onnx.ai/onnx/operators/>.
//! Opset history: 1 and 3 size the output without the batch; 4 with it; 5 makes the size data-dependent and adds
//! scores and their number; MulticlassNms 9 takes boxes of all images in a row.
//!
//! Shapes, for boxes `[N, B, 4]` and scores `[N, C, B]`:
//!
//! * NonMaxSuppression 1 and 3: `[min(B, m·C), 3]`, m being `max_output_boxes_per_class`. Where it is absent OpenVINO
//!   leaves the rows open, as where it is unknown: then at most those of m = B;
//! * later and NMSRotated: at most `[N·C·min(B, m), 3], [N·C·min(B, m), 3], [1]`;
//! * MatrixNms, MulticlassNms: at most `[R, 6], [R, 1]` with `R = N·min(C·min(B, nms_top_k), keep_top_k)`, where
//!   negative limits do not count, then `[N]`. The background class counts, as in OpenVINO.

use crate::DType;
use crate::graph::op::Detection;
use crate::shape::context::{Context, RuleError, RuleResult, dim, mismatch, text, times};

pub(super) fn plain(spec: &Detection, context: &mut Context<'_>) -> RuleResult {
    let &Detection::NonMaxSuppression { output_type, indices_only, static_output, .. } = spec else {
        return Err(mismatch!("not a non-maximum suppression"));
    };
    let (&[_, boxes, _], &[batch, classes, _]) = (context.dims(0)?, context.dims(1)?) else {
        return Err(mismatch!(
            "boxes {} and scores {} must have 3 dims",
            text(context.dims(0)?),
            text(context.dims(1)?)
        ));
    };
    let most = if context.has(2) { context.ints(2) } else { Err(RuleError::UnknownValue(2)) };
    let most = match most {
        Ok(&[most]) => dim(most)?,
        Ok(values) => {
            return Err(mismatch!("max_output_boxes_per_class has {} elements", values.len()));
        }
        Err(RuleError::UnknownValue(_)) => {
            context.depends_on_data();
            boxes
        }
        Err(error) => return Err(error),
    };
    let rows = if indices_only && static_output {
        boxes.min(most.saturating_mul(classes))
    } else {
        times(times(batch, classes)?, boxes.min(most))?
    };
    emit(context, output_type, [rows, 3], static_output);
    if !indices_only {
        emit(context, DType::F32, [rows, 3], static_output);
        context.emit_exact(output_type, [1]);
    }
    Ok(())
}

pub(super) fn by_class(spec: &Detection, context: &mut Context<'_>) -> RuleResult {
    let (&Detection::MatrixNms { nms_top_k, keep_top_k, output_type, static_output, .. }
    | &Detection::MulticlassNms { nms_top_k, keep_top_k, output_type, static_output, .. }) = spec
    else {
        return Err(mismatch!("not a suppression by class"));
    };
    let (batch, classes, boxes) = match (context.dims(0)?, context.dims(1)?) {
        (&[_, boxes, _], &[batch, classes, _]) if !context.has(2) => (batch, classes, boxes),
        // Boxes [C, B, 4] and scores [C, B] of all images in a row, and how many belong to each.
        (&[classes, boxes, _], &[_, _]) if context.has(2) => match context.dims(2)? {
            &[batch] => (batch, classes, boxes),
            counts => return Err(mismatch!("roisnum must have 1 dim, and is {}", text(counts))),
        },
        (boxes, scores) => {
            return Err(mismatch!("boxes {} and scores {} do not match", text(boxes), text(scores)));
        }
    };
    let limit = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let per_image = times(classes, boxes.min(limit(nms_top_k)))?.min(limit(keep_top_k));
    let rows = times(batch, per_image)?;
    emit(context, context.dtype(0), [rows, 6], static_output);
    emit(context, output_type, [rows, 1], static_output);
    context.emit(output_type, [batch]);
    Ok(())
}

fn emit(context: &mut Context<'_>, dtype: DType, [rows, columns]: [u64; 2], is_static: bool) {
    if is_static {
        context.emit(dtype, [rows, columns]);
    } else {
        context.emit_rows(dtype, rows, &[columns]);
    }
}

/// Expected shapes: OpenVINO 2026.4.1, upper ends of `get_partial_shape` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Op;
    use crate::shape::testing::{Input, dims, f32, infer, message, scalar, tensor};
    use crate::shape::{Bound, TensorInfo};

    fn nms(indices_only: bool, static_output: bool) -> Op {
        let output_type = DType::I32;
        Op::Detection(Box::new(Detection::NonMaxSuppression {
            output_type,
            indices_only,
            rotated: false,
            static_output,
        }))
    }

    fn inputs(most: Input) -> [Input; 3] {
        [f32(&[2, 100, 4]), f32(&[2, 5, 100]), most]
    }

    fn at_most(dtype: DType, dims: [u64; 2]) -> TensorInfo {
        TensorInfo { bound: Bound::UpperBound, ..TensorInfo::known(dtype, dims) }
    }

    #[test]
    fn early_versions_have_a_fixed_size() {
        for (most, expected) in [(10, 50), (1000, 100), (i64::MAX, 100)] {
            assert_eq!(dims(nms(true, true), &inputs(scalar(most))), [expected, 3]);
        }
        for unknown in [tensor(DType::I64, &[]), None] {
            let outputs = infer(nms(true, true), &inputs(unknown), 1).unwrap();
            assert_eq!(outputs[0], at_most(DType::I32, [100, 3]));
        }
    }

    #[test]
    fn later_versions_have_a_largest_size() {
        let valid = TensorInfo::known(DType::I32, [1]);
        for (most, rows) in
            [(scalar(10), 100), (scalar(1000), 1000), (tensor(DType::I64, &[]), 1000), (None, 1000)]
        {
            let outputs = infer(nms(false, false), &inputs(most), 3).unwrap();
            let expected = [at_most(DType::I32, [rows, 3]), at_most(DType::F32, [rows, 3]), valid.clone()];
            assert_eq!(outputs, expected);
        }
        let outputs = infer(nms(true, false), &inputs(scalar(10)), 1).unwrap();
        assert_eq!(outputs, [at_most(DType::I32, [100, 3])]);
        let internal = infer(nms(false, true), &inputs(scalar(10)), 3).unwrap();
        assert_eq!(internal[0], TensorInfo::known(DType::I32, [100, 3]));
    }

    #[test]
    fn limits_per_class_and_image() {
        let outputs = |nms_top_k, keep_top_k, inputs: &[Input]| {
            let (output_type, background_class, static_output) = (DType::I64, 0, false);
            let spec = Detection::MulticlassNms {
                nms_top_k,
                keep_top_k,
                background_class,
                output_type,
                static_output,
            };
            infer(Op::Detection(Box::new(spec)), inputs, 3).unwrap()
        };
        let by_image = [f32(&[2, 100, 4]), f32(&[2, 5, 100])];
        let in_a_row = [f32(&[5, 100, 4]), f32(&[5, 100]), tensor(DType::I64, &[2])];
        for (nms_top_k, keep_top_k, rows) in
            [(-1, -1, 1000), (10, -1, 100), (10, 7, 14), (3, 100, 30), (0, -1, 0), (-1, 0, 0)]
        {
            let expected = [
                at_most(DType::F32, [rows, 6]),
                at_most(DType::I64, [rows, 1]),
                TensorInfo::known(DType::I64, [2]),
            ];
            assert_eq!(outputs(nms_top_k, keep_top_k, &by_image), expected);
            assert_eq!(outputs(nms_top_k, keep_top_k, &in_a_row), expected);
        }
    }

    #[test]
    fn wrong_inputs_are_mismatches() {
        let run =
            |op, boxes: &[u64], scores: &[u64], most: Input| message(op, &[f32(boxes), f32(scores), most]);
        let (boxes, scores) = (&[2, 100, 4][..], &[2, 5, 100][..]);
        assert_eq!(
            run(nms(false, false), boxes, scores, scalar(-1)),
            "a dim must not be negative, and is -1"
        );
        assert_eq!(
            run(nms(false, false), boxes, &[5, 100], scalar(1)),
            "boxes [2,100,4] and scores [5,100] must have 3 dims"
        );
        let many = &[u64::MAX, 5, 100][..];
        assert!(run(nms(false, false), boxes, many, scalar(1)).ends_with("is out of range"));
        let matrix = Op::Detection(Box::new(Detection::MatrixNms {
            nms_top_k: 1,
            keep_top_k: 1,
            background_class: -1,
            output_type: DType::I64,
            static_output: false,
        }));
        assert_eq!(
            run(matrix.clone(), boxes, &[5, 100], None),
            "boxes [2,100,4] and scores [5,100] do not match"
        );
        assert_eq!(run(matrix, boxes, &[2, 100], f32(&[])), "roisnum must have 1 dim, and is []");
    }
}
