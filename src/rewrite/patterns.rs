//! Parts of patterns that several runtimes look for: arithmetic, and orders of axes.

use super::graph::Source;
use crate::graph::op::Binary;

/// A graph whose arithmetic can be looked at, whatever its runtime calls the operators.
pub(crate) trait Arithmetic {
    /// What its nodes read.
    type Source: Source;

    /// Both inputs of a node, if it is this operation.
    fn operands(&self, node: usize, kind: Binary) -> Option<(Self::Source, Self::Source)>;

    /// The number in a constant of one element.
    fn constant_number(&self, source: Self::Source) -> Option<f64>;

    /// Of both inputs, the constant one and the other; nothing if the runtime does not distinguish them.
    fn constant_operand(&self, node: usize, kind: Binary) -> Option<(Self::Source, Self::Source)>;
}

/// Of `x²`, written as a power or as a product: x. `exponent` reads the second input of a power.
pub(crate) fn squared<G: Arithmetic>(
    graph: &G,
    node: usize,
    exponent: impl FnOnce() -> Option<f64>,
) -> Option<G::Source> {
    if let Some((x, _)) = graph.operands(node, Binary::Power) {
        return (exponent()? == 2.0).then_some(x);
    }
    let (x, other) = graph.operands(node, Binary::Multiply)?;
    (x == other).then_some(x)
}

/// Of `x / √2`, written as a quotient or as a product with the inverse: x. This is what a GELU takes the erf of.
pub(crate) fn over_root_of_two<G: Arithmetic>(graph: &G, node: usize, tolerance: f64) -> Option<G::Source> {
    let is_near =
        |source, number| graph.constant_number(source).is_some_and(|found| is_near(found, number, tolerance));
    if let Some((x, divisor)) = graph.operands(node, Binary::Divide) {
        return is_near(divisor, std::f64::consts::SQRT_2).then_some(x);
    }
    let (factor, x) = graph.constant_operand(node, Binary::Multiply)?;
    is_near(factor, std::f64::consts::FRAC_1_SQRT_2).then_some(x)
}

/// Whether an order of axes swaps the last two and leaves all others.
pub(crate) fn swaps_last_two(order: &[i64]) -> bool {
    let rank = order.len();
    rank >= 2
        && order.iter().take(rank - 2).enumerate().all(|(axis, &from)| from == axis as i64)
        && order[rank - 2..] == [rank as i64 - 1, rank as i64 - 2]
}

/// Whether an order of four axes swaps the middle two: tokens and heads.
pub(crate) fn is_swap_of_middle(order: &[i64]) -> bool {
    order == [0, 2, 1, 3]
}

/// Two transpositions as one, `first` done before `second`; nothing if they do not fit.
pub(crate) fn composed(first: &[i64], second: &[i64]) -> Option<Vec<i64>> {
    let both = second.iter().map(|&axis| first.get(usize::try_from(axis).ok()?).copied());
    both.collect::<Option<Vec<i64>>>().filter(|both| both.len() == first.len())
}

/// Whether a constant of a pattern is this number, up to the digits that exporters round away.
pub(crate) fn is_near(found: f64, number: f64, tolerance: f64) -> bool {
    (found - number).abs() < tolerance
}
