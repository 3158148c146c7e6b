//! Facts about numbers that patterns of several runtimes ask for.

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
