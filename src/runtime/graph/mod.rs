//! `graph`: the graph as written. Views are aliased, constants folded, every other tensor is its own buffer.

use super::{Profile, Runtime};
use crate::plan::Planner;

impl Profile {
    /// The graph as its file wrote it, for papers, for planners, and to hold a runtime's own graph against.
    #[must_use]
    pub fn graph() -> Profile {
        Profile {
            name: "graph",
            version: env!("CARGO_PKG_VERSION"),
            planner: Planner::GreedyBySize,
            alignment: 1,
            runtime: Runtime::Written,
            assumptions: &[
                (
                    "constants-folded",
                    "what depends on constants alone is computed before the run; a weight's decompression is no buffer",
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
                (
                    "state-in-place",
                    "a state is extended in its own memory where no later step reads its old content",
                ),
            ],
        }
    }
}
