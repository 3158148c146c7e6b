//! A dim is known, a symbol or unknown; so is an element of a small integer tensor.
//!
//! Symbols have no algebra. A result is a symbol only where it provably equals that symbol: copies, a sum with 0, a
//! product with 1, and quotients of products that have all other factors in common. Every other result is unknown,
//! and the engine gives it a symbol of its own.
//!
//! [`TensorInfo`](super::TensorInfo) stores a shape of known dims as plain numbers, in the field that it always had,
//! and anything else in [`Partial`]. A rule that reads numbers alone therefore cannot mistake a symbol for a number:
//! it sees an unknown shape, as behind an opaque operator. The concrete pass never allocates a [`Partial`], and pays
//! for symbols with one branch per dim, which is why rules are not generic over the dim: that would compile each of
//! them twice, and save that branch alone.

use smallvec::SmallVec;
use std::fmt;

/// The identity of a size that is the same wherever it occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub(super) u32);

/// A dim under inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// This size.
    Known(u64),
    /// The size of this symbol, whatever it is in a run.
    Symbol(Symbol),
    /// Any size. Two unknown dims are never known to be equal.
    Unknown,
}

/// An element of a small integer tensor under inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// This integer.
    Known(i64),
    /// The size of this symbol, which is not negative.
    Symbol(Symbol),
    /// Any integer.
    Unknown,
}

/// Dims of one tensor.
pub type DimList = SmallVec<[Dim; 6]>;

/// Elements of one tensor, in row-major order.
pub type ElementList = SmallVec<[Element; 6]>;

/// What is known of a tensor whose shape or whose elements are not all numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partial {
    /// The dims, where not all of them are known; `None`: they are, or not even the rank is.
    pub(super) dims: Option<DimList>,
    /// The elements, where not all of them are known; `None`: they are, or none is.
    pub(super) elements: Option<ElementList>,
}

impl Symbol {
    /// Position of the symbol among those of its inference.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Dim {
    /// The size, if it is known.
    #[must_use]
    pub fn known(self) -> Option<u64> {
        match self {
            Dim::Known(size) => Some(size),
            Dim::Symbol(_) | Dim::Unknown => None,
        }
    }

    /// The symbol, if it is one.
    #[must_use]
    pub fn symbol(self) -> Option<Symbol> {
        match self {
            Dim::Symbol(symbol) => Some(symbol),
            Dim::Known(_) | Dim::Unknown => None,
        }
    }

    /// Whether both are the same size in every run.
    #[must_use]
    pub fn equals(self, other: Dim) -> bool {
        self == other && self != Dim::Unknown
    }

    /// Whether both are known, and differ.
    #[must_use]
    pub fn differs(self, other: Dim) -> bool {
        matches!((self, other), (Dim::Known(a), Dim::Known(b)) if a != b)
    }

    /// The sum; `None` where it is out of range.
    #[must_use]
    pub fn plus(self, other: Dim) -> Option<Dim> {
        match (self, other) {
            (Dim::Known(a), Dim::Known(b)) => a.checked_add(b).map(Dim::Known),
            (Dim::Known(0), other) | (other, Dim::Known(0)) => Some(other),
            _ => Some(Dim::Unknown),
        }
    }

    /// The product; `None` where it is out of range.
    #[must_use]
    pub fn times(self, other: Dim) -> Option<Dim> {
        match (self, other) {
            (Dim::Known(a), Dim::Known(b)) => a.checked_mul(b).map(Dim::Known),
            (Dim::Known(1), other) | (other, Dim::Known(1)) => Some(other),
            (Dim::Known(0), _) | (_, Dim::Known(0)) => Some(Dim::Known(0)),
            _ => Some(Dim::Unknown),
        }
    }

    /// A dim that must be both; the known one where only one is known.
    #[must_use]
    pub fn meet(self, other: Dim) -> Dim {
        match (self, other) {
            (Dim::Known(_), _) | (_, Dim::Unknown) => self,
            (_, Dim::Known(_)) | (Dim::Unknown, _) => other,
            (Dim::Symbol(_), Dim::Symbol(_)) => self,
        }
    }

    /// The dim as an element of a shape tensor; `None` where no such integer holds it.
    pub(super) fn element(self) -> Option<Element> {
        Some(match self {
            Dim::Known(size) => Element::Known(i64::try_from(size).ok()?),
            Dim::Symbol(symbol) => Element::Symbol(symbol),
            Dim::Unknown => Element::Unknown,
        })
    }
}

impl Element {
    /// The integer, if it is known.
    #[must_use]
    pub fn known(self) -> Option<i64> {
        match self {
            Element::Known(value) => Some(value),
            Element::Symbol(_) | Element::Unknown => None,
        }
    }
}

impl From<u64> for Dim {
    fn from(size: u64) -> Dim {
        Dim::Known(size)
    }
}

impl fmt::Display for Dim {
    /// `7`, `s3` or `?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(size) => size.fmt(f),
            Dim::Symbol(symbol) => write!(f, "s{}", symbol.0),
            Dim::Unknown => f.write_str("?"),
        }
    }
}

impl fmt::Display for Element {
    /// `-1`, `s3` or `?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Known(value) => value.fmt(f),
            Element::Symbol(symbol) => write!(f, "s{}", symbol.0),
            Element::Unknown => f.write_str("?"),
        }
    }
}

/// A product of dims in lowest form: the known factors as one number, all others one by one.
#[derive(Clone, Debug)]
pub(super) struct Product {
    /// Product of the known factors; `None`: out of range.
    pub known: Option<u64>,
    /// The symbols.
    symbols: SmallVec<[Symbol; 4]>,
    /// Whether a factor is unknown.
    is_open: bool,
}

impl Product {
    /// The product of `dims`.
    pub(crate) fn of(dims: impl IntoIterator<Item = Dim>) -> Product {
        let mut product = Product { known: Some(1), symbols: SmallVec::new(), is_open: false };
        dims.into_iter().for_each(|dim| product.multiply(dim));
        product
    }

    /// Multiplies by one more dim.
    pub(crate) fn multiply(&mut self, dim: Dim) {
        match dim {
            Dim::Known(size) => self.known = self.known.and_then(|known| known.checked_mul(size)),
            Dim::Symbol(symbol) => self.symbols.push(symbol),
            Dim::Unknown => self.is_open = true,
        }
    }

    /// Whether it is a number.
    pub(crate) fn is_known(&self) -> bool {
        !self.is_open && self.symbols.is_empty()
    }

    /// Takes the symbols that both have out of both.
    pub(crate) fn cancel(&mut self, other: &mut Product) {
        let mut kept = SmallVec::new();
        for symbol in self.symbols.drain(..) {
            match other.symbols.iter().position(|&own| own == symbol) {
                Some(position) => _ = other.symbols.swap_remove(position),
                None => kept.push(symbol),
            }
        }
        self.symbols = kept;
    }

    /// The quotient by `divisor`, both canceled, where it is one symbol.
    pub(crate) fn over(&self, divisor: &Product) -> Dim {
        match self.symbols[..] {
            [symbol]
                if !self.is_open
                    && divisor.is_known()
                    && self.known == divisor.known
                    && self.known > Some(0) =>
            {
                Dim::Symbol(symbol)
            }
            _ => Dim::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Dim = Dim::Symbol(Symbol(0));
    const B: Dim = Dim::Symbol(Symbol(1));
    const TWO: Dim = Dim::Known(2);

    #[test]
    fn neutral_elements_keep_a_symbol() {
        assert_eq!(A.plus(Dim::Known(0)), Some(A));
        assert_eq!(A.plus(TWO), Some(Dim::Unknown));
        assert_eq!(A.times(Dim::Known(1)), Some(A));
        assert_eq!(A.times(Dim::Known(0)), Some(Dim::Known(0)));
        assert_eq!(A.times(B), Some(Dim::Unknown));
        assert_eq!(Dim::Known(u64::MAX).plus(TWO), None);
        assert_eq!(Dim::Known(u64::MAX).times(TWO), None);
    }

    #[test]
    fn unknown_dims_are_not_even_equal_to_themselves() {
        assert!(A.equals(A) && TWO.equals(TWO));
        assert!(!A.equals(B) && !Dim::Unknown.equals(Dim::Unknown));
        assert!(TWO.differs(Dim::Known(3)) && !TWO.differs(A) && !A.differs(B));
        assert_eq!((A.meet(TWO), TWO.meet(A), Dim::Unknown.meet(B), A.meet(B)), (TWO, TWO, B, A));
    }

    #[test]
    fn quotients_are_symbols_where_all_else_cancels() {
        let over = |left: &[Dim], right: &[Dim]| {
            let (mut left, mut right) =
                (Product::of(left.iter().copied()), Product::of(right.iter().copied()));
            left.cancel(&mut right);
            left.over(&right)
        };
        assert_eq!(over(&[A, B, TWO], &[A, TWO]), B);
        assert_eq!(over(&[A, B, TWO], &[A, Dim::Known(4)]), Dim::Unknown);
        assert_eq!(over(&[A, B], &[]), Dim::Unknown);
        assert_eq!(over(&[A, Dim::Unknown], &[]), Dim::Unknown);
        assert_eq!(over(&[A, A], &[A]), A);
    }
}
