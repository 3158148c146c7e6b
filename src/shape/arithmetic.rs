//! Element-wise arithmetic on small values, as the runtimes compute it.
//!
//! Integers wrap to their type's width; floats are computed in f64 and rounded to theirs. Integer division rounds
//! down (OpenVINO's `m_pythondiv`), `Mod` has the sign of the dividend, `FloorMod` that of the divisor, powers go
//! through floats where the exponent is negative. Source: OpenVINO 2026.4, `evaluate` of its nodes.
//!
//! An upper bound stays one under operators that are monotone in the bounded operand; under any other the result is
//! unknown.

use super::layout;
use crate::DType;
use crate::graph::op::{Binary, Unary};
use crate::graph::{Elements, Value};
use smallvec::SmallVec;
use std::borrow::Cow;

/// `value` as an element of the integer type `dtype`; `None` where it cannot be held.
pub(super) fn wrap(dtype: DType, value: i64) -> Option<i64> {
    Some(match dtype {
        DType::Boolean => i64::from(value != 0),
        DType::I64 | DType::Dynamic => value,
        DType::U64 => return (value >= 0).then_some(value),
        DType::I32 => i64::from(value as i32),
        DType::U32 => i64::from(value as u32),
        DType::I16 => i64::from(value as i16),
        DType::U16 => i64::from(value as u16),
        DType::I8 => i64::from(value as i8),
        DType::U8 => i64::from(value as u8),
        _ => return None,
    })
}

/// The elements converted to `to`; `None` for numbers that `to` cannot hold.
pub(super) fn convert(value: &Value, to: DType) -> Option<Value> {
    let elements = match &value.elements {
        Elements::Int(values) if to.is_float() => {
            Elements::Float(values.iter().map(|&value| to.round_float(value as f64)).collect())
        }
        Elements::Int(values) => {
            Elements::Int(values.iter().map(|&value| wrap(to, value)).collect::<Option<_>>()?)
        }
        Elements::Float(values) if to.is_float() => {
            Elements::Float(values.iter().map(|&value| to.round_float(value)).collect())
        }
        Elements::Float(values) => {
            Elements::Int(values.iter().map(|&value| truncate(to, value)).collect::<Option<_>>()?)
        }
    };
    Some(Value { elements, is_upper_bound: value.is_upper_bound && to != DType::Boolean })
        .filter(|converted| converted.is_upper_bound == value.is_upper_bound)
}

/// A float as an element of the integer type `to`: cut towards zero, as long as it fits.
fn truncate(to: DType, value: f64) -> Option<i64> {
    if to == DType::Boolean {
        return Some(i64::from(value != 0.0));
    }
    // 2^63 is a float, 2^63 - 1 is not.
    let fits = value >= i64::MIN as f64 && value < i64::MAX as f64;
    let cut = if fits { value.trunc() as i64 } else { return None };
    wrap(to, cut).filter(|&wrapped| wrapped == cut)
}

/// `op` on every element; `None` where propagation does not compute it.
pub(super) fn unary(op: Unary, value: &Value, dtype: DType) -> Option<Value> {
    use Unary::*;
    if value.is_upper_bound && !matches!(op, Ceiling | Floor | Round | Relu | Sqrt | Sign | Exp | Log) {
        return None;
    }
    let elements = match &value.elements {
        Elements::Int(values) => {
            let compute = |&value: &i64| wrap(dtype, unary_int(op, value)?);
            Elements::Int(values.iter().map(compute).collect::<Option<_>>()?)
        }
        Elements::Float(values) if matches!(op, IsFinite | IsInf | IsNan) => {
            let test = match op {
                IsFinite => f64::is_finite,
                IsInf => f64::is_infinite,
                _ => f64::is_nan,
            };
            Elements::Int(values.iter().map(|&value| i64::from(test(value))).collect())
        }
        Elements::Float(values) => {
            let compute = |&value: &f64| Some(dtype.round_float(unary_float(op, value)?));
            Elements::Float(values.iter().map(compute).collect::<Option<_>>()?)
        }
    };
    Some(Value { elements, is_upper_bound: value.is_upper_bound })
}

fn unary_int(op: Unary, value: i64) -> Option<i64> {
    Some(match op {
        Unary::Abs => value.wrapping_abs(),
        Unary::Negative => value.wrapping_neg(),
        Unary::Sign => value.signum(),
        Unary::Relu => value.max(0),
        Unary::Ceiling | Unary::Floor | Unary::Round => value,
        Unary::LogicalNot => i64::from(value == 0),
        Unary::BitwiseNot => !value,
        _ => return None,
    })
}

fn unary_float(op: Unary, value: f64) -> Option<f64> {
    Some(match op {
        Unary::Abs => value.abs(),
        Unary::Acos => value.acos(),
        Unary::Asin => value.asin(),
        Unary::Atan => value.atan(),
        Unary::Ceiling => value.ceil(),
        Unary::Cos => value.cos(),
        Unary::Cosh => value.cosh(),
        Unary::Exp => value.exp(),
        Unary::Floor => value.floor(),
        Unary::Log => value.ln(),
        Unary::Negative => -value,
        Unary::Reciprocal => 1.0 / value,
        Unary::Relu => value.max(0.0),
        Unary::Round => value.round_ties_even(),
        Unary::Sigmoid => 1.0 / (1.0 + (-value).exp()),
        Unary::Sign if value == 0.0 || value.is_nan() => value,
        Unary::Sign => value.signum(),
        Unary::Sin => value.sin(),
        Unary::Sinh => value.sinh(),
        Unary::Sqrt => value.sqrt(),
        Unary::Tan => value.tan(),
        Unary::Tanh => value.tanh(),
        _ => return None,
    })
}

/// A value with the dims of its tensor.
pub(super) type Operand<'a> = (&'a Value, &'a [u64]);

/// `op` on operands broadcast to `dims`, with a result of type `dtype`.
pub(super) fn binary(
    op: Binary,
    a: Operand<'_>,
    b: Operand<'_>,
    dims: &[u64],
    dtype: DType,
) -> Option<Value> {
    let (a, b) = (expand(a, dims)?, expand(b, dims)?);
    if let Some(value) = compare_with_bound(op, &a, &b) {
        return Some(value);
    }
    let is_upper_bound = a.is_upper_bound || b.is_upper_bound;
    if is_upper_bound && !keeps_bound(op, &a, &b) {
        return None;
    }
    let elements = match (&a.elements, &b.elements) {
        (Elements::Int(a), Elements::Int(b)) => {
            let compute = |(&a, &b): (&i64, &i64)| wrap(dtype, binary_int(op, a, b)?);
            Elements::Int(a.iter().zip(b).map(compute).collect::<Option<_>>()?)
        }
        _ if op.is_boolean() => {
            let (a, b) = (a.to_floats(), b.to_floats());
            let compute = |(&a, &b): (&f64, &f64)| compare_floats(op, a, b).map(i64::from);
            Elements::Int(a.iter().zip(&b).map(compute).collect::<Option<_>>()?)
        }
        _ => {
            let (a, b) = (a.to_floats(), b.to_floats());
            let compute = |(&a, &b): (&f64, &f64)| Some(dtype.round_float(binary_float(op, a, b)?));
            Elements::Float(a.iter().zip(&b).map(compute).collect::<Option<_>>()?)
        }
    };
    Some(Value { elements, is_upper_bound })
}

/// `then` where `condition` holds, else `otherwise`, all broadcast to `dims`.
pub(super) fn select(
    condition: Operand<'_>,
    then: Operand<'_>,
    otherwise: Operand<'_>,
    dims: &[u64],
) -> Option<Value> {
    let condition = expand(condition, dims)?;
    if condition.is_upper_bound {
        return None;
    }
    let (then, otherwise) = (expand(then, dims)?, expand(otherwise, dims)?);
    let chosen = condition.as_ints()?.iter().map(|&chosen| chosen != 0);
    let elements = match (&then.elements, &otherwise.elements) {
        (Elements::Int(a), Elements::Int(b)) => {
            let pairs = a.iter().zip(b);
            Elements::Int(chosen.zip(pairs).map(|(first, (&a, &b))| if first { a } else { b }).collect())
        }
        _ => {
            let (a, b) = (then.to_floats(), otherwise.to_floats());
            let pairs = a.iter().zip(&b);
            Elements::Float(chosen.zip(pairs).map(|(first, (&a, &b))| if first { a } else { b }).collect())
        }
    };
    Some(Value { elements, is_upper_bound: then.is_upper_bound || otherwise.is_upper_bound })
}

fn expand<'a>((value, from): Operand<'a>, to: &[u64]) -> Option<Cow<'a, Value>> {
    // Dims that broadcast and have as many elements differ by ones only, so the order is the same.
    if layout::small_count(to)? == value.len() {
        return Some(Cow::Borrowed(value));
    }
    layout::broadcast(value, from, to).map(Cow::Owned)
}

fn keeps_bound(op: Binary, a: &Value, b: &Value) -> bool {
    let all = |value: &Value, test: fn(f64) -> bool| value.to_floats().into_iter().all(test);
    let is_positive = |value| all(value, |element| element > 0.0);
    let is_size = |value| all(value, |element| element >= 0.0);
    match op {
        Binary::Add | Binary::Maximum | Binary::Minimum => true,
        Binary::Multiply => is_size(a) && is_size(b),
        Binary::Subtract => !b.is_upper_bound,
        Binary::Divide | Binary::TruncatedDivide => !b.is_upper_bound && is_positive(b),
        Binary::Power => !b.is_upper_bound && is_positive(b) && is_size(a),
        _ => false,
    }
}

/// Whether a bounded size equals a negative mark such as -1 (`expand` of PyTorch asks): sizes never do.
fn compare_with_bound(op: Binary, a: &Value, b: &Value) -> Option<Value> {
    let (bounded, mark) = match (a.is_upper_bound, b.is_upper_bound) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return None,
    };
    let equal = match op {
        Binary::Equal => 0,
        Binary::NotEqual => 1,
        _ => return None,
    };
    let is_size = bounded.as_ints()?.iter().all(|&size| size >= 0);
    let is_mark = mark.as_ints()?.iter().all(|&mark| mark < 0);
    (is_size && is_mark).then(|| Value::ints(std::iter::repeat_n(equal, a.len())))
}

pub(super) fn binary_int(op: Binary, a: i64, b: i64) -> Option<i64> {
    let rounds_down = |remainder: i64| remainder != 0 && (remainder < 0) != (b < 0);
    Some(match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Subtract => a.wrapping_sub(b),
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Divide => a.checked_div(b)? - i64::from(rounds_down(a.checked_rem(b)?)),
        Binary::TruncatedDivide => a.checked_div(b)?,
        Binary::Mod => a.checked_rem(b)?,
        Binary::FloorMod => {
            let remainder = a.checked_rem(b)?;
            if rounds_down(remainder) { remainder + b } else { remainder }
        }
        Binary::Maximum => a.max(b),
        Binary::Minimum => a.min(b),
        Binary::Power => match u32::try_from(b) {
            Ok(exponent) => a.checked_pow(exponent)?,
            Err(_) => truncate(DType::I64, (a as f64).powf(b as f64))?,
        },
        Binary::SquaredDifference => a.wrapping_sub(b).wrapping_mul(a.wrapping_sub(b)),
        Binary::BiasGelu | Binary::SwiGlu | Binary::StringConcat => return None,
        Binary::BitwiseAnd => a & b,
        Binary::BitwiseOr => a | b,
        Binary::BitwiseXor => a ^ b,
        Binary::BitwiseLeftShift => a.checked_shl(u32::try_from(b).ok()?)?,
        Binary::BitwiseRightShift => a.checked_shr(u32::try_from(b).ok()?)?,
        Binary::LogicalAnd => i64::from(a != 0 && b != 0),
        Binary::LogicalOr => i64::from(a != 0 || b != 0),
        Binary::LogicalXor => i64::from((a != 0) != (b != 0)),
        Binary::Equal => i64::from(a == b),
        Binary::NotEqual => i64::from(a != b),
        Binary::Less => i64::from(a < b),
        Binary::LessEqual => i64::from(a <= b),
        Binary::Greater => i64::from(a > b),
        Binary::GreaterEqual => i64::from(a >= b),
    })
}

fn compare_floats(op: Binary, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        Binary::LogicalAnd => a != 0.0 && b != 0.0,
        Binary::LogicalOr => a != 0.0 || b != 0.0,
        Binary::LogicalXor => (a != 0.0) != (b != 0.0),
        Binary::Equal => a == b,
        Binary::NotEqual => a != b,
        Binary::Less => a < b,
        Binary::LessEqual => a <= b,
        Binary::Greater => a > b,
        Binary::GreaterEqual => a >= b,
        _ => return None,
    })
}

fn binary_float(op: Binary, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide | Binary::TruncatedDivide => a / b,
        Binary::Mod => a % b,
        Binary::FloorMod => a - (a / b).floor() * b,
        Binary::Maximum => a.max(b),
        Binary::Minimum => a.min(b),
        Binary::Power => a.powf(b),
        Binary::SquaredDifference => (a - b) * (a - b),
        // The mean of many is a sum first; see the rule of variadic operators.
        _ => return None,
    })
}

/// Folds `count` groups of numbers: `group(i)` says where element `i` goes.
pub(super) fn reduce(
    kind: crate::graph::op::Reduce,
    value: &Value,
    groups: &[usize],
    count: usize,
    dtype: DType,
) -> Option<Value> {
    use crate::graph::op::Reduce::*;
    let is_monotone = matches!(kind, Max | Min | Mean | Prod | Sum);
    if value.is_upper_bound && !(is_monotone && value.to_floats().into_iter().all(|element| element >= 0.0)) {
        return None;
    }
    let elements = match &value.elements {
        Elements::Int(values) => {
            let mut gathered: Vec<Option<i64>> = vec![None; count];
            for (&group, &value) in groups.iter().zip(values) {
                let slot = gathered.get_mut(group)?;
                *slot = Some(match (*slot, kind) {
                    (None, LogicalAnd | LogicalOr) => i64::from(value != 0),
                    (None, SumSquare) => value.wrapping_mul(value),
                    (None, L1) => value.wrapping_abs(),
                    (None, Max | Min | Prod | Sum | Mean) => value,
                    (Some(sum), Sum | Mean) => sum.wrapping_add(value),
                    (Some(sum), SumSquare) => sum.wrapping_add(value.wrapping_mul(value)),
                    (Some(sum), L1) => sum.wrapping_add(value.wrapping_abs()),
                    (Some(product), Prod) => product.wrapping_mul(value),
                    (Some(most), Max) => most.max(value),
                    (Some(least), Min) => least.min(value),
                    (Some(all), LogicalAnd) => i64::from(all != 0 && value != 0),
                    (Some(any), LogicalOr) => i64::from(any != 0 || value != 0),
                    (_, L2 | LogSum | LogSumExp) => return None,
                });
            }
            let size = values.len().checked_div(count)? as i64;
            let finish = |gathered: Option<i64>| match (gathered, kind) {
                (Some(sum), Mean) => sum.checked_div(size),
                (Some(gathered), _) => wrap(dtype, gathered),
                (None, Sum | SumSquare | L1 | LogicalOr) => Some(0),
                (None, Prod | LogicalAnd) => Some(1),
                (None, _) => None,
            };
            Elements::Int(gathered.into_iter().map(finish).collect::<Option<_>>()?)
        }
        Elements::Float(values) => {
            let mut gathered: Vec<Option<f64>> = vec![None; count];
            for (&group, &value) in groups.iter().zip(values) {
                let slot = gathered.get_mut(group)?;
                *slot = Some(match (*slot, kind) {
                    (None, Max | Min | Prod | Sum | Mean) => value,
                    (Some(sum), Sum | Mean) => sum + value,
                    (Some(product), Prod) => product * value,
                    (Some(most), Max) => most.max(value),
                    (Some(least), Min) => least.min(value),
                    _ => return None,
                });
            }
            let size = values.len() as f64 / count as f64;
            let finish = |gathered: Option<f64>| {
                gathered.map(|sum| dtype.round_float(if kind == Mean { sum / size } else { sum }))
            };
            Elements::Float(gathered.into_iter().map(finish).collect::<Option<SmallVec<_>>>()?)
        }
    };
    Some(Value { elements, is_upper_bound: value.is_upper_bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(op: Binary, a: i64, b: i64) -> Option<i64> {
        let (a, b) = (Value::ints([a]), Value::ints([b]));
        Some(binary(op, (&a, &[]), (&b, &[]), &[], DType::I64)?.as_ints()?[0])
    }

    #[test]
    fn integer_division_rounds_down_and_remainders_take_their_signs() {
        // OpenVINO 2026.4, `evaluate`: recorded answers.
        let table = [
            (Binary::Divide, -7, 2, -4),
            (Binary::Divide, 7, -2, -4),
            (Binary::TruncatedDivide, -7, 2, -3),
            (Binary::Mod, -7, 2, -1),
            (Binary::Mod, 7, -2, 1),
            (Binary::FloorMod, -7, 2, 1),
            (Binary::FloorMod, 7, -2, -1),
            (Binary::Power, -7, 2, 49),
            (Binary::Power, 7, -2, 0),
        ];
        for (op, a, b, expected) in table {
            assert_eq!(ints(op, a, b), Some(expected), "{op:?} {a} {b}");
        }
    }

    #[test]
    fn hostile_integers_have_no_value_instead_of_a_panic() {
        for op in [Binary::Divide, Binary::TruncatedDivide, Binary::Mod, Binary::FloorMod] {
            assert_eq!(ints(op, 1, 0), None);
            assert_eq!(ints(op, i64::MIN, -1), None);
        }
        assert_eq!(ints(Binary::BitwiseLeftShift, 1, 64), None);
        assert_eq!(ints(Binary::Power, 10, 100), None);
        assert_eq!(ints(Binary::Add, i64::MAX, 1), Some(i64::MIN));
    }

    #[test]
    fn integers_wrap_to_their_width() {
        let (a, b) = (Value::ints([i64::from(i32::MAX)]), Value::ints([1]));
        let sum = binary(Binary::Add, (&a, &[]), (&b, &[]), &[], DType::I32).unwrap();
        assert_eq!(sum, Value::ints([i64::from(i32::MIN)]));
    }

    #[test]
    fn floats_are_rounded_to_their_type() {
        let (a, b) = (Value::floats([2048.0]), Value::floats([1.0]));
        let sum = binary(Binary::Add, (&a, &[]), (&b, &[]), &[], DType::F16).unwrap();
        assert_eq!(sum, Value::floats([2048.0]));
    }

    #[test]
    fn conversion_to_integers_cuts_towards_zero() {
        let value = Value::floats([-1.9, 1.9]);
        assert_eq!(convert(&value, DType::I64), Some(Value::ints([-1, 1])));
        assert_eq!(convert(&value, DType::Boolean), Some(Value::ints([1, 1])));
        assert_eq!(convert(&Value::floats([f64::NAN]), DType::I32), None);
        assert_eq!(convert(&Value::floats([1e30]), DType::I64), None);
    }

    #[test]
    fn an_upper_bound_survives_monotone_operators_only() {
        let bound = Value { is_upper_bound: true, ..Value::ints([10]) };
        let (exact, mark) = (Value::ints([3]), Value::ints([-1]));
        let apply = |op, a, b| binary(op, (a, &[]), (b, &[]), &[], DType::I64);
        let seven = Value { is_upper_bound: true, ..Value::ints([7]) };
        assert_eq!(apply(Binary::Subtract, &bound, &exact), Some(seven));
        assert_eq!(apply(Binary::Subtract, &exact, &bound), None);
        assert_eq!(apply(Binary::Divide, &exact, &bound), None);
        assert_eq!(apply(Binary::Less, &bound, &exact), None);
        assert_eq!(apply(Binary::Equal, &bound, &mark), Some(Value::ints([0])));
        assert_eq!(apply(Binary::Multiply, &bound, &mark), None);
    }
}
