//! Every planner's plan of a random schedule passes both checkers.

#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memgraph::plan::{self, Options, Planner};
use memgraph::{fuzzing, verify};
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let Ok(schedule) = fuzzing::schedule(&mut Unstructured::new(data)) else { return };
    let mut options = Options::default();
    options.time_limit = Duration::from_millis(20);
    for planner in Planner::ALL {
        let solution = plan::solve_with(&schedule.problem, planner, &options).expect("schedules are valid");
        assert!(solution.bound <= solution.plan.arena_size, "{} proved too much", planner.name());
        verify::all(&schedule.draft, &schedule.problem, &solution.plan).expect(planner.name());
    }
});
