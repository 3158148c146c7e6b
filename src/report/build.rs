//! From the walked phases to the report.

use super::model::{self, By, Report, SCHEMA_VERSION};
use super::view::View;
use crate::graph::Graph;
use crate::phases::{Phase, PhaseName};
use crate::plan::Planner;
use crate::runtime::{BufferRow, BufferTypes, Runtime};
use crate::scenario::input_name;
use crate::units::Bytes;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// What a report is about, and how it is presented.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subject<'a> {
    /// The graph that was read.
    pub graph: &'a Graph,
    /// SHA-256 of its file, in hex; empty where it was not asked for.
    pub sha256: String,
    /// The runtime that was modelled.
    pub runtime: &'a dyn Runtime,
    /// The planner that placed the buffers.
    pub planner: Planner,
    /// The walked phases, in order; at least one.
    pub phases: &'a [Phase],
    /// How the breakdown groups.
    pub by: By,
    /// Steps and buffers are wanted.
    pub full: bool,
}

impl<'a> Subject<'a> {
    /// A subject without digest and details, grouped by the default.
    #[must_use]
    pub fn new(
        graph: &'a Graph,
        runtime: &'a dyn Runtime,
        planner: Planner,
        phases: &'a [Phase],
    ) -> Subject<'a> {
        let (sha256, by) = (String::new(), By::default());
        Subject { graph, sha256, runtime, planner, phases, by, full: false }
    }
}

/// Makes the report of a run: the highest phase in full, the peaks of all.
///
/// Cost: linear in steps and storages, after one sort.
#[must_use]
pub fn build(subject: &Subject<'_>) -> Report {
    let views = views(subject);
    let Some(highest) = highest(&views).and_then(|index| views.get(index)) else {
        return empty(subject);
    };
    let mut totals = highest.totals();
    // A phase that misses tensors may be the highest in truth.
    let unknown =
        subject.phases.iter().map(|phase| u64::from(phase.lowered.schedule().unknown_tensors)).max();
    if let Some(unknown) = unknown.filter(|&unknown| unknown > 0) {
        totals.known = model::Known::LowerBound;
        totals.unknown_tensors = Some(unknown);
    }
    let frame = empty(subject);
    // Second safeguard: what shape inference could not size makes the total a lower bound under every runtime.
    if frame.diagnostics.iter().any(|found| found.severity == model::Severity::Incomplete) {
        totals.known = model::Known::LowerBound;
    }
    Report {
        totals,
        phases: views.iter().map(View::phase).collect(),
        peak: highest.peak(),
        blocks: highest.blocks(),
        breakdown: highest.breakdown(subject.by),
        planner: highest.planner(subject.planner, subject.phases),
        llama_cpp: highest.phase.outcome.buffers.as_ref().map(buffer_types),
        steps: subject.full.then(|| highest.steps()),
        buffers: subject.full.then(|| highest.buffers()),
        ..frame
    }
}

/// Position of the phase that a report details: the first of the most bytes.
pub(super) fn highest(views: &[View<'_>]) -> Option<usize> {
    (0..views.len()).reduce(|best, next| if views[next].total() > views[best].total() { next } else { best })
}

/// Every phase of a run.
pub(super) fn views<'a>(subject: &Subject<'a>) -> Vec<View<'a>> {
    let mut views: Vec<View<'a>> =
        subject.phases.iter().map(|phase| View::of(subject.graph, phase)).collect();
    let mut highest: Option<(PhaseName, Bytes)> = None;
    for view in &mut views {
        let pressure = view.peak_pressure;
        view.kept_from = highest.filter(|(_, before)| *before > pressure).map(|(name, _)| name);
        if view.kept_from.is_none() {
            highest = Some((view.phase.name, pressure)).filter(|_| subject.runtime.retains_buffers());
        }
    }
    views
}

/// The parts that do not depend on sizes.
fn empty(subject: &Subject<'_>) -> Report {
    let graph = subject.graph;
    let bodies = graph.with_bodies();
    let first = subject.phases.first();
    // A phase in which nothing runs takes less for granted than the others.
    let mut assumptions: Vec<_> = Vec::new();
    for assumption in subject.phases.iter().flat_map(|phase| phase.lowered.assumptions()) {
        if !assumptions.contains(&assumption) {
            assumptions.push(assumption);
        }
    }
    let own = subject.runtime.diagnostics();
    let diagnostics = subject.phases.iter().flat_map(|phase| phase.shapes.diagnostics()).chain(&own);
    let mut seen = FxHashSet::default();
    let diagnostics: Vec<_> = diagnostics
        .map(model::Diagnostic::from)
        .filter(|found| seen.insert((found.code.clone(), found.r#where.clone(), found.text.clone())))
        .collect();
    Report {
        schema_version: SCHEMA_VERSION,
        tool: model::Tool::this(),
        component: None,
        model: model::Model {
            path: graph.file().display().to_string(),
            file: graph.file().display().to_string(),
            format: graph.format().name().to_owned(),
            sha256: subject.sha256.clone(),
            nodes: bodies.iter().map(|body| body.nodes().len() as u64).sum(),
            tensors: bodies.iter().map(|body| body.tensors().len() as u64).sum(),
        },
        scenario: model::Scenario {
            task: first.map(|phase| phase.scenario.task.into()).unwrap_or_default(),
            batch: first.and_then(|phase| phase.scenario.batch),
            prompt: first.and_then(|phase| phase.scenario.prompt),
            past: first.map_or(0, |phase| phase.scenario.past),
            patches: None,
            image_tokens: None,
            inputs: first.map(|phase| inputs(graph, phase)).unwrap_or_default(),
            bindings: first
                .map(|phase| phase.shapes.binding().bound.iter().cloned().collect())
                .unwrap_or_default(),
        },
        profile: model::Profile {
            name: subject.runtime.name().to_owned(),
            version: subject.runtime.version().to_owned(),
            options: options(subject),
        },
        assumptions: assumptions
            .into_iter()
            .map(|assumption| model::Assumption {
                rule: assumption.rule.to_owned(),
                text: assumption.text.clone(),
            })
            .collect(),
        diagnostics,
        totals: model::Totals::default(),
        budget: None,
        suggestions: Vec::new(),
        accuracy: None,
        phases: Vec::new(),
        peak: model::Peak::default(),
        blocks: Vec::new(),
        breakdown: Vec::new(),
        planner: model::Planner::default(),
        llama_cpp: None,
        components: Vec::new(),
        comparison: None,
        steps: None,
        buffers: None,
    }
}

fn buffer_types(found: &BufferTypes) -> model::BufferTypes {
    let row = |row: &BufferRow| model::BufferRow {
        buffer_type: row.buffer_type.clone(),
        is_on_device: row.is_on_device,
        model_bytes: row.model.0,
        context_bytes: row.context.0,
        compute_bytes: row.compute.0,
    };
    model::BufferTypes {
        breakdown: found.rows.iter().map(row).collect(),
        output_bytes: found.output.0,
        work_bytes: found.work.0,
        graph_nodes: found.nodes,
        graph_leafs: found.leafs,
        graph_splits: found.splits,
    }
}

/// The resident peak of a phase: its upper estimate where there is one.
pub(super) fn upper(phase: &model::Phase) -> u64 {
    phase.resident_peak_upper_bytes.unwrap_or(phase.resident_peak_bytes).max(phase.resident_peak_bytes)
}

fn inputs(graph: &Graph, phase: &Phase) -> BTreeMap<String, Vec<u64>> {
    let parameters = graph.parameters().iter().zip(&phase.shapes.binding().parameters);
    parameters
        .map(|(&node, info)| {
            (input_name(graph, node).to_owned(), info.dims.as_deref().unwrap_or_default().to_vec())
        })
        .collect()
}

fn options(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let planner = ("planner", subject.planner.name().to_owned());
    subject
        .runtime
        .options()
        .into_iter()
        .chain([planner])
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Report {
    /// Whether every number is complete: no size is unknown.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.totals.known != model::Known::LowerBound
    }

    /// The largest resident set of all phases, by its upper estimate where there is one.
    #[must_use]
    pub fn resident_peak(&self) -> u64 {
        self.highest_resident().map_or(0, upper)
    }

    /// Bytes in the memory of devices, of a pipeline over all parts.
    #[must_use]
    pub fn device_bytes(&self) -> u64 {
        let rows = self.llama_cpp.iter().flat_map(|found| &found.breakdown).filter(|row| row.is_on_device);
        let own = rows.map(|row| [row.model_bytes, row.context_bytes, row.compute_bytes]);
        let parts = self.components.iter().map(Report::device_bytes);
        own.flatten().chain(parts).fold(0, u64::saturating_add)
    }

    /// The phase with the largest resident set, by its upper estimate where there is one.
    #[must_use]
    pub fn highest_resident(&self) -> Option<&model::Phase> {
        self.phases.iter().reduce(|best, next| if upper(next) > upper(best) { next } else { best })
    }
}
