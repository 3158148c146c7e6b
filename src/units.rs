//! Bytes, with arithmetic that cannot wrap.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// A number of bytes.
///
/// Sums saturate: a sum that does not fit is 2^64 - 1 bytes, never a wrapped small
/// number. The readers' caps (`formats::limits`) keep every sum of tensors
/// under 2^63; formulas over numbers of the user check their results with
/// `error::countable`. Subtraction floors at zero.
///
/// # Example
///
/// ```
/// use memgraph::Bytes;
///
/// assert_eq!(Bytes(3) + Bytes(4), Bytes(7));
/// assert_eq!(Bytes(1536).to_string(), "1.50 KiB");
/// assert_eq!(Bytes(3 << 20).mb(), "3.00");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Bytes = Bytes(0);

    /// Rounds up to a multiple of `alignment`; an alignment of 0 or 1 changes nothing.
    #[must_use]
    pub fn align_up(self, alignment: u64) -> Bytes {
        match alignment {
            0 | 1 => self,
            a => Bytes(self.0.div_ceil(a).saturating_mul(a)),
        }
    }

    /// Parses a size: a number of bytes, or a number with a unit (kB, MB, GB, TB of 1000; KiB, MiB, GiB, TiB of 1024).
    ///
    /// Fractions of a unit and `_` between digits are allowed; 0 is not a size.
    ///
    /// # Example
    ///
    /// ```
    /// use memgraph::Bytes;
    ///
    /// assert_eq!(Bytes::parse("16GiB"), Some(Bytes(16 << 30)));
    /// assert_eq!(Bytes::parse("1.5 GB"), Some(Bytes(1_500_000_000)));
    /// assert_eq!(Bytes::parse("16 apples"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Bytes> {
        const UNITS: [(&str, u64); 10] = [
            ("", 1),
            ("b", 1),
            ("kb", 1000),
            ("kib", 1 << 10),
            ("mb", 1_000_000),
            ("mib", 1 << 20),
            ("gb", 1_000_000_000),
            ("gib", 1 << 30),
            ("tb", 1_000_000_000_000),
            ("tib", 1 << 40),
        ];
        let at = text.find(char::is_alphabetic).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(at)?;
        let unit = unit.trim().to_ascii_lowercase();
        let (_, scale) = *UNITS.iter().find(|(name, _)| *name == unit)?;
        let number: f64 = number.trim().replace('_', "").parse().ok()?;
        let bytes = number * scale as f64;
        (bytes.is_finite() && (1.0..9.0e15).contains(&bytes)).then_some(Bytes(bytes as u64))
    }

    /// Mebibytes with two decimals and no unit, as the published component tables print them.
    #[must_use]
    pub fn mb(self) -> String {
        format!("{:.2}", self.0 as f64 / (1u64 << 20) as f64)
    }
}

impl Add for Bytes {
    type Output = Bytes;
    fn add(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Bytes;
    fn sub(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Bytes>>(iter: I) -> Bytes {
        iter.fold(Bytes::ZERO, Add::add)
    }
}

impl fmt::Display for Bytes {
    /// IEC units with two decimals; plain `B` below one KiB.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.2} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(Bytes::parse("2MiB"), Some(Bytes(2 << 20)));
        assert_eq!(Bytes::parse("1.25 MiB"), Some(Bytes(1_310_720)));
        assert_eq!(Bytes::parse("512_000"), Some(Bytes(512_000)));
        assert_eq!(Bytes::parse("4kB"), Some(Bytes(4000)));
        for bad in ["0", "-1MiB", "2XB", "", "GiB"] {
            assert_eq!(Bytes::parse(bad), None, "{bad}");
        }
    }
}
