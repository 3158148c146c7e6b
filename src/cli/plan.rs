//! `memgraph plan`: a planner alone, on a problem as CSV.

use super::{Outcome, help, output};
use memgraph::Bytes;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::plan::{self, Options, Planner, Solution, csv};
use memgraph::report::json;
use memgraph::report::model::{PlannerRow, PlannerTable};
use memgraph::scenario::parse::{parse_number, parse_size};
use memgraph::{problem, verify};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("One planner", "memgraph plan problem.csv --planner exact --out plan.csv"),
    ("All of them, side by side", "memgraph plan problem.csv --planner all"),
    ("Exit with status 1 if the arena is over 16 MiB", "memgraph plan problem.csv --capacity 16MiB"),
];

/// Place the buffers of a problem: CSV `id,lower,upper,size`, live ranges half-open, as MiniMalloc has it
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// A .csv with the columns id, lower, upper, size
    problem: PathBuf,
    /// Who places the buffers: a planner's name, or `all` for a table of all of them
    #[arg(long, value_name = "PLANNER", default_value = "greedy-by-size")]
    planner: String,
    /// Exit with status 1 if the arena is larger than this, such as 16MiB; a search ends with the first plan that fits
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    capacity: Option<u64>,
    /// Write the plan, the problem with a column offset, to this file; `-` is standard output, then without text
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the table as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// When a planner that searches returns its best plan so far
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    time_limit: f64,
    /// Where random choices start
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_number)]
    seed: u64,
    /// Leave a technique of `exact` out, to measure what it is worth; docs/planners.md lists them
    #[arg(long, value_name = "TECHNIQUE", hide = true)]
    without: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let mut options = Options::default();
    options.seed = args.seed;
    options.capacity = args.capacity.map(Bytes);
    args.without.iter().try_for_each(|name| options.exact.switch_off(name))?;
    options.time_limit = Duration::try_from_secs_f64(args.time_limit).map_err(|error| {
        let message = format!("time limit {} is not a number of seconds: {error}", args.time_limit);
        Error::new(ErrorKind::Usage, message)
    })?;
    let planners = match args.planner.as_str() {
        "all" => Planner::ALL.to_vec(),
        name => vec![Planner::by_name(name)?],
    };
    if [&args.out, &args.json].iter().all(|target| target.as_deref().is_some_and(output::is_stdout)) {
        let message = "`--out -` and `--json -` both write to standard output";
        return Err(Error::new(ErrorKind::Usage, message).help("give a file to one of them"));
    }
    let table = super::verify::read(&args.problem)?;

    let mut best: Option<Solution> = None;
    let bound = problem::lower_bound(&table.problem);
    let problem = args.problem.display().to_string();
    let mut report = PlannerTable::new(problem, table.problem.buffers.len() as u64, bound.0);
    let mut text = format!("lower bound {}\n\n", exact(bound));
    for &planner in &planners {
        let start = Instant::now();
        let solution =
            plan::solve_with(&table.problem, planner, &options).map_err(|e| e.in_file(&args.problem))?;
        let elapsed = start.elapsed();
        verify::geometry(&table.problem, &solution.plan)?;
        let _ = writeln!(text, "{:<17} {}", planner.name(), describe(&solution));
        if planners.len() > 1 {
            let _ = text.pop();
            let _ = writeln!(text, "  {:.3} s", elapsed.as_secs_f64());
        }
        report.plans.push(row(planner, &solution));
        if best.as_ref().is_none_or(|best| solution.plan.arena_size < best.plan.arena_size) {
            best = Some(solution);
        }
    }
    let Some(best) = best else { return Ok(Outcome::Fine) };
    if let Some(target) = &args.json {
        report.capacity_bytes = args.capacity;
        report.ok = args.capacity.is_none_or(|capacity| best.plan.arena_size.0 <= capacity);
        output::write(target, &json::planners(&report))?;
    }
    let is_stdout = |target: &Option<PathBuf>| target.as_deref().is_some_and(output::is_stdout);
    if !is_stdout(&args.out) && !is_stdout(&args.json) {
        output::print(&text)?;
    }
    if let Some(target) = &args.out {
        output::write(target, &csv::write(&table.ids, &table.problem, Some(&best.plan)))?;
    }
    super::verify::within(best.plan.arena_size, args.capacity)
}

fn row(planner: Planner, solution: &Solution) -> PlannerRow {
    let mut row = PlannerRow::default();
    row.planner = planner.name().to_owned();
    row.arena_bytes = solution.plan.arena_size.0;
    row.bound_bytes = solution.bound.0;
    row.is_optimal = solution.is_optimal();
    row.stopped = solution.stopped.map(Into::into);
    row
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a number of seconds; write it as 0.5"))
}

/// Arena, distance from the bound, and why a search ended or that no plan is better.
fn describe(solution: &Solution) -> String {
    let (arena, bound) = (solution.plan.arena_size, solution.bound);
    let gap = match bound.0 {
        0 => 0.0,
        _ => 100.0 * (arena - bound).0 as f64 / bound.0 as f64,
    };
    let end = match solution.stopped {
        Some(stop) => stop.describe(),
        None if solution.is_optimal() => "optimal",
        None => "",
    };
    let line = format!("arena {:<30} gap {gap:>7.2} %  {end}", exact(arena));
    line.trim_end().to_owned()
}

/// Bytes as a raw number and in IEC units.
fn exact(bytes: Bytes) -> String {
    if bytes.0 < 1024 { bytes.to_string() } else { format!("{} B ({bytes})", bytes.0) }
}
