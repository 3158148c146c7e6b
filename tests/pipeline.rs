//! Pipelines: lengths that follow the data, and memory that adds up over parts and phases.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::formats::{self, preprocessor};
use memgraph::graph::Graph;
use memgraph::pipeline::vlm::{self, Request, Run};
use memgraph::pipeline::{families, parts};
use memgraph::report::json;
use memgraph::report::model::{Report, Totals};
use memgraph::report::pipeline::{self, PipelineSubject};
use memgraph::runtime::Runtime;
use memgraph::runtime::graph::Exported;
use memgraph::runtime::openvino_cpu::OpenvinoCpu;
use memgraph::runtime::openvino_gpu::OpenvinoGpu;
use memgraph::scenario::Scenario;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn shared(runtime: impl Runtime + 'static) -> Arc<dyn Runtime> {
    Arc::new(runtime)
}

fn walk(
    name: &str,
    profile: &Arc<dyn Runtime>,
    patches: Option<u64>,
    image: Option<(u64, u64)>,
    text_tokens: u64,
) -> Run {
    let folder = fixture(name);
    let base = Scenario::default().with(|run| {
        run.image = image;
        run.config = formats::config::read(&folder).unwrap();
    });
    let mut request = Request::default();
    request.patches = patches;
    request.text_tokens = text_tokens;
    request.new_tokens = 4;
    request.settings = preprocessor::read(&folder, None).unwrap();
    let found = parts::of_pipeline(&folder).or_else(|_| parts::of_vision(&folder)).unwrap();
    let rules = |_: &Graph| Ok((profile.clone(), profile.planner()));
    vlm::run(found, &base, &request, &rules).unwrap()
}

fn report(run: &Run, keeps_vision: bool) -> Report {
    let mut subject = PipelineSubject::default();
    subject.model = "pipeline".to_owned();
    subject.keeps_vision = keeps_vision;
    pipeline::build(run, &subject)
}

const QWEN: &str = "qwen2.5-vl-3b-v8-L4-fp16";

/// Rows of the first output of the last part that ran.
fn rows(run: &Run) -> u64 {
    let walk = run.parts.iter().rfind(|walk| walk.part.role.is_vision()).unwrap();
    let result = walk.graph.results()[0];
    let shapes = &walk.phases.last().unwrap().shapes;
    let dims = shapes.tensor(walk.graph.input(result, 0).unwrap()).dims.clone().unwrap();
    dims[..dims.len() - 1].iter().product()
}

#[test]
fn image_rules_agree_with_the_graphs_outputs() {
    let cases = [
        (QWEN, (1372, 1036)),
        (QWEN, (1024, 682)),
        ("smolvlm-256m-fp16", (1024, 682)),
        ("gemma-3-4b-it-vision-fp16", (1024, 682)),
        ("llava-1.5-7b-vision-fp16", (1024, 682)),
    ];
    for (name, image) in cases {
        let folder = fixture(name);
        let settings = preprocessor::read(&folder, None).unwrap();
        let family = formats::config::read(&folder).unwrap().model_type.unwrap();
        let tiles = families::tiles(&family, &settings, image).unwrap().unwrap();
        let run = walk(name, &shared(Exported), None, Some(image), 0);
        assert_eq!(rows(&run), tiles.tokens, "{name} {image:?}: {tiles:?}");
        assert_eq!(run.patches, Some(tiles.patches), "{name}");
        assert!(!run.assumptions.iter().any(|found| found.rule == "image-tokens"), "{name}");
    }
}

#[test]
fn patches_as_people_give_them_size_the_prompt() {
    let run = walk(QWEN, &shared(Exported), Some(7252), None, 24);
    assert_eq!((run.image_tokens, run.prompt), (1813, Some(1837)));
    let cases = [
        ("gemma-3-4b-it-vision-fp16", 4096, 256),
        ("llava-1.5-7b-vision-fp16", 577, 576),
        ("smolvlm-256m-fp16", 1024, 64),
    ];
    for (name, patches, tokens) in cases {
        assert_eq!(rows(&walk(name, &shared(Exported), Some(patches), None, 0)), tokens, "{name}");
    }
}

fn sum(totals: &Totals) -> u64 {
    totals.weights_file_bytes
        + totals.weights_anonymous_bytes
        + totals.arena_bytes
        + totals.dynamic_bytes
        + totals.io_bytes
        + totals.kv_cache_bytes
        + totals.state_bytes
        + totals.scratch_bytes
        + totals.runtime_bytes
}

#[test]
fn categories_parts_and_shares_add_up() {
    let profiles = [shared(Exported), shared(OpenvinoCpu::default()), shared(OpenvinoGpu::default())];
    for profile in profiles {
        let run = walk(QWEN, &profile, Some(1024), None, 16);
        for keeps_vision in [true, false] {
            let report = report(&run, keeps_vision);
            let name = profile.name();
            assert_eq!(sum(&report.totals), report.totals.total_bytes, "{name}");
            let shares: u64 = report.breakdown.iter().map(|share| share.at_peak_bytes).sum();
            assert_eq!(shares, report.totals.total_bytes, "{name}, keeps vision: {keeps_vision}");
            let most = report.phases.iter().map(|phase| phase.held.values().sum::<u64>()).max();
            assert_eq!(most, Some(report.totals.total_bytes), "{name}");
            let alone: u64 = report.components.iter().map(|part| part.totals.total_bytes).sum();
            assert_eq!(report.totals.parts_sum_bytes, Some(alone));
            assert!(report.totals.total_bytes <= alone, "{name}");
            let phases: Vec<&str> = report.phases.iter().map(|phase| phase.name.as_str()).collect();
            assert_eq!(phases, ["load", "vision", "projection", "text_embedding", "prefill", "decode"]);
        }
    }
}

#[test]
fn a_freed_tower_leaves_its_output_alone() {
    let profile = shared(OpenvinoCpu::default());
    let run = walk(QWEN, &profile, Some(1024), None, 16);
    let held = |keeps_vision: bool, phase: &str| {
        let report = report(&run, keeps_vision);
        let phase = report.phases.into_iter().find(|found| found.name == phase).unwrap();
        [phase.held["vision_embeddings"], phase.held["vision_embeddings_merger"]]
    };
    // 256 tokens of 2,048 floats, and what the runtime adds to a block.
    let [patches, tokens] = held(false, "prefill");
    assert_eq!(patches, 0);
    assert!((256 * 2048 * 4..256 * 2048 * 4 + 4096).contains(&tokens), "{tokens}");
    assert_eq!(held(true, "prefill"), held(true, "decode"));
    assert!(held(true, "prefill")[1] > 400 << 20);
    assert_eq!(held(false, "projection"), held(true, "projection"));
}

#[test]
fn the_report_of_a_pipeline_is_the_one_report() {
    let run = walk(QWEN, &shared(Exported), Some(256), None, 1);
    let report = report(&run, true);
    let back: Report = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(back, report);
    assert_eq!(back.components.len(), 4);
}

/// Heap of the parts alone at their first run, of OpenVINO 2026.4.1: docs/accuracy.md has the records.
#[test]
fn parts_take_what_was_measured() {
    let profile = shared(OpenvinoCpu::default());
    let measured = [
        (QWEN, "vision_embeddings", 15.43),
        (QWEN, "vision_embeddings_merger", 454.38),
        ("smolvlm-256m-fp16", "vision_embeddings", 227.08),
    ];
    for (name, part, mebibytes) in measured {
        let report = report(&walk(name, &profile, Some(1024), None, 0), true);
        let is_it =
            |found: &&Report| found.component.as_ref().is_some_and(|component| component.name == part);
        let found = report.components.iter().find(is_it).unwrap();
        // Generated code is mapped, not in the heap.
        let code = found.blocks.iter().filter(|block| block.class == memgraph::report::model::Class::Code);
        let code: u64 = code.map(|block| block.bytes * block.count).sum();
        let heap = (found.phases.last().unwrap().heap_peak_bytes - code) as f64 / f64::from(1 << 20);
        let off = (heap - mebibytes).abs();
        assert!(off <= 4.0 || off <= 0.01 * mebibytes, "{part}: {heap:.2} MiB, measured {mebibytes}");
    }
}

/// The vision tower of Qwen2.5-VL asks for attention over three dims, which the GPU plugin writes out.
#[test]
fn scores_tower_over_a_gpu_that_writes_them_out() {
    let patches = 7252;
    let run = walk(QWEN, &shared(OpenvinoGpu::default()), Some(patches), None, 24);
    let report = report(&run, true);
    let scores = 16 * patches * patches * 2;
    let largest: Vec<_> = report.peak.live.iter().take(2).collect();
    for live in largest {
        assert_eq!(live.bytes, scores, "{live:?}");
        assert!(live.node.contains("vision_embeddings_merger: __module.blocks."), "{live:?}");
        assert!(live.node.contains("scaled_dot_product_attention"), "{live:?}");
    }
}

#[test]
fn heads_that_suit_no_kernel_are_written_out_without_xmx() {
    let total = |has_xmx| {
        let mut profile = OpenvinoGpu::default();
        profile.has_xmx = has_xmx;
        let profile = shared(profile);
        let run = walk("gemma-3-4b-it-vision-fp16", &profile, Some(4096), None, 0);
        report(&run, true).totals.total_bytes
    };
    // 72 is not a multiple of 16: two matrices of scores, 16 heads of 4,096 patches squared.
    let scores = 2 * 16 * 4096 * 4096 * 2;
    let differ = total(false) - total(true);
    assert!(differ.abs_diff(scores) < 16 << 20, "{differ} and {scores}");
}
