//! A check for CI: exit status 1 if a model exceeds a budget in MiB, or if the total is only a lower bound.
//!
//! `cargo run --example budget_gate MIB [FOLDER] [TOKENS]`

use memgraph::report::model::Known;
use memgraph::{Bytes, Request, Task, analyze};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let budget = arguments.next().ok_or("give a budget in MiB")?;
    let budget = Bytes(budget.parse::<u64>()?.saturating_mul(1 << 20));
    let folder = arguments.next().unwrap_or_else(|| "fixtures/qwen2.5-0.5b-fp16".to_owned());
    let tokens = arguments.next().map_or(Ok(1813), |word| word.parse())?;

    let mut request = Request::new(Task::language(tokens));
    request.base.allow_opaque = true;
    let report = analyze(&PathBuf::from(folder), &request)?;

    let total = Bytes(report.totals.total_bytes);
    if report.totals.known == Known::LowerBound {
        println!("at least {total}: the sizes of some tensors are unknown");
        return Ok(ExitCode::FAILURE);
    }
    if total > budget {
        println!("{total} exceeds {budget} by {}; peak at {}", total - budget, report.peak.node);
        return Ok(ExitCode::FAILURE);
    }
    println!("{total} of {budget}, {} left", budget - total);
    Ok(ExitCode::SUCCESS)
}
