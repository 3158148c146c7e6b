//! Every cap on hostile input, in one place.

/// Nodes of one model, bodies included.
pub const MAX_NODES: usize = 1 << 20;

/// Bytes of a config.json: published ones have at most some hundred KiB.
pub const MAX_CONFIG_BYTES: u64 = 64 << 20;
