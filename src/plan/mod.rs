//! Planners: where bytes go.
//!
//! A planner sees a [`Problem`] (sizes, alignments, half-open live ranges) and
//! nothing else. One file per planner; [`solve`] is the only way in. Every plan
//! is checked by [`crate::verify`], which shares no code with this module.

mod best_fit;
mod bfc_arena;
pub mod csv;
mod exact;
mod filled;
mod first_fit;
mod free_list;
mod gpu_pool;
mod greedy_by_breadth;
mod greedy_by_size;
mod hill_climb;
mod interval_coloring;
mod introsort;
mod naive;
mod occupancy;
mod onnxruntime;
mod openvino;
mod random;
mod solution;

use crate::error::{Error, ErrorKind, Result};
use crate::problem::{Plan, Problem, lower_bound};
use solution::finish;

pub use exact::Params;
pub use solution::{Options, Solution, Stop};

/// A way to give every buffer an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Planner {
    /// One buffer after the other, no reuse: the ceiling.
    Naive,
    /// In execution order, each at the lowest offset that is free while it lives.
    FirstFit,
    /// What a best-fit allocator does at run time, as in llama.cpp.
    BestFit,
    /// Largest buffer first, each at the lowest offset that is free while it lives.
    GreedyBySize,
    /// The buffers of the step with the most bytes alive first.
    GreedyByBreadth,
    /// One block for all buffers that never live together; OpenVINO's with dynamic shapes.
    IntervalColoring,
    /// OpenVINO's memory solver, offset by offset.
    Openvino,
    /// The pool of OpenVINO's GPU plugin.
    GpuPool,
    /// ONNX Runtime's reuse and memory pattern.
    OnnxRuntime,
    /// ONNX Runtime's arena, asked at run time.
    BfcArena,
    /// The same, extended by no more than what is asked for.
    BfcArenaAsRequested,
    /// Greedy by size, then small changes of the order.
    HillClimb,
    /// A search that proves its plan the best, or says what gap is left.
    Exact,
}

impl Planner {
    /// Every planner, in the order of the help text.
    pub const ALL: [Planner; 13] = [
        Planner::Naive,
        Planner::FirstFit,
        Planner::BestFit,
        Planner::GreedyBySize,
        Planner::GreedyByBreadth,
        Planner::IntervalColoring,
        Planner::Openvino,
        Planner::GpuPool,
        Planner::OnnxRuntime,
        Planner::BfcArena,
        Planner::BfcArenaAsRequested,
        Planner::HillClimb,
        Planner::Exact,
    ];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Planner::Naive => "naive",
            Planner::FirstFit => "first-fit",
            Planner::BestFit => "best-fit",
            Planner::GreedyBySize => "greedy-by-size",
            Planner::GreedyByBreadth => "greedy-by-breadth",
            Planner::IntervalColoring => "interval-coloring",
            Planner::Openvino => "openvino",
            Planner::GpuPool => "gpu-pool",
            Planner::OnnxRuntime => "onnxruntime",
            Planner::BfcArena => "bfc-arena",
            Planner::BfcArenaAsRequested => "bfc-arena-as-requested",
            Planner::HillClimb => "hill-climb",
            Planner::Exact => "exact",
        }
    }

    /// Whether what it has laid out stays from one run to the next; see [`solve_after`].
    #[must_use]
    pub fn keeps_arena(self) -> bool {
        matches!(self, Planner::BfcArena | Planner::BfcArenaAsRequested)
    }

    fn extension(self) -> bfc_arena::Extension {
        match self {
            Planner::BfcArenaAsRequested => bfc_arena::Extension::AsRequested,
            _ => bfc_arena::Extension::Doubled,
        }
    }

    /// The planner of this name.
    ///
    /// # Errors
    ///
    /// If there is none; the error lists the names.
    pub fn by_name(name: &str) -> Result<Planner> {
        let found = Planner::ALL.into_iter().find(|planner| planner.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Planner::ALL.iter().map(|planner| planner.name()).collect();
            Error::new(ErrorKind::Usage, format!("unknown planner \"{name}\""))
                .help(format!("planners: {}", names.join(", ")))
        })
    }
}

/// Gives every buffer of `problem` an offset.
///
/// Deterministic: the same problem gives the same plan. A buffer of no bytes
/// is at offset 0.
///
/// # Errors
///
/// If a live range is empty, or if the sizes, padded to their alignments, add
/// up to more than 2^64 - 1 bytes.
///
/// # Example
///
/// ```
/// use memgraph::{Bytes, plan, problem::Problem};
///
/// // The third buffer takes the place of the first, which is dead by then.
/// let problem = Problem::default().with(0, 2, 4).with(1, 3, 2).with(2, 4, 3);
/// let plan = plan::solve(&problem, plan::Planner::GreedyBySize)?;
/// assert_eq!(plan.offsets, [Bytes(0), Bytes(4), Bytes(0)]);
/// assert_eq!(plan.arena_size, Bytes(6));
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn solve(problem: &Problem, planner: Planner) -> Result<Plan> {
    validate(problem)?;
    let direct = direct(problem, planner);
    Ok(direct.unwrap_or_else(|| searched(problem, planner, &Options::default()).plan))
}

/// What is left of an arena that freed its empty regions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shrunk {
    /// The remaining blocks, moved together.
    pub plan: Plan,
    /// By block before, whether it stays.
    pub kept: Vec<bool>,
}

/// The arena of a run once it is over and only `held` buffers are there, by position in the problem.
#[must_use]
pub fn shrink(problem: &Problem, planner: Planner, plan: &Plan, held: impl Fn(usize) -> bool) -> Shrunk {
    let (plan, kept) = bfc_arena::shrink(problem, plan, planner.extension(), held);
    Shrunk { plan, kept }
}

/// As [`solve_after`], in an arena that has shrunk since.
///
/// # Errors
///
/// As [`solve`].
pub fn solve_after_shrinking(problem: &Problem, planner: Planner, before: &Shrunk) -> Result<Plan> {
    if !planner.keeps_arena() {
        return solve(problem, planner);
    }
    validate(problem)?;
    Ok(bfc_arena::plan(problem, planner.extension(), Some(&before.plan), true))
}

/// As [`solve`], in the memory that an earlier run of the same session left.
///
/// Of today's planners `bfc-arena` and `bfc-arena-as-requested` alone keep an arena from run to run; to all others every run is the first.
///
/// # Errors
///
/// As [`solve`].
pub fn solve_after(problem: &Problem, planner: Planner, before: &Plan) -> Result<Plan> {
    if !planner.keeps_arena() {
        return solve(problem, planner);
    }
    validate(problem)?;
    Ok(bfc_arena::plan(problem, planner.extension(), Some(before), false))
}

/// As [`solve`], with limits for the planners that search, and with the proved bound.
///
/// # Errors
///
/// As [`solve`].
pub fn solve_with(problem: &Problem, planner: Planner, options: &Options) -> Result<Solution> {
    validate(problem)?;
    Ok(match direct(problem, planner) {
        Some(plan) => Solution { plan, bound: lower_bound(problem), stopped: None },
        None => searched(problem, planner, options),
    })
}

/// The plan of a planner that does not search.
fn direct(problem: &Problem, planner: Planner) -> Option<Plan> {
    Some(match planner {
        Planner::Naive => finish(problem, naive::offsets(problem)),
        Planner::FirstFit => finish(problem, first_fit::offsets(problem)),
        Planner::BestFit => finish(problem, best_fit::offsets(problem)),
        Planner::GreedyBySize => finish(problem, greedy_by_size::offsets(problem)),
        Planner::GreedyByBreadth => finish(problem, greedy_by_breadth::offsets(problem)),
        Planner::IntervalColoring => finish(problem, interval_coloring::offsets(problem)),
        Planner::OnnxRuntime => finish(problem, onnxruntime::offsets(problem)),
        Planner::Openvino => openvino::plan(problem),
        Planner::GpuPool => gpu_pool::plan(problem),
        Planner::BfcArena | Planner::BfcArenaAsRequested => {
            bfc_arena::plan(problem, planner.extension(), None, false)
        }
        Planner::HillClimb | Planner::Exact => return None,
    })
}

/// What a planner that searches found.
fn searched(problem: &Problem, planner: Planner, options: &Options) -> Solution {
    match planner {
        Planner::HillClimb => hill_climb::solve(problem, options),
        _ => exact::solve(problem, options),
    }
}

/// The lowest of some plans, each the work of milliseconds, and whose it is; no buffers are searched over.
///
/// Says what a runtime's own planner leaves on the table. [`Planner::Exact`] may find less still.
///
/// # Errors
///
/// As [`solve`].
pub fn best_of_greedy(problem: &Problem) -> Result<(Planner, Plan)> {
    let candidates = [Planner::GreedyBySize, Planner::GreedyByBreadth, Planner::FirstFit, Planner::BestFit];
    let mut best = (Planner::Naive, solve(problem, Planner::Naive)?);
    let bound = lower_bound(problem);
    for planner in candidates {
        // Nothing is lower.
        if best.1.arena_size <= bound {
            break;
        }
        let plan = solve(problem, planner)?;
        if plan.arena_size < best.1.arena_size {
            best = (planner, plan);
        }
    }
    Ok(best)
}

/// Refuses what no planner can place: empty live ranges, and sums past 64 bits.
///
/// Each buffer counts with the most padding that any planner here gives it, so
/// that planners add without checks.
fn validate(problem: &Problem) -> Result<()> {
    let mut total: u64 = 0;
    for (index, buffer) in problem.buffers.iter().enumerate() {
        if buffer.live.is_empty() {
            let live = &buffer.live;
            let message =
                format!("buffer {index} ends at step {} but starts at step {}", live.end, live.start);
            return Err(Error::new(ErrorKind::Malformed, message)
                .help("live ranges are half-open: a buffer used at one step s lives over s..s+1"));
        }
        let padding = buffer.alignment.max(1).checked_mul(16 * openvino::UNIT);
        let padded = padding.and_then(|padding| padding.checked_add(buffer.size.0));
        total = padded.and_then(|padded| total.checked_add(padded)).ok_or_else(|| {
            let message = format!(
                "buffer {index} of {} B, alignment {}, takes the sum of all padded sizes from {total} past 2^64 - 1",
                buffer.size.0, buffer.alignment
            );
            Error::new(ErrorKind::Limit, message)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn names_are_found_again() {
        for planner in Planner::ALL {
            assert_eq!(Planner::by_name(planner.name()).unwrap(), planner);
        }
        let text = Planner::by_name("tetris").unwrap_err().to_string();
        assert!(text.contains("unknown planner \"tetris\"") && text.contains("greedy-by-size"), "{text}");
    }

    #[test]
    fn empty_live_ranges_are_refused() {
        let problem = Problem::default().with(0, 1, 4).with(3, 3, 4);
        for planner in Planner::ALL {
            let text = solve(&problem, planner).unwrap_err().to_string();
            assert!(text.contains("buffer 1 ends at step 3 but starts at step 3"), "{text}");
        }
    }

    #[test]
    fn sums_past_64_bits_are_refused() {
        let problem = Problem::default().with(0, 1, u64::MAX - 99).with(5, 6, 8);
        for planner in Planner::ALL {
            assert!(solve(&problem, planner).unwrap_err().is_limit());
        }
    }

    #[test]
    fn nothing_to_place_needs_no_arena() {
        for planner in Planner::ALL {
            assert_eq!(solve(&Problem::default(), planner).unwrap(), Plan::default());
            let plan = solve(&Problem::default().with(0, 9, 0), planner).unwrap();
            assert_eq!((plan.offsets, plan.arena_size), (vec![Bytes(0)], Bytes(0)));
        }
    }
}
