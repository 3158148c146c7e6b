//! What a runtime makes of a graph: one folder and one [`Runtime`] per runtime.
//!
//! A folder contains everything about its runtime: options, accepted formats, lowering, memory rules, what is carried from
//! phase to phase, planner and assumptions. [`registry`] makes it known; nothing else names it. The types that all of them
//! share are here, below the folders.

mod alternative;
pub mod calibration;
mod executed;
pub mod graph;
pub mod llama_cpp;
mod lowered;
pub mod onnxruntime_cpu;
pub mod openvino_cpu;
pub mod openvino_gpu;
pub mod options;
#[cfg(feature = "fuzzing")]
pub mod per_tensor;
mod phase;
pub mod registry;

pub use alternative::Alternative;
pub use executed::{Executed, ExecutedNode, ExecutedOutput};
use lowered::assumptions;
pub use lowered::{Allocation, Assumption, BufferRow, BufferTypes, Lowered, Outcome, Residency, RuntimeData};
pub use phase::{Phase, PhaseName};

use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::graph::{Dims, Format, Graph};
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::scenario::Scenario;
use crate::shape::Shapes;
use std::fmt::Debug;

/// One runtime under one set of options: its version's rules on one device.
///
/// The stages of a phase call it in the order [`lower`](Runtime::lower), [`carry_over`](Runtime::carry_over),
/// [`place`](Runtime::place), [`finish`](Runtime::finish); the placement is verified before `finish`, and nothing changes
/// after it.
pub trait Runtime: Debug + Send + Sync {
    /// The name for `--profile`.
    fn name(&self) -> &'static str;

    /// The version of the runtime that the rules are true of.
    fn version(&self) -> &'static str;

    /// The options by name, as reports list them.
    fn options(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Other options under which a model may need less memory, and what each asks of the user. A report repeats the
    /// analysis with each and lists those that do.
    fn alternatives(&self, _graph: &Graph) -> Vec<Alternative> {
        Vec::new()
    }

    /// What a user has to know of the options.
    fn diagnostics(&self) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// Whether the host application runs whole generations, not a single pass.
    fn runs_generations(&self) -> bool {
        false
    }

    /// The planner that places buffers as the runtime does.
    fn planner(&self) -> Planner;

    /// Formats that the runtime loads.
    fn formats(&self) -> &'static [Format];

    /// Checks that the runtime loads the graph.
    ///
    /// # Errors
    ///
    /// If it does not load the graph's format, or a part of its content.
    fn accepts(&self, graph: &Graph) -> Result<()> {
        let format = graph.format();
        if self.formats().contains(&format) {
            return Ok(());
        }
        let message =
            format!("profile {} was given, and this runtime does not load {}", self.name(), format.words());
        Err(Error::new(ErrorKind::Usage, message).in_file(graph.file()))
    }

    /// The graph that the runtime builds in code from a file without one; `None` where the file has a graph.
    ///
    /// Later stages and reports see this graph. It has the file's tensors as its first nodes, in their order.
    ///
    /// # Errors
    ///
    /// If the runtime does not know how the file's model is built.
    fn expand(&self, _graph: &Graph) -> Result<Option<Graph>> {
        Ok(None)
    }

    /// Lowers one pass over a graph. Before a run's first pass come the phases that prepare it; after it may come others
    /// that repeat it.
    ///
    /// Cost: about linear in nodes and edges.
    ///
    /// # Errors
    ///
    /// If the runtime has no rule for the graph, or refuses it under its options.
    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>>;

    /// Lowers a pass as [`lower`](Runtime::lower) does, with nothing computed in the bytes of what it reads; `None` where the
    /// runtime has no such form.
    ///
    /// It is asked for when a plan breaks the schedule, so that a wrong rule for what is computed in place makes the total
    /// too large instead of ending the analysis. What it returns states that as an assumption.
    ///
    /// # Errors
    ///
    /// Those of [`lower`](Runtime::lower).
    fn lower_apart(&self, _pass: &Pass<'_>) -> Result<Option<Vec<(PhaseName, Lowered)>>> {
        Ok(None)
    }

    /// Enlarges what a phase allocates by the memory that the phase before it retains.
    ///
    /// # Errors
    ///
    /// Those of [`Draft::finish`](crate::schedule::Draft::finish).
    fn carry_over(&self, lowered: Lowered, _before: &Phase, _planner: Planner) -> Result<Lowered> {
        Ok(lowered)
    }

    /// Places the buffers of a phase.
    ///
    /// # Errors
    ///
    /// Those of the planner.
    fn place(
        &self,
        _lowered: &Lowered,
        problem: &Problem,
        planner: Planner,
        _before: Option<&Phase>,
    ) -> Result<Plan> {
        plan::solve(problem, planner)
    }

    /// Gives what follows from the plan: residency, further memory, and the state of the process for the next phase.
    ///
    /// # Errors
    ///
    /// Those of planners that a simulated allocator asks.
    fn finish(&self, _placed: &Placed<'_>) -> Result<Outcome> {
        Ok(Outcome::default())
    }

    /// The graph that the runtime executes; `None` where it is the exported one.
    ///
    /// # Errors
    ///
    /// As [`lower`](Runtime::lower).
    fn executed(&self, _graph: &Graph, _shapes: &Shapes) -> Result<Option<Executed>> {
        Ok(None)
    }

    /// Names of the passes that rewrite a graph into the executed one, in their order.
    fn passes(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The graph as it is after one of the [`passes`](Runtime::passes); `None` where there are none.
    ///
    /// # Errors
    ///
    /// As [`lower`](Runtime::lower), or if no pass is applied to the graph.
    fn executed_after(&self, _graph: &Graph, _shapes: &Shapes, _pass: &str) -> Result<Option<Executed>> {
        Ok(None)
    }

    /// Dims of what a graph returns that the runtime builds in code; `None`: they are those of its results.
    ///
    /// # Errors
    ///
    /// As [`expand`](Runtime::expand).
    fn output(&self, _graph: &Graph, _scenario: &Scenario) -> Result<Option<Dims>> {
        Ok(None)
    }

    /// Tokens of a prompt that are run in one pass at most; `None`: any number.
    fn longest_pass(&self) -> Option<u64> {
        None
    }

    /// The last length up to `length` tokens at which the KV cache grows, in a generation of `batch` sequences; `None` where
    /// it never does.
    fn last_growth(&self, _batch: u64, _generation: Generation, _length: u64) -> Option<u64> {
        None
    }

    /// Whether memory of a run is retained for the next one.
    fn retains_buffers(&self) -> bool {
        true
    }

    /// Whether a folder's genai_config.json decides how the model is run.
    fn reads_genai_config(&self) -> bool {
        false
    }
}

/// One pass over a graph.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pass<'a> {
    /// The model.
    pub graph: &'a Graph,
    /// Every tensor's shape in this pass.
    pub shapes: &'a Shapes,
    /// What runs.
    pub scenario: &'a Scenario,
    /// The phase that the pass is.
    pub name: PhaseName,
    /// No pass came before it.
    pub is_first: bool,
}

impl<'a> Pass<'a> {
    /// A single pass: the first of its run.
    #[must_use]
    pub fn first(graph: &'a Graph, shapes: &'a Shapes, scenario: &'a Scenario, name: PhaseName) -> Pass<'a> {
        Pass { graph, shapes, scenario, name, is_first: true }
    }

    /// The generation that the pass is a part of, if it is one.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        let new_tokens = self.scenario.new_tokens;
        self.scenario.first_prompt.map(|prompt| Generation { prompt, new_tokens })
    }
}

/// A generation: what a cache is allocated for at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Generation {
    /// Tokens of the first pass.
    pub prompt: u64,
    /// Most tokens that may follow, if a limit was set.
    pub new_tokens: Option<u64>,
}

/// A phase whose buffers are placed and verified.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Placed<'a> {
    /// The phase.
    pub name: PhaseName,
    /// Its schedule, and the memory outside of it.
    pub lowered: &'a Lowered,
    /// Its buffers.
    pub problem: &'a Problem,
    /// Their places.
    pub plan: &'a Plan,
    /// The planner that placed them.
    pub planner: Planner,
    /// The phase before, if the model ran in it.
    pub before: Option<&'a Phase>,
}
