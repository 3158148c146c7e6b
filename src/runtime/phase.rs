//! The phases of a run, and what the analysis of one gives.

use super::{Allocation, Lowered, Outcome};
use crate::problem::{Plan, Problem};
use crate::scenario::Scenario;
use crate::shape::Shapes;
use std::sync::Arc;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PhaseName {
    /// The runtime reads the model.
    Load,
    /// The runtime has compiled the model; nothing runs.
    Compile,
    /// The prompt's tokens in one pass.
    Prefill,
    /// One token, the others cached.
    Decode,
    /// The one pass of a model that is not a generator.
    Infer,
    /// The same pass again, where the runtime does something else the second time.
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

    /// Whether the model runs in it.
    #[must_use]
    pub fn runs(self) -> bool {
        self > PhaseName::Compile
    }
}

/// One phase with its verified plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Phase {
    /// Which part of the run.
    pub name: PhaseName,
    /// What runs.
    pub scenario: Scenario,
    /// Every tensor's shape.
    pub shapes: Arc<Shapes>,
    /// The schedule, and the memory outside of it.
    pub lowered: Lowered,
    /// The planned buffers.
    pub problem: Arc<Problem>,
    /// The places of the buffers.
    pub plan: Arc<Plan>,
    /// What follows from the plan.
    pub outcome: Outcome,
}

impl Phase {
    /// Everything that is allocated, in the order of reports: storages of the schedule, memory outside of it, and memory
    /// whose size follows from the plan.
    pub fn allocations(&self) -> impl Iterator<Item = Allocation> {
        self.lowered.allocations().chain(self.outcome.memory.iter().copied())
    }
}
