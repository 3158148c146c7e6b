//! Rewriting of graphs: what every runtime that fuses operators shares.
//!
//! * [`WorkGraph`]: the nodes under rewriting, their uses, and which of them are left.
//! * [`Rule`]: a named fusion for some operators. It sees the graph, changes nothing, and returns a [`Patch`].
//! * [`Patch`]: what a rule wants changed. The graph applies it and keeps uses, liveness and provenance right.
//! * [`Pass`]: one line of a runtime's table of passes; [`run`] executes such a table in its order.
//!
//! What a node computes is the runtime's own type ([`Body`]); this module knows none.
//!
//! `tests` of this module rewrite with a runtime of three operators.

mod graph;
mod pass;
mod patch;
mod patterns;
#[cfg(test)]
mod tests;
mod uses;

pub(crate) use graph::{Body, Inputs, Source, Vertex, Vertices, WorkGraph};
#[cfg(test)]
pub(crate) use pass::faults;
pub(crate) use pass::{Apply, Dialect, Pass, Rule, names, run, sweep};
pub(crate) use patch::Patch;
pub(crate) use patterns::{
    Arithmetic, composed, is_near, is_swap_of_middle, over_root_of_two, squared, swaps_last_two,
};
pub(crate) use uses::Uses;
