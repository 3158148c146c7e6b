//! Every cap on hostile input, in one place.

/// Nodes of one model, bodies included.
pub const MAX_NODES: usize = 1 << 20;
