//! How much a figure may grow.

use crate::report::diff::text::percent;
use crate::report::model::{Delta, Diff};
use crate::units::Bytes;
use std::fmt;

/// The most that a figure may grow by.
///
/// # Example
///
/// ```
/// use memgraph::regress::Limit;
///
/// let limit = Limit::parse("+2%").unwrap();
/// assert!(!limit.is_exceeded(1000, 1020) && limit.is_exceeded(1000, 1021));
/// assert!(Limit::parse("+50MiB").unwrap().is_exceeded(0, (50 << 20) + 1));
/// assert_eq!(Limit::parse("-2%"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// A share of the old figure, in percent.
    Percent(f64),
    /// A number of bytes.
    Bytes(u64),
}

impl Limit {
    /// Parses `+2%` or `+50MiB`; the sign may be left out, and `0` allows no growth.
    #[must_use]
    pub fn parse(text: &str) -> Option<Limit> {
        let text = text.trim();
        let text = text.strip_prefix('+').unwrap_or(text).trim();
        if text == "0" {
            return Some(Limit::Bytes(0));
        }
        match text.strip_suffix('%') {
            Some(number) => {
                let percent: f64 = number.trim().parse().ok()?;
                (percent.is_finite() && percent.is_sign_positive()).then_some(Limit::Percent(percent))
            }
            None => Bytes::parse(text).map(|bytes| Limit::Bytes(bytes.0)),
        }
    }

    /// Whether a figure grew by more.
    #[must_use]
    pub fn is_exceeded(self, old: u64, new: u64) -> bool {
        let grown = new.saturating_sub(old);
        match self {
            Limit::Percent(percent) => grown > 0 && grown as f64 * 100.0 > old as f64 * percent,
            Limit::Bytes(bytes) => grown > bytes,
        }
    }

    /// What a comparison exceeds: a sentence for the total and for the resident peak, where they grew by more.
    #[must_use]
    pub fn exceeded_by(self, diff: &Diff) -> Vec<String> {
        let figures = [("total at the peak", "total_bytes"), ("resident peak", "resident_peak_bytes")];
        let found = figures.into_iter().map(|(what, name)| (what, diff.total(name)));
        let over = found.filter(|(_, delta)| self.is_exceeded(delta.old, delta.new));
        over.map(|(what, delta)| format!("{what} grew by {}, over the limit of {self}", growth(delta)))
            .collect()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Percent(percent) => write!(f, "+{percent} %"),
            Limit::Bytes(bytes) => write!(f, "+{}", Bytes(*bytes)),
        }
    }
}

/// `12.00 MiB (+2.1 %)`.
fn growth(delta: Delta) -> String {
    format!("{} ({})", Bytes(delta.delta.unsigned_abs()), percent(delta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_share_or_a_number_of_bytes() {
        assert_eq!(Limit::parse("2 %"), Some(Limit::Percent(2.0)));
        assert_eq!(Limit::parse("+0.5%"), Some(Limit::Percent(0.5)));
        assert_eq!(Limit::parse("0"), Some(Limit::Bytes(0)));
        assert_eq!(Limit::parse("+1kB"), Some(Limit::Bytes(1000)));
        for bad in ["", "%", "-1%", "nan%", "+", "two", "-5MiB"] {
            assert_eq!(Limit::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_shrinks_exceeds_nothing() {
        assert!(!Limit::Bytes(0).is_exceeded(5, 4));
        assert!(!Limit::Percent(0.0).is_exceeded(5, 5));
        assert!(Limit::Percent(0.0).is_exceeded(5, 6));
        assert!(Limit::Percent(50.0).is_exceeded(0, 1));
    }

    #[test]
    fn both_figures_are_limited() {
        let mut diff = Diff::new("a".to_owned(), "b".to_owned());
        diff.totals.insert("total_bytes".to_owned(), Delta::of(100, 100));
        diff.totals.insert("resident_peak_bytes".to_owned(), Delta::of(100, 104));
        let found = Limit::Percent(2.0).exceeded_by(&diff);
        assert_eq!(found, ["resident peak grew by 4 B (+4.0 %), over the limit of +2 %"]);
    }
}
