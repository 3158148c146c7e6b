//! Paged attention against measured runs of OpenVINO 2026.4.1: 1,024 tokens, and room for 4 more.

use memgraph::formats;
use memgraph::phases::{self, Phase};
use memgraph::pipeline::llm::{self, Part};
use memgraph::runtime::Runtime;
use memgraph::runtime::openvino_cpu::{Cache, OpenvinoCpu};
use memgraph::scenario::Scenario;
use memgraph::schedule::StorageClass;
use std::path::Path;

fn prefill(fixture: &str, last_logits: bool) -> Phase {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    let graph = formats::open(&llm::file(&folder).unwrap()).unwrap();
    let mut options = OpenvinoCpu::default();
    options.cache = Cache::Paged;
    options.last_logits = last_logits;
    let profile = options;
    let base = Scenario::default().with(|run| {
        run.batch = Some(1);
        run.new_tokens = Some(4);
    });
    let phases = llm::phases(&base, 1024, Part::Prefill, &profile);
    phases::run(&graph, &phases, &profile, profile.planner()).unwrap().pop().unwrap()
}

/// Growing blocks of at least 128 KiB, with their counts, largest first.
fn groups(phase: &Phase) -> Vec<(u64, usize)> {
    let blocks = phase.plan.blocks.iter().filter(|block| block.grows);
    let sizes = blocks.map(|block| block.bytes.end - block.bytes.start).filter(|&size| size >= 128 << 10);
    counted(sizes.collect())
}

fn cache(phase: &Phase) -> Vec<(u64, usize)> {
    let storages = phase.allocations().filter(|storage| storage.class == StorageClass::KvCache);
    counted(storages.map(|storage| storage.bytes.0).collect())
}

fn counted(mut sizes: Vec<u64>) -> Vec<(u64, usize)> {
    sizes.sort_unstable_by_key(|&size| std::cmp::Reverse(size));
    sizes.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len())).collect()
}

/// The model converted by `paged_attention_transformation` and run with a cache of 33 blocks.
#[test]
fn a_converted_model_has_the_measured_blocks() {
    let phase = prefill("qwen2.5-0.5b-fp16", false);
    assert_eq!(groups(&phase), [(311_164_928, 1), (9_961_472, 4), (1_835_008, 3)]);
    assert_eq!(cache(&phase), [(270_336, 48)]);
}

/// LLMPipeline, which also cuts the logits to the last token.
#[test]
fn a_pipeline_has_the_measured_blocks() {
    let half = prefill("qwen2.5-0.5b-fp16", true);
    assert_eq!(groups(&half), [(9_961_472, 5), (1_835_008, 3)]);
    assert_eq!(cache(&half), [(270_336, 48)]);
    let quantized = prefill("qwen2.5-1.5b-L8-int4asym-g128", true);
    assert_eq!(groups(&quantized), [(18_350_080, 5), (3_145_728, 3)]);
    assert_eq!(cache(&quantized), [(337_920, 8), (287_232, 8)]);
}
