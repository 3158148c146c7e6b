//! The verdict on a budget: whether a run fits into a number of bytes.
//!
//! What counts is the resident set at its highest, by its upper estimate where there is one. Pages that are backed by a
//! file (mapped weights, libraries) can be dropped and read again by the operating system; the rest cannot.

use super::build::upper;
use super::model::{Budget, Phase, Report, Verdict};
use crate::units::Bytes;

/// Judges a report by a limit, of which `reserve` is left to others.
///
/// Each phase is judged by itself: the resident peak and the largest unreclaimable part may be of different phases.
///
/// # Example
///
/// ```
/// use memgraph::Bytes;
/// use memgraph::report::{budget, model::{Report, Verdict}};
///
/// let budget = budget::judge(&Report::default(), Bytes(1 << 30), Bytes(0));
/// assert_eq!((budget.verdict, budget.by_bytes), (Verdict::Fits, 1 << 30));
/// ```
#[must_use]
pub fn judge(report: &Report, limit: Bytes, reserve: Bytes) -> Budget {
    let highest = |bytes: fn(&Phase) -> u64| report.phases.iter().map(bytes).max().unwrap_or(0);
    let resident = report.resident_peak();
    let unreclaimable = highest(|phase| upper(phase).saturating_sub(phase.file_resident_bytes));
    let needs = |bytes: u64| bytes.saturating_add(reserve.0);
    let verdict = if needs(resident) <= limit.0 {
        Verdict::Fits
    } else if needs(unreclaimable) <= limit.0 {
        Verdict::FitsIfWeightsPage
    } else {
        Verdict::DoesNotFit
    };
    Budget {
        limit_bytes: limit.0,
        reserve_bytes: reserve.0,
        resident_bytes: resident,
        unreclaimable_bytes: unreclaimable,
        verdict,
        by_bytes: limit.0.abs_diff(needs(resident)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of one phase: 100 bytes resident, 120 by the upper estimate, of which 30 are backed by a file.
    fn report() -> Report {
        let phase = Phase {
            resident_peak_bytes: 100,
            resident_peak_upper_bytes: Some(120),
            file_resident_bytes: 30,
            ..Phase::default()
        };
        Report { phases: vec![Phase::default(), phase], ..Report::default() }
    }

    #[test]
    fn verdicts_change_at_the_limit_and_not_a_byte_off() {
        let verdict = |limit, reserve| {
            let budget = judge(&report(), Bytes(limit), Bytes(reserve));
            (budget.verdict, budget.by_bytes)
        };
        assert_eq!(verdict(121, 0), (Verdict::Fits, 1));
        assert_eq!(verdict(120, 0), (Verdict::Fits, 0));
        assert_eq!(verdict(119, 0), (Verdict::FitsIfWeightsPage, 1));
        assert_eq!(verdict(90, 0), (Verdict::FitsIfWeightsPage, 30));
        assert_eq!(verdict(89, 0), (Verdict::DoesNotFit, 31));
        assert_eq!(verdict(130, 10), (Verdict::Fits, 0));
        assert_eq!(verdict(129, 10), (Verdict::FitsIfWeightsPage, 1));
        assert_eq!(verdict(99, 10), (Verdict::DoesNotFit, 31));
    }
}
