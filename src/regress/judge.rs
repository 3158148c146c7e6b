//! From a report to the rows of its check: budget, baseline and measured figures, each by itself.

use super::cases::Case;
use super::config::{Figure, Figures, Quantity, Ratio};
use super::limit::Limit;
use super::records::Record;
use crate::error::Result;
use crate::report::diff::text::{percent, signed};
use crate::report::diff::{self, Side};
use crate::report::model::{Check, CheckKind, Delta, Diff, Grouping, Report, Updated, Verdict};
use crate::report::{budget, json};
use crate::units::Bytes;
use std::path::{Path, PathBuf};

/// Components that a message about growth names.
const NAMED: usize = 3;
/// Rows per table of what an update changes.
const ROWS: usize = 5;

/// A baseline to write.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Update {
    /// Where.
    pub path: PathBuf,
    /// The report.
    pub text: String,
    /// What changes.
    pub what: Updated,
}

/// What a case comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    pub(super) checks: Vec<Check>,
    pub(super) update: Option<Update>,
    pub(super) is_incomplete: bool,
}

/// Judges the report of a case, or why there is none. With `updates` the baseline is not compared but written.
pub(super) fn judge(case: &Case<'_>, report: Result<Report>, folder: &Path, updates: bool) -> Judged {
    let mut judged = Judged::default();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            judged.checks.push(Check {
                ok: false,
                message: error.to_string(),
                ..row(case, CheckKind::Analysis)
            });
            return judged;
        }
    };
    judged.is_incomplete = !report.is_complete();
    if judged.is_incomplete {
        judged.checks.push(incomplete(case, &report));
    }
    judged.checks.extend(of_budget(case, &report));
    if let Some(file) = &case.baseline {
        if updates {
            judged.update = Some(update(case, &report, folder, file));
        } else {
            judged.checks.extend(of_baseline(case, &report, folder, file));
        }
    }
    judged.checks.extend(of_measured(case, &report, folder));
    if judged.checks.is_empty() && judged.update.is_none() {
        let value = report.resident_peak();
        let message = format!("{} resident at the peak; nothing to check it against", Bytes(value));
        let figure = Some("resident".to_owned());
        judged.checks.push(Check {
            judged: false,
            figure,
            value: Some(value),
            message,
            ..row(case, CheckKind::Analysis)
        });
    }
    judged
}

/// A row that is ok, without figures.
fn row(case: &Case<'_>, kind: CheckKind) -> Check {
    let (name, model) = (case.name.clone(), case.model.clone());
    Check { name, model, kind, ok: true, judged: true, line: case.planned.line, ..Check::default() }
}

fn ratio(value: u64, limit: u64) -> Option<f64> {
    (limit > 0).then(|| value as f64 / limit as f64)
}

fn incomplete(case: &Case<'_>, report: &Report) -> Check {
    let tensors = report.totals.unknown_tensors.unwrap_or(0);
    let what = match tensors {
        0 => "sizes are unknown".to_owned(),
        1 => "1 tensor has no known size".to_owned(),
        _ => format!("{tensors} tensors have no known size"),
    };
    let ok = case.planned.entry.scenario.allow_opaque == Some(true);
    Check { ok, message: format!("{what}: every figure is a lower bound"), ..row(case, CheckKind::Analysis) }
}

fn of_budget(case: &Case<'_>, report: &Report) -> Option<Check> {
    let written = &case.planned.entry.budget;
    let limit = written.limit.as_ref()?.0;
    let reserve = written.reserve.as_ref().map_or(0, |size| size.0);
    let found = budget::judge(report, Bytes(limit), Bytes(reserve));
    let of_limit = match reserve {
        0 => Bytes(limit).to_string(),
        _ => format!("{} less {} for others", Bytes(limit), Bytes(reserve)),
    };
    let (value, by) = (Bytes(found.resident_bytes), Bytes(found.by_bytes));
    let at = report.highest_resident().map_or(String::new(), |phase| match &phase.node {
        Some(node) => format!("; the peak is in {}, at {node}", phase.name),
        None => format!("; the peak is in {}", phase.name),
    });
    let allows = written.allow_paging == Some(true);
    let (ok, message) = match found.verdict {
        Verdict::Fits => (true, format!("{value} resident fits {of_limit}, {by} are left")),
        Verdict::FitsIfWeightsPage => (
            allows,
            format!("{value} resident fits {of_limit} only if {by} of mapped weights are paged out{at}"),
        ),
        Verdict::DoesNotFit => (false, format!("{value} resident is over {of_limit} by {by}{at}")),
    };
    let ratio = ratio(found.resident_bytes, limit.saturating_sub(reserve));
    let figure = Some("resident".to_owned());
    let (value, limit) = (Some(found.resident_bytes), Some(limit));
    Some(Check { figure, value, limit, ratio, ok, message, ..row(case, CheckKind::Budget) })
}

/// Total and resident peak against those of the baseline.
fn of_baseline(case: &Case<'_>, report: &Report, folder: &Path, file: &str) -> Vec<Check> {
    let fails = |message: String| vec![Check { ok: false, message, ..row(case, CheckKind::Baseline) }];
    let path = folder.join(file);
    if !path.exists() {
        return fails(format!("the baseline {file} does not exist; `memgraph check --update` writes it"));
    }
    let old = match json::read(&path) {
        Ok(old) => old,
        Err(error) => return fails(error.to_string()),
    };
    let diff = compare(&old, report, file, &case.name);
    if let Some(note) =
        diff.notes.iter().find(|note| note.starts_with("the runs differ") || note.starts_with("the input "))
    {
        return fails(format!(
            "the baseline is of another run: {note}; `memgraph check --update` writes it again"
        ));
    }
    let own = case.planned.entry.baseline.tolerance.as_ref();
    let limits: Vec<Limit> =
        own.map_or(vec![Limit::Bytes(0)], |limits| limits.all().iter().map(|one| one.0).collect());
    let figures = [("total", "total_bytes"), ("resident", "resident_peak_bytes")];
    let each = figures.into_iter().map(|(figure, field)| {
        let Delta { old, new, delta } = diff.total(field);
        let over = limits.iter().find(|limit| limit.is_exceeded(old, new));
        let change = format!("{figure} {}: {} ({})", Bytes(new), signed(delta), percent(Delta::of(old, new)));
        let message = match over {
            Some(limit) => format!("{change}, over the limit of {limit}{}", causes(&diff)),
            None if delta == 0 => format!("{figure} {}: unchanged", Bytes(new)),
            None if delta < 0 => format!("{change}; `--update` takes it over"),
            None => format!("{change}, within the tolerance"),
        };
        let (value, limit) = (Some(new), Some(old));
        let figure = Some(figure.to_owned());
        Check {
            figure,
            value,
            limit,
            ratio: ratio(new, old),
            ok: over.is_none(),
            message,
            ..row(case, CheckKind::Baseline)
        }
    });
    each.collect()
}

fn compare(old: &Report, new: &Report, file: &str, name: &str) -> Diff {
    let old = Side::of_report(file.to_owned(), old.clone());
    diff::build(&old, &Side::of_report(name.to_owned(), new.clone()))
}

/// The components that grew most.
fn causes(diff: &Diff) -> String {
    let rows = diff.rows.iter().filter(|row| row.by == Grouping::Component && row.delta > 0);
    let named: Vec<String> =
        rows.take(NAMED).map(|row| format!("{} {}", row.key, signed(row.delta))).collect();
    if named.is_empty() { String::new() } else { format!("; grew most: {}", named.join(", ")) }
}

/// The baseline that a report becomes.
fn update(case: &Case<'_>, report: &Report, folder: &Path, file: &str) -> Update {
    let mut kept = report.clone();
    // A baseline is compared and read by people: the path is the same on every machine, and lists of blocks are not kept.
    kept.model.path.clone_from(&case.model);
    kept.model.file = Path::new(&report.model.file)
        .strip_prefix(folder)
        .map_or(case.model.clone(), |file| file.display().to_string());
    kept.diagnostics.clear();
    kept.peak.live.clear();
    kept.blocks.clear();
    kept.components.clear();
    let path = folder.join(file);
    let change = match json::read(&path) {
        Ok(old) => {
            let diff = compare(&old, report, file, &case.name);
            if diff.is_empty() { String::new() } else { diff::text::render(&diff, ROWS, false) }
        }
        Err(_) => String::new(),
    };
    let what = Updated { name: case.name.clone(), file: file.to_owned(), change };
    Update { path, text: json::render(&kept), what }
}

fn of_measured(case: &Case<'_>, report: &Report, folder: &Path) -> Vec<Check> {
    let measured = &case.planned.entry.measured;
    let mut checks: Vec<Check> =
        measured.named.iter().map(|(name, figure)| of_figure(case, report, measured, name, figure)).collect();
    let Some(file) = &measured.file else { return checks };
    let name = measured.id.clone().unwrap_or_else(|| "record".to_owned());
    let of = measured.of.unwrap_or_default();
    checks.push(match Record::read(&folder.join(file), measured.id.as_deref()) {
        Ok(record) => match record.figure(of) {
            Some(value) => {
                let figure = Figure { value, of: Some(of), tolerance: None, note: None };
                of_figure(case, report, measured, &name, &figure)
            }
            None => {
                let message =
                    format!("records have no figure \"{}\": set `of` to resident or heap", word(of));
                Check { ok: false, message, ..row(case, CheckKind::Measured) }
            }
        },
        Err(error) => Check { ok: false, message: error.to_string(), ..row(case, CheckKind::Measured) },
    });
    checks
}

/// Predicted over measured; without a tolerance it is reported and not judged.
fn of_figure(case: &Case<'_>, report: &Report, all: &Figures, name: &str, figure: &Figure) -> Check {
    let of = figure.of.or(all.of).unwrap_or_default();
    let (value, limit) = (predicted(report, of), figure.value);
    let found = ratio(value, limit);
    let tolerance = figure.tolerance.or(all.tolerance);
    let ok = tolerance
        .is_none_or(|Ratio { least, most }| found.is_some_and(|ratio| (least..=most).contains(&ratio)));
    let judged = match tolerance {
        None => "no tolerance, not judged".to_owned(),
        Some(Ratio { least, most }) => {
            let side = if ok { "within" } else { "outside" };
            format!("{side} {least:.3} to {most:.3}")
        }
    };
    let note = figure.note.as_ref().map_or(String::new(), |note| format!("; {note}"));
    let shown = found.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
    let message = format!("{} predicted, {} measured: {shown}, {judged}{note}", Bytes(value), Bytes(limit));
    let figure = Some(format!("{name}: {}", word(of)));
    let (value, limit) = (Some(value), Some(limit));
    Check {
        judged: tolerance.is_some(),
        figure,
        value,
        limit,
        ratio: found,
        ok,
        message,
        ..row(case, CheckKind::Measured)
    }
}

fn predicted(report: &Report, of: Quantity) -> u64 {
    let totals = &report.totals;
    match of {
        Quantity::Resident => report.resident_peak(),
        Quantity::Heap => report.phases.iter().map(|phase| phase.heap_peak_bytes).max().unwrap_or(0),
        Quantity::Total => totals.total_bytes,
        Quantity::Weights => (Bytes(totals.weights_file_bytes) + Bytes(totals.weights_anonymous_bytes)).0,
    }
}

fn word(of: Quantity) -> &'static str {
    match of {
        Quantity::Resident => "resident",
        Quantity::Heap => "heap",
        Quantity::Total => "total",
        Quantity::Weights => "weights",
    }
}
