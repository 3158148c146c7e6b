//! The planning problem and its answer: types only.
//!
//! A [`Problem`] knows sizes and live ranges, nothing of graphs or runtimes.
//! Steps are half-open everywhere: a buffer live over `0..2` holds its bytes
//! at steps 0 and 1.

use crate::{Bytes, ids::BufferId};
use std::ops::Range;

/// Half-open range of steps `[start, end)` during which a buffer must hold its bytes.
pub type LiveRange = Range<u32>;

/// Contiguous bytes with one live range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Steps during which the bytes must hold.
    pub live: LiveRange,
    /// Bytes needed, before alignment padding.
    pub size: Bytes,
    /// The offset must be a multiple of this; 1 for none.
    pub alignment: u64,
}

/// Buffers to be placed in one arena.
///
/// # Example
///
/// ```
/// use memgraph::{Bytes, problem::Problem};
///
/// let problem = Problem::default().with(0, 2, 4).with(1, 3, 4);
/// assert_eq!(problem.buffers.len(), 2);
/// assert_eq!(problem.naive_total(), Bytes(8));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The buffers; a [`BufferId`] is a position in this list.
    pub buffers: Vec<Buffer>,
}

impl Problem {
    /// Adds a buffer of `size` bytes live over `start..end`, alignment 1.
    #[must_use]
    pub fn with(mut self, start: u32, end: u32, size: u64) -> Problem {
        self.buffers.push(Buffer { live: start..end, size: Bytes(size), alignment: 1 });
        self
    }

    /// The buffer with this id.
    #[must_use]
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.index()]
    }

    /// Sum of all sizes, each rounded up to its alignment: the arena without any reuse.
    #[must_use]
    pub fn naive_total(&self) -> Bytes {
        self.buffers.iter().map(|buffer| buffer.size.align_up(buffer.alignment)).sum()
    }
}

/// Where each buffer of a [`Problem`] lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Offset of each buffer in the arena, in the problem's order.
    pub offsets: Vec<Bytes>,
    /// Length of the arena: the highest end of any buffer.
    pub arena_size: Bytes,
}
