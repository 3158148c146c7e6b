//! Operators whose outputs have the dims of an input, or of a part of them.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs.html>,
//! normalization, activation and movement sections; ONNX <https://onnx.ai/onnx/operators/>; ONNX Runtime
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>.
//!
//! * Softmax, norms, `Roll`, `Trilu` … : out = data; further outputs are at most as large.
//! * `LayerNormalization`: data's shape, then statistics: data's dims with 1 from the axis on.
//! * `BatchNormalization` in training: data's shape, then mean and variance twice.
//! * `Dropout`: data's shape, twice. `DynamicQuantizeLinear`: data's shape and two scalars.
//! * `Adam` and its like: each tensor, then each state.

use crate::DType;
use crate::graph::op::{ElementType, LayerNorm, Optimizer};
use crate::graph::{Op, Value};
use crate::shape::context::{Context, RuleResult, mismatch, normalize_axis};
use crate::shape::dim::{Dim, DimList};
use crate::shape::{TensorInfo, arithmetic};
use smallvec::SmallVec;

/// One output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Like {
    dims: LikeDims,
    dtype: ElementType,
}

/// The dims of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LikeDims {
    /// Those of the input of this number.
    Input(u32),
    /// Those of the first input, with 1 at `axis` and all that follow: statistics of a normalization.
    ReducedFrom(i64),
    /// None.
    Scalar,
}

/// The element type that an operator names.
pub(super) fn element_type(dtype: ElementType, context: &Context<'_>) -> DType {
    match dtype {
        ElementType::OfInput(index) => context.dtype(index as usize),
        ElementType::Is(dtype) => dtype,
    }
}

/// The first output has the dims and the type of the first input.
pub(super) fn same_as_input(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let input = context.emit_like(0)?;
    if let Op::CumSum(direction) = op
        && !direction.is_exclusive
        && !direction.is_reverse
        && let Some(value) = cumulative_sum(input)
    {
        context.set_value(value);
    }
    // Masks, means and the like: not larger than the data, in the type that the file declares.
    for _ in 1..context.n_outputs() {
        context.depends_on_data();
        context.emit_shape(DType::Dynamic, input.shape().unwrap_or_default());
    }
    Ok(())
}

/// Each output is like an input.
pub(super) fn like_inputs(op: &Op, context: &mut Context<'_>) -> RuleResult {
    for like in outputs(op, context.n_outputs())?.iter().take(context.n_outputs()) {
        emit(*like, context)?;
    }
    Ok(())
}

fn emit(like: Like, context: &mut Context<'_>) -> RuleResult {
    let dims = match like.dims {
        LikeDims::Input(index) => context.shape(index as usize)?,
        LikeDims::ReducedFrom(axis) => {
            let mut dims = context.shape(0)?;
            let axis = normalize_axis(axis, dims.len())?;
            dims.iter_mut().skip(axis).for_each(|dim| *dim = Dim::Known(1));
            dims
        }
        LikeDims::Scalar => DimList::new(),
    };
    let dtype = element_type(like.dtype, context);
    context.emit_shape(dtype, dims);
    Ok(())
}

/// What each output is like; of a node with `count` outputs.
fn outputs(op: &Op, count: usize) -> RuleResult<SmallVec<[Like; 5]>> {
    let data = |dtype| Like { dims: LikeDims::Input(0), dtype };
    let scalar = |dtype| Like { dims: LikeDims::Scalar, dtype: ElementType::Is(dtype) };
    let typed = |to: &Option<DType>| data(to.map_or(ElementType::OfInput(0), ElementType::Is));
    Ok(match op {
        Op::BiasAdd | Op::GatedAdd | Op::SampleOp | Op::LongformerAttention => inputs([0]),
        Op::MoE { .. } | Op::QMoE { .. } => inputs([0]),
        Op::BiasDropout | Op::SkipGroupNorm(_) => inputs([0, 0]),
        Op::NGramRepeatBlock { .. } => inputs([1]),
        Op::PackedMultiHeadAttention => inputs([2]),
        // The caches are written where they are.
        Op::PagedAttentionOfCache => inputs([0, 3, 4]),
        // Mean and variance, and their copies that older versions save, come out in training alone.
        Op::BatchNormalization { .. } => inputs([0, 3, 4, 3, 4]),
        Op::Gradient => inputs(0..count as u32),
        Op::Optimizer { kind, tensors } => inputs(trained(*kind, *tensors, count)),
        Op::BitCast { to } | Op::MurmurHash3 { to } => [data(ElementType::Is(*to))].into_iter().collect(),
        Op::RegexFullMatch => [data(ElementType::Is(DType::Boolean))].into_iter().collect(),
        Op::OptionalHasElement => [scalar(DType::Boolean)].into_iter().collect(),
        Op::RandomUniformLike { to }
        | Op::RandomNormalLike { to }
        | Op::Bernoulli { to }
        | Op::EyeLike { to } => [typed(to)].into_iter().collect(),
        Op::Dropout { mask } => [data(ElementType::OfInput(0)), data(*mask)].into_iter().collect(),
        Op::QuantizeLinear { to } | Op::DequantizeLinear { to } => [data(*to)].into_iter().collect(),
        Op::DynamicQuantizeLinear => {
            [data(ElementType::Is(DType::U8)), scalar(DType::F32), scalar(DType::U8)].into_iter().collect()
        }
        Op::LayerNormalization(norm) => normalized(norm, 2, None),
        Op::SimplifiedLayerNormalization(norm) => normalized(norm, 1, None),
        Op::SkipLayerNormalization(norm) | Op::SkipSimplifiedLayerNormalization(norm) => {
            normalized(norm, 2, Some(0))
        }
        _ => return Err(mismatch!("not like its inputs")),
    })
}

/// Outputs like the inputs of these numbers, each with that input's type.
fn inputs(numbers: impl IntoIterator<Item = u32>) -> SmallVec<[Like; 5]> {
    let like = |input| Like { dims: LikeDims::Input(input), dtype: ElementType::OfInput(input) };
    numbers.into_iter().map(like).collect()
}

/// The normalized data, statistics in the type that they are computed in, and a sum that goes on as residual.
fn normalized(norm: &LayerNorm, statistics: usize, residual: Option<u32>) -> SmallVec<[Like; 5]> {
    let statistic = Like { dims: LikeDims::ReducedFrom(norm.axis), dtype: ElementType::Is(norm.statistics) };
    let mut outputs = inputs([0]);
    outputs.extend(std::iter::repeat_n(statistic, statistics));
    outputs.extend(inputs(residual));
    outputs
}

/// Rate and count, then tensors, their gradients, and so many of each of their states; out come tensors and states.
fn trained(kind: Optimizer, tensors: u32, count: usize) -> impl Iterator<Item = u32> {
    let states = match kind {
        Optimizer::Adagrad | Optimizer::Momentum => 1,
        Optimizer::Adam => 2,
    };
    let first = (0..tensors).map(|index| index.saturating_add(2));
    let start = tensors.saturating_mul(2).saturating_add(2);
    let states = (0..tensors.saturating_mul(states)).map(move |index| start.saturating_add(index));
    first.chain(states).take(count)
}

fn cumulative_sum(input: &TensorInfo) -> Option<Value> {
    let [_] = input.dims.as_deref()? else { return None };
    let value = input.value.as_ref().filter(|value| !value.is_upper_bound)?;
    let sums = value.as_ints()?.iter().scan(0_i64, |sum, &element| {
        *sum = sum.wrapping_add(element);
        Some(arithmetic::wrap(input.dtype, *sum))
    });
    Some(Value::ints(sums.collect::<Option<Vec<_>>>()?))
}

/// Expected shapes: onnx 1.23, `infer_shapes` of the same nodes.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{AxisSpan, Cumulation};
    use crate::shape::Bound;
    use crate::shape::testing::{f32, infer, int_values, message, scalar, tensor, vector};

    fn norm(axis: i64) -> LayerNorm {
        LayerNorm { axis, ..LayerNorm::default() }
    }

    #[test]
    fn cumulative_sums_of_vectors_are_known() {
        let sum = |is_exclusive| Op::CumSum(Cumulation { is_exclusive, is_reverse: false });
        assert_eq!(int_values(sum(false), &[vector(&[1, 2, 3]), scalar(0)]), Some(vec![1, 3, 6]));
        assert_eq!(int_values(sum(true), &[vector(&[1, 2, 3]), scalar(0)]), None);
    }

    #[test]
    fn further_outputs_of_a_softmax_are_bounds() {
        let outputs = infer(Op::Softmax(AxisSpan::LAST), &[f32(&[2, 3])], 2).unwrap();
        assert_eq!(outputs[0], TensorInfo::known(DType::F32, [2, 3]));
        assert_eq!((outputs[1].dims.as_deref(), outputs[1].bound), (Some(&[2, 3][..]), Bound::UpperBound));
    }

    #[test]
    fn statistics_have_ones_from_the_axis_on() {
        let data = [tensor(DType::F16, &[2, 3, 4])];
        let statistic = TensorInfo::known(DType::F32, [2, 1, 1]);
        let expected = [TensorInfo::known(DType::F16, [2, 3, 4]), statistic.clone(), statistic.clone()];
        assert_eq!(infer(Op::LayerNormalization(norm(-2)), &data, 3).unwrap(), expected);
        assert_eq!(infer(Op::LayerNormalization(norm(-2)), &data, 1).unwrap(), expected[..1]);
        assert_eq!(infer(Op::SimplifiedLayerNormalization(norm(-2)), &data, 2).unwrap(), expected[..2]);
        let skip = infer(Op::SkipLayerNormalization(norm(-1)), &data, 4).unwrap();
        assert_eq!(skip[3], expected[0]);
        assert!(infer(Op::LayerNormalization(norm(9)), &data, 2).is_err());
    }

    #[test]
    fn training_gives_statistics_and_states() {
        let data = [f32(&[2, 3]), f32(&[3]), f32(&[3]), f32(&[3]), f32(&[3])];
        let norm = || Op::BatchNormalization { epsilon: 1e-5 };
        assert_eq!(infer(norm(), &data, 3).unwrap()[2], TensorInfo::known(DType::F32, [3]));
        assert_eq!(message(Op::PackedMultiHeadAttention, &data[..2]), "input 2 is missing");
        // Rate, count, two tensors, their gradients, two states each.
        let sizes = [1, 1, 5, 6, 5, 6, 5, 6, 5, 6].map(|size| f32(&[size]));
        let adam = Op::Optimizer { kind: Optimizer::Adam, tensors: 2 };
        let dims: Vec<_> =
            infer(adam, &sizes, 6).unwrap().iter().map(|info| info.dims.clone().unwrap()[0]).collect();
        assert_eq!(dims, [5, 6, 5, 6, 5, 6]);
    }

    #[test]
    fn quantizing_changes_the_type() {
        let data = [f32(&[2, 3]), f32(&[]), tensor(DType::I8, &[])];
        let op = |to| Op::QuantizeLinear { to };
        assert_eq!(infer(op(ElementType::OfInput(2)), &data, 1).unwrap()[0].dtype, DType::I8);
        let dynamic = infer(Op::DynamicQuantizeLinear, &data, 3).unwrap();
        let expected = [(DType::U8, 2), (DType::F32, 0), (DType::U8, 0)];
        let found = dynamic.iter().map(|info| (info.dtype, info.dims.as_ref().unwrap().len()));
        assert!(found.eq(expected));
    }
}
