//! Numbers that were fitted to measurements, and the estimates that are made of them.
//!
//! A runtime's own numbers are rules with a source in its code. What its sources do not say (how large its objects are, how
//! many pages of its libraries a run touches) was measured, and is a [`Fitted`] in that runtime's `calibration.rs`. Its value
//! is private: it leaves as an [`Estimate`], which leaves as a number together with [`Known::Assumed`]. So nothing that is
//! computed from a measurement can be reported as exact.

use crate::schedule::Known;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// A number that was fitted to measurements, or observed in them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitted {
    name: &'static str,
    meaning: &'static str,
    value: u64,
    unit: Unit,
    runs: Option<u32>,
    spread: Spread,
    source: &'static str,
}

/// What a [`Fitted`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes for each of something.
    BytesPer(&'static str),
    /// Maps of generated code.
    Kernels,
    /// Maps of generated code for each of something.
    KernelsPer(&'static str),
    /// Something that has a name and no length in bytes.
    Count(&'static str),
}

/// How far the runs are from a [`Fitted`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Spread {
    /// Every run had this value.
    Equal,
    /// The least and the most that runs had, in the value's unit.
    Range(u64, u64),
    /// A run measures a sum that the value is a part of: the least and the most that the measured sum is above the predicted
    /// one.
    OfSum {
        /// Which sum.
        sum: &'static str,
        /// The least difference.
        least: f64,
        /// The most.
        most: f64,
        /// The differences' unit.
        unit: &'static str,
    },
    /// It was not written down.
    NotRecorded,
}

impl Fitted {
    /// Makes a number of what was written down of it; `runs`: how many runs `spread` is computed over.
    pub(super) const fn new(
        (name, meaning): (&'static str, &'static str),
        value: u64,
        unit: Unit,
        runs: Option<u32>,
        spread: Spread,
        source: &'static str,
    ) -> Fitted {
        Fitted { name, meaning, value, unit, runs, spread, source }
    }

    /// The constant's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the number says, in one sentence.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim()
    }

    /// The number's unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// How many runs the spread is computed over; `None` if that was not written down.
    #[must_use]
    pub fn runs(&self) -> Option<u32> {
        self.runs
    }

    /// How far the runs are from the value.
    #[must_use]
    pub fn spread(&self) -> Spread {
        self.spread
    }

    /// Where the number comes from.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// What measured runs have less the prediction, for a sentence.
    #[must_use]
    pub fn deviation(&self) -> String {
        let runs = self.runs.map_or("runs that were not counted".to_owned(), |runs| format!("{runs} runs"));
        match self.spread {
            Spread::Equal => format!("equal in {runs}"),
            Spread::Range(least, most) => format!("{least} to {most} in {runs}"),
            Spread::OfSum { least, most, unit, .. } => {
                format!("{least:+.1} to {most:+.1} {unit} in {runs}")
            }
            Spread::NotRecorded => format!("not recorded in {runs}"),
        }
    }

    /// The number.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate(self.value)
    }

    /// The number for each of `count`.
    #[must_use]
    pub fn per(&self, count: u64) -> Estimate {
        Estimate(self.value.saturating_mul(count))
    }

    /// `amount`, rounded up to a multiple of the number.
    #[must_use]
    pub fn rounded(&self, amount: u64) -> Estimate {
        self.per(amount.div_ceil(self.value.max(1)))
    }

    /// Whether `amount` is the number.
    #[must_use]
    pub fn equals(&self, amount: u64) -> bool {
        amount == self.value
    }

    /// Whether the number is at most `amount`.
    #[must_use]
    pub fn is_at_most(&self, amount: u64) -> bool {
        self.value <= amount
    }

    /// Whether `amount` is at most the number.
    #[must_use]
    pub fn covers(&self, amount: u64) -> bool {
        amount <= self.value
    }

    /// Whether `amount` is a multiple of the number.
    #[must_use]
    pub fn divides(&self, amount: u64) -> bool {
        amount.is_multiple_of(self.value)
    }

    /// A length in KiB or MiB with at most so many decimals, for a sentence.
    #[must_use]
    pub fn iec(&self, decimals: usize) -> String {
        scaled(self.value, 1024.0, ["B", "KiB", "MiB"], decimals)
    }

    /// A length in kB or MB with at most so many decimals, for a sentence.
    #[must_use]
    pub fn si(&self, decimals: usize) -> String {
        scaled(self.value, 1000.0, ["B", "kB", "MB"], decimals)
    }
}

impl fmt::Display for Fitted {
    /// The number with its thousands separated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&grouped(self.value))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::Bytes => f.write_str("bytes"),
            Unit::BytesPer(what) => write!(f, "bytes per {what}"),
            Unit::Kernels => f.write_str("kernels"),
            Unit::KernelsPer(what) => write!(f, "kernels per {what}"),
            Unit::Count(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spread::Equal => f.write_str("equal in all"),
            Spread::Range(least, most) => write!(f, "{} to {}", grouped(*least), grouped(*most)),
            Spread::OfSum { sum, least, most, unit } => {
                write!(f, "{sum}: {least:+.1} to {most:+.1} {unit}")
            }
            Spread::NotRecorded => f.write_str("not recorded"),
        }
    }
}

/// An amount that a [`Fitted`] is a part of: bytes, or maps of generated code. Whatever is computed with it is an estimate.
///
/// Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Estimate(u64);

impl Estimate {
    /// Nothing.
    pub const ZERO: Estimate = Estimate(0);

    /// Whether `amount` is at most this.
    #[must_use]
    pub fn covers(self, amount: u64) -> bool {
        amount <= self.0
    }

    /// The amount, and how it is known.
    #[must_use]
    pub fn known(self) -> (u64, Known) {
        (self.0, Known::Assumed)
    }
}

impl Add for Estimate {
    type Output = Estimate;
    fn add(self, other: Estimate) -> Estimate {
        Estimate(self.0.saturating_add(other.0))
    }
}

impl Add<u64> for Estimate {
    type Output = Estimate;
    fn add(self, exact: u64) -> Estimate {
        Estimate(self.0.saturating_add(exact))
    }
}

impl AddAssign for Estimate {
    fn add_assign(&mut self, other: Estimate) {
        *self = *self + other;
    }
}

impl Sub for Estimate {
    type Output = Estimate;
    fn sub(self, other: Estimate) -> Estimate {
        Estimate(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for Estimate {
    type Output = Estimate;
    fn mul(self, count: u64) -> Estimate {
        Estimate(self.0.saturating_mul(count))
    }
}

impl Sum for Estimate {
    fn sum<I: Iterator<Item = Estimate>>(iter: I) -> Estimate {
        iter.fold(Estimate::ZERO, Add::add)
    }
}

/// Defines a runtime's fitted numbers, and `ALL` of them in this order.
///
/// Each is `NAME = value, unit, runs, spread, source;` with a sentence of documentation, which the tables in docs show too.
macro_rules! fitted {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $value:expr, $unit:expr, $runs:expr, $spread:expr, $source:expr;
    )*) => {
        $(
            $(#[doc = $doc])+
            pub(super) const $name: $crate::runtime::calibration::Fitted =
                $crate::runtime::calibration::Fitted::new(
                    (stringify!($name), concat!($($doc),+)), $value, $unit, $runs, $spread, $source,
                );
        )*

        /// Every fitted number of the runtime.
        pub const ALL: &[$crate::runtime::calibration::Fitted] = &[$($name),*];
    };
}
pub(super) use fitted;

/// A length in the largest of three units that it has one of, with at most so many decimals.
fn scaled(bytes: u64, base: f64, units: [&str; 3], decimals: usize) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {}", units[unit])
}

/// A number with its thousands separated.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Fitted = Fitted::new(
        ("NODE", " A node."),
        4_600,
        Unit::BytesPer("node"),
        Some(2),
        Spread::Range(1, 5_000),
        "a test",
    );

    #[test]
    fn what_is_computed_from_a_measurement_is_assumed() {
        let sum = NODE.per(10) + NODE.estimate() * 2 + 7;
        assert_eq!(sum.known(), (12 * 4_600 + 7, Known::Assumed));
        assert_eq!((NODE.estimate() - sum).known(), (0, Known::Assumed));
        assert_eq!((NODE.per(u64::MAX) + 1).known(), (u64::MAX, Known::Assumed));
    }

    #[test]
    fn lengths_are_written_as_in_sentences() {
        assert_eq!(
            (NODE.iec(1), NODE.si(1), NODE.to_string()),
            ("4.5 KiB".into(), "4.6 kB".into(), "4,600".into())
        );
        assert_eq!(scaled(26 << 20, 1024.0, ["B", "KiB", "MiB"], 1), "26 MiB");
        assert_eq!(scaled(100, 1024.0, ["B", "KiB", "MiB"], 0), "100 B");
        assert_eq!(NODE.spread().to_string(), "1 to 5,000");
    }
}
