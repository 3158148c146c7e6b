//! `fit` finds what trying every value finds, in few analyses.

use memgraph::analysis::{Kind, Request, Task};
use memgraph::fit::{Axis, Limit, Range, Subject, largest};
use memgraph::runtime::options::Options;
use memgraph::{Bytes, report::model::Report};
use rayon::prelude::*;
use std::path::Path;

/// A model with an axis, the runtime, and the largest value that is tried.
struct Case {
    model: &'static str,
    kind: Option<Kind>,
    profile: Option<&'static str>,
    axis: &'static str,
    most: u64,
}

const fn case(model: &'static str, profile: Option<&'static str>, axis: &'static str, most: u64) -> Case {
    Case { model, kind: None, profile, axis, most }
}

/// Ten models, small ones: every value of them is analysed.
const CASES: [Case; 10] = [
    case("ptq-image-mini", None, "batch", 1400),
    case("onnx/generator", None, "seq", 2000),
    case("onnx/embedder", None, "batch", 2000),
    case("onnx/reranker", None, "batch", 2000),
    case("onnx/detector", None, "batch", 2000),
    case("onnx/segmenter", None, "batch", 2000),
    case("gguf/mini-llama.gguf", None, "seq", 2048),
    case("gguf/mini-gemma3.gguf", None, "seq", 2048),
    case("gguf/mini-mamba2.gguf", None, "seq", 2048),
    case("siglip-mini-fp16", Some("graph"), "batch", 1400),
];

fn subject(case: &Case) -> Subject {
    let mut base = Request::new(Task::Graph);
    base.profile = case.profile.map(str::to_owned);
    base.options = Options::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(case.model);
    Subject::open(&path, base, case.kind).unwrap()
}

fn reports(case: &Case, subject: &Subject) -> Vec<Report> {
    let axis = Axis::by_name(case.axis);
    let run = subject.prepared(&[&axis]);
    let values: Vec<u64> = (1..=case.most).collect();
    values.into_par_iter().map(|value| subject.analyze(&axis.set(&run, value)).unwrap()).collect()
}

#[test]
fn a_search_finds_what_trying_every_value_finds() {
    let mut faults = Vec::new();
    for case in &CASES {
        let subject = subject(case);
        let reports = reports(case, &subject);
        let needs: Vec<u64> = reports.iter().map(Report::resident_peak).collect();
        let (least, most) = (needs[0], needs[needs.len() - 1]);
        for share in [2, 5, 9] {
            let limit = Limit::new(Bytes(least + (most - least) / 10 * share));
            let fits: Vec<bool> = reports.iter().map(|report| limit.admits(report)).collect();
            let expected = (
                fits.iter().rposition(|&fits| fits).map(|index| index as u64 + 1),
                fits.iter().rposition(|&fits| fits).map(|index| index as u64 + 2),
            );
            let range: Range = format!("1..{}", case.most).parse().unwrap();
            let row = largest(&subject, &Axis::by_name(case.axis), &limit, Some(&range)).unwrap();
            let found = (row.largest, row.first_that_fails);
            let share = row.analyses as f64 / case.most as f64;
            println!(
                "{} {}: {found:?} in {} analyses, {:.1} %",
                case.model,
                case.axis,
                row.analyses,
                share * 100.0
            );
            let is_one = row.fails_below.is_none_or(|value| !fits[value as usize - 1]);
            if found != expected || share > 0.03 || !is_one {
                faults.push(format!("{}: {found:?}, every value gives {expected:?}; {share:.3}", case.model));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
