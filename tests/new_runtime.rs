//! A runtime of one folder and one line in the registry works with every command and report.

use memgraph::analysis::{self, Request, Task};
use memgraph::formats;
use memgraph::phases::PhaseName;
use memgraph::report::svg::Chart;
use memgraph::report::{self, dump};
use memgraph::runtime::registry;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn request(task: Task) -> Request {
    let mut request = Request::new(task);
    request.base.batch = Some(1);
    request.profile = Some("per-tensor".to_owned());
    request.full = true;
    request
}

#[test]
fn it_is_known_by_its_name() {
    assert_eq!(registry::by_name("per-tensor").unwrap().name, "per-tensor");
    assert!(registry::by_name("per_tensor").is_err());
}

#[test]
fn a_language_model_has_all_reports_and_stages() {
    let folder = fixture("qwen2.5-0.5b-fp16");
    let found = analysis::run(&folder, &request(Task::language(64))).unwrap();
    let report = &found.report;
    assert_eq!((report.profile.name.as_str(), report.planner.name.as_str()), ("per-tensor", "naive"));
    // Without reuse, the arena is the sum of all buffers.
    let phase = found.phases().iter().find(|phase| phase.name == PhaseName::Prefill).unwrap();
    let all: u64 = phase.problem.buffers.iter().map(|buffer| buffer.size.0).sum();
    assert_eq!(report.totals.arena_bytes, all);
    assert!(
        report::text::render(report, &report::text::Style::new(report::text::Heading::Llm))
            .contains("per-tensor")
    );
    assert!(report::csv::render(report).lines().count() > 2);
    assert!(report::json::render(report).contains("\"per-tensor\""));
    for chart in [Chart::Pressure, Chart::Arena, Chart::Breakdown] {
        assert!(found.chart(&chart.into()).unwrap().starts_with("<svg"));
    }
    let graph = formats::open(&folder.join("openvino_model.xml")).unwrap();
    assert!(dump::lowered(&graph, phase).contains("\"storages\""));
    assert!(dump::problem(&phase.problem, Some((&phase.plan, phase_planner()))).contains("naive"));
}

fn phase_planner() -> memgraph::plan::Planner {
    memgraph::plan::Planner::Naive
}

#[test]
fn a_pipeline_has_its_parts() {
    let task =
        Task::Pipeline { patches: Some(256), tiles: None, text_tokens: 8, new_tokens: 2, keeps_vision: true };
    let report = analysis::analyze(&fixture("qwen2.5-vl-3b-v8-L4-fp16"), &request(task)).unwrap();
    assert_eq!(report.components.len(), 4);
    assert!(report.components.iter().all(|part| part.profile.name == "per-tensor"));
    assert!(report.totals.total_bytes > 0);
}
