//! What the rules find of a phase that is not memory itself.

use super::growth::Growth;
use super::state::Cached;
use crate::runtime::{Lowered, Residency};
use std::sync::Arc;

/// What the plugin's rules find of a phase before its buffers are placed, read again by [`Runtime::finish`](crate::runtime::Runtime::finish) and by the next
/// phase.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime::openvino_cpu) struct Facts {
    /// What is resident of the phase.
    pub residency: Residency,
    /// Tokens in the states of attention.
    pub cached: Cached,
    /// Arenas of a static graph in addition to the planned one, of the same size: one per further stream.
    pub further_pools: u32,
    /// When a dynamic graph allocates what, in its first inference.
    pub growth: Option<Arc<Growth>>,
}

impl Facts {
    /// What the rules found of a phase.
    pub(in crate::runtime::openvino_cpu) fn of(lowered: &Lowered) -> Facts {
        lowered.data().get::<Facts>().cloned().unwrap_or_default()
    }
}
