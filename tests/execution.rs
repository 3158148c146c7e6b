//! Execution graphs as input: what is read from a serialized runtime model, and where the CPU plugin puts it.

use memgraph::dtype::DType;
use memgraph::phases::{self, Phase, PhaseName};
use memgraph::runtime::Runtime;
use memgraph::runtime::openvino_cpu::execution::{self, ExecutionGraph, Kind, Layout, Precision};
use memgraph::runtime::openvino_cpu::{OpenvinoCpu, Reshape};
use memgraph::scenario::{Scenario, Task};
use memgraph::schedule::StorageClass;
use memgraph::shape;
use memgraph::{Bytes, formats};
use std::io::Read;
use std::path::Path;

fn open(name: &str) -> memgraph::graph::Graph {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/execution");
    let mut xml = Vec::new();
    let file = std::fs::File::open(fixtures.join(format!("{name}.xml.gz"))).unwrap();
    flate2::read::GzDecoder::new(file).read_to_end(&mut xml).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("execution.xml");
    std::fs::write(&path, xml).unwrap();
    formats::open(&path).unwrap()
}

fn read(name: &str, reshape: Option<Reshape>) -> ExecutionGraph {
    let graph = open(name);
    assert!(execution::is_execution_graph(&graph));
    let shapes = shape::infer(&graph, &Scenario::default()).unwrap();
    execution::read(&graph, &shapes, reshape).unwrap()
}

fn count(graph: &ExecutionGraph, kind: &Kind) -> usize {
    graph.nodes.iter().filter(|node| node.kind == *kind).count()
}

#[test]
fn a_language_model_is_dynamic_and_keeps_state() {
    let graph = read("qwen2.5-0.5b-fp16_N128_def", None);
    assert!(graph.is_dynamic);
    assert_eq!((graph.precision, graph.kv_precision), (Precision::Bf16, Some(DType::BF16)));
    assert_eq!(count(&graph, &Kind::FullyConnected), 169);
    let attention = graph.nodes.iter().find_map(|node| node.attention.as_deref()).unwrap();
    assert_eq!((attention.heads, attention.kv_heads, attention.key_size), (14, 2, 64));
    assert_eq!((attention.queries, attention.keys, attention.has_mask), (128, 128, true));
}

#[test]
fn element_wise_subgraphs_prove_static_shapes() {
    let graph = read("vit-base-p16-224-fp16_B1_static_def", None);
    assert!(!graph.is_dynamic);
    assert!(graph.nodes.iter().all(|node| node.outputs.iter().all(|output| !output.is_dynamic)));
    let attention = graph.nodes.iter().find_map(|node| node.attention.as_deref()).unwrap();
    assert_eq!((attention.batch, attention.heads, attention.queries, attention.keys), (1, 12, 197, 197));
    assert_eq!((attention.key_size, attention.value_size, attention.has_mask), (64, 64, false));
}

#[test]
fn a_graph_without_proof_is_taken_as_exported() {
    let graph = read("resnet50-fp32_B1_static_def", None);
    assert!(graph.is_dynamic && graph.assumptions.iter().any(|text| text.rule == "compiled-shapes"));
    let graph = read("resnet50-fp32_B1_static_def", Some(Reshape::Static));
    assert!(!graph.is_dynamic && graph.assumptions.is_empty());
    assert_eq!(graph.nodes.iter().filter(|node| node.addend.is_some()).count(), 16);
    let layouts = graph.nodes.iter().flat_map(|node| &node.outputs);
    assert!(layouts.filter(|output| output.layout == Layout::ChannelsLast).count() > 50);
}

#[test]
fn views_are_those_that_the_runtime_marked() {
    let graph = read("qwen2.5-vl-3b-v8-L4-fp16_lm_N1024_def", None);
    let views = graph.nodes.iter().filter(|node| node.kind == Kind::Gather && node.is_view).count();
    let copies = graph.nodes.iter().filter(|node| node.kind == Kind::Gather && !node.is_view).count();
    assert_eq!((views, copies), (16, 1));
}

/// The walked line; both checkers have passed the plan.
fn lower(name: &str, reshape: Reshape) -> Phase {
    let mut options = OpenvinoCpu::default();
    options.reshape = Some(reshape);
    let profile = options;
    let phases = [(PhaseName::Infer, Scenario::default())];
    phases::run(&open(name), &phases, &profile, profile.planner()).unwrap().pop().unwrap()
}

/// Growing blocks of at least 128 KiB, largest first.
fn groups(name: &str) -> Vec<u64> {
    let phase = lower(name, Reshape::Dynamic);
    let blocks = phase.plan.blocks.iter().filter(|block| block.grows);
    let mut sizes: Vec<u64> = blocks.map(|block| block.bytes.end - block.bytes.start).collect();
    sizes.retain(|&size| size >= 128 << 10);
    sizes.sort_unstable_by_key(|&size| std::cmp::Reverse(size));
    sizes
}

/// `blocks_at_peak` of the measured runs, less alignment.
#[test]
fn growing_blocks_are_those_measured() {
    let qwen = [
        38_895_616, 1_245_184, 1_245_184, 1_245_184, 1_245_184, 1_245_184, 1_245_184, 229_376, 229_376,
        229_376,
    ];
    assert_eq!(groups("qwen2.5-0.5b-fp16_N128_def"), qwen);
    let language = [
        311_164_928,
        22_544_384,
        22_544_384,
        22_544_384,
        22_544_384,
        22_544_384,
        22_544_384,
        22_544_384,
        4_194_304,
        4_194_304,
        2_097_152,
        294_912,
    ];
    assert_eq!(groups("qwen2.5-vl-3b-v8-L4-fp16_lm_N1024_def"), language);
    let merger = groups("qwen2.5-vl-3b-v8-L4-fp16_merger_S1024_def");
    assert_eq!((merger.len(), merger.iter().sum::<u64>()), (9, 66_478_080));
}

/// `blocks_at_peak` of the measured runs, which the heap rounds up to pages.
#[test]
fn static_pools_are_those_measured() {
    for (name, pool) in [
        ("resnet50-fp32_B1_static_def", 2_609_152),
        ("vit-base-p16-224-fp16_B1_static_def", 2_118_144),
        ("minilm-l6-v2-fp16_S128_static_def", 819_200),
    ] {
        let phase = lower(name, Reshape::Static);
        assert_eq!((phase.plan.arena_size, phase.plan.blocks.len()), (Bytes(pool), 0), "{name}");
    }
}

/// Whether a class is allocated from the heap; generated code is mapped.
fn is_on_heap(class: StorageClass) -> bool {
    !matches!(class, StorageClass::WeightsFile | StorageClass::Code)
}

/// Measured: peak of the first inference less the level before the model is read, the user's arrays taken off.
#[test]
fn heaps_are_those_measured() {
    for (name, reshape, measured) in [
        ("qwen2.5-0.5b-fp16_N128_def", Reshape::Dynamic, 1_133_830_356),
        ("qwen2.5-1.5b-L8-int4asym-g128_N128_def", Reshape::Dynamic, 595_221_228),
        ("qwen2.5-vl-3b-v8-L4-fp16_lm_N1024_def", Reshape::Dynamic, 2_366_187_588),
        ("qwen2.5-vl-3b-v8-L4-fp16_merger_S1024_def", Reshape::Dynamic, 476_456_832),
        ("resnet50-fp32_B1_static_def", Reshape::Static, 63_675_808),
        ("vit-base-p16-224-fp16_B1_static_def", Reshape::Static, 205_362_768),
        ("minilm-l6-v2-fp16_S128_static_def", Reshape::Static, 36_116_608),
    ] {
        let lowered = lower(name, reshape);
        let outside =
            lowered.allocations().filter(|storage| !storage.class.is_planned() && is_on_heap(storage.class));
        let outside: Bytes = outside.map(|storage| storage.bytes).sum();
        let heap = (outside + lowered.plan.arena_size - lowered.lowered.schedule().user_bytes).0;
        let tolerance = (measured / 100).max(4 << 20);
        assert!(heap.abs_diff(measured) <= tolerance, "{name}: {heap} predicted, {measured} measured");
    }
}

#[test]
fn an_option_that_contradicts_the_graph_is_refused() {
    let graph = open("qwen2.5-0.5b-fp16_N128_def");
    let mut options = OpenvinoCpu::default();
    options.precision = Some(DType::F32);
    let profile = options;
    let phases = [(PhaseName::Infer, Scenario::default())];
    let error = phases::run(&graph, &phases, &profile, profile.planner()).unwrap_err().to_string();
    assert!(
        error.contains("`--precision f32` was given, and the execution graph was compiled with bf16"),
        "{error}"
    );
}

/// From the exported model: the prompt, and the first token after it.
#[test]
fn a_token_after_a_prompt_finds_what_the_prompt_left() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/qwen2.5-0.5b-fp16/openvino_model.xml");
    let graph = formats::open(&model).unwrap();
    let profile = OpenvinoCpu::default();
    let pass = |prompt, past| {
        Scenario::default().with(|run| {
            run.task = Task::Llm;
            run.prompt = Some(prompt);
            run.past = past;
        })
    };
    let phases = [(PhaseName::Prefill, pass(128, 0)), (PhaseName::Decode, pass(1, 128))];
    let phases = phases::run(&graph, &phases, &profile, profile.planner()).unwrap();
    let [_, _, prefill, decode] = phases.as_slice() else { panic!("{} phases", phases.len()) };
    // Nothing shrinks; the attention mask is a byte longer.
    assert_eq!(prefill.plan.blocks.len(), decode.plan.blocks.len());
    assert_eq!(prefill.plan.arena_size + Bytes(1), decode.plan.arena_size);
    let of_class = |phase: &Phase, class| {
        let storages = phase.allocations().filter(|storage| storage.class == class);
        storages.map(|storage| storage.bytes).sum::<Bytes>()
    };
    assert_eq!(of_class(prefill, StorageClass::KvCache), of_class(decode, StorageClass::KvCache));
    for (phase, measured) in [(prefill, 1_133_830_356_u64), (decode, 1_135_472_352)] {
        let heap = StorageClass::ALL.iter().filter(|class| !class.is_planned() && is_on_heap(**class));
        let heap: Bytes = heap.map(|&class| of_class(phase, class)).sum();
        let heap = (heap + phase.plan.arena_size - phase.lowered.schedule().user_bytes).0;
        assert!(heap.abs_diff(measured) <= measured / 100, "{heap} predicted, {measured} measured");
    }
}
