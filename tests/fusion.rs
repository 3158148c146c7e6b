//! Whole models against the execution graphs that OpenVINO 2026.4.1 serialized.
//!
//! `fixtures/execution/<run>.txt` has one line per node that is not a constant, in execution order: kind, original layers,
//! precision of the first output. Numbers in names that the runtime makes up are left away, there and here.

#![cfg(feature = "openvino")]

use memgraph::runtime::openvino_cpu::execution::{ExecutedNode, Kind, Precision};
use memgraph::runtime::openvino_cpu::fuse::{self, Options};
use memgraph::scenario::Scenario;
use memgraph::{formats, shape};
use std::path::Path;

/// A name without the number that its maker gave it.
fn plain(name: &str) -> &str {
    if let Some((word, _)) = name.split_once('#') {
        return word;
    }
    if name.contains(['/', '.']) {
        return name;
    }
    match name.rsplit_once('_') {
        Some((word, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            word
        }
        _ => name,
    }
}

fn line(node: &ExecutedNode) -> String {
    let originals: Vec<&str> = node.originals.iter().map(|name| plain(name)).collect();
    let precision = node.outputs.first().map_or("", |output| output.dtype.name());
    format!("{} | {} | {precision}", node.kind.name(), originals.join(","))
}

/// Every line of the prediction against every line of the record.
fn check(model: &str, run: &str, inputs: &[(&str, &[u64])], options: Options) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let graph = formats::open(&root.join(model)).unwrap();
    let inputs = inputs.iter().map(|&(name, dims)| (name.to_owned(), dims.iter().copied().collect()));
    let scenario = Scenario::default().with(|run| run.inputs = inputs.collect());
    let shapes = shape::infer(&graph, &scenario).unwrap();
    let executed = fuse::execution_graph(&graph, &shapes, options).unwrap();
    let nodes = executed.nodes.iter().filter(|node| node.kind != Kind::Const);
    let ours: Vec<String> = nodes.map(line).collect();
    let recorded = std::fs::read_to_string(root.join("execution").join(format!("{run}.txt"))).unwrap();
    let recorded: Vec<&str> = recorded.lines().map(str::trim_end).collect();
    for (step, (ours, recorded)) in ours.iter().zip(&recorded).enumerate() {
        assert_eq!(ours.trim_end(), *recorded, "step {step} of {run}, constants not counted");
    }
    assert_eq!(ours.len(), recorded.len(), "{run}");
}

const TOKENS: [(&str, &[u64]); 4] = [
    ("input_ids", &[1, 128]),
    ("attention_mask", &[1, 128]),
    ("position_ids", &[1, 128]),
    ("beam_idx", &[1]),
];
const TEXT: [(&str, &[u64]); 3] =
    [("input_ids", &[1, 128]), ("attention_mask", &[1, 128]), ("token_type_ids", &[1, 128])];

#[test]
fn a_decoder_with_state() {
    let model = "qwen2.5-0.5b-fp16/openvino_model.xml";
    check(model, "qwen2.5-0.5b-fp16_N128_def", &TOKENS, Options::default());
}

#[test]
fn a_decoder_with_weights_of_four_bits() {
    let model = "qwen2.5-1.5b-L8-int4asym-g128/openvino_model.xml";
    check(model, "qwen2.5-1.5b-L8-int4asym-g128_N128_def", &TOKENS, Options::default());
}

#[test]
fn a_decoder_that_turns_a_part_of_each_head() {
    check("phi2-fp16-L1/openvino_model.xml", "phi2-fp16-L1_N128_def", &TOKENS, Options::default());
}

#[test]
fn a_decoder_with_fused_projections_and_symmetric_weights() {
    let model = "gpt-neox-int4sym-L1/openvino_model.xml";
    check(model, "gpt-neox-int4sym-L1_N128_def", &TOKENS, Options::default());
}

#[test]
fn a_decoder_with_windows_and_capped_logits() {
    check("gemma2-int8-L1/openvino_model.xml", "gemma2-int8-L1_N128_def", &TOKENS, Options::default());
}

#[test]
fn a_decoder_with_experts() {
    check("qwen3-moe-fp16-L1/openvino_model.xml", "qwen3-moe-fp16-L1_N128_def", &TOKENS, Options::default());
}

#[test]
fn a_decoder_that_reads_an_encoder() {
    let inputs: [(&str, &[u64]); 3] =
        [("input_ids", &[1, 128]), ("encoder_hidden_states", &[1, 1500, 384]), ("beam_idx", &[1])];
    let model = "whisper-fp16-L1/openvino_decoder_model.xml";
    check(model, "whisper-fp16-L1_decoder_N128_def", &inputs, Options::default());
}

#[test]
fn a_merger_with_windows() {
    let model = "qwen2.5-vl-3b-v8-L4-fp16/openvino_vision_embeddings_merger_model.xml";
    let inputs: [(&str, &[u64]); 5] = [
        ("hidden_states", &[1024, 1280]),
        ("attention_mask", &[1, 1024, 1024]),
        ("window_attention_mask", &[1, 1024, 1024]),
        ("window_index", &[256]),
        ("rotary_pos_emb", &[1024, 40]),
    ];
    check(model, "qwen2.5-vl-3b-v8-L4-fp16_merger_S1024_def", &inputs, Options::default());
}

#[test]
fn a_vision_tower_in_f32() {
    let inputs: [(&str, &[u64]); 1] = [("pixel_values", &[1, 3, 224, 224])];
    let options = Options { precision: Precision::F32, ..Options::default() };
    check("vit-base-p16-224-fp16/openvino_model.xml", "vit-base-p16-224-fp16_B1_dyn_f32", &inputs, options);
}

#[test]
fn an_embedder_with_free_and_with_known_dims() {
    let model = "minilm-l6-v2-fp16/openvino_model.xml";
    check(model, "minilm-l6-v2-fp16_S128_dyn_def", &TEXT, Options::default());
    let options = Options { is_dynamic: false, ..Options::default() };
    check(model, "minilm-l6-v2-fp16_S128_static_def", &TEXT, options);
}

#[test]
fn a_convolutional_network() {
    let inputs: [(&str, &[u64]); 1] = [("x", &[1, 3, 224, 224])];
    let options = Options { is_dynamic: false, ..Options::default() };
    check("resnet50-fp32/openvino_model.xml", "resnet50-fp32_B1_static_def", &inputs, options);
}

/// A model that scripts/export_fixtures.py made, compiled with its free dims and with those of the run.
fn check_small(model: &str) {
    let inputs: [(&str, &[u64]); 1] = [("pixel_values", &[1, 3, 64, 64])];
    for (is_dynamic, run) in [(true, "dyn"), (false, "static")] {
        let options = Options { precision: Precision::F32, is_dynamic, ..Options::default() };
        check(&format!("{model}/openvino_model.xml"), &format!("{model}_{run}_f32"), &inputs, options);
    }
}

#[test]
fn a_vision_tower_with_a_pooling_head() {
    check_small("siglip-mini-fp16");
}

#[test]
fn norms_over_channels_of_images() {
    check_small("convnext-mini-fp16");
}

#[test]
fn a_segmentation_network_with_skips() {
    check_small("unet-mini-fp16");
}

/// A model that scripts/export_quantized.py made, compiled with its free dims and with those of the run, in bf16.
fn check_quantized(model: &str, dims: &[u64]) {
    for (is_dynamic, run) in [(true, "dyn"), (false, "static")] {
        let options = Options { precision: Precision::Bf16, is_dynamic, ..Options::default() };
        check(&format!("{model}/openvino_model.xml"), &format!("{model}_{run}_def"), &[("x", dims)], options);
    }
}

#[test]
fn an_image_network_in_8_bits() {
    check_quantized("ptq-image-mini", &[1, 3, 32, 32]);
}

#[test]
fn weights_that_are_quantized_in_the_graph() {
    check_quantized("ptq-image-mini-limits", &[1, 3, 32, 32]);
}

#[test]
fn a_transformer_in_8_bits() {
    check_quantized("ptq-text-mini", &[1, 12, 32]);
}

/// A transposed convolution reads its bias in f32, whatever it computes in.
#[test]
fn a_segmentation_network_in_bf16() {
    let inputs: [(&str, &[u64]); 1] = [("pixel_values", &[1, 3, 64, 64])];
    for (is_dynamic, run) in [(true, "dyn"), (false, "static")] {
        let options = Options { precision: Precision::Bf16, is_dynamic, ..Options::default() };
        let record = format!("unet-mini-fp16_{run}_def");
        check("unet-mini-fp16/openvino_model.xml", &record, &inputs, options);
    }
}
