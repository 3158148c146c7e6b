//! Planners on buffers of your own, without a model: arena, lower bound, gap. Every plan is verified.
//!
//! `cargo run --example plan_buffers`

use memgraph::plan::{self, Planner};
use memgraph::problem::{Plan, Problem, lower_bound};
use memgraph::{Bytes, verify};

/// A planner of our own: every buffer above all earlier ones that are alive together with it.
fn stacked(problem: &Problem) -> Plan {
    let mut plan = Plan::default();
    for (index, buffer) in problem.buffers.iter().enumerate() {
        let earlier = problem.buffers[..index].iter().zip(&plan.offsets);
        let together = earlier
            .filter(|(other, _)| other.live.start < buffer.live.end && buffer.live.start < other.live.end);
        let offset = together.map(|(other, &offset)| offset + other.size).max().unwrap_or_default();
        plan.arena_size = plan.arena_size.max(offset + buffer.size);
        plan.offsets.push(offset);
    }
    plan
}

fn main() -> memgraph::Result<()> {
    // First step, step after the last, bytes. Only as a pinwheel do these five fit into 7 KiB.
    let problem = Problem::default()
        .with(0, 6, 2 << 10)
        .with(6, 9, 5 << 10)
        .with(3, 9, 2 << 10)
        .with(0, 3, 5 << 10)
        .with(3, 6, 3 << 10);
    let bound = lower_bound(&problem);
    println!("{} buffers, {} without reuse, at least {bound}", problem.buffers.len(), problem.naive_total());
    let print = |name: &str, arena: Bytes| {
        println!("{name:<18}{:>10}  {} above", arena.to_string(), arena - bound);
    };
    for planner in [Planner::FirstFit, Planner::GreedyBySize, Planner::Exact] {
        let plan = plan::solve(&problem, planner)?;
        verify::geometry(&problem, &plan)?;
        print(planner.name(), plan.arena_size);
    }
    let plan = stacked(&problem);
    verify::geometry(&problem, &plan)?;
    print("stacked (our own)", plan.arena_size);
    Ok(())
}
