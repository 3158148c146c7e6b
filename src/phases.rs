//! A run: the stages once per phase.
//!
//! The runtime decides what a phase is made of and what it carries over to the next one; this is the loop.

use crate::error::Result;
use crate::graph::Graph;
use crate::plan::Planner;
use crate::runtime::{Pass, Placed, Runtime};
pub use crate::runtime::{Phase, PhaseName};
use crate::scenario::Scenario;
use crate::schedule::lifetime;
use crate::shape;
use crate::verify;
use std::sync::Arc;

/// Analyses every phase of a run; every plan is verified by both checkers.
///
/// # Errors
///
/// Those of the stages; a failed verification is an error of kind
/// [`Internal`](crate::error::ErrorKind::Internal) and a bug of this crate.
pub fn run(
    graph: &Graph,
    passes: &[(PhaseName, Scenario)],
    runtime: &dyn Runtime,
    planner: Planner,
) -> Result<Vec<Phase>> {
    runtime.accepts(graph)?;
    let mut phases: Vec<Phase> = Vec::with_capacity(passes.len() + 3);
    for (name, scenario) in passes {
        let shapes = Arc::new(shape::infer(graph, scenario)?);
        let pass = Pass { graph, shapes: &shapes, scenario, name: *name, is_first: phases.is_empty() };
        for (name, lowered) in runtime.lower(&pass)? {
            let before = phases.last().filter(|phase| phase.name.runs());
            let lowered = match before {
                Some(before) => runtime.carry_over(lowered, before, planner)?,
                None => lowered,
            };
            let problem = lifetime::analyze(lowered.schedule());
            let plan = runtime.place(&problem, planner, before)?;
            verify::all(lowered.schedule(), &problem, &plan)?;
            let placed = Placed { name, lowered: &lowered, problem: &problem, plan: &plan, planner, before };
            let outcome = runtime.finish(&placed)?;
            let (scenario, shapes) = (scenario.clone(), shapes.clone());
            phases.push(Phase { name, scenario, shapes, lowered, problem, plan, outcome });
        }
    }
    Ok(phases)
}
