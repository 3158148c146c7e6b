//! From a pipeline's walked parts to the one report: a report per part, and what they hold together.

use super::build::{self, Subject};
use super::model::{self, By, Known, Report, SCHEMA_VERSION};
use super::view::View;
use crate::closed_form::components;
use crate::phases::PhaseName;
use crate::pipeline::estimate::Estimate;
use crate::pipeline::parts::Role;
use crate::pipeline::vlm::{self, Holding, Moment, Run, Walk};
use crate::scenario::Task;
use crate::schedule::StorageClass;
use crate::units::Bytes;
use std::collections::BTreeMap;

/// What the report of a pipeline depends on apart from its run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PipelineSubject {
    /// The folder, as the user named it.
    pub model: String,
    /// The vision tower stays loaded after it ran.
    pub keeps_vision: bool,
    /// How the breakdown groups.
    pub by: By,
    /// Steps and buffers of the parts are wanted.
    pub full: bool,
    /// SHA-256 of each part's graph file, in hex; empty where it was not asked for.
    pub sha256: Vec<String>,
}

/// Makes the report of a pipeline: the highest moment in full, the peaks of all.
///
/// Cost: that of the parts' reports, and linear in moments times parts.
#[must_use]
pub fn build(run: &Run, wanted: &PipelineSubject) -> Report {
    let subjects: Vec<Subject<'_>> = run
        .parts
        .iter()
        .enumerate()
        .map(|(index, walk)| Subject {
            graph: &walk.graph,
            sha256: wanted.sha256.get(index).cloned().unwrap_or_default(),
            runtime: &*walk.runtime,
            planner: walk.planner,
            phases: &walk.phases,
            by: wanted.by,
            full: wanted.full,
        })
        .collect();
    let parts: Vec<PartViews<'_>> = run
        .parts
        .iter()
        .zip(&subjects)
        .map(|(walk, subject)| PartViews { walk, views: build::views(subject), by: wanted.by })
        .collect();
    let components: Vec<Report> = run
        .parts
        .iter()
        .zip(&subjects)
        .map(|(walk, subject)| {
            let report = build::build(subject);
            let totals = if walk.phases.is_empty() { not_run(walk) } else { report.totals };
            Report { component: Some(component(walk)), totals, ..report }
        })
        .collect();
    let moments = vlm::timeline(&run.parts, wanted.keeps_vision);
    let all: Vec<model::Totals> = moments.iter().map(|moment| totals(&parts, moment)).collect();
    let highest = all.iter().enumerate().fold(None, |best: Option<usize>, (index, totals)| match best {
        Some(best) if all.get(best).is_some_and(|best| best.total_bytes >= totals.total_bytes) => Some(best),
        _ => Some(index),
    });
    let sum = components.iter().map(|report| Bytes(report.totals.total_bytes)).sum::<Bytes>();
    let mut report = Report {
        phases: moments.iter().zip(&all).map(|(moment, totals)| phase(&parts, moment, totals)).collect(),
        ..frame(run, wanted, &components)
    };
    if let Some((moment, totals)) = highest.and_then(|index| Some((moments.get(index)?, all.get(index)?))) {
        report.peak = peak(&parts, moment);
        report.breakdown = breakdown(&parts, moment);
        report.planner = planner(&components, totals);
        report.blocks = blocks(&components);
        report.totals = model::Totals { parts_sum_bytes: Some(sum.0), ..totals.clone() };
        let unknown =
            components.iter().filter_map(|report| report.totals.unknown_tensors).reduce(u64::saturating_add);
        if unknown.is_some() {
            report.totals.known = Known::LowerBound;
            report.totals.unknown_tensors = unknown;
        }
    }
    Report { components, ..report }
}

/// The report of a pipeline's published estimate: the sum of its parts.
#[must_use]
pub fn of_estimates(estimates: &[Estimate], sha256: &str) -> Report {
    let components: Vec<Report> = estimates
        .iter()
        .map(|estimate| {
            let role = match estimate.task {
                Task::Vision => model::Role::Vision,
                Task::Llm => model::Role::Language,
                Task::General => model::Role::TextEmbedding,
            };
            let component = model::Component { name: role.name().to_owned(), role };
            Report { component: Some(component), ..super::estimate::build(estimate, sha256.to_owned()) }
        })
        .collect();
    let mut sum = model::Totals { known: Known::Exact, ..model::Totals::default() };
    let mut shares = Vec::new();
    for report in &components {
        add(&mut sum, &report.totals);
        let name = report.component.as_ref().map_or("", |component| component.name.as_str());
        shares.extend(report.breakdown.iter().cloned().map(|share| named(share, name)));
    }
    sum.parts_sum_bytes = Some(sum.total_bytes);
    sorted(&mut shares);
    let first = components.first().cloned().unwrap_or_default();
    let lengths: Vec<u64> = components.iter().filter_map(|report| report.scenario.prompt).collect();
    let temp = estimates.iter().map(|estimate| components::sum(&estimate.parts)).sum::<Bytes>();
    Report {
        component: None,
        scenario: model::Scenario {
            task: model::Task::Pipeline,
            prompt: lengths.get(1).copied(),
            patches: lengths.first().copied(),
            ..model::Scenario::default()
        },
        diagnostics: components.iter().flat_map(|report| report.diagnostics.clone()).collect(),
        phases: vec![model::Phase {
            name: "infer".to_owned(),
            heap_peak_bytes: temp.0,
            resident_peak_bytes: sum.total_bytes,
            file_resident_bytes: sum.weights_file_bytes,
            ..model::Phase::default()
        }],
        totals: sum,
        breakdown: shares,
        components,
        ..first
    }
}

/// A part with its phases as the report sees them.
struct PartViews<'a> {
    walk: &'a Walk,
    views: Vec<View<'a>>,
    by: By,
}

/// Which classes of a phase count.
type Counts = fn(StorageClass) -> bool;

impl PartViews<'_> {
    fn name(&self) -> &str {
        &self.walk.part.name
    }

    /// The phase that a holding is about, and what of it counts; `None` where nothing of one does.
    fn view(&self, holding: Holding) -> Option<(&View<'_>, Counts)> {
        let keeps = self.walk.runtime.retains_buffers();
        let (index, counts): (usize, Counts) = match holding {
            Holding::Nothing | Holding::Outputs(_) => return None,
            Holding::Running(index) => (index, |_| true),
            Holding::Left(index) if keeps => (index, |_| true),
            Holding::Left(index) => (index, |class| !class.is_planned()),
            Holding::Loaded if keeps => {
                let runs = self.walk.phases.iter().position(|phase| phase.name > PhaseName::Compile);
                (runs.unwrap_or(0).saturating_sub(1), |_| true)
            }
            Holding::Loaded => (0, StorageClass::is_weights),
        };
        self.views.get(index).map(|view| (view, counts))
    }

    /// Bytes of the outputs of a phase.
    fn outputs(&self, holding: Holding) -> Bytes {
        match holding {
            Holding::Outputs(index) => self
                .views
                .get(index)
                .map(|view| view.class(StorageClass::Io) - view.phase.lowered.schedule().user_bytes)
                .unwrap_or_default(),
            _ => Bytes::ZERO,
        }
    }

    fn totals(&self, holding: Holding) -> model::Totals {
        if self.views.is_empty() {
            return not_run(self.walk);
        }
        let outputs = self.outputs(holding).0;
        let Some((view, counts)) = self.view(holding) else {
            return model::Totals {
                io_bytes: outputs,
                temp_bytes: outputs,
                total_bytes: outputs,
                known: Known::Exact,
                ..model::Totals::default()
            };
        };
        let mut totals = view.totals();
        if !counts(StorageClass::Activation) {
            (totals.arena_bytes, totals.dynamic_bytes, totals.lower_bound_bytes) = (0, 0, 0);
        }
        if !counts(StorageClass::Io) {
            totals.io_bytes = 0;
            (totals.kv_cache_bytes, totals.state_bytes, totals.scratch_bytes, totals.runtime_bytes) =
                (0, 0, 0, 0);
        }
        totals.temp_bytes = [
            totals.arena_bytes,
            totals.dynamic_bytes,
            totals.io_bytes,
            totals.kv_cache_bytes,
            totals.state_bytes,
            totals.scratch_bytes,
            totals.runtime_bytes,
        ]
        .map(Bytes)
        .into_iter()
        .sum::<Bytes>()
        .0;
        let weights = Bytes(totals.weights_file_bytes) + Bytes(totals.weights_anonymous_bytes);
        totals.total_bytes = (weights + Bytes(totals.temp_bytes)).0;
        totals
    }

    /// How the resident set is known; that of a part that is not run is at least its weights.
    fn resident_known(&self, holding: Holding) -> Known {
        match self.view(holding) {
            Some((view, _)) => view.phase().resident_known,
            None if self.views.is_empty() => Known::LowerBound,
            None => Known::Exact,
        }
    }

    /// Bytes that the user allocated for a phase, where they count.
    fn user_bytes(&self, holding: Holding) -> Bytes {
        match self.view(holding) {
            Some((view, counts)) if counts(StorageClass::Io) => view.phase.lowered.schedule().user_bytes,
            _ => Bytes::ZERO,
        }
    }

    fn shares(&self, holding: Holding) -> Vec<model::Share> {
        let whole = |key: &str, bytes: u64, weights_bytes: u64| model::Share {
            by: self.by,
            key: key.to_owned(),
            bytes,
            weights_bytes,
            weights_file_bytes: weights_bytes,
            state_bytes: 0,
            at_peak_bytes: bytes,
        };
        if self.views.is_empty() {
            let weights = self.walk.weights().0;
            return vec![whole("weights", weights, weights)];
        }
        let outputs = self.outputs(holding).0;
        if outputs > 0 {
            return vec![whole("outputs", outputs, 0)];
        }
        self.view(holding).map(|(view, counts)| view.shares(self.by, counts)).unwrap_or_default()
    }
}

/// A part that is loaded and not run: its weights, and an unknown rest.
fn not_run(walk: &Walk) -> model::Totals {
    let weights = walk.weights().0;
    model::Totals {
        weights_file_bytes: weights,
        total_bytes: weights,
        known: Known::LowerBound,
        ..model::Totals::default()
    }
}

fn component(walk: &Walk) -> model::Component {
    model::Component { name: walk.part.name.clone(), role: role(walk.part.role) }
}

fn role(of: Role) -> model::Role {
    match of {
        Role::Vision => model::Role::Vision,
        Role::Projection => model::Role::Projection,
        Role::TextEmbedding => model::Role::TextEmbedding,
        Role::Language => model::Role::Language,
        Role::Other => model::Role::Other,
    }
}

fn each<'a, 'b>(
    parts: &'b [PartViews<'a>],
    moment: &'b Moment,
) -> impl Iterator<Item = (&'b PartViews<'a>, Holding)> + 'b {
    parts.iter().zip(moment.holdings.iter().copied())
}

fn totals(parts: &[PartViews<'_>], moment: &Moment) -> model::Totals {
    let mut sum = model::Totals { known: Known::Exact, ..model::Totals::default() };
    for (part, holding) in each(parts, moment) {
        add(&mut sum, &part.totals(holding));
    }
    sum
}

/// Adds what another part holds; of two statements the weaker one is reported.
fn add(sum: &mut model::Totals, other: &model::Totals) {
    let fields: [(&mut u64, u64); 12] = [
        (&mut sum.weights_file_bytes, other.weights_file_bytes),
        (&mut sum.weights_anonymous_bytes, other.weights_anonymous_bytes),
        (&mut sum.arena_bytes, other.arena_bytes),
        (&mut sum.dynamic_bytes, other.dynamic_bytes),
        (&mut sum.io_bytes, other.io_bytes),
        (&mut sum.kv_cache_bytes, other.kv_cache_bytes),
        (&mut sum.state_bytes, other.state_bytes),
        (&mut sum.scratch_bytes, other.scratch_bytes),
        (&mut sum.runtime_bytes, other.runtime_bytes),
        (&mut sum.temp_bytes, other.temp_bytes),
        (&mut sum.total_bytes, other.total_bytes),
        (&mut sum.lower_bound_bytes, other.lower_bound_bytes),
    ];
    for (field, other) in fields {
        *field = field.saturating_add(other);
    }
    sum.largest_allocation_bytes = sum.largest_allocation_bytes.max(other.largest_allocation_bytes);
    sum.known = sum.known.and(other.known);
}

fn phase(parts: &[PartViews<'_>], moment: &Moment, totals: &model::Totals) -> model::Phase {
    let running = moment.part.and_then(|index| {
        let part = parts.get(index)?;
        Some((part, part.view(*moment.holdings.get(index)?)?.0))
    });
    let user: Bytes = each(parts, moment).map(|(part, holding)| part.user_bytes(holding)).sum();
    let heap = Bytes(totals.total_bytes) - Bytes(totals.weights_file_bytes) - user;
    let (file, anonymous) = resident(parts, moment, Bytes(totals.weights_file_bytes), heap);
    let at = running.map(|(_, view)| view.phase()).unwrap_or_default();
    let held: BTreeMap<String, u64> = each(parts, moment)
        .map(|(part, holding)| (part.name().to_owned(), part.totals(holding).total_bytes))
        .collect();
    let weights = each(parts, moment).map(|(part, holding)| {
        let totals = part.totals(holding);
        (part.name().to_owned(), totals.weights_file_bytes.saturating_add(totals.weights_anonymous_bytes))
    });
    let held_weights = weights.filter(|(_, bytes)| *bytes > 0).collect();
    model::Phase {
        name: moment.name.to_owned(),
        heap_peak_bytes: heap.0,
        resident_peak_bytes: (file + anonymous).0,
        heap_peak_least_bytes: None,
        resident_peak_least_bytes: None,
        resident_peak_lower_bytes: None,
        resident_peak_upper_bytes: None,
        resident_known: each(parts, moment)
            .map(|(part, holding)| part.resident_known(holding))
            .fold(Known::Exact, Known::and),
        file_resident_bytes: file.0,
        tokens: at.tokens,
        step: at.step,
        node: at.node,
        op: at.op,
        component: running.map(|(part, _)| part.name().to_owned()),
        held,
        held_weights,
    }
}

/// The resident set, file-backed and anonymous: each part leaves pages unread and memory untouched; libraries, and what the
/// allocator keeps, are there once for the process.
fn resident(parts: &[PartViews<'_>], moment: &Moment, file: Bytes, heap: Bytes) -> (Bytes, Bytes) {
    let mut once = (Bytes::ZERO, Bytes::ZERO);
    let mut resident = (file, heap);
    for (part, holding) in each(parts, moment) {
        let Some((view, _)) = part.view(holding) else { continue };
        let residency = &view.phase.outcome.residency;
        resident = (resident.0 - residency.unread_bytes, resident.1 - residency.untouched_bytes);
        once = (once.0.max(residency.library_bytes), once.1.max(residency.kept_bytes));
    }
    (resident.0 + once.0, resident.1 + once.1)
}

/// What is alive while the highest moment's part is at its peak; of the others what fills the memory that they keep.
fn peak(parts: &[PartViews<'_>], moment: &Moment) -> model::Peak {
    let mut live = Vec::new();
    let mut at = model::Peak::default();
    for (index, (part, holding)) in each(parts, moment).enumerate() {
        let Some((view, counts)) = part.view(holding) else { continue };
        let peak = view.peak();
        let found = peak.live.iter().filter(|live| {
            if live.class.is_planned() { counts(StorageClass::Activation) } else { counts(StorageClass::Io) }
        });
        live.extend(
            found.map(|live| model::Live { node: format!("{}: {}", part.name(), live.node), ..live.clone() }),
        );
        if moment.part == Some(index) {
            at = model::Peak { node: format!("{}: {}", part.name(), peak.node), ..peak };
        }
    }
    live.sort_by(|a: &model::Live, b| b.bytes.cmp(&a.bytes).then_with(|| a.node.cmp(&b.node)));
    model::Peak { phase: moment.name.to_owned(), live, ..at }
}

fn breakdown(parts: &[PartViews<'_>], moment: &Moment) -> Vec<model::Share> {
    let mut shares: Vec<model::Share> = each(parts, moment)
        .flat_map(|(part, holding)| {
            part.shares(holding).into_iter().map(|share| named(share, part.name())).collect::<Vec<_>>()
        })
        .collect();
    sorted(&mut shares);
    shares
}

fn named(share: model::Share, part: &str) -> model::Share {
    model::Share { key: format!("{part}: {}", share.key), ..share }
}

fn sorted(shares: &mut [model::Share]) {
    shares.sort_by(|a, b| {
        b.at_peak_bytes.cmp(&a.at_peak_bytes).then(b.bytes.cmp(&a.bytes)).then_with(|| a.key.cmp(&b.key))
    });
}

fn planner(components: &[Report], totals: &model::Totals) -> model::Planner {
    let mut names: Vec<&str> = components.iter().map(|report| report.planner.name.as_str()).collect();
    names.retain(|name| !name.is_empty());
    names.dedup();
    let arena = totals.arena_bytes.saturating_add(totals.dynamic_bytes);
    let bound = totals.lower_bound_bytes;
    let saving_of = |report: &Report| {
        let planner = &report.planner;
        planner.arena_bytes.saturating_sub(planner.best_arena_bytes)
    };
    let best = components.iter().max_by_key(|report| saving_of(report));
    let saving = best.map_or(0, saving_of);
    model::Planner {
        name: names.join(", "),
        arena_bytes: arena,
        lower_bound_bytes: bound,
        gap: if bound == 0 { 0.0 } else { arena as f64 / bound as f64 - 1.0 },
        best_name: best.map(|report| report.planner.best_name.clone()).unwrap_or_default(),
        best_arena_bytes: arena.saturating_sub(saving),
    }
}

/// The parts' blocks, each at its own highest phase.
fn blocks(components: &[Report]) -> Vec<model::Block> {
    let mut blocks: Vec<model::Block> = components
        .iter()
        .flat_map(|report| {
            let name = report.component.as_ref().map_or("", |component| component.name.as_str());
            let of_part = |block: &model::Block| model::Block {
                what: format!("{name}: {}", block.what),
                ..block.clone()
            };
            report.blocks.iter().map(of_part).collect::<Vec<_>>()
        })
        .collect();
    blocks.sort_by_key(|block| std::cmp::Reverse(block.bytes.saturating_mul(block.count)));
    blocks
}

/// What the report says next to numbers.
fn frame(run: &Run, wanted: &PipelineSubject, components: &[Report]) -> Report {
    let mut assumptions: Vec<model::Assumption> = run
        .assumptions
        .iter()
        .map(|assumption| model::Assumption {
            rule: assumption.rule.to_owned(),
            text: assumption.text.clone(),
        })
        .collect();
    assumptions.push(model::Assumption {
        rule: if wanted.keeps_vision { "parts-stay" } else { "vision-freed" }.to_owned(),
        text: if wanted.keeps_vision {
            "every part stays loaded with its request, as in OpenVINO GenAI: what a part's run leaves behind stays".to_owned()
        } else {
            "the vision tower is freed once it ran, all but its output; the other parts stay loaded".to_owned()
        },
    });
    for assumption in components.iter().flat_map(|report| &report.assumptions) {
        if !assumptions.contains(assumption) {
            assumptions.push(assumption.clone());
        }
    }
    let profile =
        components.iter().find(|report| !report.phases.is_empty()).map(|report| report.profile.clone());
    Report {
        schema_version: SCHEMA_VERSION,
        tool: model::Tool::this(),
        model: model::Model {
            path: wanted.model.clone(),
            file: wanted.model.clone(),
            format: "pipeline".to_owned(),
            sha256: String::new(),
            nodes: components.iter().map(|report| report.model.nodes).sum(),
            tensors: components.iter().map(|report| report.model.tensors).sum(),
        },
        scenario: model::Scenario {
            task: model::Task::Pipeline,
            prompt: run.prompt,
            patches: run.patches,
            image_tokens: Some(run.image_tokens).filter(|_| run.prompt.is_some()),
            ..model::Scenario::default()
        },
        profile: profile.unwrap_or_default(),
        assumptions,
        diagnostics: components.iter().flat_map(|report| report.diagnostics.clone()).collect(),
        ..Report::default()
    }
}
