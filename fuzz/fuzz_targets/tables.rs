//! Whatever a table says, it is written as it was read, every planner's plan of it holds, and `verify` judges its own.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use memgraph::plan::{self, Options, Planner, csv};
use memgraph::verify::geometry;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(table) = csv::read(text) else { return };
    let again = csv::read(&csv::write(&table.ids, &table.problem, table.plan.as_ref()));
    assert_eq!(again.as_ref().ok(), Some(&table));
    if let Some(plan) = &table.plan {
        let _ = geometry::check(&table.problem, plan);
    }
    let mut options = Options::default();
    options.time_limit = Duration::from_millis(5);
    for planner in Planner::ALL {
        let Ok(solution) = plan::solve_with(&table.problem, planner, &options) else { continue };
        assert_eq!(geometry::check(&table.problem, &solution.plan), [], "{}", planner.name());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    memgraph_fuzz::structured(data, size, max_size, seed)
});
