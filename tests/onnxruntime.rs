//! The arena of `onnxruntime-cpu` against runs of ONNX Runtime 1.31.1 that are recorded with the fixtures.

use memgraph::formats;
use memgraph::phases::{self, Phase, PhaseName};
use memgraph::pipeline::genai;
use memgraph::pipeline::llm::{self, Part};
use memgraph::report::{self, Subject};
use memgraph::runtime::Runtime;
use memgraph::runtime::onnxruntime_cpu::{Arena, OnnxRuntimeCpu};
use memgraph::scenario::Scenario;
use memgraph::schedule::StorageClass;
use std::path::{Path, PathBuf};

/// Fixtures whose regions as large as requests add up to more, and why.
const DIFFERENT_IN_SUM: &[(&str, &str)] = &[(
    "ocr-detection",
    "not settled: of several free chunks the runtime takes the one of the lowest address",
)];

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/onnx");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

fn record(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("onnxruntime.json")).unwrap()).unwrap()
}

fn run(folder: &Path, arena: Arena) -> Vec<Phase> {
    let graph = formats::open(&folder.join("model.onnx")).unwrap();
    let record = record(folder);
    let sizes = record["sizes"].as_object().unwrap().iter();
    let binds = sizes.map(|(symbol, size)| (symbol.clone(), size.as_u64().unwrap())).collect();
    let scenario = Scenario::default().with(|run| run.binds = binds);
    let mut profile = OnnxRuntimeCpu::default();
    profile.arena = arena;
    phases::run(&graph, &[(PhaseName::Infer, scenario)], &profile, profile.planner()).unwrap()
}

/// Lengths of the regions that the last phase leaves, and those that the log lists, each sorted.
fn regions(folder: &Path, arena: Arena) -> (Vec<u64>, Vec<u64>) {
    let phases = run(folder, arena);
    let blocks = &phases.last().unwrap().plan.blocks;
    let mut own: Vec<u64> = blocks.iter().map(|block| block.bytes.end - block.bytes.start).collect();
    let record = record(folder);
    let logged =
        record["arena"][arena.name()].as_object().unwrap().values().flat_map(|list| list.as_array().unwrap());
    let mut logged: Vec<u64> = logged.map(|size| size.as_u64().unwrap()).collect();
    own.sort_unstable();
    logged.sort_unstable();
    (own, logged)
}

#[test]
fn every_domain_has_a_fixture_of_less_than_150_kb() {
    assert!(fixtures().len() >= 15);
    for folder in fixtures() {
        let length = std::fs::metadata(folder.join("model.onnx")).unwrap().len();
        assert!(length < 150_000, "{} has {length} bytes", name(&folder));
    }
}

#[test]
fn regions_that_double_are_those_of_the_runtime() {
    for folder in fixtures() {
        let (own, logged) = regions(&folder, Arena::Doubled);
        assert_eq!(own, logged, "{}, and the runtime's", name(&folder));
    }
}

#[test]
fn regions_as_requested_add_up_to_those_of_the_runtime_within_7_per_cent() {
    let differs = |folder: &Path| DIFFERENT_IN_SUM.iter().any(|(fixture, _)| *fixture == name(folder));
    for folder in fixtures().into_iter().filter(|folder| !differs(folder)) {
        let (own, logged) = regions(&folder, Arena::AsRequested);
        let (own, logged): (u64, u64) = (own.iter().sum(), logged.iter().sum());
        assert!(
            own.abs_diff(logged) * 100 <= logged * 7,
            "{}: {own}, and the runtime has {logged}",
            name(&folder)
        );
    }
}

#[test]
fn a_run_has_three_phases_and_its_second_run_no_less_than_the_first() {
    for folder in fixtures() {
        let phases = run(&folder, Arena::Doubled);
        let names: Vec<_> = phases.iter().map(|phase| phase.name.name()).collect();
        assert_eq!(names, ["compile", "infer", "infer2"], "{}", name(&folder));
        assert!(phases[2].plan.arena_size >= phases[1].plan.arena_size, "{}", name(&folder));
    }
}

/// Packed weights and their workspaces are next to the arena; the log lists them where it was recorded.
#[test]
fn what_is_reserved_beside_the_arena_is_what_the_runtime_reserves() {
    let mut compared = 0;
    for folder in fixtures() {
        let record = record(&folder);
        let reserved = |part: &str| -> Option<Vec<u64>> {
            Some(
                record.get("reserved")?[part].as_array()?.iter().map(|size| size.as_u64().unwrap()).collect(),
            )
        };
        let (Some(creation), Some(first)) = (reserved("creation"), reserved("first")) else { continue };
        let phases = run(&folder, Arena::Doubled);
        let storages: Vec<_> = phases[1].allocations().collect();
        let of = |class: StorageClass| {
            storages.iter().filter(move |storage| storage.class == class).map(|storage| storage.bytes.0)
        };
        let mut held: Vec<u64> = of(StorageClass::WeightsAnonymous).collect();
        for size in creation {
            let at = held.iter().position(|&own| own == size);
            held.swap_remove(at.unwrap_or_else(|| panic!("{}: nothing has {size} bytes", name(&folder))));
        }
        assert_eq!(of(StorageClass::Workspace).max(), first.into_iter().max(), "{}", name(&folder));
        compared += 1;
    }
    assert!(compared >= 2);
}

/// Generations by ONNX Runtime GenAI of 8 tokens, recorded by scripts/measure_onnxruntime: with a cache that is allocated once
/// for 512 tokens, and with a new one for each pass.
#[test]
fn genai_has_the_arena_and_the_heap_that_were_measured() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/onnx/assistant");
    let text = std::fs::read_to_string(folder.join("genai.json")).unwrap();
    let records: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let graph = formats::open(&llm::file(&folder).unwrap()).unwrap();
    assert_eq!(records.len(), 3);
    for record in records {
        let run = &record["run"];
        let prompt = run["prompt"].as_u64().unwrap();
        let new_tokens = run["new_tokens"].as_u64().unwrap();
        let (mut genai, beams) = genai::of(&folder, &graph, None, prompt + new_tokens).unwrap().unwrap();
        assert_eq!((beams, genai.shared_cache.as_ref().unwrap().length), (1, 512));
        if run["shared_cache"] == false {
            genai.shared_cache = None;
        }
        let is_shared = genai.shared_cache.is_some();
        let base = Scenario::default().with(|run| run.genai = Some(genai));
        let profile = OnnxRuntimeCpu::default();
        let phases = llm::phases(&base, prompt, Part::Generate { new_tokens }, &profile);
        let phases = phases::run(&graph, &phases, &profile, profile.planner()).unwrap();

        let blocks = phases.last().unwrap().plan.blocks.iter();
        let own: Vec<u64> = blocks.map(|block| block.bytes.end - block.bytes.start).collect();
        let logged = record["arena_extensions"].as_object().unwrap().values();
        let logged: Vec<u64> =
            logged.flat_map(|list| list.as_array().unwrap()).map(|size| size.as_u64().unwrap()).collect();
        assert_eq!(own, logged, "{}", record["id"]);

        let measured = |name: &str| {
            let phases = record["phases"].as_array().unwrap();
            let bytes = |phase: &serde_json::Value, what: &str| {
                ["heap", "anon"]
                    .map(|kind| phase[format!("{kind}_{what}")].as_u64().unwrap())
                    .iter()
                    .sum::<u64>()
            };
            let phase = phases.iter().find(|phase| phase["name"] == name).unwrap();
            bytes(phase, "peak") - bytes(&phases[0], "before")
        };
        let subject = Subject::new(&graph, &profile, profile.planner(), &phases);
        let report = report::build(&subject);
        for phase in &report.phases {
            let (own, measured) = (phase.heap_peak_bytes, measured(&phase.name));
            // The runner's own objects are not reported.
            assert!(own <= measured && own * 100 >= measured * 95, "{}: {own}, {measured}", phase.name);
        }
        // Two heads of 32 floats, key and value of two layers: of all tokens once, or of a pass and the one before.
        let token = 2 * 2 * 2 * 32 * 4;
        let tokens = if is_shared { 512 } else { prompt };
        assert_eq!(report.totals.kv_cache_bytes, token * tokens);
    }
}
