//! Whole processes against each other: `memgraph llm` and a bare quick-xml pass over the same file.
//!
//! `cargo bench --bench process` runs them in turns, this program being the bare pass when it is called with
//! `--bare FILE` or `--attributes FILE`, and prints the medians and their ratios. Standard output goes nowhere.

use quick_xml::events::Event;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/qwen2.5-0.5b-fp16/openvino_model.xml");
const RUNS: usize = 60;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, file] = &args[..] {
        match flag.as_str() {
            "--bare" => return bare(file, false),
            "--attributes" => return bare(file, true),
            _ => {}
        }
    }
    let this = std::env::current_exe().expect("a running program has a file");
    let this = this.to_string_lossy().into_owned();
    let commands: [(&str, &str, &[&str]); 3] = [
        ("bare quick-xml pass: events", &this, &["--bare", FILE]),
        ("bare quick-xml pass: events and attributes", &this, &["--attributes", FILE]),
        ("memgraph llm, 1813 tokens", env!("CARGO_BIN_EXE_memgraph"), &["llm", FILE, "1813"]),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        for ((_, program, args), times) in commands.iter().zip(&mut times) {
            times.push(timed(program, args));
        }
    }
    let medians = times.map(|mut times| median(&mut times).as_secs_f64() * 1e3);
    println!("| whole process, median of {RUNS} | ms | memgraph takes |\n|---|---|---|");
    for ((what, ..), time) in commands.iter().zip(medians) {
        println!("| {what} | {time:.2} | {:.2} times this |", medians[2] / time);
    }
}

/// Every event, and every attribute of it if `with_attributes`, as borrowed slices: the least that a reader must do.
fn bare(file: &str, with_attributes: bool) {
    let text = std::fs::read_to_string(file).expect("the fixture is there");
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut attributes = 0_u64;
    loop {
        match reader.read_event().expect("the fixture is well-formed") {
            Event::Start(tag) | Event::Empty(tag) => {
                let count =
                    if with_attributes { tag.attributes().with_checks(false).flatten().count() } else { 0 };
                attributes += count as u64;
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
