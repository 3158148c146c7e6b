//! Heap and resident set of every phase of a generation: load, compile, prefill, and the growth of the KV cache.
//!
//! `cargo run --example per_phase_table [FOLDER] [TOKENS] [NEW_TOKENS]`

use memgraph::pipeline::llm::Part;
use memgraph::{Bytes, Request, Task, analyze};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "fixtures/qwen2.5-0.5b-fp16".to_owned());
    let tokens = arguments.next().map_or(Ok(256), |word| word.parse())?;
    let new_tokens = arguments.next().map_or(Ok(512), |word| word.parse())?;

    let mut request =
        Request::new(Task::Language { tokens, part: Part::Generate { new_tokens }, max_length: None });
    request.options = request.options.with("kv-precision", "f16");
    let report = analyze(&PathBuf::from(folder), &request)?;

    println!("{:<10}{:>8}{:>14}{:>14}  peak at", "phase", "tokens", "heap", "resident");
    for phase in &report.phases {
        let tokens = phase.tokens.map_or("-".to_owned(), |tokens| tokens.to_string());
        let heap = Bytes(phase.heap_peak_bytes).to_string();
        let resident = Bytes(phase.resident_peak_bytes).to_string();
        let node = phase.node.as_deref().unwrap_or("-");
        println!("{:<10}{tokens:>8}{heap:>14}{resident:>14}  {node}", phase.name);
    }
    Ok(())
}
