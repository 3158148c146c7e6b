//! Time to read an IR into a graph, next to a bare pass over its XML events.
//!
//!     cargo bench --bench reader [FILE.xml …]

use memgraph::formats::openvino;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Enough for the fastest run to be free of noise.
const RUNS: usize = 50;

fn main() {
    let given: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/qwen2.5-0.5b-fp16/openvino_model.xml");
    for path in if given.is_empty() { vec![default] } else { given } {
        let document = std::fs::read(&path).expect("the model is readable");
        let text = std::str::from_utf8(&document).expect("the model is UTF-8");
        let bare = fastest(|| events(text));
        let read = fastest(|| openvino::parse(&document, &path).expect("the model is an IR").nodes().len());
        println!(
            "{}: {:.2} MB, events {:.2} ms, graph {:.2} ms ({:.2} x)",
            path.display(),
            document.len() as f64 / 1e6,
            bare.as_secs_f64() * 1e3,
            read.as_secs_f64() * 1e3,
            read.as_secs_f64() / bare.as_secs_f64(),
        );
    }
}

/// Counts the events of a document, looking at none.
fn events(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut count = 0;
    while !matches!(reader.read_event().expect("the XML is well-formed"), Event::Eof) {
        count += 1;
    }
    count
}

fn fastest(mut run: impl FnMut() -> usize) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        std::hint::black_box(run());
        best = best.min(start.elapsed());
    }
    best
}
