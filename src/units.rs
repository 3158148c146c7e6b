//! Bytes, with arithmetic that cannot wrap.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// A number of bytes.
///
/// Sums saturate. The readers' caps (`formats::limits`) keep every sum of real
/// tensors under 2^63, so a saturated value means a bug, never a wrapped small
/// number. Subtraction floors at zero.
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
