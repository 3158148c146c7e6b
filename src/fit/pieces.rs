//! Polynomials of degree 2 or less that give every point of a piece exactly.
//!
//! Coefficients are fractions, found by divided differences, and checked on every point. A polynomial through as many points
//! as it has coefficients proves nothing: a piece has at least one more.

use crate::report::model::{Piece, Point};

/// A fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction {
    over: i128,
    under: i128,
}

/// Coefficients, the constant first.
type Polynomial = [Fraction; 3];

/// The pieces of a row of points whose values rise. Points that failed belong to none.
///
/// Cost: linear in the points.
pub(super) fn of(points: &[Point]) -> Vec<Piece> {
    let rows = points.split(|point| point.figures.is_none());
    rows.filter(|row| !row.is_empty()).flat_map(of_row).collect()
}

fn of_row(points: &[Point]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    while let Some(first) = points.get(at) {
        let node = node(first);
        let same = points.iter().skip(at).take_while(|point| self::node(point) == node).count();
        let run = points.get(at..at + same).unwrap_or_default();
        let (count, polynomial) = longest(run);
        let last = points.get(at + count - 1).unwrap_or(first);
        match pieces.last_mut() {
            Some(before) if polynomial.is_none() && before.polynomial.is_none() && before.node == node => {
                before.to = last.value;
            }
            _ => pieces.push(Piece {
                from: first.value,
                to: last.value,
                value2: first.value2,
                polynomial: polynomial.map(|found| found.map(Fraction::number)),
                fractions: polynomial
                    .filter(|found| found.iter().any(|one| one.under != 1))
                    .map(|found| found.map(|one| one.text())),
                node: node.to_owned(),
            }),
        }
        at += count;
    }
    pieces
}

fn node(point: &Point) -> &str {
    point.figures.as_ref().map_or("", |figures| &figures.node)
}

/// The longest piece from the first point on, and its polynomial; one point without one where no polynomial gives more than
/// it is made of.
fn longest(points: &[Point]) -> (usize, Option<Polynomial>) {
    let values: Vec<(i128, i128)> = points
        .iter()
        .map(|point| {
            (i128::from(point.value), point.figures.as_ref().map_or(0, |found| i128::from(found.total_bytes)))
        })
        .collect();
    let of_degree = |degree: usize| {
        let polynomial = through(values.get(..=degree)?)?;
        let count =
            values.iter().take_while(|&&(x, y)| value(&polynomial, x) == Some(Fraction::whole(y))).count();
        (count >= degree + 2).then_some((count, polynomial))
    };
    let found = (0..=2).filter_map(of_degree);
    let best = found.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map_or((1, None), |(count, polynomial)| (count, Some(polynomial)))
}

/// The polynomial through one, two or three points.
fn through(points: &[(i128, i128)]) -> Option<Polynomial> {
    let zero = Fraction::whole(0);
    let slope =
        |a: (i128, i128), b: (i128, i128)| Fraction::new(b.1.checked_sub(a.1)?, b.0.checked_sub(a.0)?);
    match *points {
        [(_, y)] => Some([Fraction::whole(y), zero, zero]),
        [a, b] => {
            let slope = slope(a, b)?;
            Some([Fraction::whole(a.1).plus(slope.times(-a.0)?)?, slope, zero])
        }
        [a, b, c] => {
            let (first, second) = (slope(a, b)?, slope(b, c)?);
            let bend = second.plus(first.times(-1)?)?.divided(c.0.checked_sub(a.0)?)?;
            // y = a.y + first (x - a.x) + bend (x - a.x) (x - b.x)
            let linear = first.plus(bend.times((a.0.checked_add(b.0)?).checked_neg()?)?)?;
            let product = a.0.checked_mul(b.0)?;
            let constant = Fraction::whole(a.1).plus(first.times(-a.0)?)?.plus(bend.times(product)?)?;
            Some([constant, linear, bend])
        }
        _ => None,
    }
}

fn value(polynomial: &Polynomial, x: i128) -> Option<Fraction> {
    let [constant, linear, bend] = polynomial;
    bend.times(x)?.plus(*linear)?.times(x)?.plus(*constant)
}

impl Fraction {
    fn whole(over: i128) -> Fraction {
        Fraction { over, under: 1 }
    }

    /// `None` where the denominator is 0 or a number does not fit.
    fn new(over: i128, under: i128) -> Option<Fraction> {
        if under == 0 {
            return None;
        }
        let (mut a, mut b) = (over.checked_abs()?, under.checked_abs()?);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let common = if under < 0 { -a.max(1) } else { a.max(1) };
        Some(Fraction { over: over / common, under: under / common })
    }

    fn plus(self, other: Fraction) -> Option<Fraction> {
        let left = self.over.checked_mul(other.under)?;
        let right = other.over.checked_mul(self.under)?;
        Fraction::new(left.checked_add(right)?, self.under.checked_mul(other.under)?)
    }

    fn times(self, factor: i128) -> Option<Fraction> {
        Fraction::new(self.over.checked_mul(factor)?, self.under)
    }

    fn divided(self, divisor: i128) -> Option<Fraction> {
        Fraction::new(self.over, self.under.checked_mul(divisor)?)
    }

    fn number(self) -> f64 {
        self.over as f64 / self.under as f64
    }

    fn text(self) -> String {
        if self.under == 1 { self.over.to_string() } else { format!("{}/{}", self.over, self.under) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Figures;

    fn points(values: impl Iterator<Item = (u64, u64, &'static str)>) -> Vec<Point> {
        let point = |(value, total_bytes, node): (u64, u64, &str)| Point {
            value,
            figures: Some(Figures { total_bytes, node: node.to_owned(), ..Figures::default() }),
            ..Point::default()
        };
        values.map(point).collect()
    }

    fn found(points: &[Point]) -> Vec<(u64, u64, Option<[f64; 3]>)> {
        of(points).into_iter().map(|piece| (piece.from, piece.to, piece.polynomial)).collect()
    }

    #[test]
    fn a_line_that_becomes_a_parabola_is_two_pieces() {
        let total = |n: u64| if n <= 6 { 100 + 3 * n } else { 7 + 2 * n + 5 * n * n };
        let all = points((1..=12).map(|n| (n, total(n), "a")));
        assert_eq!(found(&all), [(1, 6, Some([100.0, 3.0, 0.0])), (7, 12, Some([7.0, 2.0, 5.0]))]);
    }

    #[test]
    fn a_piece_has_one_node() {
        let all = points((1..=8).map(|n| (n, 5 * n, if n < 5 { "a" } else { "b" })));
        let line = Some([0.0, 5.0, 0.0]);
        assert_eq!(found(&all), [(1, 4, line), (5, 8, line)]);
    }

    #[test]
    fn as_many_points_as_coefficients_prove_nothing() {
        let all = points([(1, 5, "a"), (2, 100, "a"), (3, 1, "a")].into_iter());
        assert_eq!(found(&all), [(1, 3, None)]);
    }

    #[test]
    fn halves_are_kept_as_fractions() {
        let all = points((1..=6).map(|n| (n * 10, n * 10 * (n * 10 + 1) / 2, "a")));
        let piece = &of(&all)[0];
        assert_eq!(piece.polynomial, Some([0.0, 0.5, 0.5]));
        assert_eq!(piece.fractions.as_ref().unwrap()[1], "1/2");
    }

    #[test]
    fn a_failed_point_ends_a_piece() {
        let mut all = points((1..=9).map(|n| (n, n, "a")));
        all[4].figures = None;
        assert_eq!(found(&all).len(), 2);
    }
}
