//! Element-wise operators and conversions.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/broadcast-rules.html>
//! and the arithmetic, logical, comparison, bitwise, activation, normalization and quantization sections of the
//! operator list; ONNX <https://onnx.ai/onnx/repo-docs/Broadcasting.html>.
//! Opsets: binary and unary arithmetic since opset1 and ONNX 1 (NumPy broadcast since ONNX 7); `Convert-1`,
//! `ConvertLike-1`, `ConvertPromoteTypes-14`, `Select-1`, `FakeQuantize-1`, `FakeConvert-13`, `PRelu-1`.
//!
//! * Unary, `PRelu`, `FakeConvert`: out = data.
//! * Binary, NumPy: outᵢ = aᵢ if bᵢ = 1, bᵢ if aᵢ = 1, else aᵢ = bᵢ, aligned at the last dim.
//! * Binary, PDPD: out = a, b aligned at `axis`; every bᵢ is 1 or the dim it meets.
//! * `Select`, `Variadic`: all inputs joined that way. `FakeQuantize`: out = data, even where the limits are larger.

use crate::DType;
use crate::graph::op::{Binary, Broadcast, Unary, Variadic};
use crate::graph::{Dims, Op, Value};
use crate::shape::context::{Context, RuleResult, mismatch, text};
use crate::shape::dim::{Dim, DimList, Element, ElementList};
use crate::shape::{TensorInfo, arithmetic, integers};
use smallvec::SmallVec;

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::Unary(kind) => unary(*kind, context),
        Op::Binary(kind, mode) => binary(*kind, *mode, context),
        Op::Select(mode) => select(*mode, context),
        Op::Variadic(kind) => variadic(*kind, context),
        Op::Convert { to } => convert(*to, context),
        Op::ConvertLike => convert(context.dtype(1), context),
        // The promoted type depends on attributes; the one that the file declares is taken.
        Op::ConvertPromoteTypes => {
            for port in 0..2 {
                let dims = context.shape(port)?;
                context.emit_shape(DType::Dynamic, dims);
            }
            Ok(())
        }
        Op::FakeQuantize { broadcast, .. } => fake_quantize(*broadcast, context),
        // PRelu, FakeConvert.
        _ => {
            context.emit_like(0)?;
            Ok(())
        }
    }
}

fn unary(kind: Unary, context: &mut Context<'_>) -> RuleResult {
    let input = context.emit_like(0)?;
    let is_test = matches!(kind, Unary::IsFinite | Unary::IsInf | Unary::IsNan | Unary::LogicalNot);
    let dtype = if is_test { DType::Boolean } else { input.dtype };
    context.set_dtype(dtype);
    let value = match kind {
        Unary::Clamp => clamped(context),
        _ => input.value.as_ref().and_then(|value| arithmetic::unary(kind, value, dtype)),
    };
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

/// What Clip leaves of a known value, where its bounds are inputs; those that are attributes are not read.
fn clamped(context: &Context<'_>) -> Option<Value> {
    let info = context.input(0).ok()?;
    let (mut value, dims) = (info.value.clone()?, info.dims.as_deref()?);
    if context.n_inputs() < 2 {
        return None;
    }
    for (bound, kind) in [(1, Binary::Maximum), (2, Binary::Minimum)] {
        if context.has(bound) {
            let bound = context.input(bound).ok().and_then(operand)?;
            value = arithmetic::binary(kind, (&value, dims), bound, dims, info.dtype)?;
        }
    }
    Some(value)
}

fn convert(to: DType, context: &mut Context<'_>) -> RuleResult {
    let input = context.emit_like(0)?;
    context.set_dtype(to);
    if let Some(value) = &input.value {
        if let Some(value) = arithmetic::convert(value, to) {
            context.set_value(value);
        }
    } else if let Some(elements) = input.integers() {
        context.set_integers(elements.iter().map(|&element| integers::convert(element, to)).collect());
    }
    Ok(())
}

fn binary(kind: Binary, mode: Broadcast, context: &mut Context<'_>) -> RuleResult {
    let dims = joined(context, mode, 0, 1)?;
    let (a, b) = (context.input(0)?, context.input(1)?);
    let operand = if a.dtype == DType::Dynamic { b.dtype } else { a.dtype };
    let dtype = if kind.is_boolean() { DType::Boolean } else { operand };
    let value = match (&a.value, &b.value, mode) {
        (_, _, Broadcast::Pdpd(_)) if a.dims != b.dims => None,
        (Some(left), Some(right), _) => {
            let left = (left, a.dims.as_deref().unwrap_or(&[]));
            let right = (right, b.dims.as_deref().unwrap_or(&[]));
            sizes(&dims).and_then(|dims| arithmetic::binary(kind, left, right, &dims, dtype))
        }
        _ => None,
    };
    context.emit_shape(dtype, dims);
    if let Some(value) = value {
        context.set_value(value);
    } else if context.is_symbolic()
        && matches!(mode, Broadcast::Numpy)
        && let Some(elements) = lined_up(context, [0, 1])
    {
        context.set_integers(elements.map(|[a, b]| integers::binary(kind, a, b, dtype)).collect());
    }
    Ok(())
}

/// The dims, if all are known.
fn sizes(dims: &[Dim]) -> Option<Dims> {
    dims.iter().map(|dim| dim.known()).collect()
}

/// The integers of inputs that have equally many or one, side by side; nothing where none of them is known.
fn lined_up<const N: usize>(
    context: &Context<'_>,
    inputs: [usize; N],
) -> Option<impl Iterator<Item = [Element; N]> + use<N>> {
    if !inputs.iter().any(|&index| context.has_elements(index)) {
        return None;
    }
    let lists = inputs.map(|index| context.integers(index).ok());
    let lists: SmallVec<[ElementList; 3]> = lists.into_iter().collect::<Option<_>>()?;
    let lists: [ElementList; N] = lists.into_iter().collect::<Vec<_>>().try_into().ok()?;
    let longest = lists.iter().map(|list| list.len()).max()?;
    let fits = lists.iter().all(|list| list.len() == 1 || list.len() == longest);
    let is_line = inputs.iter().all(|&index| context.rank(index).is_ok_and(|rank| rank < 2));
    let at = move |index: usize| {
        std::array::from_fn(|input| {
            let list: &ElementList = &lists[input];
            list[if list.len() == 1 { 0 } else { index }]
        })
    };
    (fits && is_line).then(|| (0..longest).map(at))
}

fn select(mode: Broadcast, context: &mut Context<'_>) -> RuleResult {
    let dims = match mode {
        Broadcast::Numpy => context.broadcast([1, 2, 0])?,
        _ => {
            joined(context, mode, 1, 2)?;
            joined(context, mode, 1, 0)?
        }
    };
    let (condition, then, otherwise) = (context.input(0)?, context.input(1)?, context.input(2)?);
    let dtype = if then.dtype == DType::Dynamic { otherwise.dtype } else { then.dtype };
    let value = operand(condition).zip(operand(then)).zip(operand(otherwise));
    let value = value.filter(|_| !matches!(mode, Broadcast::Pdpd(_)));
    let value = value.and_then(|((condition, then), otherwise)| {
        arithmetic::select(condition, then, otherwise, &sizes(&dims)?)
    });
    context.emit_shape(dtype, dims);
    if let Some(value) = value {
        context.set_value(value);
    } else if context.is_symbolic()
        && matches!(mode, Broadcast::Numpy)
        && let Some(elements) = lined_up(context, [0, 1, 2])
    {
        context.set_integers(elements.map(|[condition, a, b]| integers::select(condition, a, b)).collect());
    }
    Ok(())
}

fn operand(info: &TensorInfo) -> Option<arithmetic::Operand<'_>> {
    Some((info.value.as_ref()?, info.dims.as_deref()?))
}

fn variadic(kind: Variadic, context: &mut Context<'_>) -> RuleResult {
    let dims = context.broadcast(0..context.n_inputs())?;
    let dtype = context.dtype(0);
    let value = sizes(&dims).and_then(|dims| fold(kind, context, &dims, dtype));
    context.emit_shape(dtype, dims);
    if let Some(value) = value {
        context.set_value(value);
    }
    Ok(())
}

fn fold(kind: Variadic, context: &Context<'_>, dims: &[u64], dtype: DType) -> Option<Value> {
    let step = match kind {
        Variadic::Max => Binary::Maximum,
        Variadic::Min => Binary::Minimum,
        Variadic::Mean | Variadic::Sum => Binary::Add,
    };
    let zero = Value::ints([0]);
    let first = context.input(0).ok().and_then(operand)?;
    // Adding zero broadcasts the first operand, and changes nothing else.
    let mut folded = arithmetic::binary(Binary::Add, first, (&zero, &[]), dims, dtype)?;
    for index in 1..context.n_inputs() {
        let next = context.input(index).ok().and_then(operand)?;
        folded = arithmetic::binary(step, (&folded, dims), next, dims, dtype)?;
    }
    if kind == Variadic::Mean {
        let count = Value::floats([context.n_inputs() as f64]);
        folded = arithmetic::binary(Binary::Divide, (&folded, dims), (&count, &[]), dims, dtype)?;
    }
    Some(folded)
}

fn fake_quantize(mode: Broadcast, context: &mut Context<'_>) -> RuleResult {
    for index in 1..context.n_inputs() {
        joined(context, mode, 0, index)?;
    }
    context.emit_like(0)?;
    Ok(())
}

/// The dims of two inputs made equal as `mode` says.
fn joined(context: &Context<'_>, mode: Broadcast, a: usize, b: usize) -> RuleResult<DimList> {
    let (left, right) = (context.shape(a)?, context.shape(b)?);
    match mode {
        Broadcast::Numpy if left == right => Ok(left),
        Broadcast::Numpy => context.broadcast([a, b]),
        Broadcast::None if !context.is_exact() => Ok(left),
        Broadcast::None
            if left.len() == right.len() && !left.iter().zip(&right).any(|(a, b)| a.differs(*b)) =>
        {
            Ok(left.iter().zip(&right).map(|(a, b)| a.meet(*b)).collect())
        }
        Broadcast::None => Err(mismatch!(
            "shapes {} and {} differ, and the operator does not broadcast",
            text(&left),
            text(&right)
        )),
        Broadcast::Pdpd(axis) => into_first(&left, &right, axis).ok_or_else(|| {
            mismatch!("shape {} does not broadcast into {} at axis {axis}", text(&right), text(&left))
        }),
    }
}

/// PDPD: `small` placed into `large` at `axis` (-1: at the last dim).
fn into_first(large: &[Dim], small: &[Dim], axis: i64) -> Option<DimList> {
    let start = match axis {
        -1 => large.len().checked_sub(small.len())?,
        _ => usize::try_from(axis).ok()?,
    };
    let met = large.get(start..start.checked_add(small.len())?)?;
    let fits = met.iter().zip(small).all(|(&large, &small)| small == Dim::Known(1) || !small.differs(large));
    fits.then(|| large.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{ElementType, Quantized, QuantizedForm};
    use crate::shape::Bound;
    use crate::shape::testing::{infer, *};

    const ADD: Op = Op::Binary(Binary::Add, Broadcast::Numpy);

    #[test]
    fn binary_operators_broadcast_from_the_last_dim() {
        let table: [(&[u64], &[u64], &[u64]); 5] = [
            (&[2, 3], &[2, 3], &[2, 3]),
            (&[2, 3], &[3], &[2, 3]),
            (&[2, 1, 4], &[3, 1], &[2, 3, 4]),
            (&[], &[5], &[5]),
            (&[1, 0], &[4, 1], &[4, 0]),
        ];
        for (a, b, expected) in table {
            assert_eq!(dims(ADD, &[f32(a), f32(b)]), expected, "{a:?} {b:?}");
        }
        assert_eq!(message(ADD, &[f32(&[2]), f32(&[3])]), "shapes [2] and [3] do not broadcast");
    }

    #[test]
    fn pdpd_broadcasts_the_second_into_the_first_at_the_axis() {
        let add = |axis| Op::Binary(Binary::Add, Broadcast::Pdpd(axis));
        assert_eq!(dims(add(1), &[f32(&[2, 3, 4]), f32(&[3])]), [2, 3, 4]);
        assert_eq!(dims(add(-1), &[f32(&[2, 3, 4]), f32(&[4])]), [2, 3, 4]);
        assert!(infer(add(2), &[f32(&[2, 3, 4]), f32(&[3])], 1).is_err());
        assert!(infer(add(i64::MAX), &[f32(&[2, 3, 4]), f32(&[3])], 1).is_err());
    }

    #[test]
    fn no_broadcast_wants_equal_shapes() {
        let add = || Op::Binary(Binary::Add, Broadcast::None);
        assert_eq!(dims(add(), &[f32(&[2]), f32(&[2])]), [2]);
        assert!(infer(add(), &[f32(&[2]), f32(&[1])], 1).is_err());
    }

    #[test]
    fn comparisons_are_boolean() {
        let less = Op::Binary(Binary::Less, Broadcast::Numpy);
        let out = output(less, &[vector(&[1, 5]), scalar(3)]);
        assert_eq!((out.dtype, out.value), (DType::Boolean, Some(Value::ints([1, 0]))));
        assert_eq!(output(Op::Unary(Unary::IsNan), &[f32(&[2])]).dtype, DType::Boolean);
        assert_eq!(output(Op::Unary(Unary::Relu), &[f32(&[2])]).dtype, DType::F32);
    }

    #[test]
    fn clipped_values_stay_within_bounds_that_are_inputs() {
        let clip = || Op::Unary(Unary::Clamp);
        let value = vector(&[-3, 2, 9]);
        assert_eq!(int_values(clip(), &[value.clone(), scalar(0), scalar(5)]), Some(vec![0, 2, 5]));
        assert_eq!(int_values(clip(), &[value.clone(), scalar(0)]), Some(vec![0, 2, 9]));
        assert_eq!(int_values(clip(), &[value.clone(), tensor(DType::I64, &[])]), None);
        // Bounds that are attributes.
        assert_eq!(int_values(clip(), &[value]), None);
    }

    #[test]
    fn values_broadcast_with_their_shapes() {
        let a = ints(DType::I64, &[2, 1], &[10, 20]);
        assert_eq!(int_values(ADD, &[a, vector(&[1, 2])]), Some(vec![11, 12, 21, 22]));
    }

    #[test]
    fn a_bound_gives_way_to_an_exact_dim() {
        let out = output(ADD, &[at_most(DType::F32, &[100, 4]), f32(&[50, 4])]);
        assert_eq!(out.dims.unwrap().as_slice(), [50, 4]);
        assert_eq!(out.bound, Bound::UpperBound);
    }

    #[test]
    fn a_bounded_value_leaves_its_own_shape_exact() {
        let out = output(ADD, &[bounded(vector(&[7])), scalar(1)]);
        assert_eq!(out.bound, Bound::Exact);
        assert_eq!(out.value, Some(Value { is_upper_bound: true, ..Value::ints([8]) }));
    }

    #[test]
    fn select_joins_three_shapes() {
        let select = || Op::Select(Broadcast::Numpy);
        let condition = tensor(DType::Boolean, &[4, 1]);
        let out = output(select(), &[condition, f32(&[3]), f32(&[])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.dtype), (&[4, 3][..], DType::F32));
        let condition = ints(DType::Boolean, &[2], &[1, 0]);
        assert_eq!(int_values(select(), &[condition, vector(&[1, 2]), scalar(9)]), Some(vec![1, 9]));
    }

    #[test]
    fn conversions_carry_values_over() {
        let to = Op::Convert { to: DType::I64 };
        assert_eq!(int_values(to, &[floats(DType::F32, &[2], &[2.5, -2.5])]), Some(vec![2, -2]));
        let like = output(Op::ConvertLike, &[vector(&[3]), tensor(DType::F16, &[])]);
        assert_eq!((like.dtype, like.value), (DType::F16, Some(Value::floats([3.0]))));
    }

    #[test]
    fn variadic_mean_divides_by_the_number_of_inputs() {
        let mean = Op::Variadic(Variadic::Mean);
        let inputs = [floats(DType::F32, &[2], &[1.0, 2.0]), floats(DType::F32, &[], &[3.0])];
        assert_eq!(float_values(mean, &inputs), Some(vec![2.0, 2.5]));
    }

    #[test]
    fn quantized_results_have_their_own_type() {
        let quantized = |to| Op::Quantized(Box::new(Quantized { form: QuantizedForm::Linear, op: ADD, to }));
        let inputs = [ints(DType::U8, &[2], &[1, 2]), ints(DType::U8, &[], &[3]), tensor(DType::I8, &[])];
        let out = output(quantized(ElementType::OfInput(2)), &inputs);
        assert_eq!((out.dtype, out.value), (DType::I8, None));
        assert_eq!(output(quantized(ElementType::Is(DType::I32)), &inputs).dtype, DType::I32);
    }
}
