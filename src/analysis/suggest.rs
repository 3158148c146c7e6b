//! What would lower the total: the same analysis under other options, each of them and the best of them together.
//!
//! The runtime offers its own alternatives ([`Runtime::alternatives`](crate::runtime::Runtime::alternatives)); a smaller
//! batch, a vision tower that is freed, and exports of fewer bits next to the model belong to no runtime.

use super::opened::Opened;
use super::request::{Request, Task};
use crate::pipeline::siblings;
use crate::report::model::{Report, Suggestion};
use crate::runtime::Alternative;
use rayon::prelude::*;
use std::path::PathBuf;

/// Alternatives that are analysed at most, the combinations included: so many analyses take less time than ten with the
/// reading of the file.
const MOST: usize = 8;
/// Nodes that are analysed at most for all alternatives together: of a model of more nodes there are no suggestions, which
/// would take eight times as long as what was asked for.
const MOST_NODES: usize = 400_000;
/// Exports next to the model that are analysed at most; each has to be read.
const MOST_SIBLINGS: usize = 1;
/// A suggestion saves at least one part in so many of the total.
const LEAST: u64 = 100;

/// A change of the request, in the words of the command line.
#[derive(Clone, Debug)]
struct Change {
    request: Request,
    /// Another model file or folder.
    model: Option<PathBuf>,
    /// Options by name; the value is empty for a flag.
    options: Vec<(String, String)>,
    what: Vec<String>,
}

/// The suggestions for a report, the largest saving first.
pub(super) fn all(opened: &Opened, request: &Request, report: &Report) -> Vec<Suggestion> {
    let bodies = opened.graphs.iter().flat_map(|graph| graph.with_bodies());
    let nodes: usize = bodies.map(|body| body.nodes().len()).sum();
    let most = MOST.min(MOST_NODES / nodes.max(1));
    if most == 0 {
        return Vec::new();
    }
    let base = Change {
        request: Request { advises: false, digest: false, full: false, ..request.clone() },
        model: None,
        options: Vec::new(),
        what: Vec::new(),
    };
    let mut changes = alternatives(opened, &base);
    changes.truncate(most.saturating_sub(MOST_SIBLINGS));
    let files = siblings::of(&opened.model).into_iter().take(MOST_SIBLINGS);
    changes.extend(files.map(|(path, what)| Change { model: Some(path), what: vec![what], ..base.clone() }));
    let total = report.totals.total_bytes;
    let mut left = most.saturating_sub(changes.len());
    let mut found = try_all(opened, changes, total);
    let mut best = found.iter().find(|(_, one)| one.model.is_none()).cloned();
    let mut together = None;
    while let Some((change, before)) = best.take().filter(|_| left > 0) {
        let mut further = alternatives(opened, &change);
        further.truncate(left.min(MOST / 2));
        left -= further.len();
        let next = try_all(opened, further, before.total_bytes).into_iter().next();
        best = next.map(|(change, one)| {
            let saves_bytes = total.saturating_sub(one.total_bytes);
            (change, Suggestion { saves_bytes, is_combination: true, ..one })
        });
        together = best.clone().or(together);
    }
    found.extend(together);
    found.sort_by_key(|(_, suggestion)| std::cmp::Reverse(suggestion.saves_bytes));
    found.into_iter().map(|(_, suggestion)| suggestion).collect()
}

/// Analyses changes side by side; those that save enough of `total`, the largest saving first.
fn try_all(opened: &Opened, changes: Vec<Change>, total: u64) -> Vec<(Change, Suggestion)> {
    let mut found: Vec<(Change, Suggestion)> = changes
        .into_par_iter()
        .filter_map(|change| {
            let suggestion = analyze(opened, &change, total)?;
            Some((change, suggestion))
        })
        .collect();
    found.retain(|(_, one)| one.saves_bytes > 0 && one.saves_bytes.saturating_mul(LEAST) >= total);
    found.sort_by_key(|(_, suggestion)| std::cmp::Reverse(suggestion.saves_bytes));
    found
}

/// A changed analysis; `None` where the runtime refuses the change.
fn analyze(opened: &Opened, change: &Change, total: u64) -> Option<Suggestion> {
    let report = match &change.model {
        Some(model) => Opened::open(model, &change.request).ok()?.analyze(&change.request).ok()?.report,
        None => opened.analyze(&change.request).ok()?.report,
    };
    let total_bytes = report.totals.total_bytes;
    let words = change.options.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]);
    Some(Suggestion {
        options: words.filter(|word| !word.is_empty()).collect(),
        model: change.model.as_ref().map(|path| path.display().to_string()),
        what: change.what.join("; "),
        total_bytes,
        saves_bytes: total.saturating_sub(total_bytes),
        resident_bytes: report.resident_peak(),
        is_combination: false,
    })
}

/// What differs from a change in one more option.
fn alternatives(opened: &Opened, base: &Change) -> Vec<Change> {
    let mut offered: Vec<Alternative> = Vec::new();
    for graph in &opened.graphs {
        let runtime = opened.runtime(graph, &base.request);
        let alternatives = runtime.map(|runtime| runtime.alternatives(graph)).unwrap_or_default();
        for alternative in alternatives {
            if offered.iter().all(|known| known.options != alternative.options) {
                offered.push(alternative);
            }
        }
    }
    let is_new = |found: &Alternative| {
        found.options.iter().all(|(name, _)| base.options.iter().all(|(known, _)| known != name))
    };
    let offered = offered.into_iter().filter(is_new).map(|alternative| {
        let mut change = base.clone();
        for (name, value) in alternative.options {
            change.request.options = std::mem::take(&mut change.request.options).with(name, value);
            let value = if value == "true" { "" } else { value };
            change.options.push((name.to_owned(), value.to_owned()));
        }
        change.what.push(alternative.what.to_owned());
        change
    });
    of_task(base).into_iter().chain(offered).collect()
}

/// What belongs to the run and not to a runtime.
fn of_task(base: &Change) -> Vec<Change> {
    let add = |change: &mut Change, name: &str, value: &str, what: &str| {
        change.options.push((name.to_owned(), value.to_owned()));
        change.what.push(what.to_owned());
    };
    let mut found = Vec::new();
    if base.request.base.batch.is_some_and(|batch| batch > 1) {
        let mut change = base.clone();
        change.request.base.batch = Some(1);
        add(&mut change, "batch", "1", "run one sequence at a time");
        found.push(change);
    }
    if let Task::Pipeline { keeps_vision: true, .. } = base.request.task {
        let mut change = base.clone();
        if let Task::Pipeline { keeps_vision, .. } = &mut change.request.task {
            *keeps_vision = false;
        }
        add(&mut change, "keep-vision", "no", "free the vision tower after its run");
        found.push(change);
    }
    found
}
