//! The peak of a language model: how much, in which phase, at which step, because of which node.
//!
//! `cargo run --example peak_of_a_model [FOLDER] [TOKENS]`

use memgraph::{Bytes, Request, Task, analyze};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "fixtures/qwen2.5-0.5b-fp16".to_owned());
    let tokens = arguments.next().map_or(Ok(1813), |word| word.parse())?;

    let report = analyze(&PathBuf::from(folder), &Request::new(Task::language(tokens)))?;

    let (totals, peak) = (&report.totals, &report.peak);
    println!("total    {} ({:?})", Bytes(totals.total_bytes), totals.known);
    println!("weights  {}", Bytes(totals.weights_file_bytes + totals.weights_anonymous_bytes));
    println!("peak     {}, step {}, {}", peak.phase, peak.step, peak.node);
    for live in peak.live.iter().take(3) {
        println!("         {} {} of {}", Bytes(live.bytes), live.class, live.node);
    }
    Ok(())
}
