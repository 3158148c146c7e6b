//! The verdict on a budget, in one line.

use super::super::model::{Budget, Verdict};
use super::layout::{Tone, paint, wrap};
use crate::units::Bytes;

/// `FITS in 16.00 GiB: 3.58 GiB resident, 12.42 GiB left`.
pub(super) fn line(budget: &Budget, is_colored: bool) -> String {
    let (word, tone) = match budget.verdict {
        Verdict::Fits => ("FITS", Tone::Good),
        Verdict::FitsIfWeightsPage => ("FITS IF WEIGHTS ARE PAGED", Tone::Doubtful),
        Verdict::DoesNotFit => ("DOES NOT FIT", Tone::Bad),
    };
    let (limit, by) = (Bytes(budget.limit_bytes), Bytes(budget.by_bytes));
    let resident = Bytes(budget.resident_bytes);
    let reserve = match budget.reserve_bytes {
        0 => String::new(),
        bytes => format!(" + {} reserve", Bytes(bytes)),
    };
    let rest = match budget.verdict {
        Verdict::Fits => format!("{by} left"),
        Verdict::FitsIfWeightsPage => {
            format!("{by} too much, but only {} cannot be reclaimed", Bytes(budget.unreclaimable_bytes))
        }
        Verdict::DoesNotFit => {
            format!("{by} too much, and {} cannot be reclaimed", Bytes(budget.unreclaimable_bytes))
        }
    };
    let plain = wrap(&format!("{word} in {limit}: {resident} resident{reserve}, {rest}"), 2);
    format!("{}{}", paint(word, tone, is_colored), plain.get(word.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_verdict_first_and_says_by_how_much() {
        let mut budget =
            Budget { limit_bytes: 4 << 30, resident_bytes: 3 << 30, by_bytes: 1 << 30, ..Budget::default() };
        budget.unreclaimable_bytes = 2 << 30;
        budget.verdict = Verdict::Fits;
        assert_eq!(line(&budget, false), "FITS in 4.00 GiB: 3.00 GiB resident, 1.00 GiB left");
        (budget.verdict, budget.reserve_bytes) = (Verdict::DoesNotFit, 2 << 30);
        let expected = "DOES NOT FIT in 4.00 GiB: 3.00 GiB resident + 2.00 GiB reserve, 1.00 GiB too\n  \
                        much, and 2.00 GiB cannot be reclaimed";
        assert_eq!(line(&budget, false), expected);
        assert!(line(&budget, true).starts_with("\u{1b}[1m\u{1b}[31mDOES NOT FIT\u{1b}[0m in"));
    }
}
