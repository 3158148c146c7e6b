//! Arithmetic on integers of which some are symbols.
//!
//! The symbolic side of [`arithmetic`]: a result is a symbol only where it is that of an operand. Symbols are sizes,
//! and not negative.

use super::arithmetic;
use super::dim::Element;
use crate::DType;
use crate::graph::op::{Binary, Reduce};

/// `op` on two integers of type `dtype`.
pub(super) fn binary(op: Binary, a: Element, b: Element, dtype: DType) -> Element {
    use Element::{Known, Symbol, Unknown};
    match (op, a, b) {
        (_, Known(a), Known(b)) => known(arithmetic::binary_int(op, a, b), dtype),
        (Binary::Add, other, Known(0)) | (Binary::Add, Known(0), other) => other,
        (Binary::Multiply, other, Known(1)) | (Binary::Multiply, Known(1), other) => other,
        (Binary::Multiply, _, Known(0)) | (Binary::Multiply, Known(0), _) => Known(0),
        (Binary::Subtract, other, Known(0)) => other,
        (Binary::Divide | Binary::TruncatedDivide, other, Known(1)) => other,
        (Binary::Maximum, size @ Symbol(_), Known(..=0))
        | (Binary::Maximum, Known(..=0), size @ Symbol(_)) => size,
        (Binary::Equal, Symbol(_), Known(..0)) | (Binary::Equal, Known(..0), Symbol(_)) => Known(0),
        (Binary::NotEqual, Symbol(_), Known(..0)) | (Binary::NotEqual, Known(..0), Symbol(_)) => Known(1),
        (_, Symbol(a), Symbol(other)) if a == other => match op {
            Binary::Subtract | Binary::NotEqual | Binary::Less | Binary::Greater => Known(0),
            Binary::Equal | Binary::LessEqual | Binary::GreaterEqual => Known(1),
            Binary::Maximum | Binary::Minimum => Symbol(a),
            _ => Unknown,
        },
        _ => Unknown,
    }
}

/// `then` where `condition` holds, else `otherwise`.
pub(super) fn select(condition: Element, then: Element, otherwise: Element) -> Element {
    match condition {
        Element::Known(0) => otherwise,
        Element::Known(_) => then,
        _ if then == otherwise => then,
        _ => Element::Unknown,
    }
}

/// An integer as an element of type `to`; symbols are taken to fit where shapes do.
pub(super) fn convert(value: Element, to: DType) -> Element {
    match value {
        Element::Known(value) => known(Some(value), to),
        _ if matches!(to, DType::I64 | DType::U64 | DType::I32 | DType::U32) => value,
        _ => Element::Unknown,
    }
}

/// All `values` as one.
pub(super) fn reduce(kind: Reduce, values: &[Element], dtype: DType) -> Element {
    let op = match kind {
        Reduce::Prod => Binary::Multiply,
        Reduce::Sum => Binary::Add,
        Reduce::Max => Binary::Maximum,
        Reduce::Min => Binary::Minimum,
        _ => return Element::Unknown,
    };
    let folded = values.iter().copied().reduce(|a, b| binary(op, a, b, dtype));
    folded.unwrap_or(Element::Unknown)
}

fn known(value: Option<i64>, dtype: DType) -> Element {
    value.and_then(|value| arithmetic::wrap(dtype, value)).map_or(Element::Unknown, Element::Known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Symbol;
    use Element::{Known, Unknown};

    const A: Element = Element::Symbol(Symbol(0));
    const B: Element = Element::Symbol(Symbol(1));

    #[test]
    fn neutral_operands_keep_a_symbol() {
        let compute = |op, a, b| binary(op, a, b, DType::I64);
        assert_eq!(compute(Binary::Add, A, Known(0)), A);
        assert_eq!(compute(Binary::Add, A, Known(1)), Unknown);
        assert_eq!(compute(Binary::Multiply, Known(1), A), A);
        assert_eq!(compute(Binary::Multiply, Unknown, Known(0)), Known(0));
        assert_eq!(compute(Binary::Subtract, A, A), Known(0));
        assert_eq!(compute(Binary::Subtract, Known(0), A), Unknown);
        assert_eq!(compute(Binary::Divide, A, Known(1)), A);
        assert_eq!(compute(Binary::Divide, A, A), Unknown);
        assert_eq!(compute(Binary::Add, Known(2), Known(3)), Known(5));
        assert_eq!(compute(Binary::Divide, Known(1), Known(0)), Unknown);
    }

    #[test]
    fn sizes_are_never_negative() {
        assert_eq!(binary(Binary::Equal, A, Known(-1), DType::I64), Known(0));
        assert_eq!(binary(Binary::Equal, A, Known(4), DType::I64), Unknown);
        assert_eq!(binary(Binary::Equal, A, A, DType::I64), Known(1));
        assert_eq!(binary(Binary::Equal, A, B, DType::I64), Unknown);
        assert_eq!(binary(Binary::Maximum, A, Known(0), DType::I64), A);
        assert_eq!(binary(Binary::Maximum, A, Known(1), DType::I64), Unknown);
    }

    #[test]
    fn a_known_condition_selects() {
        assert_eq!(select(Known(0), A, B), B);
        assert_eq!(select(Known(1), A, B), A);
        assert_eq!(select(Unknown, A, B), Unknown);
        assert_eq!(select(Unknown, A, A), A);
    }

    #[test]
    fn symbols_fit_wide_types_alone() {
        assert_eq!(convert(A, DType::I32), A);
        assert_eq!(convert(A, DType::I8), Unknown);
        assert_eq!(convert(Known(i64::MAX), DType::I32), Known(-1));
        assert_eq!(reduce(Reduce::Prod, &[A, Known(1)], DType::I64), A);
        assert_eq!(reduce(Reduce::Prod, &[A, B], DType::I64), Unknown);
    }
}
