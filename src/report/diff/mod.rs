//! Two reports side by side: what of the memory at the peak changed, and where.
//!
//! Bytes are those at the peak, so the rows of each grouping add up to the change of the total. Nodes are matched by name
//! and by structure (`matching.rs`), so that an export with other numbers in its names is not all new.

pub mod csv;
mod identity;
pub mod markdown;
mod matching;
pub mod text;

use super::build::upper;
use super::model::{self, By, Delta, Diff, DiffRow, Grouping, PhaseDelta, Report, Share, Status};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

pub use identity::Node;
pub(crate) use identity::nodes;

/// One side of a comparison.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Side {
    /// What it is called: the model or the file, as it was given.
    pub name: String,
    /// Its report.
    pub report: Report,
    /// Its breakdowns; each row says what it groups by.
    pub shares: Vec<Share>,
    /// The nodes of its graphs in order of execution; none where only a report is known.
    pub nodes: Vec<Node>,
}

impl Side {
    /// A report, of which the graph is not known: nodes are matched by name alone.
    #[must_use]
    pub fn of_report(name: String, report: Report) -> Side {
        let shares = report.breakdown.clone();
        Side { name, report, shares, nodes: Vec::new() }
    }
}

/// Compares two sides. A grouping that only one of them has is left out, and a note says so.
///
/// Cost: linear in nodes and shares, and a sort.
#[must_use]
pub fn build(old: &Side, new: &Side) -> Diff {
    let mut diff = Diff::new(old.name.clone(), new.name.clone());
    diff.totals = totals(&old.report, &new.report);
    diff.phases = phases(&old.report, &new.report);
    diff.notes = notes(&old.report, &new.report);
    let classes = model::classes(&old.report.totals).into_iter().zip(model::classes(&new.report.totals));
    let classes = classes.map(|((name, old), (_, new))| Row { key: name, old_key: name, old, new });
    let of_both = |row: &Row<'_>| row.old > 0 || row.new > 0;
    add(&mut diff, Grouping::Class, classes.filter(of_both).collect());
    let nodes = matching::counterparts(&old.nodes, &new.nodes);
    for by in [By::Component, By::Layer, By::Node, By::Op] {
        let [old_shares, new_shares] = [old, new].map(|side| of(&side.shares, by));
        match (old_shares.is_empty(), new_shares.is_empty()) {
            (false, false) => {
                let renamed = if by == By::Node { nodes.clone() } else { FxHashMap::default() };
                add(&mut diff, by.into(), rows(&old_shares, &new_shares, &renamed));
            }
            (true, true) => {}
            (is_old, _) => {
                let name = if is_old { &old.name } else { &new.name };
                diff.notes.push(format!("{name} has no breakdown by {by}, so none is compared"));
            }
        }
    }
    diff
}

/// One key on both sides; an empty key is not there.
struct Row<'a> {
    key: &'a str,
    old_key: &'a str,
    old: u64,
    new: u64,
}

/// Bytes at the peak by key.
fn of(shares: &[Share], by: By) -> Vec<(&str, u64)> {
    shares.iter().filter(|share| share.by == by).map(|share| (&*share.key, share.at_peak_bytes)).collect()
}

/// The rows of one grouping; `renamed` gives a new key's old one.
fn rows<'a>(
    old: &[(&'a str, u64)],
    new: &[(&'a str, u64)],
    renamed: &FxHashMap<&'a str, &'a str>,
) -> Vec<Row<'a>> {
    let mut left: FxHashMap<&str, u64> = old.iter().copied().collect();
    let mut rows = Vec::with_capacity(new.len());
    let mut unmatched = Vec::new();
    for &(key, bytes) in new {
        let old_key = renamed.get(key).copied().unwrap_or(key);
        match left.remove(old_key) {
            Some(old) => rows.push(Row { key, old_key, old, new: bytes }),
            None => unmatched.push((key, bytes)),
        }
    }
    // What no rule matched keeps its name: a key that is not a node, or an old name that another node was given.
    for (key, bytes) in unmatched {
        match left.remove(key) {
            Some(old) => rows.push(Row { key, old_key: key, old, new: bytes }),
            None => rows.push(Row { key, old_key: "", old: 0, new: bytes }),
        }
    }
    let gone = old.iter().filter(|(key, _)| left.contains_key(key));
    rows.extend(gone.map(|&(key, old)| Row { key: "", old_key: key, old, new: 0 }));
    rows
}

/// Adds the changed rows of a grouping, the largest change first, and counts the others.
fn add(diff: &mut Diff, by: Grouping, rows: Vec<Row<'_>>) {
    let mut changed = Vec::new();
    let mut unchanged = 0;
    for row in rows {
        let Delta { old, new, delta } = Delta::of(row.old, row.new);
        let status = match (row.old_key.is_empty(), row.key.is_empty()) {
            (true, _) => Status::New,
            (_, true) => Status::Gone,
            _ => Status::Changed,
        };
        if delta == 0 {
            unchanged += 1;
            continue;
        }
        let key = if row.key.is_empty() { row.old_key } else { row.key }.to_owned();
        let old_key = Some(row.old_key.to_owned()).filter(|old| !old.is_empty() && *old != key);
        changed.push(DiffRow { by, key, old_key, old, new, delta, status });
    }
    changed
        .sort_by(|a, b| b.delta.unsigned_abs().cmp(&a.delta.unsigned_abs()).then_with(|| a.key.cmp(&b.key)));
    diff.rows.extend(changed);
    diff.unchanged.insert(by, unchanged);
}

fn totals(old: &Report, new: &Report) -> BTreeMap<String, Delta> {
    let fields = |report: &Report| {
        let totals = &report.totals;
        let classes = model::classes(totals).map(|(name, bytes)| (format!("{name}_bytes"), bytes));
        let sums = [
            ("temp_bytes", totals.temp_bytes),
            ("total_bytes", totals.total_bytes),
            ("lower_bound_bytes", totals.lower_bound_bytes),
            ("largest_allocation_bytes", totals.largest_allocation_bytes),
            ("resident_peak_bytes", report.resident_peak()),
        ];
        classes.into_iter().chain(sums.map(|(name, bytes)| (name.to_owned(), bytes))).collect::<Vec<_>>()
    };
    let both = fields(old).into_iter().zip(fields(new));
    both.map(|((name, old), (_, new))| (name, Delta::of(old, new))).collect()
}

fn phases(old: &Report, new: &Report) -> Vec<PhaseDelta> {
    let find = |report: &Report, name: &str| report.phases.iter().find(|phase| phase.name == name).cloned();
    let mut names: Vec<&str> = new.phases.iter().map(|phase| &*phase.name).collect();
    let gone = old.phases.iter().map(|phase| &*phase.name).filter(|name| find(new, name).is_none());
    names.extend(gone);
    let both = |name: &str| {
        let [old, new] = [old, new].map(|report| find(report, name).unwrap_or_default());
        PhaseDelta {
            name: name.to_owned(),
            heap_peak_bytes: Delta::of(old.heap_peak_bytes, new.heap_peak_bytes),
            resident_peak_bytes: Delta::of(upper(&old), upper(&new)),
        }
    };
    names.into_iter().map(both).collect()
}

/// What makes two reports less alike than their models.
fn notes(old: &Report, new: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            notes.push(format!("{what}: {old} against {new}"));
        }
    };
    let number = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    let profile = |report: &Report| format!("{} {}", report.profile.name, report.profile.version);
    differ("the runs differ in task", old.scenario.task.to_string(), new.scenario.task.to_string());
    differ("the runs differ in prompt", number(old.scenario.prompt), number(new.scenario.prompt));
    differ("the runs differ in past", old.scenario.past.to_string(), new.scenario.past.to_string());
    differ("the runs differ in batch", number(old.scenario.batch), number(new.scenario.batch));
    differ("the profiles differ", profile(old), profile(new));
    let shape = |shape: &Vec<u64>| shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x");
    for (name, dims) in &old.scenario.inputs {
        if let Some(other) = new.scenario.inputs.get(name) {
            differ(&format!("the input {name} differs"), shape(dims), shape(other));
        }
    }
    if old.profile.name == new.profile.name {
        let keys = old.profile.options.keys().chain(new.profile.options.keys());
        for key in std::collections::BTreeSet::from_iter(keys) {
            let value =
                |report: &Report| report.profile.options.get(key).map_or("none", |value| value).to_owned();
            differ(&format!("the option {key} differs"), value(old), value(new));
        }
    }
    differ("the peak moved", format!("phase {}", old.peak.phase), format!("phase {}", new.peak.phase));
    for report in [old, new].into_iter().filter(|report| !report.is_complete()) {
        notes.push(format!("the total of {} is a lower bound: sizes are unknown", report.model.path));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, shares: &[(&str, u64)]) -> Side {
        let total: u64 = shares.iter().map(|(_, bytes)| bytes).sum();
        let mut report = Report::default();
        report.totals.total_bytes = total;
        report.totals.arena_bytes = total;
        report.breakdown = shares
            .iter()
            .map(|&(key, bytes)| Share {
                by: By::Component,
                key: key.to_owned(),
                bytes,
                weights_bytes: 0,
                weights_file_bytes: 0,
                state_bytes: 0,
                at_peak_bytes: bytes,
            })
            .collect();
        Side::of_report(name.to_owned(), report)
    }

    #[test]
    fn a_report_and_itself_do_not_differ() {
        let side = side("a", &[("mlp", 7), ("lm_head", 3)]);
        let diff = build(&side, &side);
        assert!(diff.is_empty() && diff.notes.is_empty(), "{diff:?}");
        assert_eq!(diff.unchanged[&Grouping::Component], 2);
    }

    #[test]
    fn rows_of_a_grouping_add_up_to_the_change_of_the_total() {
        let old = side("old", &[("mlp", 7), ("lm_head", 3), ("q_proj", 2)]);
        let new = side("new", &[("mlp", 9), ("q_proj", 2), ("k_proj", 11)]);
        let diff = build(&old, &new);
        let total = diff.total("total_bytes").delta;
        for by in [Grouping::Class, Grouping::Component] {
            let sum: i64 = diff.rows.iter().filter(|row| row.by == by).map(|row| row.delta).sum();
            assert_eq!(sum, total, "{by}");
        }
        let rows: Vec<_> = diff.rows.iter().filter(|row| row.by == Grouping::Component).collect();
        let found: Vec<_> = rows.iter().map(|row| (&*row.key, row.delta, row.status)).collect();
        let expected =
            [("k_proj", 11, Status::New), ("lm_head", -3, Status::Gone), ("mlp", 2, Status::Changed)];
        assert_eq!(found, expected);
    }
}
