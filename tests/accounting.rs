//! Reports add up, say the same twice, and read back, for every fixture.

use memgraph::graph::Graph;
use memgraph::phases::{self, PhaseName};
use memgraph::plan::Planner;
use memgraph::report::{self, By, Subject, model::Report};
use memgraph::runtime::graph::Exported;
use memgraph::runtime::options::Options;
use memgraph::runtime::{Runtime, registry};
use memgraph::scenario::{Scenario, Task};
use memgraph::{formats, pipeline};
use std::path::PathBuf;

/// Every export below fixtures/, with a run that it can do; execution graphs are no exports.
fn fixtures() -> Vec<(PathBuf, Scenario)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = Vec::new();
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|path| path.is_dir() && !path.ends_with("execution")) {
        for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|end| end == "xml") {
                let config = formats::config::read(&folder).unwrap();
                let base = Scenario { config, ..Scenario::default() };
                found.push((file.clone(), run_of(&formats::open(&file).unwrap(), &base)));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 5, "fixtures are missing");
    found
}

fn run_of(graph: &Graph, base: &Scenario) -> Scenario {
    let names: Vec<&str> =
        graph.parameters().iter().map(|&id| memgraph::scenario::input_name(graph, id)).collect();
    let has = |name: &str| names.contains(&name);
    if has("encoder_hidden_states") {
        let inputs = vec![("encoder_hidden_states".to_owned(), [1, 100, 384].into_iter().collect())];
        return Scenario { task: Task::Llm, prompt: Some(64), inputs, ..base.clone() };
    }
    if has("input_ids") || has("inputs_embeds") || has("input") {
        return Scenario { task: Task::Llm, prompt: Some(64), ..base.clone() };
    }
    if has("x") {
        let inputs = vec![("x".to_owned(), [2, 3, 224, 224].into_iter().collect())];
        return Scenario { inputs, ..base.clone() };
    }
    if has("pixel_values") && base.config.image_size.is_none() {
        let inputs = vec![("pixel_values".to_owned(), [2, 3, 64, 64].into_iter().collect())];
        return Scenario { inputs, ..base.clone() };
    }
    let patches = match (base.config.image_size, base.config.patch_size) {
        (Some(side), Some(patch)) => (side / patch).pow(2),
        _ => 1024,
    };
    // A fixture without a config says nothing of its images.
    let image = base.config.image_size.is_none().then_some((224, 224));
    pipeline::vit::scenario(&Scenario { image, ..base.clone() }, Some(patches)).unwrap()
}

/// Every ONNX model below fixtures/onnx that one of a few runs can size.
fn onnx_fixtures() -> Vec<(PathBuf, Scenario)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/onnx");
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.map(|folder| folder.join("model.onnx")).filter(|file| file.exists());
    let binds = ["batch", "sequence", "height", "width"].map(|name| (name.to_owned(), 64));
    let candidates = [
        Scenario { task: Task::Llm, prompt: Some(64), ..Scenario::default() },
        Scenario { task: Task::Vision, image: Some((224, 224)), ..Scenario::default() },
        Scenario { binds: binds.into(), ..Scenario::default() },
    ];
    let mut found = Vec::new();
    for file in files {
        let graph = formats::open(&file).unwrap();
        let fits = |scenario: &&Scenario| memgraph::shape::infer(&graph, scenario).is_ok();
        found.extend(candidates.iter().find(fits).map(|scenario| (file.clone(), scenario.clone())));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 6, "only {} ONNX fixtures can be sized", found.len());
    found
}

/// The runtimes that load a graph, under their default options.
fn runtimes(graph: &Graph) -> Vec<Box<dyn Runtime>> {
    let all = registry::RUNTIMES
        .iter()
        .chain(registry::HIDDEN)
        .map(|found| (found.make)(&Options::default()).unwrap());
    all.filter(|runtime| runtime.accepts(graph).is_ok()).collect()
}

fn report_under(
    runtime: &dyn Runtime,
    graph: &Graph,
    scenario: &Scenario,
    planner: Planner,
    by: By,
) -> Report {
    let phases = phases::run(graph, &[(PhaseName::Infer, scenario.clone())], runtime, planner).unwrap();
    let subject = Subject { graph, sha256: String::new(), runtime, planner, phases: &phases, by, full: true };
    report::build(&subject)
}

fn report_of(graph: &Graph, scenario: &Scenario, planner: Planner, by: By) -> Report {
    report_under(&Exported, graph, scenario, planner, by)
}

#[test]
fn categories_blocks_and_shares_add_up_under_every_runtime() {
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for (file, scenario) in fixtures().into_iter().chain(onnx_fixtures()) {
        let graph = formats::open(&file).unwrap();
        for runtime in runtimes(&graph) {
            *seen.entry(runtime.name()).or_default() += 1;
            for by in [By::Component, By::Layer, By::Op, By::Node] {
                let report = report_under(&*runtime, &graph, &scenario, runtime.planner(), by);
                let what = format!("{} under {}", file.display(), runtime.name());
                let totals = &report.totals;
                let weights = totals.weights_file_bytes + totals.weights_anonymous_bytes;
                let temp = totals.arena_bytes
                    + totals.dynamic_bytes
                    + totals.io_bytes
                    + totals.kv_cache_bytes
                    + totals.state_bytes
                    + totals.scratch_bytes
                    + totals.runtime_bytes;
                assert_eq!(totals.temp_bytes, temp, "{what}");
                assert_eq!(totals.total_bytes, weights + temp, "{what}");
                let at_peak: u64 = report.breakdown.iter().map(|share| share.at_peak_bytes).sum();
                assert_eq!(at_peak, totals.total_bytes, "{what} by {}", by.name());
                let blocks: u64 = report.blocks.iter().map(|block| block.bytes * block.count).sum();
                assert_eq!(blocks, totals.total_bytes, "{what}: blocks");
            }
        }
    }
    for found in registry::RUNTIMES.iter().chain(registry::HIDDEN) {
        assert!(
            seen.get(found.name).is_some_and(|&count| count >= 5),
            "{} ran on too few fixtures",
            found.name
        );
    }
}

#[test]
fn weights_are_the_constants_that_the_file_names() {
    for (file, scenario) in fixtures() {
        let graph = formats::open(&file).unwrap();
        let report = report_of(&graph, &scenario, Planner::GreedyBySize, By::Component);
        // strip_ir leaves the size of the whole .bin as a comment on the last line.
        let text = std::fs::read_to_string(&file).unwrap();
        let size: u64 =
            text.rsplit_once("full .bin size: ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(report.totals.weights_file_bytes, size, "{}", file.display());
    }
}

#[test]
fn the_peak_is_the_highest_step() {
    for (file, scenario) in fixtures() {
        let graph = formats::open(&file).unwrap();
        let report = report_of(&graph, &scenario, Planner::GreedyBySize, By::Component);
        let steps = report.steps.as_ref().unwrap();
        let highest = steps.iter().map(|step| step.pressure_bytes).max().unwrap();
        assert_eq!(highest, report.totals.lower_bound_bytes, "{}", file.display());
        assert_eq!(steps[report.peak.step as usize].pressure_bytes, highest, "{}", file.display());
        assert!(report.totals.arena_bytes >= highest);
        let alive =
            report.peak.live.iter().filter(|live| live.class == "activation" || live.class == "scratch");
        assert_eq!(alive.map(|live| live.bytes).sum::<u64>(), highest, "{}", file.display());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_and_json_reads_back() {
    for (file, scenario) in fixtures().into_iter().chain(onnx_fixtures()) {
        let made = || {
            let graph = formats::open(&file).unwrap();
            let reports = runtimes(&graph)
                .into_iter()
                .map(|runtime| report_under(&*runtime, &graph, &scenario, runtime.planner(), By::Node));
            reports.collect::<Vec<_>>()
        };
        for (one, other) in made().iter().zip(&made()) {
            let text = |report: &Report| {
                report::json::render(report)
                    + &report::text::render(report, "LLM", 1000)
                    + &report::csv::render(report)
            };
            assert!(text(one) == text(other), "{}", file.display());
            let read: Report = serde_json::from_str(&report::json::render(one)).unwrap();
            assert!(read == *one, "{} reads back otherwise", file.display());
        }
    }
}

#[test]
fn no_reuse_needs_more_than_reuse() {
    for (file, scenario) in fixtures() {
        let graph = formats::open(&file).unwrap();
        let naive = report_of(&graph, &scenario, Planner::Naive, By::Component).totals;
        let greedy = report_of(&graph, &scenario, Planner::GreedyBySize, By::Component).totals;
        assert!(naive.arena_bytes >= greedy.arena_bytes, "{}", file.display());
        assert_eq!(naive.lower_bound_bytes, greedy.lower_bound_bytes, "{}", file.display());
    }
}
