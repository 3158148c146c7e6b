//! `memgraph verify`: the geometry checker alone, on a plan as CSV.

use super::{Outcome, help, output};
use memgraph::Bytes;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats::document;
use memgraph::plan::csv;
use memgraph::report::json;
use memgraph::report::model::Verification;
use memgraph::scenario::parse::parse_size;
use memgraph::verify::geometry;
use std::path::{Path, PathBuf};

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Two buffers that overlap are named", "memgraph verify plan.csv"),
    ("The arena's size as well", "memgraph verify plan.csv --capacity 16MiB"),
    ("As JSON", "memgraph verify plan.csv --json -"),
];

/// Check a plan: no two buffers that live together may share a byte
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// A .csv with the columns id, lower, upper, size, offset
    plan: PathBuf,
    /// Exit with status 1 if the arena is larger than this, such as 16MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    capacity: Option<u64>,
    /// Write what was found as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Most bytes that a CSV file may have.
const MAX_FILE_BYTES: u64 = 1 << 30;

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let table = read(&args.plan)?;
    let Some(plan) = &table.plan else {
        return Err(Error::new(ErrorKind::Malformed, "the header has no column \"offset\"")
            .in_file(&args.plan)
            .help("this is a problem; `memgraph plan PROBLEM.csv --out PLAN.csv` makes a plan of it"));
    };
    let name = |buffer: memgraph::ids::BufferId| {
        table.ids.get(buffer.index()).map_or_else(|| buffer.index().to_string(), |id| format!("\"{id}\""))
    };
    let violations = geometry::check(&table.problem, plan);
    let violations: Vec<String> = violations.iter().map(|violation| violation.text(name)).collect();
    let (count, arena) = (table.ids.len(), plan.arena_size);
    if let Some(target) = &args.json {
        let mut report = Verification::new(args.plan.display().to_string(), count as u64, arena.0);
        report.ok = violations.is_empty() && args.capacity.is_none_or(|capacity| arena.0 <= capacity);
        report.capacity_bytes = args.capacity;
        report.violations.clone_from(&violations);
        output::write(target, &json::verification(&report))?;
    }
    let has_text = !args.json.as_deref().is_some_and(output::is_stdout);
    if violations.is_empty() {
        if has_text {
            output::print(&format!("{count} buffers in an arena of {} B: no two share a byte\n", arena.0))?;
        }
        return within(arena, args.capacity);
    }
    if has_text {
        output::print(&(violations.join("\n") + "\n"))?;
    }
    Ok(Outcome::Failed)
}

/// Reads a problem or a plan.
pub(super) fn read(path: &Path) -> Result<csv::Table> {
    let text = document::read_up_to(path, MAX_FILE_BYTES)?;
    csv::read(&text).map_err(|error| error.in_file(path))
}

/// Says if an arena is over its capacity.
pub(super) fn within(arena: Bytes, capacity: Option<u64>) -> Result<Outcome> {
    match capacity {
        Some(capacity) if arena.0 > capacity => {
            let over = arena.0 - capacity;
            let message = format!("arena is {} B, over the capacity of {capacity} B by {over} B", arena.0);
            output::complain(&Error::new(ErrorKind::OverBudget, message));
            Ok(Outcome::Failed)
        }
        _ => Ok(Outcome::Fine),
    }
}
