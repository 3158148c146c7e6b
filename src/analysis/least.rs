//! The least of a total that depends on data: the same analysis with sizes that depend on data at their least.

use super::opened::{Analysis, Opened};
use super::request::Request;
use crate::phases::Phase;
use crate::report::model::Report;
use crate::scenario::{DataSizes, Scenario};
use crate::schedule::Known;

/// Adds the least of the totals to the report, where sizes depend on data and rules know the least of each of them.
///
/// Cost: one analysis more where they do.
pub(super) fn add(opened: &Opened, request: &Request, found: &mut Analysis) {
    if !found.all_phases().any(depends_on_data) {
        return;
    }
    let base = Scenario { data_sizes: DataSizes::Least, ..request.base.clone() };
    let request = Request { base, advises: false, digest: false, full: false, ..request.clone() };
    // Where nothing is found, a size of 0 may be one that the model cannot run with.
    let Ok(least) = opened.analyze(&request) else { return };
    if !least.all_phases().any(|phase| phase.shapes.lacks_least()) {
        join(&mut found.report, &least.report);
    }
}

fn depends_on_data(phase: &Phase) -> bool {
    let storages = &phase.lowered.schedule().storages;
    phase.shapes.depends_on_data() || storages.iter().any(|storage| storage.known == Known::UpperBound)
}

fn join(report: &mut Report, least: &Report) {
    let less = |most: u64, least: u64| Some(least).filter(|&least| least < most);
    report.totals.least_total_bytes = less(report.totals.total_bytes, least.totals.total_bytes);
    for (phase, least) in report.phases.iter_mut().zip(&least.phases) {
        if phase.name == least.name {
            phase.heap_peak_least_bytes = less(phase.heap_peak_bytes, least.heap_peak_bytes);
            phase.resident_peak_least_bytes = less(phase.resident_peak_bytes, least.resident_peak_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_less_is_not_reported() {
        let of = |total| {
            let mut report = Report::default();
            report.totals.total_bytes = total;
            report
        };
        let mut report = of(100);
        join(&mut report, &of(100));
        assert_eq!(report.totals.least_total_bytes, None);
        join(&mut report, &of(60));
        assert_eq!(report.totals.least_total_bytes, Some(60));
    }
}
