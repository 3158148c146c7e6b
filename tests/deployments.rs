//! The shipped deployments: each verdict is that of the file's source, or is stated here.

use memgraph::fit::{self, Catalog, Deployment, tier};
use memgraph::report::model::Placement;
use std::path::PathBuf;

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/deployments").join(name)
}

fn evaluate(name: &str) -> Vec<Placement> {
    fit::evaluate(&Deployment::read(&shipped(name)).unwrap()).unwrap().placements
}

fn verdicts(rows: &[Placement]) -> Vec<(&str, &str, bool)> {
    rows.iter().map(|row| (row.scenario.as_str(), row.device.as_str(), row.fits)).collect()
}

/// GB of video memory, with one decimal.
fn gb(row: &Placement) -> f64 {
    (row.vram_bytes as f64 / 1e8).round() / 10.0
}

#[test]
fn the_published_figures_of_llama_cpp_on_6_gb_are_repeated() {
    let rows = evaluate("llama-cpp-6gb.toml");
    let expected = [
        ("7B + 7B", 9.3, false),
        ("3B + 7B", 7.1, false),
        ("3B + 7B, 19 layers", 5.2, true),
        ("3B + 7B, 24 layers", 5.9, true),
        ("3B, then 7B", 4.9, true),
    ];
    for (row, (name, size, fits)) in rows.iter().zip(expected) {
        assert_eq!((row.scenario.as_str(), gb(row), row.fits), (name, size, fits));
    }
    let remedies: Vec<Option<&str>> = rows.iter().map(|row| row.remedy.as_deref()).collect();
    assert_eq!(remedies[0], Some("fits with 8 of 33 layers of 7B on the GPU"));
    assert_eq!(remedies[1], Some("fits with 24 of 33 layers of 7B on the GPU"));
}

#[test]
fn the_graphs_of_llama_cpp_give_the_same_verdicts_on_6_gb() {
    let rows = evaluate("llama-cpp-graphs-6gb.toml");
    let found: Vec<(&str, bool)> = rows.iter().map(|row| (row.scenario.as_str(), row.fits)).collect();
    assert_eq!(found, [("7B alone", true), ("3B + 7B", false), ("3B + 7B, 20 layers", true)]);
    assert_eq!(rows[1].remedy.as_deref(), Some("fits with 22 of 33 layers of 7B on the GPU"));
    assert_eq!([gb(&rows[0]), gb(&rows[1]), gb(&rows[2])], [5.2, 7.5, 5.7]);
}

#[test]
fn engines_of_vllm_take_their_share_of_8_gb() {
    let rows = evaluate("vllm-8gb.toml");
    let found: Vec<(&str, bool)> = rows.iter().map(|row| (row.scenario.as_str(), row.fits)).collect();
    let expected = [
        ("3B + 7B", false),
        ("3B + 7B, 0.50 and 0.65", false),
        ("3B fp16 alone", false),
        ("3B alone, 0.50", true),
        ("1.5B alone", true),
        ("1.5B alone, 0.50", true),
        ("3B + 1.5B, 0.50 and 0.40", true),
    ];
    assert_eq!(found, expected);
    assert!(rows[0].refused.as_ref().unwrap().contains("not free when it starts"));
    assert!(rows.iter().flat_map(|row| &row.needs).all(|need| need.known.contains("not validated")));
}

#[test]
fn ten_kinds_of_onnx_models_are_analysed() {
    let rows = evaluate("onnx-kinds.toml");
    assert!(rows.iter().all(|row| row.fits && row.needs.len() == 10), "{:?}", verdicts(&rows));
    assert!(
        rows[0]
            .needs
            .iter()
            .all(|need| need.known.starts_with("onnxruntime-cpu") && need.ram_bytes > 1 << 20)
    );
    let of = |mode: &str| rows.iter().find(|row| row.mode == mode).unwrap();
    let lazy = of("lazy");
    assert!(lazy.moments.windows(2).all(|pair| pair[0].ram_bytes < pair[1].ram_bytes));
    assert_eq!(lazy.ram_bytes, of("together").ram_bytes);
    assert!(of("one-after-the-other").ram_bytes < lazy.ram_bytes);
}

#[test]
fn ten_kinds_of_usual_lengths_need_64_gb_together() {
    let rows = evaluate("onnx-kinds-estimated.toml");
    let smallest = |scenario: &str| {
        rows.iter().find(|row| row.scenario == scenario && row.fits).map(|row| row.device.as_str())
    };
    assert_eq!(smallest("all together"), Some("64 GB"));
    assert_eq!(smallest("without generation"), Some("32 GB"));
    assert_eq!(smallest("one after the other"), Some("16 GB"));
    assert_eq!(smallest("search"), Some("8 GB"));
}

#[test]
fn each_class_of_machines_has_its_best_candidate() {
    let catalog = Catalog::read(&shipped("catalog.toml")).unwrap();
    let best = |name: &str| fit::pick(&catalog, &tier(name).unwrap()).unwrap().chosen.unwrap();
    assert_eq!(best("ultra"), "14B Q4_K_M");
    assert_eq!(best("high"), "7B Q6_K");
    assert_eq!(best("medium"), "3B Q8_0");
}

#[test]
fn layers_on_a_gpu_are_refused_where_there_is_none() {
    let models = shipped("models").join("mistral-7b-q4_k.gguf");
    let text = format!(
        "[[device]]\nname = \"laptop\"\nram = \"16GB\"\n\n[[model]]\nname = \"7B\"\npath = {models:?}\n\
         run = {{ task = \"llm\", seq = 512 }}\noptions = {{ ctx_size = 4096, parallel = 1, gpu_layers = 99 }}\n\n\
         [[scenario]]\nname = \"7B\"\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.toml");
    std::fs::write(&file, text).unwrap();
    let found = fit::evaluate(&Deployment::read(&file).unwrap()).unwrap();
    let [row] = &found.placements[..] else { panic!("one row, not {}", found.placements.len()) };
    assert!(!row.fits);
    assert!(row.refused.as_ref().unwrap().contains("has layers on a GPU"), "{:?}", row.refused);
    assert_eq!(row.remedy.as_deref(), Some("fits with 0 of 33 layers of 7B on the GPU"));
}
