//! What a planner is given apart from the problem, and what it answers.

use crate::problem::{Plan, Problem};
use crate::units::Bytes;
use std::time::{Duration, Instant};

/// What bounds the planners that search.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// When to stop and return the best plan so far.
    pub time_limit: Duration,
    /// Where random choices start.
    pub seed: u64,
}

impl Options {
    /// When to stop, counted from now. A limit beyond the clock's range is as good as a year.
    pub(super) fn deadline(&self) -> Instant {
        let now = Instant::now();
        let year = Duration::from_secs(365 * 24 * 3600);
        now.checked_add(self.time_limit).or_else(|| now.checked_add(year)).unwrap_or(now)
    }

    /// When `part` of `whole` of the time is over, counted from now.
    pub(super) fn share(&self, part: u32, whole: u32) -> Instant {
        let time_limit = self.time_limit / whole.max(1) * part;
        Options { time_limit, ..*self }.deadline()
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { time_limit: Duration::from_secs(2), seed: 0 }
    }
}

/// A plan, and how far it can be from the best one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Solution {
    /// The plan.
    pub plan: Plan,
    /// No plan has a smaller arena: the pressure, or more where a search proved more.
    pub bound: Bytes,
}

impl Solution {
    /// Whether no plan can be better.
    #[must_use]
    pub fn is_optimal(&self) -> bool {
        self.plan.arena_size <= self.bound
    }
}

/// Offsets by buffer to a plan whose arena ends where the last buffer ends.
pub(super) fn finish(problem: &Problem, offsets: Vec<u64>) -> Plan {
    let ends = problem.buffers.iter().zip(&offsets).map(|(buffer, offset)| offset + buffer.size.0);
    let arena_size = Bytes(ends.max().unwrap_or(0));
    Plan { offsets: offsets.into_iter().map(Bytes).collect(), arena_size, ..Plan::default() }
}
