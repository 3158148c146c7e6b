//! Reports add up, say the same twice, and read back: for every fixture, under every runtime that loads it.

#![cfg(all(feature = "onnx", feature = "openvino"))]

mod common;

use common::{Case, cases, exports, make, names};
use memgraph::plan::Planner;
use memgraph::report::{self, By, model::Report};
use memgraph::verify;

/// The runtime that the lower bound comes from: the graph as exported.
const EXPORTED: &str = "graph";

const GROUPS: [By; 4] = [By::Component, By::Layer, By::Op, By::Node];

#[test]
fn every_fixture_and_every_runtime_is_in_a_case() {
    assert!(exports().len() >= 30, "{} exports", exports().len());
    for export in exports() {
        let runs = cases().iter().filter(|case| case.export.file == export.file).count();
        assert!(runs >= export.least_runtimes(), "{} is loaded by {runs} runtimes", export.file.display());
    }
    for name in names() {
        let runs = cases().iter().filter(|case| case.runtime.name() == name).count();
        assert!(runs >= 5, "{name} loads {runs} fixtures");
    }
}

#[test]
fn classes_add_up_to_the_total() {
    for case in cases() {
        let totals = case.report(By::Component).totals;
        let weights = totals.weights_file_bytes + totals.weights_anonymous_bytes;
        let temp = totals.arena_bytes
            + totals.dynamic_bytes
            + totals.io_bytes
            + totals.kv_cache_bytes
            + totals.state_bytes
            + totals.scratch_bytes
            + totals.runtime_bytes;
        assert_eq!(totals.temp_bytes, temp, "{case}");
        assert_eq!(totals.total_bytes, weights + temp, "{case}");
    }
}

#[test]
fn shares_add_up_to_the_total() {
    for case in cases() {
        for by in GROUPS {
            let report = case.report(by);
            let at_peak: u64 = report.breakdown.iter().map(|share| share.at_peak_bytes).sum();
            assert_eq!(at_peak, report.totals.total_bytes, "{case} by {}", by.name());
        }
    }
}

#[test]
fn blocks_add_up_to_the_total() {
    for case in cases() {
        let report = case.report(By::Component);
        let blocks: u64 = report.blocks.iter().map(|block| block.bytes * block.count).sum();
        assert_eq!(blocks, report.totals.total_bytes, "{case}");
    }
}

#[test]
fn every_plan_is_verified() {
    for case in cases() {
        assert!(!case.phases.is_empty(), "{case}");
        for phase in &case.phases {
            let verified = verify::all(phase.lowered.schedule(), &phase.problem, &phase.plan);
            verified.unwrap_or_else(|error| panic!("{case}, {}: {error}", phase.name.name()));
        }
    }
}

#[test]
fn the_peak_is_the_highest_step() {
    for case in cases() {
        let report = case.report(By::Component);
        let steps = report.steps.as_ref().unwrap();
        let highest = steps.iter().map(|step| step.pressure_bytes).max().unwrap_or(0);
        assert_eq!(highest, report.totals.lower_bound_bytes, "{case}");
        assert!(report.planner.arena_bytes >= highest, "{case}");
        if let Some(step) = steps.get(report.peak.step as usize) {
            assert_eq!(step.pressure_bytes, highest, "{case}");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let text = |case: &Case| {
        let report = case.report(By::Node);
        let mut style = report::text::Style::new(report::text::Heading::Llm);
        (style.top, style.is_verbose, style.explains) = (1000, true, true);
        let text = report::text::render(&report, &style);
        [report::json::render(&report), text, report::csv::render(&report)]
    };
    for case in cases() {
        assert!(text(case) == text(&case.again()), "{case}");
    }
}

#[test]
fn json_reads_back_and_no_field_is_unknown() {
    for case in cases() {
        let report = case.report(By::Component);
        let read: Report = serde_json::from_str(&report::json::render(&report)).unwrap();
        assert!(read == report, "{case}");
    }
}

#[test]
fn weights_are_the_constants_that_the_file_names() {
    for case in cases().iter().filter(|case| case.runtime.name() == EXPORTED) {
        // strip_ir leaves the size of the whole .bin as a comment on the last line; small models have theirs.
        let Ok(text) = std::fs::read_to_string(&case.export.file) else { continue };
        let size: u64 = match text.rsplit_once("full .bin size: ") {
            Some((_, size)) => size.split(' ').next().unwrap().parse().unwrap(),
            None => std::fs::metadata(case.export.file.with_extension("bin")).unwrap().len(),
        };
        assert_eq!(case.report(By::Component).totals.weights_file_bytes, size, "{case}");
    }
}

#[test]
fn the_exported_graph_shows_what_is_alive_at_the_peak() {
    for case in cases().iter().filter(|case| case.runtime.name() == EXPORTED) {
        let report = case.report(By::Component);
        let live = report.peak.live.iter();
        let alive = live.filter(|live| live.class.is_planned());
        let alive: u64 = alive.map(|live| live.bytes).sum();
        assert_eq!(alive, report.totals.lower_bound_bytes, "{case}");
    }
}

#[test]
fn no_reuse_needs_more_than_reuse() {
    for export in exports().iter().filter(|export| export.graph.stored().is_none()) {
        let of = |planner| Case::new(export, make(EXPORTED), planner).report(By::Component).totals;
        let (naive, greedy) = (of(Planner::Naive), of(Planner::GreedyBySize));
        assert!(naive.arena_bytes >= greedy.arena_bytes, "{}", export.file.display());
        assert_eq!(naive.lower_bound_bytes, greedy.lower_bound_bytes, "{}", export.file.display());
    }
}
