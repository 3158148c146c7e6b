//! One model under every runtime that loads it: the total, and how it is known.
//!
//! `cargo run --example compare_runtimes [FOLDER] [TOKENS]`

use memgraph::runtime::registry;
use memgraph::{Bytes, Request, Task, analyze};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "fixtures/onnx/assistant".to_owned()));
    let tokens = arguments.next().map_or(Ok(256), |word| word.parse())?;

    println!("{:<18}{:<10}{:>14}{:>14}  known", "runtime", "version", "total", "arena");
    for runtime in registry::RUNTIMES {
        let mut request = Request::new(Task::language(tokens));
        request.profile = Some(runtime.name.to_owned());
        match analyze(&folder, &request) {
            Ok(report) => {
                let total = Bytes(report.totals.total_bytes).to_string();
                let arena = Bytes(report.planner.arena_bytes).to_string();
                let (version, known) = (&report.profile.version, report.totals.known);
                println!("{:<18}{version:<10}{total:>14}{arena:>14}  {known:?}", runtime.name);
            }
            Err(error) => println!("{:<18}{}", runtime.name, error.message()),
        }
    }
    Ok(())
}
