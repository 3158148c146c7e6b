//! Whole processes against each other: `memgraph llm` and a bare quick-xml pass over the same file.
//!
//! `cargo bench --bench process` runs both alternately, this program being the bare pass when it is called with
//! `--bare FILE`, and prints the medians and their ratio. Standard output goes nowhere in both.

use quick_xml::events::Event;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/qwen2.5-0.5b-fp16/openvino_model.xml");
const RUNS: usize = 60;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, file] = &args[..]
        && flag == "--bare"
    {
        return bare(file);
    }
    let this = std::env::current_exe().expect("a running program has a file");
    let this = this.to_string_lossy().into_owned();
    let mut bare_times = Vec::new();
    let mut tool_times = Vec::new();
    for _ in 0..RUNS {
        bare_times.push(timed(&this, &["--bare", FILE]));
        tool_times.push(timed(env!("CARGO_BIN_EXE_memgraph"), &["llm", FILE, "1813"]));
    }
    let (bare, tool) = (median(&mut bare_times), median(&mut tool_times));
    println!("| whole process, median of {RUNS} | ms |\n|---|---|");
    println!("| bare quick-xml pass | {:.2} |", bare.as_secs_f64() * 1e3);
    println!("| memgraph llm, 1813 tokens | {:.2} |", tool.as_secs_f64() * 1e3);
    println!("| ratio | {:.2} |", tool.as_secs_f64() / bare.as_secs_f64());
}

/// Every event, and every attribute of it, as borrowed slices: the least that any reader must do.
fn bare(file: &str) {
    let text = std::fs::read_to_string(file).expect("the fixture is there");
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut attributes = 0_u64;
    loop {
        match reader.read_event().expect("the fixture is well-formed") {
            Event::Start(tag) | Event::Empty(tag) => {
                attributes += tag.attributes().with_checks(false).flatten().count() as u64;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    black_box(attributes);
}

fn timed(program: &str, args: &[&str]) -> Duration {
    let start = Instant::now();
    let status = Command::new(program).args(args).stdout(Stdio::null()).status().expect("the program starts");
    assert!(status.success(), "{program} {args:?} failed");
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
