//! `graph`: the graph as exported. Views are aliased, constants folded, every other tensor is its own buffer.

use super::options::Registration;
use super::{Lowered, Pass, PhaseName, Runtime};
use crate::error::Result;
use crate::graph::Format;
use crate::plan::Planner;
use crate::schedule::builder;

/// The graph as exported, for papers, for planners, and to compare a runtime's own graph with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported;

impl Runtime for Exported {
    fn name(&self) -> &'static str {
        "graph"
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn planner(&self) -> Planner {
        Planner::GreedyBySize
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::OpenVino, Format::Onnx]
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        let lowered = Lowered::new(builder::build(pass.graph, pass.shapes, 1))?;
        Ok(vec![(pass.name, lowered.with_assumptions(super::assumptions(ASSUMPTIONS)))])
    }

    fn retains_buffers(&self) -> bool {
        false
    }
}

/// What every analysis of the exported graph assumes.
const ASSUMPTIONS: &[(&str, &str)] = &[
    (
        "constants-folded",
        "what depends on constants alone is computed before the run; a weight's decompression is not a buffer",
    ),
    (
        "views-aliased",
        "Reshape, Squeeze, Unsqueeze, and every Split, Slice or Gather whose result is contiguous share \
                     their input's bytes",
    ),
    (
        "nothing-in-place",
        "every other operator, RoPE among them, writes to a buffer of its own while its inputs are alive",
    ),
    (
        "declared-types",
        "tensors have the element types that the file declares; a runtime may compute in others",
    ),
    ("state-in-place", "a state is extended in its own memory where no later step reads its old content"),
];

/// The runtime for the registry.
pub const REGISTRATION: Registration = Registration {
    name: "graph",
    help: "The graph as exported, before any runtime's optimization",
    options: &[],
    default_for: &[],
    make: |_| Ok(Box::new(Exported)),
    short: &[],
    read_command: |_| Ok(None),
};
