//! What a planner is given apart from the problem, and what it answers.

use super::Params;
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
    /// The first plan that fits is enough.
    pub capacity: Option<Bytes>,
    /// What `exact` does.
    pub exact: Params,
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

    /// The arena that no search goes below: the bound, or the capacity if that is more.
    pub(super) fn goal(&self, bound: Bytes) -> Bytes {
        self.capacity.map_or(bound, |capacity| capacity.max(bound))
    }

    /// Why a search ended whose plan is as given, if not for the reason given.
    pub(super) fn stop(&self, arena: Bytes, bound: Bytes, otherwise: Stop) -> Stop {
        if arena <= bound {
            Stop::Optimal
        } else if self.capacity.is_some_and(|capacity| arena <= capacity) {
            Stop::Capacity
        } else {
            otherwise
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { time_limit: Duration::from_secs(2), seed: 0, capacity: None, exact: Params::default() }
    }
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The plan is proved the best.
    Optimal,
    /// The plan fits the capacity.
    Capacity,
    /// The time was over.
    TimeLimit,
    /// All changes were tried that the planner tries.
    Budget,
    /// Some alignments do not divide each other: such problems are not searched.
    Alignments,
    /// There are more buffers than are searched without the ejection search.
    Size,
    /// The system gave no threads for the search.
    Threads,
}

impl Stop {
    /// What the text says.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Stop::Optimal => "optimal",
            Stop::Capacity => "fits the capacity",
            Stop::TimeLimit => "stopped at the time limit",
            Stop::Budget => "stopped after all its changes",
            Stop::Alignments => "not searched: alignments do not divide each other",
            Stop::Size => "not searched: too many buffers",
            Stop::Threads => "not searched: no threads",
        }
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
    /// Why the search ended; none for planners that do not search.
    pub stopped: Option<Stop>,
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
