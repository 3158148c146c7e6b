//! Predictions of the profile llama-cpp for small headers, against what llama.cpp reserved for them.
//!
//! `fixtures/gguf/recorded.json` is made by `scripts/measure_llama_cpp record`, `devices.json` by `scripts/measure_llama_cpp
//! devices`.

#![cfg(feature = "gguf")]

use memgraph::analysis::{self, Request, Task};
use memgraph::runtime::options::Options;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The word of a number in llama.h (`llama_flash_attn_type`).
fn flash(number: Option<i64>) -> &'static str {
    match number {
        Some(0) => "off",
        Some(-1) => "auto",
        _ => "on",
    }
}

fn options(settings: &Value) -> Options {
    let number = |name: &str| settings[name].as_i64();
    let mut options = Options::default().with("front-end", "library").with("no-mmap", "true");
    options = options.with("no-repack", "true").with("flash-attn", flash(number("fa")));
    for (key, option) in
        [("n_ctx", "ctx-size"), ("n_ubatch", "ubatch-size"), ("n_seq", "parallel"), ("n_out", "outputs-max")]
    {
        if let Some(value) = number(key) {
            options = options.with(option, value.to_string());
        }
    }
    for (key, option) in [("tk", "cache-type-k"), ("tv", "cache-type-v")] {
        if let Some(value) = settings[key].as_str() {
            options = options.with(option, value);
        }
    }
    if let Some(pooling) = number("pooling") {
        let words = ["none", "mean", "cls", "last", "rank"];
        options = options.with("pooling", words[usize::try_from(pooling).unwrap()]);
    }
    for (key, option) in [("unified", "kv-unified"), ("emb", "embedding"), ("swa_full", "swa-full")] {
        if number(key) == Some(1) {
            options = options.with(option, "true");
        }
    }
    options
}

/// Compares predictions of the headers in a folder with what llama.cpp reserved; at least so many settings.
fn is_predicted(records: &str, headers: &str, count: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join(records)).unwrap()).unwrap();
    let found = recorded["headers"].as_array().unwrap();
    assert!(found.len() >= count);
    for record in found {
        let name = record["model"].as_str().unwrap();
        let file = name.trim_start_matches("few-");
        let mut request = Request::new(Task::language(16));
        request.options = options(&record["settings"]);
        let path = folder.join(headers).join(format!("{file}.gguf"));
        let report = analysis::analyze(&path, &request).unwrap();
        let found = report.llama_cpp.unwrap();
        let row = found.breakdown.iter().find(|row| row.buffer_type == "CPU").unwrap();
        let own =
            [row.model_bytes, row.context_bytes, row.compute_bytes, found.graph_nodes, found.graph_leafs];
        let keys = ["model_bytes", "context_bytes", "compute_bytes", "nodes", "leafs"];
        let wanted = keys.map(|key| record[key].as_u64().unwrap());
        assert_eq!(own, wanted, "{name} under {}", record["settings"]);
    }
}

#[test]
fn every_recorded_setting_is_predicted_to_the_byte() {
    is_predicted("recorded.json", "", 100);
}

#[test]
fn every_architecture_is_predicted_to_the_byte() {
    is_predicted("architectures.json", "architectures", 350);
}

/// The options of devices, whose names in the records are CUDA's.
fn on_devices(record: &Value) -> Options {
    let (devices, settings) = (&record["devices"], &record["settings"]);
    let count: usize = devices["devices"].as_str().unwrap().parse().unwrap();
    let free =
        devices["free"].as_str().map_or_else(|| vec!["24576"; count], |free| free.split(',').collect());
    let free: Vec<String> = free.iter().map(|size| format!("{size}MiB")).collect();
    let names: Vec<String> = (0..count).map(|number| format!("cuda{number}")).collect();
    let mut made = options(settings).with("device", names.join(",")).with("device-memory", free.join(","));
    for (key, option) in [("ngl", "gpu-layers"), ("ts", "tensor-split"), ("ot", "override-tensor")] {
        match &settings[key] {
            Value::Null => {}
            Value::String(text) => made = made.with(option, text),
            other => made = made.with(option, other.to_string()),
        }
    }
    if let Some(main) = settings["split_none"].as_i64() {
        made = made.with("split-mode", "none").with("main-gpu", main.to_string());
    }
    for (key, option) in [("kqv", "no-kv-offload"), ("op_offload", "no-op-offload")] {
        if settings[key].as_i64() == Some(0) {
            made = made.with(option, "true");
        }
    }
    made
}

#[test]
fn layers_on_devices_have_the_recorded_buffers_and_splits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("devices.json")).unwrap()).unwrap();
    let records = recorded["devices"].as_array().unwrap();
    assert!(records.len() >= 148);
    for record in records {
        let name = record["model"].as_str().unwrap();
        let mut request = Request::new(Task::language(16));
        request.options = on_devices(record);
        let report = analysis::analyze(&folder.join(format!("{name}.gguf")), &request).unwrap();
        let found = report.llama_cpp.unwrap();
        let own: BTreeMap<&str, [u64; 3]> = found
            .breakdown
            .iter()
            .map(|row| (row.buffer_type.as_str(), [row.model_bytes, row.context_bytes, row.compute_bytes]))
            .filter(|(_, sizes)| sizes.iter().any(|&size| size > 0))
            .collect();
        let sizes = |row: &Value| ["model", "context", "compute"].map(|kind| row[kind].as_u64().unwrap());
        let wanted: BTreeMap<&str, [u64; 3]> = record["breakdown"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, row)| (name.as_str(), sizes(row)))
            .filter(|(_, sizes)| sizes.iter().any(|&size| size > 0))
            .collect();
        assert_eq!(own, wanted, "{name} under {}", record["settings"]);
        let splits = record["splits"].as_str().unwrap().split(" / ").next().unwrap();
        assert_eq!(found.graph_splits.to_string(), splits, "{name} under {}", record["settings"]);
        assert_eq!(report.diagnostics.iter().filter(|found| found.code == "MG0009").count(), 1);
    }
}

/// Bytes of the phase of a prompt that a server with these options has more than with none of them.
fn more_with(model: &str, base: &Options, options: &[(&str, &str)]) -> u64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/gguf/{model}.gguf"));
    let of = |options: Options| {
        let mut request = Request::new(Task::language(16));
        request.options = options;
        let report = analysis::analyze(&path, &request).unwrap();
        let prefill = report.phases.into_iter().find(|phase| phase.name == "prefill").unwrap();
        prefill.resident_peak_bytes
    };
    let with = options.iter().fold(base.clone(), |made, (name, value)| made.with(*name, *value));
    of(with) - of(base.clone())
}

/// Source: llama.cpp 0.5.0, tools/server/server-context.cpp (`create_checkpoint`), src/llama-kv-cache.cpp (`state_write`).
#[test]
fn checkpoints_hold_windows_and_states_and_the_prompt_cache_its_limit() {
    let base = Options::default().with("front-end", "server").with("ctx-size", "4096").with("parallel", "2");
    let more = |model: &str, options: &[(&str, &str)]| more_with(model, &base, options);
    // Five of six layers have a window of 128 tokens; keys and values have 64 elements in half precision.
    let of_window = 5 * 128 * 2 * 64 * 2;
    assert_eq!(more("mini-gemma3", &[("ctx-checkpoints", "3")]), 3 * 2 * of_window);
    // Two layers: three columns of 512 + 2 · 32 channels, and 512 · 32 elements, in single precision.
    let of_state = 2 * 4 * (3 * (512 + 2 * 32) + 512 * 32);
    assert_eq!(more("mini-mamba2", &[("ctx-checkpoints", "4")]), 4 * 2 * of_state);
    // Without windows and states, cells are removed one by one, and no checkpoint is made; a full cache needs none either.
    assert_eq!(more("mini-llama", &[("ctx-checkpoints", "8")]), 0);
    let full = base.clone().with("swa-full", "true");
    assert_eq!(more_with("mini-gemma3", &full, &[("ctx-checkpoints", "8")]), 0);
    assert_eq!(more("mini-llama", &[("cache-ram", "16")]), 16 << 20);
    // Without a limit nothing can be counted, and llama-cli has neither.
    assert_eq!(more("mini-llama", &[("cache-ram", "-1")]), 0);
    let cli = Options::default().with("front-end", "cli").with("ctx-size", "4096");
    assert_eq!(more_with("mini-gemma3", &cli, &[("cache-ram", "16"), ("ctx-checkpoints", "3")]), 0);
}

/// Model buffers of the small Llama in Q4_0, and file-backed and anonymous bytes after loading.
fn loaded(options: &[(&str, &str)]) -> (BTreeMap<String, u64>, [u64; 2]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let mut request = Request::new(Task::language(16));
    let base = Options::default().with("ctx-size", "512").with("front-end", "library");
    request.options = options.iter().fold(base, |made, (name, value)| made.with(*name, *value));
    let report = analysis::analyze(&folder.join("mini-llama-q4_0.gguf"), &request).unwrap();
    let rows = report.llama_cpp.unwrap().breakdown;
    let rows = rows.iter().filter(|row| row.model_bytes > 0);
    let load = report.phases.iter().find(|phase| phase.name == "load").unwrap();
    let bytes = [load.file_resident_bytes, load.heap_peak_bytes];
    (rows.map(|row| (row.buffer_type.clone(), row.model_bytes)).collect(), bytes)
}

/// The sizes are those that the built llama.cpp printed for this header: CPU_REPACK 663,552 and CPU 72,320, or CPU 735,872.
///
/// Source: llama.cpp 0.5.0, src/llama-model-loader.cpp (`create_tensor`, `load_all_data`), src/llama-mmap.cpp (`llama_mlock`).
#[test]
fn weights_are_mapped_read_or_packed() {
    let rows = |list: &[(&str, u64)]| -> BTreeMap<String, u64> {
        list.iter().map(|&(name, bytes)| (name.to_owned(), bytes)).collect()
    };
    let (packed, rest, all) = (663_552, 72_320, 735_872);
    let (own, [file, heap]) = loaded(&[]);
    // The span of the file from the first mapped tensor to the last has packed ones in it.
    assert_eq!((own["CPU_REPACK"], own["CPU_Mapped"] > rest), (packed, true));
    let (own, [read_file, read_heap]) = loaded(&[("no-mmap", "true")]);
    assert_eq!(own, rows(&[("CPU_REPACK", packed), ("CPU", rest)]));
    assert_eq!(read_heap - heap, rest);
    assert!(read_file < file);
    let (own, [stored_file, stored_heap]) = loaded(&[("no-repack", "true")]);
    assert_eq!(own, rows(&[("CPU_Mapped", all)]));
    assert_eq!((stored_file - read_file, heap - stored_heap), (all, packed));
    let (own, [_, heap_of_all]) = loaded(&[("no-repack", "true"), ("no-mmap", "true")]);
    assert_eq!((own, heap_of_all - stored_heap), (rows(&[("CPU", all)]), all));
    // Pages are pinned where they are.
    assert_eq!(loaded(&[("mlock", "true")]), loaded(&[]));
    // Blocks of 32 elements without a factor of their own in tiles; every product is there, also those with the output.
    let (own, _) = loaded(&[("isa", "amx"), ("no-mmap", "true")]);
    assert_eq!(own, rows(&[("AMX", 730_752), ("CPU", rest)]));
}

#[test]
fn heads_that_are_not_whole_blocks_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let mut request = Request::new(Task::language(16));
    request.options = Options::default().with("cache-type-k", "q8_0");
    let refused = analysis::analyze(&folder.join("architectures/phi2.gguf"), &request).unwrap_err();
    assert!(refused.message().contains("heads of 80 elements are not whole blocks of q8_0"), "{refused}");
    // Without attention in one operator rows are asked for whole blocks, and not heads.
    request.options = request.options.with("flash-attn", "off");
    assert!(analysis::analyze(&folder.join("architectures/phi2.gguf"), &request).is_ok());
}

#[test]
fn projectors_are_warmed_up_with_the_recorded_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("projectors.json")).unwrap()).unwrap();
    let records = recorded["projectors"].as_array().unwrap();
    assert!(records.len() >= 65);
    for record in records {
        let name = record["model"].as_str().unwrap();
        let mut request = Request::new(Task::Vision { patches: None, tiles: None, part: None });
        let side = |index: usize| record["settings"]["image"][index].as_u64();
        request.base.image = side(0).zip(side(1));
        let flash = flash(record["settings"]["fa"].as_i64());
        request.options = Options::default().with("flash-attn", flash);
        if record["devices"].is_object() {
            request.options = request.options.with("device", "cuda0");
        }
        let report = analysis::analyze(&folder.join(format!("{name}.gguf")), &request).unwrap();
        let found = report.llama_cpp.unwrap();
        let own: BTreeMap<&str, u64> = found
            .breakdown
            .iter()
            .map(|row| (row.buffer_type.as_str(), row.model_bytes + row.compute_bytes))
            .collect();
        let what = format!("{name}, flash attention {flash}");
        for (device, bytes) in record["devices"].as_object().into_iter().flatten() {
            assert_eq!(own.get(device.as_str()), bytes.as_u64().as_ref(), "{device}, {what}");
            assert_eq!(found.graph_splits, record["splits"].as_u64().unwrap(), "{what}");
        }
        let wanted = (record["total"].as_u64().unwrap(), record["nodes"].as_u64().unwrap());
        assert_eq!((own.values().sum(), found.graph_nodes), wanted, "{what}");
    }
}

#[test]
fn a_projector_is_on_the_first_device_unless_it_is_not_to_be() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf/mini-mmproj-smolvlm-256m.gguf");
    let of = |options: Options| {
        let mut request = Request::new(Task::Vision { patches: None, tiles: None, part: None });
        request.options = options;
        let report = analysis::analyze(&path, &request).unwrap();
        report.llama_cpp.unwrap().breakdown.iter().map(|row| row.buffer_type.clone()).collect::<Vec<_>>()
    };
    let two = Options::default().with("device", "cuda0,vulkan0").with("tensor-split", "1,1");
    assert_eq!(of(two.clone()), ["CUDA0", "CPU"]);
    assert_eq!(of(two.clone().with("no-mmproj-offload", "true")), ["CPU"]);
    // Whichever device the model is on.
    assert_eq!(of(two.with("split-mode", "none").with("main-gpu", "1")), ["CUDA0", "CPU"]);
}

#[test]
fn a_folder_with_a_projector_is_a_pipeline_and_a_split_model_is_one() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf");
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(own.join(from), folder.path().join(to)).unwrap();
    copy("mini-llama.gguf", "model.gguf");
    copy("mini-mmproj-smolvlm-256m.gguf", "mmproj.gguf");
    let mut request = Request::new(Task::Pipeline {
        patches: None,
        tiles: None,
        text_tokens: 16,
        new_tokens: 2,
        keeps_vision: true,
    });
    request.options = Options::default().with("ctx-size", "512");
    let report = analysis::analyze(folder.path(), &request).unwrap();
    let names = report.components.iter().filter_map(|part| part.component.as_ref());
    let names: Vec<_> = names.map(|component| component.name.as_str()).collect();
    assert_eq!(names, ["vision", "language"]);
    // 32 by 32 patches, 4 by 4 of which are one token.
    assert_eq!(report.scenario.image_tokens, Some(64));
    let text = analysis::analyze(folder.path(), &Request::new(Task::language(16))).unwrap();
    assert_eq!(text.scenario.prompt, Some(16));
}

#[test]
fn an_architecture_without_rules_is_an_error_that_names_another_command() {
    let mut model = b"GGUF\x03\0\0\0".to_vec();
    model.extend(0_u64.to_le_bytes());
    model.extend(4_u64.to_le_bytes());
    let text = |words: &str| [&(words.len() as u64).to_le_bytes()[..], words.as_bytes()].concat();
    model.extend([text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("nothing")].concat());
    for key in ["nothing.block_count", "nothing.embedding_length", "nothing.context_length"] {
        model.extend([text(key), 4_u32.to_le_bytes().to_vec(), 8_u32.to_le_bytes().to_vec()].concat());
    }
    let file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    std::fs::write(file.path(), model).unwrap();
    let error = analysis::analyze(file.path(), &Request::new(Task::language(16))).unwrap_err().to_string();
    assert!(
        error.contains("architecture \"nothing\" is not known") && error.contains("memgraph quick"),
        "{error}"
    );
}
