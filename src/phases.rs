//! A run: the line once per phase, and what lasts between phases.
//!
//! Weights and states last; an arena lasts from one phase to the next, as long as the longest needs.

mod heap;
mod lasting;

use crate::error::Result;
use crate::graph::Graph;
use crate::plan::{self, Planner, Shrunk};
use crate::problem::{Plan, Problem};
use crate::runtime::{self, Generation, OnnxRunner, Profile, Runtime};
use crate::scenario::Scenario;
use crate::schedule::{Lowered, Storage, StorageClass, lifetime};
use crate::shape::{self, Shapes};
use crate::verify;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhaseName {
    /// The runtime reads the model.
    Load,
    /// The runtime has compiled the model; nothing runs.
    Compile,
    /// The prompt's tokens in one pass.
    Prefill,
    /// One token, the others cached.
    Decode,
    /// A model that is no generator: its one pass.
    Infer,
    /// The same pass again, where the runtime does not do the same again.
    InferAgain,
}

impl PhaseName {
    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PhaseName::Load => "load",
            PhaseName::Compile => "compile",
            PhaseName::Prefill => "prefill",
            PhaseName::Decode => "decode",
            PhaseName::Infer => "infer",
            PhaseName::InferAgain => "infer2",
        }
    }
}

/// One phase, walked to its proven plan.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Which part of the run.
    pub name: PhaseName,
    /// What ran.
    pub scenario: Scenario,
    /// Every tensor's shape.
    pub shapes: Shapes,
    /// The schedule.
    pub lowered: Lowered,
    /// Its buffers.
    pub problem: Problem,
    /// Where they lie.
    pub plan: Plan,
}

/// Walks the line once per phase; every plan is proved by both checkers before it is returned.
///
/// # Errors
///
/// Those of the stages; a failed proof is an error of kind
/// [`Internal`](crate::error::ErrorKind::Internal) and a bug of this crate.
pub fn run(
    graph: &Graph,
    phases: &[(PhaseName, Scenario)],
    profile: &Profile,
    planner: Planner,
) -> Result<Vec<Phase>> {
    let mut walked: Vec<Phase> = Vec::with_capacity(phases.len() + 1);
    for (name, scenario) in phases {
        let shapes = shape::infer(graph, scenario)?;
        let generation =
            scenario.first_prompt.map(|prompt| Generation { prompt, new_tokens: scenario.new_tokens });
        let runner = scenario.genai.as_ref().map_or(OnnxRunner::Session, |genai| OnnxRunner::GenAi {
            shares_cache: genai.shared_cache.is_some(),
        });
        let profile = &profile.clone().within(generation).run_by(runner);
        let lowered = if walked.is_empty() {
            if let Some(lowered) = runtime::loaded(graph, profile) {
                walked.push(prove(PhaseName::Load, scenario, shapes.clone(), lowered, planner, None)?);
            }
            let (compiled, lowered) = runtime::apply_from_start(graph, &shapes, profile)?;
            if let Some(compiled) = compiled {
                walked.push(prove(PhaseName::Compile, scenario, shapes.clone(), compiled, planner, None)?);
            }
            lowered
        } else {
            runtime::apply(graph, &shapes, profile)?
        };
        let keeps = match profile.runtime {
            Runtime::Written => false,
            Runtime::OpenvinoCpu(_) | Runtime::OpenvinoGpu(_) => true,
            Runtime::OnnxRuntimeCpu(_) => planner.keeps_arena(),
        };
        let before = walked.last().filter(|phase| keeps && phase.name > PhaseName::Compile);
        let before = before.map(|phase| (phase, profile.runtime));
        let again = (*name == PhaseName::Infer).then(|| runtime::repeated(&lowered, profile)).flatten();
        let phase = prove(*name, scenario, shapes, lowered, planner, before)?;
        walked.push(phase);
        if let (Some(lowered), Some(first)) = (again, walked.last()) {
            let shapes = first.shapes.clone();
            let phase = prove(
                PhaseName::InferAgain,
                scenario,
                shapes,
                lowered,
                planner,
                Some((first, profile.runtime)),
            )?;
            walked.push(phase);
        }
    }
    Ok(walked)
}

fn prove(
    name: PhaseName,
    scenario: &Scenario,
    shapes: Shapes,
    mut lowered: Lowered,
    planner: Planner,
    before: Option<(&Phase, Runtime)>,
) -> Result<Phase> {
    let keeps_arena = planner.keeps_arena();
    if let Some((before, runtime)) = before {
        match runtime {
            Runtime::OpenvinoGpu(_) => lasting::keep_gpu_states(&before.lowered, &mut lowered),
            Runtime::OnnxRuntimeCpu(_) => {}
            _ => lasting::keep_storages(&before.lowered, &mut lowered),
        }
    }
    let problem = lifetime::analyze(&lowered);
    let shrunk =
        before.filter(|_| keeps_arena).and_then(|(before, runtime)| shrink(before, runtime, planner));
    let plan = match (before, &shrunk) {
        (_, Some(shrunk)) => plan::solve_after_shrinking(&problem, planner, shrunk)?,
        (Some((before, _)), None) if keeps_arena => plan::solve_after(&problem, planner, &before.plan)?,
        _ => {
            let mut plan = plan::solve(&problem, planner)?;
            if let Some((before, Runtime::OpenvinoCpu(_))) = before {
                lasting::keep_blocks(&before.plan, &mut plan);
            }
            plan
        }
    };
    verify::all(&lowered, &problem, &plan)?;
    lasting::add_pools(&mut lowered, &plan);
    if let Some((before, _)) = before {
        lowered.processes.clone_from(&before.lowered.processes);
    }
    if let Some(shrunk) = &shrunk {
        heap::shrink(&mut lowered.processes, &shrunk.kept);
    }
    heap::follow(&mut lowered, &problem, &plan, keeps_arena)?;
    Ok(Phase { name, scenario: scenario.clone(), shapes, lowered, problem, plan })
}

/// What the phase before left of its arena, where it gives back what nothing lies in: the caller still has the outputs.
fn shrink(before: &Phase, runtime: Runtime, planner: Planner) -> Option<Shrunk> {
    if !matches!(runtime, Runtime::OnnxRuntimeCpu(options) if options.shrinks_arena) {
        return None;
    }
    let is_returned =
        |storage: &Storage| matches!(storage.class, StorageClass::Output | StorageClass::PresentCache);
    let held: Vec<bool> = before.lowered.planned().map(|(_, storage)| is_returned(storage)).collect();
    Some(plan::shrink(&before.problem, planner, &before.plan, |index| held.get(index) == Some(&true)))
}
