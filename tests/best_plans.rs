//! The lowest plans known of MiniMalloc's D and J, which nobody has proved the best.

use memgraph::Bytes;
use memgraph::plan;
use memgraph::problem::lower_bound;
use memgraph::verify::geometry;

/// Names in fixtures/problems, heights, and lower bounds.
const PLANS: [(&str, u64, u64); 2] = [("D", 1_000_448, 986_112), ("J", 1_002_496, 989_184)];

#[test]
fn best_plans_known_hold() {
    for (name, arena, bound) in PLANS {
        let path = format!("fixtures/problems/minimalloc-{name}.plan.csv");
        let table = plan::csv::read(&std::fs::read_to_string(path).unwrap()).unwrap();
        let plan = table.plan.unwrap();
        assert_eq!(geometry::check(&table.problem, &plan), []);
        assert_eq!((plan.arena_size, lower_bound(&table.problem)), (Bytes(arena), Bytes(bound)));
    }
}
