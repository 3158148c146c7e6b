//! A model that is opened once and analysed under many runs gives the reports that it gives when it is opened for each.

#![cfg(feature = "openvino")]

use memgraph::analysis::{self, Opened, Request, Task};
use memgraph::pipeline::llm::Part;
use std::path::Path;

/// Compares the reports of several runs, one after the other.
fn compare(file: &str, requests: &[Request]) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
    let opened = Opened::open(&model, &requests[0]).unwrap();
    for request in requests {
        let kept = opened.analyze(request).unwrap().report;
        let fresh = analysis::analyze(&model, request).unwrap();
        let [kept, fresh] = [kept, fresh].map(|report| serde_json::to_value(report).unwrap());
        assert!(kept == fresh, "{file}: {:?} gives another report", request.task);
    }
}

/// Prompts of these lengths, of one sequence and of two, behind cached tokens or not.
fn prompts(lengths: &[u64]) -> Vec<Request> {
    let mut requests = Vec::new();
    for (batch, past) in [(1, 0), (2, 0), (1, 5)] {
        for &tokens in lengths {
            let task = Task::Language { tokens, part: Part::Prefill, max_length: None };
            let mut request = Request::new(task);
            (request.advises, request.digest) = (false, false);
            (request.base.batch, request.base.past) = (Some(batch), past);
            requests.push(request);
        }
    }
    requests
}

#[test]
fn language_models() {
    for file in ["gemma2-int8-L1", "gpt-neox-int4sym-L1", "phi2-fp16-L1", "qwen3-moe-fp16-L1"] {
        compare(file, &prompts(&[3, 64, 1, 65, 200]));
    }
}

#[test]
fn other_models() {
    let batches = |dims: &[&[(&str, u64)]]| -> Vec<Request> {
        let request = |dims: &&[(&str, u64)]| {
            let mut request = Request::new(Task::Graph);
            (request.advises, request.digest) = (false, false);
            request.base.binds = dims.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
            request
        };
        dims.iter().map(request).collect()
    };
    let texts = [[2, 7], [1, 9], [1, 1], [3, 64], [3, 65]];
    let texts = texts.map(|[batch, seq]| [("batch", batch), ("seq", seq), ("total", seq)]);
    let texts: Vec<&[(&str, u64)]> = texts.iter().map(|dims| &dims[..]).collect();
    compare("minilm-l6-v2-fp16/openvino_model.xml", &batches(&texts));
    let images = [2, 1, 3, 8].map(|batch| [("batch", batch)]);
    let images: Vec<&[(&str, u64)]> = images.iter().map(|dims| &dims[..]).collect();
    for file in ["siglip-mini-fp16", "vit-base-p16-224-fp16"] {
        compare(file, &batches(&images));
    }
    let images = [[2, 224, 224], [1, 64, 96], [1, 33, 32], [1, 224, 224], [3, 65, 65]];
    let images =
        images.map(|[batch, height, width]| [("batch", batch), ("height", height), ("width", width)]);
    let images: Vec<&[(&str, u64)]> = images.iter().map(|dims| &dims[..]).collect();
    for file in ["convnext-mini-fp16", "resnet50-fp32"] {
        compare(file, &batches(&images));
    }
}
