//! What holds for every planner, on problems and schedules made at random.

use arbtest::arbtest;
use memgraph::ids::{StorageId, ValueId};
use memgraph::plan::{self, Options, Params, Planner, Stop};
use memgraph::problem::{Plan, Problem, lower_bound};
use memgraph::schedule::Storage;
use memgraph::verify::{self, geometry, replay};
use memgraph::{Bytes, fuzzing};
use std::time::Duration;

/// Milliseconds per property.
const BUDGET: u64 = 1_000;

/// What the planners that search get on random problems, which few of them need.
fn brief() -> Options {
    let mut options = Options::default();
    options.time_limit = Duration::from_millis(20);
    options
}

/// The plan of `planner`, which the geometry checker has passed.
fn checked(problem: &Problem, planner: Planner) -> Plan {
    let solution = plan::solve_with(problem, planner, &brief()).expect("generated problems are valid");
    let plan = solution.plan;
    assert_eq!(geometry::check(problem, &plan), [], "{} on {problem:?}", planner.name());
    let bounds = lower_bound(problem)..=plan.arena_size;
    assert!(bounds.contains(&solution.bound), "{} on {problem:?}", planner.name());
    plan
}

/// The problem with sizes padded to a multiple of `unit`.
fn padded(problem: &Problem, unit: u64) -> Problem {
    let mut problem = problem.clone();
    problem.buffers.iter_mut().for_each(|buffer| buffer.size = buffer.size.align_up(unit));
    problem
}

#[test]
fn every_plan_holds_and_naive_is_the_ceiling() {
    arbtest(|u| {
        let problem = fuzzing::problem(u)?;
        for planner in Planner::ALL {
            let ceiling = match planner {
                Planner::Openvino => padded(&problem, 64).naive_total(),
                Planner::BfcArenaAsRequested => padded(&problem, 256).naive_total(),
                // One request for all, in a region of a power of two.
                Planner::BfcArena => {
                    Bytes(padded(&problem, 256).naive_total().0.max(1 << 20).next_power_of_two())
                }
                _ => problem.naive_total(),
            };
            assert!(checked(&problem, planner).arena_size <= ceiling, "{} on {problem:?}", planner.name());
        }
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn every_plan_holds_with_mixed_alignments() {
    arbtest(|u| {
        let problem = fuzzing::aligned_problem(u)?;
        for planner in Planner::ALL {
            let plan = checked(&problem, planner);
            // A time limit may cut a search here or there.
            if !matches!(planner, Planner::HillClimb | Planner::Exact) {
                assert_eq!(plan, plan::solve(&problem, planner).unwrap(), "{} twice", planner.name());
            }
        }
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn schedules_run_over_every_plan() {
    arbtest(|u| {
        let schedule = fuzzing::schedule(u)?;
        for planner in Planner::ALL {
            let plan = checked(&schedule.problem, planner);
            verify::all(&schedule.draft, &schedule.problem, &plan).unwrap();
        }
        Ok(())
    })
    .budget_ms(BUDGET);
}

/// Replay must never pass a placement fault that breaks a read; geometry must see every one.
#[test]
fn a_buffer_moved_onto_a_live_one_is_seen() {
    arbtest(|u| {
        let schedule = fuzzing::schedule(u)?;
        let buffers = &schedule.problem.buffers;
        let mut plan = plan::solve(&schedule.problem, Planner::GreedyBySize).unwrap();
        let live_together = |a: usize, b: usize| {
            let (a, b) = (&buffers[a], &buffers[b]);
            let both_have_bytes = a.size.min(b.size) > Bytes::ZERO;
            both_have_bytes && a.live.start < b.live.end && b.live.start < a.live.end
        };
        let pairs = (0..buffers.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let pairs: Vec<_> = pairs.filter(|&(a, b)| live_together(a, b)).collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let &(a, b) = u.choose(&pairs)?;
        plan.offsets[a] = plan.offsets[b];
        plan.arena_size += buffers[a].size;
        assert_ne!(geometry::check(&schedule.problem, &plan), []);
        let error = verify::all(&schedule.draft, &schedule.problem, &plan).unwrap_err();
        assert!(error.to_string().contains("this is a bug of memgraph"), "{error}");
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn tilings_are_plans_at_the_bound() {
    arbtest(|u| {
        let tiling = fuzzing::tiling(u, 40, 100, 1000)?;
        assert_eq!(geometry::check(&tiling.problem, &tiling.plan), []);
        assert_eq!(lower_bound(&tiling.problem), tiling.plan.arena_size);
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn exact_is_no_higher_than_greedy() {
    arbtest(|u| {
        let problem = fuzzing::aligned_problem(u)?;
        let [exact, greedy] =
            [Planner::Exact, Planner::GreedyBySize].map(|planner| checked(&problem, planner));
        assert!(exact.arena_size <= greedy.arena_size, "{problem:?}");
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn a_search_ends_with_the_first_plan_that_fits() {
    arbtest(|u| {
        let problem = fuzzing::problem(u)?;
        let bound = lower_bound(&problem);
        for planner in [Planner::Exact, Planner::HillClimb] {
            let mut options = brief();
            let best = plan::solve_with(&problem, planner, &options).unwrap();
            options.capacity = Some(Bytes(best.plan.arena_size.0 + best.plan.arena_size.0 / 10));
            let first = plan::solve_with(&problem, planner, &options).unwrap();
            let expected = if first.plan.arena_size <= first.bound { Stop::Optimal } else { Stop::Capacity };
            if first.plan.arena_size <= options.capacity.unwrap() {
                assert_eq!(first.stopped, Some(expected), "{} on {problem:?}", planner.name());
            }
            assert!(first.bound >= bound);
        }
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn without_a_technique_plans_hold_and_proofs_are_proofs() {
    arbtest(|u| {
        let problem = fuzzing::problem(u)?;
        let all = plan::solve_with(&problem, Planner::Exact, &brief()).unwrap();
        for name in Params::NAMES {
            let mut options = brief();
            options.exact.switch_off(name).unwrap();
            let solution = plan::solve_with(&problem, Planner::Exact, &options).unwrap();
            assert_eq!(geometry::check(&problem, &solution.plan), [], "without {name} on {problem:?}");
            assert!(solution.bound <= all.plan.arena_size, "without {name} on {problem:?}");
            assert!(all.bound <= solution.plan.arena_size, "without {name} on {problem:?}");
        }
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn exact_finds_tilings_and_finds_them_again() {
    arbtest(|u| {
        let tiling = fuzzing::tiling(u, 25, 60, 1 << 20)?;
        let solve = || plan::solve_with(&tiling.problem, Planner::Exact, &Options::default()).unwrap();
        let solution = solve();
        assert!(solution.is_optimal() && solution.plan.arena_size == tiling.plan.arena_size, "{tiling:?}");
        assert_eq!(solution, solve());
        Ok(())
    })
    .budget_ms(BUDGET);
}

#[test]
fn csv_keeps_problems_and_plans() {
    arbtest(|u| {
        let mut problem = fuzzing::problem(u)?;
        problem.buffers.iter_mut().for_each(|buffer| buffer.alignment = 1);
        let plan = plan::solve(&problem, Planner::GreedyBySize).unwrap();
        let table = plan::csv::read(&plan::csv::write(&[], &problem, Some(&plan))).unwrap();
        assert_eq!((table.problem, table.plan), (problem, Some(plan)));
        Ok(())
    })
    .budget_ms(BUDGET);
}

/// What each checker is for: geometry cannot see a live range that is too short, replay can.
///
/// A buffer that a step reads whole loses that step. What takes its place may
/// be filled in parts, and then the bytes that meet may be written later or
/// never: such a fault harms no read, and replay is right to pass it.
#[test]
fn replay_sees_live_ranges_that_are_too_short() {
    let (mut planted, mut seen) = (0u32, 0u32);
    arbtest(|u| {
        let schedule = fuzzing::schedule(u)?;
        let draft = &schedule.draft;
        let mut problem = schedule.problem.clone();
        let read_whole_at_the_end = |&(index, (id, storage)): &(usize, (StorageId, &Storage))| {
            let live = &problem.buffers[index].live;
            let whole = |&value: &ValueId| {
                let value = draft.value(value);
                value.storage == id && value.bytes == storage.bytes
            };
            live.len() > 1 && draft.steps[live.end as usize - 1].reads.iter().any(whole)
        };
        let candidates: Vec<_> = draft.planned().enumerate().filter(read_whole_at_the_end).collect();
        if candidates.is_empty() {
            return Ok(());
        }
        problem.buffers[u.choose(&candidates)?.0].live.end -= 1;
        let plan = plan::solve(&problem, Planner::GreedyBySize).unwrap();
        assert_eq!(geometry::check(&problem, &plan), []);
        if !geometry::check(&schedule.problem, &plan).is_empty() {
            planted += 1;
            seen += u32::from(!replay::check(draft, &plan).is_empty());
        }
        Ok(())
    })
    .budget_ms(BUDGET);
    assert!(planted > 0 && seen * 100 >= planted * 75, "replay saw {seen} of {planted}");
}
