//! The largest values of axes that fit a budget.

use super::axis::Axis;
use super::range::Range;
use super::run::Run;
use super::search::{self, Probe};
use super::subject::{self, Subject, figures};
use crate::error::{Error, ErrorKind, Result};
use crate::report::budget;
use crate::report::model::{Figures, FitRow, Report, Verdict};
use crate::units::Bytes;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What a run is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// Bytes that there are.
    pub budget: Bytes,
    /// What of them is left to others.
    pub reserve: Bytes,
    /// A run fits where the operating system can drop pages of mapped weights.
    pub allows_paging: bool,
}

impl Limit {
    /// A limit without a reserve.
    #[must_use]
    pub fn new(budget: Bytes) -> Limit {
        Limit { budget, ..Limit::default() }
    }

    /// Bytes that a run has left, or by which it is over the limit.
    pub(super) fn judge(&self, report: &Report) -> Probe {
        let found = budget::judge(report, self.budget, self.reserve);
        let needs = match self.allows_paging {
            true => found.unreclaimable_bytes.min(found.resident_bytes),
            false => found.resident_bytes,
        };
        self.compare(needs)
    }

    /// Bytes that a need leaves, or by which it is over the limit.
    fn compare(&self, needs: u64) -> Probe {
        let needs = needs.saturating_add(self.reserve.0);
        match self.budget.0.checked_sub(needs) {
            Some(left) => Probe::Fits(left),
            None => Probe::Fails(needs.abs_diff(self.budget.0)),
        }
    }

    /// Whether a report fits.
    #[must_use]
    pub fn admits(&self, report: &Report) -> bool {
        matches!(self.judge(report), Probe::Fits(_))
    }

    /// The verdict on a report.
    #[must_use]
    pub fn verdict(&self, report: &Report) -> Verdict {
        budget::judge(report, self.budget, self.reserve).verdict
    }
}

/// A row per common axis of the subject's kind of run. An axis that the model does not have is left away.
///
/// # Errors
///
/// If the model has none of the axes; the error is that of the first one.
pub fn table(subject: &Subject, limit: &Limit) -> Result<Vec<FitRow>> {
    let axes = Axis::common(subject.run.kind).iter().filter(|axis| match axis {
        Axis::Option(_, option) => subject.has_option(option),
        _ => true,
    });
    let axes: Vec<&Axis> = axes.collect();
    let rows: Vec<Result<FitRow>> = axes.par_iter().map(|axis| largest(subject, axis, limit, None)).collect();
    let mut found = Vec::new();
    let mut first = None;
    for (row, axis) in rows.into_iter().zip(axes) {
        match row {
            // An axis of one value is not one of this model's.
            Ok(row) if row.largest == Some(axis.least()) && row.limited_by == BY_MODEL => {}
            Ok(row) => found.push(row),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// The word for a limit of the model itself.
const BY_MODEL: &str = "model";

/// What was found of the values that were tried.
#[derive(Default)]
struct Tried {
    figures: BTreeMap<u64, (Figures, Option<String>)>,
    devices: BTreeMap<u64, u64>,
    /// The runtime and its version.
    profile: String,
    /// The error of each value that was refused.
    refused: BTreeMap<u64, Error>,
}

/// The largest value of an axis that fits, within `within` where it is given.
///
/// # Errors
///
/// If the smallest value cannot be analysed, or the memory does not depend on the axis.
pub fn largest(subject: &Subject, axis: &Axis, limit: &Limit, within: Option<&Range>) -> Result<FitRow> {
    let run = subject.prepared(&[axis]);
    let (least, most, is_wide) = bounds(subject, axis, &run, within)?;
    let tried = Mutex::new(Tried::default());
    let probe = |value: u64| {
        let made = subject.analyze(&axis.set(&run, value));
        // A lock is only poisoned where another thread ended by a bug.
        let mut tried = tried.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match made {
            Ok(report) => {
                if tried.profile.is_empty() {
                    tried.profile = subject::profile(&report);
                }
                tried.figures.insert(value, (figures(&report), responsible(&report)));
                // Layers on a device fill the device's memory.
                match axis {
                    Axis::Option("gpu-layers", _) => {
                        let bytes = report.device_bytes();
                        tried.devices.insert(value, bytes);
                        limit.compare(bytes)
                    }
                    _ => limit.judge(&report),
                }
            }
            Err(error) => {
                tried.refused.insert(value, error);
                Probe::Refused
            }
        }
    };
    let found = search::search(least, most, is_wide, &probe);
    let Tried { figures, devices, mut refused, profile } =
        tried.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if figures.is_empty() {
        let unknown = || Error::new(ErrorKind::Internal, "no value was tried");
        return Err(refused.pop_first().map_or_else(unknown, |(_, error)| error));
    }
    let mut amounts = figures.values().map(|(figures, _)| (figures.total_bytes, figures.resident_peak_bytes));
    let first = amounts.next();
    if figures.len() > 1 && within.is_none() && amounts.all(|next| Some(next) == first) {
        let message = format!("the memory of this run does not depend on `{axis}`");
        return Err(Error::new(ErrorKind::Usage, message).help("give another axis with `--vary`"));
    }
    let analyses = (figures.len() + refused.len()) as u64;
    let of = |value: Option<u64>| value.and_then(|value| figures.get(&value));
    let is_over = found.first_that_fails.is_some();
    let stated = found.largest.or(Some(least));
    let end = match (within, is_wide) {
        (Some(_), _) => "the end of the range".to_owned(),
        (None, true) => format!("no limit was found: {most} is the largest value that is tried"),
        (None, false) => format!("the model's own limit: {most}"),
    };
    let note = note(&found, end, refused.into_iter().next());
    Ok(FitRow {
        vary: axis.name().to_owned(),
        largest: found.largest,
        first_that_fails: found.first_that_fails,
        limited_by: if found.is_models_limit && !is_over { BY_MODEL } else { "memory" }.to_owned(),
        resident_bytes: of(stated).map(|(figures, _)| figures.resident_peak_bytes),
        fails_with_bytes: of(found.first_that_fails).map(|(figures, _)| figures.resident_peak_bytes),
        device_bytes: stated.and_then(|value| devices.get(&value).copied()),
        fails_with_device_bytes: found.first_that_fails.and_then(|value| devices.get(&value).copied()),
        node: of(found.first_that_fails).or(of(stated)).and_then(|(_, node)| node.clone()),
        command: found.largest.map(|value| subject.command(&axis.set(&run, value))),
        fails_below: found.fails_below,
        profile,
        is_lower_bound: figures.values().any(|(figures, _)| figures.is_lower_bound),
        analyses,
        note,
    })
}

/// The values that are searched, and whether the largest is only where the search stops.
fn bounds(subject: &Subject, axis: &Axis, run: &Run, within: Option<&Range>) -> Result<(u64, u64, bool)> {
    if let Some(range) = within {
        return Ok((range.from, range.to, false));
    }
    let least = axis.least();
    if *axis == Axis::Image {
        // Small images may be smaller than a patch.
        let takes = |side: &u64| subject.analyze(&axis.set(run, *side)).is_ok();
        let least = [1, 14, 16, 28, 32, 56, 64, 112, 224, 384, 448].into_iter().find(takes).unwrap_or(224);
        return Ok((least, axis.most(), true));
    }
    Ok(match subject.own_limit(axis, run)? {
        Some(most) => (least, most.max(least), false),
        None => (least, axis.most(), true),
    })
}

/// The node of the highest phase, or the phase where no node runs.
fn responsible(report: &Report) -> Option<String> {
    let phase = report.highest_resident()?;
    Some(phase.node.clone().unwrap_or_else(|| format!("({})", phase.name)))
}

/// What limits the value where the memory does not: the first error, or the `end` of the search.
fn note(found: &search::Found, end: String, refused: Option<(u64, Error)>) -> Option<String> {
    match refused {
        Some((_, error)) if found.is_refused => Some(error.message().to_owned()),
        _ => found.is_models_limit.then_some(end),
    }
}
