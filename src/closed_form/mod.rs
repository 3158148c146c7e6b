//! Closed forms: sizes from numbers, without a graph.
//!
//! [`components`] are the published per-part estimates, kept for parity with their faults (docs/closed-forms.md);
//! [`quick`] are rules of thumb. Neither knows what a runtime does: the profiles do.

pub mod components;
pub mod quick;
pub mod vllm;
